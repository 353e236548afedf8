"""Sources, one file each: SNIPS, SGD, the town; what they share is how a limit is spread over a corpus's files."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from calm.data import bucket


class Record(NamedTuple):
    """One raw record and where it stands: `row` is its 1-based place in the file."""

    path: Path
    row: int
    value: Any


def sampled(files: Sequence[Path], read: Callable[[Path], list[Any]], limit: int | None = None) -> Iterator[Record]:
    """The records of all files, or `limit` of them in equal shares from each file, chosen by hash of file name and row.

    Corpora keep like with like (an SGD file holds one kind of dialogue), so the first `limit` would be no sample. A
    larger limit takes all that a smaller one takes within each file's share; one file at a time is in memory.
    """
    left = limit
    ordered = files if limit is None else sorted(files, key=lambda f: bucket(f.name))
    for place, path in enumerate(ordered):
        if left == 0:
            return
        records = [Record(path, row, value) for row, value in enumerate(read(path), 1)]
        if left is not None:
            share = math.ceil(left / (len(ordered) - place))
            records = sorted(records, key=lambda r: bucket(r.path.name, r.row))[:share]
            left -= len(records)
        yield from records
