"""The dialogue state: what calls say, what of it counts, and what goes when a turn is taken back."""

from calm.agent.state import from_calls, noted, own, rewound, tracked, untracked, waiting
from calm.conversation import Assistant, Call, Conversation, Observation, System, User
from calm.files import dumps
from calm.policy.scripted import Scripted


def called(*calls):
    """A conversation in which each (name, arguments, observation) was called in a step of its own."""
    said = Conversation(messages=(System(content="Be kind."), User(content="go")))
    for name, arguments, content in calls:
        said = said.add(Assistant(calls=(Call(name=name, arguments=arguments),)), Observation(content=content))
    return said


def test_the_latest_call_of_each_tool_is_its_part_of_the_state():
    said = called(("find", {"area": "west", "food": "thai"}, "[]"), ("book", {"day": "friday"}, "1"))
    assert from_calls(said) == {"find.area": "west", "find.food": "thai", "book.day": "friday"}
    again = said.add(Assistant(calls=(Call(name="find", arguments={"area": "east"}),)))
    assert from_calls(again) == {"find.area": "east", "book.day": "friday"}


def test_refused_and_unfitting_calls_do_not_count_failed_ones_do():
    found = {
        kind: from_calls(called(("book", {"day": "friday"}, dumps({"error": "no", "type": kind})))) for kind in KINDS
    }
    assert found == {kind: {"book.day": "friday"} if counts else {} for kind, counts in KINDS.items()}
    assert from_calls(called(("book", {"day": "friday"}, '{"error": "full on friday"}'))) == {"book.day": "friday"}


KINDS = {"argument": False, "unknown": False, "refused": False, "timeout": True, "ValueError": True}


def test_states_stand_at_their_user_turns():
    said = Conversation(messages=(User(content="a"), Assistant(text="b"), User(content="c")))
    assert tracked(Conversation(), from_calls) == (Conversation(), [])
    later, (state,) = tracked(said, lambda conversation: {"x": 1})
    assert later.state == ({}, {"x": 1})
    assert (state.state, state.before) == ({"x": 1}, {})
    assert untracked(said)
    assert not untracked(later)


def test_taking_messages_back_takes_their_states_back():
    said = Conversation(messages=(User(content="a"), Assistant(text="b"), User(content="c")))
    full = noted(noted(said.upto(2), {"x": 1}).add(said.messages[2]), {"x": 2})
    assert full.state == ({"x": 1}, {"x": 2})
    assert rewound(full, 2).state == ({"x": 1},)
    assert rewound(full, 0).state == ()


def test_calls_wait_until_they_are_answered():
    calls = (Call(name="f", arguments={}, id="a"), Call(name="g", arguments={}, id="b"))
    said = Conversation(messages=(Assistant(calls=calls),))
    assert waiting(said) == list(calls)
    assert waiting(said.add(Observation(content="1", call="a"))) == [calls[1]]
    assert waiting(called(("f", {}, "1"))) == []


class Minded(Scripted):
    """A policy that keeps a state itself."""

    def state(self, conversation):
        return {"mood": "good"}


def test_a_model_that_keeps_a_state_is_asked_for_it():
    assert own(Minded([]))(Conversation()) == {"mood": "good"}
    assert own(Scripted([])) is from_calls
