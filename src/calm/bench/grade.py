"""`calm grade`: verdicts for files of predictions, of whatever tool, and for our own transcripts."""

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from calm.bench import ROOMS, Benchmark, Verdict, named
from calm.bench.judge import averages, beside, grade_transcripts, scored
from calm.bench.transcripts import one_seal
from calm.conversation import read
from calm.errors import UsageError
from calm.files import read_jsonl


def grade_file(name: str, predictions: Path, protocol: str | None = None) -> Iterator[dict[str, Any]]:
    """Verdict rows for a file of predictions, in its order: `calm grade`; also reads our own `transcripts.jsonl`.

    Args:
        name: the benchmark.
        predictions: rows in the form that the benchmark's README describes, or transcripts of `calm bench`.
        protocol: one of the room's `PROTOCOLS`; its first by default.

    Raises:
        UsageError: no such benchmark or protocol; lists those there are.
        DataError: a row that is no prediction; names it.
    """
    room = _room(name)
    chosen = protocol or room.PROTOCOLS[0]
    if chosen not in room.PROTOCOLS:
        raise UsageError(f"{name}: no protocol {chosen!r}; there are: {', '.join(room.PROTOCOLS)}")
    if _are_transcripts(predictions):
        return _grade_own(_benchmark_of(name, protocol, predictions), predictions)
    return room.grade_predictions(predictions, chosen)


def _room(name: str) -> ModuleType:
    if name not in ROOMS:
        raise UsageError(f"no benchmark {name!r}; there are: {', '.join(ROOMS)}")
    return importlib.import_module(f"calm.bench.{name}")


class Board(NamedTuple):
    """A table of scores in a benchmark's own averages; the title says which version, and what is left out.

    `controls` is a second table, where soft answers are not rows of the first.
    """

    title: str
    rows: list[dict[str, Any]]
    controls: Sequence[dict[str, Any]] = ()


def board_of(name: str, path: Path, rows: Sequence[dict[str, Any]], protocol: str | None = None) -> Board | None:
    """What the rows that `grade_file` gave come to in the benchmark's own averages; None where it has no board.

    A room may have `controls_on(path, protocol)`: rows that say what soft answers get on the very items of the file.
    """
    room = _room(name)
    if _are_transcripts(path):
        return _own_board(_benchmark_of(name, protocol, path), [Verdict.model_validate(row) for row in rows])
    if not rows or not hasattr(room, "board"):
        return None
    chosen = protocol or room.PROTOCOLS[0]
    title, made = room.board(rows, chosen)
    soft = room.controls_on(path, chosen) if hasattr(room, "controls_on") else []
    return Board(title, [*made, *soft])


def _own_board(benchmark: Benchmark, verdicts: Sequence[Verdict]) -> Board:
    judged = {verdict.id for verdict in verdicts}
    tasks = [task for task in benchmark.tasks() if task.id in judged]
    scores = scored(benchmark, tasks, verdicts)
    return Board(f"{benchmark.version}, {benchmark.protocol}", averages(scores), beside(scores))


def export_results(name: str, transcripts: Path, folder: Path, protocol: str | None = None) -> list[Path]:
    """Write the transcripts of `calm bench` as the result files of the benchmark's own harness; returns the files.

    Raises:
        UsageError: the benchmark has no such files, or the file holds no transcripts of the protocol.
    """
    room = _room(name)
    if not hasattr(room, "export"):
        raise UsageError(f"{name}: has no result files of another harness; bfcl and multiwoz have")
    if not _are_transcripts(transcripts):
        raise UsageError(f"{transcripts}: holds no transcripts of calm bench; name its transcripts.jsonl")
    benchmark = _benchmark_of(name, protocol, transcripts)
    one_seal(transcripts, benchmark, list(read(transcripts)))
    return room.export(benchmark, transcripts, folder)


def _benchmark_of(name: str, protocol: str | None, transcripts: Path) -> Benchmark:
    """The benchmark under the protocol that was asked for, else under the one that the transcripts were made for."""
    if protocol:
        return named(name, protocol)
    seal: Any = next(read(transcripts)).meta["run"]
    usual = named(name)
    others = (named(name, other) for other in getattr(_room(name), "GENERATES", ()))
    return next((b for b in (usual, *others) if b.version == seal["version"]), usual)


def _are_transcripts(path: Path) -> bool:
    if ".jsonl" not in path.name:
        return False
    _, first = next(read_jsonl(path), (0, {}))
    return isinstance(first.get("messages"), list) and "run" in next(read(path)).meta


def _grade_own(benchmark: Benchmark, path: Path) -> Iterator[dict[str, Any]]:
    one_seal(path, benchmark, list(read(path)))
    for verdict in grade_transcripts(benchmark, read(path)):
        yield verdict.model_dump(mode="json")
