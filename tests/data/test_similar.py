"""Near duplicates: the same doings in nearly the same words are found, other values and short texts are left alone."""

import random
import tracemalloc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from calm.conversation import Assistant, Call, Conversation, Observation, User
from calm.data import Reject
from calm.data.shingles import windows, words
from calm.data.similar import ALIKE, FEWEST, PERMUTATIONS, SHINGLE, Seen, signature, unlike

WORDS = [f"w{number}" for number in range(400)]
LONG = (
    "I would like to book a table at the harbour house for this evening, please, and if there is one by the window that"
    " looks out on the lighthouse, my mother would be very glad, because she has not been there since she was a girl."
)


def row(text, reply=None, id="", thought=None, **arguments):
    call = Assistant(thought=thought, calls=(Call(name="book", arguments=arguments),))
    seen = Observation(content="ok", name="book")
    return Conversation(id=id, messages=(User(content=text), call, seen, Assistant(text=reply or "It is booked.")))


def twin(one, other):
    seen = Seen()
    assert seen.seen(signature(one), "first") is None
    return seen.seen(signature(other), "second")


def shingles(text):
    spoken = words(text)
    return {tuple(spoken[i : i + SHINGLE]) for i in range(len(spoken) - SHINGLE + 1)}


def test_nearly_the_same_words_and_the_same_calls_are_twins():
    other = row(LONG.replace("mother", "aunt").lower(), day="friday", thought="hm")
    assert twin(row(LONG, day="friday"), other) == "first"


def test_rows_that_differ_in_a_value_are_different_data():
    assert twin(row(LONG, day="friday"), row(LONG, day="monday")) is None
    assert twin(row(LONG, day="friday"), Conversation(messages=(User(content=LONG),))) is None


def test_short_rows_are_twins_only_when_equal():
    bare = Conversation(messages=(User(content="play the song Harbour Lights by Tern"),))
    other = Conversation(messages=(User(content="play the song Harbour Nights by Tern"),))
    assert twin(bare, other) is None
    assert twin(bare, Conversation(messages=(User(content="Play the song Harbour lights by Tern!"),))) == "first"


def test_what_a_text_ends_with_is_not_what_the_next_begins_with():
    assert twin(row("go to", reply="the port"), row("go", reply="to the port")) is None


@given(st.integers(0, 2**32), st.integers(0, 60))
def test_clear_twins_are_found_and_clear_strangers_are_not(seed, changes):
    rng = random.Random(seed)
    first = rng.choices(WORDS, k=150)
    other = list(first)
    for place in rng.sample(range(150), changes):
        other[place] = rng.choice(WORDS)
    a, b = shingles(" ".join(first)), shingles(" ".join(other))
    jaccard = len(a & b) / len(a | b)
    found = twin(
        Conversation(messages=(User(content=" ".join(first)),)), Conversation(messages=(User(content=" ".join(other)),))
    )
    assert not (jaccard == 1 and found is None)
    assert not (jaccard < ALIKE - 0.25 and found)


def test_most_pairs_above_the_threshold_are_found():
    rng, found = random.Random(1), 0
    for _ in range(200):
        first = rng.choices(WORDS, k=200)
        other = [*first[:100], "new", *first[100:]]  # Jaccard 196/200
        pair = [Conversation(messages=(User(content=" ".join(text)),)) for text in (first, other)]
        found += twin(*pair) is not None
    assert found >= 195


@given(st.lists(st.sampled_from(["a b c", LONG, LONG + " Thanks.", "x"]), max_size=8), st.integers(0, 99))
def test_a_signature_depends_on_the_row_alone(texts, n):
    conversation = Conversation(id=str(n), messages=tuple(User(content=text) for text in texts))
    again = conversation.model_copy(update={"id": "other"})
    assert signature(conversation) == signature(again)
    assert len(signature(conversation)) in (16, 16 + 2 * PERMUTATIONS)


def test_twins_become_rejects_that_name_the_first_and_order_decides():
    reject = Reject(id="r", origin="o", reason="old")
    one, other = row(LONG, id="one", day="friday"), row(LONG.upper(), id="other", day="friday")
    kept: list[Any] = list(unlike([one, reject, other, other.model_copy(update={"id": "third"})], Seen()))
    assert kept[:2] == [one, reject]
    assert [item.reason for item in kept[2:]] == ["near duplicate"] * 2
    assert "one" in kept[3].detail
    assert [item.id for item in unlike([other, one], Seen()) if isinstance(item, Reject)] == ["one"]


def test_memory_a_row_stays_bounded():
    rng, seen = random.Random(2), Seen()
    signed = [signature(row(" ".join(rng.choices(WORDS, k=60)), day=str(n))) for n in range(400)]
    tracemalloc.start()
    for number, mark in enumerate(signed):
        seen.seen(bytes(bytearray(mark)), f"row-{number}")
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(seen) == 400
    assert used / 400 < 2500


def test_windows_stay_inside_one_text_and_know_it():
    hashes, owners = windows([["a", "b", "c"], ["d"], ["b", "c", "x"], []], 2)
    assert list(owners) == [0, 0, 2, 2]
    assert hashes[1] == hashes[2]
    assert len(set(hashes.tolist())) == 3
    assert len(windows([["a"]] * FEWEST, 2)[0]) == 0
