"""STAR's APIs as tools, and the constraints of its queries as arguments of those tools.

A query holds constraints, each a literal (`"Tuesday"`, `4`, `True`) or an operator of upstream (`api.is_at_most(700)`).
In calls they read so, and only where rows are searched; elsewhere an argument is one plain value:

    is_equal_to(v), a literal            v
    is_one_of([a, b])                    [a, b]            all categories of an optional parameter: left out
    is_at_least, is_at_most, ...         {"at_least": v}, {"at_most": v}, {"more_than": v}, {"less_than": v}
    contains(v)                          [v]               the row's list must hold all of them
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from calm.conversation import Tool
from calm.data.sources.wire import Unfit
from calm.errors import DataError
from calm.files import read_json

Arguments = dict[str, JsonValue]
Schema = dict[str, Any]

DESCRIPTIONS = {
    "apartment_schedule": "Check whether an apartment can be viewed at an hour of the week, or book the viewing",
    "apartment_search": "Find a free apartment by rooms, price, floor, balcony, elevator and what lies near it",
    "bank_balance": "Tell the balance of an account, once its owner is authenticated by PIN or security answers",
    "bank_fraud_report": "Report a fraud on an account, once its owner is authenticated by PIN or security answers",
    "doctor_followup": "Look up what a doctor told a patient to do after the last appointment",
    "doctor_schedule": "Check whether a doctor is free at an hour of the week, or book the appointment",
    "hotel_book": "Check whether a hotel has a room for some nights, or reserve it",
    "hotel_search": "Find a hotel by name, part of town, price, rating and services",
    "hotel_service_request": "Send a request of a guest to the room service of a hotel",
    "meeting_schedule": "Put a meeting with somebody into the calendar, if that person is free",
    "movie_search": "Find a film that is showing",
    "party_plan": "Check whether a venue is free for a party of a certain size, or book it",
    "party_rsvp": "Tell the host of a party that a guest will come",
    "plane_book": "Check whether a flight still has seats, or reserve one",
    "plane_search": "Find a flight between two cities on a day of the month",
    "restaurant_book": "Check whether a restaurant has a table at an hour, or reserve it",
    "restaurant_search": "Find a restaurant by food, part of town, price, rating and opening hours",
    "ride_book": "Find a ride between two places, or book the one that was found",
    "ride_change": "Change a ride that is already booked",
    "ride_status": "Tell where a booked ride is and how long it will take",
    "spaceship_access_codes": "Unlock a door of the spaceship for somebody with a rank and a code",
    "spaceship_life_support": "Repair the life support by its lock and the colors of its cables",
    "trip_directions": "Give directions between two places on foot, by car or by public transport",
    "trivia": "Look up a question of the trivia game and its answer",
    "weather": "Give the weather forecast of a city for a day of the week",
}
SEARCHES = frozenset(
    {
        "apartment_search",
        "hotel_search",
        "movie_search",
        "plane_search",
        "restaurant_search",
        "ride_book",
        "trip_directions",
        "weather",
    }
)
"""APIs that answer with a row of a table; their constraints may use operators."""
BOUNDS = {
    "is_at_least": "at_least",
    "is_at_most": "at_most",
    "is_greater_than": "more_than",
    "is_less_than": "less_than",
}
_OPERATOR = re.compile(r"\s*api\.(\w+)\((.*)\)\s*", re.DOTALL)
_WORDS = {"ShortString", "LongString"}


class Api:
    """One API of upstream: its parameters by name, and the tool it is offered as."""

    def __init__(self, name: str, schema: Schema) -> None:
        self.name = name
        self.parameters: dict[str, Schema] = {parameter["Name"]: parameter for parameter in schema["input"]}
        self.required = tuple(schema["required"])
        self.tool = Tool(
            name=name,
            description=DESCRIPTIONS[name],
            parameters={
                "type": "object",
                "properties": {key: self._property(value) for key, value in self.parameters.items()},
                "required": list(self.required),
            },
        )

    def _property(self, parameter: Schema) -> Schema:
        described = {"description": _described(parameter)}
        kind = parameter["Type"]
        if kind == "CategoricalMultiple":
            return {**described, "type": "array", "items": {"type": "string"}}
        if kind == "Integer":
            plain: Schema = {"type": "integer", **_limits(parameter)}
            return {**described, **(_either(plain, _BOUNDED) if self.name in SEARCHES else plain)}
        if kind in ("Categorical", "RequestType"):
            plain = {"type": "string", "enum": list(parameter["Categories"])}
            several = self.name in SEARCHES and kind == "Categorical"
            return {**described, **(_either(plain, _SEVERAL) if several else plain)}
        return {**described, "type": "boolean" if kind == "Boolean" else "string"}

    def arguments(self, constraints: Sequence[Mapping[str, str]]) -> Arguments:
        """The constraints as arguments.

        Raises:
            Unfit: one is empty, malformed, outside the schema, an operator that no argument can hold, or they conflict.
        """
        found: Arguments = {}
        for name, written in (pair for constraint in constraints for pair in constraint.items()):
            if name not in self.parameters:
                raise Unfit("call has an argument that its schema lacks", f"{self.name}.{name}")
            value = self._value(self.parameters[name], written)
            if value is not None:
                found[name] = self._merged(name, found[name], value) if name in found else value
        if missing := [name for name in self.required if name not in found]:
            raise Unfit("call lacks a required argument", f"{self.name} without {missing[0]}")
        return found

    def _merged(self, name: str, old: JsonValue, new: JsonValue) -> JsonValue:
        if old == new:
            return old
        if isinstance(old, dict) and isinstance(new, dict) and old.keys().isdisjoint(new):
            return {**old, **new}
        if isinstance(old, list) and isinstance(new, list) and self.parameters[name]["Type"] == "CategoricalMultiple":
            return [*old, *new]
        raise Unfit("argument given twice", f"{self.name}.{name}: {old!r} and {new!r}")

    def _value(self, parameter: Schema, written: str) -> JsonValue:
        where = f"{self.name}.{parameter['Name']}"
        match = _OPERATOR.fullmatch(written)
        operator, raw = (match[1], match[2]) if match else ("is_equal_to", written)
        value = _literal(parameter, raw)
        if value in (None, ""):
            if parameter["Type"] in _WORDS and parameter["Name"] not in self.required:
                return None  # a field of the form that the wizard opened and left empty
            raise Unfit("empty argument", f"{where}: {written}")
        if operator == "is_equal_to":
            return _checked(parameter, value, where)
        if self.name not in SEARCHES:
            return self._decided(parameter, operator, value, where)
        return self._operated(parameter, operator, value, where)

    def _decided(self, parameter: Schema, operator: str, value: JsonValue, where: str) -> JsonValue:
        if operator == "is_one_of" and isinstance(value, list) and len(value) == 1:
            return _checked(parameter, value[0], where)
        raise Unfit("argument left open", f"{where}: {operator} {value!r:.60}")

    def _operated(self, parameter: Schema, operator: str, value: JsonValue, where: str) -> JsonValue:
        if operator == "is_one_of":
            options = [_checked(parameter, option, where) for option in (value if isinstance(value, list) else [value])]
            every = len(options) == len(parameter.get("Categories", ()))
            if every and parameter["Name"] not in self.required:
                return None
            return options[0] if len(options) == 1 else options
        if operator in BOUNDS and isinstance(value, int):
            return {BOUNDS[operator]: value}
        if operator == "contains":
            return [value]
        raise Unfit("operator that no argument can hold", f"{where}: {operator}")


def apis(folder: Path) -> dict[str, Api]:
    """The APIs of a STAR folder by name.

    Raises:
        DataError: there are none, or one is not known here or has not the upstream shape.
    """
    paths = sorted((folder / "apis" / "apis").glob("*.json*"))
    if not paths:
        raise DataError(folder / "apis" / "apis", "holds no API schemas")
    return {path.name.partition(".")[0]: _api(path) for path in paths}


def _api(path: Path) -> Api:
    try:
        return Api(path.name.partition(".")[0], read_json(path))
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"is no API schema of STAR ({error!r})") from error


def toolset(known: Mapping[str, Api], wanted: Iterable[str]) -> tuple[Tool, ...]:
    """The tools of the wanted APIs, in their order.

    Raises:
        Unfit: one is not known.
    """
    names = list(wanted)
    if unknown := [name for name in names if name not in known]:
        raise Unfit("unknown API", unknown[0])
    return tuple(known[name].tool for name in names)


# --- schemas and literals ------------------------------------------------------------------------------------------

_BOUNDED: Schema = {"type": "object", "properties": {name: {"type": "integer"} for name in BOUNDS.values()}}
_SEVERAL: Schema = {"type": "array", "items": {"type": "string"}}


def _either(plain: Schema, other: Schema) -> Schema:
    return {"anyOf": [plain, other]}


def _described(parameter: Schema) -> str:
    words = parameter["ReadableName"]
    return "Check whether it can be done, or Book it" if parameter["Type"] == "RequestType" else words


def _limits(parameter: Schema) -> Schema:
    return {to: parameter[key] for key, to in (("Min", "minimum"), ("Max", "maximum")) if key in parameter}


def _literal(parameter: Schema, raw: str) -> JsonValue:
    text = raw.strip()
    if parameter["Type"] == "Boolean":
        return {"True": True, "False": False}.get(text, text)
    if parameter["Type"] in _WORDS and not text.startswith('"'):
        return None if text == "null" else text  # account numbers and codes keep their leading zeros
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return " ".join(value.split()) if isinstance(value, str) else value


def _checked(parameter: Schema, value: JsonValue, where: str) -> JsonValue:
    kind = parameter["Type"]
    sound = {
        "Integer": type(value) is int and parameter.get("Min", value) <= value <= parameter.get("Max", value),
        "Boolean": isinstance(value, bool),
        "Categorical": value in parameter.get("Categories", ()),
        "RequestType": value in parameter.get("Categories", ()),
        "CategoricalMultiple": isinstance(value, list),
    }.get(kind, isinstance(value, str))
    if not sound:
        raise Unfit("value outside the schema", f"{where}: {value!r:.60}")
    return value
