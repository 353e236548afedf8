"""MCP servers as tools: real ones of the official SDK, started as a program and on a port, and an old one by hand."""

import json
import os
import shlex
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from calm.agent import converse
from calm.conversation import Assistant, Call, Observation, User
from calm.errors import HubError, MissingExtra, UsageError
from calm.policy.scripted import Scripted
from calm.world.dialogue import Dialogue, ScriptedUser
from calm.world.mcp import MCP

SERVER = '''
import os, sys, time
from mcp.server.mcpserver import Context, MCPServer
from mcp.types import ImageContent, TextContent, ToolAnnotations

server = MCPServer("shop")
READS = ToolAnnotations(read_only_hint=True)

@server.tool(annotations=READS)
def stock(item: str, at: list[str] | None = None) -> dict[str, int]:
    """How many are left"""
    return {item: 3}

@server.tool(name="odd name!", annotations=ToolAnnotations(idempotent_hint=True))
def odd() -> list[TextContent | ImageContent]:
    image = ImageContent(type="image", data="aGk=", mime_type="image/png")
    return [TextContent(type="text", text="</tool_call>"), image]

@server.tool()
def refuse() -> str:
    from mcp.server.mcpserver.exceptions import ToolError
    raise ToolError("closed on Sunday")

@server.tool(annotations=READS)
def once(mark: str) -> str:
    """Dies the first time."""
    if not os.path.exists(mark):
        open(mark, "w").close()
        os._exit(1)
    return "back"

@server.tool()
def die() -> str:
    os._exit(1)

@server.tool(annotations=READS)
def slow() -> str:
    time.sleep(3)
    return "late"

@server.tool(annotations=READS)
async def grow(ctx: Context) -> str:
    server.add_tool(lambda: "new", name="grown", description="new")
    await ctx.notify_tools_changed()
    return os.environ.get("SHOP", "") + os.environ.get("OTHER", "")

if len(sys.argv) > 1:
    server.run("streamable-http", port=int(sys.argv[1]))
else:
    server.run()
'''

OLD = """
import json, sys
tools = [{"name": "add", "inputSchema": {"type": "object", "properties": {"t": {"$ref": "#/$defs/T"}},
          "$defs": {"T": {"type": "object", "properties": {"t": {"$ref": "#/$defs/T"}}}}}}]
def say(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    method, id = asked["method"], asked.get("id")
    if method == "initialize":
        info = {"name": "old", "version": "1"}
        can = {"tools": {"listChanged": True}}
        say(id=id, result={"protocolVersion": "2025-06-18", "capabilities": can, "serverInfo": info})
    elif method == "tools/list":
        say(id=id, result={"tools": tools})
    elif method == "tools/call":
        tools.append({"name": f"more_{len(tools)}", "inputSchema": {"type": "object"}})
        say(method="notifications/tools/list_changed")
        say(id=id, result={"content": [{"type": "text", "text": "done"}]})
    elif id is not None:
        say(id=id, error={"code": -32601, "message": "no such method"})
"""


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """The command line of the server."""
    path = tmp_path_factory.mktemp("mcp") / "server.py"
    path.write_text(SERVER)
    return shlex.join([sys.executable, str(path)])


