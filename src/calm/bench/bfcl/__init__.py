"""BFCL, the Berkeley Function-Calling Leaderboard: of the CALM paper (V3, February 2025), of June 2025, and V4.

`versions` says what belongs together, `tasks` and `entries` read the data out of the published wheel, `decode` reads
model output as the official decoders do, `grade` is the AST checker and `multi_turn` the other one, `world` lets a
model act in the simulated APIs, `generate` prompts as upstream does. README.md lists deviations and ceilings.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from calm.bench import Benchmark, Task, Verdict
from calm.bench.bfcl import averages, entries, tasks, versions, world
from calm.bench.bfcl.generate import Official, export, silence
from calm.bench.bfcl.grade import error_of
from calm.bench.bfcl.multi_turn import Entry
from calm.bench.bfcl.predictions import NATIVE, NATIVES, PROTOCOLS, board, grade_predictions
from calm.conversation import Assistant, Call, Conversation, Garbled, Message
from calm.world import World

__all__ = ["BFCL", "GENERATES", "PROTOCOLS", "Official", "board", "export", "generating", "grade_predictions"]

GENERATES = (*versions.VERSIONS, *NATIVES[1:])
"""Protocols beside `native` by which a model can be run: BFCL's own of each version, and ours on each one's data."""


def generating(protocol: str) -> Benchmark:
    """The benchmark of one of `GENERATES`."""
    own = protocol.removeprefix(f"{NATIVE}-")
    return Official(protocol) if own == protocol else BFCL(own)


class BFCL:
    """Tool calling in our own call format, graded by the official checkers: on names and arguments, or on effects."""

    name = "bfcl"
    limits = world.LIMITS
    note = (
        "our own tool-call format, so not comparable with leaderboard rows, which are prompted and decoded "
        "differently; an unreadable call is wrong everywhere in single turn, also in irrelevance"
    )

    def __init__(self, version: str = "v3") -> None:
        """Choose the version: `v3` (the paper's), `v4` or a full name; UsageError for anything else."""
        self.data = versions.named(version)
        usual = self.data.name == versions.SHORT["v3"]
        self.protocol = NATIVE if usual else f"{NATIVE}-{self.data.name}"
        self.version = self.data.label

    def tasks(self) -> Iterator[Task]:
        """Every covered item, single-turn ones first; HubError when the wheel cannot be had."""
        yield from tasks.tasks(self.data.name)
        yield from (world.task(entry, self.data) for entry in entries.entries(self.data.name).values())

    def world(self, task: Task) -> World:
        """The simulated APIs and the user of a multi-turn item; nobody for the others: their first step is judged."""
        entry = _entry(task)
        return world.Trajectory(entry, self.data) if entry else silence

    def gold(self, task: Task) -> Conversation:
        """The first allowed value of every parameter; four truths reject any answer, so the ceiling is below 1."""
        if entry := _entry(task):
            return world.gold(entry, self.data, task.start)
        docs, truth = _parts(task)
        made = tasks.answer(task.category, docs, truth)
        calls = tuple(Call(name=n, arguments=a, id=f"call_{i}") for i, c in enumerate(made) for n, a in c.items())
        return task.start.add(Assistant(calls=calls) if calls else Assistant(text="None of the functions fits."))

    def grade(self, task: Task, transcript: Conversation) -> Verdict:
        """The official check: of a multi-turn item's calls, else of the first step, where Garbled is always wrong."""
        said = transcript.messages[len(task.start.messages) :]
        entry = _entry(task)
        error = world.error_of(entry, said, self.data) if entry else _single(task, said[:1])
        return Verdict(id=task.id, category=task.category, valid=error is None, error_type=error)

    def summary(self, verdicts: Sequence[Verdict]) -> Mapping[str, Any]:
        """The version's averages (None while parts are missing), the official overall, and what was not run."""
        return averages.summary(self.data.board, verdicts)

    def quoted(self, verdicts: Sequence[Verdict]) -> Mapping[str, Any]:
        """What a card quotes: V3's averages are those of June 2025, whose overall has no executable categories."""
        return averages.summary("v4" if self.data.board == "v4" else "v3", verdicts)


def _entry(task: Task) -> Entry | None:
    gold: Any = task.gold
    return Entry(**gold) if task.category in averages.MULTI_TURN else None


def _single(task: Task, said: Sequence[Message]) -> str | None:
    docs, truth = _parts(task)
    return "garbled" if _garbled(said) else error_of(task.category, docs, truth, _called(said))


def _parts(task: Task) -> tuple[Any, Any]:
    gold: Any = task.gold
    return gold["docs"], gold["truth"]


def _garbled(said: Sequence[Message]) -> bool:
    return not said or isinstance(said[0], Garbled)


def _called(said: Sequence[Message]) -> list[dict[str, dict[str, JsonValue]]]:
    return [{call.name: call.arguments} for step in said if isinstance(step, Assistant) for call in step.calls]
