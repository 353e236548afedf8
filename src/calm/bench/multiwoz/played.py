"""A dialogue that a model has played on the recorded history, judged: Inform, Success, and the state turn by turn.

Each protocol says how its transcripts are heard, as one `Heard` a turn; from there on both are judged alike. Success is
that of mwzeval with the model's own states, its words delexicalised by dictionary (`delex`).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from calm.bench import Task, Verdict
from calm.bench.multiwoz import delex, goals, lexical, mwzeval, tasks
from calm.bench.multiwoz.goals import Measure
from calm.bench.multiwoz.jga import close, count, equal, pairs, ratio
from calm.bench.multiwoz.venues import Venues
from calm.conversation import Conversation, Message, User

State = dict[str, str]
"""Values by slot as the data spell it: `hotel-book day`."""


class Heard(NamedTuple):
    """A turn of the model's: its words, these with placeholders, the state it has left, what bookings told it.

    `noted` is the state it has written down itself, where the protocol lets it; `spoilt` counts calls that the original
    harness would have broken off at, and with them dropped the dialogue.
    """

    reply: str
    response: str
    state: State
    told: Sequence[tuple[str, Mapping[str, str]]] = ()
    calls: int = 0
    spoilt: int = 0
    noted: State | None = None


class Held(NamedTuple):
    """What a dialogue is held against: goals and bookings, the database, and the dictionary of its values."""

    measures: Mapping[str, Measure]
    venues: Venues
    dictionary: delex.Dictionary
    facts: lexical.Facts


@lru_cache(maxsize=1)
def held(folder: Path) -> Held:
    """From the folder of the corpus, made once.

    Raises:
        DataError: the corpus lacks something; names it.
    """
    facts = lexical.facts(folder)
    return Held(goals.measures(folder), facts.venues, delex.dictionary(folder / "db"), facts)


def turns(transcript: Conversation) -> list[tuple[Message, ...]]:
    """The messages after each user turn, up to the next."""
    starts = [place for place, message in enumerate(transcript.messages) if isinstance(message, User)]
    ends = [*starts[1:], len(transcript.messages)]
    return [transcript.messages[start + 1 : end] for start, end in zip(starts, ends, strict=True)]


def nested(state: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """A state as prediction files have it: `{"hotel": {"bookday": "monday"}}`."""
    found: dict[str, dict[str, str]] = {}
    for slot, value in state.items():
        domain, _, name = slot.partition("-")
        found.setdefault(domain, {})[name.replace(" ", "")] = value
    return found


def rows(heard: Iterable[Heard], *, noted: bool = False) -> list[dict[str, Any]]:
    """The turns in mwzeval's form, which `calm grade multiwoz` and the original read."""
    return [{"response": t.response, "state": nested((t.noted or {}) if noted else t.state)} for t in heard]


# --- one dialogue --------------------------------------------------------------------------------------------------


def verdict(task: Task, heard: Sequence[Heard], against: Held, garbled: int = 0) -> Verdict:
    """Valid when the dialogue is a success; one that did not reach its last turn has failed, and so have its turns.

    `scores` holds counts for `summary` to divide: turns, turns with the joint state right (`joint`, `joint_helper`),
    turns with a call, garbled outputs, spoilt calls, slots over all turns (right, said, due), `inform`, `success`, and
    the two with values checked (`lexical`); with `_noted` behind them those of the state that the model has written.
    """
    due: list[State] = tasks.recorded(task)["states"]
    whole, heard = len(heard) >= len(due), heard[: len(due)]
    outcome = mwzeval.judged(rows(heard), against.measures[task.id], against.venues, "states").outcome
    scores: dict[str, float] = {
        "turns": len(due),
        "turns_with_call": sum(turn.calls > 0 for turn in heard),
        "garbled": garbled,
        "spoilt": sum(turn.spoilt for turn in heard),
        "inform": whole and outcome.inform,
        "success": whole and outcome.success,
        **_states([turn.state for turn in heard], due),
        **_in_words(heard if whole else (), against, task.id),
    }
    if any(turn.noted is not None for turn in heard):
        scores |= _noted(heard, due, against, task.id, whole=whole)
    error = None if scores["success"] else _error(heard, garbled, whole=whole, informed=outcome.inform)
    floats = {key: float(value) for key, value in scores.items()}
    return Verdict(id=task.id, category=task.category, valid=error is None, error_type=error, scores=floats)


