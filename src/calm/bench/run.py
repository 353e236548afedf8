"""Running a benchmark: a policy works through the tasks, and each transcript is on disk as soon as it is finished.

`run` appends one transcript a line to `transcripts.jsonl`, so a killed run goes on where it stopped; `judge` reads them
back. With a policy that is `concurrent` several tasks can be under way at once; no verdict depends on their order.
"""

import fnmatch
import hashlib
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, JsonValue

from calm.agent import Limits, converse
from calm.bench import Benchmark, Task
from calm.bench.parallel import unordered
from calm.bench.transcripts import TRANSCRIPTS, Log, Seal, drop_cut_line, latest, sealed
from calm.conversation import Conversation
from calm.errors import CalmError, UsageError
from calm.policy import Policy
from calm.policy.endpoint import Unreachable
from calm.recipe import Recipe, digest

HOPELESS = 5
"""Failures before a run gives up: of all tasks at the very start, or in a row because the server is out of reach."""


class Plan(Recipe):
    """What is asked of a model: how many tasks, which sample, where a conversation is cut, and its own settings.

    `only` are patterns of categories (`live_*`), all by default. `concurrency` tasks are under way at once, and none is
    begun after `budget` tokens.
    """

    limit: int | None = Field(default=None, ge=1)
    only: tuple[str, ...] = ()
    sample_seed: int = 0
    limits: Limits = Limits()
    model: dict[str, JsonValue] = Field(default_factory=dict)
    concurrency: int = Field(default=1, ge=1)
    budget: int | None = Field(default=None, ge=1)

    @property
    def id(self) -> str:
        """Identity of the run apart from its size and speed: other categories or a larger limit add to it."""
        return digest(self.model_dump(mode="json", exclude={"limit", "only", "concurrency", "budget"}))


EVERYTHING = Plan()


class Ran(NamedTuple):
    """What a run did: tasks chosen, transcripts already there, new ones, errors among these, a cut line dropped."""

    tasks: int
    kept: int
    new: int
    errors: int
    cut: bool

    @property
    def left(self) -> int:
        """Tasks that the budget did not reach."""
        return self.tasks - self.kept - self.new


class Attempt(NamedTuple):
    """A finished conversation, and the error that ended it if one did."""

    transcript: Conversation
    error: CalmError | None


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
        UsageError: the folder holds transcripts of another benchmark, model or plan, or the policy cannot do what the
            plan asks.
        CalmError: the first `HOPELESS` tasks all failed, or as many in a row found no server; the last one's error.
    """
    affordable = _affordable(policy, plan)
    tasks = sample(chosen(benchmark, plan.only), plan.limit, plan.sample_seed)
    policy = getattr(benchmark, "speaker", _itself)(policy)
    path, seal = folder / TRANSCRIPTS, seal_of(benchmark, policy, plan)
    cut = drop_cut_line(path)
    before = latest(sealed(path, seal)) if path.is_file() else {}
    fresh = [t for t in tasks if t.id not in before]
    again = [t for t in tasks if t.id in before and "error" in before[t.id].meta]
    kept, watch = len(tasks) - len(fresh) - len(again), _Watch(len(fresh))

    def work(task: Task) -> Attempt | None:
        if not affordable():
            return None
        made = attempt(benchmark, policy, plan, task)
        log.add(made.transcript)
        return made

    with Log(path, seal) as log, unordered(work, [*fresh, *again], plan.concurrency) as attempts:
        for made in filter(None, attempts):
            watch.see(made.error)
            progress(kept + watch.seen, len(tasks), made.transcript)
            watch.give_up(made.error)
    return Ran(len(tasks), kept, watch.seen, watch.errors, cut)


class _Watch:
    """Counts attempts and errors as they come in, and knows when there is no use in going on."""

    def __init__(self, fresh: int) -> None:
        self.seen = self.errors = self.away = 0
        self._fresh = fresh

    def see(self, error: CalmError | None) -> None:
        self.seen += 1
        self.errors += error is not None
        self.away = self.away + 1 if isinstance(error, Unreachable) else 0

    def give_up(self, error: CalmError | None) -> None:
        never = self.errors == self.seen == HOPELESS < self._fresh
        if error is not None and (never or self.away == HOPELESS):
            raise error


def _affordable(policy: Policy, plan: Plan) -> Callable[[], bool]:
    """Whether another task may be begun; refuses a plan that this policy cannot follow."""
    if plan.concurrency > 1 and not getattr(policy, "concurrent", False):
        one = f"{policy.name}: answers one conversation at a time"
        raise UsageError(f"{one}; --concurrency is for openai:MODEL@URL and for local models")
    budget, spent = plan.budget, getattr(policy, "spent", None)
    if budget is None:
        return lambda: True
    if spent is None:
        raise UsageError(f"{policy.name}: costs no tokens; --budget is for openai:MODEL@URL")
    return lambda: spent() < budget


def _itself(policy: Policy) -> Policy:
    return policy


def attempt(benchmark: Benchmark, policy: Policy, plan: Plan, task: Task) -> Attempt:
    """One task from its start to its end, a CalmError on the way being an end too; category and seconds in `meta`."""
    start, begun, error = task.start.model_copy(update={"id": task.id}), time.perf_counter(), None
    try:
        transcript = converse(policy, benchmark.world(task), start, getattr(benchmark, "limits", plan.limits))
    except CalmError as caught:
        transcript, error = start.note(error=f"{type(caught).__name__}: {caught}"), caught
    seconds = round(time.perf_counter() - begun, 3)
    return Attempt(transcript.note(category=task.category, seconds=seconds), error)


def chosen(benchmark: Benchmark, only: Sequence[str]) -> list[Task]:
    """The tasks of the categories that one of the patterns means; all without patterns.

    Raises:
        UsageError: a pattern means no category; lists those there are.
    """
    tasks = list(benchmark.tasks())
    categories = dict.fromkeys(task.category for task in tasks)
    for pattern in only:
        if not fnmatch.filter(categories, pattern):
            raise UsageError(f"{benchmark.name}: no category {pattern!r}; there are: {', '.join(categories)}")
    return [t for t in tasks if not only or any(fnmatch.fnmatchcase(t.category, pattern) for pattern in only)]


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


def seal_of(benchmark: Benchmark, policy: Policy, plan: Plan) -> Seal:
    """What every transcript of one run shares, stored as `meta.run`: benchmark, version, policy, plan, settings."""
    asked: Seal = {"plan": plan.id, "settings": plan.model}
    return {"benchmark": benchmark.name, "version": benchmark.version, "policy": policy.name, **asked}
