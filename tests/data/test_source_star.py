import json
import re
import zipfile
from collections import Counter
from typing import Any

import pytest

from calm.conversation import Assistant, Conversation, Observation, System, User, from_row, to_row
from calm.data import Reject, calls
from calm.data.sources import star
from calm.data.sources.star import Star, outcome, read_star
from calm.data.sources.star_thoughts import PLANS, kind, known, replying
from calm.data.sources.star_tools import Api
from calm.data.sources.star_words import Said
from calm.data.sources.star_world import NO_MATCH, Backend, Record, again, proven
from calm.data.sources.wire import Unfit
from calm.errors import DataError


def parameter(name, kind="ShortString", **more):
    return {"Name": name, "Type": kind, "ReadableName": name, **more}


DAY = parameter("Day", "Categorical", Categories=["Monday", "Tuesday", "Wednesday"])
REQUEST = parameter("RequestType", "RequestType", Categories=["Check", "Book"])
SCHEMAS: dict[str, Any] = {
    "weather": ([parameter("City"), DAY, parameter("TemperatureCelsius", "Integer", Min=-5, Max=30)], ["Day"]),
    "hotel_search": (
        [
            parameter("Location", "Categorical", Categories=["North", "South"]),
            parameter("AverageRating", "Integer", Min=1, Max=5),
            parameter("TakesReservations", "Boolean"),
        ],
        [],
    ),
    "doctor_schedule": ([parameter("Name"), DAY, parameter("StartTimeHour"), REQUEST], ["Name", "Day", "RequestType"]),
    "apartment_search": (
        [parameter("NearbyPOIs", "CategoricalMultiple", Categories=["Museum", "Park"]), parameter("Price", "Integer")],
        [],
    ),
    "bank_balance": ([parameter("FullName"), parameter("AccountNumber"), parameter("PIN")], []),
}


def api(name):
    parameters, required = SCHEMAS[name]
    return Api(name, {"input": parameters, "required": required})


def user(text):
    return [{"Agent": "User", "Action": "utter", "Text": text}]


def say(text, label="", item=None):
    action = {"Agent": "Wizard", "Action": "pick_suggestion" if label else "utter", "Text": text}
    return [{**action, "ActionLabel": label, "PrimaryItem": item}]


def ask(name, item, **constraints):
    query = {
        "Agent": "Wizard",
        "Action": "query",
        "APIName": name,
        "Constraints": [{k: v} for k, v in constraints.items()],
    }
    answer: dict[str, Any] = {"Agent": "KnowledgeBase", "Action": "return_item", "APIName": name, "TotalItems": -1}
    return [query, answer | ({"Item": {"APIName": name, **item}} if item is not None else {})]


FREE = {"DoctorName": "Dr. Reed", "Time": "9 am", "Message": "The time slot is available."}
BUSY = {**FREE, "Message": "The doctor has a conflicting appointment at that time."}
DONE = {**FREE, "Message": "Your appointment has been successfuly scheduled."}
SLOT = {"Name": '"Dr. Reed"', "Day": '"Monday"', "StartTimeHour": '"9 am"'}
GOOD = [
    *user("Hi, I need Dr. Reed please"),
    *say("On what day?", "doctor_ask_day"),
    *user("Monday at 9 am"),
    *ask("doctor_schedule", FREE, **SLOT, RequestType='"Check"'),
    *say("Dr. Reed is free at 9 am. Shall I book it?", "doctor_inform_booking_available", {"APIName": "x", **FREE}),
    *user("Yes, do"),
    *ask("doctor_schedule", DONE, **SLOT, RequestType='"Book"'),
    *say("It is booked..", "doctor_inform_booking_successful", {"APIName": "x", **DONE}),
]


def dialogue(events, task="Help the user.", level="Complete"):
    scene = {"WizardTask": task, "UserTask": "Talk.", "WizardCapabilities": [{"Task": "doctor_schedule"}]}
    return {"Scenario": scene, "CompletionLevel": level, "Events": events}


