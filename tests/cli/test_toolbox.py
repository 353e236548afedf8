"""What --tools, --openapi and --mcp name, and the question before anything is changed."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from calm.cli.toolbox import Sources, api_label, asking, gathered, refusing, server_label
from calm.conversation import Call, Observation, read

FILE = '''
from calm.world.functions import tool
done = []
@tool(writes=True)
def order(item: str) -> str:
    """Order a thing."""
    return f"ordered {item}"
'''
SPEC = {
    "openapi": "3.1.0",
    "servers": [{"url": "http://shop.example"}],
    "components": {"securitySchemes": {"Key": {"type": "http", "scheme": "bearer"}}},
    "paths": {
        "/order": {"get": {"operationId": "order", "security": [{"Key": []}]}},
        "/up": {"post": {"requestBody": {"content": {"image/png": {}}}}},
    },
}
SERVER = """
from mcp.server.mcpserver import MCPServer
server = MCPServer("s")
@server.tool()
def order() -> str:
    return "by mcp"
server.run()
"""
ORDER = Call(name="order", arguments={"item": "tea"})


@pytest.fixture
def sources(tmp_path):
    """A file, a document and a server that all have a tool `order`."""
    (tmp_path / "mine.py").write_text(FILE)
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    (tmp_path / "shop.py").write_text(SERVER)
    server = shlex.join([sys.executable, str(tmp_path / "shop.py")])
    return Sources(tmp_path / "mine.py", [str(tmp_path / "spec.json")], [server])


def test_all_sources_are_one_toolbox_and_notes_say_what_is_missing(sources):
    toolbox, notes = gathered(sources)
    assert [tool.name for tool in toolbox.tools] == ["order", "spec_order", "shop_py_order"]
    assert toolbox.writing == {"order", "shop_py_order"}
    assert toolbox.run(Call(name="shop_py_order", arguments={})) == '{"result": "by mcp"}'
    assert "CALM_KEY_SHOP_EXAMPLE_KEY" in notes[0]
    assert "POST /up" in notes[1]


def test_labels_are_hosts_programs_and_files_never_values_of_options():
    assert api_label("a/b/shop.yaml@http://h:1/v1") == "shop"
    assert api_label("https://api.example.com/openapi.json?key=k") == "api.example.com"
    assert server_label("TOKEN=t npx -y @scope/server-github --token secret") == "server-github"
    assert server_label("/usr/bin/python3.11 tools/shop.py --key k") == "shop.py"
    assert server_label("https://u:p@mcp.example.com/mcp") == "mcp.example.com"


class Spinner:
    """Notes when it is stopped and started."""

    def __init__(self) -> None:
        self.said = ""

    def start(self) -> None:
        self.said += "+"

    def stop(self) -> None:
        self.said += "-"


def decided(*answers):
    """What the answers at the keyboard lead to; the questions they met."""
    lines: Iterator[str] = iter(answers)
    asked: list[str] = []
    spinner = Spinner()
    outcome = asking(lambda question: asked.append(question) or next(lines), spinner)(ORDER)
    assert spinner.said == "-+"
    return outcome, asked


def test_only_a_yes_is_a_yes_and_another_word_is_asked_again():
    assert decided("y")[0] is True
    assert [decided(word)[0] for word in ("n", "", "no")] == [False] * 3
    outcome, asked = decided("what?", " YES ")
    assert (outcome, len(asked)) == (True, 2)
    assert 'order(item="tea")' in asked[0]
    assert refusing(ORDER) is False


def test_arguments_can_be_edited_and_what_is_no_object_is_asked_again():
    outcome, _ = decided("e", '["tea"]', "e", "{", "e", '{"item": "coffee"}')
    assert outcome == ORDER.model_copy(update={"arguments": {"item": "coffee"}})


PIPED = """
import sys
from pathlib import Path
from calm.cli import chat
from calm.conversation import Assistant, Call
from calm.policy.scripted import Scripted
steps = [Assistant(calls=(Call(name="order", arguments={"item": "tea"}),)), Assistant(text="So.")]
chat.load = lambda name, **options: Scripted(steps, name)
chat.chat(model="m", save=Path(sys.argv[2]), tools=Path(sys.argv[1]), **eval(sys.argv[3]))
"""


@pytest.mark.parametrize(
    ("flags", "words"),
    [("{}", '"refused"'), ("dict(yes=True)", "ordered tea"), ("dict(dry_run=True)", '"dry_run": true')],
)
def test_a_pipe_refuses_what_changes_something_unless_told_to_do_it(sources, tmp_path, flags, words):
    command = [sys.executable, "-c", PIPED, str(sources.file), str(tmp_path / "chat.jsonl"), flags]
    done = subprocess.run(command, input=b"go\n", capture_output=True, timeout=60)
    assert done.stderr == b""
    (row,) = read(tmp_path / "chat.jsonl")
    heard = next(m for m in row.messages if isinstance(m, Observation))
    assert words in heard.content
    assert row.origin == "chat/mine.py"
