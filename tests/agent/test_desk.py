"""Calls are decided before any of their step runs, and run once."""

from calm.agent import converse
from calm.agent.desk import Ahead, Desk
from calm.conversation import Assistant, Call, Conversation, User
from calm.policy.scripted import Scripted
from calm.world.functions import Functions, writes
from calm.world.guard import Guarded

DONE: list[str] = []


@writes
def order(item: str) -> str:
    """Order a thing."""
    DONE.append(item)
    return f"ordered {item}"


def look(item: str) -> str:
    """Look at a thing."""
    DONE.append(f"looked at {item}")
    return "nice"


def call(name, item, id="call_0"):
    return Call(name=name, arguments={"item": item}, id=id)


def ran(calls, **rules):
    """What one step of these calls gives, and the order of what was done."""
    DONE.clear()
    desk = Desk(Guarded(Functions([order, look]), **rules), lambda conversation: None)
    step, end = Assistant(calls=tuple(calls)), Assistant(text="Done.")
    done = converse(Scripted([step, end]), desk, Conversation(messages=(User(content="go"),)))
    return [message.content for message in done.messages if message.role == "tool"]


def asked(call):
    DONE.append(f"asked for {call.arguments['item']}")
    return call.arguments["item"] != "gin"


def test_all_writing_calls_are_decided_before_any_call_runs():
    gave = ran([call("look", "tea"), call("order", "tea", "b"), call("order", "gin", "c")], approve=asked)
    assert DONE == ["asked for tea", "asked for gin", "looked at tea", "tea"]
    assert gave[:2] == ['"nice"', '"ordered tea"']
    assert '"refused"' in gave[2]


def test_equal_calls_are_asked_for_one_by_one():
    ran([call("order", "tea"), call("order", "tea")], approve=asked)
    assert DONE == ["asked for tea", "asked for tea", "tea", "tea"]


def test_calls_that_do_not_fit_and_dry_runs_are_not_asked_for():
    ran([Call(name="order", arguments={}), call("order", "tea", "b")], approve=asked)
    assert DONE == ["asked for tea", "tea"]
    assert '"dry_run": true' in ran([call("order", "tea")], approve=asked, dry_run=True)[0]
    assert DONE == []


def test_arguments_that_a_person_changed_are_the_ones_that_run():
    gave = ran([call("order", "gin")], approve=lambda call: call.model_copy(update={"arguments": {"item": "tea"}}))
    assert DONE == ["tea"]
    assert "the user changed the arguments" in gave[0]


def test_a_call_nobody_was_asked_about_is_asked_about_when_it_runs():
    ahead = Ahead(lambda call: call.name == "look")
    ahead.ask([call("look", "tea")])
    assert ahead(call("look", "tea")) is True
    assert ahead(call("order", "tea")) is False


def test_the_guard_that_was_handed_over_keeps_its_own_approval():
    guard = Guarded(Functions([order]), approve=asked)
    Desk(guard, lambda conversation: None)
    assert guard.approve is asked
