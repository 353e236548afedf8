"""Held-out rows of one's own dataset as a benchmark: every step of every row, asked for where the row's own past ends.

What training compares by loss, this compares by what would be done: `calm bench out/calm-short --model ...`. Choosing
between runs here, and not on the public benchmarks, leaves these untouched until the end.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from calm.bench import Task, Verdict
from calm.bench.rows.grade import due, grade, step_of
from calm.bench.score import by_category, tally
from calm.conversation import Assistant, Conversation, Message, Observation, Step, User, read
from calm.errors import DataError, UsageError

HELD_OUT = ("held_out.parquet", "held_out.jsonl")


def file_of(path: Path) -> Path:
    """The held-out rows of a dataset's folder, or the file itself.

    Raises:
        UsageError: a folder without held-out rows.
    """
    if not path.is_dir():
        return path
    found = next((path / name for name in HELD_OUT if (path / name).is_file()), None)
    if found is None:
        remedy = "build it with `held_out` in its recipe, or name a file of conversations"
        raise UsageError(f"{path}: holds neither {' nor '.join(HELD_OUT)}; {remedy}")
    return found


def silence(conversation: Conversation, step: Step) -> Sequence[Message]:
    """Nobody answers: the episode is one step."""
    return ()


class Rows:
    """One task a step of a row: `call`, `calls` (several at once), `answer` (after results) or `text` (no call is due).

    The version is the hash of the file, so that transcripts of other rows are refused.
    """

    protocol = "replay"
    note = "single steps after the row's own past; a call is right when equal, a text when nothing is called"

    def __init__(self, path: Path) -> None:
        self.path = file_of(path)
        self.name = f"rows-{(path if path.is_dir() else path.with_suffix('')).resolve().name}"
        self._tasks = list(_tasks(self.path))
        if not self._tasks:
            raise DataError(self.path, "holds no step to judge: no assistant message after a user's or a tool's")
        self.version = hashlib.sha256("".join(task.model_dump_json() for task in self._tasks).encode()).hexdigest()[:12]

    def tasks(self) -> Iterator[Task]:
        """Every step, in the order of the rows."""
        return iter(self._tasks)

    def world(self, task: Task) -> Any:
        """Nobody."""
        return silence

    def gold(self, task: Task) -> Conversation:
        """The step as the row has it."""
        return task.start.add(step_of(task))

    def grade(self, task: Task, transcript: Conversation) -> Verdict:
        """Exactly the due calls in any order; where none is due, none."""
        return grade(task, transcript)

    def summary(self, verdicts: Sequence[Verdict]) -> Mapping[str, Any]:
        """Shares by category and their mean, `tool` (right names, where calls are due) and the count of Garbled."""
        shares = {name: tally(group)["share"] for name, group in by_category(verdicts).items()}
        named = [verdict.scores["tool"] for verdict in verdicts if "tool" in verdict.scores]
        return {
            "mean": sum(shares.values()) / len(shares) if shares else 0.0,
            **shares,
            "tool": sum(named) / len(named) if named else 0.0,
            "garbled": sum(verdict.error_type == "garbled" for verdict in verdicts),
        }


def _tasks(path: Path) -> Iterator[Task]:
    for number, row in enumerate(read(path), 1):
        for place in row.steps:
            step, before = row.messages[place], row.messages[place - 1] if place else None
            if isinstance(step, Assistant) and isinstance(before, User | Observation):
                users = sum(isinstance(message, User) for message in row.messages[:place])
                start = row.upto(place).model_copy(update={"state": row.state[:users], "meta": {}})
                gold = step.model_dump(mode="json")
                yield Task(id=f"{number}:{row.id}#{place}", category=due(step, before), start=start, gold=gold)
