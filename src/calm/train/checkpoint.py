"""Checkpoints that neither a kill nor a full disk nor a flipped bit can take away.

A checkpoint is a folder `checkpoint-N` for step N: the tensors, what else a run must know, and the SHA-256 of every
file. It is written under another name and takes its own when it is whole; the two newest are kept, so that one that no
longer verifies costs the steps since the one before and not the run.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from calm.errors import DataError, StorageError
from calm.files import read_json, sha256, write_json
from calm.train.crew import Crew

KEEP = 2
DIGESTS, FACTS = "digests.json", "facts.json"
NAME = re.compile(r"checkpoint-(\d+)")


def folders(out: Path) -> list[Path]:
    """The checkpoints of a run folder, newest first, whole or not."""
    found = [path for path in out.glob("checkpoint-*") if path.is_dir() and NAME.fullmatch(path.name)]
    return sorted(found, key=_step, reverse=True)


def _step(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def write(out: Path, step: int, crew: Crew, state: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Keep a step; older checkpoints but one go when this one is whole. Every process of the crew must call it.

    Raises:
        StorageError: the disk is full or the folder may not be written; what was there before is still there.
    """
    target, unfinished = out / f"checkpoint-{step}", out / f".checkpoint-{step}"
    if crew.first:
        shutil.rmtree(unfinished, ignore_errors=True)
    crew.wait()
    try:
        crew.save(unfinished, state)
        if crew.first:
            _seal(unfinished, target, facts)
    except OSError as error:
        raise StorageError(f"{target}: cannot be written ({error.strerror}); {REMEDY}") from error
    finally:
        if crew.first:
            shutil.rmtree(unfinished, ignore_errors=True)
    crew.wait()


REMEDY = "free some space, then the same command goes on from the checkpoint before"


def _seal(unfinished: Path, target: Path, facts: dict[str, Any]) -> None:
    write_json(unfinished / FACTS, facts)
    files = sorted(path for path in unfinished.rglob("*") if path.is_file())
    write_json(unfinished / DIGESTS, {str(path.relative_to(unfinished)): sha256(path) for path in files})
    for path in (*files, unfinished / DIGESTS, unfinished):
        _sync(path)
    shutil.rmtree(target, ignore_errors=True)  # only a damaged one can stand here: a whole one would have been used
    unfinished.rename(target)
    _sync(target.parent)
    for old in folders(target.parent)[KEEP:]:
        shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fault(folder: Path) -> str | None:
    """What is wrong with a checkpoint's files; None when every one is as it was written."""
    if not (folder / DIGESTS).is_file():
        return f"has no {DIGESTS}"
    try:
        expected = read_json(folder / DIGESTS)
    except DataError:
        return f"{DIGESTS} cannot be read"
    for name, digest in expected.items():
        if not (folder / name).is_file():
            return f"lacks {name}"
        if sha256(folder / name) != digest:
            return f"{name} is not as it was written"
    return None


def newest(out: Path, tell: Callable[[dict[str, Any]], None]) -> Path | None:
    """The newest checkpoint that is whole, or None where none was ever written; `tell` hears of each damaged one.

    Raises:
        DataError: there were checkpoints and none can be used: never a silent start from zero.
    """
    found, faults = folders(out), []
    for folder in found:
        why = fault(folder)
        if why is None:
            for bad, reason in faults:
                tell({"event": "damaged", "folder": str(bad), "why": reason, "used": str(folder)})
            return folder
        faults.append((folder, why))
    if found:
        said = "; ".join(f"{folder.name} {why}" for folder, why in faults)
        raise DataError(out, f"no checkpoint is whole ({said}); remove the folder to start from the beginning")
    return None


def load(folder: Path, crew: Crew, state: dict[str, Tensor]) -> dict[str, Any]:
    """Read the tensors in place and return the facts kept beside them."""
    crew.load(folder, state)
    return read_json(folder / FACTS)


def clear(out: Path) -> None:
    """Remove the checkpoints of a run that is finished."""
    for folder in (*folders(out), *out.glob(".checkpoint-*")):
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
