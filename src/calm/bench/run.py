"""Running a benchmark and judging what came out: two verbs with files between them.

`run` appends one transcript a line to `transcripts.jsonl`, so a killed run goes on where it stopped; `judge` reads them
back and writes `verdicts.jsonl`, `scores.json` and the manifest. Judging again, in any order, gives the same.
"""

import hashlib
import importlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field, JsonValue

from calm.agent import DEFAULT, Limits, converse
from calm.bench import ROOMS, Benchmark, Task, Verdict, named, score
from calm.conversation import Conversation, from_row, read, to_row
from calm.errors import CalmError, DataError, StorageError, UsageError
from calm.files import dumps, read_jsonl, sha256, write_json, write_jsonl
from calm.policy import Policy
from calm.policy.scripted import Gold, Silent
from calm.recipe import Recipe, digest, manifest

TRANSCRIPTS, VERDICTS, SCORES = "transcripts.jsonl", "verdicts.jsonl", "scores.json"
HOPELESS = 5
"""Fresh tasks that must all fail at the very start before a run gives up: the model is not there at all."""


class Plan(Recipe):
    """What is asked of a model: how many tasks, which sample, where a conversation is cut, and its own settings."""

    limit: int | None = Field(default=None, ge=1)
    sample_seed: int = 0
    limits: Limits = Limits()
    model: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def id(self) -> str:
        """Identity of the run apart from its size: a larger limit continues a smaller one."""
        return digest(self.model_dump(mode="json", exclude={"limit"}))


EVERYTHING = Plan()


class Ran(NamedTuple):
    """What a run did: tasks chosen, transcripts already there, new ones, errors among these, a cut line dropped."""

    tasks: int
    kept: int
    new: int
    errors: int
    cut: bool


Progress = Callable[[int, int, Conversation], None]
"""Told (tasks done, tasks in all, the transcript) after each task."""


def run(
    benchmark: Benchmark,
    policy: Policy,
    folder: Path,
    plan: Plan = EVERYTHING,
    progress: Progress = lambda done, total, transcript: None,
) -> Ran:
    """Let a policy work through a benchmark; transcripts already in the folder are kept, errored ones tried again last.

    A policy's CalmError on one task becomes a transcript with `meta.error`, which counts as failed. A last line cut by
    a kill is dropped; `Ran.cut` says so.

    Raises:
        UsageError: the folder holds transcripts of another benchmark, model or plan.
        CalmError: the first `HOPELESS` tasks all failed; the last one's error.
    """
    tasks = sample(benchmark.tasks(), plan.limit, plan.sample_seed)
    policy = getattr(benchmark, "speaker", _itself)(policy)
    path, seal = folder / TRANSCRIPTS, seal_of(benchmark, policy, plan)
    cut = _drop_cut_line(path)
    before = _latest(_sealed(path, seal)) if path.is_file() else {}
    fresh = [t for t in tasks if t.id not in before]
    again = [t for t in tasks if t.id in before and "error" in before[t.id].meta]
    kept = done = len(tasks) - len(fresh) - len(again)
    errors = 0
    for done, (transcript, error) in enumerate(_attempts(benchmark, policy, plan, [*fresh, *again]), kept + 1):
        _append(path, transcript.note(run=seal))
        errors += error is not None
        progress(done, len(tasks), transcript)
        if error is not None and errors == done - kept == HOPELESS < len(fresh):
            raise error
    return Ran(len(tasks), kept, done - kept, errors, cut)


def _itself(policy: Policy) -> Policy:
    return policy


def sample(tasks: Iterable[Task], limit: int | None, seed: int = 0) -> list[Task]:
    """The first `limit` tasks taken by turns from the categories, each shuffled by a hash of seed and id.

    Samples nest (a larger limit only adds) and do not depend on machine or order; the benchmark's order is kept.
    """
    everything = list(tasks)
    groups: dict[str, list[Task]] = {}
    for task in everything:
        groups.setdefault(task.category, []).append(task)
    queues = [sorted(group, key=lambda task: _lot(seed, task.id)) for group in groups.values()]
    turns = (task for round_ in itertools.zip_longest(*queues) for task in round_ if task is not None)
    picked = {task.id for task in itertools.islice(turns, limit)}
    return [task for task in everything if task.id in picked]


