"""Counting: intervals, tallies and the paired test, against values worked out elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.bench import Verdict
from calm.bench.score import by_category, compare, errors, mcnemar, tally, wilson
from calm.errors import UsageError


def verdict(name, valid, category="a", error=None):
    return Verdict(id=name, category=category, valid=valid, error_type=error)


def test_wilson_agrees_with_the_textbook():
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=5e-5)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=5e-5)


@given(st.integers(0, 300), st.integers(0, 300))
def test_an_interval_holds_its_share_and_stays_between_0_and_1(valid, wrong):
    low, high = wilson(valid, valid + wrong)
    share = valid / (valid + wrong) if valid + wrong else 0.5
    assert 0 <= low <= share <= high <= 1


def test_nothing_tallies_to_nothing_known():
    assert tally([]) == {"n": 0, "valid": 0, "share": 0.0, "low": 0.0, "high": 1.0}


def test_categories_keep_the_order_in_which_they_come():
    marks = [verdict("1", True, "z"), verdict("2", False, "a"), verdict("3", True, "z")]
    assert {name: len(group) for name, group in by_category(marks).items()} == {"z": 2, "a": 1}
    assert list(by_category(marks)) == ["z", "a"]


def test_error_types_are_counted_among_failures_only():
    marks = [verdict("1", True), verdict("2", False, error="x"), verdict("3", False, error="x"), verdict("4", False)]
    assert errors(marks) == {"x": 2, "unnamed": 1}


def test_exact_mcnemar_is_the_binomial_test_of_the_discordant_pairs():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(0, 5) == pytest.approx(2 / 32)
    assert mcnemar(1, 9) == pytest.approx(2 * 11 / 1024)
    assert mcnemar(2_000, 2_100) == pytest.approx(0.1223, abs=5e-4)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30), st.randoms())
def test_pairing_goes_by_id_and_not_by_order(pairs, random):
    first = [verdict(str(i), one) for i, (one, _) in enumerate(pairs)]
    second = [verdict(str(i), other) for i, (_, other) in enumerate(pairs)]
    shuffled = random.sample(second, len(second))
    assert compare(first, shuffled) == compare(first, second)
    assert sum(compare(first, second)[:4]) == len(pairs)


def test_runs_on_different_tasks_cannot_be_paired():
    with pytest.raises(UsageError, match=r"1 in one only, e\.g\. '2'"):
        compare([verdict("1", True)], [verdict("1", True), verdict("2", True)])
