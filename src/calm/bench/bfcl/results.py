"""bfcl-eval's `result/` files, read and written: JSON lines `{"id", "result", ...}` in `BFCL_v4_CATEGORY_result.json`.

Either tool can so grade what the other had a model write. V4 sorts the files into `non_live/`, `live/` and
`multi_turn/` below the model's folder, V3 does not; reading minds neither.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from calm.bench.bfcl import tasks
from calm.bench.bfcl.averages import MULTI_TURN
from calm.bench.bfcl.versions import Version
from calm.errors import DataError, UsageError
from calm.files import read_jsonl, write_jsonl

FILE = re.compile(r"BFCL_(?P<rules>v\d)_(?P<category>\w+)_result\.json(?:\.gz)?")


def are_results(path: Path) -> bool:
    """Whether a path is a folder, or a file that is named like one of bfcl-eval's results."""
    return path.is_dir() or FILE.fullmatch(path.name) is not None


def read(path: Path, version: Version) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    """Prediction rows of a result file, or of every one below a folder, each with its file and row number.

    Tool calls (lists of `{name: JSON text}`) are read by the decoder `fc`, texts by `prompt`.

    Raises:
        UsageError: a file of another version, which is never mixed in.
        DataError: no result file there, a row without `id` or `result`, or an id that stands there twice.
    """
    files = sorted(found for found in path.rglob("BFCL_*_result.json*") if FILE.fullmatch(found.name))
    seen: set[str] = set()
    for file in files if path.is_dir() else [path]:
        for number, row in _file(file, version):
            if row["id"] in seen and "live_relevance" not in row["id"]:  # V3 gives one such id to two items
                raise DataError(file, f"{row['id']!r} has been answered before; point at one model's folder", number)
            seen.add(row["id"])
            yield file, number, row
    if not seen:
        raise DataError(path, "holds no row of a BFCL_vN_CATEGORY_result.json")


def _file(file: Path, version: Version) -> Iterator[tuple[int, dict[str, Any]]]:
    named = FILE.fullmatch(file.name)
    if named is None:
        raise DataError(file, "is not named BFCL_vN_CATEGORY_result.json")
    if named["rules"] != version.rules:
        raise UsageError(f"{file}: was generated for {named['rules']}; {version.name} is {version.rules}; never mixed")
    for number, row in read_jsonl(file):
        if not isinstance(row.get("id"), str) or "result" not in row:
            raise DataError(file, "needs an `id` and a `result`", number)
        decoder = "fc" if _has_calls(row["result"], named["category"]) else "prompt"
        yield number, {"category": named["category"], "id": row["id"], "output": row["result"], "decoder": decoder}


def _has_calls(result: Any, category: str) -> bool:
    """Whether a result holds tool calls: a list where text is due."""
    if category not in MULTI_TURN:
        return isinstance(result, list)
    steps = [step for turn in result if isinstance(turn, list) for step in turn] if isinstance(result, list) else []
    return any(isinstance(step, list) for step in steps)


def write(folder: Path, rows: Iterable[Mapping[str, Any]], version: Version) -> list[Path]:
    """Write rows `{"category", "id", "output"}` as the version's own result files below a model's folder.

    Rows are sorted by number as upstream sorts them; returns the files.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        category = spelt(row["category"], version)
        groups.setdefault(category, []).append({"id": spelt(row["id"], version), "result": row["output"]})
    files = []
    for category, found in groups.items():
        below = folder / _group(category) if version.rules == "v4" else folder
        files.append(below / f"BFCL_{version.rules}_{category}_result.json")
        write_jsonl(files[-1], sorted(found, key=_number))
    return files


def spelt(name: str, version: Version) -> str:
    """A category or id as the version spells it."""
    plain = tasks.plain(name).partition("#")[0]
    base = plain.rpartition("_")[0] if plain not in tasks.SPELT else plain
    if version.rules == "v4" and base in tasks.SPELT:
        return plain.replace(base, tasks.SPELT[base], 1)
    return plain


def _group(category: str) -> str:
    return next((group for group in ("live", "multi_turn") if category.startswith(group)), "non_live")


def _number(row: Mapping[str, Any]) -> int:
    return int(row["id"].rpartition("_")[2].partition("-")[0])
