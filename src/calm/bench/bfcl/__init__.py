"""BFCL, single turn, Python: the Berkeley Function-Calling Leaderboard of the CALM paper (V3) and of today (V4).

`tasks` reads the data out of the published wheel, `decode` reads model output as the official decoders do, `grade` is
the official AST checker. README.md lists upstream commits, deviations and what is not covered.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from calm.bench import Task, Verdict
from calm.bench.bfcl import tasks
from calm.bench.bfcl.grade import error_of
from calm.bench.bfcl.predictions import grade_predictions
from calm.bench.score import by_category, tally
from calm.conversation import Assistant, Call, Conversation, Garbled, Message, Step
from calm.errors import UsageError

__all__ = ["BFCL", "PROTOCOLS", "Silence", "averages", "grade_predictions"]

PROTOCOLS = ("v4-2026-03", "v3-2025-02", "native")


class BFCL:
    """Single-turn tool calling in our own call format, graded by the official checker on names and arguments."""

    name = "bfcl"
    protocol = "native"
    note = (
        "single-turn Python categories only; our own tool-call format, so not comparable with leaderboard rows, "
        "which are prompted and decoded differently; an unreadable call is wrong everywhere, also in irrelevance"
    )

    def __init__(self, version: str = "v3") -> None:
        """Choose the data: `v3` (the paper's) or `v4`; UsageError for anything else."""
        if version not in tasks.RELEASES:
            raise UsageError(f"bfcl: no version {version!r}; there are: {', '.join(tasks.RELEASES)}")
        self._data = version
        self.version = f"bfcl-{version} ({tasks.source(version)})"

    def tasks(self) -> Iterator[Task]:
        """Every covered item, in upstream's order; HubError when the wheel cannot be had."""
        return iter(tasks.tasks(self._data))

    def world(self, task: Task) -> "Silence":
        """Nobody answers: the first step is the answer."""
        return Silence()

    def gold(self, task: Task) -> Conversation:
        """The first allowed value of every parameter; four truths reject any answer, so the ceiling is below 1."""
        docs, truth = _parts(task)
        made = tasks.answer(task.category, docs, truth)
        calls = tuple(Call(name=n, arguments=a, id=f"call_{i}") for i, c in enumerate(made) for n, a in c.items())
        return task.start.add(Assistant(calls=calls) if calls else Assistant(text="None of the functions fits."))

    def grade(self, task: Task, transcript: Conversation) -> Verdict:
        """The official check of the first step after the start; a Garbled step is wrong in every category."""
        docs, truth = _parts(task)
        said = transcript.messages[len(task.start.messages) :][:1]
        error = "garbled" if _garbled(said) else error_of(task.category, docs, truth, _called(said))
        return Verdict(id=task.id, category=task.category, valid=error is None, error_type=error)

    def summary(self, verdicts: Sequence[Verdict]) -> Mapping[str, Any]:
        """Upstream's averages as far as their parts were run (None otherwise), and the categories that were not."""
        return averages(verdicts)


class Silence:
    """A world that says nothing, so an episode is one step."""

    def __call__(self, conversation: Conversation, step: Step) -> Sequence[Message]:
        """Nothing."""
        return ()


def _parts(task: Task) -> tuple[Any, Any]:
    gold: Any = task.gold
    return gold["docs"], gold["truth"]


def _garbled(said: Sequence[Message]) -> bool:
    return not said or isinstance(said[0], Garbled)


def _called(said: Sequence[Message]) -> list[dict[str, dict[str, JsonValue]]]:
    return [{call.name: call.arguments} for step in said if isinstance(step, Assistant) for call in step.calls]


def averages(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Upstream's averages: non-live unweighted over categories, live weighted by rows, irrelevance unweighted.

    `overall` stays None while whole parts of the benchmark are not covered.
    """
    groups = by_category(verdicts)
    parallel = ("parallel", "parallel_multiple")
    live = [f"live_{name}" for name in ("simple", "multiple", *parallel)]
    return {
        "non_live_ast": _mean(groups, ("simple", "multiple", *parallel)),
        "live_ast": _weighted(groups, live),
        "live": _weighted(groups, [*live, "live_irrelevance", "live_relevance"]),
        "irrelevance": _mean(groups, ("irrelevance", "live_irrelevance")),
        "relevance": _mean(groups, ("live_relevance",)),
        "overall": None,
        "garbled": sum(verdict.error_type == "garbled" for verdict in verdicts),
        "not_run": [*(name for name in tasks.CATEGORIES if name not in groups), *tasks.NOT_RUN],
    }


def _mean(groups: Mapping[str, list[Verdict]], names: Sequence[str]) -> float | None:
    if any(name not in groups for name in names):
        return None
    return sum(tally(groups[name])["share"] for name in names) / len(names)


def _weighted(groups: Mapping[str, list[Verdict]], names: Sequence[str]) -> float | None:
    if any(name not in groups for name in names):
        return None
    return tally(verdict for name in names for verdict in groups[name])["share"]
