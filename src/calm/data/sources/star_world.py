"""STAR's backend, rebuilt for each dialogue from what it answered there.

Upstream kept tables of random rows for every collection batch (a row's `id` is unique within one) and drew at random
among the rows that fit; bookings were confirmed or refused by chance. So the world of a dialogue is:

- for searches a table of the rows that were returned in it; a call is answered by evaluating its constraints over the
  table: the first fitting row not yet shown, when all were shown the one shown longest ago, none: `NO_MATCH`;
- for the rest a table of outcomes by what decides them (the hotel, the nights and whether it is a check or a booking;
  for a bank whether the caller is authenticated), together with the arguments that upstream repeats in its answer.

Where this gives every recorded answer the calls are `executed`. Where the same question got two answers in a dialogue
no table can hold both: its answers are kept by call and turn, and the dialogue is `replayed`.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

from calm.conversation import Assistant, Call, Conversation, Observation
from calm.data.sources.star_tools import SEARCHES, Arguments
from calm.data.sources.wire import Unfit
from calm.files import dumps

Row = dict[str, Any]
Key = tuple[Any, ...]
Checked = Literal["executed", "replayed"]
NO_MATCH: Row = {"Message": "No match."}
"""What a search answers when nothing fits; upstream returned no item at all."""

ECHOES: dict[str, dict[str, str]] = {
    "doctor_schedule": {"DoctorName": "Name", "Time": "StartTimeHour"},
    "hotel_book": {"HotelName": "Name"},
    "hotel_service_request": {"RoomNumber": "RoomNumber", "Time": "Time"},
    "meeting_schedule": {"GuestName": "Name", "Day": "Day", "StartTime": "StartTimeHour", "EndTime": "EndTimeHour"},
    "party_plan": {"VenueName": "Name", "Day": "Day", "Time": "StartTimeHour"},
    "plane_book": {"id": "id"},
    "restaurant_book": {"RestaurantName": "Name"},
    "ride_book": {name: name for name in ("CustomerName", "DepartureLocation", "ArrivalLocation")},
}
"""API: key of its answer -> the argument that is repeated there."""
NOT_COLUMNS = {
    "ride_book": {"RequestType", *ECHOES["ride_book"]},
    "trip_directions": {"DepartureTime", "DepartureLocation", "ArrivalLocation"},
}
"""Arguments of searches that upstream does not compare with rows."""


class Record(NamedTuple):
    """A query of a dialogue: the API, the arguments, and the item that came back, None where none did."""

    name: str
    arguments: Arguments
    item: Row | None


class Backend:
    """Answers calls from the tables of one dialogue; `replayed` holds names of APIs that no table can answer."""

    def __init__(self, records: Iterable[Record], replayed: Iterable[str] = ()) -> None:
        self.replayed = frozenset(replayed)
        self.rows: dict[str, list[Row]] = {}
        self.outcomes: dict[Key, Row] = {}
        self.recorded: dict[Key, list[Row]] = {}
        self.shown: list[Row] = []
        for record in records:
            self._learn(record)

    def _learn(self, record: Record) -> None:
        name, arguments, item = record
        self.recorded.setdefault((name, dumps(arguments)), []).append(NO_MATCH if item is None else item)
        if item is None:
            return
        bare = {key: value for key, value in item.items() if key not in ECHOES.get(name, ())}
        if not searches(name, arguments):
            self.outcomes.setdefault((name, *decisive(name, arguments)), bare)
        elif bare not in self.rows.setdefault(name, []):
            self.rows[name].append(bare)

    def run(self, name: str, arguments: Arguments) -> Row:
        """The answer to a call, repeated arguments in it.

        Raises:
            Unfit: the dialogue's tables hold no outcome for it.
        """
        if name in self.replayed:
            return self._next(name, arguments)
        if searches(name, arguments):
            row = self._search(name, arguments)
            return {**row, **_echoed(name, arguments)} if row is not None else dict(NO_MATCH)
        key = (name, *decisive(name, arguments))
        if key not in self.outcomes:
            raise Unfit("tool failed for no reason that the call shows", f"{name}: {dumps(arguments)}"[:200])
        repeated = {} if name == "ride_book" else _echoed(name, arguments)
        return {**self.outcomes[key], **repeated}

    def _next(self, name: str, arguments: Arguments) -> Row:
        left = self.recorded[(name, dumps(arguments))]
        return left.pop(0) if len(left) > 1 else left[0]

    def _search(self, name: str, arguments: Arguments) -> Row | None:
        wanted = {key: value for key, value in arguments.items() if key not in NOT_COLUMNS.get(name, ())}
        fitting = [row for row in self.rows.get(name, ()) if matches(row, wanted)]
        fresh = [row for row in fitting if row not in self.shown]
        row = next(iter(fresh), None) or next((row for row in self.shown if row in fitting), None)
        if row is not None:
            self.shown = [*(other for other in self.shown if other != row), row]
        return row


def searches(name: str, arguments: Arguments) -> bool:
    """Whether the call is answered from a table of rows; booking a ride that was found is not."""
    return name in SEARCHES and arguments.get("RequestType") != "Book"


def matches(row: Row, wanted: Arguments) -> bool:
    """Whether a row fulfils every constraint; a column that the row lacks fulfils none."""
    return all(name in row and _fulfils(row[name], value) for name, value in wanted.items())


def _fulfils(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        compare = {
            "at_least": value.__ge__,
            "at_most": value.__le__,
            "more_than": value.__gt__,
            "less_than": value.__lt__,
        }
        return all(compare[bound](limit) for bound, limit in wanted.items())
    if isinstance(wanted, list):
        return set(wanted) <= set(value) if isinstance(value, list) else value in wanted
    return bool(value == wanted)


def _echoed(name: str, arguments: Arguments) -> Row:
    return {key: arguments[argument] for key, argument in ECHOES.get(name, {}).items()}


# --- what decides an outcome ---------------------------------------------------------------------------------------


def authenticated(arguments: Arguments) -> bool:
    """Whether a bank call names its caller well enough: name, account and PIN, or name, birth date and both answers."""
    return {"FullName", "AccountNumber", "PIN"} <= arguments.keys() or {
        "FullName",
        "DateOfBirth",
        "SecurityAnswer1",
        "SecurityAnswer2",
    } <= arguments.keys()


def _authorised(arguments: Arguments) -> Key:
    low = arguments["UserRank"] in ("Chief Engineer", "Bartender")
    return ("refused" if low and arguments["CodeType"] != "Clearance" else "unlocked",)


def _slot(*names: str, sure: bool = False) -> Callable[[Arguments], Key]:
    """Decided by a check or booking of these arguments; `sure`: a booking always succeeds, whatever they are."""

    def key(arguments: Arguments) -> Key:
        request = arguments.get("RequestType")
        return (request,) if sure and request == "Book" else (request, *(_folded(arguments[name]) for name in names))

    return key


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


_DECISIVE: dict[str, Callable[[Arguments], Key]] = {
    "apartment_schedule": _slot("Name", "Day", "StartTimeHour"),
    "bank_balance": lambda a: ("balance", _folded(a["FullName"])) if authenticated(a) else ("refused",),
    "bank_fraud_report": lambda a: ("filed" if authenticated(a) else "refused",),
    "doctor_followup": _slot("Name", "PatientName"),
    "doctor_schedule": _slot("Name", "Day", "StartTimeHour", sure=True),
    "hotel_book": _slot("Name", "StartDate", "EndDate"),
    "hotel_service_request": _slot("Name", "RoomNumber", "Time", "CustomerRequest"),
    "meeting_schedule": _slot("Name", "Day", "StartTimeHour", "EndTimeHour"),
    "party_plan": _slot("Name", "Day", "StartTimeHour", "NumberGuests", sure=True),
    "party_rsvp": _slot(),
    "plane_book": _slot("id"),
    "restaurant_book": _slot("Name", "Time", "PartySize"),
    "ride_book": _slot(),
    "ride_change": _slot("id", "ChangeDescription"),
    "ride_status": _slot("id"),
    "spaceship_access_codes": _authorised,
    "spaceship_life_support": _slot(),
    "trivia": _slot("QuestionNum"),
}


def decisive(name: str, arguments: Arguments) -> Key:
    """What the outcome of a call that is no search depends on."""
    return _DECISIVE[name](arguments)


# --- proof ---------------------------------------------------------------------------------------------------------


def proven(records: Sequence[Record]) -> tuple[list[Row], Checked]:
    """The answers of a rebuilt backend to the calls of a dialogue, equal to what was recorded, and how they were got.

    Raises:
        Unfit: an answer contradicts its call, so that no backend could have given it.
    """
    for record in records:
        _possible(record)
    wrong = _wrong(Backend(records), records)
    if wrong and (still := _wrong(Backend(records, wrong), records)):
        raise Unfit("no backend gives these answers", ", ".join(sorted(still)))
    backend = Backend(records, wrong)
    return [backend.run(record.name, record.arguments) for record in records], "replayed" if wrong else "executed"


def again(conversation: Conversation) -> bool:
    """Whether a backend made from a conversation's own observations answers each of its calls with what follows it."""
    calls = [call for m in conversation.messages if isinstance(m, Assistant) for call in m.calls]
    seen = [json.loads(m.content) for m in conversation.messages if isinstance(m, Observation)]
    records = [_record(call, item) for call, item in zip(calls, seen, strict=True)]
    answers, checked = proven(records)
    return answers == seen and checked == conversation.meta.get("checked", "executed")


def _record(call: Call, item: Row) -> Record:
    return Record(call.name, call.arguments, None if item == NO_MATCH else item)


def _wrong(backend: Backend, records: Sequence[Record]) -> set[str]:
    return {
        record.name
        for record in records
        if backend.run(record.name, record.arguments) != (NO_MATCH if record.item is None else record.item)
    }


def _possible(record: Record) -> None:
    """Hold an answer against its call alone, whatever the tables say."""
    name, arguments, item = record
    told = f"{name}({dumps(arguments)}) -> {dumps(item)}"[:300]
    if item is None:
        if searches(name, arguments):
            return
        raise Unfit("tool failed for no reason that the call shows", told)
    repeated = {key: item[key] for key in ECHOES.get(name, ()) if key in item}
    wanted = {key: value for key, value in arguments.items() if key not in NOT_COLUMNS.get(name, ())}
    contradicted = (
        any(value != arguments[ECHOES[name][key]] for key, value in repeated.items())
        or (searches(name, arguments) and not matches(item, wanted))
        or (name.startswith("bank_") and authenticated(arguments) == ("Message" in item))
    )
    if contradicted:
        raise Unfit("result contradicts the call", told)
