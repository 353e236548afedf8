"""BFCL, single turn, Python: the Berkeley Function-Calling Leaderboard of the CALM paper (V3) and of today (V4).

`tasks` reads the data out of the published wheel, `decode` reads model output as the official decoders do, `grade` is
the official AST checker. README.md lists upstream commits, deviations and what is not covered.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from calm.bench import Task, Verdict
from calm.bench.bfcl import averages, tasks, versions
from calm.bench.bfcl.grade import error_of
from calm.bench.bfcl.predictions import PROTOCOLS, board, grade_predictions
from calm.conversation import Assistant, Call, Conversation, Garbled, Message, Step

__all__ = ["BFCL", "PROTOCOLS", "Silence", "board", "grade_predictions"]


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
        self._version = versions.named(version)
        self.version = self._version.label

    def tasks(self) -> Iterator[Task]:
        """Every covered item, in upstream's order; HubError when the wheel cannot be had."""
        return iter(tasks.tasks(self._version.name))

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
        return averages.summary(self._version.board, verdicts)


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
