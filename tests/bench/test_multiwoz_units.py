"""Unit cases recorded from the original evaluator: every one of them is met."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.bench.multiwoz import goals, jga, text
from calm.bench.multiwoz.goals import Wish
from calm.bench.multiwoz.inform import Turn, active, judge
from calm.bench.multiwoz.moses import respaced
from calm.bench.multiwoz.replies import NAMES, normal, unknown
from calm.bench.multiwoz.values import mwzeval_state
from calm.bench.multiwoz.venues import Venues, minutes
from calm.files import read_json


@pytest.fixture(scope="module")
def recorded():
    return {}


@pytest.fixture
def units(reference, recorded):
    if not recorded:
        recorded |= read_json(reference / "multiwoz" / "official_units.json")
    return recorded


def test_replies_are_normalised_alike(units):
    assert len(units["responses"]) == 458
    assert [[raw, normal(raw)] for raw, _ in units["responses"]] == units["responses"]


def test_slot_names_have_the_recorded_classes(units):
    assert {name: NAMES.get(name, "") for name in units["slot_names"]} == units["slot_names"]


def test_values_are_normalised_alike(units):
    assert len(units["values"]) == 229
    for written, said, slot, value in units["values"]:
        assert mwzeval_state({"hotel": {written: said}}) == {"hotel": {slot: value}}


def test_queries_find_the_recorded_venues(units, corpora):
    venues = Venues(corpora / "multiwoz" / "db")
    assert len(units["queries"]) == 379
    wrong = [query for query in units["queries"] if venues.find(query[0], query[1]) != set(query[2])]
    assert not wrong


def test_active_domains_are_guessed_alike(units, reference):
    folder, tried = reference / "multiwoz" / "predictions", 0
    for system, dialogue, domains in units["domain_estimates"]:
        if (folder / f"{system}.json.gz").is_file():
            turns = read_json(folder / f"{system}.json")[dialogue]
            assert list(active([mwzeval_state(turn["state"]) for turn in turns])) == domains
            tried += 1
    assert tried >= 60


def test_goals_replies_and_states_are_rebuilt_alike(units, corpora):
    folder = corpora / "multiwoz"
    due = {
        name: {domain: Wish(w["informable"], frozenset(w["requestable"])) for domain, w in goal.items()}
        for name, goal in units["goals"].items()
    }
    assert {name: one.goal for name, one in goals.measures(folder).items()} == due
    humans = goals.humans(folder)
    assert {name: one.replies for name, one in humans.items()} == units["references"]
    assert {name: one.states for name, one in humans.items()} == units["gold_states_21"]


def test_states_are_compared_alike(units):
    assert len(units["dst"]) == 750
    for said, due, joint, precision, recall in units["dst"]:
        found = jga.total([jga.count([(jga.flat(said), jga.flat(due))], jga.close)])
        mine = found["jga"], found["slot_precision"], found["slot_recall"]
        assert mine == pytest.approx((joint, precision, recall), abs=5e-5)


# --- rules, on dialogues of our own --------------------------------------------------------------------------------

ROOM = {"hotel": Wish({"area": "north"}, frozenset({"PHONE", "REFERENCE"}))}
NORTH, WIDE, WRONG = {"hotel": {"area": "north"}}, {"hotel": {}}, {"hotel": {"area": "nowhere"}}


@pytest.fixture
def venues(corpora):
    return Venues(corpora / "multiwoz" / "db")


def outcome(venues, *said, booked=()):
    turns = [Turn(reply, state, ["hotel"]) for reply, state in said]
    return judge(ROOM, [booked] * len(said), turns, venues)


def test_a_wider_result_later_leaves_the_offer_and_a_wrong_one_replaces_it(venues):
    assert outcome(venues, ("NAME", NORTH), ("NAME", WIDE)).inform
    assert not outcome(venues, ("NAME", WIDE)).inform
    assert not outcome(venues, ("NAME", NORTH), ("NAME", WRONG)).inform


def test_a_reference_counts_only_once_the_wizard_had_booked(venues):
    said = ("NAME PHONE REFERENCE", NORTH)
    assert outcome(venues, said).domains == {"hotel": (True, False)}
    assert outcome(venues, said, booked=["hotel"]).success


def test_success_is_not_asked_where_inform_failed(venues):
    assert outcome(venues, ("PHONE REFERENCE", NORTH), booked=["hotel"]).domains == {"hotel": (False, None)}


def test_the_domain_that_waited_has_its_turn_when_nothing_is_gained():
    both = {"hotel": {"area": "north"}, "train": {"day": "monday"}}
    assert list(active([{}, NORTH, {**both, "hotel": {"area": "west"}}, both | {"hotel": {"area": "west"}}])) == [
        [],
        ["hotel"],
        ["hotel"],
        ["train"],
    ]


def test_unknown_wishes_widen_and_empty_ones_match_nothing(venues):
    everything = venues.find("hotel", {})
    assert len(everything) == 33
    assert venues.find("hotel", {"bookday": "monday", "area": "dontcare"}) == everything
    assert not venues.find("hotel", {"area": ""})
    assert not venues.find("hotel", {"area": "North"})
    assert not venues.find("taxi", {})


@pytest.mark.parametrize(("time", "found"), [("07:15", 435), ("24:00", 1440), ("soon", 0), ("9:15", 0)])
def test_what_is_no_time_is_midnight(time, found):
    assert minutes(time) == found


def test_unknown_names_vanish_and_are_told():
    assert normal("at [bar] or [name]s") == "at or NAME"
    assert unknown("at [bar] or [name]s") == {"bar"}


def test_punctuation_comes_out_as_from_moses():
    assert respaced("yes , it is ( 5,300 ) ... no ?") == "yes, it is (5,300)... no?"
    assert respaced("the jones ' house , ' well '") == "the jones' house, 'well'"


@given(st.text(max_size=40))
def test_any_text_can_be_respaced_and_loses_no_letter(given_text):
    assert "".join(respaced(given_text).split()) == "".join(given_text.split())


def test_bleu_is_full_for_the_same_and_nothing_for_nothing():
    same = "there are COUNT places, NAME is one"
    assert text.bleu([(same, same)]) == pytest.approx(100)
    assert text.bleu([("", same)]) == text.bleu([("x y z w", same)]) == text.bleu([]) == 0
    assert text.bleu([("NAME is one.", "NAME is two.")]) == pytest.approx(35.3553, abs=1e-4)  # as sacrebleu 2.6.0


def test_richness_counts_words_without_punctuation():
    found = text.richness(["Yes, and/or no.", "yes"])
    assert (found["num_unigrams"], found["num_bigrams"], found["avg_lengths"]) == (3, 2, 2.0)
