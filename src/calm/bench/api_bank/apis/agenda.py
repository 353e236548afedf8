"""What a user has planned: agenda, alarms, reminders, meetings. An entry is found by its topic or by its time."""

from collections.abc import Callable
from typing import Any

from calm.bench.api_bank.apis.account import owner
from calm.bench.api_bank.apis.base import API, Answer, Refusal, State, checked, equal, overlapping

Entry = dict[str, Any]
Entries = dict[str, Entry]


def _first(state: State, database: str, token: str, fits: Callable[[Entry], bool]) -> str | None:
    """The key of the user's first entry that fits."""
    user, entries = owner(state, token), state[database]
    return next((key for key, entry in entries.items() if entry["username"] == user and fits(entry)), None)


def _add(state: State, database: str, token: str, entry: Entry) -> str:
    """A new entry under a key that no other has."""
    entries: Entries = state[database]
    user = owner(state, token)
    entries[str(max(map(int, entries), default=-1) + 1)] = {"username": user, **entry}
    return "success"


def _named(text: str) -> str:
    if not text.strip():
        raise Refusal("it needs a topic")
    return text


def _nothing(*sought: str) -> Refusal:
    return Refusal(f"nothing planned for {' or '.join(filter(None, sought))}")


def _at(time: str) -> None:
    """A time must be in the form if there is one."""
    if time:
        checked(time)


# --- agenda --------------------------------------------------------------------------------------------------------


def add_agenda(state: State, token: str, content: str, time: str, location: str) -> str:
    """Something planned."""
    checked(time)
    return _add(state, "Agenda", token, {"content": _named(content), "time": time, "location": location})


def _agenda(state: State, token: str, content: str, time: str) -> str | None:
    _at(time)
    return _first(state, "Agenda", token, lambda entry: entry["content"] == content or entry["time"] == time)


def modify_agenda(state: State, token: str, content: str, time: str, location: str) -> str:
    """The entry with this content or at this time is now this."""
    key = _agenda(state, token, content, time)
    if key is None:
        raise _nothing(content, time)
    state["Agenda"][key] |= {"content": content, "time": time, "location": location}
    return "success"


def query_agenda(state: State, token: str, content: str, time: str, location: str) -> Entry:
    """The entry with this content or at this time; the place plays no part."""
    key = _agenda(state, token, content, time)
    if key is None:
        raise _nothing(content, time)
    return state["Agenda"][key]


def delete_agenda(state: State, token: str, content: str, time: str, location: str) -> str:
    """The entry with this content or at this time is gone; asking for nothing at all succeeds."""
    key = _agenda(state, token, content, time)
    if key is None and (content or time):
        raise _nothing(content, time)
    state["Agenda"].pop(key, None)
    return "success"


# --- alarms --------------------------------------------------------------------------------------------------------


def add_alarm(state: State, token: str, time: str) -> str:
    """An alarm."""
    checked(time)
    return _add(state, "Alarm", token, {"time": time})


def _alarm(state: State, token: str, time: str) -> str:
    checked(time)
    key = _first(state, "Alarm", token, lambda entry: entry["time"] == time)
    if key is None:
        raise _nothing(time)
    return key


def modify_alarm(state: State, token: str, from_time: str, to_time: str) -> str:
    """An alarm at another time."""
    checked(to_time)
    state["Alarm"][_alarm(state, token, from_time)]["time"] = to_time
    return "success"


def query_alarm(state: State, token: str, time: str) -> Entry:
    """The alarm at a time."""
    return state["Alarm"][_alarm(state, token, time)]


def delete_alarm(state: State, token: str, time: str) -> str:
    """The alarm is gone."""
    del state["Alarm"][_alarm(state, token, time)]
    return "success"


# --- reminders -----------------------------------------------------------------------------------------------------


def add_reminder(state: State, token: str, content: str, time: str) -> str:
    """A reminder."""
    checked(time)
    return _add(state, "Reminder", token, {"content": _named(content), "time": time})


def _reminder(state: State, token: str, content: str, time: str) -> str:
    checked(time)
    _named(content)
    key = _first(state, "Reminder", token, lambda entry: entry["content"] == content or entry["time"] == time)
    if key is None:
        raise _nothing(content, time)
    return key


