"""Which call is due where, with the recorded answers: the dialogues of levels 1 and 2, the demands of level 3.

A dialogue gives samples as upstream's evaluator makes them: every API line is sample 2k, and what follows it 2k + 1.
Where another API line follows, its call is due twice (`again`): 10 of the 399 of level 1, 16 of the 135 of level 2.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from calm.bench.api_bank.apis import API, APIS, SEARCH, Answer, State, initial, level3, recorded
from calm.errors import DataError
from calm.files import read_json, read_jsonl

FOLDERS = {1: "level-1-given-desc", 2: "level-2-toolsearcher"}


class Due(NamedTuple):
    """A call that is due: the recorded answer to it, those before it in the dialogue, whether it was due already."""

    id: str
    level: int
    gold: Answer
    earlier: tuple[Answer, ...]
    again: bool


class Material(NamedTuple):
    """All that a verdict needs: what is due by sample id, the APIs of each level, the initial databases."""

    due: Mapping[str, Due]
    apis: Mapping[int, Mapping[str, API]]
    initial: Mapping[str, Any]

    def state(self) -> State:
        """A fresh world."""
        return State(self.initial)


@lru_cache(maxsize=2)
def material(folder: Path) -> Material:
    """The material below the corpus folder, read once.

    Raises:
        DataError: a file is missing, or a row is not in the official form; names file and row.
    """
    due = {item.id: item for level in FOLDERS for item in _dialogues(folder, level)}
    third = {item.id: item for item in _demands(folder / "test-data" / "level-3.json")}
    last = level3.apis(item.gold for item in third.values())
    return Material(due | third, {1: APIS, 2: APIS, 3: last}, initial(folder))


def _dialogues(folder: Path, level: int) -> Iterator[Due]:
    below = folder / "lv1-lv2-samples" / FOLDERS[level]
    files = sorted(below.glob("*.jsonl*"))
    if not files:
        raise DataError(below, "holds no dialogue of API-Bank; put upstream's lv1-lv2-samples there")
    for file in files:
        lines = list(read_jsonl(file))
        answers = {place: _answer(file, number, row) for place, (number, row) in enumerate(lines) if _is_call(row)}
        for number, place in enumerate(answers):
            for half, at in enumerate((place, place + 1)):
                if at in answers:
                    name = f"level-{level}/{file.name.partition('.jsonl')[0]}/{2 * number + half}"
                    earlier = tuple(answer for other, answer in answers.items() if other < at)
                    yield Due(name, level, answers[at], earlier, half == 0 and place - 1 in answers)


def _is_call(row: Mapping[str, Any]) -> bool:
    return row.get("role") == "API"


def _answer(path: Path, number: int, row: Mapping[str, Any]) -> Answer:
    try:
        return recorded(row["result"], row["api_name"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(path, f"is no API line of API-Bank ({error!r})", number) from error


def _demands(path: Path) -> Iterator[Due]:
    for sample, row in enumerate(read_json(path)):
        try:
            steps = [recorded(step["output"], step["api_name"]) for step in row["apis"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(path, f"is no demand of API-Bank's level 3 ({error!r})", sample + 1) from error
        for place, gold in enumerate(steps):
            yield Due(f"level-3/{sample}/{place}", 3, gold, tuple(steps[:place]), again=False)


def is_search(due: Due) -> bool:
    """Whether a search for tools is due."""
    return due.gold.api == SEARCH
