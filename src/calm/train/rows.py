"""Conversations as token rows, and the order in which a run sees them."""

import random
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from calm.conversation import Conversation, from_row
from calm.errors import DataError, FormatError, RecipeError
from calm.files import either, read_rows
from calm.format.tokens import Codec, Encoded
from calm.train import checks
from calm.train.recipe import Stage, TrainRecipe

EACH = 200
"""Rows between two words on how far the reading is."""

Told = Callable[[int, int], None]
"""Told (rows done, rows in all), 0 in all where that is not known."""


class Row(NamedTuple):
    """A conversation as ids and mask, five bytes a token: lists of integers would take forty."""

    id: str
    origin: str
    ids: "array[int]"
    learn: bytes

    @property
    def encoded(self) -> Encoded:
        """The same as lists, as a model takes it."""
        return Encoded(self.ids.tolist(), [bool(learn) for learn in self.learn])


class Rows(NamedTuple):
    """What can be trained on, what is too long for it, and the first conversation to look at."""

    kept: list[Row]
    rejects: list[dict[str, str]]
    first: Conversation

    @property
    def learned(self) -> int:
        """Supervised tokens of one pass."""
        return sum(sum(row.learn) for row in self.kept)

    @property
    def tokens(self) -> int:
        """Tokens of one pass."""
        return sum(len(row.ids) for row in self.kept)


def load(path: Path, codec: Codec, recipe: TrainRecipe, told: Told = lambda done, of: None) -> Rows:
    """Encode and check every conversation of a file of rows; only one longer than `max_length` is left out.

    `told` hears how far it is every `EACH` rows and at the end, of fewer rows nothing.

    Raises:
        DataError: a row that is no conversation or has a fault that `checks` knows (file, row, id, what, remedy), or
            no row left to train on.
    """
    coder = checks.Remembering(codec.tokenizer)
    kept: list[Row] = []
    rejects: list[dict[str, str]] = []
    first: Conversation | None = None
    for number, raw in _followed(path, told):
        item, row = _checked(path, number, raw, coder, recipe)
        if len(row.ids) > recipe.max_length:
            rejects.append({"id": item.id, "reason": f"{len(row.ids)} tokens, max_length is {recipe.max_length}"})
            continue
        kept.append(Row(item.id, item.origin, array("i", row.ids), bytes(row.learn)))
        first = first or item
    if first is None:
        why = f"; first reason: {rejects[0]['reason']}" if rejects else ""
        raise DataError(path, f"holds no row to train on ({len(rejects)} refused{why})")
    return Rows(kept, rejects, first)


def _followed(path: Path, told: Told) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a file, and on the way how many of them there have been."""
    number = of = 0
    for number, raw in read_rows(path):
        if number % EACH == 0:
            of = of or _count(path)
            told(number, of)
        yield number, raw
    if number >= EACH:
        told(number, of)


def _count(path: Path) -> int:
    """Rows of a file that could be opened, or lines of JSONL; 0 where it would have to be unpacked to know."""
    if path.suffix == ".parquet":
        from pyarrow import parquet

        return parquet.read_metadata(path).num_rows
    found = either(path)
    if found.suffix == ".gz":
        return 0
    with found.open("rb") as stream:
        return sum(1 for _ in stream)


def _checked(
    path: Path, number: int, raw: dict[str, Any], codec: Codec, recipe: TrainRecipe
) -> tuple[Conversation, Encoded]:
    try:
        item = from_row(raw)
    except FormatError as error:
        raise DataError(path, str(error), number) from error
    row = checks.encoded(item, codec, recipe.learn)
    fault = checks.of_source(raw, item) or checks.of_row(item, row, codec, recipe.learn)
    if fault:
        raise DataError(path, f"{item.id!r}: {fault}", number)
    return item, row


def chosen(rows: Sequence[Row], stage: Stage) -> list[Row]:
    """The rows of a stage, in their order.

    Raises:
        RecipeError: a pattern that matches no row's origin; names the origins there are.
    """
    matched(Counter(row.origin for row in rows), stage)
    return [row for row in rows if wanted(row.origin, stage)]


def wanted(origin: str, stage: Stage) -> bool:
    """Whether a stage trains on rows of an origin."""
    return any(fnmatchcase(origin, pattern) for pattern in stage.rows)


def matched(origins: "Counter[str]", stage: Stage) -> None:
    """Refuse a pattern that matches no row's origin.

    Raises:
        RecipeError: names the origins there are.
    """
    for pattern in stage.rows:
        if not any(fnmatchcase(origin, pattern) for origin in origins):
            there = ", ".join(f"{origin or '(none)'} ({n:,} rows)" for origin, n in origins.most_common())
            raise RecipeError(f"stages: {stage.name}: rows: {pattern!r} matches no row's origin; there are {there}")


def settings(recipe: TrainRecipe, stage: Stage) -> TrainRecipe:
    """What a stage is run with: the recipe, but for what the stage sets itself."""
    own = stage.model_dump(include={"epochs", "lr"}, exclude_none=True)
    return recipe.model_copy(update={"stages": (), **own})


def folder(place: int, stage: Stage) -> str:
    """The folder of the stage at a place, from 1: `2-calls`."""
    return f"{place}-" + re.sub(r"[^\w.-]+", "-", stage.name)


def steps(count: int, recipe: TrainRecipe) -> int:
    """Optimiser steps of a run over `count` rows."""
    return max(1, round(count * recipe.epochs / recipe.batch))


def order(count: int, recipe: TrainRecipe) -> Iterator[list[int]]:
    """Row numbers of each step, for ever: a shuffle per pass, a function of the seed alone, so a resume can skip."""
    waiting: list[int] = []
    epoch = 0
    while True:
        while len(waiting) < recipe.batch:
            fresh = list(range(count))
            random.Random(f"{recipe.seed}/{epoch}").shuffle(fresh)
            waiting += fresh
            epoch += 1
        yield waiting[: recipe.batch]
        waiting = waiting[recipe.batch :]
