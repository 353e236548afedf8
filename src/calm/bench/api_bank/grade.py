"""The `exact` verdict on an API request.

It is ours: one call, the right API, every argument equal as text. It runs no API, so a call that means the same in
other words is wrong here, and one that upstream's evaluator cannot read (lists) can be right.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from calm.bench import Task, Verdict
from calm.bench.api_bank import request
from calm.bench.api_bank.f1 import COUNTS, f1
from calm.bench.api_bank.text import call_scores
from calm.conversation import Assistant, Call, Conversation, Garbled, Message
from calm.files import dumps


def plain(value: JsonValue) -> JsonValue:
    """A value as it is compared: scalars and what spells one as stripped text, lists and objects by their parts."""
    if isinstance(value, str):
        value = request.value(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return " ".join(str(value).split())


def judge(task: Task, calls: Sequence[Call], text: str) -> Verdict:
    """The `exact` verdict on the calls of one answer, `text` being the answer as a string.

    `scores` holds Rouge-L against the gold string (0 to 1) and the counts that API and parameter F1 are made of.
    """
    name, due = _gold(task)
    error, counts = counted(task, calls)
    scores = {"rouge-l": call_scores(text, written([Call(name=name, arguments=due)]))["rouge-l"] / 100, **counts}
    return Verdict(id=task.id, category=task.category, valid=error is None, error_type=error, scores=scores)


def counted(task: Task, calls: Sequence[Call]) -> tuple[str | None, dict[str, float]]:
    """The error type of the calls of one answer, None where they are right, and the counts that F1 is made of.

    Parameters count as right only under the right API.
    """
    name, due = _gold(task)
    mine = next((call for call in calls if call.name == name), None)
    said = [item for call in calls for item in call.arguments.items()]
    right = [key for key, value in (mine.arguments.items() if mine else ()) if _same(due, key, value)]
    numbers = (mine is not None, len(calls), 1, len(right), len(said), len(due))
    return _error(name, due, calls), {key: float(number) for key, number in zip(COUNTS, numbers, strict=True)}


def _gold(task: Task) -> tuple[str, dict[str, JsonValue]]:
    gold: Any = task.gold
    return gold["name"], gold["arguments"]


def _same(due: Mapping[str, JsonValue], key: str, value: JsonValue) -> bool:
    return key in due and plain(due[key]) == plain(value)


def _error(name: str, due: Mapping[str, JsonValue], calls: Sequence[Call]) -> str | None:
    if len(calls) != 1:
        return "several_calls" if calls else "no_call"
    arguments = calls[0].arguments
    if calls[0].name != name:
        return "wrong_api"
    if set(due) - set(arguments):
        return "missing_argument"
    if set(arguments) - set(due):
        return "unknown_argument"
    return None if all(_same(due, key, value) for key, value in arguments.items()) else "wrong_value"


def written(calls: Sequence[Call]) -> str:
    """Calls as the JSON list that the text metrics are taken over: the paper's form without its code fence."""
    return dumps([{"name": call.name, "arguments": call.arguments} for call in calls])


def grade(task: Task, transcript: Conversation) -> Verdict:
    """The `exact` verdict on a transcript: its first step after the start, nothing later."""
    answer: Message | None = next(iter(transcript.messages[len(task.start.messages) :]), None)
    if isinstance(answer, Assistant):
        return judge(task, answer.calls, written(answer.calls) if answer.calls else answer.text or "")
    garbled = isinstance(answer, Garbled)
    verdict = judge(task, (), answer.raw if garbled else "")
    return verdict.model_copy(update={"error_type": "garbled" if garbled else "no_answer"})


def summary(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Share of exact calls in all and by category, API and parameter precision/recall/F1 (micro), mean Rouge-L."""
    scores = {"exact": _share(verdicts)}
    for category in sorted({verdict.category for verdict in verdicts}):
        scores[f"exact.{category}"] = _share([v for v in verdicts if v.category == category])
    scores |= f1([verdict.scores for verdict in verdicts])
    scores["rouge-l"] = _ratio(sum(v.scores.get("rouge-l", 0) for v in verdicts), len(verdicts))
    return scores


def _share(verdicts: Sequence[Verdict]) -> float:
    return _ratio(sum(verdict.valid for verdict in verdicts), len(verdicts))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
