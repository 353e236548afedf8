"""Joint goal accuracy: is the whole dialogue state right after a user turn? Exactly (`trade`) or closely (`helper`).

`trade` asks for equal sets of slots and values, `dontcare` kept, over 30 slots. `helper` is the CALM lab's measure: the
same slots, and values whose partial ratio is over 95 after their aliases, so a substring is enough. `fnctod` compares
sets of mended values (see there).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from calm.bench.multiwoz import archive, fnctod, predictions
from calm.bench.multiwoz.fuzzy import fits
from calm.bench.multiwoz.values import SLOTS, helper_slot, helper_value
from calm.hub.corpora import corpus

OVER = 95
HELPER_LACKS = "pmul1455"
"""The helper's data step drops dialogues with a turn of over 50 words: this one, hence the paper's 999 dialogues."""
HELPER_GOLD = {"gallery at twelve a high street": "gallery at 12 a high street"}
"""The helper's data step writes number words as digits, in gold alone; of all test values only this one stays so."""

Alike = Callable[[str, str], bool]
Flat = Mapping[Any, str]
"""A state as it is compared: by domain and slot, or (`fnctod`) by domain, slot and value."""


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


class Rules(NamedTuple):
    """What a predicted state `{domain: {slot: value}}` and a gold one (`hotel-book day`) become; when values are alike.

    `lacks` is the dialogue that a protocol leaves out.
    """

    said: Callable[[Mapping[str, Mapping[str, str]]], Mapping[Any, str]]
    due: Callable[[Mapping[str, str]], Mapping[Any, str]]
    alike: Alike
    lacks: str = ""


def _exactly(state: Mapping[str, Mapping[str, str]]) -> Flat:
    return {(domain, SLOTS.get(slot, slot)): value.strip().lower() for (domain, slot), value in flat(state).items()}


def _closely(state: Mapping[str, Mapping[str, str]]) -> Flat:
    keyed = {(domain, SLOTS.get(slot, slot)): value for (domain, slot), value in flat(state).items()}
    return {(domain, slot): helper_value(slot, value) for (domain, slot), value in keyed.items()}


def _exactly_due(state: Mapping[str, str]) -> Flat:
    return {helper_slot(slot): value.strip().lower() for slot, value in state.items()}


def _closely_due(state: Mapping[str, str]) -> Flat:
    return pairs({slot: HELPER_GOLD.get(value, value) for slot, value in state.items()})


RULES = {
    "helper": Rules(_closely, _closely_due, close, HELPER_LACKS),
    "trade": Rules(_exactly, _exactly_due, equal),
    "fnctod": Rules(fnctod.said, fnctod.due, equal),
}
PROTOCOLS = tuple(RULES)


def grade(path: Path, protocol: str) -> Iterator[dict[str, Any]]:
    """A row for each dialogue, `{"dialogue_id", "turns", "joint"}`, and a last `{"total": {...}}`.

    `jga` is over the dialogues of the file, as published; `missing` counts test dialogues that the file lacks, and
    `jga_all` has them as failed. `trade` keeps the file's own spellings, `helper` leaves out one dialogue. Replies are
    not looked at, so the controls are states: none (`silence`), the wizards' own of 2.1 (`human`), and the gold states
    themselves (`constant`, which any reply may go with: the ceiling).

    Raises:
        DataError: see `predictions.read`; predictions without states are refused.
    """
    rules = RULES[protocol]
    folder = corpus("multiwoz")
    gold = {name: states for name, states in _gold(folder, "state").items() if name != rules.lacks}
    turns_of = {name: len(states) for name, states in _gold(folder, "state").items()}
    found = predictions.read(path, turns_of, ["state"])
    said = {name: [rules.said(turn["state"]) for turn in found[name]] for name in found if name in gold}
    both = {name: _beside(mine, gold[name], rules) for name, mine in said.items()}
    counts = {name: count(states, rules.alike) for name, states in both.items()}
    for name, one in counts.items():
        yield {"dialogue_id": name, "turns": one.turns, "joint": one.joint}
    sums = total(list(counts.values()))
    lacking = sum(len(states) for name, states in gold.items() if name not in counts)
    yield {
        "total": {
            **sums,
            "jga_all": 100 * ratio(sums["joint"], sums["turns"] + lacking),
            **(_by_domain(both.values()) | _on_21(said, folder) if protocol == "fnctod" else {}),
            "turns_with_change": changed([turn["state"] for turn in turns] for turns in found.values()),
            "dialogues": len(counts),
            "missing": len(gold) - len(counts),
            "of": len(gold),
            "controls": controls(folder, protocol),
            "note": archive.source(folder).note,
        }
    }


