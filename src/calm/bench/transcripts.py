"""`transcripts.jsonl`, the file between running and judging: one conversation a line, appended whole.

All transcripts of one file carry the same seal (`meta.run`): benchmark, data version, policy, plan. A task that was
tried again has several lines, of which the last counts.
"""

import json
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

from pydantic import JsonValue

from calm.bench import Benchmark
from calm.conversation import Conversation, read, to_row
from calm.errors import StorageError, UsageError
from calm.files import dumps

TRANSCRIPTS = "transcripts.jsonl"
Seal = dict[str, JsonValue]


class Log:
    """Appends transcripts from any thread, each whole; once closed it takes no more, whoever is still at work."""

    def __init__(self, path: Path, seal: Seal) -> None:
        self._path, self._seal = path, seal
        self._lock, self._closed = threading.Lock(), False

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:  # a row being written is finished first
            self._closed = True

    def add(self, transcript: Conversation) -> None:
        """Write one row and flush it.

        Raises:
            StorageError: no space, or no permission.
        """
        row = (dumps(to_row(transcript.note(run=self._seal))) + "\n").encode("utf-8", "surrogatepass")
        with self._lock:
            if not self._closed:
                _append(self._path, row)


def _append(path: Path, row: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            stream.write(row)
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({error.strerror}); free some space or choose another folder"
        ) from error


def drop_cut_line(path: Path) -> bool:
    """Take off a row that a kill left half written; a whole row that lacks only its line break gets it."""
    whole = path.read_bytes() if path.is_file() else b""
    end = whole.rfind(b"\n") + 1
    if end == len(whole):
        return False
    try:
        json.loads(whole[end:])
    except ValueError:
        os.truncate(path, end)
        return True
    with path.open("ab") as stream:
        stream.write(b"\n")
    return False


def set_aside(path: Path) -> Path | None:
    """Rename a file to the first free `NAME.1.jsonl`, `NAME.2.jsonl`, ...; None where there is no such file."""
    if not path.is_file():
        return None
    number = 1
    while (aside := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    return path.rename(aside)


def sealed(path: Path, seal: Seal) -> Iterator[Conversation]:
    """The transcripts of a file; a UsageError at the first that another run has made."""
    for transcript in read(path):
        found = transcript.meta.get("run")
        if found != seal:
            raise UsageError(f"{path}: holds a run of {_spell(found)}, not of {_spell(seal)}; choose another folder")
        yield transcript


def one_seal(path: Path, benchmark: Benchmark, transcripts: Sequence[Conversation]) -> Seal:
    """The seal that all transcripts share.

    Raises:
        UsageError: they differ, or were made for another benchmark or data version.
    """
    seals = {dumps(t.meta.get("run")): t.meta.get("run") for t in transcripts}
    first = next(iter(seals.values()))
    if len(seals) > 1 or not isinstance(first, dict):
        raise UsageError(f"{path}: mixes {len(seals)} runs; judge one folder per run")
    if (first.get("benchmark"), first.get("version")) != (benchmark.name, benchmark.version):
        said = f"{benchmark.name} {benchmark.version}, protocol {benchmark.protocol}"
        raise UsageError(f"{path}: is a run of {_spell(first)}; this is {said}; never mixed")
    return first


def _spell(seal: JsonValue) -> str:
    return ", ".join(f"{k} {v}" for k, v in seal.items()) if isinstance(seal, dict) else "something else"


def latest(transcripts: Iterable[Conversation]) -> dict[str, Conversation]:
    """By task id; a task tried again counts as it ended the last time."""
    return {transcript.id: transcript for transcript in transcripts}
