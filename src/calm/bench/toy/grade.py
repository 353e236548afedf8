"""The toy grade: each user turn must hold exactly the right calls, in any order; anything unreadable fails."""

import itertools
from typing import Any

from calm.bench import Task, Verdict
from calm.bench.score import same
from calm.bench.toy.tasks import turns_of
from calm.conversation import Assistant, Conversation, Garbled, User

Calls = list[dict[str, Any]]


def grade(task: Task, transcript: Conversation) -> Verdict:
    """Valid, or one of `garbled`, `turn_missing`, `wrong_count`, `wrong_call`; the first that applies."""
    error = _error([turn["calls"] for turn in turns_of(task)], transcript)
    return Verdict(id=task.id, category=task.category, valid=error is None, error_type=error)


def _error(expected: list[Calls], transcript: Conversation) -> str | None:
    if any(isinstance(message, Garbled) for message in transcript.messages):
        return "garbled"
    made = calls_by_turn(transcript)
    if len(made) != len(expected):
        return "turn_missing"
    if any(len(calls) != len(right) for calls, right in zip(made, expected, strict=True)):
        return "wrong_count"
    right = all(itertools.starmap(same, zip(made, expected, strict=True)))
    return None if right else "wrong_call"


def calls_by_turn(transcript: Conversation) -> list[Calls]:
    """What was called after each user message."""
    turns: list[Calls] = []
    for message in transcript.messages:
        if isinstance(message, User):
            turns.append([])
        elif isinstance(message, Assistant) and turns:
            turns[-1] += [{"name": call.name, "arguments": call.arguments} for call in message.calls]
    return turns
