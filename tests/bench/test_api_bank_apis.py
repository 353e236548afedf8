"""The APIs on small databases of our own: what they find, change and refuse."""

import pytest

from calm.bench.api_bank.apis import APIS, Fault, State, call, level3
from calm.bench.api_bank.apis.base import Answer, Refusal, alike, day, overlapping

INITIAL = {
    "Account": {
        "ann": {"password": "rose", "token": "t1", "email": "a@b.org"},
        "bob": {"password": "x", "token": "t2"},
    },
    "Bank": {"ann": {"balance": 12.5}},
    "Agenda": {"1": {"username": "ann", "content": "dentist", "time": "2023-05-01 09:00:00", "location": "Oslo"}},
    "Alarm": {},
    "Meeting": {},
    "Appointments": {"7": {"patient_name": "Ann", "date": "2023-05-01", "doctor_name": "Dr. A"}},
    "HealthData": {},
    "Hotel": {"1": {"hotel_name": "Inn", "check_in_time": "2023-05-01", "check_out_time": "2023-05-03"}},
    "Scenes": {"night": []},
    "TimeSwitch": {"lamp": [{"time": "2023-05-01 09:00:00", "on": True}]},
    "Stock": {"AB": {"2023-05-01": 3.5}},
}


@pytest.fixture
def state():
    return State(INITIAL)


def ask(state, api, /, **arguments):
    return call(api, APIS[api], state, arguments)


def test_there_are_73_apis_besides_the_two_searches():
    names = [*APIS, *level3.apis([])]
    assert len([name for name in names if name != "ToolSearcher"]) == 73


def test_states_do_not_share_what_happens_in_them(state):
    assert ask(state, "DeleteAccount", token="t1").exception is None
    assert "ann" not in state["Account"]
    assert ask(State(INITIAL), "GetUserToken", username="ann", password="rose").output == {"token": "t1"}


def test_a_forgotten_password_takes_two_steps(state):
    second = {"status": "Verification Code", "verification_code": 970420, "new_password": "lily"}
    assert ask(state, "ForgotPassword", **second).exception
    assert ask(state, "ForgotPassword", status="Forgot Password", username="ann", email="a@b.org").output == 970420
    assert ask(state, "ForgotPassword", **second).output == "success"
    assert ask(state, "GetUserToken", username="ann", password="lily").output == {"token": "t1"}


def test_a_new_user_gets_the_token_to_be_issued_else_one_nobody_has(state):
    state.issued = "drawn"
    assert ask(state, "RegisterUser", username="cy", password="p", email="e").output == {"token": "drawn"}
    assert ask(state, "RegisterUser", username="di", password="p", email="e").output["token"] not in (
        "t1",
        "t2",
        "drawn",
    )
    assert ask(state, "RegisterUser", username="di", password="p", email="e").exception


def test_entries_belong_to_their_owner(state):
    entry = {"content": "dentist", "time": "", "location": ""}
    assert ask(state, "QueryAgenda", token="t2", **entry).exception
    assert ask(state, "QueryAgenda", token="t1", **entry).output["location"] == "Oslo"
    assert ask(state, "DeleteAgenda", token="t1", **entry).output == "success"
    assert ask(state, "QueryAgenda", token="t1", **entry).exception


def test_meetings_can_be_made_moved_and_dropped(state):
    meeting = {"meeting_topic": "plan", "start_time": "2023-05-01 09:00:00", "end_time": "2023-05-01 10:00:00"}
    rest = {"token": "t1", "location": "Room", "attendees": ["Bo"]}
    assert ask(state, "AddMeeting", **meeting, **rest).output == "success"
    assert ask(state, "ModifyMeeting", **meeting | {"start_time": "2023-05-01 09:30:00"}, **rest).output == "success"
    assert ask(state, "QueryMeeting", **meeting, **rest).output["start_time"] == "2023-05-01 09:30:00"
    assert ask(state, "DeleteMeeting", **meeting, **rest).output == "success"
    assert ask(state, "QueryMeeting", **meeting, **rest).exception


def test_an_appointment_is_one_a_day_and_must_change_when_modified(state):
    known = {"patient_name": "Ann", "date": "2023-05-01", "doctor_name": "Dr. B"}
    assert ask(state, "AppointmentRegistration", **known).exception
    assert ask(state, "ModifyRegistration", appointment_id="7", new_appointment_doctor="Dr. A").exception
    assert ask(state, "ModifyRegistration", appointment_id="7", new_appointment_date="2023-05-02").output == "success"
    assert ask(state, "AppointmentRegistration", **known).exception is None


