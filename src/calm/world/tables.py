"""A backend rebuilt from what a corpus recorded: tables of result rows, asked by argument, and a few rules.

A call is answered by rule: the rows of its tool that agree with every argument, at most `MOST`, in the tables' order;
where no row has the time of day that was asked for, those at the nearest one, at most `NEAR` minutes away (a clerk who
is asked for 12:15 books 12:00). A booking is a row of its own table: what could not be booked is not in it. Only a call
for which these rules do not give what the corpus says gets the recorded answer, as a `Recorded`, so that whoever proves
a dataset can tell the two apart.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from calm.conversation import Assistant, Call, Conversation, Observation, Tool
from calm.files import dumps
from calm.world.functions import ToolError

Row = dict[str, Any]
MOST = 10
"""Rows of the longest answer, as in the Schema-Guided Dialogue corpus."""
NEAR = 30
"""Minutes between a time that is asked for and one that is given instead."""
CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_OF_TYPE: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


class Recorded(str):
    """An observation that was looked up because no rule gives it."""

    __slots__ = ()


class Recording(NamedTuple):
    """What a corpus says of one call: the text that was observed, and all rows behind it."""

    call: Call
    content: str
    rows: Sequence[Row] = ()


class Tables:
    """A Toolbox for one conversation; `computed` and `looked_up` count its answers that are no errors.

    Args:
        tools: what can be called; several may share a name, then the first whose schema fits is meant.
        recordings: the corpus's own calls, in order.
        writing: names of tools that change something; a recorded answer belongs to the number of writes before it.
        shown: rows in an observation; `count` says how many there are.
    """

    def __init__(
        self, tools: Sequence[Tool], recordings: Sequence[Recording], writing: Collection[str] = (), shown: int = 3
    ) -> None:
        self.tools, self.writing, self.shown = tuple(tools), frozenset(writing), shown
        self._tables = {name: _merged(r for r in recordings if r.call.name == name) for name in _names(recordings)}
        self._defaults = {tool.name: _defaults(tool) for tool in tools}
        self._recorded: dict[str, Recorded] = {}
        self.computed = self.looked_up = self._writes = 0
        self._keep(recordings)

    @classmethod
    def of(cls, conversation: Conversation) -> "Tables":
        """The backend that a conversation itself speaks of: its own calls get its own observations, others rows.

        Its tables hold the rows that its observations show. Where a call got two answers, the calls of other tools
        count as writes.
        """
        calls = {call.id: call for m in conversation.messages if isinstance(m, Assistant) for call in m.calls}
        heard = [m for m in conversation.messages if isinstance(m, Observation)]
        recordings = [Recording(calls[m.call], m.content, _rows(m.content)) for m in heard]
        return cls(conversation.tools, recordings, _supposed_to_write(recordings))

    def run(self, call: Call) -> str:
        """The observation of a call as JSON text; a call that its schema forbids gets `{"error": ...}` (`checked`)."""
        try:
            checked(call, self.tools)
        except ToolError as error:
            return dumps({"error": str(error), **error.details})
        known = self._recorded.get(self._key(call))
        answer = self._computed(call) if known is None else known
        self._writes += call.name in self.writing
        self.looked_up += isinstance(answer, Recorded)
        self.computed += not isinstance(answer, Recorded)
        return answer

    def _computed(self, call: Call) -> str:
        table, defaults = self._tables.get(call.name, []), self._defaults.get(call.name, {})
        rows = matching(table, {**defaults, **call.arguments})
        if defaults and not rows:
            rows = matching(table, call.arguments)
        return observation(rows[:MOST], self.shown)

    def _keep(self, recordings: Sequence[Recording]) -> None:
        """Go through the recordings once and keep those that the rules do not give; the first of two answers stands."""
        known: set[str] = set()
        for call, content, _ in recordings:
            key = self._key(call)
            if key not in known and self._computed(call) != content:
                self._recorded[key] = Recorded(content)
            known.add(key)
            self._writes += call.name in self.writing
        self._writes = 0

    def _key(self, call: Call) -> str:
        return json.dumps([call.name, self._writes, call.arguments], sort_keys=True)


def observation(rows: Sequence[Row], shown: int) -> str:
    """`{"count": all, "results": [the first ones]}`."""
    return dumps({"count": len(rows), "results": list(rows[:shown])})


def matching(table: Iterable[Row], arguments: Mapping[str, Any]) -> list[Row]:
    """The rows that agree with every argument that is a column; else those at the nearest time (see the module)."""
    rows = list(table)
    columns = {column for row in rows for column in row}
    wanted = {name: value for name, value in arguments.items() if name in columns and value != "dontcare"}
    exact = [row for row in rows if _agrees(row, wanted)]
    clocks = {name: value for name, value in wanted.items() if isinstance(value, str) and CLOCK.fullmatch(value)}
    if exact or not clocks:
        return exact
    rest = {name: value for name, value in wanted.items() if name not in clocks}
    away = [(_apart(row, clocks), row) for row in rows if _agrees(row, rest)]
    nearest = min((minutes for minutes, _ in away), default=NEAR + 1)
    return [row for minutes, row in away if minutes == nearest <= NEAR]


def _agrees(row: Row, wanted: Mapping[str, Any]) -> bool:
    return all(name in row and row[name] == value for name, value in wanted.items())


def _apart(row: Row, clocks: Mapping[str, str]) -> int:
    """The largest difference in minutes between the row's times and those asked for."""
    return max(abs(_minutes(row.get(name)) - _minutes(value)) for name, value in clocks.items())


