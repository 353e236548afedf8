"""Counting: tallies, intervals of averages, paired differences, against values worked out elsewhere."""

import pytest

from calm.bench import Verdict
from calm.bench.score import by_category, compare, errors, intervals, tally


def verdict(name, valid, category="a", error=None):
    return Verdict(id=name, category=category, valid=valid, error_type=error)


def test_nothing_tallies_to_nothing_known():
    assert tally([]) == {"n": 0, "valid": 0, "share": 0.0, "low": 0.0, "high": 1.0}


def test_categories_keep_the_order_in_which_they_come():
    marks = [verdict("1", True, "z"), verdict("2", False, "a"), verdict("3", True, "z")]
    assert {name: len(group) for name, group in by_category(marks).items()} == {"z": 2, "a": 1}
    assert list(by_category(marks)) == ["z", "a"]


def test_error_types_are_counted_among_failures_only():
    marks = [verdict("1", True), verdict("2", False, error="x"), verdict("3", False, error="x"), verdict("4", False)]
    assert errors(marks) == {"x": 2, "unnamed": 1}


class Means:
    """A benchmark of which only the averages matter: a float and a whole number."""

    def summary(self, verdicts):
        total = sum(v.scores["hits"] for v in verdicts)
        return {"mean": total / len(verdicts), "dialogues": len(verdicts), "missing": None}


def scored(hits, category="a"):
    return [
        Verdict(id=f"{category}{i}", category=category, valid=hit > 0, scores={"hits": float(hit)})
        for i, hit in enumerate(hits)
    ]


def test_an_average_has_an_interval_and_a_count_has_none():
    found = intervals(Means(), scored([0, 1] * 50))
    assert list(found) == ["mean"]
    low, high = found["mean"]
    assert (low, high) == pytest.approx((0.4, 0.6), abs=0.02)  # half, give or take 1.96 times 0.05


def test_intervals_depend_on_the_verdicts_and_not_on_their_order():
    verdicts = scored([0, 1, 1, 0, 1]) + scored([3, 1, 0], "b")
    assert intervals(Means(), verdicts[::-1]) == intervals(Means(), verdicts)
    assert intervals(Means(), verdicts[:1]) == {}


def test_categories_keep_their_sizes_in_every_draw():
    low, high = intervals(Means(), scored([1, 2] * 9) + scored([900], "b"))["mean"]
    assert 48 < low < high < 50  # the one large item is there exactly once in every draw


def test_paired_differences_are_narrower_than_two_runs_apart():
    first = scored([i % 7 for i in range(100)])
    second = scored([i % 7 + (i % 10 == 0) for i in range(100)])
    apart = compare(Means(), first, second[::-1])["mean"]
    assert (apart.first, apart.difference) == pytest.approx((2.95, 0.1))
    assert 0.03 < apart.low < 0.1 < apart.high < 0.17
    low, high = intervals(Means(), first)["mean"]
    assert high - low > 4 * (apart.high - apart.low)


def test_only_items_that_both_runs_judged_are_compared():
    apart = compare(Means(), scored([1, 1, 0]), scored([1, 0]))["mean"]
    assert (apart.first, apart.second) == (1.0, 0.5)
