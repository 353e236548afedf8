"""Judging what a run left: verdicts, scores with intervals, and the bounds between which a score means something.

A pure function of transcripts and task data: judging again, in any order, gives the same `scores.json`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calm.agent import DEFAULT, converse
from calm.bench import Benchmark, Task, Verdict, answers, score
from calm.bench.answers import ANSWERS
from calm.bench.transcripts import TRANSCRIPTS, latest, one_seal
from calm.conversation import Conversation, read
from calm.errors import DataError, UsageError
from calm.files import sha256, write_json, write_jsonl
from calm.policy import Policy
from calm.policy.scripted import Gold, Silent
from calm.recipe import manifest

VERDICTS, SCORES = "verdicts.jsonl", "scores.json"


def grade_transcripts(benchmark: Benchmark, transcripts: Iterable[Conversation]) -> list[Verdict]:
    """One verdict per transcript, in their order; one with `meta.error` has failed with error type `error`.

    Raises:
        UsageError: a transcript answers no task of this benchmark.
    """
    tasks = {task.id: task for task in benchmark.tasks()}
    return [_verdict(benchmark, tasks, transcript) for transcript in transcripts]


def _verdict(benchmark: Benchmark, tasks: Mapping[str, Task], transcript: Conversation) -> Verdict:
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


def controls(benchmark: Benchmark, tasks: Sequence[Task]) -> dict[str, dict[str, Any]]:
    """What the benchmark's own controls score on these very tasks, by name; nothing where it has none."""
    answers: Callable[[Sequence[Task]], Mapping[str, Sequence[Conversation]]] = getattr(
        benchmark, "controls", lambda tasks: {}
    )
    return {
        name: totals(benchmark, [benchmark.grade(task, said) for task, said in zip(tasks, transcripts, strict=True)])
        for name, transcripts in answers(tasks).items()
    }


def totals(benchmark: Benchmark, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Counts and intervals over all and by category, error types, and the benchmark's own averages."""
    return {
        "all": score.tally(verdicts),
        "categories": {name: score.tally(group) for name, group in score.by_category(verdicts).items()},
        "errors": score.errors(verdicts),
        "summary": dict(benchmark.summary(verdicts)),
    }


def scored(benchmark: Benchmark, tasks: Sequence[Task], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Totals, the bootstrap interval of each average (`intervals`), ceiling, floor and `controls` on the same tasks."""
    return {
        **totals(benchmark, verdicts),
        "intervals": score.intervals(benchmark, verdicts),
        **bounds(benchmark, tasks),
        "controls": controls(benchmark, tasks),
    }


def averages(scores: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The benchmark's own averages as rows of a table: value, interval, what silence and gold get."""
    return [
        {
            "average": name,
            "value": value,
            "95 %": "[{:.3f}, {:.3f}]".format(*scores["intervals"][name]) if name in scores["intervals"] else "",
            **{key: scores[key]["summary"].get(name, "") for key in ("floor", "ceiling")},
        }
        for name, value in scores["summary"].items()
        if isinstance(value, int | float)
    ]


def beside(scores: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the controls get in the same averages, a column for each; no rows where there are no controls."""
    found = {kind: totals["summary"] for kind, totals in scores["controls"].items()}
    names = [name for name, value in scores["summary"].items() if isinstance(value, int | float)]
    return [{"average": name, **{kind: found[kind].get(name, "") for kind in found}} for name in names if found]


def judge(benchmark: Benchmark, folder: Path, command: str = "calm bench") -> dict[str, Any]:
    """Grade the transcripts (or published answers) of a folder; write verdicts, scores and manifest; return the scores.

    Verdicts stand in the benchmark's order, whatever the order of the transcripts.

    Raises:
        DataError: no transcripts there, or a row that cannot be read.
        UsageError: transcripts of another benchmark or data version.
    """
    path, transcripts = transcripts_of(benchmark, folder)
    if not transcripts:
        raise DataError(path, "holds no transcript; run the benchmark first")
    seal = one_seal(path, benchmark, transcripts)
    everything = list(benchmark.tasks())
    judged = {verdict.id: verdict for verdict in grade_transcripts(benchmark, transcripts)}
    tasks = [task for task in everything if task.id in judged]
    verdicts = [judged[task.id] for task in tasks]
    scores = {
        **{key: getattr(benchmark, key) for key in ("name", "protocol", "version", "note")},
        "policy": seal.get("policy"),
        "tasks": {"judged": len(verdicts), "in_benchmark": len(everything)},
        **scored(benchmark, tasks, verdicts),
    }
    write_jsonl(folder / VERDICTS, (verdict.model_dump(mode="json") for verdict in verdicts))
    write_json(folder / SCORES, scores)
    manifest(folder, command, seal, {path.name: sha256(path)}, rows=len(verdicts))
    return scores


def transcripts_of(benchmark: Benchmark, folder: Path) -> tuple[Path, list[Conversation]]:
    """The file of a run and its transcripts, of a task tried again the last: as they were, or played from answers."""
    path = folder / ANSWERS
    if path.is_file():
        return path, list(answers.read(benchmark, path))
    return folder / TRANSCRIPTS, list(latest(read(folder / TRANSCRIPTS)).values())