def test_health_data_are_added_to_a_record_and_found_in_a_span(state):
    record = {"user_id": "u1", "time": "2023-05-01 09:00:00", "health_data": [{"name": "weight", "value": "70"}]}
    assert ask(state, "RecordHealthData", **record).output == "success"
    found = ask(
        state, "QueryHealthData", user_id="U1", start_time="2023-04-30 00:00:00", end_time="2023-05-02 00:00:00"
    )
    assert found.output == [{"time": "2023-05-01 09:00:00", "weight": "70"}]
    assert ask(state, "RecordHealthData", **record | {"health_data": "["}).exception


def test_a_room_is_taken_if_either_end_falls_into_a_booking(state):
    stay = {"hotel_name": "Inn", "room_count": 1, "adult_count": 2, "child_count": 0}
    assert ask(state, "BookHotel", check_in_time="2023-05-02", check_out_time="2023-05-09", **stay).exception
    assert ask(state, "BookHotel", check_in_time="2023-05-03", check_out_time="2023-05-04", **stay).output == "2"
    many = stay | {"adult_count": 3}
    assert ask(state, "BookHotel", check_in_time="2023-06-03", check_out_time="2023-06-04", **many).exception


def test_switches_and_scenes_go_by_names_in_lower_case(state):
    order = {"name": " Lamp", "time": "2023-05-01 09:00:00"}
    assert ask(state, "TimedSwitch", **order, on=False).output == "success"
    assert state["TimeSwitch"]["lamp"] == [{"time": "2023-05-01 09:00:00", "on": False}]
    assert ask(state, "CancelTimedSwitch", **order).output == "success"
    assert ask(state, "CancelTimedSwitch", **order).exception
    assert ask(state, "AddScene", name="Night", devices=[]).exception


@pytest.mark.parametrize(
    ("formula", "value"),
    [("(5 + 6) * 3", 33), ("10/4-2", 0.5), ("1+2*3", 7), ("(1)2+3", 1)],
)
def test_formulas_have_values(formula, value):
    assert ask(State({}), "Calculator", formula=formula).output == value


@pytest.mark.parametrize("formula", ["", "7", "((1+2))*3", "1/0", "2*", "a+b", "1+2)3(", "-3+5", "1++2"])
def test_what_is_no_formula_is_refused(formula):
    assert ask(State({}), "Calculator", formula=formula).exception


def test_missing_parameters_and_wrong_numbers_are_faults(state):
    with pytest.raises(Fault, match="MISS_INPUT_ARGUMENT"):
        ask(state, "QueryStock", stock_code="AB")
    assert ask(state, "QueryStock", stock_code=" ab", date="2023-05-1").output == 3.5


def test_level_3_knows_what_its_gold_answers_show():
    apis = level3.apis(
        [
            Answer("MovieRecommendations", {"preferences": ["Odd", "Sad"]}, {"recommended_movies": ["A", "B"]}),
            Answer("TravelStatus", {"member_name": "Bo"}, "Away"),
        ]
    )
    assert call("TravelStatus", apis["TravelStatus"], State({}), {"member_name": "Bo"}).output == "Away"
    assert call("TravelStatus", apis["TravelStatus"], State({}), {"member_name": "Cy"}).exception
    found = call("MovieRecommendations", apis["MovieRecommendations"], State({}), {"preferences": ["Sad"]})
    assert found.output == {"recommended_movies": ["B"]}


def test_dates_are_read_with_short_years_and_what_is_none_equals_nothing():
    assert day(" 2023-5-1") == "2023-05-01"
    with pytest.raises(Refusal):
        day("tomorrow")
    same = alike("output", date=day)
    assert not same(Answer("F", {"date": "x"}), Answer("F", {"date": "x"}))


def test_more_than_half_of_the_words_must_overlap():
    same = overlapping("content", "time")
    gold = Answer("F", {"content": "call mom now", "time": "9"})
    assert same(Answer("F", {"content": "call mom", "time": "9"}), gold)
    assert not same(Answer("F", {"content": "call now please ok", "time": "9"}), gold)
    assert not same(Answer("F", {"content": "call mom", "time": "8"}), gold)
