"""Benchmarks: tasks, a world and a pure grade. One room each (`toy`, `bfcl`, `api_bank`, `multiwoz`), four files each.

The room `rows` makes a benchmark of any dataset's held-out rows.

Generation (`run`) and judging (`judge`, and `grade` for files of others) are apart: a transcript is a Conversation on
disk that can be judged again at any time with the same verdict; `score` counts and compares. Test data are read here
and nowhere else; `data` cannot see this room.
"""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pydantic import Field, JsonValue

from calm.conversation import Conversation, Noun
from calm.errors import UsageError
from calm.world import World


class Task(Noun):
    """One item: where the conversation starts and what would be right (`gold`, in the benchmark's own form)."""

    id: str
    category: str
    start: Conversation
    gold: JsonValue = None


class Verdict(Noun):
    """What the grader says of one transcript: right or not, why not, graded figures (`scores`: 0 to 1, or counts)."""

    id: str
    category: str
    valid: bool
    error_type: str | None = None
    scores: dict[str, float] = Field(default_factory=dict)


class Benchmark(Protocol):
    """Where a model is judged. `grade` is a pure function of task and transcript: no model, no clock, no order.

    One may also have `limits`, where its rules (and not the run's) say when a conversation is cut, `speaker(policy)`,
    which puts its own prompts and its own reading between conversation and model, and `controls(tasks)`: by kind, a
    transcript for each task that a good metric gives nothing for.
    """

    name: str
    protocol: str
    version: str
    note: str

    def tasks(self) -> Iterable[Task]:
        """Every task, in a fixed order; a DataError or HubError says which data are not at hand and how to get them."""
        ...

    def world(self, task: Task) -> World:
        """A fresh world for one task."""
        ...

    def gold(self, task: Task) -> Conversation:
        """The transcript of a perfect model: the ceiling is what it scores."""
        ...

    def grade(self, task: Task, transcript: Conversation) -> Verdict:
        """The verdict on one transcript."""
        ...

    def summary(self, verdicts: Sequence[Verdict]) -> Mapping[str, Any]:
        """Scores in the benchmark's own averaging, as `{metric: value}`; shares are 0 to 1.

        Averages are floats and get bootstrap intervals, so this is called a thousand times; counts are whole numbers.
        """
        ...


ROOMS = {"toy": "Toy", "bfcl": "BFCL", "api_bank": "APIBank", "multiwoz": "MultiWOZ"}
"""Module below this one, and its Benchmark; named by string, so that no room is seen from here or from another."""


def named(name: str, protocol: str | None = None) -> Benchmark:
    """The benchmark of that name, as a protocol other than its usual one has models speak and be judged.

    The name may be the path of a dataset, for its held-out rows.

    Raises:
        UsageError: no such benchmark, or none that generates by this protocol; lists those there are.
    """
    if name not in ROOMS:
        return _of_rows(name, protocol)
    room = importlib.import_module(f"calm.bench.{name}")
    usual = getattr(room, ROOMS[name])()
    if protocol in (None, usual.protocol):
        return usual
    others = getattr(room, "GENERATES", ())
    if protocol not in others:
        there = ", ".join((usual.protocol, *others))
        raise UsageError(f"{name}: generates by no protocol {protocol!r}; there are: {there}")
    return room.generating(protocol)


def _of_rows(path: str, protocol: str | None) -> Benchmark:
    if not Path(path).exists():
        raise UsageError(f"no benchmark {path!r}; there are: {', '.join(ROOMS)}, and no dataset's folder is called so")
    room = importlib.import_module("calm.bench.rows")
    if protocol not in (None, room.Rows.protocol):
        raise UsageError(f"{path}: rows are judged by no protocol {protocol!r}; there is: {room.Rows.protocol}")
    return room.Rows(Path(path))
