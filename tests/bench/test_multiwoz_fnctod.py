"""FnCTOD's JGA: sets of mended values, its quirks included; every report has its controls."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.bench.multiwoz import fnctod, grade_predictions, jga
from calm.errors import DataError


def said(domain, **filled):
    return set(fnctod.said({domain: filled}))


def due(**state):
    return set(fnctod.due({slot.replace("_", "-", 1).replace("_", " "): value for slot, value in state.items()}))


def test_a_predicted_anything_is_dropped_and_a_gold_one_is_not():
    assert said("hotel", area="dontcare", stars="do not care") == set()
    assert due(hotel_area="dontcare") == {("hotel", "area", "dontcare")}


def test_typos_are_mended_in_predictions_alone():
    assert said("hotel", type="guesthouse") == {("hotel", "type", "guest house")}
    assert due(hotel_type="guesthouse") == {("hotel", "type", "guesthouse")}


@pytest.mark.parametrize(
    ("slot", "value", "mended"),
    [
        ("name", "theatre", "tre"),
        ("name", "the oak bistro", "oak bistro"),
        ("area", "the moon", "the moon"),
        ("name", "golden house", "the golden house"),
        ("name", "peoples portraits exhibition at girton college", "people's portraits exhibition at girton college"),
        ("name", "saint john 's college", "saint john's college"),
        ("internet", "free", "yes"),
        ("area", "we", "west"),
        ("leaveat", "845", "08:45"),
    ],
)
def test_values_are_fixed_on_both_sides(slot, value, mended):
    domain = {"leaveat": "train", "internet": "hotel"}.get(slot, "attraction")
    name = fnctod.SLOTS.get(slot, slot)
    assert said(domain, **{slot: value}) == due(**{f"{domain}_{slot}": value}) == {(domain, name, mended)}


def test_a_value_with_a_slot_word_falls_apart():
    parts = {("restaurant", "name", "good luck chinese"), ("restaurant", "food", "takeaway")}
    assert said("restaurant", name="good luck chinese food takeaway") == parts
    assert due(restaurant_name="good luck chinese food takeaway") == parts


def test_what_is_no_value_or_no_slot_of_a_domain_is_left_out():
    assert said("hotel", type="gallery", name="none", pool="yes", **{"book day": "Friday", "stay": ""}) == {
        ("hotel", "day", "friday")
    }
    assert said("pub", name="the eagle") == set()


def test_a_domain_counts_in_all_turns_of_the_dialogues_that_end_with_it():
    north, nothing = fnctod.due({"hotel-area": "north"}), {}
    dialogues = [[(nothing, nothing), (nothing, north)], [(north, nothing)]]
    assert fnctod.by_domain(dialogues)["hotel"] == (1, 2)
    assert fnctod.by_domain(dialogues)["taxi"] == (0, 0)


def test_a_file_is_graded_with_its_controls(corpora, tmp_path):
    turn = {"state": {"taxi": {"departure": "saint johns college", "destination": "pizza hut fen ditton"}}}
    (tmp_path / "p.json").write_text(json.dumps({"sng0073": [turn] * 4}))
    row, last = grade_predictions(tmp_path / "p.json", "fnctod")
    total = last["total"]
    assert (row["joint"], row["turns"], total["joint"], total["missing"], total["of"]) == (1, 4, 1, 999, 1000)
    assert total["domains"] == {"attraction": 0, "hotel": 0, "restaurant": 0, "taxi": 25.0, "train": 0}
    assert total["jga_all"] == pytest.approx(100 / 7372)
    assert total["turns_with_change"] == 0.25
    assert {name: round(one["jga"], 1) for name, one in total["controls"].items()} == {
        "constant": 80.3,
        "human": 54.9,
        "silence": 1.5,
    }


@pytest.mark.parametrize(("protocol", "ceiling", "human"), [("trade", 100, 55.2), ("helper", 99.9, 62.1)])
def test_gold_states_are_the_ceiling_and_wizards_stand_between(corpora, protocol, ceiling, human):
    found = jga.controls(corpora / "multiwoz", protocol)
    assert (round(found["constant"]["jga"], 1), round(found["human"]["jga"], 1)) == (ceiling, human)


def test_predictions_without_states_are_refused(corpora, tmp_path):
    (tmp_path / "p.json").write_text(json.dumps({"sng0073": [{"response": "the nirala"}]}))
    with pytest.raises(DataError, match="none is taken from gold"):
        list(grade_predictions(tmp_path / "p.json", "fnctod"))


WORDS = st.lists(st.sampled_from(["the", "food", "none", "dontcare", "17:15", "saint", "'s", "x"]), max_size=5)


@given(st.dictionaries(st.sampled_from([*fnctod.WORDS, "bookday", "x y"]), WORDS.map(" ".join) | st.text(max_size=9)))
def test_any_state_is_a_set_of_slots_with_values(filled):
    for domain, slot, value in fnctod.said({"hotel": filled, "zoo": filled}):
        assert domain == "hotel"
        assert slot in fnctod.WORDS
        assert value == value.lower()
