"""Build a dataset: recipe in; `train.jsonl`, `held_out.jsonl`, `rejects.jsonl` and `manifest.json` out.

The same recipe over the same files gives the same bytes. Everything is written in a folder beside `out` and moved there
at the end, so a killed run leaves what was there before; what was there is never overwritten without being asked.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field

from calm.conversation import Assistant, Conversation, Noun, write
from calm.data import Item, Reject, steps
from calm.data.parts import DataRecipe
from calm.errors import StorageError, UsageError
from calm.files import sha256, write_jsonl
from calm.recipe import MANIFEST, digest, manifest, read_manifest

TRAIN, HELD_OUT, REJECTS = "train.jsonl", "held_out.jsonl", "rejects.jsonl"
FILES = (TRAIN, HELD_OUT, REJECTS, MANIFEST)
COMMAND = "calm build"
Progress = Callable[[str, int], None]


class PartReport(Noun):
    """What one part gave: conversations (of which held out), assistant steps, calls, characters; drops by reason."""

    part: str
    conversations: int = 0
    held_out: int = 0
    steps: int = 0
    calls: int = 0
    characters: int = 0
    dropped: dict[str, int] = Field(default_factory=dict)


class Report(Noun):
    """The counts of a build; `reused` says that the folder already held exactly this dataset."""

    parts: tuple[PartReport, ...]
    reused: bool = False


def build(recipe: DataRecipe, out: Path, progress: Progress = lambda part, done: None, replace: bool = False) -> Report:
    """Build the dataset into `out`, or find it there: same recipe, same input hashes, files as they were written.

    Args:
        recipe: what to build.
        out: the folder; files in it that are not a dataset's are left alone.
        progress: hears the part's name and how many of its records have been read.
        replace: overwrite a dataset of another recipe or of other inputs; never files that were changed since.

    Raises:
        UsageError: `out` is no folder, or holds another dataset and `replace` is False.
        StorageError: `out` holds files of these names that no build wrote, or cannot be written.
        DataError: an input file is missing or corrupt.
        HubError: a corpus is not at hand.
    """
    inputs = _inputs(recipe)
    standing = _standing(out, recipe, inputs, replace)
    if standing is not None:
        return standing
    staging = out.parent / f".{out.name}.building"
    _clear(staging)
    try:
        report = _write(recipe, staging, progress)
        manifest(staging, COMMAND, recipe, inputs, report=report.model_dump())
        _move(staging, out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return report


def table(report: Report) -> str:
    """The counts as an aligned plain-text table, one line a part, then one line a reason for what was dropped."""
    head = ("part", "conversations", "held out", "steps", "calls", "characters", "dropped")
    lines = [head, *(_cells(part) for part in report.parts)]
    if len(report.parts) > 1:
        lines.append(_cells(_total(report.parts)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    ]
    reasons = [f"dropped from {p.part}: {n} {reason}" for p in report.parts for reason, n in p.dropped.items()]
    return "\n".join([*text, *reasons])


def _cells(part: PartReport) -> tuple[str, ...]:
    numbers = (part.conversations, part.held_out, part.steps, part.calls, part.characters, sum(part.dropped.values()))
    return (part.part, *(f"{number:,}" for number in numbers))


def _total(parts: tuple[PartReport, ...]) -> PartReport:
    total: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for part in parts:
        total.update(part.model_dump(exclude={"part", "dropped"}))
        dropped.update(part.dropped)
    return PartReport(part="total", dropped=dict(dropped), **total)


# --- what is there already -----------------------------------------------------------------------------------------


def _inputs(recipe: DataRecipe) -> dict[str, str]:
    """SHA-256 of every file that is read, and a digest of the code that reads: change either, and it is built anew."""
    named = {name: path for part in recipe.parts for name, path in part.files().items()}
    code = [sha256(path) for room in ("calm.data", "calm.world") for path in _modules(room)]
    return {**{name: sha256(path) for name, path in sorted(named.items())}, "code": digest(code)}


def _modules(room: str) -> list[Path]:
    return sorted(Path(str(files(room))).rglob("*.py"))


def _standing(out: Path, recipe: DataRecipe, inputs: dict[str, str], replace: bool) -> Report | None:
    """The report of the dataset in `out` when it is this one; None when the way is free; else an error."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file; name a folder to build into")
    present = [name for name in FILES if (out / name).exists()]
    if not present:
        return None
    found = read_manifest(out) or {}
    if foreign := _foreign(out, present, found):
        raise StorageError(f"{foreign}: is not as `{COMMAND}` wrote it; move it away or choose another folder")
    same = found["recipe_id"] == digest(recipe.model_dump(mode="json")) and found["inputs"] == inputs
    if same and len(present) == len(FILES):
        return Report.model_validate(found["report"]).model_copy(update={"reused": True})
    if not replace:
        other = found["recipe"].get("name")
        why = "its settings, inputs or code have changed" if other == recipe.name else f"it is {other!r}"
        raise UsageError(f"{out}: holds another dataset ({why}); choose another folder or pass --replace")
    return None


