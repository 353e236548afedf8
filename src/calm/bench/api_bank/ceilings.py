"""What the gold calls get, and what calls get that are wrong: a score means something only between the two."""

import itertools
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from calm.bench.api_bank import f1, fixed, grade, hammer, official, request, tasks
from calm.bench.api_bank.due import Due, Material, is_search, material
from calm.bench.api_bank.text import call_scores
from calm.conversation import Call
from calm.errors import DataError
from calm.files import read_json

REFUSAL = "I am sorry, I cannot do that."
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


def controls(golds: Sequence[Call]) -> dict[str, list[tuple[Call, ...]]]:
    """Answers that show how soft a metric is, a list per kind, in the order of the gold calls."""
    half = len(golds) // 2
    return {
        "gold": [(gold,) for gold in golds],
        "right API, no arguments": [(Call(name=gold.name, arguments={}),) for gold in golds],
        'all values "X"': [(Call(name=gold.name, arguments=dict.fromkeys(gold.arguments, "X")),) for gold in golds],
        "another sample's gold": [(other,) for other in [*golds[half:], *golds[:half]]],
        "a refusal": [() for _ in golds],
    }


def executed(folder: Path, protocol: str) -> dict[str, dict[int, float]]:
    """Share of right answers by control and level, by `official` or `fixed` (or `exact`); searches are left out.

    Answers are written as upstream writes gold: `[Name(key='value')]`.
    """
    golds = {task.id: Call.model_validate(task.gold) for task in tasks.read(folder)}
    data, judge = _any_judge(folder, protocol)
    found: dict[str, dict[int, float]] = {}
    for level in (1, 2, 3):
        names = [name for name in _of(level, golds) if not is_search(data.due[name])]
        for kind, answers in controls([golds[name] for name in names]).items():
            texts = [" ".join(map(bracketed, calls)) or REFUSAL for calls in answers]
            right = [judge(data.due[name], text) is None for name, text in zip(names, texts, strict=True)]
            found.setdefault(kind, {})[level] = sum(right) / len(right)
    return found


def _any_judge(folder: Path, protocol: str) -> tuple[Material, Judge]:
    if protocol != "exact":
        return judge_of(folder, protocol)
    known = {task.id: task for task in tasks.read(folder)}

    def judge(due: Due, output: str) -> str | None:
        return grade.judge(known[due.id], request.parse_requests(output), output).error_type

    return material(folder), judge


def bracketed(call: Call) -> str:
    """A call as upstream writes it."""
    inside = ", ".join(f"{key}='{value}'" for key, value in call.arguments.items())
    return f"[{call.name}({inside})]"


def fenced(calls: Sequence[Call]) -> str:
    """Calls as Hammer's files have them, a list in a fence."""
    return f"```\n{grade.written(calls)}\n```"


def texts(golds: Sequence[str]) -> dict[str, dict[str, float]]:
    """Means of the text metrics and F1 by control, over gold texts of Hammer's files; metrics 0 to 100, F1 0 to 1."""
    calls = [Call.model_validate(item) for gold in golds for item in itertools.islice(f1.calls(gold) or [], 1)]
    found = {}
    for kind, answers in controls(calls).items():
        said = [fenced(answer) if answer else REFUSAL for answer in answers]
        rows = [call_scores(text, gold) for text, gold in zip(said, golds, strict=True)]
        means = {key: sum(row[key] for row in rows) / len(rows) for key in hammer.METRICS}
        both = f1.f1([f1.counts(text, gold) for text, gold in zip(said, golds, strict=True)])
        found[kind] = means | {key: both[key] for key in ("api_f1", "param_f1")}
    return found
