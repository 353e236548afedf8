"""Transcripts of `calm bench multiwoz`: the state that the model's own calls have said, turn by turn, by JGA."""

from collections.abc import Mapping, Sequence

from calm.bench import Task, Verdict
from calm.bench.multiwoz import tasks
from calm.bench.multiwoz.jga import close, equal, hits, joint, pairs, ratio
from calm.bench.multiwoz.world import CALLS_PER_TURN, calls_of, slots
from calm.conversation import Conversation, Garbled


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
        "jga": ratio(total("joint"), turns),
        "jga_helper": ratio(total("joint_helper"), turns),
        "last_turn": ratio(sum(verdict.valid for verdict in verdicts), len(verdicts)),
        "slot_precision": ratio(right, said),
        "slot_recall": ratio(right, due),
        "slot_f1": ratio(2 * right, said + due),
        "turns_with_call": ratio(total("turns_with_call"), turns),
        "garbled": total("garbled"),
        "turns": turns,
        "dialogues": len(verdicts),
    }
