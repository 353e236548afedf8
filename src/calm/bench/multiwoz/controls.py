"""What stands beside every score: speakers without any skill, the human wizards, and who knows all; on all dialogues.

Computed from tasks and database alone, never from a run; kept in the cache folder until data or rules change.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from calm import hub
from calm.bench.multiwoz import jga, lexical, mwzeval
from calm.errors import DataError, StorageError
from calm.files import read_json, write_json

STATES = {"helper": "jga_helper", "trade": "jga"}
"""The protocols whose JGA stands there, and what it is called."""


@lru_cache(maxsize=1)
def shares(folder: Path) -> dict[str, dict[str, float]]:
    """By speaker (`constant`, `human`, `silence`, and where defined `brochure`, `gold`) what it gets, from 0 to 1.

    Inform and Success with gold 2.4 states (`silence`: none), JGA of the states alone (`constant`: gold 2.4; `human`:
    the wizards' of 2.1), lexical Inform and Success of the words alone. None of these speakers makes a call. The first
    time this takes seconds, most of them for the 2.1 archive; a cache folder that cannot be written costs them again.

    Raises:
        DataError: the corpus lacks something; names it.
    """
    path = hub.cache() / "multiwoz" / f"controls-{_stamp(folder)}.json"
    with contextlib.suppress(DataError):  # not there yet, or cut: made anew
        return read_json(path)
    found: dict[str, dict[str, float]] = {}
    for speaker, name, percent in _percents(folder):
        found.setdefault(speaker, {})[name] = round(percent / 100, 6)
    with contextlib.suppress(StorageError):
        write_json(path, found)
    return found


def _stamp(folder: Path) -> str:
    """Of the data (names, sizes, times) and of the rules (the source of this room), so that neither can be outlived."""
    data = sorted((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*.*"))
    rules = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return hashlib.sha256(repr((data, rules)).encode()).hexdigest()[:16]


def flat(folder: Path) -> dict[str, float]:
    """The same in one row, for a summary: `control_silence_success`."""
    both = shares(folder).items()
    return {f"control_{speaker}_{name}": share for speaker, scores in both for name, share in scores.items()}


def _percents(folder: Path) -> Iterator[tuple[str, str, float]]:
    for scores in (mwzeval.bench(folder).controls, lexical.controls(folder)):
        yield from ((speaker, name, percent) for speaker, one in scores.items() for name, percent in one.items())
    for protocol, name in STATES.items():
        for speaker, one in jga.controls(folder, protocol).items():
            yield speaker, name, one["jga"]
