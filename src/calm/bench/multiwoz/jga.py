"""Joint goal accuracy: is the whole dialogue state right after a user turn? Exactly (`trade`) or closely (`helper`).

`trade` asks for equal sets of slots and values, `dontcare` kept, over 30 slots. `helper` is the CALM lab's measure: the
same slots, and values whose partial ratio is over 95 after their aliases, so a substring is enough.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from calm.bench.multiwoz import predictions, tasks
from calm.bench.multiwoz.fuzzy import fits
from calm.bench.multiwoz.values import SLOTS, helper_slot, helper_value
from calm.hub.corpora import corpus

OVER = 95
HELPER_LACKS = "pmul1455"
"""The helper's data step drops dialogues with a turn of over 50 words: this one, hence the paper's 999 dialogues."""

Alike = Callable[[str, str], bool]
Flat = Mapping[tuple[str, str], str]


def equal(said: str, due: str) -> bool:
    """`trade`: the same text."""
    return said == due


def close(said: str, due: str) -> bool:
    """`helper` and `mwzeval`: the shorter text nearly is a part of the longer."""
    return fits(due, said, OVER + 1)


def pairs(state: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """A state keyed by slot (`hotel-book day`) in the helper's form: its slot names, its aliases of values."""
    keyed = {helper_slot(slot): value for slot, value in state.items()}
    return {(domain, slot): helper_value(slot, value) for (domain, slot), value in keyed.items()}


def flat(state: Mapping[str, Mapping[str, str]]) -> dict[tuple[str, str], str]:
    """A state `{domain: {slot: value}}` keyed by both."""
    return {(domain, slot): value for domain, filled in state.items() for slot, value in filled.items()}


def joint(said: Mapping[Any, str], due: Mapping[Any, str], alike: Alike) -> bool:
    """Whether two states have the same slots with values that are alike."""
    return said.keys() == due.keys() and all(alike(said[key], value) for key, value in due.items())


def hits(said: Mapping[Any, str], due: Mapping[Any, str], alike: Alike) -> int:
    """How many slots are there and right."""
    return sum(key in due and alike(value, due[key]) for key, value in said.items())


class Count(NamedTuple):
    """Turns, turns with the whole state right, and slots that are right, said and due."""

    turns: int
    joint: int
    right: int
    said: int
    due: int


def count(states: Sequence[tuple[Flat, Flat]], alike: Alike) -> Count:
    """Over (predicted, gold) states, one pair a turn."""
    matches = sum(joint(mine, theirs, alike) for mine, theirs in states)
    right = sum(hits(mine, theirs, alike) for mine, theirs in states)
    return Count(len(states), matches, right, *(sum(map(len, column)) for column in zip(*states, strict=True)))


def total(counts: Sequence[Count]) -> dict[str, float]:
    """JGA and slot F1 in percent, precision and recall as shares, as the originals print them."""
    turns, matches, right, said, due = [sum(column) for column in zip(*counts, strict=True)] or [0] * 5
    return {
        "jga": 100 * ratio(matches, turns),
        "joint": matches,
        "turns": turns,
        "slot_precision": ratio(right, said),
        "slot_recall": ratio(right, due),
        "slot_f1": 100 * ratio(2 * right, said + due),
    }


def ratio(part: float, whole: float) -> float:
    """A share; that of nothing is 0."""
    return part / whole if whole else 0.0


# --- prediction files ----------------------------------------------------------------------------------------------


def grade(path: Path, protocol: str) -> Iterator[dict[str, Any]]:
    """A row for each dialogue, `{"dialogue_id", "turns", "joint"}`, and a last `{"total": {...}}`.

    `jga` is over the dialogues of the file, as published; `missing` counts test dialogues that the file lacks, and
    `jga_all` has them as failed. `trade` keeps the file's own spellings, `helper` leaves out one dialogue.

    Raises:
        DataError: see `predictions.read`.
    """
    loose = protocol == "helper"
    gold = _gold(corpus("multiwoz"))
    found = predictions.read(path, {name: len(states) for name, states in gold.items()}, ["state"])
    counted = {name: turns for name, turns in found.items() if not loose or name != HELPER_LACKS}
    counts = {name: _counted(turns, gold[name], loose) for name, turns in counted.items()}
    for name, one in counts.items():
        yield {"dialogue_id": name, "turns": one.turns, "joint": one.joint}
    lacking = {n: len(s) for n, s in gold.items() if n not in found and (not loose or n != HELPER_LACKS)}
    sums = total(list(counts.values()))
    everywhere = 100 * ratio(sums["joint"], sums["turns"] + sum(lacking.values()))
    yield {
        "total": {**sums, "jga_all": everywhere, "dialogues": len(counts), "missing": len(lacking), "note": tasks.NOTE}
    }


@lru_cache(maxsize=1)
def _gold(folder: Path) -> dict[str, list[dict[str, str]]]:
    return {task.id: tasks.recorded(task)["states"] for task in tasks.read(folder)}


def _counted(turns: Sequence[Mapping[str, Any]], gold: Sequence[Mapping[str, str]], loose: bool) -> Count:
    states = [
        (_spelled(turn["state"], loose), _spelled(_nested(state), loose))
        for turn, state in zip(turns, gold, strict=False)
    ]
    return count(states, close if loose else equal)


def _nested(state: Mapping[str, str]) -> dict[str, dict[str, str]]:
    nested: dict[str, dict[str, str]] = {}
    for slot, value in state.items():
        domain, name = helper_slot(slot)
        nested.setdefault(domain, {})[name] = value
    return nested


def _spelled(state: Mapping[str, Mapping[str, str]], loose: bool) -> Flat:
    keyed = {(domain, SLOTS.get(slot, slot)): value for (domain, slot), value in flat(state).items()}
    return {(d, s): helper_value(s, v) if loose else v.strip().lower() for (d, s), v in keyed.items()}