def _in_words(heard: Sequence[Heard], against: Held, name: str) -> dict[str, float]:
    spoken = [lexical.Spoken(turn.reply, turn.told) for turn in heard]
    return lexical.scores(against.measures[name].goal, spoken, against.facts) if heard else {}


def _states(said: Sequence[State], due: Sequence[State]) -> dict[str, float]:
    exact = count([(_plain(mine), _plain(theirs)) for mine, theirs in zip(said, due, strict=False)], equal)
    loose = count([(pairs(mine), pairs(theirs)) for mine, theirs in zip(said, due, strict=False)], close)
    slots_due = sum(map(len, due))
    return {
        "joint": exact.joint,
        "joint_helper": loose.joint,
        "slots_right": exact.right,
        "slots_said": exact.said,
        "slots_due": slots_due,
    }


def _plain(state: Mapping[str, str]) -> dict[Any, str]:
    return {slot: HOUSE.get(value.strip().lower(), value.strip().lower()) for slot, value in state.items()}


HOUSE = {"guesthouse": "guest house"}
"""The one closed value that the offline protocol asks to be spelled otherwise than the states have it."""


def _noted(heard: Sequence[Heard], due: Sequence[State], against: Held, name: str, *, whole: bool) -> dict[str, float]:
    outcome = mwzeval.judged(rows(heard, noted=True), against.measures[name], against.venues, "states").outcome
    counted = _states([turn.noted or {} for turn in heard], due)
    kept = {"inform": whole and outcome.inform, "success": whole and outcome.success, **counted}
    return {f"{key}_noted": value for key, value in kept.items()}


def _error(heard: Sequence[Heard], garbled: int, *, whole: bool, informed: bool) -> str:
    if not whole:
        return "cut_short"
    if not any(turn.calls for turn in heard):
        return "garbled" if garbled else "no_call"
    return "not_told" if informed else "wrong_offer"


# --- many ----------------------------------------------------------------------------------------------------------


def summary(verdicts: Sequence[Verdict], turns_of: Mapping[str, int]) -> dict[str, float]:
    """Shares from 0 to 1 over all dialogues and turns; a verdict without counts (an error) has failed throughout.

    Args:
        verdicts: one a dialogue.
        turns_of: turns of each dialogue of the test set.
    """
    sums: dict[str, float] = {}
    for one in verdicts:
        for key, value in one.scores.items():
            sums[key] = sums.get(key, 0.0) + value
    every = sum(turns_of.get(one.id, 0) for one in verdicts)
    found = _shares(sums, "", len(verdicts), every)
    if "joint_noted" in sums:
        found |= _shares(sums, "_noted", len(verdicts), every)
    return found | {
        "lexical_success": ratio(sums.get("lexical_success", 0.0), len(verdicts)),
        "lexical_inform": ratio(sums.get("lexical_inform", 0.0), len(verdicts)),
        "turns_with_call": ratio(sums.get("turns_with_call", 0.0), every),
        "garbled": sums.get("garbled", 0.0),
        "spoilt_calls": sums.get("spoilt", 0.0),
        "dialogues_with_spoilt_calls": sum(one.scores.get("spoilt", 0.0) > 0 for one in verdicts),
        "errors": sum(one.error_type == "error" for one in verdicts),
        "turns": every,
        "dialogues": len(verdicts),
        "of": len(turns_of),
    }


def _shares(sums: Mapping[str, float], ending: str, dialogues: int, every: int) -> dict[str, float]:
    def total(key: str) -> float:
        return sums.get(f"{key}{ending}", 0.0)

    right, said, due = total("slots_right"), total("slots_said"), total("slots_due")
    found = {
        "success": ratio(total("success"), dialogues),
        "inform": ratio(total("inform"), dialogues),
        "jga_helper": ratio(total("joint_helper"), every),
        "jga": ratio(total("joint"), every),
        "slot_precision": ratio(right, said),
        "slot_recall": ratio(right, due),
        "slot_f1": ratio(2 * right, said + due),
    }
    return {f"{key}{ending}": value for key, value in found.items()}
