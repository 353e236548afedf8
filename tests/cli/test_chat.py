"""The chat without a terminal: lines in, events out, a scripted policy over the real town."""

import contextlib
import io
import json
import os
import pty
import signal
import subprocess
import sys
from typing import NamedTuple

import pytest
from rich.console import Console

from calm.agent.sessions import Sessions
from calm.cli.chat import append, slots, talk
from calm.cli.chat_screen import Screen, greeting, plain
from calm.cli.chat_turns import Chat, replayed
from calm.cli.toolbox import asking, guarded, toolbox_of
from calm.conversation import Assistant, Call, Conversation, Garbled, User, read
from calm.errors import HubError, StorageError, UsageError
from calm.format.tokens import Codec
from calm.policy.scripted import Scripted
from calm.world.functions import Functions
from calm.world.town import Town

TAXI = Call(name="book_taxi", arguments={"origin": "station", "destination": "The Larkspur", "time": "10:00"})
BOOK = [Assistant(thought="I can book it", calls=(TAXI,)), Assistant(text="Booked.\nA green car.")]


def town(conversation):
    """The town where a conversation left it."""
    return replayed(Town(), conversation)


def chatting(policy, lines, patient=True, toolbox_at=town, session=None):
    """The chat after `lines`, and its events as plain lines."""
    seen: list[str] = []
    session = session or Sessions().begin("here", Conversation())
    chat = Chat(policy, toolbox_at, session, lambda event: seen.extend(plain(event)))
    talk(chat, lines, patient)
    return chat, seen


def test_a_turn_shows_every_event_on_a_line_of_its_own():
    chat, seen = chatting(Scripted(BOOK), ["book a taxi\n"])
    assert seen[:2] == ["user: book a taxi", "thought: I can book it"]
    assert seen[2] == 'call: book_taxi(origin="station", destination="The Larkspur", time="10:00")'
    assert seen[3].startswith('observation: {"reference": "C1')
    assert seen[4] == "assistant: Booked.\\nA green car."
    assert seen[5:] == [f"state: + book_taxi.{key} = {value}" for key, value in TAXI.arguments.items()]
    assert len(chat.toolbox.bookings) == 1


def test_undo_takes_back_words_and_bookings():
    chat, _ = chatting(Scripted(BOOK), ["hello", "book a taxi", "/undo"])
    again, seen = chatting(Scripted(BOOK), ["book a taxi", "/undo", "/undo"])
    assert (again.conversation.messages, again.toolbox.bookings) == ((), {})
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
    assert chat.conversation.state[0]["book_taxi.time"] == "10:00"
    assert len(chat.toolbox.bookings) == 1


def first() -> int:
    """Runs."""
    return 1


def hung() -> int:
    """Is interrupted."""
    raise KeyboardInterrupt


def test_ctrl_c_while_a_tool_runs_answers_its_call_and_those_after_it():
    names = ["first", "hung", "first"]
    step = Assistant(calls=tuple(Call(name=name, arguments={}, id=f"c{i}") for i, name in enumerate(names)))
    box = Functions([first, hung])
    chat, _ = chatting(Scripted([step]), ["go"], toolbox_at=lambda conversation: box)
    ran, cut, never = (m.content for m in chat.conversation.messages if m.role == "tool")
    assert (ran, '"interrupted"' in cut, '"stopped"' in never) == ("1", True, True)
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


def test_retry_has_the_last_turn_again_also_in_other_words():
    chat, seen = chatting(Scripted([Assistant(text=text) for text in "abc"]), ["/retry", "one", "/retry", "/retry two"])
    assert [m.text if m.role == "assistant" else m.content for m in chat.conversation.messages] == ["two", "c"]
    assert seen[0] == "note: nothing to take back"
    assert [line for line in seen if line.startswith("user")] == ["user: one", "user: one", "user: two"]


def test_a_fork_leaves_the_first_session_as_it_was():
    chat, seen = chatting(Scripted(BOOK), ["book a taxi", "/fork other", "/undo", "hello", "/sessions"])
    assert [len(chat.session.sessions.export(name).messages) for name in ("here", "other")] == [4, 2]
    assert len(town(chat.session.sessions.export("here")).bookings) == 1
    assert seen[-1].startswith("note: * other ")
    assert "1 turns  book a taxi" in seen[-1]


def test_results_and_tools_can_be_opened():
    _, seen = chatting(Scripted(BOOK), ["/open", "book a taxi", "/open", "/open 2", "/tools book_taxi"])
    assert seen[0] == "note: 0 calls were answered so far; /open 1 shows the latest"
    assert seen[-3].startswith('note: book_taxi(origin="station"')
    assert '{"reference": "C1' in seen[-3]
    assert seen[-2].startswith("note: 1 calls")
    assert '"destination"' in seen[-1]


