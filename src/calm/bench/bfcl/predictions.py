"""`calm grade bfcl`: what other harnesses have a model write, judged row by row."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from calm.bench import Verdict
from calm.bench.bfcl import audited, averages, ceilings, decode, entries, grade, multi_turn, results, tasks, versions
from calm.bench.bfcl.averages import Counts, Score
from calm.bench.bfcl.versions import Version
from calm.conversation import Assistant, Garbled
from calm.errors import DataError
from calm.files import read_jsonl
from calm.format.react import parse_step

NATIVE = "native"
NATIVES = (NATIVE, *(f"{NATIVE}-{name}" for name in versions.VERSIONS))
PROTOCOLS = (*versions.VERSIONS, *(f"{name}{versions.AUDITED}" for name in versions.VERSIONS), *NATIVES)


def grade_predictions(path: Path, protocol: str) -> Iterator[dict[str, Any]]:
    """Verdict rows `{"id", "valid", "error_type"}` for rows `{"category", "id", "output", "decoder"?}`, in their order.

    Args:
        path: JSONL, gzipped or not, categories and ids in V3's or V4's spelling; a multi-turn output is
            `[[step text, ...], ...]`, one list a turn. Or bfcl-eval's own result file or folder (see `results`).
        protocol: one of `PROTOCOLS`: data, simulators and decoder of that date; `native`: our ReAct text, on V3's data
            or on those of the version named after it.

    Raises:
        DataError: a row with an unknown id, category or decoder; names it.
        UsageError: result files of another version.
    """
    version, repaired = versions.reading(_version_of(protocol))
    for where, number, row in _rows(path, version):
        item = _asked(row, version)
        if item is None:
            raise DataError(where, _fault(row), number)
        error = native(item, row["output"], version) if protocol in NATIVES else _error(item, row, version, repaired)
        yield {"id": row["id"], "valid": error is None, "error_type": error}


def _version_of(protocol: str) -> str:
    return versions.SHORT["v3"] if protocol == NATIVE else protocol.removeprefix(f"{NATIVE}-")


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


def native(item: Any, output: Any, version: Version) -> str | None:
    """The error type of our own ReAct text, for a multi-turn item `[[step text, ...], ...]`."""
    if isinstance(item, multi_turn.Entry):
        return _native_turns(item, output, version)
    said = parse_step(str(output))
    if isinstance(said, Garbled):
        return "garbled"
    calls = said.calls if isinstance(said, Assistant) else ()
    return grade.error_of(item.category, item.docs, item.truth, [{call.name: call.arguments} for call in calls])


def _native_turns(entry: multi_turn.Entry, output: Any, version: Version) -> str | None:
    if not isinstance(output, list) or len(output) != len(entry.truth):
        return multi_turn.FORCED
    turns = (turn if isinstance(turn, list) else [] for turn in output)
    steps = ([multi_turn.native(parse_step(str(step))) for step in turn] for turn in turns)
    return multi_turn.fault(entry, steps, version.rules)


# --- what is printed -------------------------------------------------------------------------------------------------


def board(rows: Sequence[Mapping[str, Any]], protocol: str) -> tuple[str, list[dict[str, Any]]]:
    """Verdict rows as a title and the table under it: accuracy and n by category, then the averages of the version.

    Beside each stand the two ceilings: what the truths score when they are written out as prompt-mode answers.
    """
    version, repaired = versions.reading(_version_of(protocol))
    found, known = averages.counted(_verdicts(rows)), averages.sizes(version.board)
    best = [ceilings.CEILINGS[version.name, audit] for audit in (False, True)]
    lines = [_line(name, found, known, best) for name in {**known, **found}]
    bounds = zip(*(averages.scores(version.board, counts) for counts in best), strict=True)
    made = averages.scores(version.board, found)
    title = f"{version.label}, {NATIVE} reading" if protocol in NATIVES else _title(rows, version, repaired)
    zeroed = {
        "what": "= overall, not run as 0",
        "n": "",
        "score": _percent(made[-1].as_zero),
        **dict.fromkeys(TOPS, ""),
    }
    return title, [*lines, *map(_average, made, bounds), zeroed]


def _title(rows: Sequence[Mapping[str, Any]], version: Version, repaired: bool) -> str:
    if not repaired:
        return f"{version.label}, official reading"
    dropped = sum(row["error_type"] == averages.DROPPED for row in rows)
    return f"{version.label}, audited reading ({', '.join(audited.REPAIRS)}; {dropped} rows left out)"


def _verdicts(rows: Sequence[Mapping[str, Any]]) -> Iterator[Verdict]:
    for row in rows:
        category = tasks.plain(row["id"]).rpartition("_")[0]
        yield Verdict(id=row["id"], category=category, valid=row["valid"], error_type=row["error_type"])


def _line(name: str, found: Counts, known: Mapping[str, int], best: Sequence[Counts]) -> dict[str, Any]:
    (valid, n), rows = found.get(name, (0, 0)), known.get(name, 0)
    tops = [_percent(counts[name][0] / counts[name][1]) if name in counts else "" for counts in best]
    return {
        "what": name,
        "n": f"{n:,}" if n == rows else f"{n:,} of {rows:,}",
        "score": _percent(valid / n) if n else "not run",
        **dict(zip(TOPS, tops, strict=True)),
    }


def _average(score: Score, best: Sequence[Score]) -> dict[str, Any]:
    tops = ["" if bound.honest is None else _percent(bound.honest) for bound in best]
    return {
        "what": f"= {score.name}",
        "n": "",
        "score": "incomplete" if score.honest is None else _percent(score.honest),
        **dict(zip(TOPS, tops, strict=True)),
    }


TOPS = ("ceiling", "audited")


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"