def written(folder, *dialogues):
    (folder / "apis" / "apis").mkdir(parents=True)
    for name, (parameters, required) in SCHEMAS.items():
        schema = {"input": parameters, "required": required}
        (folder / "apis" / "apis" / f"{name}.json").write_text(json.dumps(schema))
    with zipfile.ZipFile(folder / "dialogues.zip", "w") as archive:
        for number, value in enumerate(dialogues, 1):
            archive.writestr(f"dialogues/{number}.json", json.dumps(value))
    return folder


def only(tmp_path, events, **more) -> Any:
    (item,) = read_star(written(tmp_path, dialogue(events, **more)))
    return item


def test_a_dialogue_becomes_its_words_calls_and_results(tmp_path):
    made = only(tmp_path, GOOD, task="Help.\n\n* Today is Sunday\n* Follow the flow chart")
    assert isinstance(made, Conversation)
    assert made.messages[0] == System(content="Today is Sunday.")
    assert [m.content for m in made.messages if isinstance(m, User)][1] == "Monday at 9 am"
    steps = [m for m in made.messages if isinstance(m, Assistant)]
    assert steps[1].calls[0].arguments == {
        "Name": "Dr. Reed",
        "Day": "Monday",
        "StartTimeHour": "9 am",
        "RequestType": "Check",
    }
    assert json.loads(next(m.content for m in made.messages if isinstance(m, Observation))) == FREE
    assert steps[-1].text == "It is booked."
    assert all(step.thought for step in steps)
    assert made.meta["checked"] == "executed"
    assert again(made)


def test_state_holds_what_was_said_when_it_was_said(tmp_path):
    made = only(tmp_path, GOOD)
    assert made.state[0] == {"doctor_schedule.Name": "Dr. Reed"}
    assert made.state[1] == {**made.state[0], "doctor_schedule.Day": "Monday", "doctor_schedule.StartTimeHour": "9 am"}
    assert len(made.state) == sum(isinstance(m, User) for m in made.messages)


def test_what_follows_the_last_reply_is_cut(tmp_path):
    made = only(tmp_path, [*GOOD, *user("Thanks"), *ask("weather", None, Day='"Monday"')])
    assert made.messages[-1].text == "It is booked."


def made_with(folder, distractors):
    yield from (item for item in read_star(folder, distractors=distractors) if isinstance(item, Conversation))


def test_own_tools_and_distractors_are_offered_in_an_order_by_hash(tmp_path):
    folder = written(tmp_path, dialogue(GOOD))
    few, more = (next(made_with(folder, count)) for count in (0, 2))
    assert [tool.name for tool in few.tools] == ["doctor_schedule"]
    assert len(more.tools) == 3
    assert few.tools[0] in more.tools


@pytest.mark.parametrize(
    ("name", "written", "arguments"),
    [
        ("weather", {"Day": "api.is_one_of(['x'])"}, None),
        ("weather", {"Day": 'api.is_one_of(["Monday","Tuesday"])'}, {"Day": ["Monday", "Tuesday"]}),
        ("weather", {"Day": 'api.is_one_of(["Monday"])'}, {"Day": "Monday"}),
        ("hotel_search", {"AverageRating": "api.is_at_least(4)"}, {"AverageRating": {"at_least": 4}}),
        (
            "hotel_search",
            {"AverageRating": "3", "TakesReservations": "True"},
            {"AverageRating": 3, "TakesReservations": True},
        ),
        ("hotel_search", {"Location": 'api.is_one_of(["North","South"])'}, {}),
        ("apartment_search", {"NearbyPOIs": 'api.contains("Park")'}, {"NearbyPOIs": ["Park"]}),
        ("bank_balance", {"AccountNumber": " 0314 ", "PIN": "null"}, {"AccountNumber": "0314"}),
        ("hotel_search", {"AverageRating": "9"}, None),
        ("hotel_search", {"AverageRating": "api.is_not(4)"}, None),
        ("hotel_search", {"Stars": "4"}, None),
    ],
)
def test_constraints_are_typed_arguments_or_unfit(name, written, arguments):
    constraints = [{key: value} for key, value in written.items()]
    if arguments is None:
        with pytest.raises(Unfit):
            api(name).arguments(constraints)
    else:
        assert api(name).arguments(constraints) == arguments