def test_a_session_goes_on_with_its_world_and_its_turn(tmp_path):
    path = tmp_path / "s.db"
    session = Sessions(path).begin("s", Conversation())
    chatting(Scripted(BOOK), ["book a taxi"], session=session)
    session.hear(User(content="another"), BOOK[0])
    again = Sessions(path).resume("s")
    chat, _ = chatting(Scripted([Assistant(text="It is booked already.")]), [], session=again)
    chat.go_on()
    *_, heard, said = chat.conversation.messages
    assert "already booked" in heard.content
    assert (said.text, len(chat.conversation.state)) == ("It is booked already.", 2)
    chat.undo()
    chat.undo()
    assert chat.toolbox.bookings == {}


def test_an_answer_that_lacks_only_its_state_gets_it():
    session = Sessions().begin("s", Conversation())
    session.hear(User(content="Hi"), Assistant(text="Hello."))
    chat, _ = chatting(Unreachable(), [], session=session)
    chat.go_on()
    assert (len(chat.conversation.messages), chat.conversation.state) == (2, ({},))


def test_saved_chats_are_rows_one_after_another_that_can_be_trained_on(tmp_path, tiny):
    path = tmp_path / "new" / "chats.jsonl"
    chat, seen = chatting(Scripted(BOOK), ["book a taxi", f"/save {path}", "more", f"/save {path}"])
    one, two = read(path)
    assert two == chat.conversation
    assert one == two.upto(len(one.messages)).model_copy(update={"state": two.state[:1]})
    assert sum(Codec.load(tiny).row(one).learn) > 10
    assert f"calm show {path}" in seen[-1]


def test_a_file_that_cannot_be_written_does_not_end_the_chat(tmp_path):
    _, seen = chatting(Scripted(BOOK), [f"/save {tmp_path}", "hello"])
    assert "cannot be written" in seen[0]
    assert "assistant: Booked.\\nA green car." in seen
    with pytest.raises(StorageError):
        append(tmp_path, Conversation())


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
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "XDG_DATA_HOME": str(tmp_path)},
    )
    assert done.stderr == b""
    assert done.stdout.decode().splitlines()[:2] == ["user: hello �", "assistant: Hi ☺"]
    assert not (tmp_path / "calm").exists()
    (row,) = read(path)
    assert (row.origin, row.meta["model"], row.messages[0].content) == ("chat/town", "m", "Be kind.")
    assert row.id.startswith("chat-")


def piped(tmp_path, *arguments):
    """The lines of a chat with a scripted model, in a process of its own."""
    command = [sys.executable, "-c", SESSION, *arguments, "--sessions", str(tmp_path / "s.db")]
    return subprocess.run(command, input="book a taxi\n", capture_output=True, text=True, timeout=60)


SESSION = """
from calm.cli import chat, main
from calm.conversation import Assistant, Call
from calm.policy.scripted import Gold, Scripted
from calm.conversation import Conversation
import sys
TAXI = Call(name="book_taxi", arguments={"origin": "station", "destination": "The Larkspur", "time": "10:00"})
STEPS = [Assistant(calls=(TAXI,)), Assistant(text="Booked."), Assistant(calls=(TAXI,)), Assistant(text="Again.")]
chat.load = lambda name, **options: Gold(Conversation(messages=tuple(STEPS)))
sys.argv[0:1] = ["calm", "chat"]
main()
"""


def test_a_session_is_gone_on_with_by_another_process(tmp_path):
    first = piped(tmp_path, "--yes", "--session", "mine")
    second = piped(tmp_path, "--yes", "--session", "mine", "--save", str(tmp_path / "chat.jsonl"))
    assert (first.stderr, second.stderr) == ("", "")
    assert "note: session mine goes on after 1 turns" in second.stdout
    assert "already booked" in second.stdout
    (row,) = read(tmp_path / "chat.jsonl")
    assert (len(row.messages), len(row.state), row.meta["ended"]) == (8, 2, "world")
    refused = piped(tmp_path, "--session", "mine", "--system", "Be kind.")
    assert (refused.returncode, "has begun without" in refused.stderr) == (2, True)


@pytest.mark.parametrize(("flags", "words"), [((), "the user said no"), (("--dry-run",), '"dry_run": true')])
def test_in_a_pipe_the_town_books_nothing_unasked_and_a_session_remembers_that(tmp_path, flags, words):
    first = piped(tmp_path, *flags, "--session", "mine")
    second = piped(tmp_path, "--yes", "--session", "mine")
    assert words in first.stdout
    assert "C1" not in first.stdout
    assert '"reference": "C1' in second.stdout


