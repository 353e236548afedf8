"""Prediction files: the CALM lab's JGA is met, malformed files are refused, nothing is taken from gold."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.bench.multiwoz import grade_predictions
from calm.bench.multiwoz.fuzzy import fits, partial_ratio
from calm.bench.multiwoz.jga import close, joint
from calm.bench.multiwoz.values import SLOTS, clock, helper_value
from calm.errors import DataError, UsageError
from calm.files import read_json

SYSTEMS = ("damd", "galaxy-e2e", "labes", "mars", "mintl", "soloist", "ubar")


def flat(state):
    return {
        (d, SLOTS.get(s, s)): helper_value(SLOTS.get(s, s), v) for d, kept in state.items() for s, v in kept.items()
    }


def write(path, predictions):
    path.write_text(json.dumps(predictions))
    return path


@pytest.mark.parametrize("system", SYSTEMS)
def test_jga_of_published_systems_is_that_of_the_helper(corpora, reference, system):
    recorded = read_json(reference / "multiwoz" / "helper_jga.json")["systems"][system]
    *rows, last = grade_predictions(reference / "multiwoz" / "predictions" / f"{system}.json", "helper")
    assert last["total"]["turns"] == recorded["num_turns"] == sum(row["turns"] for row in rows)
    assert last["total"]["joint"] == recorded["joint_match"]
    assert last["total"]["slot_f1"] == pytest.approx(recorded["slot_f1"], abs=1e-5)
    assert last["total"]["slot_precision"] == pytest.approx(recorded["slot_precision"], abs=1e-5)


def test_every_recorded_pair_of_states_is_judged_alike(reference):
    pairs = read_json(reference / "multiwoz" / "helper_jga.json")["pairs"]
    assert all(joint(flat(said), flat(due), close) == bool(right) for said, due, right, *_ in pairs)


def test_times_and_aliases_equal_the_recorded_ones(reference):
    units = [u for u in read_json(reference / "multiwoz" / "official_units.json")["values"] if "breakfast" not in u[1]]
    assert len(units) > 200
    assert all(helper_value(slot, said) == value for _, said, slot, value in units)


def test_every_recorded_ratio_is_met_to_the_point(reference):
    units = read_json(reference / "multiwoz" / "official_units.json")["fuzz"]
    assert len(units) == 750
    assert [(left, right, partial_ratio(left, right)) for left, right, _ in units] == [tuple(unit) for unit in units]


@given(st.text(max_size=20), st.text(max_size=20))
def test_the_ratio_is_full_for_a_part_and_nothing_for_nothing(left, right):
    assert 0 <= partial_ratio(left, right) <= 100
    assert partial_ratio(left, left) == 100
    assert partial_ratio("", right or "x") == 0


@given(st.text("abc ", max_size=9), st.text("abcd ", max_size=14), st.sampled_from([90, 96]))
def test_skipping_hopeless_pairs_changes_no_answer(left, right, score):
    assert fits(left, right, score) == (partial_ratio(left, right) >= score)


@given(st.text(max_size=12))
def test_any_text_can_stand_where_a_time_is_due(text):
    assert isinstance(clock(text), str)


def test_exact_is_stricter_than_close(corpora, tmp_path):
    turns = [{"state": {"taxi": {"destination": "pizza hut", "departure": "saint johns college"}}}]
    path = write(tmp_path / "p.json", {"sng0073": turns})
    joints = {protocol: next(grade_predictions(path, protocol))["joint"] for protocol in ("helper", "trade")}
    assert joints == {"helper": 1, "trade": 0}


def test_missing_dialogues_are_counted_beside_the_published_mean(corpora, tmp_path):
    *_, last = grade_predictions(write(tmp_path / "p.json", {"sng0073": [{"state": {}}]}), "helper")
    assert (last["total"]["dialogues"], last["total"]["missing"]) == (1, 998)
    assert "2.2 %" in last["total"]["note"]


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ({"mul9999": []}, "none of the test set"),
        ({"sng0073": [{"state": {}}] * 9}, "at most 4 turns"),
        (
            {"sng0073": [{"state": {}}, {"response": "hello"}]},
            "row 1: dialogue 'sng0073' turn 1 .* none is taken from gold",
        ),
        ({"sng0073": [{"state": {"taxi": {"leave": 9}}}]}, "none is taken from gold"),
        ({"sng0073": []}, "1 to at most 4 turns"),
        ({}, "holds no dialogue"),
        ([], "not an object of dialogues"),
    ],
)
def test_malformed_predictions_are_refused_by_name(corpora, tmp_path, predictions, message):
    with pytest.raises(DataError, match=message):
        list(grade_predictions(write(tmp_path / "p.json", predictions), "helper"))


def test_an_unknown_protocol_is_refused_at_once(tmp_path):
    with pytest.raises(UsageError, match=r"no protocol 'slu'.*mwzeval, .*helper, trade, fnctod, lexical"):
        grade_predictions(tmp_path / "absent.json", "slu")
