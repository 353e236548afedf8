"""Success in words: a value is right when it belongs to the venue offered, and nothing passes unsaid."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.bench.multiwoz import controls, desk, grade_predictions, lexical
from calm.bench.multiwoz.goals import Wish
from calm.bench.multiwoz.lexical import Spoken, judge, says
from calm.conversation import Assistant, Call, Observation
from calm.errors import DataError

NIRALA = {"restaurant": Wish({"food": "indian", "area": "north"}, frozenset({"PHONE", "POST", "ADDRESS"}))}
PHONE, POST, ADDRESS = "01223 360966", "CB4 1UY", "7, Milton Road, Chesterton"
ROOM = {"hotel": Wish({"name": "a and b guest house"}, frozenset({"REFERENCE"}))}


@pytest.fixture
def facts(corpora):
    return lexical.facts(corpora / "multiwoz")


def outcome(facts, *replies, goal=NIRALA):
    return judge(goal, [reply if isinstance(reply, Spoken) else Spoken(reply) for reply in replies], facts)


def test_values_of_the_venue_offered_are_right_however_they_are_written(facts):
    assert outcome(facts, "The Nirala!", f"It's {PHONE}, {POST}.", f"{ADDRESS} it is").success
    assert outcome(facts, "the nirala: 01223360966 cb41uy 7 milton rd chesterton").success


@pytest.mark.parametrize(
    "reply",
    [
        f"the nirala, {POST}, {ADDRESS}",
        f"the nirala, 01223 360967, {POST}, {ADDRESS}",
        f"the nirala, 101223 360966, {POST}, {ADDRESS}",
        f"the nirala, {PHONE}, CB4 1UX, {ADDRESS}",
        f"the nirala, {PHONE}, {POST}, Milton Road 7",
    ],
)
def test_a_missing_or_wrong_value_is_no_success(facts, reply):
    assert outcome(facts, reply).domains == {"restaurant": (True, False)}


def test_the_values_of_another_venue_are_wrong(facts):
    other = facts.records["restaurant"][min(facts.venues.find("restaurant", {"food": "indian", "area": "east"}))]
    reply = f"the nirala: {other['phone']}, {other['postcode']}, {other['address']}"
    assert not outcome(facts, reply).success


def test_the_last_offer_counts_and_all_of_it_must_fit(facts):
    assert outcome(facts, "la margherita?", "the nirala then").inform
    assert not outcome(facts, "the nirala?", "la margherita then").inform
    assert not outcome(facts, "the nirala or la margherita").inform


def test_a_venue_never_named_is_offered_by_its_phone(facts):
    assert outcome(facts, f"Call {PHONE}, {POST}, {ADDRESS}").success
    assert not outcome(facts, "It is a nice place in the north.").inform


def test_of_overlapping_names_the_longest_is_meant(facts):
    found = facts.named("the Cambridge lodge restaurant and tr1234")
    assert {facts.records["restaurant"][one]["name"] for one in found["restaurant"]} == {"cambridge lodge restaurant"}
    assert (found["train"], found.keys()) == ({"TR1234"}, {"restaurant", "train"})


def test_a_reference_must_be_one_that_the_desk_gave(facts, corpora):
    call = Call(name="book_hotel", arguments={"name": "a and b guest house", "people": 1, "day": "monday", "stay": 2})
    answer = desk().run(call)
    told = lexical.told([Assistant(calls=(call,)), Observation(content=answer, name=call.name)])
    reference = json.loads(answer)["reference"]
    assert told == [("hotel", {"booked": "a and b guest house", "reference": reference})]
    assert outcome(facts, Spoken(f"Booked: {reference.lower()}.", told), goal=ROOM).success
    assert not outcome(facts, Spoken("Booked: AB12CD34.", told), goal=ROOM).success
    assert not outcome(facts, Spoken(f"Booked: {reference}.", ()), Spoken("Yes.", told), goal=ROOM).success


def test_a_refused_booking_gives_nothing():
    refused = Observation(content='{"error": "still needed: stay"}', name="book_hotel")
    assert lexical.told([Assistant(text="Hm."), refused]) == [("hotel", {})]


def test_a_taxi_is_known_by_what_the_tool_gave_else_by_a_number_of_no_venue(facts):
    cab = {"taxi": Wish({"departure": "ely"}, frozenset({"PHONE"}))}
    given = [("taxi", {"type": "red van", "phone": "07123456789"})]
    assert outcome(facts, Spoken("A red van, 07123 456789", given), goal=cab).success
    assert outcome(facts, Spoken("A red van.", given), goal=cab).domains == {"taxi": (True, False)}
    assert not outcome(facts, Spoken("Call 07123456780", given), goal=cab).inform
    assert outcome(facts, "Call 07123456780", goal=cab).success
    assert not outcome(facts, f"Call {PHONE}", goal=cab).inform


def test_a_train_is_offered_by_its_id(facts):
    wanted = {"departure": "cambridge", "destination": "ely", "day": "monday"}
    goal = {"train": Wish(wanted, frozenset({"TRAINID"}))}
    right = min(facts.venues.find("train", wanted))
    wrong = min(facts.venues.find("train", {"departure": "ely"}) - facts.venues.find("train", wanted))
    assert outcome(facts, f"Take {right.lower()}.", goal=goal).success
    assert not outcome(facts, f"Take {wrong}.", goal=goal).inform
    assert not outcome(facts, "Take the 09:50.", goal=goal).inform


def test_unknown_values_cannot_be_given():
    assert not says("? it is", "phone", "?")
    assert not says("anything", "phone", "")


def test_constant_replies_get_nothing_and_wizards_most(corpora):
    found = lexical.controls(corpora / "multiwoz")
    nothing = {"lexical_inform": 0.0, "lexical_success": 0.0}
    assert found["constant"] == found["silence"] == nothing
    assert found["brochure"]["lexical_success"] < 1
    assert found["human"] == {"lexical_inform": 77.0, "lexical_success": 71.9}
    assert found["gold"] == {"lexical_inform": 99.7, "lexical_success": 99.7}


def graded(path, dialogues):
    path.write_text(json.dumps(dialogues))
    *rows, last = grade_predictions(path, "lexical")
    return rows, last["total"]


def test_a_file_in_words_needs_no_states_and_says_whether_its_tools_are_known(corpora, tmp_path):
    taxi = {"response": "A red van, 07123456789"}
    rows, total = graded(tmp_path / "p.json", {"sng0073": [taxi] * 4})
    assert rows == [{"dialogue_id": "sng0073", "inform": 1, "success": 1, "domains": {"taxi": [1, 1]}}]
    assert (total["told"], total["missing"], total["of"], total["lexical_success_all"]) == (False, 999, 1000, 0.1)
    rows, total = graded(tmp_path / "p.json", {"sng0073": [taxi | {"told": {"taxi": {"phone": "07000000000"}}}] * 4})
    assert (rows[0]["success"], total["told"]) == (0, True)


def test_a_delexicalised_file_is_seen_to_be_one(corpora, tmp_path):
    _, total = graded(tmp_path / "p.json", {"sng0073": [{"response": "[taxi_type] [taxi_phone]"}, {"response": "bye"}]})
    assert (total["placeholders"], total["missing_turns"], total["lexical_success"]) == (1, 2, 0)


def test_told_must_be_texts_by_domain(corpora, tmp_path):
    with pytest.raises(DataError, match="row 1: dialogue 'sng0073' turn 0 has no 'told' that can be judged"):
        graded(tmp_path / "p.json", {"sng0073": [{"response": "", "told": {"taxi": {"phone": 7}}}]})


SAID = st.text(max_size=30) | st.sampled_from(["the nirala", "TR0001", "? ? ?", "0122336096", "7 milton rd"])


def test_what_says_not_all_values_succeeds_in_nothing(facts):
    @given(st.lists(SAID, max_size=3))
    def law(replies):
        assert not outcome(facts, *replies).success
        assert not outcome(facts, *(Spoken(reply, [("hotel", {"reference": "X"})]) for reply in replies)).success

    law()


def test_controls_are_kept_until_rules_or_data_change(corpora, tmp_path, monkeypatch):
    monkeypatch.setenv("CALM_CACHE", str(tmp_path))
    controls.shares.cache_clear()
    first = controls.flat(corpora / "multiwoz")
    assert (first["control_silence_success"], first["control_constant_lexical_success"]) == (0.025, 0.0)
    [kept] = tmp_path.glob("multiwoz/controls-*.json")
    kept.write_text('{"x": {"y": 1}}')
    controls.shares.cache_clear()
    assert controls.flat(corpora / "multiwoz") == {"control_x_y": 1}
    controls.shares.cache_clear()
