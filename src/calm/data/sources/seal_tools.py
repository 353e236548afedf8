"""Seal-Tools: queries over 4,076 generated tools, with one call, several in parallel, or calls that feed one another.

Files as upstream ships them (fairyshine/Seal-Tools@ce753ecd, Apache-2.0): `dev`, `test_in_domain`, `test_out_domain`
(2,054 queries) and `tool.jsonl`. Others use it as a benchmark. It holds no results, so a conversation ends with its
calls. Where a call needs what another gives back (`API_call_3` as a value), only the calls that need nothing are made,
and the thought says what waits. Where the query merely announces a value ("a specific country"), the assistant asks.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from calm.conversation import Call, Conversation, Tool
from calm.data import Item, bucket, phrases_calls
from calm.data.part import Limit, PartRecipe, named
from calm.data.sources import sampled, wire
from calm.data.sources.grounds import grounded
from calm.data.sources.grown_plans import LONG, plan
from calm.data.thoughts import Key, words
from calm.errors import DataError
from calm.files import dumps, read_jsonl
from calm.hub.corpora import corpus

QUERIES = ("dev.jsonl", "test_in_domain.jsonl", "test_out_domain.jsonl")
TOOLS = "tool.jsonl"

_LATER = re.compile(r"\bAPI_call_\d+")


class Shelf:
    """The tools by name, and by field, for distractors."""

    def __init__(self, path: Path) -> None:
        self.tools: dict[str, Tool] = {}
        self.fields: dict[str, list[str]] = {}
        self._field: dict[str, str] = {}
        for number, row in read_jsonl(path):
            try:
                name, field = row["api_name"], row["field"].partition("/")[0]
                self.tools[name] = wire.tool(name, row["api_description"], row["parameters"], row["required"])
            except (KeyError, AttributeError, TypeError, wire.Unfit) as error:
                raise DataError(path, f"is no tool of Seal-Tools ({error!r})", number) from error
            self._field[name] = field
            self.fields.setdefault(field, []).append(name)

    def offered(self, called: Sequence[str], distractors: int, key: str) -> list[Tool]:
        """The tools called and others of the same fields, which and in what order by hash of `key`."""
        fields = dict.fromkeys(self._field[name] for name in called)
        others = [name for field in fields for name in self.fields[field] if name not in called]
        drawn = [*dict.fromkeys(called), *sorted(others, key=lambda name: bucket(key, name))[:distractors]]
        return [self.tools[name] for name in sorted(drawn, key=lambda name: bucket(key, name, "order"))]


def read_seal_tools(
    folder: Path, limit: int | None = None, distractors: int = 4, origin: str = "seal_tools"
) -> Iterator[Item]:
    """One conversation a query.

    Raises:
        DataError: a file is missing or corrupt, or a record has not the upstream shape.
    """
    shelf = Shelf(folder / TOOLS)

    def convert(value: dict[str, Any], name: str) -> Conversation:
        return _conversation(value, shelf, distractors, name)

    for record in sampled([folder / name for name in QUERIES], _rows, limit):
        yield from wire.items([record], f"{origin}/{record.path.stem}", convert)


def _rows(path: Path) -> list[Any]:
    return [row for _, row in read_jsonl(path)]


def _conversation(value: dict[str, Any], shelf: Shelf, distractors: int, name: str) -> Conversation:
    query, stated = value["query"], value["calling"]
    if query.lstrip().startswith("{"):
        raise wire.Unfit("query is a call", f"{query!r:.60}")
    if unknown := [one["api"] for one in stated if one["api"] not in shelf.tools]:
        raise wire.Unfit("call of an unknown tool", unknown[0])
    talk = wire.Talk(shelf.offered([one["api"] for one in stated], distractors, name))
    talk.user(query)
    if announced := _announced(stated, query):
        _ask(talk, shelf.tools[stated[0]["api"]], announced, name)
    else:
        _act(talk, stated, name)
    return talk.conversation()


def _act(talk: wire.Talk, stated: Sequence[Mapping[str, Any]], name: str) -> None:
    """The calls that need no result of another; at least one does not."""
    now = [one for one in stated if not _LATER.search(json.dumps(one["parameters"]))]
    later = [one["api"] for one in stated if one not in now]
    if not now:
        raise wire.Unfit("every call waits for another", ", ".join(later))
    wanted = [wire.call(one["api"], one["parameters"], talk.tools) for one in now]
    for call in wanted:
        grounded(call.arguments, talk.said)
    talk.act(_thought(wanted, later, (name,)), wanted)


def _thought(wanted: Sequence[Call], later: Sequence[str], key: Key) -> str:
    """What waits is named; calls side by side are planned with every value, one call is simply explained."""
    if later:
        return phrases_calls.waiting(wanted, later, key)
    if len(wanted) == 1:
        return phrases_calls.calling(wanted, key)
    return plan([(call.name, [_pair(*item) for item in call.arguments.items()]) for call in wanted], key)


def _pair(name: str, value: object) -> tuple[str, str]:
    text = value if isinstance(value, str) else dumps(value)
    return words(name), text if len(text) < LONG else ""


def _announced(stated: Sequence[Mapping[str, Any]], query: str) -> list[str]:
    """Arguments whose value is only the word for what is not said: `country` in "a specific country".

    Raises:
        Unfit: so in one of several calls, where asking would leave the others undone.
    """
    found = [
        key
        for one in stated
        for key, value in one["parameters"].items()
        if isinstance(value, str)
        and re.search(
            rf"\b(specific|specified|given|certain|particular|desired)\s+(\w+\s+)?{re.escape(value)}\b", query, re.I
        )
    ]
    if found and len(stated) > 1:
        raise wire.Unfit("value is announced, not said", f"{found[0]} in {query!r:.60}")
    return found


def _ask(talk: wire.Talk, tool: Tool, slots: Sequence[str], name: str) -> None:
    known: Any = tool.parameters
    if missing := [slot for slot in slots if slot not in known["properties"]]:
        raise wire.Unfit("call has an argument that its tool lacks", f"{tool.name}.{missing[0]}")
    talk.say(phrases_calls.asking((name,), tool.name, slots), phrases_calls.question(tool, slots, (name,)))


# --- the part ------------------------------------------------------------------------------------------------------


class SealTools(PartRecipe):
    """The queries of Seal-Tools from the corpora folder; beside the called tools `distractors` of the same field."""

    corpora: ClassVar[tuple[str, ...]] = ("seal_tools",)
    source: Literal["seal_tools"]
    limit: Limit = None
    distractors: int = Field(default=4, ge=0)

    @property
    def label(self) -> str:
        """As upstream writes it, in our spelling."""
        return "seal-tools"

    def files(self) -> dict[str, Path]:
        """The queries and the tools."""
        root = corpus("seal_tools")
        return named("seal_tools", root, [root / name for name in (*QUERIES, TOOLS)])

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """One item a query."""
        return read_seal_tools(corpus("seal_tools"), self.limit, self.distractors)
