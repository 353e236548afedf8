"""Joint goal accuracy: is the whole dialogue state right after a user turn? Exactly (`trade`) or closely (`helper`).

`trade` asks for equal sets of slots and values, `dontcare` kept, over 30 slots. `helper` is the CALM lab's measure: the
same slots, and values whose partial ratio is over 95 after their aliases, so a substring is enough.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from calm.bench import Task, Verdict
from calm.bench.multiwoz import tasks
from calm.bench.multiwoz.values import SLOTS, helper_slot, helper_value, partial_ratio
from calm.bench.multiwoz.world import CALLS_PER_TURN, calls_of, slots
from calm.conversation import Conversation, Garbled
from calm.errors import DataError, UsageError
from calm.files import read_json
from calm.hub.corpora import corpus

PROTOCOLS = ("helper", "trade", "mwzeval")
FUZZY = 95
HELPER_LACKS = "pmul1455"
"""The helper's data step drops dialogues with a turn of over 50 words: this one, hence the paper's 999 dialogues."""

Slots = Mapping[tuple[str, str], str]
Alike = Callable[[str, str], bool]


def equal(said: str, due: str) -> bool:
    """`trade`: the same text."""
    return said == due


def close(said: str, due: str) -> bool:
    """`helper`: the shorter text nearly is a part of the longer."""
    return partial_ratio(said, due) > FUZZY


def pairs(state: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """A state keyed by slot (`hotel-book day`) in the helper's form: its slot names, its aliases of values."""
    keyed = {helper_slot(slot): value for slot, value in state.items()}
    return {(domain, slot): helper_value(slot, value) for (domain, slot), value in keyed.items()}


def joint(said: Mapping[Any, str], due: Mapping[Any, str], alike: Alike) -> bool:
    """Whether two states have the same slots with values that are alike."""
    return said.keys() == due.keys() and all(alike(said[key], value) for key, value in due.items())


def hits(said: Mapping[Any, str], due: Mapping[Any, str], alike: Alike) -> int:
    """How many slots are there and right."""
    return sum(key in due and alike(value, due[key]) for key, value in said.items())


# --- transcripts ---------------------------------------------------------------------------------------------------


def states(transcript: Conversation) -> list[dict[str, str]]:
    """The state after each user turn that was reached: arguments of all calls so far, later ones winning."""
    found: list[dict[str, str]] = []
    for calls in calls_of(transcript):
        state = dict(found[-1]) if found else {}
        for call in calls[:CALLS_PER_TURN]:
            state |= slots(call)
        found.append(state)
    return found


def grade(task: Task, transcript: Conversation) -> Verdict:
    """The verdict on one dialogue: valid when the last state is exactly right; turns not reached have failed.

    `scores` holds counts for `summary` to divide: turns, turns with the joint state right (`joint`, `joint_helper`),
    turns with a call, garbled outputs, and slots over all turns (right, said, due).
    """
    due: list[dict[str, str]] = tasks.recorded(task)["states"]
    said = states(transcript)[: len(due)]
    exact = [joint(mine, theirs, equal) for mine, theirs in zip(said, due, strict=False)]
    loose = [joint(pairs(mine), pairs(theirs), close) for mine, theirs in zip(said, due, strict=False)]
    garbled = sum(isinstance(message, Garbled) for message in transcript.messages)
    scores = {
        "turns": len(due),
        "joint": sum(exact),
        "joint_helper": sum(loose),
        "turns_with_call": sum(bool(calls) for calls in calls_of(transcript)),
        "garbled": garbled,
        "slots_right": sum(hits(mine, theirs, equal) for mine, theirs in zip(said, due, strict=False)),
        "slots_said": sum(map(len, said)),
        "slots_due": sum(map(len, due)),
    }
    error = None if len(said) == len(due) and exact[-1] else _error(len(said) < len(due), garbled, said)
    floats = {key: float(count) for key, count in scores.items()}
    return Verdict(id=task.id, category=task.category, valid=error is None, error_type=error, scores=floats)


def _error(cut: bool, garbled: int, said: Sequence[Mapping[str, str]]) -> str:
    if cut:
        return "cut_short"
    if not any(said):
        return "garbled" if garbled else "no_call"
    return "wrong_state"


def summary(verdicts: Sequence[Verdict], turns_of: Mapping[str, int]) -> dict[str, float]:
    """JGA and slot precision/recall/F1 over all turns, in the 0 to 1 scale; a verdict without counts failed throughout.

    Args:
        verdicts: one a dialogue.
        turns_of: user turns of each dialogue, for those that ended in an error and so have no counts.
    """

    def total(key: str) -> float:
        return sum(verdict.scores.get(key, 0.0) for verdict in verdicts)

    turns = sum(verdict.scores.get("turns", turns_of.get(verdict.id, 0)) for verdict in verdicts)
    right, said, due = total("slots_right"), total("slots_said"), total("slots_due")
    return {
        "jga": _ratio(total("joint"), turns),
        "jga_helper": _ratio(total("joint_helper"), turns),
        "last_turn": _ratio(sum(verdict.valid for verdict in verdicts), len(verdicts)),
        "slot_precision": _ratio(right, said),
        "slot_recall": _ratio(right, due),
        "slot_f1": _ratio(2 * right, said + due),
        "turns_with_call": _ratio(total("turns_with_call"), turns),
        "garbled": total("garbled"),
        "turns": turns,
        "dialogues": len(verdicts),
    }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


