import io

import pytest
from rich.console import Console

from calm.conversation import Assistant, Call, Conversation, Garbled, Observation, Tool, User
from calm.report import terminal
from calm.report.mask import mask

HOSTILE = "[bold]x[/bold] [/] \x1b[31m\x1b]8;;http://e\x07 :smile: \u202e\ud800 <script>alert(1)</script> " + "w" * 300


def printed(conversation, width=80, colour=False, **more):
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, color_system="truecolor" if colour else None)
    terminal.show(conversation, console, **more)
    return out.getvalue()


def test_a_piped_conversation_is_plain_text(talk):
    text = printed(talk, verdict={"valid": False, "error_type": "missing_call", "scores": {"jga": 0.5}})
    assert "\x1b" not in text
    assert not any(line != line.rstrip() for line in text.splitlines())
    for piece in (
        "tools       find_restaurants · book_restaurant",
        "assistant ┆ Area and food are known.",
        '          → find_restaurants(area="centre", food="thai")',
        "          + food = thai",
        "          ~ food = chinese (was thai)",
        "… 24 more lines",
        "✗ the thought is not closed",
        "verdict     ✗ wrong: missing_call · jga 0.5",
    ):
        assert piece in text


@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
def test_hostile_text_stays_text(colour):
    call = Call(name=HOSTILE, arguments={HOSTILE: HOSTILE})
    said = (
        User(content=HOSTILE),
        Assistant(thought=HOSTILE, text=HOSTILE, calls=(call,)),
        Observation(content=HOSTILE),
    )
    state = ({HOSTILE: HOSTILE},)
    messages = (*said, Garbled(raw=HOSTILE, why=HOSTILE))
    text = printed(Conversation(id=HOSTILE, origin=HOSTILE, messages=messages, state=state), colour=colour, width=500)
    text.encode("utf-8")
    assert text.count("[bold]x[/bold] [/] \\x1b[31m\\x1b]8;;http://e\\x07 :smile: \\u202e\\ud800") >= 10
    assert "\x1b]" not in text
    assert "\x1b[31m\\x1b]8" not in text


@pytest.mark.parametrize("width", [20, 40, 59, 60, 100])
def test_no_line_is_wider_than_the_console(talk, width):
    wide = talk.add(User(content=HOSTILE))
    assert max(len(line) for line in printed(wide, width).splitlines()) <= width


def test_an_observation_that_answers_nothing_is_still_shown():
    stray = Conversation().add(User(content="hi"), Observation(content="stray"))
    assert "tool      ← stray" in printed(stray)


def test_mask_runs_add_up_to_the_training_row(talk, codec):
    row, section = codec.row(talk), mask(talk, codec)
    learned = [piece.learn for piece in section.pieces for _ in range(piece.size)]
    assert learned == row.learn
    assert section.learned == sum(row.learn)
    assert section.total == len(row.ids)
    assert codec.tokenizer.decode(row.ids, skip_special_tokens=False) == "".join(p.text for p in section.pieces)


def test_mask_follows_the_parts_that_are_trained_on(talk, codec):
    section = mask(talk, codec, parts=("call",))
    assert set(section.parts) == {"call", "end"}
    assert section.learned == sum(codec.row(talk, ("call",)).learn)
    assert section.note == "Left out of training: thought, text."


def test_mask_without_colour_brackets_what_is_learned(talk, codec):
    text = printed(talk, mask=codec)
    assert "⟦<think>\nArea and food are known.\n</think>\n<tool_call>" in text
    assert "There are thirty. Which one?<|im_end|>⟧" in text
    assert f"{len(codec.row(talk).ids):,} tokens" in text


def test_mask_without_a_tokenizer_counts_characters(talk):
    out = io.StringIO()
    terminal.show_mask(talk, None, Console(file=out, width=80))
    assert "characters, " in out.getvalue()


def test_nothing_learned_is_shown_not_raised(codec):
    section = mask(Conversation(tools=(Tool(name="f"),), messages=(User(content="hi"),)), codec)
    assert (section.learned, section.parts) == (0, {})
