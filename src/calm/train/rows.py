"""Conversations as token rows, and the order in which a run sees them."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from calm import conversation
from calm.errors import DataError, FormatError
from calm.format.tokens import Codec, Encoded
from calm.train.recipe import TrainRecipe


class Rows(NamedTuple):
    """What can be trained on, and what cannot with the reason."""

    kept: list[Encoded]
    rejects: list[dict[str, str]]

    @property
    def learned(self) -> int:
        """Supervised tokens of one pass."""
        return sum(sum(row.learn) for row in self.kept)

    @property
    def tokens(self) -> int:
        """Tokens of one pass."""
        return sum(len(row.ids) for row in self.kept)


def load(path: Path, codec: Codec, recipe: TrainRecipe) -> Rows:
    """Encode every conversation of a file of rows.

    Raises:
        DataError: a row that is no conversation (with its number), or no row left to train on.
    """
    kept: list[Encoded] = []
    rejects: list[dict[str, str]] = []
    for item in conversation.read(path):
        try:
            row = codec.row(item, recipe.learn)
        except FormatError as error:
            rejects.append({"id": item.id, "reason": str(error)})
            continue
        if len(row.ids) > recipe.max_length:
            rejects.append({"id": item.id, "reason": f"{len(row.ids)} tokens, max_length is {recipe.max_length}"})
        else:
            kept.append(row)
    if not kept:
        why = f"; first reason: {rejects[0]['reason']}" if rejects else ""
        raise DataError(path, f"holds no row to train on ({len(rejects)} refused{why})")
    return Rows(kept, rejects)


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
