from calm.conversation import Assistant, Conversation, User, to_row
from calm.data import bucket, steps


def said(name, text="hello", thought="one"):
    messages = (User(content=text), Assistant(thought=thought, text="yes"))
    return to_row(Conversation(id=name, messages=messages, origin="made"))["messages"]


def test_what_is_said_decides_the_fingerprint_whatever_thought_and_id():
    assert steps.fingerprint(said("a")) == steps.fingerprint(said("b", thought="two"))
    assert steps.fingerprint(said("a")) != steps.fingerprint(said("a", "other"))


def test_limit_reads_no_further_than_it_gives():
    endless = (Conversation(id=str(n)) for n in iter(int, 1))
    assert len(list(steps.limit(endless, 3))) == 3


def test_the_held_out_share_is_met_nested_and_bound_to_the_id():
    names = [f"id-{n}" for n in range(2000)]
    tenth = {name for name in names if steps.held_out(name, 0.1)}
    assert 150 < len(tenth) < 250
    assert tenth <= {name for name in names if steps.held_out(name, 0.2)}
    assert not any(steps.held_out(name, 0) for name in names)
    assert all(steps.held_out(name, 1) for name in names)


def test_forms_of_one_record_are_held_out_together():
    assert all(steps.held_out(f"{n}~more", 0.5) == steps.held_out(str(n), 0.5) for n in range(50))


def test_hash_buckets_are_the_same_on_every_machine():
    assert bucket("held out", "id-0") == 4997345398335889655