@pytest.mark.parametrize(("answer", "booked"), [("n", []), ("y", ["10:00"]), ("e", ["11:00"])])
def test_what_a_person_refused_or_changed_is_so_when_a_session_goes_on(answer, booked):
    late = json.dumps({**TAXI.arguments, "time": "11:00"})
    lines = iter([answer, late])
    asked = asking(lambda question: next(lines), Screen(Console(file=io.StringIO())))
    chat, _ = chatting(
        Scripted(BOOK), ["book a taxi"], toolbox_at=lambda said: guarded(town(said), asked, dry_run=False)
    )
    again = town(chat.conversation)
    assert [booking["time"] for booking in again.bookings.values()] == booked
    assert again.bookings == chat.toolbox.toolbox.bookings


ASKED = """
import sys
from calm.cli import chat, main
from calm.conversation import Assistant, Call
from calm.policy.scripted import Scripted
trip = {"origin": "station", "destination": "Heron Pool", "time": "10:00"}
steps = [Assistant(calls=(Call(name="find_attractions", arguments={"name": "heron"}),)),
    Assistant(calls=(Call(name="book_taxi", arguments=trip),)), Assistant(text="So be it.")]
chat.load = lambda name, **options: Scripted(steps, name)
sys.argv[0:1] = ["calm", "chat"]
main()
"""


@pytest.mark.parametrize(
    ("flags", "line", "asked"),
    [
        ((), b"a taxi to heron pool at ten", "changes something. Run it?"),
        (("--yes",), b"a taxi somewhere", "You did not say destination: a tool did. Run it?"),
        (("--yes",), b"a taxi to heron pool at ten", ""),
        (("--dry-run",), b"a taxi somewhere", ""),
    ],
)
def test_in_a_terminal_a_booking_is_asked_about_and_with_yes_only_what_a_tool_brought_up(tmp_path, flags, line, asked):
    with terminal(tmp_path, ASKED, *flags) as (ours, _):
        until(ours, "›")
        os.write(ours, line + b"\n")
        if asked:
            until(ours, *asked.split(), "[e]dit:")
            os.write(ours, b"n\n")
        shown = until(ours, "So be it.")
    assert ("said no" in shown, "edit" in shown) == (bool(asked), False)
    assert ("dry_run" in shown, '"C1' in shown) == ("--dry-run" in flags, not asked and flags == ("--yes",))


def test_the_greeting_says_what_computes_a_local_model_and_why_nothing_faster():
    class Engine(NamedTuple):
        kind: str
        rung: str

    class Local(Scripted):
        engine = Engine("torch float32", "openvino is not installed")

    assert next(greeting(Scripted([], "m"), 9, "s")) == "m · 9 tools · session s · /help lists the commands"
    assert list(greeting(Local([], "m"), 9, "s")) == [
        "m · torch float32 · 9 tools · session s · /help lists the commands",
        "nothing faster: openvino is not installed",
    ]


TERMINAL = """
import sys, time
from calm.cli import chat, main
from calm.conversation import Assistant
class Slow:
    name = "slow"
    def __call__(self, conversation): ...
    def stream(self, conversation):
        text = conversation.messages[-1].content
        for n in range(10_000 if text == "long" else 3):
            time.sleep(0.01)
            yield "text", f"word{n} "
        yield Assistant(text="word0 word1 word2 ")
chat.load = lambda name, **options: Slow()
sys.argv[0:1] = ["calm", "chat"]
main()
"""


def test_in_a_terminal_words_come_as_they_are_written_and_ctrl_c_stops_them(tmp_path):
    with terminal(tmp_path, TERMINAL, "--world", "none") as (ours, chat):
        assert "session" in until(ours, "›")
        os.write(ours, b"long\n")
        until(ours, "word9 ")
        os.kill(chat.pid, signal.SIGINT)
        assert "/undo takes the turn back" in until(ours, "\n\x1b[1;32m", "›")
        os.write(ours, b"short\n")
        assert "1 step" in until(ours, "1 step", "›")
        os.write(ours, b"\x04")
        assert "calm chat --session" in until(ours, "--session")
        assert chat.wait(20) == 0
    (kept,) = Sessions(tmp_path / "calm" / "sessions.db").latest()
    assert (kept.turns, kept.first) == (2, "long")


@contextlib.contextmanager
def terminal(tmp_path, program, *arguments):
    """A chat in a terminal of its own: our end of it, and the process, which does not outlive the block."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "XDG_DATA_HOME": str(tmp_path), "TERM": "xterm-256color", "COLUMNS": "80"}
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True) as chat:
        os.close(theirs)
        yield ours, chat
        chat.kill()
    os.close(ours)


def until(terminal, *words):
    """What a terminal shows until it has shown these words, one after another."""
    shown, place = b"", 0
    for word in words:
        while (found := shown.find(word.encode(), place)) < 0:
            shown += os.read(terminal, 4096)
        place = found + len(word.encode())
    return shown.decode(errors="replace")