@pytest.fixture(scope="module")
def stdio(command):
    os.environ["OTHER"] = "unseen"
    with MCP(f"SHOP=open {command}", timeout=30) as box:
        yield box
    del os.environ["OTHER"]


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def url(command):
    """The server on a port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([*shlex.split(command), str(port)], stderr=subprocess.DEVNULL) as process:
        while not listening(port):
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
        process.kill()


def told(box, tool, **arguments):
    return json.loads(box.run(Call(name=tool, arguments=arguments)))


def test_tools_keep_schema_and_description_and_get_a_valid_name(stdio):
    tools = {tool.name: tool for tool in stdio.tools}
    assert {"stock", "odd_name", "refuse"} <= set(tools)
    assert tools["stock"].description == "How many are left."
    assert tools["stock"].parameters["required"] == ["item"]


def test_what_a_server_says_of_its_tools_decides_what_writes_and_what_may_be_repeated(stdio):
    assert {"refuse", "die", "odd_name"} <= stdio.writing
    assert {"stock", "slow"}.isdisjoint(stdio.writing)
    assert stdio.idempotent >= {"stock", "odd_name"}
    assert "die" not in stdio.idempotent


def test_structured_results_are_preferred_and_other_blocks_are_text_or_named(stdio):
    assert told(stdio, "stock", item="tea") == {"tea": 3}
    assert told(stdio, "odd_name") == "</tool_call>\n[image of type image/png is not shown]"


def test_errors_name_what_is_wrong(stdio):
    assert "closed on Sunday" in told(stdio, "refuse")["error"]
    assert told(stdio, "stock")["error"] == "stock needs 'item'; it takes item, at"
    assert "'colour'" in told(stdio, "stock", item="tea", colour="red")["error"]
    assert "'feed'" in told(stdio, "feed")["error"]


def test_the_same_server_answers_over_http(url):
    with MCP(url, timeout=30, include=["st*"]) as box:
        assert [tool.name for tool in box.tools] == ["stock"]
        assert told(box, "stock", item="tea") == {"tea": 3}


def test_a_new_tool_is_offered_in_the_middle_of_a_conversation_and_the_environment_is_not_handed_on(stdio):
    steps = [Assistant(calls=(Call(name="grow", arguments={}),)), Assistant(text="grown")]
    world = Dialogue(stdio, ScriptedUser(["grow", "thanks"]))
    done = converse(Scripted(steps), world, world.start())
    assert done.messages[2] == Observation(content='{"result": "open"}', name="grow")
    deadline = time.monotonic() + 10
    while "grown" not in [tool.name for tool in stdio.tools] and time.monotonic() < deadline:
        time.sleep(0.02)  # from 2026-07-28 on the news come on a stream of their own
    assert told(stdio, "grown") == "new"


def test_servers_that_only_know_the_old_handshake_work_and_their_news_come_before_the_answer(tmp_path):
    (tmp_path / "old.py").write_text(OLD)
    with MCP(shlex.join([sys.executable, str(tmp_path / "old.py")]), timeout=10) as box:
        assert box.tools[0].parameters["properties"] == {
            "t": {"type": "object", "properties": {"t": {"type": "object"}}}
        }
        world = Dialogue(box, ScriptedUser(["add", "thanks"]))
        steps = [Assistant(calls=(Call(name="add", arguments={}),)), Assistant(text="added")]
        done = converse(Scripted(steps), world, world.start())
        assert [tool.name for tool in done.tools] == ["add", "more_1"]
        assert isinstance(done.messages[-2], User)


def test_a_server_that_died_is_started_again_and_only_repeatable_calls_are_repeated(command, tmp_path):
    with MCP(command, timeout=30) as box:
        assert told(box, "once", mark=str(tmp_path / "mark")) == {"result": "back"}
        died = told(box, "die")
        assert (died["type"], "not known" in died["error"]) == ("unavailable", True)
        assert told(box, "stock", item="tea") == {"tea": 3}


def test_a_server_that_changes_its_list_and_dies_leaves_the_tools_that_were_known(tmp_path):
    dies = OLD.replace('"done"}]})', '"done"}]})\n        sys.exit()')
    (tmp_path / "dies.py").write_text(dies)
    with MCP(shlex.join([sys.executable, str(tmp_path / "dies.py")]), timeout=30) as box:
        assert told(box, "add") == "done"
        deadline = time.monotonic() + 20
        while not box._connection.changed and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [tool.name for tool in box.tools] == ["add"]


def test_one_death_is_one_new_server_however_many_calls_it_took(tmp_path):
    counted = """open(sys.argv[1], "a").write("started\\n")\n"""
    dies = OLD.replace("import json, sys\n", "import json, os, sys\n" + counted)
    dies = dies.replace('"name": "add"', '"name": "add", "annotations": {"readOnlyHint": True}')
    waits = 'if open(sys.argv[1]).read() == "started\\n":\n            calls = globals().get("calls", 0) + 1\n'
    waits += "            if calls == 4:\n                os._exit(1)\n            continue\n        "
    (tmp_path / "dies.py").write_text(dies.replace("tools.append(", waits + "tools.append("))
    command = shlex.join([sys.executable, str(tmp_path / "dies.py"), str(tmp_path / "log")])
    with MCP(command, timeout=30) as box, ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: told(box, "add"), range(4))) == ["done"] * 4
    assert (tmp_path / "log").read_text() == "started\n" * 2


@pytest.mark.parametrize(("result", "words"), [
    ('{"content": "x"}', "none of MCP: content"), ('{"content": [{"type": "new"}]}', "none of MCP: content.0"),
    ('{"content": [], "structuredContent": {"x": float("nan")}}', '{"x": "NaN"}'),
])  # fmt: skip
def test_answers_that_mcp_does_not_know_are_told_to_the_model(tmp_path, result, words):
    (tmp_path / "odd.py").write_text(OLD.replace('{"content": [{"type": "text", "text": "done"}]}', result))
    with MCP(shlex.join([sys.executable, str(tmp_path / "odd.py")]), timeout=30) as box:
        assert words in box.run(Call(name="add", arguments={}))


def test_tools_that_mcp_does_not_know_are_one_line(tmp_path):
    (tmp_path / "odd.py").write_text(OLD.replace('"inputSchema": {"type": "object", "prop', '"inputSchema": {"prop'))
    with pytest.raises(HubError, match=r"lists no tools: .*tools\.0\.inputSchema"):
        MCP(shlex.join([sys.executable, str(tmp_path / "odd.py")]), timeout=30)


def test_a_program_that_never_answers_is_ended(tmp_path):
    (tmp_path / "mute.py").write_text(
        "import os, sys, time\nopen(sys.argv[1], 'w').write(str(os.getpid()))\ntime.sleep(99)"
    )
    with pytest.raises(HubError, match="did not answer within 2 s"):
        MCP(shlex.join([sys.executable, str(tmp_path / "mute.py"), str(tmp_path / "pid")]), timeout=2)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_slow_tool_is_a_timeout_and_the_server_lives_on(command):
    with MCP(command, timeout=30) as box:
        box._connection._timeout = 0.3
        assert told(box, "slow")["type"] == "timeout"
        box._connection._timeout = 30
        assert told(box, "stock", item="tea") == {"tea": 3}


def test_after_closing_a_call_is_an_error_and_closing_again_is_nothing(command):
    box = MCP(command, timeout=30)
    box.close()
    box.close()
    assert told(box, "stock", item="tea")["type"] == "unavailable"


@pytest.mark.parametrize(("server", "words"), [
    ("no-such-program-at-all", "No such file"),
    (shlex.join([sys.executable, "-c", "import sys; sys.exit('out of tea')"]), "out of tea"),
    ("http://127.0.0.1:9/mcp", "attempts failed"),
])  # fmt: skip
def test_a_server_that_is_not_there_is_one_line_with_its_last_words(server, words):
    with pytest.raises(HubError, match=words):
        MCP(server, timeout=20)


def test_without_the_sdk_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(MissingExtra, match=r"calm-lm\[tools\]"):
        MCP("http://127.0.0.1:9/mcp")


def test_patterns_that_fit_nothing_are_refused_and_the_server_is_ended(command):
    with pytest.raises(UsageError, match="no tool that fits nothing"):
        MCP(command, include=["nothing"], timeout=30)


@pytest.mark.parametrize("line", ["", "A=b", "'"])
def test_a_command_that_is_none_is_refused(line):
    with pytest.raises(UsageError, match=r"no program|no command line"):
        MCP(line)
