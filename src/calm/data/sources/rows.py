"""Conversations that are already on disk, ours or anyone's `messages`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from calm.conversation import read
from calm.data import Item, steps
from calm.data.part import Limit, PartRecipe
from calm.files import either


class Rows(PartRecipe):
    """A JSONL or Parquet file of conversations; rows without id are named by file and place."""

    source: Literal["rows"]
    path: Path
    limit: Limit = None

    @property
    def label(self) -> str:
        """The file's name."""
        return self.path.name

    def files(self) -> dict[str, Path]:
        """The file, by the path that the recipe gives."""
        return {str(self.path): either(self.path)}

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """One item a row."""
        rows = enumerate(read(self.path), 1)
        named = (c if c.id else c.model_copy(update={"id": f"{self.path.stem}-{place}"}) for place, c in rows)
        return steps.limit(named, self.limit)
