"""The chat without a terminal: lines in, events out, a scripted policy over the real town."""

import io
import json
import os
import subprocess
import sys

import pytest
from rich.console import Console

from calm.cli.chat import Chat, append, draw, plain, slots, talk
from calm.cli.toolbox import toolbox_of
from calm.conversation import Assistant, Call, Conversation, Garbled, Observation, User, read
from calm.errors import HubError, StorageError, UsageError
from calm.policy.scripted import Scripted
from calm.world.dialogue import Dialogue
from calm.world.town import Town

TAXI = Call(name="book_taxi", arguments={"origin": "station", "destination": "The Larkspur", "time": "10:00"})
BOOK = [Assistant(thought="I can book it", calls=(TAXI,)), Assistant(text="Booked.\nA green car.")]


def chatting(policy, lines, patient=True):
    """The chat after `lines`, and its events as plain lines."""
    seen: list[str] = []
    world = Dialogue(Town(), lambda conversation: None)
    chat = Chat(policy, world, Conversation(tools=world.toolbox.tools), lambda event: seen.extend(plain(event)))
    talk(chat, lines, patient)
    return chat, seen


def test_a_turn_shows_every_event_on_a_line_of_its_own():
    chat, seen = chatting(Scripted(BOOK), ["book a taxi\n"])
    assert seen[:2] == ["user: book a taxi", "thought: I can book it"]
    assert seen[2] == 'call: book_taxi(origin="station", destination="The Larkspur", time="10:00")'
    assert seen[3].startswith('observation: {"reference": "C1')
    assert seen[4:] == ["assistant: Booked.\\nA green car."]
    assert len(chat.world.toolbox.bookings) == 1


def test_undo_takes_back_words_and_bookings():
    chat, _ = chatting(Scripted(BOOK), ["hello", "book a taxi", "/undo"])
    again, seen = chatting(Scripted(BOOK), ["book a taxi", "/undo", "/undo"])
    assert (again.conversation.messages, again.world.toolbox.bookings) == ((), {})
    assert seen[-2:] == ["note: taken back; turns before it: 0", "note: nothing to take back"]
    assert [m.content for m in chat.conversation.messages if isinstance(m, User)] == ["hello"]


class Interrupted(Scripted):
    """Ctrl-C comes after the script has run out."""

    def __call__(self, conversation):
        step = super().__call__(conversation)
        if step == Assistant(text=""):
            raise KeyboardInterrupt
        return step


def test_ctrl_c_stops_the_answer_and_keeps_what_was_said():
    chat, seen = chatting(Interrupted(BOOK[:1]), ["book a taxi", "/state"])
    assert [m.role for m in chat.conversation.messages] == ["user", "assistant", "tool"]
    assert any(line.startswith("note: stopped") for line in seen)
    assert len(chat.world.toolbox.bookings) == 1


class Hung(Dialogue):
    """A world whose tools are interrupted."""

    def __call__(self, conversation, step):
        raise KeyboardInterrupt


def test_ctrl_c_while_a_tool_runs_answers_its_call():
    world = Hung(Town(), lambda conversation: None)
    chat = Chat(Scripted(BOOK), world, Conversation(tools=world.toolbox.tools), lambda event: None)
    chat.say("book a taxi")
    last = chat.conversation.messages[-1]
    assert (last.call, last.content) == ("call_0", '{"error": "stopped by the user"}')
    assert Conversation.model_validate(chat.conversation.model_dump()) == chat.conversation


class Unreachable:
    name = "far"

    def __call__(self, conversation):
        raise HubError("http://h: no connection")


def test_trouble_on_the_way_is_told_a_person_and_raised_to_a_script():
    chat, seen = chatting(Unreachable(), ["hello", "/undo"])
    assert "note: http://h: no connection" in seen
    assert chat.conversation.messages == ()
    with pytest.raises(HubError):
        chatting(Unreachable(), ["hello"], patient=False)