def changed(dialogues: Iterable[Sequence[Mapping[str, Any]]]) -> float:
    """The share of turns whose predicted state is not that of the turn before: files have no calls to be counted."""
    marks = [state != before for states in dialogues for before, state in pairwise([{}, *states])]
    return ratio(sum(marks), len(marks))


def _by_domain(dialogues: Iterable[Sequence[tuple[Flat, Flat]]]) -> dict[str, Any]:
    """FnCTOD's figures by domain, in percent, and their mean, the "Avg" of its tables."""
    marks = fnctod.by_domain(list(dialogues))
    domains = {name: 100 * ratio(right, turns) for name, (right, turns) in marks.items()}
    return {"jga_domains": ratio(sum(domains.values()), len(domains)), "domains": domains}


def _on_21(said: Mapping[str, Sequence[Flat]], folder: Path) -> dict[str, Any]:
    """FnCTOD's own figures are on 2.1 states: the same predictions against those, where they are at hand."""
    gold = _gold(folder, "state_2_1")
    both = [_beside(mine, gold[name], RULES["fnctod"]) for name, mine in said.items() if name in gold]
    found = total([count(states, equal) for states in both])
    return {"jga_21": found["jga"], "jga_domains_21": _by_domain(both)["jga_domains"]} if both else {}


@lru_cache(maxsize=8)
def controls(folder: Path, protocol: str) -> dict[str, dict[str, float]]:
    """JGA on all dialogues of those who say nothing, of the wizards (their 2.1 states), and of the gold states."""
    rules, gold = RULES[protocol], _gold(folder, "state")
    speakers = {
        "constant": gold,
        "human": _gold(folder, "state_2_1"),
        "silence": {name: [{} for _ in states] for name, states in gold.items()},
    }
    return {speaker: {"jga": _control(rules, said, gold)} for speaker, said in speakers.items() if said}


def _control(rules: Rules, said: Mapping[str, Sequence[Mapping[str, str]]], gold: Mapping[str, Any]) -> float:
    both = [_beside([rules.said(_nested(s)) for s in said[n]], gold[n], rules) for n in gold if n != rules.lacks]
    return total([count(states, rules.alike) for states in both])["jga"]


def _nested(state: Mapping[str, str]) -> dict[str, dict[str, str]]:
    nested: dict[str, dict[str, str]] = {}
    for slot, value in state.items():
        domain, name = helper_slot(slot)
        nested.setdefault(domain, {})[name] = value
    return nested


def _beside(mine: Sequence[Flat], gold: Sequence[Mapping[str, str]], rules: Rules) -> list[tuple[Flat, Flat]]:
    return list(zip(mine, map(rules.due, gold), strict=False))


@lru_cache(maxsize=2)
def _gold(folder: Path, key: str) -> dict[str, list[dict[str, str]]]:
    """States by dialogue and turn; none for a key (`state_2_1`) that the source of the dialogues lacks."""
    rows = [row for _, row in archive.rows(folder)]
    having = [row for row in rows if all(key in turn for turn in row["turns"])]
    return {archive.bare(row["dialogue_id"]): [t[key] for t in row["turns"]] for row in having}
