"""Build a dataset: recipe in; `train.parquet`, `held_out.parquet`, `rejects.jsonl`, card and manifest out.

The same recipe over the same files gives the same bytes, however many processes work and however often they are
stopped. Everything is written in a hidden folder beside `out`, one piece at a time, and moved there at the end: a
stopped build leaves what was there before, and the next one goes on with the pieces that were finished. What was there
is never overwritten without being asked.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from glob import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from calm.data import contamination, pipeline
from calm.data.card import CARD, card
from calm.data.merge import HELD_OUT, REJECTS, TRAIN, labels, merge
from calm.data.parquet import arrow
from calm.data.parts import DataRecipe
from calm.data.tally import PartReport, Report, table
from calm.errors import DataError, StorageError, UsageError
from calm.files import claimed, sha256, write_text
from calm.recipe import MANIFEST, digest, manifest, read_manifest

__all__ = ["FILES", "HELD_OUT", "REJECTS", "TRAIN", "DataRecipe", "PartReport", "Report", "build", "labels", "table"]

FILES = (TRAIN, HELD_OUT, REJECTS, CARD, MANIFEST)
COMMAND = "calm build"
Progress = Callable[[str, int, int, int], None]
"""Told (what is done, pieces done, in all, records made by this run so far)."""


def build(
    recipe: DataRecipe,
    out: Path,
    progress: Progress = lambda what, done, of, records: None,
    replace: bool = False,
    workers: int | None = None,
) -> Report:
    """Build the dataset into `out`, or find it there: same recipe, same input hashes, files as they were written.

    Args:
        recipe: what to build.
        out: the folder; files in it that are not a dataset's are left alone.
        progress: hears how far it is, piece by piece.
        replace: overwrite a dataset of another recipe or of other inputs; never files that were changed since.
        workers: processes that make pieces, 1 for none beside this; by default one per core where it pays.

    Raises:
        UsageError: `out` is no folder, is built into by another process, or holds another dataset and `replace` is
            False, or there are no workers.
        StorageError: `out` holds files of these names that no build wrote, or cannot be written.
        DataError: an input file is missing or corrupt.
        HubError: a corpus is not at hand.
        MissingExtra: pyarrow is not installed.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"workers: at least 1 process must work (got {workers})")
    arrow()
    inputs = _inputs(recipe)
    with claimed(out.resolve()):
        staging = _staging(out.resolve(), recipe, inputs)
        report = _standing(out, recipe, inputs, replace, staging / "dataset")
        if report is None:
            report = _built(recipe, inputs, staging, workers, progress)
            _move(staging / "dataset", out)
        _clear(staging.parent.glob(f".{escape(staging.name.split('.')[1])}.*.building"))
    return report


def unchecked(recipe: DataRecipe) -> list[str]:
    """The benchmarks that rows were not checked against: not at hand, or all of them where the recipe asks for none."""
    return [name for name, present in contamination.at_hand().items() if not (present and recipe.contamination)]


# --- what is there already -----------------------------------------------------------------------------------------


def _inputs(recipe: DataRecipe) -> dict[str, str]:
    """SHA-256 of every file that is read, and a digest of the code that reads: change either, and it is built anew."""
    named = {name: path for part in recipe.parts for name, path in part.files().items()}
    code = [sha256(path) for path in _modules()]
    benchmarks = contamination.sources() if recipe.contamination else {}
    return {**{name: sha256(path) for name, path in sorted(named.items())}, **benchmarks, "code": digest(code)}


def _modules() -> list[Path]:
    rooms = [Path(str(files(room))) for room in ("calm.data", "calm.world")]
    core = [rooms[0].parent / name for name in ("conversation.py", "files.py")]
    return [*core, *(path for room in rooms for path in sorted(room.rglob("*.py")))]


