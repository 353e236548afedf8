"""Events while a policy writes: the same step and the same words, whichever way it can be heard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.agent import converse, follow, stream
from calm.agent.events import Tracked, pieces
from calm.agent.live import Reader
from calm.conversation import Assistant, Call, Conversation, Garbled
from calm.format import react, text_of
from calm.format.tokens import Codec
from calm.policy.scripted import Scripted
from calm.world.dialogue import Dialogue, ScriptedUser
from calm.world.town import Town

LOOK = Assistant(thought="I look.", calls=(Call(name="find_hotels", arguments={"area": "north"}),))
STEPS = [Garbled(raw="<tool_call>{", why="not closed"), LOOK, Assistant(text="Heron House?")]


class Aloud(Scripted):
    """Says the script in pieces of three characters."""

    def stream(self, conversation):
        step = self(conversation)
        for piece in pieces(step):
            for i in range(0, len(piece.text), 3):
                yield piece.part, piece.text[i : i + 3]
        yield step


def told(policy):
    world = Dialogue(Town(("hotel",)), ScriptedUser(["a hotel", "thanks"]))
    return list(stream(policy, world, world.start("c")))


def spoken(events, part):
    return "".join(event.text for event in events if event.kind == "writing" and event.part == part)


@pytest.mark.parametrize("kind", [Scripted, Aloud])
def test_every_kind_of_event_comes_once_and_in_order(kind):
    events = [event for event in told(kind(STEPS)) if event.kind != "writing"]
    assert [event.kind for event in events] == [
        *("garbled", "system", "thought", "action", "observation", "response", "state", "user"),
        *("response", "state", "finished"),
    ]
    assert events[3].call == LOOK.calls[0]
    assert events[-1].conversation.meta["ended"] == "world"


@pytest.mark.parametrize("kind", [Scripted, Aloud])
def test_pieces_add_up_to_what_the_whole_events_say(kind):
    events = told(kind(STEPS))
    assert spoken(events, "thought") == "I look."
    assert spoken(events, "text") == "Heron House?"
    assert spoken(events, "call") == '{"name": "find_hotels", "arguments": {"area": "north"}}'
    assert len([e for e in events if e.kind == "writing"]) == (3 if kind is Scripted else 26)


def test_hearing_a_conversation_does_not_change_it():
    world = Dialogue(Town(("hotel",)), ScriptedUser(["a hotel", "thanks"]))
    whole = converse(Scripted(STEPS), world, world.start("c"))
    heard = told(Aloud(STEPS))[-1].conversation
    assert heard.model_copy(update={"state": ()}) == whole
    assert heard.state == ({"find_hotels.area": "north"},) * 2


def test_the_state_says_what_changed_in_the_turn():
    more = Assistant(calls=(Call(name="find_hotels", arguments={"price": "cheap"}),))
    world = Dialogue(Town(("hotel",)), ScriptedUser(["north", "rather cheap"]))
    policy = Scripted([LOOK, Assistant(text="Two."), more, Assistant(text="One.")])
    first, second = (e for e in stream(policy, world, world.start()) if isinstance(e, Tracked))
    assert (first.before, first.changed) == ({}, {"find_hotels.area": "north"})
    assert (second.changed, second.gone) == ({"find_hotels.price": "cheap"}, ("find_hotels.area",))


def test_a_listener_may_leave_before_the_end():
    world = Dialogue(Town(("hotel",)), ScriptedUser(["a hotel"]))
    policy = Scripted(STEPS)
    for event in stream(policy, world, world.start()):
        if event.kind == "action":
            break
    assert policy(Conversation()) == STEPS[2]


def test_events_are_json():
    for event in told(Aloud(STEPS)):
        assert type(event).model_validate_json(event.model_dump_json()) == event


words = st.text(st.sampled_from("ab <>/\\|\nthinktool_cal"), min_size=1, max_size=40).map(
    lambda s: s.strip("\n") or "x"
)
steps = st.builds(
    lambda thought, text, area: Assistant(
        thought=thought, text=text, calls=() if area is None else (Call(name="f", arguments={"area": area}),)
    ),
    *(st.none() | words, words, st.none() | words),
)


@given(steps, st.integers(1, 9))
def test_text_that_grows_is_read_piece_by_piece_as_it_is_read_whole(step, size):
    text = text_of(react.step_spans(step))
    reader, read = Reader(), []
    for end in range(size, len(text), size):
        read += reader.read(text[:end])
    read += reader.read(text, whole=True)
    said = {part: "".join(p.text for p in read if p.part == part) for part in ("thought", "text")}
    assert said == {"thought": step.thought or "", "text": step.text}
    assert not any("\ufffd" in piece.text for piece in read)


class Telling:
    """Tells the token ids of a step, as a local model does, all of them or a few."""

    name = "telling"

    def __init__(self, folder, step, most=None):
        self.codec, self._most = Codec.load(folder), most
        self._ids = [*self.codec.encode(react.step_spans(step)).ids, self.codec.stop]

    def __call__(self, conversation):
        return self.codec.read(self._ids)

    def tokens(self, conversation):
        return iter(self._ids[: self._most])


def test_a_model_that_tells_its_tokens_is_heard_word_by_word(tiny):
    step = Assistant(thought="Zürich <ok> ☺?", calls=LOOK.calls, text="Ich ☺ <b>suche</b>")
    *heard, said, _ = follow(Telling(tiny, step), lambda conversation, step: (), Conversation(), live=True)
    assert said == step
    assert spoken(heard, "thought") == step.thought
    assert spoken(heard, "text") == step.text
    assert len(heard) > 20


def test_a_model_that_is_cut_off_is_heard_and_garbled(tiny):
    *heard, said, _ = follow(Telling(tiny, LOOK, 6), lambda conversation, step: (), Conversation(), live=True)
    assert (said.role, said.why) == ("garbled", "not finished after 6 tokens")
    assert "I look.".startswith(spoken(heard, "thought"))
