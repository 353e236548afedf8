"""The loop ends where the world falls silent or a limit is met, and says which."""

import json

from calm.agent import Limits, converse
from calm.conversation import Assistant, Call, Conversation, Garbled, User
from calm.policy.scripted import Scripted
from calm.world.dialogue import Dialogue, ScriptedUser
from calm.world.town import Town

LOOK = Assistant(calls=(Call(name="find_hotels", arguments={"area": "north"}),))
ASK = Assistant(text="Which area?")
MESS = Garbled(raw="<tool_call>{", why="not closed")


def held(said, lines=("Hello", "north"), /, **limits):
    world = Dialogue(Town(("hotel",)), ScriptedUser(lines))
    return converse(Scripted(said), world, world.start("c"), Limits(**limits))


def test_a_scripted_conversation_ends_when_the_user_has_no_more_to_say():
    done = held([ASK, LOOK, Assistant(text="Heron House.")])
    assert done.meta == {"ended": "world"}
    assert [m.role for m in done.messages] == ["user", "assistant", "user", "assistant", "tool", "assistant"]
    assert json.loads(done.messages[4].content)["count"] == 4


def test_steps_are_limited():
    done = held([ASK] * 9, ["line"] * 9, steps=4)
    assert (done.meta["ended"], len(done.steps)) == ("steps", 4)


def test_steps_in_one_turn_are_limited_and_a_user_turn_starts_anew():
    done = held([LOOK, LOOK, ASK, LOOK, LOOK, LOOK, LOOK], steps_per_turn=4)
    assert (done.meta["ended"], len(done.steps)) == ("steps_per_turn", 7)


def test_garbled_outputs_one_after_another_end_it():
    done = held([MESS, LOOK, MESS, MESS, LOOK], garbled=2)
    assert (done.meta["ended"], len(done.steps)) == ("garbled", 4)


def test_every_message_is_heard_once_in_order():
    heard = []
    world = Dialogue(Town(("hotel",)), ScriptedUser(["Hello"]))
    start = world.start()
    done = converse(Scripted([LOOK, Assistant(text="Done.")]), world, start, on_message=heard.append)
    assert (*start.messages, *heard) == done.messages


def test_the_start_is_left_as_it_was():
    start = Conversation(messages=(User(content="Hi"),))
    converse(Scripted([ASK]), Dialogue(Town(), ScriptedUser([])), start)
    assert start.messages == (User(content="Hi"),)
