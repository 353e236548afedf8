"""Prediction files: a verdict for every row, by each protocol, and the table that `calm grade` shows below."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from calm.bench.api_bank import ceilings, controls, f1, grade, hammer, request, tasks
from calm.bench.api_bank.text import call_scores, reply_rouge_l
from calm.errors import DataError, UsageError
from calm.files import read_jsonl
from calm.hub.corpora import corpus

PROTOCOLS = ("exact", "official", "fixed", "lf-text", "response", "hammer")
Row = dict[str, Any]


def grade_predictions(path: Path, protocol: str) -> Iterator[Row]:
    """A verdict row for each row of a JSONL file of predictions, in its order.

    Args:
        path: rows `{"pred", "gold"}` for `lf-text`, `response` and `hammer`; for the others, and for `response`
            without `gold`, `{"level": 1-3, "file", "id", "output"}`, in level 3 `{"sample", "api_id"}` for file and id.
        protocol: one of `PROTOCOLS`.

    Raises:
        UsageError: no such protocol.
        DataError: a row lacks a key or names no sample; says which row.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"api_bank: no protocol {protocol!r}; there are: {', '.join(PROTOCOLS)}")
    if protocol in SCORES:
        return _text_rows(path, protocol)
    return _exact_rows(path) if protocol == "exact" else _executed_rows(path, protocol)


def _text_rows(path: Path, protocol: str) -> Iterator[Row]:
    for said, due in _texts(path, protocol):
        yield SCORES[protocol](said, due)


def _texts(path: Path, protocol: str) -> Iterator[tuple[str, str]]:
    for number, row in read_jsonl(path):
        if protocol == "response" and "gold" not in row:
            said, due = _reply(path, number, row)
        else:
            said, due = row.get("pred"), row.get("gold")
        if not isinstance(said, str) or not isinstance(due, str):
            raise DataError(path, f"needs texts 'pred' and 'gold' (keys here: {', '.join(row)})", number)
        yield said, due


SCORES: dict[str, Callable[[str, str], Row]] = {
    "lf-text": call_scores,
    "response": lambda said, due: {"rouge-l": reply_rouge_l(said, due)},
    "hammer": hammer.verdict,
}


def _reply(path: Path, number: int, row: Row) -> tuple[str, str]:
    """What is compared of a reply to an official sample; level 3 takes the speakers' names out first."""
    name, output = _named(path, number, row, _replies(corpus("api_bank")))
    if row.get("level") in (3, "3"):
        output = output.replace("User:", "").replace("AI:", "").strip()
    return output, _replies(corpus("api_bank"))[name]


@lru_cache(maxsize=2)
def _replies(folder: Path) -> Mapping[str, str]:
    return tasks.texts(folder, tasks.REPLIES)


def _named(path: Path, number: int, row: Row, known: Mapping[str, Any]) -> tuple[str, str]:
    name, output = sample(row), row.get("output")
    if name not in known or not isinstance(output, str):
        raise DataError(path, f"names no API-Bank sample with a text 'output' (read as {name!r})", number)
    return name, output


def sample(row: Mapping[str, Any]) -> str:
    """The sample that a row answers, as tasks name it."""
    keys = {"sample_id": "sample", "api_id": "api_id", "file": "file", "id": "id"}
    return tasks.sample_id(f"level-{row.get('level')}", {key: row.get(said) for key, said in keys.items()})


def _exact_rows(path: Path) -> Iterator[Row]:
    known = tasks.known(corpus("api_bank"))
    for number, row in read_jsonl(path):
        name, output = _named(path, number, row, known)
        error, counts = grade.counted(known[name], request.parse_requests(output))
        yield {"id": name, "valid": error is None, "error_type": error, **counts}


