"""The information desk of Cambridge: eight tools over the real database, and the recorded user who speaks to the model.

Tools and argument meanings follow the CALM lab's harness (ReSpAct, `multiwoz/`): the arguments of the calls *are* the
dialogue state. Names are ours where JSON Schema reads better (`leave_at`), `dontcare` is a value that can be said.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from calm.bench.multiwoz.db import Database, Record
from calm.bench.multiwoz.values import clock
from calm.conversation import Assistant, Call, Conversation, Garbled, Message, Observation, Step, Tool, User
from calm.files import dumps

CALLS_PER_TURN = 5
"""More calls in one user turn are refused and count for nothing, as in the CALM lab's harness."""
ROWS = 5
"""Results shown of a query; `count` says how many there are."""

ANY = "dontcare"
AREAS = ("centre", "east", "north", "south", "west", ANY)
PRICES = ("cheap", "moderate", "expensive", ANY)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SIGHTS = "architecture, boat, cinema, college, concert hall, entertainment, museum, multiple sports, nightclub, park"


def _text(description: str, *choices: str) -> dict[str, JsonValue]:
    schema: dict[str, JsonValue] = {"type": "string", "description": description}
    return {**schema, "enum": [*choices]} if choices else schema


def _number(description: str) -> dict[str, JsonValue]:
    return {"type": "integer", "description": description, "minimum": 1}


AREA, PRICE = _text("part of town", *AREAS), _text("price range", *PRICES)
YES_NO = ("yes", "no", ANY)
FROM, TO = _text("where it leaves from"), _text("where it goes to")
LEAVE, ARRIVE = _text("earliest departure, HH:MM"), _text("latest arrival, HH:MM")
DAY, PEOPLE = _text("day of the week", *DAYS), _number("for how many people")

APIS: dict[str, tuple[str, dict[str, tuple[dict[str, JsonValue], str]]]] = {
    "query_restaurants": (
        "Search restaurants.",
        {
            "area": (AREA, "restaurant-area"),
            "food": (_text("cuisine"), "restaurant-food"),
            "price_range": (PRICE, "restaurant-pricerange"),
            "name": (_text("name of the restaurant"), "restaurant-name"),
        },
    ),
    "book_restaurant": (
        "Book a table.",
        {
            "name": (_text("name of the restaurant"), "restaurant-name"),
            "people": (PEOPLE, "restaurant-book people"),
            "day": (DAY, "restaurant-book day"),
            "time": (_text("when, HH:MM"), "restaurant-book time"),
        },
    ),
    "query_hotels": (
        "Search hotels and guest houses.",
        {
            "area": (AREA, "hotel-area"),
            "price_range": (PRICE, "hotel-pricerange"),
            "type": (_text("kind of house", "hotel", "guest house", ANY), "hotel-type"),
            "stars": (_text("number of stars", *"012345", ANY), "hotel-stars"),
            "parking": (_text("with parking", *YES_NO), "hotel-parking"),
            "internet": (_text("with internet", *YES_NO), "hotel-internet"),
            "name": (_text("name of the house"), "hotel-name"),
        },
    ),
    "book_hotel": (
        "Book rooms.",
        {
            "name": (_text("name of the house"), "hotel-name"),
            "people": (PEOPLE, "hotel-book people"),
            "day": (_text("day of arrival", *DAYS), "hotel-book day"),
            "stay": (_number("number of nights"), "hotel-book stay"),
        },
    ),
    "query_attractions": (
        "Search sights and places to go.",
        {
            "area": (AREA, "attraction-area"),
            "type": (_text(f"kind of place: {SIGHTS}, swimming pool, theatre or {ANY}"), "attraction-type"),
            "name": (_text("name of the place"), "attraction-name"),
        },
    ),
    "query_trains": (
        "Search trains.",
        {
            "departure": (FROM, "train-departure"),
            "destination": (TO, "train-destination"),
            "day": (DAY, "train-day"),
            "leave_at": (LEAVE, "train-leaveat"),
            "arrive_by": (ARRIVE, "train-arriveby"),
        },
    ),
    "buy_train_tickets": (
        "Buy tickets for one train.",
        {"train_id": (_text("id of the train, like TR1234"), ""), "people": (PEOPLE, "train-book people")},
    ),
    "book_taxi": (
        "Order a taxi.",
        {
            "departure": (FROM, "taxi-departure"),
            "destination": (TO, "taxi-destination"),
            "leave_at": (LEAVE, "taxi-leaveat"),
            "arrive_by": (ARRIVE, "taxi-arriveby"),
        },
    ),
}
"""Each tool's description and, by parameter, its schema and the slot of the dialogue state that it fills."""

