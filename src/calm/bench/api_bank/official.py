"""Upstream's own verdict on an API call, without running upstream's code or any model text.

Levels 1 and 2 as `evaluator_by_json.py` (what other exceptions it ends with are `CRASH` here, as `evaluator.py` counts
them as wrong), level 3 as `lv3_evaluator.py`, but with a fresh state for each call. Commit f30ccf2 of
DAMO-ConvAI.
"""

import re

from calm.bench.api_bank.apis import SEARCH, Answer, Fault, call, typed
from calm.bench.api_bank.due import Due, Material

OPEN = re.compile(r"\[(\w+)\(")
NAME = re.compile(r"\b(\w++)\s*=\s*")
WORD = re.compile(r"\w+")
LEVEL_3 = {
    "INVALID_INPUT_PARAMETER": "ASSERTION_ERROR",
    "BAD_TYPE": "ASSERTION_ERROR",
    "MISS_INPUT_ARGUMENT": "TYPE_ERROR",
}
"""What level 3's evaluator calls the errors that the other one names; it tells exceptions apart by their class only."""


def find(text: str) -> tuple[str, str] | None:
    """Name and inside of the first `[Name(...)]`, from the first such name on a line to that line's last `)]`.

    The same as upstream's greedy pattern, in time linear in the text.
    """
    for line in text.split("\n"):
        found = OPEN.search(line)
        end = line.rfind(")]")
        if found and found.end() <= end:
            return found[1], line[found.end() : end]
    return None


def arguments(inside: str) -> dict[str, str]:
    """Arguments as upstream reads them, all text, the last of a name counting.

    A quoted value has at least one character and ends at the next quote of either kind; one in square brackets ends at
    the last bracket of all; any other is its first word. What fits none of these is passed over.
    """
    found, place = {}, 0
    last = inside.rfind("]")
    while name := NAME.search(inside, place):
        start = name.end()
        span = _value(inside, start, last)
        place = name.end(1)
        if span:
            begin, end, place = span
            found[name[1]] = inside[begin:end]
    return found


def _value(inside: str, start: int, last: int) -> tuple[int, int, int] | None:
    """Where a value begins, ends, and where reading goes on; None if none begins at `start`."""
    mark = inside[start : start + 1]
    if mark in ("'", '"'):
        ends = [end for end in (inside.find(quote, start + 2) for quote in "'\"") if end >= 0]
        return (start + 1, min(ends), min(ends) + 1) if ends else None
    if mark == "[":
        return (start, last + 1, last + 1) if last > start else None
    word = WORD.match(inside, start)
    return (start, word.end(), word.end()) if word else None


def judge(material: Material, due: Due, output: str) -> str | None:
    """None where upstream counts the call as right, else the error type.

    `NEEDS_NETWORK` and `NEEDS_MODEL` say that upstream's verdict hangs on something outside; they are not right either.
    """
    found = find(output)
    if found is None:
        return "NO_API_CALL"
    name, given = found[0], arguments(found[1])
    try:
        return _level_3(material, due, name, given) if due.level == 3 else _levels_1_2(material, due, name, given)
    except KeyError:
        return "KEY_ERROR"
    except Fault as fault:
        return (
            LEVEL_3.get(fault.kind, fault.kind) if due.level == 3 else {"BAD_TYPE": "CRASH"}.get(fault.kind, fault.kind)
        )


def _levels_1_2(material: Material, due: Due, name: str, given: dict[str, str]) -> str | None:
    if name != due.gold.api:
        return "API_NAME_MISMATCH"
    api = material.apis[due.level][name]
    answer = call(name, api, material.state(), {key: typed(api, key, value) for key, value in given.items()})
    return None if api.same(answer, due.gold) else difference(answer, due.gold)


def difference(ours: Answer, gold: Answer) -> str:
    """Which part of an answer is the first that is wrong."""
    if ours.exception:
        return "HAS_EXCEPTION"
    return "OUTPUT_MISMATCH" if ours.output != gold.output else "INPUT_MISMATCH"


def _level_3(material: Material, due: Due, name: str, given: dict[str, str]) -> str | None:
    if name == SEARCH and "keywords" not in given:
        return "CRASH"
    if name not in material.apis[3]:
        return "INVALID_TOOL_NAME"
    api = material.apis[3][name]
    values = {key: typed(api, key, value) for key, value in given.items()}
    if name == SEARCH != due.gold.api:
        return "MISMATCH"
    answer = call(name, api, material.state(), values)
    return None if material.apis[3][due.gold.api].same(answer, due.gold) else "MISMATCH"
