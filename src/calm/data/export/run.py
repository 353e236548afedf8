"""Export a dataset: its splits as another trainer's JSONL, with side files, a README and a manifest.

Streaming: one conversation is in memory at a time. What the trainer has no words for goes to `left_out.jsonl`.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from calm.conversation import Noun, read
from calm.data.export import Exporter
from calm.data.export.chat import AXOLOTL, OUMI, TRL
from calm.data.export.coalm import COALM
from calm.data.export.sharegpt import SHAREGPT
from calm.data.export.swift import MS_SWIFT
from calm.errors import DataError, FormatError, UsageError
from calm.files import sha256, write_jsonl, write_text
from calm.recipe import manifest, read_manifest

EXPORTERS: dict[str, Exporter] = {
    "sharegpt": SHAREGPT,
    "ms-swift": MS_SWIFT,
    "axolotl": AXOLOTL,
    "trl": TRL,
    "oumi": OUMI,
    "coalm": COALM,
}
SPLITS = ("train", "held_out")
ENDINGS = (".parquet", ".jsonl", ".jsonl.gz")
LEFT_OUT, CARD, SOURCES = "left_out.jsonl", "README.md", "SOURCES.md"
COMMAND = "calm export"
Progress = Callable[[str, int], None]


class Split(Noun):
    """What became of one split: conversations read, rows written, conversations left out by reason."""

    split: str
    conversations: int = 0
    rows: int = 0
    left_out: dict[str, int] = Field(default_factory=dict)


def export(
    dataset: Path, to: str, out: Path, progress: Progress = lambda split, done: None, replace: bool = False
) -> list[Split]:
    """Write the dataset for another trainer into `out`; each file whole or not at all, the manifest last.

    Args:
        dataset: a folder with train and held_out as Parquet or JSONL, or one file of conversations (the train split).
        to: a name in EXPORTERS.
        out: the folder to write.
        progress: hears a split's name and how many of its conversations have been read.
        replace: write into a folder that already holds something else than an export.

    Raises:
        UsageError: no exporter of that name, or `out` holds other files.
        DataError: `dataset` holds no conversations, or a row cannot be read.
        StorageError: `out` cannot be written.
    """
    if to not in EXPORTERS:
        raise UsageError(f"no exporter {to!r}; there are: {', '.join(EXPORTERS)}")
    files = splits_of(dataset)
    if not any(True for path in files.values() for _ in read(path)):
        raise DataError(dataset, "holds no conversations")
    _free(out, replace)
    exporter, left_out = EXPORTERS[to], []
    done = [_write(exporter, split, path, out, left_out, progress) for split, path in files.items()]
    write_jsonl(out / LEFT_OUT, left_out)
    name = dataset.resolve().name.split(".")[0]
    texts = {**exporter.beside(name, list(files)), CARD: _card(exporter, name, done)}
    for file, text in texts.items():
        write_text(out / file, text)
    if (dataset / CARD).is_file():
        write_text(out / SOURCES, (dataset / CARD).read_text())
    inputs = {path.name: sha256(path) for path in files.values()}
    manifest(out, COMMAND, {"to": to, "dataset": name}, inputs, splits=[split.model_dump() for split in done])
    return done


def splits_of(dataset: Path) -> dict[str, Path]:
    """The files of a dataset by split; a single file is its train split.

    Raises:
        DataError: the folder holds neither split, or there is no such file.
    """
    if dataset.is_file():
        return {"train": dataset}
    candidates = {split: [dataset / f"{split}{ending}" for ending in ENDINGS] for split in SPLITS}
    found = {split: path for split, paths in candidates.items() for path in reversed(paths) if path.is_file()}
    if not found:
        raise DataError(
            dataset, "holds no train or held_out as .parquet or .jsonl; name a folder that calm build wrote"
        )
    return found


def _free(out: Path, replace: bool) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file; name a folder to export into")
    strange = out.is_dir() and any(out.iterdir()) and (read_manifest(out) or {}).get("command") != COMMAND
    if strange and not replace:
        raise UsageError(f"{out}: holds files that no export wrote; choose another folder or pass --replace")


def _write(
    exporter: Exporter, split: str, path: Path, out: Path, left_out: list[dict[str, str]], progress: Progress
) -> Split:
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()

    def rows() -> Iterator[dict[str, Any]]:
        for conversation in read(path):
            counts["conversations"] += 1
            progress(split, counts["conversations"])
            try:
                made = list(exporter.rows(conversation))
            except FormatError as error:
                reasons[str(error)] += 1
                left_out.append({"split": split, "id": conversation.id, "reason": str(error)})
                continue
            yield from made

    written = write_jsonl(out / f"{split}.jsonl", rows())
    return Split(split=split, conversations=counts["conversations"], rows=written, left_out=dict(reasons))


def _card(exporter: Exporter, name: str, splits: list[Split]) -> str:
    """What the folder is, for people, and for `datasets`, which takes files and columns from its head."""
    files = [{"split": split.split, "path": f"{split.split}.jsonl"} for split in splits]
    head: dict[str, Any] = {"configs": [{"config_name": "default", "data_files": files}]}
    if exporter.features:
        head["dataset_info"] = {"features": [dict(feature) for feature in exporter.features]}
    counts = [f"- {s.split}: {s.rows:,} rows of {s.conversations:,} conversations{_missing(s)}" for s in splits]
    lost = [f"- {what}" for what in exporter.lost]
    lines = ["---", yaml.safe_dump(head, sort_keys=False) + "---", f"# {name} for {exporter.tool}", "", *counts, ""]
    lines += [f"Read it: {exporter.use}.", "", "Not kept:", "", *lost, ""]
    lines += [
        f"Sources and licences are those of the dataset it was made from, in {SOURCES} where that had a card.",
        "",
    ]
    return "\n".join(lines)


def _missing(split: Split) -> str:
    return f", {sum(split.left_out.values()):,} left out (reasons in {LEFT_OUT})" if split.left_out else ""
