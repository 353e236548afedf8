from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from calm.conversation import Assistant, Conversation, User
from calm.data import Reject, bucket, steps


def said(name, text="hello", thought="one"):
    messages = (User(content=text), Assistant(thought=thought, text="yes"))
    return Conversation(id=name, messages=messages, origin="made")


REFUSED = Reject(id="x", origin="made", reason="odd")


def test_a_duplicate_is_rejected_whatever_its_thought_and_id():
    items = list(steps.unique([said("a"), said("b", thought="two"), said("a"), said("c", "other")], {}))
    assert [item.id for item in items if isinstance(item, Conversation)] == ["a", "c"]
    assert [(i.id, i.reason, i.detail) for i in items if isinstance(i, Reject)] == [
        ("b", "duplicate", "says what a says"),
        ("a", "duplicate", "says what a says"),
    ]


def test_duplicates_are_found_across_parts_through_the_shared_memory():
    seen = {}
    first, second = steps.unique([said("a")], seen), steps.unique([said("b")], seen)
    assert [type(next(first)), type(next(second))] == [Conversation, Reject]


def test_a_conversation_over_the_cap_is_rejected_with_its_length():
    long = said("long", "word " * 100)
    items: list[Any] = list(steps.shorter([said("short"), long, REFUSED], steps.characters(long) - 1))
    assert [type(item) for item in items] == [Conversation, Reject, Reject]
    assert items[1].detail == f"{steps.characters(long)} characters, at most {steps.characters(long) - 1}"
    assert list(steps.shorter([long], None)) == [long]


def test_limit_reads_no_further_than_it_gives():
    endless = (said(str(n)) for n in iter(int, 1))
    assert len(list(steps.limit(endless, 3))) == 3


@given(st.lists(st.integers()), st.integers(0, 9))
def test_shuffling_loses_nothing_and_repeats_itself(items, seed):
    once, again = list(steps.shuffle(items, seed)), list(steps.shuffle(items, seed))
    assert once == again
    assert sorted(once) == sorted(items)


def test_the_held_out_share_is_met_nested_and_bound_to_the_id():
    names = [said(f"id-{n}") for n in range(2000)]
    tenth = {c.id for c in names if steps.held_out(c, 0.1)}
    assert 150 < len(tenth) < 250
    assert tenth <= {c.id for c in names if steps.held_out(c, 0.2)}
    assert not any(steps.held_out(c, 0) for c in names)
    assert all(steps.held_out(c, 1) for c in names)


def test_hash_buckets_are_the_same_on_every_machine():
    assert bucket("held out", "id-0") == 4997345398335889655
