"""Budgets of tokens and seconds, and a model that goes in circles."""

import time

import pytest

from calm.agent import Limits, converse, follow
from calm.agent.events import Finished
from calm.conversation import Assistant, Call, Conversation, Observation, System, User
from calm.policy import Usage
from calm.policy.scripted import Scripted
from calm.world.dialogue import Dialogue, ScriptedUser
from calm.world.functions import Functions, ToolError

ASK = Assistant(text="Which one?")


class Costly(Scripted):
    """Each step reads 90 tokens and writes 10, in no less than `pause` seconds."""

    usage = Usage(90, 50, 10, 0.0)
    pause = 0.0

    def __call__(self, conversation):
        time.sleep(self.pause)
        return super().__call__(conversation)


def said(policy, **limits):
    world = Dialogue(Functions([same, broken]), ScriptedUser(["go"] * 9))
    return list(follow(policy, world, world.start(), Limits(**limits)))


def same(x: int) -> int:
    """Always the same."""
    return 7


def broken(x: int) -> int:
    """Never works."""
    raise ToolError("no")


def test_tokens_read_and_written_are_counted_where_the_policy_counts_them():
    *_, done = said(Costly([ASK] * 9), tokens=250)
    assert isinstance(done, Finished)
    assert (done.why, done.steps, done.tokens) == ("tokens", 3, 300)
    *_, free = said(Scripted([ASK] * 9), tokens=250)
    assert (free.why, free.tokens) == ("world", 0)


def test_seconds_are_looked_at_between_steps():
    slow = Costly([ASK] * 9)
    slow.pause = 0.06
    *_, done = said(slow, seconds=0.1)
    assert (done.why, done.steps) == ("seconds", 2)
    assert done.seconds >= 0.1


def looped(name, arguments, **limits):
    steps = [Assistant(calls=(Call(name=name, arguments=a),)) for a in arguments]
    return said(Scripted(steps), **limits)


def test_the_same_call_with_the_same_result_is_told_once_and_stopped_the_third_time():
    items = looped("same", [{"x": 1}] * 5, repeats=3)
    assert [m.role for m in items[:-1]] == ["assistant", "tool", "assistant", "tool", "system", "assistant", "tool"]
    assert "2 times" in items[4].content
    assert items[-1].why == "repeats"


def test_other_arguments_or_another_user_turn_are_no_repetition():
    assert looped("same", [{"x": i} for i in range(5)], repeats=3)[-1].why == "world"
    call = Assistant(calls=(Call(name="same", arguments={"x": 1}),))
    turns = said(Scripted([call, ASK, call, ASK, call, ASK]), repeats=2)
    assert not any(isinstance(m, System) for m in turns)


def test_a_call_that_fails_again_is_told_in_its_observation_alone_and_stopped_too():
    items = looped("broken", [{"x": 1}] * 5, repeats=3)
    assert [m.role for m in items[:-1]] == ["assistant", "tool"] * 3
    assert "failed 2 times" in items[3].content
    assert items[-1].why == "repeats"


def test_without_the_limit_nobody_is_told_anything():
    assert not any(isinstance(m, System) for m in looped("same", [{"x": 1}] * 5))


def test_a_conversation_cut_off_before_its_answers_goes_on_with_them():
    world = Dialogue(Functions([same]), ScriptedUser([]))
    call = Assistant(calls=(Call(name="same", arguments={"x": 1}),))
    start = Conversation(tools=world.toolbox.tools).add(User(content="go"), call)
    done = converse(Scripted([ASK]), world, start)
    assert done.messages[2:] == (Observation(content="7", name="same"), ASK)


@pytest.mark.parametrize("wrong", [{"tokens": 0}, {"seconds": 0}, {"repeats": 1}])
def test_limits_that_nothing_could_meet_are_refused(wrong):
    with pytest.raises(ValueError, match="greater"):
        Limits(**wrong)