def _lot(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def seal_of(benchmark: Benchmark, policy: Policy, plan: Plan) -> dict[str, JsonValue]:
    """What every transcript of one run shares, stored as `meta.run`: benchmark, data version, policy, plan."""
    return {"benchmark": benchmark.name, "version": benchmark.version, "policy": policy.name, "plan": plan.id}


def _attempts(
    benchmark: Benchmark, policy: Policy, plan: Plan, tasks: Iterable[Task]
) -> Iterator[tuple[Conversation, CalmError | None]]:
    for task in tasks:
        start, begun, error = task.start.model_copy(update={"id": task.id}), time.perf_counter(), None
        try:
            transcript = converse(policy, benchmark.world(task), start, getattr(benchmark, "limits", plan.limits))
        except CalmError as caught:
            transcript, error = start.note(error=f"{type(caught).__name__}: {caught}"), caught
        seconds = round(time.perf_counter() - begun, 3)
        yield transcript.note(category=task.category, seconds=seconds), error


def _append(path: Path, transcript: Conversation) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            stream.write((dumps(to_row(transcript)) + "\n").encode("utf-8", "surrogatepass"))
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({error.strerror}); free some space or choose another folder"
        ) from error


def _drop_cut_line(path: Path) -> bool:
    """Take off a row that a kill left half written; a whole row that lacks only its line break gets it."""
    whole = path.read_bytes() if path.is_file() else b""
    end = whole.rfind(b"\n") + 1
    if end == len(whole):
        return False
    try:
        json.loads(whole[end:])
    except ValueError:
        os.truncate(path, end)
        return True
    with path.open("ab") as stream:
        stream.write(b"\n")
    return False


def _sealed(path: Path, seal: dict[str, JsonValue]) -> Iterator[Conversation]:
    for transcript in read(path):
        found = transcript.meta.get("run")
        if found != seal:
            raise UsageError(f"{path}: holds a run of {_spell(found)}, not of {_spell(seal)}; choose another folder")
        yield transcript


def _spell(seal: JsonValue) -> str:
    return ", ".join(f"{k} {v}" for k, v in seal.items()) if isinstance(seal, dict) else "something else"


def _latest(transcripts: Iterable[Conversation]) -> dict[str, Conversation]:
    """By task id; a task tried again counts as it ended the last time."""
    return {transcript.id: transcript for transcript in transcripts}


# --- judging -------------------------------------------------------------------------------------------------------


def grade_transcripts(benchmark: Benchmark, transcripts: Iterable[Conversation]) -> list[Verdict]:
    """One verdict per transcript, in their order; one with `meta.error` has failed with error type `error`.

    Raises:
        UsageError: a transcript answers no task of this benchmark.
    """
    tasks = {task.id: task for task in benchmark.tasks()}
    return [_verdict(benchmark, tasks, transcript) for transcript in transcripts]


def _verdict(benchmark: Benchmark, tasks: dict[str, Task], transcript: Conversation) -> Verdict:
    task = tasks.get(transcript.id)
    if task is None:
        raise UsageError(f"transcript {transcript.id!r} answers no task of {benchmark.name} ({benchmark.version})")
    if "error" in transcript.meta:
        return Verdict(id=task.id, category=task.category, valid=False, error_type="error")
    return benchmark.grade(task, transcript)


def replay(benchmark: Benchmark, tasks: Iterable[Task], policy_for: Callable[[Task], Policy]) -> list[Verdict]:
    """Verdicts of a policy made for each task, without files: gold gives the ceiling, silence the floor."""
    limits = getattr(benchmark, "limits", DEFAULT)
    return [benchmark.grade(t, converse(policy_for(t), benchmark.world(t), t.start, limits)) for t in tasks]


def bounds(benchmark: Benchmark, tasks: Sequence[Task]) -> dict[str, dict[str, Any]]:
    """What the gold policy (`ceiling`) and the silent policy (`floor`) score on these very tasks."""
    policies: dict[str, Callable[[Task], Policy]] = {
        "ceiling": lambda task: Gold(benchmark.gold(task)),
        "floor": lambda task: Silent(),
    }
    return {name: totals(benchmark, replay(benchmark, tasks, make)) for name, make in policies.items()}


