"""Intervals and paired tests against values worked out elsewhere, and the laws they keep."""

from math import comb
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calm.stats import bootstrap, draws, flips, mcnemar, percentiles, wilson

MARKS = st.dictionaries(st.integers(0, 9).map(str), st.booleans(), max_size=10)


def test_wilson_agrees_with_the_textbook():
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=5e-5)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=5e-5)


@given(st.integers(0, 300), st.integers(0, 300))
def test_an_interval_holds_its_share_and_stays_between_0_and_1(valid, wrong):
    low, high = wilson(valid, valid + wrong)
    share = valid / (valid + wrong) if valid + wrong else 0.5
    assert 0 <= low <= share <= high <= 1


def test_exact_mcnemar_is_the_binomial_test_of_the_discordant_pairs():
    assert mcnemar(0, 0) == mcnemar(3, 3) == 1.0
    assert mcnemar(0, 5) == pytest.approx(2 / 32)
    assert mcnemar(9, 2) == mcnemar(2, 9) == pytest.approx(2 * sum(comb(11, k) for k in range(3)) / 2**11)
    assert mcnemar(2_000, 2_100) == pytest.approx(0.1223, abs=5e-4)
    assert mcnemar(5_000, 0) == 0.0


def test_the_bootstrap_of_a_mean_is_as_wide_as_its_standard_error_says():
    chance = Random(0)
    items = [chance.gauss(5, 2) for _ in range(400)]
    low, high = bootstrap([items], lambda drawn: {"mean": sum(drawn) / len(drawn)})["mean"]
    mean, error = sum(items) / 400, (sum((x - sum(items) / 400) ** 2 for x in items) / 400) ** 0.5 / 20
    assert (low, high) == pytest.approx((mean - 1.96 * error, mean + 1.96 * error), abs=0.2 * error)


def test_the_same_seed_gives_the_same_interval_and_another_another():
    found = [bootstrap([range(50)], lambda drawn: {"mean": sum(drawn) / 50}, 200, seed) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_what_is_not_there_in_every_draw_has_no_interval():
    def mostly(drawn):
        return {"sum": float(sum(drawn)), "mean": sum(drawn) / len(drawn) if any(drawn) else None, "n": len(drawn)}

    assert list(bootstrap([[0, 1, 0]], mostly)) == ["sum"]


@given(st.lists(st.lists(st.integers(), max_size=4), max_size=4), st.integers(0, 9))
def test_a_draw_has_as_many_of_every_stratum(strata, seed):
    tagged = [[(place, item) for item in group] for place, group in enumerate(strata)]
    (drawn,) = draws(tagged, 1, seed)
    assert [place for place, _ in drawn] == [place for place, group in enumerate(strata) for _ in group]
    assert set(drawn) <= {item for group in tagged for item in group}


def test_percentiles_leave_as_many_on_either_side():
    assert percentiles(range(1_000)) == (25, 974)
    assert percentiles([3.0]) == (3.0, 3.0)


@settings(max_examples=25)
@given(MARKS, MARKS)
def test_flips_turn_round_with_the_runs(first, second):
    there, back = flips(first, second), flips(second, first)
    if there is None:
        assert back is None
        assert not first.keys() & second.keys()
        return
    assert ({*there.gained}, {*there.lost}, there.p) == ({*back.lost}, {*back.gained}, back.p)
    assert there.low is there.high is None or there.low <= there.difference <= there.high


@pytest.mark.parametrize("items", [[], [1], [0, 0, 0], [1] * 50])
def test_items_that_agree_say_nothing_of_others(items):
    assert bootstrap([items], lambda drawn: {"share": sum(drawn) / max(1, len(drawn))}) == {}
    marks = {str(place): bool(item) for place, item in enumerate(items)}
    assert flips(marks, marks) is None or flips(marks, marks)[3:] == (1.0, None, None)
