"""Reading and writing so that nothing is lost: atomic writes, gzip seen through, errors that name the row.

Rows are JSONL or, where pyarrow is installed, Parquet; `read_rows` does not mind which.
"""

import codecs
import contextlib
import gzip
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from calm.errors import DataError, MissingExtra, StorageError, UsageError


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path}: cannot be written ({error.strerror}); free some space or choose another folder")


@contextlib.contextmanager
def atomic(path: Path) -> Generator[IO[bytes]]:
    """Open a temporary neighbour of `path` that replaces it only when the block ends well.

    Raises:
        StorageError: the disk is full or the folder may not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        Path(temporary).unlink(missing_ok=True)


@contextlib.contextmanager
def claimed(path: Path, wait: bool = False) -> Generator[None]:
    """Keep every other thread and process from making what is at `path` while the block runs.

    The lock is a hidden file beside it, gone when the work is done; a process that is killed lets go of it.
    `wait`: until the other is done, instead of the error.

    Raises:
        UsageError: another process works there.
        StorageError: the folder that the lock lies in may not be written.
    """
    from filelock import FileLock, Timeout

    here = path.absolute()
    lock = FileLock(here.parent / f".{here.name}.lock", timeout=-1 if wait else 0)
    try:
        here.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise UsageError(f"{path}: another calm is at work there; wait for it or choose another folder") from error
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows does not remove an open file
            Path(lock.lock_file).unlink(missing_ok=True)  # while it is held: who comes now sees that it has no name
        lock.release()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text in one piece or not at all; lone surrogates become backslash escapes."""
    with atomic(path) as stream:
        stream.write(text.encode("utf-8", "backslashreplace"))


def dumps(value: Any) -> str:
    """JSON on one line with `", "` and `": "`, non-ASCII kept: the one spelling used in files and prompts."""
    return _ENCODE(value)


_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode  # json.dumps would make an encoder a call


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically, for files that people open: manifests, scores."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write one JSON object a line atomically, streaming; returns the number of rows."""
    count = 0
    with atomic(path) as stream:
        for row in rows:
            stream.write((dumps(row) + "\n").encode("utf-8", "surrogatepass"))
            count += 1
    return count


def either(path: Path) -> Path:
    """`path` itself or its gzipped twin `path.gz`, whichever exists; a DataError that names both otherwise."""
    if path.is_dir():
        raise DataError(path, "is a folder, not a file")
    for candidate in (path, path.with_name(path.name + ".gz")):
        if candidate.is_file():
            return candidate
    raise DataError(path, "no such file (nor with .gz after it)")


def read_bytes(path: Path) -> bytes:
    """The unpacked bytes of a file, through gzip where its name ends in .gz or only the .gz twin exists."""
    found = either(path)
    try:
        raw = found.read_bytes()
        return gzip.decompress(raw) if found.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(found, f"cannot be read ({error}); fetch it again") from error


def read_text(path: Path) -> str:
    """A file as text: UTF-8, or CESU-8 (emoji as two surrogates, as in one SNIPS file), else latin-1; no BOM."""
    raw = read_bytes(path).removeprefix(codecs.BOM_UTF8)
    for decode in (bytes.decode, _cesu8):
        try:
            return decode(raw)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _cesu8(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16")


def read_json(path: Path) -> Any:
    """A JSON file; what does not parse is a DataError with the line and column."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:  # a number of more digits than Python reads is no JSONDecodeError
        raise DataError(path, f"is not JSON: {error}") from error


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object, as settings and manifests do; a DataError otherwise."""
    return _object(path, read_json(path))


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a JSONL file with their 1-based numbers, streaming; a bad row is a DataError that names it."""
    found = either(path)
    opener = gzip.open if found.suffix == ".gz" else open
    number = 0
    try:
        with opener(found, "rb") as stream:  # as bytes, so that a byte that is no UTF-8 is found in its own row
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, _row(found, number, line)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(found, f"cannot be read ({error})", number + 1 if number else None) from error


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a JSONL or Parquet file with their 1-based numbers, streaming; the name's end says which it is.

    Of Parquet at most `BATCH` rows are in memory as Python values; fields that a row lacks are there, and None.

    Raises:
        DataError: the file is missing or corrupt; of JSONL also with the row.
        MissingExtra: Parquet without pyarrow.
    """
    yield from _parquet(path) if path.suffix == ".parquet" else read_jsonl(path)


BATCH = 256


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("reading Parquet", "data", "pyarrow") from error
    if not path.is_file():
        raise DataError(path, "no such file")
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(path, f"is not Parquet, or corrupt after row {number} ({_one_line(error)})") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError as error:
        raise DataError(path, f"is not UTF-8 ({error.reason} at byte {error.start})", number) from error
    except (ValueError, RecursionError) as error:
        raise DataError(path, f"is not JSON: {error}", number) from error
    return _object(path, value, number)


def _object(path: Path, value: Any, number: int | None = None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(path, f"is {type(value).__name__}, not an object", number)
    return value


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