def totals(benchmark: Benchmark, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Counts and intervals over all and by category, error types, and the benchmark's own averages."""
    return {
        "all": score.tally(verdicts),
        "categories": {name: score.tally(group) for name, group in score.by_category(verdicts).items()},
        "errors": score.errors(verdicts),
        "summary": dict(benchmark.summary(verdicts)),
    }


def judge(benchmark: Benchmark, folder: Path, command: str = "calm bench") -> dict[str, Any]:
    """Grade the transcripts of a folder; write `verdicts.jsonl`, `scores.json` and the manifest; return the scores.

    Raises:
        DataError: no transcripts there, or a row that cannot be read.
        UsageError: transcripts of another benchmark or data version.
    """
    path = folder / TRANSCRIPTS
    transcripts = list(_latest(read(path)).values())
    if not transcripts:
        raise DataError(path, "holds no transcript; run the benchmark first")
    seal = _one_seal(path, benchmark, transcripts)
    verdicts = grade_transcripts(benchmark, transcripts)
    everything = list(benchmark.tasks())
    judged = {verdict.id for verdict in verdicts}
    scores = {
        **{key: getattr(benchmark, key) for key in ("name", "protocol", "version", "note")},
        "policy": seal.get("policy"),
        "tasks": {"judged": len(judged), "in_benchmark": len(everything)},
        **totals(benchmark, verdicts),
        **bounds(benchmark, [task for task in everything if task.id in judged]),
    }
    write_jsonl(folder / VERDICTS, (verdict.model_dump(mode="json") for verdict in verdicts))
    write_json(folder / SCORES, scores)
    manifest(folder, command, seal, {TRANSCRIPTS: sha256(path)}, rows=len(verdicts))
    return scores


def _one_seal(path: Path, benchmark: Benchmark, transcripts: Sequence[Conversation]) -> dict[str, JsonValue]:
    seals = {dumps(t.meta.get("run")): t.meta.get("run") for t in transcripts}
    first = next(iter(seals.values()))
    if len(seals) > 1 or not isinstance(first, dict):
        raise UsageError(f"{path}: mixes {len(seals)} runs; judge one folder per run")
    if (first.get("benchmark"), first.get("version")) != (benchmark.name, benchmark.version):
        said = f"{benchmark.name} {benchmark.version}, protocol {benchmark.protocol}"
        raise UsageError(f"{path}: is a run of {_spell(first)}; this is {said}; never mixed")
    return first


# --- grading what others predicted ---------------------------------------------------------------------------------


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
    if name not in ROOMS:
        raise UsageError(f"no benchmark {name!r}; there are: {', '.join(ROOMS)}")
    room = importlib.import_module(f"calm.bench.{name}")
    chosen = protocol or room.PROTOCOLS[0]
    if chosen not in room.PROTOCOLS:
        raise UsageError(f"{name}: no protocol {chosen!r}; there are: {', '.join(room.PROTOCOLS)}")
    if _are_transcripts(predictions):
        return _grade_own(named(name, protocol), predictions)
    return room.grade_predictions(predictions, chosen)


class Board(NamedTuple):
    """A table of scores in a benchmark's own averages; the title says which version, and what is left out."""

    title: str
    rows: list[dict[str, Any]]


def board_of(name: str, path: Path, rows: Sequence[dict[str, Any]], protocol: str | None = None) -> Board | None:
    """What the rows that `grade_file` gave come to in the benchmark's own averages; None where it has no board."""
    if _are_transcripts(path):
        benchmark = named(name, protocol)
        found = benchmark.summary([Verdict.model_validate(row) for row in rows])
        return Board(
            f"{benchmark.version}, {benchmark.protocol}", [{"average": k, "value": v} for k, v in found.items()]
        )
    room = importlib.import_module(f"calm.bench.{name}")
    return Board(*room.board(rows, protocol or room.PROTOCOLS[0])) if rows and hasattr(room, "board") else None


def export_results(name: str, transcripts: Path, folder: Path, protocol: str | None = None) -> list[Path]:
    """Write the transcripts of `calm bench` as the result files of the benchmark's own harness; returns the files.

    Raises:
        UsageError: the benchmark has no such files, or the file holds no transcripts of the protocol.
    """
    room = importlib.import_module(f"calm.bench.{name}")
    if not hasattr(room, "export"):
        raise UsageError(f"{name}: has no result files of another harness; bfcl has")
    if not _are_transcripts(transcripts):
        raise UsageError(f"{transcripts}: holds no transcripts of calm bench; name its transcripts.jsonl")
    benchmark = named(name, protocol)
    _one_seal(transcripts, benchmark, list(read(transcripts)))
    return room.export(benchmark, transcripts, folder)


def _are_transcripts(path: Path) -> bool:
    if ".jsonl" not in path.name:
        return False
    _, first = next(read_jsonl(path), (0, {}))
    return isinstance(first.get("messages"), list) and "run" in from_row(first).meta


def _grade_own(benchmark: Benchmark, path: Path) -> Iterator[dict[str, Any]]:
    _one_seal(path, benchmark, list(read(path)))
    for verdict in grade_transcripts(benchmark, read(path)):
        yield verdict.model_dump(mode="json")