def test_two_bounds_of_one_argument_merge_and_two_values_do_not():
    hotels = api("hotel_search")
    both = [{"AverageRating": "api.is_at_least(2)"}, {"AverageRating": "api.is_less_than(5)"}]
    assert hotels.arguments(both) == {"AverageRating": {"at_least": 2, "less_than": 5}}
    with pytest.raises(Unfit, match="argument given twice"):
        hotels.arguments([{"AverageRating": "2"}, {"AverageRating": "3"}])


OTHER = {**SLOT, "Day": '"Tuesday"', "RequestType": '"Book"'}
CHECK = {**SLOT, "RequestType": '"Check"'}
BAD: dict[str, Any] = {
    "no user turn with a reply": user("Hello"),
    "assistant starts": [*say("Hello"), *GOOD],
    "empty utterance": [*user("  "), *say("Yes?")],
    "argument left open": [
        *user("Hi"),
        *ask("doctor_schedule", FREE, **{**CHECK, "Day": 'api.is_one_of(["Monday","Tuesday"])'}),
        *say("Ok"),
    ],
    "call lacks a required argument": [*user("Hi"), *ask("doctor_schedule", FREE, Day='"Monday"'), *say("Ok")],
    "argument that nobody gave": [*user("Dr. Reed at 9 am"), *ask("doctor_schedule", DONE, **OTHER), *say("Ok")],
    "result contradicts the call": [*GOOD[:3], *ask("doctor_schedule", {**FREE, "Time": "8 am"}, **CHECK), *say("Ok")],
    "tool failed for no reason that the call shows": [*GOOD[:3], *ask("doctor_schedule", None, **CHECK), *say("Ok")],
    "asked again at once until the answer changed": [
        *GOOD[:3],
        *ask("doctor_schedule", BUSY, **CHECK),
        *ask("doctor_schedule", FREE, **CHECK),
        *say("It is free"),
    ],
    "reply contradicts the result": [
        *GOOD[:3],
        *ask("doctor_schedule", BUSY, **CHECK),
        *say("It is booked", "doctor_inform_booking_successful"),
    ],
    "reply says a number that nobody gave": [*user("Hi"), *say("There are 7 doctors")],
    "reply from a result never seen": [
        *user("Hi"),
        *say("It is sunny", "weather_inform_forecast", {"APIName": "weather", "City": "Rome"}),
    ],
    "query without a result": [*user("Hi"), ask("weather", None, Day='"Monday"')[0], *say("Ok")],
}


@pytest.mark.parametrize("reason", BAD)
def test_each_fault_is_rejected_with_its_reason(tmp_path, reason):
    item = only(tmp_path, BAD[reason])
    assert isinstance(item, Reject)
    assert item.reason == reason


def test_broken_off_before_a_call_is_rejected_and_a_finished_chat_kept(tmp_path):
    chat = [*user("Do you sell shoes?"), *say("No, I only book doctors.", "out_of_scope")]
    assert only(tmp_path / "a", chat, level="DisconnectDuringDialogue").reason == "broken off before a call"
    assert "checked" not in only(tmp_path / "b", chat).meta


ROWS: list[dict[str, Any]] = [{"Location": "North", "AverageRating": rating, "id": rating} for rating in (2, 4, 5)]


def test_a_search_gives_the_next_fitting_row_then_the_first_again():
    backend = Backend([Record("hotel_search", {}, row) for row in ROWS])
    good: dict[str, Any] = {"AverageRating": {"more_than": 3}}
    assert [backend.run("hotel_search", good)["id"] for _ in range(3)] == [4, 5, 4]
    assert backend.run("hotel_search", {"Location": ["South"]}) == NO_MATCH


def test_no_table_holds_two_answers_to_one_question():
    slot: dict[str, Any] = {"Name": "Dr. Reed", "Day": "Monday", "StartTimeHour": "9 am", "RequestType": "Check"}
    same = [Record("doctor_schedule", slot, FREE)] * 2
    assert proven(same) == ([FREE, FREE], "executed")
    assert proven([same[0], same[0]._replace(item=BUSY)]) == ([FREE, BUSY], "replayed")


def test_a_conversation_with_a_result_that_its_call_excludes_is_not_proven(tmp_path):
    made = only(tmp_path, GOOD)
    place = next(i for i, m in enumerate(made.messages) if isinstance(m, Observation))
    wrong = made.messages[place].model_copy(update={"content": json.dumps({**FREE, "Time": "8 am"})})
    with pytest.raises(Unfit, match="contradicts"):
        again(made.model_copy(update={"messages": (*made.messages[:place], wrong, *made.messages[place + 1 :])}))