def _foreign(out: Path, present: Sequence[str], found: Mapping[str, Any]) -> Path | None:
    """The first of the files that no build wrote, or that somebody has changed since."""
    if found.get("command") != COMMAND:
        return out / present[0]
    changed = (out / n for n in present if n != MANIFEST and found["outputs"].get(n) != sha256(out / n))
    return next(changed, None)


# --- writing -------------------------------------------------------------------------------------------------------


def _write(recipe: DataRecipe, folder: Path, progress: Progress) -> Report:
    kept: list[Conversation] = []
    rejects: list[dict[str, str]] = []
    parts: list[PartReport] = []
    seen: dict[str, str] = {}
    for number, part in enumerate(recipe.parts, 1):
        twin = sum(other.label == part.label for other in recipe.parts) > 1
        label = f"{part.label} #{number}" if twin else part.label
        items = _watched(part.read(recipe.seed), label, progress)
        gathered = list(steps.unique(steps.shorter(items, recipe.max_characters), seen))
        parts.append(_count(label, gathered, recipe.held_out))
        kept += [item for item in gathered if isinstance(item, Conversation)]
        rejects += [{"part": label, **item.model_dump()} for item in gathered if isinstance(item, Reject)]
    shuffled = list(steps.shuffle(kept, recipe.seed))
    write(folder / TRAIN, (c for c in shuffled if not steps.held_out(c, recipe.held_out)))
    write(folder / HELD_OUT, (c for c in shuffled if steps.held_out(c, recipe.held_out)))
    write_jsonl(folder / REJECTS, rejects)
    return Report(parts=tuple(parts))


def _watched(items: Iterator[Item], label: str, progress: Progress) -> Iterator[Item]:
    for done, item in enumerate(items, 1):
        progress(label, done)
        yield item


def _count(label: str, items: list[Item], share: float) -> PartReport:
    conversations = [item for item in items if isinstance(item, Conversation)]
    dropped = Counter(item.reason for item in items if isinstance(item, Reject))
    calls = (len(m.calls) for c in conversations for m in c.messages if isinstance(m, Assistant))
    return PartReport(
        part=label,
        conversations=len(conversations),
        held_out=sum(steps.held_out(c, share) for c in conversations),
        steps=sum(len(c.steps) for c in conversations),
        calls=sum(calls),
        characters=sum(map(steps.characters, conversations)),
        dropped=dict(sorted(dropped.items())),
    )


def _clear(staging: Path) -> None:
    """Remove what a killed run left in the staging folder, which nobody else uses."""
    if staging.is_dir():
        shutil.rmtree(staging, ignore_errors=True)


def _move(staging: Path, out: Path) -> None:
    """Put the finished files into place, the manifest last: without it nothing counts as a dataset."""
    try:
        if not out.exists():
            staging.rename(out)
            return
        for name in FILES:
            (staging / name).replace(out / name)
    except OSError as error:
        raise StorageError(f"{out}: cannot be written ({error.strerror}); choose another folder") from error