def _minutes(clock: Any) -> int:
    if not isinstance(clock, str) or not CLOCK.fullmatch(clock):
        return -2 * NEAR  # no time of day: further from any than NEAR
    return int(clock[:2]) * 60 + int(clock[3:])


def _defaults(tool: Tool) -> Row:
    schema: Any = tool.parameters
    return {name: known["default"] for name, known in schema.get("properties", {}).items() if "default" in known}


def _names(recordings: Iterable[Recording]) -> list[str]:
    return list(dict.fromkeys(recording.call.name for recording in recordings))


def _supposed_to_write(recordings: Iterable[Recording]) -> set[str]:
    answers: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    for call, content, _ in recordings:
        key = json.dumps([call.name, call.arguments], sort_keys=True)
        answers.setdefault(key, set()).add(content)
        names[key] = call.name
    wavering = {names[key] for key, given in answers.items() if len(given) > 1}
    return set(names.values()) - wavering if wavering else set()


def _merged(recordings: Iterable[Recording]) -> list[Row]:
    """One order in which each answer's rows keep theirs, as far as the answers agree.

    The widest question is laid down first; a row that is new goes as far back as the rows after it allow, because an
    answer of `MOST` rows says only what comes first.
    """
    table: list[Row] = []
    for recording in sorted(recordings, key=lambda r: len(r.call.arguments)):
        place = len(table)
        for row in reversed(recording.rows):
            if row in table:
                place = table.index(row)
            else:
                table.insert(place, row)
    return table


def _rows(content: str) -> list[Row]:
    """The rows of an observation, none where it has another form."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return []
    rows = value.get("results") if isinstance(value, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


# --- what a schema forbids -------------------------------------------------------------------------------------------


def checked(call: Call, tools: Sequence[Tool]) -> None:
    """Hold a call against the flat schema of its tool.

    Raises:
        ToolError: an unknown tool or argument, a missing one, a wrong type, a value outside an enum; says what is
            allowed, because the model has to mend it.
    """
    same = [tool for tool in tools if tool.name == call.name]
    if not same:
        raise ToolError(f"no tool {call.name!r}", tools=[tool.name for tool in tools])
    faults = [_fault(tool, call.arguments) for tool in same]
    if all(faults) and faults[0]:
        raise faults[0]


def _fault(tool: Tool, arguments: Mapping[str, Any]) -> ToolError | None:
    schema: Any = tool.parameters
    properties, required = schema.get("properties", {}), schema.get("required", ())
    if unknown := [name for name in arguments if name not in properties]:
        return ToolError(f"{tool.name} has no argument {unknown[0]!r}", takes=list(properties))
    if missing := [name for name in required if name not in arguments]:
        return ToolError(f"{tool.name} needs the argument {missing[0]!r}", required=list(required))
    return next(filter(None, (_wrong(tool, name, value) for name, value in arguments.items())), None)


def _wrong(tool: Tool, name: str, value: Any) -> ToolError | None:
    schema: Any = tool.parameters
    known = schema["properties"][name]
    kind, allowed = known.get("type"), known.get("enum")
    if kind in _OF_TYPE and (not isinstance(value, _OF_TYPE[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return ToolError(f"{tool.name}: argument {name!r} is {value!r}, not of type {kind}")
    if allowed and value not in allowed:
        return ToolError(f"{tool.name}: argument {name!r} is {value!r}", allowed=allowed)
    return None