def modify_reminder(state: State, token: str, content: str, time: str) -> str:
    """The reminder with this content or at this time is now this."""
    state["Reminder"][_reminder(state, token, content, time)] |= {"content": content, "time": time}
    return "success"


def query_reminder(state: State, token: str, content: str, time: str) -> Entry:
    """The reminder with this content or at this time."""
    return state["Reminder"][_reminder(state, token, content, time)]


def delete_reminder(state: State, token: str, content: str, time: str) -> str:
    """The reminder is gone."""
    del state["Reminder"][_reminder(state, token, content, time)]
    return "success"


# --- meetings ------------------------------------------------------------------------------------------------------


def add_meeting(state: State, token: str, **entry: Any) -> str:
    """A meeting: topic, times, place, who comes."""
    check_meeting(**entry)
    return _add(state, "Meeting", token, entry)


def check_meeting(meeting_topic: str, start_time: str, end_time: str, location: str, attendees: Any) -> str:
    """A meeting must have times in the form and a topic; level 3 asks for nothing more."""
    checked(start_time)
    checked(end_time)
    _named(meeting_topic)
    return "success"


def _meeting(state: State, token: str, sought: Entry) -> str:
    """The key of the meeting with this topic or start."""
    topic, start = sought["meeting_topic"], sought["start_time"]
    _at(start)
    _at(sought["end_time"])
    if not topic.strip() and not start:
        raise Refusal("it needs a topic or a time")
    key = _first(state, "Meeting", token, lambda one: one["meeting_topic"] == topic or one["start_time"] == start)
    if key is None:
        raise _nothing(topic, start)
    return key


def modify_meeting(state: State, token: str, **entry: Any) -> str:
    """The meeting with this topic or start gets this topic and these times; place and people stay as they are."""
    meeting = state["Meeting"][_meeting(state, token, entry)]
    if entry["meeting_topic"]:
        meeting["meeting_topic"] = entry["meeting_topic"]
    if entry["start_time"]:
        meeting |= {"start_time": entry["start_time"], "end_time": entry["end_time"]}
    return "success"


def query_meeting(state: State, token: str, **entry: Any) -> Entry:
    """The meeting with this topic or start."""
    return state["Meeting"][_meeting(state, token, entry)]


def delete_meeting(state: State, token: str, **entry: Any) -> str:
    """The meeting with this topic or start is gone."""
    del state["Meeting"][_meeting(state, token, entry)]
    return "success"


# --- comparisons ---------------------------------------------------------------------------------------------------


def same_deletion(ours: Answer, gold: Answer) -> bool:
    """Of two deletions only the time counts; that of a meeting has none, so upstream ends in a KeyError."""
    if ours.output == gold.output == "success":
        return ours.input["time"] == gold.input["time"]
    return ours.output == gold.output and ours.exception == gold.exception


PLAN = overlapping("content", "time location")
NOTE = overlapping("content", "time", read=str.lower)
MEETING = overlapping("meeting_topic")
_AGENDA, _NOTE = "token content time location", "token content time"
_MEETING = "token meeting_topic start_time end_time location attendees:list"

APIS = {
    "AddAgenda": API(_AGENDA, add_agenda, PLAN),
    "ModifyAgenda": API(_AGENDA, modify_agenda, PLAN),
    "QueryAgenda": API(_AGENDA, query_agenda, PLAN),
    "DeleteAgenda": API(_AGENDA, delete_agenda, same_deletion),
    "AddAlarm": API("token time", add_alarm, equal),
    "ModifyAlarm": API("token from_time to_time", modify_alarm, equal),
    "QueryAlarm": API("token time", query_alarm, equal),
    "DeleteAlarm": API("token time", delete_alarm, equal),
    "AddReminder": API(_NOTE, add_reminder, NOTE),
    "ModifyReminder": API(_NOTE, modify_reminder, NOTE),
    "QueryReminder": API(_NOTE, query_reminder, NOTE),
    "DeleteReminder": API(_NOTE, delete_reminder, same_deletion),
    "AddMeeting": API(_MEETING, add_meeting, MEETING),
    "ModifyMeeting": API(_MEETING, modify_meeting, MEETING),
    "QueryMeeting": API(_MEETING, query_meeting, MEETING),
    "DeleteMeeting": API(_MEETING, delete_meeting, same_deletion),
}