TOOLS = tuple(
    Tool(
        name=name,
        description=description,
        parameters={"type": "object", "properties": {key: schema for key, (schema, _) in parameters.items()}},
    )
    for name, (description, parameters) in APIS.items()
)
"""Nothing is required: a wish can be passed on in the turn in which it is stated, and a booking says what it lacks."""

QUERIES = {
    "query_restaurants": "restaurant",
    "query_hotels": "hotel",
    "query_attractions": "attraction",
    "query_trains": "train",
}
TIMES = ("leave_at", "arrive_by", "time")
BOOKINGS = {"book_restaurant": "restaurant", "book_hotel": "hotel", "buy_train_tickets": "train"}


def slots(call: Call) -> dict[str, str]:
    """The slots that a call fills, as lower-case text; unknown tools and parameters and empty values fill none."""
    parameters = APIS[call.name][1] if call.name in APIS else {}
    filled = {parameters[key][1]: said(value) for key, value in call.arguments.items() if key in parameters}
    return {slot: value for slot, value in filled.items() if slot and value}


def said(value: JsonValue) -> str:
    """An argument as text: numbers as digits, null as nothing."""
    return "" if value is None else " ".join(str(value).lower().split())


class Desk:
    """The eight tools for one dialogue; a booking of what exists succeeds, and its reference depends on it alone."""

    tools = TOOLS

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self, call: Call) -> str:
        """The observation of a call as JSON text; what cannot be done is an `{"error": ...}`."""
        if call.name not in APIS:
            return dumps({"error": f"no tool {call.name!r}"})
        if unknown := sorted(set(call.arguments) - set(APIS[call.name][1])):
            return dumps({"error": f"{call.name} has no parameter {', '.join(unknown)}"})
        wanted = {key: said(value) for key, value in call.arguments.items()}
        if wrong := [key for key in TIMES if not _is_time(wanted.get(key, ANY))]:
            return dumps({"error": f"{wrong[0]} is no time like 17:15"})
        if call.name in QUERIES:
            return dumps(self._query(QUERIES[call.name], wanted))
        if missing := [key for key in _needed(call.name) if not wanted.get(key)]:
            return dumps({"error": f"still needed: {', '.join(missing)}"})
        return dumps(self._taxi(wanted) if call.name == "book_taxi" else self._book(BOOKINGS[call.name], wanted))

    def _query(self, table: str, wanted: Mapping[str, str]) -> dict[str, JsonValue]:
        found = self._database.find(table, wanted)
        return {"count": len(found), "results": [dict(self._database.show(table, r)) for r in found[:ROWS]]}

    def _book(self, table: str, wanted: Mapping[str, str]) -> dict[str, JsonValue]:
        key = "train_id" if table == "train" else "name"
        found = self._database.find(table, {key: wanted[key]})
        if not found:
            return {"error": f"no {table} {wanted[key]!r}"}
        return {"booked": _closest(found, key, wanted[key])[key], "reference": _lot(table, wanted)[:8].upper()}

    def _taxi(self, wanted: Mapping[str, str]) -> dict[str, JsonValue]:
        fleet = self._database.tables["taxi"][0]
        lot = int(_lot("taxi", wanted), 16)
        colours, makes = fleet["taxi_colors"], fleet["taxi_types"]
        car = f"{colours[lot % len(colours)]} {makes[lot // 64 % len(makes)]}"
        return {"car": car, "phone": f"07{lot % 10**9:09d}"}


def _is_time(value: str) -> bool:
    return value in ("", ANY) or re.fullmatch(r"\d\d:\d\d", clock(value)) is not None


def _needed(tool: str) -> tuple[str, ...]:
    return ("departure", "destination") if tool == "book_taxi" else tuple(APIS[tool][1])


def _closest(found: Sequence[Record], key: str, wanted: str) -> Record:
    return min(found, key=lambda record: (record[key] != wanted, abs(len(record[key]) - len(wanted))))


