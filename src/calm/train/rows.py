"""Conversations as token rows, and the order in which a run sees them."""

import random
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from calm.conversation import Conversation, from_row
from calm.errors import DataError, FormatError, RecipeError
from calm.files import read_rows
from calm.format.tokens import Codec, Encoded
from calm.train import checks
from calm.train.recipe import Stage, TrainRecipe


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


def load(path: Path, codec: Codec, recipe: TrainRecipe) -> Rows:
    """Encode and check every conversation of a file of rows; only one longer than `max_length` is left out.

    Raises:
        DataError: a row that is no conversation or has a fault that `checks` knows (file, row, id, what, remedy), or
            no row left to train on.
    """
    coder = checks.Remembering(codec.tokenizer)
    kept: list[Row] = []
    rejects: list[dict[str, str]] = []
    first: Conversation | None = None
    for number, raw in read_rows(path):
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
    origins = Counter(row.origin for row in rows)
    for pattern in stage.rows:
        if not any(fnmatchcase(origin, pattern) for origin in origins):
            there = ", ".join(f"{origin or '(none)'} ({n:,} rows)" for origin, n in origins.most_common())
            raise RecipeError(f"stages: {stage.name}: rows: {pattern!r} matches no row's origin; there are {there}")
    return [row for row in rows if any(fnmatchcase(row.origin, pattern) for pattern in stage.rows)]


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