def test_a_model_that_cannot_be_read_is_stopped_and_said_so():
    _, seen = chatting(Scripted([Garbled(raw="<\x1b[31m", why="broken")] * 9), ["hello"])
    assert seen.count("garbled: broken: <\\x1b[31m") == 2
    assert seen[-1] == "note: the model was stopped by the limit on garbled"


def test_commands_list_tools_and_state_and_help():
    _, seen = chatting(Scripted(BOOK), ["/tools", "/state", "book", "/state", "/nonsense", "/quit", "never heard"])
    assert "find_restaurants: Search restaurants." in seen[0]
    assert seen[1] == "note: no slot is filled yet"
    assert "book_taxi.time = 10:00" in seen[-2]
    assert seen[-1].startswith("note: /nonsense is no command\\n/tools")


def test_the_state_a_tracker_noted_wins_over_the_calls():
    said = Conversation(messages=(User(content="x"), BOOK[0]))
    assert slots(said)["book_taxi.origin"] == "station"
    assert slots(said.model_copy(update={"state": ({"area": "centre"},)})) == {"area": "centre"}


def test_saved_chats_are_rows_one_after_another(tmp_path):
    path = tmp_path / "new" / "chats.jsonl"
    chat, seen = chatting(Scripted(BOOK), ["book a taxi", f"/save {path}", "more", f"/save {path}"])
    first, second = read(path)
    assert second == chat.conversation
    assert first == second.upto(len(first.messages)).note(ended="world")
    assert f"calm show {path}" in seen[-1]


def test_a_file_that_cannot_be_written_does_not_end_the_chat(tmp_path):
    _, seen = chatting(Scripted(BOOK), [f"/save {tmp_path}", "hello"])
    assert "cannot be written" in seen[0]
    assert "assistant: Booked.\\nA green car." in seen
    with pytest.raises(StorageError):
        append(tmp_path, Conversation())


def test_a_person_sees_folded_observations_cards_and_no_control_characters():
    console = Console(file=io.StringIO(), width=60)
    rows = json.dumps([{"name": f"place {i}", "note": "long " * 9} for i in range(40)])
    for event in (*BOOK, Observation(content=rows), User(content="mine"), Assistant(text="\x1b[2J[bold]x[/bold]")):
        draw(event, console)
    out = console.file.getvalue()
    assert "╭" in out
    assert "more lines" in out
    assert "\\x1b[2J[bold]x[/bold]" in out
    assert "mine" not in out


FILE = '''
from json import dumps as dumped
def double(x: int) -> int:
    """Twice a number."""
    return 2 * x
def _hidden() -> None: ...
'''


def test_the_public_functions_of_a_file_become_tools(tmp_path):
    (tmp_path / "mine.py").write_text(FILE)
    tools = toolbox_of(tmp_path / "mine.py")
    assert [tool.name for tool in tools.tools] == ["double"]
    assert tools.run(Call(name="double", arguments={"x": 21})) == "42"


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "no such Python file"), ("1/0", "ZeroDivisionError"), ("def (", "SyntaxError"), ("x = 1", "no public")],
)
def test_a_file_without_usable_tools_is_one_line(tmp_path, text, words):
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=words) as caught:
        toolbox_of(path)
    assert "\n" not in str(caught.value)


PIPED = """
from pathlib import Path
import sys
from calm.cli import chat
from calm.conversation import Assistant
from calm.policy.scripted import Scripted
chat.load = lambda name, **options: Scripted([Assistant(text="Hi ☺")], name)
chat.chat(model="m", save=Path(sys.argv[1]), system="Be kind.")
"""


def test_piped_lines_give_plain_text_and_end_with_the_input(tmp_path):
    path = tmp_path / "chat.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", PIPED, str(path)],
        input="hello \xff\n".encode("latin-1"),
        capture_output=True,
        timeout=60,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.stderr == b""
    assert done.stdout.decode().splitlines()[:2] == ["user: hello �", "assistant: Hi ☺"]
    (row,) = read(path)
    assert (row.origin, row.meta["model"], row.messages[0].content) == ("chat/town", "m", "Be kind.")
    assert row.id.startswith("chat-")