def _standing(out: Path, recipe: DataRecipe, inputs: dict[str, str], replace: bool, staged: Path) -> Report | None:
    """The report of the dataset in `out` when it is this one; None when the way is free; else an error."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file; name a folder to build into")
    present = [name for name in FILES if (out / name).exists()]
    if not present:
        return None
    found = read_manifest(out) or {}
    moving = read_manifest(staged) or {}
    if foreign := _foreign(out, present, found, moving):
        raise StorageError(f"{foreign}: is not as `{COMMAND}` wrote it; move it away or choose another folder")
    if moving:
        return None  # a build that was allowed to write here was stopped while it moved its files
    same = found["recipe_id"] == digest(recipe.model_dump(mode="json")) and found["inputs"] == inputs
    if same and len(present) == len(FILES):
        return Report.model_validate(found["report"]).model_copy(update={"reused": True})
    if not replace:
        other = found["recipe"].get("name")
        why = "its settings, inputs or code have changed" if other == recipe.name else f"it is {other!r}"
        raise UsageError(f"{out}: holds another dataset ({why}); choose another folder or pass --replace")
    return None


def _foreign(out: Path, present: Sequence[str], *made: dict[str, Any]) -> Path | None:
    """The first of the files that no build wrote by these manifests, or that somebody has changed since."""
    if COMMAND not in [found.get("command") for found in made]:
        return out / present[0]
    known = {item for found in made for item in found.get("outputs", {}).items()}
    return next((out / n for n in present if n != MANIFEST and (n, sha256(out / n)) not in known), None)


# --- writing -------------------------------------------------------------------------------------------------------


def _staging(out: Path, recipe: DataRecipe, inputs: dict[str, str]) -> Path:
    """The folder for unfinished work, of this very dataset: another recipe, input or code never meets its pieces."""
    name = out.name.replace(".", "_")
    return out.parent / f".{name}.{digest([recipe.model_dump(mode='json'), inputs])[:12]}.building"


def _built(
    recipe: DataRecipe, inputs: dict[str, str], staging: Path, workers: int | None, progress: Progress
) -> Report:
    """The report of the dataset in `staging/dataset`, made now as far as an earlier build has not made it."""
    dataset = staging / "dataset"
    if made := read_manifest(dataset):
        return Report.model_validate(made["report"])
    try:
        if recipe.contamination:
            contamination.index()  # made here once, so that workers find it in the cache
        resumed = _pieces(recipe, staging / "pieces", workers, progress)
        _clear([dataset])
        dataset.mkdir()
        report, content = merge(recipe, staging / "pieces", dataset, lambda *done: progress(*done, 0))
    except DataError:
        _clear([staging])  # a faulty input must change, and then these pieces are of no use
        raise
    except OSError as error:
        raise StorageError(f"{staging}: cannot be written ({error.strerror}); free some space and go on") from error
    write_text(dataset / CARD, card(recipe, report, contamination.at_hand() if recipe.contamination else None))
    manifest(dataset, COMMAND, recipe, inputs, report=report.model_dump(include={"parts", "pieces"}), content=content)
    return report.model_copy(update={"resumed": resumed})


def _pieces(recipe: DataRecipe, folder: Path, workers: int | None, progress: Progress) -> int:
    """Make the pieces that are not there; returns how many were."""
    wanted = pipeline.units(recipe)
    missing = [unit for unit in wanted if not pipeline.whole(unit.path(folder))]
    resumed = done = len(wanted) - len(missing)
    records = 0

    def heard(count: int) -> None:
        nonlocal done, records
        done, records = done + 1, records + count
        progress("reading", done, len(wanted), records)

    progress("reading", done, len(wanted), 0)
    pipeline.run(recipe, folder, missing, workers, heard)
    return resumed


def _clear(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _move(dataset: Path, out: Path) -> None:
    """Put the finished files into place, the manifest last: without it nothing counts as a dataset."""
    try:
        if not out.exists():
            dataset.rename(out)
            return
        for name in FILES:
            if (dataset / name).exists():  # else an earlier build was stopped after this one
                (dataset / name).replace(out / name)
    except OSError as error:
        raise StorageError(f"{out}: cannot be written ({error.strerror}); choose another folder") from error
