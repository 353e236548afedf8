"""What a person sees: streamed words, folded calls and results, the state that changed; never a control character."""

import io
import json

import pytest
from rich.console import Console

from calm.agent.events import Finished, Tracked, Writing
from calm.cli.chat_screen import Flow, Screen, draw, plain
from calm.conversation import Assistant, Call, Conversation, Garbled, Observation, User

ROWS = json.dumps([{"name": f"place {i}", "note": "long " * 9} for i in range(40)])
CALL = Call(name="find", arguments={"area": "west"})


def seen(*items, width=60):
    """What the items look like on a terminal without colours."""
    console = Console(file=io.StringIO(), width=width)
    screen = Screen(console)
    for item in items:
        screen(item)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [24, 60, 200])
def test_words_are_wrapped_as_they_come_and_none_is_lost(width):
    text = "Basil and Smoke is a place in the west; 東京タワー is not, and " + "x" * 70
    console = Console(file=io.StringIO(), width=width)
    flow = Flow(console, "text")
    for i in range(0, len(text), 5):
        flow.feed(text[i : i + 5])
    flow.end()
    out = console.file.getvalue()
    assert out.replace("\n", "").replace(" ", "") == text.replace(" ", "")
    assert all(Console().measure(line).maximum <= width for line in out.split("\n"))


def test_thoughts_have_a_margin_on_every_line():
    assert seen(Writing(part="thought", text="one two three four five six"), "note", width=16).split("\n")[:3] == [
        "┆ one two three",
        "┆ four five six",
        "note",
    ]


def test_results_are_folded_and_named_where_there_are_several():
    one, two = CALL, CALL.model_copy(update={"id": "b"})
    out = seen(Assistant(calls=(one, two)), Observation(content=ROWS, name="find"))
    assert out.startswith('→ find(area="west")\n→ find(area="west")\n← find: [{"name": "place 0"')
    assert "more lines, /open shows them" in out
    assert out.count("\n") == 6
    assert seen(Assistant(calls=(one,)), Observation(content="7", name="find")).endswith("← 7\n")


def test_errors_say_what_may_help():
    out = seen(Observation(content='{"error": "full on friday", "type": "x", "free": ["19:30"]}'), width=80)
    assert out == '✗ full on friday · free ["19:30"]\n'


def test_the_panel_shows_what_changed_first_and_fits_a_narrow_screen():
    state = {"find.area": "west", "find.name": "The Old House of Basil and Smoke", **{f"x.{i}": i for i in range(12)}}
    out = seen(Tracked(state=state, before={"find.area": "east", "gone": 1, "x.0": 0}), width=32)
    lines = out.splitlines()
    assert lines[0].startswith("╭─ state · 14 changed ─")
    assert lines[1].startswith("│ ~ find.area = west (was eas…")
    assert lines[2].rstrip(" │").endswith("…")
    assert "5 more, /state" in out
    assert max(map(len, lines)) <= 32
    assert seen(Tracked(state={"a": 1}, before={"a": 1})) == ""


def test_the_end_of_a_turn_says_what_it_cost_and_why_it_stopped():
    end = Finished(why="repeats", steps=1, tokens=1200, seconds=0.5, conversation=Conversation())
    stopped, cost = seen(end).splitlines()
    assert stopped.startswith("the model was stopped by the limit on repeats; /retry WORDS")
    assert cost == "1 step · 1,200 tokens · 0.5 s"
    assert list(plain(end)) == ["note: the model was stopped by the limit on repeats"]


def test_nothing_a_model_or_a_tool_says_reaches_the_terminal_as_a_command():
    evil = "\x1b[2J[bold]x[/bold]\r\u202e"
    call = Call(name="f", arguments={"a": evil})
    items = [Assistant(thought=evil, text=evil, calls=(call,)), Observation(content=evil), Garbled(raw=evil, why=evil)]
    console = Console(file=io.StringIO(), width=90, force_terminal=True, color_system="truecolor")
    for item in items:
        draw(item, console)
    out = console.file.getvalue()
    assert "\x1b[2J" not in out
    assert "\u202e" not in out
    assert "[bold]" in out
    lines = [line for item in items for line in plain(item)]
    assert not any("\x1b" in line or "\r" in line for line in lines)


def test_the_user_does_not_read_his_own_words_again():
    assert "mine" not in seen(User(content="mine"))
