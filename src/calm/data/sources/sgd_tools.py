"""The services of Schema-Guided Dialogue as tools, with the types that their slots plainly have."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from calm.conversation import Tool
from calm.data import bucket
from calm.data.calls import fit
from calm.errors import DataError
from calm.files import read_json

Service = dict[str, Any]
Toolset = dict[tuple[str, str], Tool]
"""(service, intent) -> the tool it is offered as."""
Offer = Literal["services", "schema"]
Types = dict[str, dict[str, Any]]
"""Slot -> JSON Schema, of those slots that are no strings."""

COUNTED = re.compile(r"number_of_\w+")
MEASURED = re.compile(
    r"(\w+_)?(amount|balance|fare|price|rent|rating|temperature|humidity|precipitation|wind|duration|wait_time)"
    r"(_per_\w+)?"
)
"""Names of free slots that hold numbers; SGD's schema has no types, but closed slots show theirs by their values."""


class Unfit(Exception):
    """Why a well-formed dialogue cannot become a conversation; caught where dialogues are read and made a Reject."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(reason)


def services(path: Path) -> dict[str, Service]:
    """The services of a `schema.json` by name, in file order.

    Raises:
        DataError: it is no list of services.
    """
    try:
        return {service["service_name"]: service for service in read_json(path)}
    except (KeyError, TypeError) as error:
        raise DataError(path, f"is no list of services ({error!r})") from error


def toolset(
    names: Sequence[str],
    known: Mapping[str, Service],
    key: str,
    distractors: int = 0,
    offer: Offer = "services",
) -> Toolset:
    """The intents of the named services, and of `distractors` others chosen by hash of `key`, as tools.

    A tool is called like its intent; where two services of a dialogue share an intent name, `Service_Intent`. A
    distractor never shares one. With the offer `schema` names stay as they are and every value a string, as in the
    paper's prompts.
    """
    if unknown := [name for name in names if name not in known]:
        raise Unfit("service not in the schema", unknown[0])
    own = {intent["name"] for name in names for intent in known[name]["intents"]}
    others = [n for n, s in known.items() if n not in names and own.isdisjoint(i["name"] for i in s["intents"])]
    chosen = [*names, *sorted(others, key=lambda other: bucket(key, other))[:distractors]]
    pairs = [(known[name], intent) for name in chosen for intent in known[name]["intents"]]
    count = Counter(intent["name"] for _, intent in pairs)
    return {
        (service["service_name"], intent["name"]): _tool(
            service, intent, alone=offer == "schema" or count[intent["name"]] == 1, typed=offer == "services"
        )
        for service, intent in pairs
    }


def signatures(known: Iterable[Service]) -> tuple[Tool, ...]:
    """Every intent of a schema in file order, one for each name with required slots: 51 in `train`.

    That is the list which every sample of the paper's SGD part shows (its Table 6 prints 53 lines, two of them twice).
    """
    tools = [_tool(service, intent, alone=True, typed=False) for service in known for intent in service["intents"]]
    found: dict[tuple[str, ...], Tool] = {}
    for tool in tools:
        schema: Any = tool.parameters
        found.setdefault((tool.name, *schema["required"]), tool)
    return tuple(found.values())


def writing(tools: Toolset, known: Mapping[str, Service]) -> frozenset[str]:
    """Names of the tools whose intents the schema calls transactional."""
    return frozenset(
        tools[service, intent["name"]].name
        for service in {service for service, _ in tools}
        for intent in known[service]["intents"]
        if intent["is_transactional"] and (service, intent["name"]) in tools
    )


def types(service: Service) -> Types:
    """The slots that are no strings: decided by the schema alone, for all rows alike."""
    found = {slot["name"]: _typed(slot) for slot in service["slots"]}
    return {name: schema for name, schema in found.items() if schema["type"] != "string"}


def converted(row: Mapping[str, Any], known: Types) -> dict[str, Any]:
    """Arguments or a result row with typed values; one that is no spelling of its type stays a string."""
    return {name: fit(value, known[name]) if name in known else value for name, value in row.items()}


def _tool(service: Service, intent: dict[str, Any], alone: bool, typed: bool) -> Tool:
    slots = {slot["name"]: slot for slot in service["slots"]}
    optional = intent["optional_slots"]
    properties = {
        **{name: _property(slots[name], typed) for name in intent["required_slots"]},
        **{name: _property(slots[name], typed, default) for name, default in optional.items()},
    }
    return Tool(
        name=intent["name"] if alone else f"{service['service_name']}_{intent['name']}",
        description=intent["description"],
        parameters={"type": "object", "properties": properties, "required": list(intent["required_slots"])},
    )


def _property(slot: dict[str, Any], typed: bool, default: str = "dontcare") -> dict[str, Any]:
    """The default `dontcare` means that none is sent."""
    found = _typed(slot) if typed else _closed("string", slot["possible_values"] if slot["is_categorical"] else ())
    schema = {"type": found["type"], "description": slot["description"], **found}
    return schema if default == "dontcare" else {**schema, "default": fit(default, found)}


def _typed(slot: dict[str, Any]) -> dict[str, Any]:
    """A boolean of True and False, an integer of whole numbers or a count by name, a number of a measure by name."""
    values = slot["possible_values"] if slot["is_categorical"] else []
    if values and set(values) == {"True", "False"}:
        return {"type": "boolean"}
    if values and all(re.fullmatch(r"\d+", value) for value in values):
        return {"type": "integer", "enum": [int(value) for value in values]}
    if not values and COUNTED.fullmatch(slot["name"]):
        return {"type": "integer"}
    if not values and MEASURED.fullmatch(slot["name"]):
        return {"type": "number"}
    return _closed("string", values)


def _closed(kind: str, values: Sequence[Any]) -> dict[str, Any]:
    return {"type": kind, "enum": list(values)} if values else {"type": kind}
