"""The single-turn items of BFCL V3 and V4, read out of the published wheel, which is never installed."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from calm.bench import Task
from calm.bench.bfcl import literals, versions
from calm.bench.bfcl.versions import Version
from calm.conversation import Assistant, Conversation, Message, System, Tool, User

CATEGORIES = (
    "simple",
    "java",
    "javascript",
    "multiple",
    "parallel",
    "parallel_multiple",
    "irrelevance",
    "live_simple",
    "live_multiple",
    "live_parallel",
    "live_parallel_multiple",
    "live_irrelevance",
    "live_relevance",
)


class Item(NamedTuple):
    """One test item as upstream has it: `docs` are the function descriptions, `truth` is empty for (ir)relevance."""

    id: str
    category: str
    messages: list[dict[str, str]]
    docs: list[dict[str, Any]]
    truth: list[dict[str, Any]]


SPELT = {"simple": "simple_python", "java": "simple_java", "javascript": "simple_javascript"}
"""V4's names of categories that V3 names otherwise."""


def plain(name: str) -> str:
    """A category or id in V3's spelling: V4 says `simple_python` where V3 says `simple`, `simple_java` for `java`."""
    return next((v3 + name.removeprefix(v4) for v3, v4 in SPELT.items() if name.startswith(v4)), name)


def items(version: str) -> dict[str, Item]:
    """All covered items by `plain` id, in upstream's order.

    Raises:
        HubError: the wheel cannot be had.
        DataError: a file of it cannot be read.
    """
    chosen = versions.named(version)
    return _items(chosen, chosen.folder)


@functools.cache
def _items(version: Version, folder: Path | None) -> dict[str, Item]:
    found: dict[str, Item] = {}
    for category in CATEGORIES:
        questions = list(rows(version, category))
        truths = [] if "relevance" in category else list(rows(version, category, "possible_answer/"))
        for question, truth in itertools.zip_longest(questions, truths, fillvalue={"ground_truth": []}):
            item = _item(question, category, truth)
            key = plain(item.id)
            found[key if key not in found else f"{key}#2"] = item  # V3 gives one live_relevance id to two items
    return found


def _item(question: dict[str, Any], category: str, truth: dict[str, Any]) -> Item:
    messages = [message for turn in question["question"] for message in turn]
    return Item(question["id"], category, messages, question["function"], truth["ground_truth"])


def rows(version: Version, category: str, below: str = "") -> Iterator[dict[str, Any]]:
    """The rows of one category's file; `below` is a folder with a slash, e.g. `possible_answer/`."""
    name = SPELT.get(category, category) if version.rules == "v4" else category
    return version.rows(f"{below}BFCL_{version.rules}_{name}.json")


# --- as tasks for a model that speaks our own format ---------------------------------------------------------------

JSON_TYPES = {"dict": "object", "float": "number", "tuple": "array"}
_KEPT = ("description", "enum", "default", "format", "minimum", "maximum", "minItems", "maxItems")


def schema(described: dict[str, Any]) -> dict[str, Any]:
    """BFCL's parameter description as JSON Schema: `dict`, `float` and `tuple` renamed, `any` left open."""
    made: dict[str, Any] = {}
    if described.get("type") not in (None, "any"):
        made["type"] = JSON_TYPES.get(described["type"], described["type"])
    made |= {key: described[key] for key in _KEPT if key in described}
    if "properties" in described:
        made["properties"] = {name: schema(inner) for name, inner in described["properties"].items()}
    if isinstance(described.get("items"), dict):
        made["items"] = schema(described["items"])
    return made | {"required": described["required"]} if "required" in described else made


LANGUAGES = {"java": "Java", "javascript": "JavaScript"}
"""Category -> the language whose source text its arguments are."""


def tool(doc: dict[str, Any], language: str | None = None) -> Tool:
    """A function description as one of our Tools; in a foreign language every parameter is a string of source text."""
    parameters = schema(doc["parameters"])
    if language:
        described = doc["parameters"]["properties"]
        parameters["properties"] = {name: _source_text(detail, language) for name, detail in described.items()}
    return Tool(name=doc["name"], description=doc["description"], parameters=parameters)


def _source_text(detail: dict[str, Any], language: str) -> dict[str, Any]:
    items = detail.get("items", {}).get("type")
    declared = f"{detail['type']} of {items}" if items else detail["type"]
    return {"type": "string", "description": f"{detail['description']} ({language} source text, type {declared})"}


_SPEAKERS = {"system": System, "user": User}


def message(wire: dict[str, str]) -> Message:
    """One message of the question; a few items hold earlier replies of an assistant."""
    if wire["role"] == "assistant":
        return Assistant(text=wire["content"])
    return _SPEAKERS[wire["role"]](content=wire["content"])


def tasks(version: str) -> tuple[Task, ...]:
    """All covered items as Tasks, made once; raises as `items` does."""
    chosen = versions.named(version)
    return _tasks(chosen, chosen.folder)


@functools.cache
def _tasks(version: Version, folder: Path | None) -> tuple[Task, ...]:
    return tuple(task(name, item) for name, item in _items(version, folder).items())


def task(name: str, item: Item) -> Task:
    """The item as a Task; `gold` keeps what the checker needs, in upstream's form."""
    start = Conversation(
        id=name,
        tools=tuple(tool(doc, LANGUAGES.get(item.category)) for doc in item.docs),
        messages=tuple(message(wire) for wire in item.messages),
        origin="bfcl",
    )
    return Task(id=name, category=item.category, start=start, gold={"docs": item.docs, "truth": item.truth})


# --- a perfect answer ----------------------------------------------------------------------------------------------


def answer(category: str, docs: Sequence[dict[str, Any]], truth: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls a perfect model makes, `[{name: arguments}]`, optional parameters left out where they may be."""
    if "relevance" in category:
        return [] if "irrelevance" in category else [{docs[0]["name"]: {}}]
    known = {doc["name"]: doc for doc in docs}
    made = [(known.get(next(iter(right)), docs[0]), next(iter(right.values()))) for right in truth]
    if category in literals.WRITERS:
        return [{doc["name"]: dict(literals.arguments(category, doc, _answer(doc, right)))} for doc, right in made]
    return [{doc["name"]: _answer(doc, right)} for doc, right in made]


def _answer(doc: dict[str, Any], allowed: dict[str, list[Any]]) -> dict[str, Any]:
    required = doc["parameters"]["required"]
    given = {name: values for name, values in allowed.items() if name in required or "" not in values}
    return {name: first(values) for name, values in given.items()}


def first(values: Sequence[Any]) -> Any:
    """The first allowed value that is not "may be omitted"; inside objects each key has its own list of values."""
    return _plain_value(next((value for value in values if value != ""), ""))


def _plain_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: first(v) if isinstance(v, list) else v for k, v in value.items() if not _omittable(v)}
    if isinstance(value, list):
        return [_plain_value(item) for item in value]
    return value


def _omittable(values: Any) -> bool:
    return isinstance(values, list) and "" in values
