"""What the gold calls get, and what calls get that are wrong: a score means something only between the two."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from calm.bench.api_bank import controls, fixed, grade, official, request, tasks
from calm.bench.api_bank.due import Due, Material, is_search, material
from calm.conversation import Call
from calm.errors import DataError
from calm.files import read_json

Judge = Callable[[Due, str], str | None]


class Ceiling(NamedTuple):
    """Of a level: the calls due, the gold ones judged right, and those that might be with upstream's search model."""

    right: frozenset[str]
    hoped: frozenset[str]
    names: tuple[str, ...]

    @property
    def samples(self) -> int:
        """How many calls are due."""
        return len(self.names)

    @property
    def share(self) -> float:
        """The share of gold calls judged right."""
        return len(self.right) / self.samples

    @property
    def most(self) -> float:
        """The share that it could be with upstream's search model, and no more."""
        return len(self.right | self.hoped) / self.samples

    @property
    def calls(self) -> dict[str, set[str]]:
        """The calls of each demand, or dialogue."""
        found: dict[str, set[str]] = {}
        for name in self.names:
            found.setdefault(demand(name), set()).add(name)
        return found

    def demands(self, right: Collection[str]) -> float:
        """The share of demands of which all calls are among the right ones."""
        return sum(calls <= set(right) for calls in self.calls.values()) / len(self.calls)


def demand(name: str) -> str:
    """The demand, or dialogue, that a call belongs to."""
    return name.rpartition("/")[0]


@lru_cache(maxsize=8)
def judge_of(folder: Path, protocol: str) -> tuple[Material, Judge]:
    """The material and the judge of `official` or `fixed`."""
    data = material(folder)
    if protocol == "official":
        return data, lambda due, output: official.judge(data, due, output)
    found = fixed.finders(data, described(folder).values())
    return data, lambda due, output: fixed.judge(data, found, due, output)


@lru_cache(maxsize=2)
def described(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """The descriptions of APIs that the instructions of level 1 hold, which are those of upstream's code today."""
    path = folder / "test-data" / tasks.FILES["level-1"]
    found: dict[str, Mapping[str, Any]] = {}
    for number, row in enumerate(read_json(path), 1):
        try:
            lines = [json.loads(line) for line in row["instruction"].split("\n") if line.startswith("{")]
            found |= {tool["name"]: tool for tool in lines}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(path, f"holds no descriptions of APIs ({error!r})", number) from error
    return found


@lru_cache(maxsize=8)
def ceiling(folder: Path, protocol: str) -> Mapping[int, Ceiling]:
    """By level, what the official gold texts get; `exact` takes them all."""
    golds = tasks.texts(folder, tasks.FILES)
    if protocol == "exact":
        return {
            level: Ceiling(frozenset(_of(level, golds)), frozenset(), tuple(_of(level, golds))) for level in (1, 2, 3)
        }
    data, judge = judge_of(folder, protocol)
    found = {}
    for level in (1, 2, 3):
        ids = [name for name in _of(level, golds) if protocol == "official" or not data.due[name].again]
        errors = {name: judge(data.due[name], golds[name]) for name in ids}
        right = frozenset(name for name, error in errors.items() if error is None)
        unsure = (name for name, error in errors.items() if error == "NEEDS_MODEL")
        hoped = frozenset(name for name in unsure if _matches(data.due[name], folder))
        found[level] = Ceiling(right, hoped, tuple(ids))
    return found


def _of(level: int, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(f"level-{level}/")]


def _matches(due: Due, folder: Path) -> bool:
    """Whether today's descriptions can give the stored result of a search at all; those of level 3 never changed."""
    if due.level == 3:
        return True
    tools = due.gold.output if isinstance(due.gold.output, list) else [due.gold.output]
    return is_search(due) and all(described(folder).get(tool["name"]) == tool for tool in tools)


# --- controls ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def executed(folder: Path, protocol: str, searches: bool = False) -> Mapping[str, Mapping[int, float]]:
    """Share of right answers by control and level, by `official`, `fixed` or `exact`; searches only if asked for.

    Answers are written as upstream writes gold: `[Name(key='value')]`.
    """
    golds = {task.id: Call.model_validate(task.gold) for task in tasks.known(folder).values()}
    data, judge = _any_judge(folder, protocol)
    found: dict[str, dict[int, float]] = {}
    for level in (1, 2, 3):
        names = [name for name in _of(level, golds) if searches or not is_search(data.due[name])]
        for kind, answers in controls.answers([golds[name] for name in names]).items():
            texts = [controls.bracketed(calls) for calls in answers]
            right = [judge(data.due[name], text) is None for name, text in zip(names, texts, strict=True)]
            found.setdefault(kind, {})[level] = sum(right) / len(right)
    return found


def _any_judge(folder: Path, protocol: str) -> tuple[Material, Judge]:
    if protocol != "exact":
        return judge_of(folder, protocol)
    known = tasks.known(folder)

    def judge(due: Due, output: str) -> str | None:
        return grade.counted(known[due.id], request.parse_requests(output))[0]

    return material(folder), judge