# --- prediction files ----------------------------------------------------------------------------------------------

Predictions = dict[str, list[dict[str, Any]]]


def grade_predictions(path: Path, protocol: str) -> Iterator[dict[str, Any]]:
    """A row for each dialogue of an mwzeval prediction file, `{"dialogue_id", "turns", "joint"}`, and a last `total`.

    `total.jga` is in percent over the dialogues of the file, as published; `missing` counts test dialogues that the
    file lacks, and `jga_all` has them as failed.

    Args:
        path: one JSON object `{dialogue: [{"state": {domain: {slot: value}}, ...}, ...]}`, `.gz` or not.
        protocol: `helper`, or `trade` for exact values under the helper's slot names.

    Raises:
        UsageError: no such protocol, or `mwzeval`, which is not built.
        DataError: unknown dialogues, too many turns, or turns without a state: none is filled in from gold.
    """
    if protocol == "mwzeval":
        raise UsageError("multiwoz: protocol 'mwzeval' (Inform and Success) is not built yet; use 'helper' or 'trade'")
    if protocol not in PROTOCOLS:
        raise UsageError(f"multiwoz: no protocol {protocol!r}; there are: {', '.join(PROTOCOLS)}")
    return _rows(path, read_json(path), protocol == "helper")


def _rows(path: Path, predictions: Any, loose: bool) -> Iterator[dict[str, Any]]:
    gold = _gold_states()
    if not isinstance(predictions, dict):
        raise DataError(path, f"is a JSON {type(predictions).__name__}, not an object of dialogues")
    for name, turns in predictions.items():
        _check(path, name, turns, gold)
    counted = {name: turns for name, turns in predictions.items() if not loose or name != HELPER_LACKS}
    rows = [_dialogue(name, turns, gold[name], loose) for name, turns in counted.items()]
    yield from ({key: row[key] for key in ("dialogue_id", "turns", "joint")} for row in rows)
    lacking = [
        states for name, states in gold.items() if name not in predictions and (not loose or name != HELPER_LACKS)
    ]
    yield {"total": _total(rows, lacking)}


def _gold_states() -> dict[str, list[dict[str, str]]]:
    return {task.id: tasks.recorded(task)["states"] for task in tasks.read(corpus("multiwoz"))}


def _check(path: Path, name: str, turns: Any, gold: Mapping[str, Sequence[Any]]) -> None:
    if name not in gold:
        raise DataError(path, f"dialogue {name!r} is none of the test set (ids are like 'mul0003')")
    if not isinstance(turns, list) or len(turns) > len(gold[name]):
        raise DataError(path, f"dialogue {name!r} is not a list of at most {len(gold[name])} turns")
    for number, turn in enumerate(turns):
        if not isinstance(turn, dict) or not _is_state(turn.get("state")):
            why = "JGA needs predicted states {domain: {slot: text}} and takes none from gold"
            raise DataError(path, f"dialogue {name!r} turn {number} has no 'state': {why}")


def _is_state(state: Any) -> bool:
    filled = state.values() if isinstance(state, dict) else [None]
    return all(isinstance(slots, dict) and all(isinstance(v, str) for v in slots.values()) for slots in filled)


def _dialogue(name: str, turns: Sequence[Any], gold: Sequence[Mapping[str, str]], loose: bool) -> dict[str, Any]:
    right = said = due = matches = 0
    alike = close if loose else equal
    for turn, states in zip(turns, gold, strict=False):
        mine, theirs = _flat(turn["state"], loose), _flat(_nested(states), loose)
        matches += joint(mine, theirs, alike)
        right, said, due = right + hits(mine, theirs, alike), said + len(mine), due + len(theirs)
    return {"dialogue_id": name, "turns": len(turns), "joint": matches, "right": right, "said": said, "due": due}


def _nested(state: Mapping[str, str]) -> dict[str, dict[str, str]]:
    nested: dict[str, dict[str, str]] = {}
    for slot, value in state.items():
        domain, name = helper_slot(slot)
        nested.setdefault(domain, {})[name] = value
    return nested


def _flat(state: Mapping[str, Mapping[str, str]], loose: bool) -> Slots:
    keyed = {(domain, SLOTS.get(s, s)): value for domain, filled in state.items() for s, value in filled.items()}
    return {(d, s): helper_value(s, v) if loose else v.strip().lower() for (d, s), v in keyed.items()}


def _total(rows: Sequence[Mapping[str, Any]], lacking: Sequence[Sequence[Any]]) -> dict[str, Any]:
    turns, matches, right, said, due = (
        sum(row[key] for row in rows) for key in ("turns", "joint", "right", "said", "due")
    )
    return {
        "jga": 100 * _ratio(matches, turns),
        "jga_all": 100 * _ratio(matches, turns + sum(map(len, lacking))),
        "joint": matches,
        "turns": turns,
        "dialogues": len(rows),
        "missing": len(lacking),
        "slot_precision": _ratio(right, said),
        "slot_recall": _ratio(right, due),
        "slot_f1": 100 * _ratio(2 * right, said + due),
        "note": tasks.NOTE,
    }