def test_what_was_said_covers_abbreviations_hours_and_slips_but_no_invention():
    said = Said()
    said.add("I am Katarina, on tue at noon or 17:00, the 5th")
    assert said.suggests("Katrina Miller")
    assert not said.suggests("Ben")
    assert said.allows("Day", "Tuesday")
    assert not said.allows("Day", "Friday")
    assert said.allows("Time", "12 pm")
    assert said.allows("Time", "5 pm")
    assert not said.allows("Time", "3 am")
    assert said.numbers("Room 5 at 17, one more: 88") == ["88"]


def test_labels_say_what_a_reply_does():
    labels = {
        "bank_ask_pin": "ask",
        "trip_bye": "bye",
        "hotel_unavailable": "failed",
        "plane_inform_nothing_found": "nothing",
    }
    assert {label: kind(label) for label in labels} == labels
    assert kind("custom") == ""
    assert outcome(BUSY) == "failed"
    assert outcome(FREE) == "free"
    assert outcome(DONE) == "done"
    assert all(len(wordings) == len(set(wordings)) >= 6 for wordings in PLANS.values())


def test_nobody_is_said_to_lack_what_the_user_gave():
    assert known("restaurant_ask_time", ["restaurant_book.Time"])
    assert known("ask_name", ["ride_book.CustomerName"])
    assert not known("ask_name", ["hotel_book.Name"])
    assert not known("restaurant_ask_time", ["party_rsvp.ArrivalTime"])
    assert replying("ask_name", "Who?", False, ["bank_balance.FullName"], ("k",)) in PLANS["asks back"]


def test_a_broken_archive_and_a_foreign_dialogue_name_the_file(tmp_path):
    folder = written(tmp_path, {"Events": [{"Agent": "Robot", "Action": "hum"}]})
    with pytest.raises(DataError, match=r"dialogues\.zip.*1\.json has not the shape of STAR"):
        list(read_star(folder))
    (folder / "dialogues.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match="cannot be read as a zip archive"):
        list(read_star(folder))


def test_pieces_together_are_the_whole_and_a_limit_takes_part_of_it(tmp_path, monkeypatch):
    written(tmp_path / "star", *[dialogue(GOOD)] * 5)
    monkeypatch.setenv("CALM_DATA", str(tmp_path))
    monkeypatch.setattr(star, "BLOCK", 2)
    part = Star(source="star")
    pieces = [item for piece in range(part.pieces()) for item in part.read(0, piece)]
    assert part.pieces() == 3
    assert [item.id for item in pieces] == [f"star-{number}" for number in range(1, 6)]
    few, more = ([item.id for item in Star(source="star", limit=limit).read(0)] for limit in (2, 4))
    assert len(few) == 2
    assert more[:2] == few
    assert list(part.files()) == ["star/dialogues.zip", *(f"star/apis/apis/{name}.json" for name in sorted(SCHEMAS))]


def masked(thought, conversation):
    names = [tool.name for tool in conversation.tools]
    values = re.findall(r'"([^"]+)"', " ".join(m.content for m in conversation.messages if isinstance(m, Observation)))
    for word in sorted({*names, *values}, key=len, reverse=True):
        thought = thought.replace(word, "V")
    return re.sub(r"\d+", "#", thought)


def test_a_slice_of_the_corpus_is_proven_again_and_varied(corpora):
    items = list(Star(source="star", limit=400).read(0))
    kept: list[Any] = [item for item in items if isinstance(item, Conversation)]
    assert len(items) == 400
    assert len(kept) > 240
    for made in kept:
        assert again(made)
        assert from_row(to_row(made)) == made
        assert made.renumbered() == made
        assert not [
            calls.fault(c, made.tools)
            for m in made.messages
            if isinstance(m, Assistant)
            for c in m.calls
            if calls.fault(c, made.tools)
        ]
    thoughts = Counter(masked(m.thought, made) for made in kept for m in made.messages if isinstance(m, Assistant))
    assert thoughts.most_common(1)[0][1] < 0.01 * thoughts.total()
