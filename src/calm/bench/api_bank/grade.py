"""Verdicts on API requests, and the grading of prediction files.

`exact` is ours: one call, the right API, every argument equal as text. It runs no API, so a call that means the same in
other words is wrong here, and one that upstream's evaluator cannot read (lists) can be right.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from calm.bench import Task, Verdict
from calm.bench.api_bank import tasks
from calm.bench.api_bank.text import call_scores, reply_rouge_l
from calm.conversation import Assistant, Call, Conversation, Garbled, Message
from calm.errors import DataError, UsageError
from calm.files import dumps, read_jsonl
from calm.hub.corpora import corpus

PROTOCOLS = ("exact", "lf-text", "response", "official")
COUNTS = ("api_right", "api_said", "api_due", "param_right", "param_said", "param_due")


def plain(value: JsonValue) -> JsonValue:
    """A value as it is compared: scalars and what spells one as stripped text, lists and objects by their parts."""
    if isinstance(value, str):
        value = tasks.value(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return " ".join(str(value).split())


def judge(task: Task, calls: Sequence[Call], text: str) -> Verdict:
    """The `exact` verdict on the calls of one answer, `text` being the answer as a string.

    `scores` holds Rouge-L against the gold string (0 to 1) and the counts that API and parameter F1 are made of;
    parameters count as right only under the right API.
    """
    name, due = _gold(task)
    mine = next((call for call in calls if call.name == name), None)
    said = [item for call in calls for item in call.arguments.items()]
    right = [key for key, value in (mine.arguments.items() if mine else ()) if _same(due, key, value)]
    counts = (mine is not None, len(calls), 1, len(right), len(said), len(due))
    error = _error(name, due, calls)
    scores = {"rouge-l": call_scores(text, written([Call(name=name, arguments=due)]))["rouge-l"] / 100}
    scores |= {key: float(count) for key, count in zip(COUNTS, counts, strict=True)}
    return Verdict(id=task.id, category=task.category, valid=error is None, error_type=error, scores=scores)


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
    total = {key: sum(verdict.scores.get(key, 0) for verdict in verdicts) for key in COUNTS}
    for kind in ("api", "param"):
        right, said, due = (total[f"{kind}_{what}"] for what in ("right", "said", "due"))
        scores |= {f"{kind}_precision": _ratio(right, said), f"{kind}_recall": _ratio(right, due)}
        scores[f"{kind}_f1"] = _ratio(2 * right, said + due)
    scores["rouge-l"] = _ratio(sum(v.scores.get("rouge-l", 0) for v in verdicts), len(verdicts))
    return scores


def _share(verdicts: Sequence[Verdict]) -> float:
    return _ratio(sum(verdict.valid for verdict in verdicts), len(verdicts))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def grade_predictions(path: Path, protocol: str) -> Iterator[dict[str, Any]]:
    """A verdict row for each row of a JSONL file of predictions, in its order.

    Args:
        path: rows `{"pred", "gold"}` for `lf-text` (answers and gold as strings) and `response`; for `exact`
            `{"level": 1-3, "file", "id", "output"}`, in level 3 `{"sample", "api_id"}` for file and id.
        protocol: one of `PROTOCOLS`.

    Raises:
        UsageError: no such protocol, or `official`, which is not built.
        DataError: a row lacks a key or names no sample; says which row.
    """
    if protocol == "official":
        raise UsageError(
            "api_bank: protocol 'official' runs the 73 APIs, which is not built yet; use 'exact' or 'lf-text'"
        )
    if protocol not in PROTOCOLS:
        raise UsageError(f"api_bank: no protocol {protocol!r}; there are: {', '.join(PROTOCOLS)}")
    return _exact_rows(path) if protocol == "exact" else _text_rows(path, protocol)


def _text_rows(path: Path, protocol: str) -> Iterator[dict[str, Any]]:
    for number, row in read_jsonl(path):
        said, due = row.get("pred"), row.get("gold")
        if not isinstance(said, str) or not isinstance(due, str):
            raise DataError(path, f"needs texts 'pred' and 'gold' (keys here: {', '.join(row)})", number)
        yield call_scores(said, due) if protocol == "lf-text" else {"rouge-l": reply_rouge_l(said, due)}


def _exact_rows(path: Path) -> Iterator[dict[str, Any]]:
    known = {task.id: task for task in tasks.read(corpus("api_bank"))}
    for number, row in read_jsonl(path):
        task = known.get(_sample(row))
        output = row.get("output")
        if task is None or not isinstance(output, str):
            raise DataError(path, f"names no API-Bank sample with a text 'output' (read as {_sample(row)!r})", number)
        call = tasks.parse_request(output)
        verdict = judge(task, [call] if call else [], written([call]) if call else output)
        yield verdict.model_dump(include={"id", "valid", "error_type"})


def _sample(row: dict[str, Any]) -> str:
    aliases = {
        "sample_id": row.get("sample"),
        "api_id": row.get("api_id"),
        "file": row.get("file"),
        "id": row.get("id"),
    }
    return tasks.sample_id(f"level-{row.get('level')}", aliases)