def _executed_rows(path: Path, protocol: str) -> Iterator[Row]:
    data, judged = ceilings.judge_of(corpus("api_bank"), protocol)
    for number, row in read_jsonl(path):
        name, output = _named(path, number, row, data.due)
        error = judged(data.due[name], output)
        again = {"again": True} if protocol == "fixed" and data.due[name].again else {}
        yield {"id": name, "valid": error is None, "error_type": error, **again}


def board(rows: Sequence[Row], protocol: str) -> tuple[str, list[Row]]:
    """The table below the counts: by level the share of right calls, what gold and wrong calls get; else the means.

    `exact` has the precision, recall and F1 of APIs and parameters beside the shares.
    """
    if protocol in SCORES:
        return f"{protocol}, {len(rows)} rows; controls are taken on the same rows", [
            _means("the file", rows, protocol)
        ]
    shown = [_level(level, rows, protocol) for level in (1, 2, 3) if _of(level, rows)]
    demands = [_demands(rows, protocol)] if _of(3, rows) else []
    title = f"{protocol}; a sample without a row is not counted; ceiling: what the gold calls get; below, wrong calls"
    return title, [*shown, *demands, *(row for level in shown for row in _controls(level, protocol))]


def controls_on(path: Path, protocol: str) -> list[Row]:
    """What wrong texts get against the gold texts of the file; nothing where `board` has them as columns."""
    if protocol not in SCORES:
        return []
    golds = [due for _, due in _texts(path, protocol)]
    return [
        _means(kind, [SCORES[protocol](said, due) for said, due in zip(texts, golds, strict=True)], protocol)
        for kind, texts in controls.texts(golds).items()
    ]


def _means(answers: str, rows: Sequence[Row], protocol: str) -> Row:
    if protocol == "hammer":
        return {"answers": answers, "exact": sum(row["valid"] for row in rows) / len(rows), **f1.f1(rows)}
    return {"answers": answers, **{key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}}


def _of(level: int, rows: Sequence[Row]) -> list[Row]:
    """The rows of a level, without those of a call due twice where the protocol leaves them out."""
    return [row for row in rows if row["id"].startswith(f"level-{level}/") and not row.get("again")]


def _level(level: int, rows: Sequence[Row], protocol: str) -> Row:
    mine, most = _of(level, rows), ceilings.ceiling(corpus("api_bank"), protocol)[level]
    right = sum(row["valid"] for row in mine)
    f1s = {key: value for key, value in f1.f1(mine).items() if key.endswith("f1")} if protocol == "exact" else {}
    shown = {"level": level, "samples": len({row["id"] for row in mine}), "of": most.samples, "rows": len(mine)}
    return {**shown, "right": right, "share": right / len(mine), "ceiling": most.share, "at most": most.most, **f1s}


def _controls(shown: Row, protocol: str) -> Iterator[Row]:
    """Below the row of a level, what wrong calls get on the whole level."""
    for kind, by_level in ceilings.executed(corpus("api_bank"), protocol, searches=True).items():
        if kind != controls.GOLD:
            yield {**dict.fromkeys(shown, ""), "level": f"{shown['level']}: {kind}", "share": by_level[shown["level"]]}


def _demands(rows: Sequence[Row], protocol: str) -> Row:
    """Level 3 by demands: those of which some row stands for every call and all are right, of those with any row."""
    mine, most = _of(3, rows), ceilings.ceiling(corpus("api_bank"), protocol)[3]
    right = {row["id"] for row in mine if row["valid"]} - {row["id"] for row in mine if not row["valid"]}
    asked = {ceilings.demand(row["id"]) for row in mine}
    calls = most.calls
    met = sum(calls[demand] <= right for demand in asked)
    shown = {"level": "3, demands", "samples": len(asked), "of": len(calls), "rows": len(mine), "right": met}
    f1s = {"api_f1": "", "param_f1": ""} if protocol == "exact" else {}
    bounds = {"ceiling": most.demands(most.right), "at most": most.demands(most.right | most.hoped)}
    return {**shown, "share": met / len(asked), **bounds, **f1s}
