import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calm.conversation import Assistant, Call, Conversation, Tool, User
from calm.data import statistics
from calm.data.skeletons import skeletons
from calm.data.statistics import EDGES, FAULTS, PAPER, PRINTED_MEAN, Measures, Statistics
from tests.laws.strategies import stored


def row(origin="town", words=3, calls=1, **meta):
    made = tuple(Call(name="look", arguments={"n": i}, id=f"call_{i}") for i in range(calls))
    said = Assistant(thought=" ".join(["so"] * words), calls=made)
    return Conversation(origin=origin, tools=(Tool(name="look"),), messages=(User(content="hi"), said), meta=meta)


def measured(*rows, **measures):
    found = Statistics(Measures(**measures))
    for conversation in rows:
        found.add(conversation)
    return found


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(stored(), max_size=6), cut=st.integers(0, 6))
def test_workers_add_up_to_one_pass(rows, cut):
    whole, first, second = measured(*rows), measured(*rows[:cut]), measured(*rows[cut:])
    first += second
    assert first.summary() == whole.summary()


def test_true_mean_and_mean_of_means_differ_where_parts_do():
    found = measured(row("a"), row("a"), row("b"), count=lambda c: 10 if c.origin == "a" else 40).summary()
    assert found["unit"] == "tokens"
    assert found["total"]["mean"] == pytest.approx(20)
    assert found["mean_of_means"] == pytest.approx(25)


def test_calls_are_counted_by_how_they_were_proven():
    found = measured(row(checked="executed", calls=2), row(checked="schema"), row()).summary()["total"]
    assert found["checked"] == {"executed": 2, "schema": 1, "unchecked": 1}


def test_kinds_of_variation_are_counted_one_or_several_a_row():
    found = measured(row(varied=["renamed", "fewer tools"]), row(varied="renamed"), row()).summary()["total"]
    assert found["varied"] == {"fewer tools": 1, "renamed": 2}


def test_the_commonest_thought_is_told_with_its_share():
    found = measured(row(words=2), row(words=2), row(words=5), patterns=skeletons).summary()["total"]
    assert found["top_pattern"] == {"pattern": "so so", "share": pytest.approx(2 / 3), "different": 2}


def test_every_row_is_in_exactly_one_bin():
    rows = [row(words=n, calls=n % 12) for n in range(1, 90)]
    found = measured(*rows).summary()["histograms"]
    assert {what: sum(found[what]["counts"]["town"]) for what in ("length", "tools", "turns", "words")} == {
        "length": 89, "tools": 89, "turns": 89, "words": 89
    }  # fmt: skip
    assert found["words"]["bins"][0] == "0-4"
    assert found["words"]["bins"][-1] == f"{EDGES['words'][-1]}+"


def test_rows_in_the_papers_form_are_counted_by_form():
    found = measured(row(paper="cra"), row(paper="cra"), row(), count=lambda c: 8).summary()
    assert found["forms"] == {"cra": {"samples": 2, "length": 16, "mean": 8.0}}


def test_the_papers_table_adds_up_and_shows_its_faults():
    samples, tokens = sum(r.samples for r in PAPER), sum(r.tokens for r in PAPER)
    assert (samples, tokens, sum(r.released for r in PAPER)) == (311_583, 211_184_321, 311_639)
    assert round(sum(r.mean for r in PAPER) / 4, 1) == PRINTED_MEAN
    assert round(tokens / samples, 1) == 677.8
    assert all(abs(r.tokens / r.samples - r.mean) < 0.05 for r in PAPER)
    assert any("swapped" in fault for fault in FAULTS)


def test_an_empty_dataset_has_statistics_too():
    found = Statistics().summary()
    assert found["total"]["samples"] == 0
    assert found["histograms"]["length"] == {"bins": [], "counts": {}}


def test_labels_of_bins_say_their_bounds():
    assert statistics._label((0, 1, 5, 9), 1) == "1-4"
    assert statistics._label((0, 1, 5, 9), 0) == "0"
    assert statistics._label((0, 1, 5, 9), 3) == "9+"
