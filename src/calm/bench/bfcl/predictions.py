"""`calm grade bfcl`: what other harnesses have a model write, judged row by row."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from calm.bench import Verdict
from calm.bench.bfcl import audited, averages, ceilings, decode, entries, grade, multi_turn, results, tasks, versions
from calm.bench.bfcl.versions import Version
from calm.conversation import Assistant, Garbled
from calm.errors import DataError
from calm.files import read_jsonl
from calm.format.react import parse_step

NATIVE = "native"
PROTOCOLS = (*versions.VERSIONS, *(f"{name}{versions.AUDITED}" for name in versions.VERSIONS), NATIVE)


def grade_predictions(path: Path, protocol: str) -> Iterator[dict[str, Any]]:
    """Verdict rows `{"id", "valid", "error_type"}` for rows `{"category", "id", "output", "decoder"?}`, in their order.

    Args:
        path: JSONL, gzipped or not, categories and ids in V3's or V4's spelling; a multi-turn output is
            `[[step text, ...], ...]`, one list a turn. Or bfcl-eval's own result file or folder (see `results`).
        protocol: one of `PROTOCOLS`: data, simulators and decoder of that date; `native`: our ReAct text, V3 data.

    Raises:
        DataError: a row with an unknown id, category or decoder; names it.
        UsageError: result files of another version.
    """
    version, repaired = versions.reading(_version_of(protocol))
    for where, number, row in _rows(path, version):
        item = _asked(row, version)
        if item is None:
            raise DataError(where, _fault(row), number)
        error = native(item, row["output"]) if protocol == NATIVE else _error(item, row, version, repaired)
        yield {"id": row["id"], "valid": error is None, "error_type": error}


def _version_of(protocol: str) -> str:
    return versions.SHORT["v3"] if protocol == NATIVE else protocol


def _rows(path: Path, version: Version) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    if results.are_results(path):
        yield from results.read(path, version)
    else:
        yield from ((path, number, row) for number, row in read_jsonl(path))


def _asked(row: Mapping[str, Any], version: Version) -> tasks.Item | multi_turn.Entry | None:
    """The item a row answers, None for a faulty row; (ir)relevance needs none, so V3 and V4 may differ in theirs."""
    category, name = tasks.plain(str(row.get("category"))), tasks.plain(str(row.get("id")))
    known: Any = entries.entries if category in averages.MULTI_TURN else tasks.items
    item = known(version.name).get(name)
    if item is None and "relevance" in category and name.startswith(category):
        item = tasks.Item(name, category, [], [], [])
    sound = item is not None and item.category == category and "output" in row
    return item if sound and row.get("decoder", "prompt") in decode.DECODERS else None


def _fault(row: Mapping[str, Any]) -> str:
    category = row.get("category")
    covered = (*tasks.CATEGORIES, *averages.MULTI_TURN)
    if tasks.plain(str(category)) not in covered:
        return f"category {category!r} is not covered; covered: {', '.join(covered)}"
    if row.get("decoder", "prompt") not in decode.DECODERS:
        return f"unknown decoder {row['decoder']!r}; there are: {', '.join(decode.DECODERS)}"
    if "output" not in row:
        return "has no `output`"
    return f"this protocol has no item {row.get('id')!r} in category {category!r}"


def _error(item: Any, row: Mapping[str, Any], version: Version, repaired: bool) -> str | None:
    return official(item, row["output"], version, row.get("decoder", "prompt"), repaired)


def official(item: Any, output: Any, version: Version, decoder: str = "prompt", repaired: bool = False) -> str | None:
    """The error type of an output to a single-turn or multi-turn item, by the official or by the audited reading."""
    if repaired:
        return audited.error_of(item, output, version.rules, decoder)
    judge = multi_turn.error_of if isinstance(item, multi_turn.Entry) else grade.judged
    return judge(item, output, version.rules, decoder)


def native(item: Any, output: Any) -> str | None:
    """The error type of our own ReAct text, for a multi-turn item `[[step text, ...], ...]`."""
    if isinstance(item, multi_turn.Entry):
        return _native_turns(item, output)
    said = parse_step(str(output))
    if isinstance(said, Garbled):
        return "garbled"
    calls = said.calls if isinstance(said, Assistant) else ()
    return grade.error_of(item.category, item.docs, item.truth, [{call.name: call.arguments} for call in calls])


def _native_turns(entry: multi_turn.Entry, output: Any) -> str | None:
    if not isinstance(output, list) or len(output) != len(entry.truth):
        return multi_turn.FORCED
    turns = ([multi_turn.native(parse_step(str(step))) for step in turn] for turn in output if isinstance(turn, list))
    return multi_turn.fault(entry, turns, versions.SHORT["v3"])


# --- what is printed ---------------------------------------------------------------------------------------------------


def board(rows: Sequence[Mapping[str, Any]], protocol: str) -> list[dict[str, Any]]:
    """Verdict rows as the table that is printed: accuracy and n by category, then the averages of the version."""
    version, repaired = versions.reading(_version_of(protocol))
    found = averages.counted(_verdicts(rows))
    known = averages.sizes(version.board)
    best = ceilings.CEILINGS.get((version.name, repaired), {}) if protocol != NATIVE else {}
    ceiling = {name: (best[name], known[name]) for name in known if name in best}
    lines = [_line(name, found.get(name), known.get(name, 0), ceiling.get(name)) for name in {**known, **found}]
    bounds = averages.scores(version.board, ceiling)
    return [*lines, *map(_average, averages.scores(version.board, found), bounds)]


def _verdicts(rows: Sequence[Mapping[str, Any]]) -> Iterator[Verdict]:
    for row in rows:
        category = tasks.plain(row["id"]).rpartition("_")[0]
        yield Verdict(id=row["id"], category=category, valid=row["valid"], error_type=row["error_type"])


def _line(name: str, found: tuple[int, int] | None, rows: int, best: tuple[int, int] | None) -> dict[str, Any]:
    valid, n = found or (0, 0)
    return {
        "what": name,
        "n": f"{n:,}" if n == rows else f"{n:,} of {rows:,}",
        "score": _percent(valid / n) if n else "not run",
        "not run as 0": "",
        "ceiling": _percent(best[0] / best[1]) if best else "",
    }


def _average(score: averages.Score, best: averages.Score) -> dict[str, Any]:
    return {
        "what": f"= {score.name}",
        "n": "",
        "score": "incomplete" if score.honest is None else _percent(score.honest),
        "not run as 0": _percent(score.as_zero),
        "ceiling": "" if best.honest is None else _percent(best.honest),
    }


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"