def _lot(table: str, wanted: Mapping[str, str]) -> str:
    return hashlib.sha256(f"{table} {sorted(wanted.items())}".encode()).hexdigest()


# --- the recorded user ---------------------------------------------------------------------------------------------


def _key(slot: str) -> str:
    return slot.replace("-", "_").replace(" ", "_")


WISHES = {_key(slot): slot for _, keys in APIS.values() for _, slot in keys.values() if slot}
"""The parameters of `NOTING` and the slots that they mean: `hotel_book_day` is `hotel-book day`."""

NOTING = Tool(
    name="note_wishes",
    description=(
        "Write down all that the user wants by now, in every turn in which that changes. Each note replaces the one"
        f' before it, so leave nothing out that still holds; "{ANY}" where anything will do.'
    ),
    parameters={
        "type": "object",
        "properties": {key: {"type": "string"} for key in WISHES},
        "additionalProperties": False,
    },
)
"""How a model states the dialogue state itself, in its own tool format; not one of the desk's tools."""


def noted(call: Call) -> dict[str, str]:
    """The state that a note writes down; empty values and what is no slot are left out."""
    written = {WISHES[key]: said(value) for key, value in call.arguments.items() if key in WISHES}
    return {slot: value for slot, value in written.items() if value}


class Recorded:
    """Desk and recorded user: calls are run; after the model's last step of a turn come the recorded reply and user.

    So each turn but the last ends with an assistant message that is the recorded one, right before the user's; what the
    model itself said stands before it. `recalled` is what a model should be shown of this.
    """

    def __init__(self, desk: Desk, replies: Sequence[str], users: Sequence[str]) -> None:
        self._desk, self._replies, self._users = desk, replies, users

    def __call__(self, conversation: Conversation, step: Step) -> Sequence[Message]:
        """Observations; or, when the turn is over, the next turn of the dialogue, nothing after the last."""
        calls = step.calls if isinstance(step, Assistant) else ()
        made = len(calls_of(conversation)[-1])
        allowed = len(calls) - max(0, made - CALLS_PER_TURN)
        answers = [
            Observation(content=self._run(call) if place < allowed else REFUSED, call=call.id, name=call.name)
            for place, call in enumerate(calls)
        ]
        if calls and made <= CALLS_PER_TURN:
            return answers
        following = self._next(conversation)
        return [*answers, *following] if following else ()

    def _run(self, call: Call) -> str:
        if call.name != NOTING.name:
            return self._desk.run(call)
        if unknown := sorted(set(call.arguments) - set(WISHES)):
            return dumps({"error": f"{NOTING.name} has no parameter {', '.join(unknown)}"})
        return dumps({"noted": len(noted(call))})

    def _next(self, conversation: Conversation) -> list[Message]:
        turn = sum(isinstance(message, User) for message in conversation.messages)
        if turn >= len(self._users):
            return []
        return [Assistant(text=self._replies[turn - 1]), User(content=self._users[turn])]


REFUSED = dumps({"error": f"only {CALLS_PER_TURN} calls a turn"})


def calls_of(conversation: Conversation) -> list[list[Call]]:
    """The calls of each user turn, in order, the refused ones too."""
    turns: list[list[Call]] = []
    for message in conversation.messages:
        if isinstance(message, User):
            turns.append([])
        elif isinstance(message, Assistant) and turns:
            turns[-1] += message.calls
    return turns


def recalled(conversation: Conversation) -> Conversation:
    """The conversation as the model is to remember it: in turns that are over the recorded reply instead of its own.

    Its calls, their results and the thoughts with them stay, as they would for an agent; the words, and what could not
    be read, that the recorded reply stands for are gone, so the user's next words answer what was said before them.
    """
    messages = conversation.messages
    instead = {
        place - 2
        for place, message in enumerate(messages)
        if place > 1 and isinstance(message, User) and isinstance(messages[place - 1], Assistant)
    }
    kept = (message for place, message in enumerate(messages) if not (place in instead and _is_reply(message)))
    return conversation.model_copy(update={"messages": tuple(kept)})


def _is_reply(message: Message) -> bool:
    return isinstance(message, Garbled) or (isinstance(message, Assistant) and not message.calls)
