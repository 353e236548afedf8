"""The test dialogues: from the official MultiWOZ 2.4 archive where a user has it, else from the derived file.

The archive (`MULTIWOZ2.4.zip` of smartyfh/MultiWOZ2.4, MIT) holds `data.json` in the format of MultiWOZ 2.1 and a list
of test dialogues. Its states have no error bound of ours; those of the derived file do, so `source` says which it is.
"""

import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from calm.errors import DataError
from calm.files import read_json

ARCHIVE, DERIVED = "MULTIWOZ2.4.zip", "test_2.4_derived.json"
DIALOGUES, TESTS = "data.json", "testListFile"
BOUND = (
    "states derived from 2.4 turn labels, not the official archive: up to 161 of 42,493 slot-turns, so at most 2.2 %"
    " of the 7,372 turns, can be wrong"
)
UNFILLED = ("", "none", "not mentioned")
CARELESS = ("dont care", "don't care", "do not care", "do n't care")
NEXT = re.compile(r"[\s,]*")
AFTER_NAME = re.compile(r"\s*:\s*")

Row = dict[str, Any]


class Source(NamedTuple):
    """Which file the test dialogues come from, the version that a run is stamped with, what to say beside scores."""

    path: Path
    version: str
    note: str


def source(folder: Path) -> Source:
    """The official archive in the corpus' folder if it is there, else the derived file with its error bound."""
    if (folder / ARCHIVE).is_file():
        return Source(folder / ARCHIVE, "2.4", "states of the official 2.4 archive")
    return Source(folder / DERIVED, "2.4-derived", BOUND)


def rows(folder: Path) -> Iterator[tuple[int, Row]]:
    """The test dialogues with their 1-based places, `{dialogue_id, goal, turns: [{user, system, state}]}`.

    States are keyed by slot as in `hotel-book day`, in lower case; unfilled slots are left out, `dontcare` is one word.

    Raises:
        DataError: a cut or malformed archive, or a dialogue that is not of the form; names file and dialogue.
    """
    found = source(folder)
    return enumerate(_official(found.path) if found.path.name == ARCHIVE else _derived(found.path), 1)


def _derived(path: Path) -> Iterator[Row]:
    dialogues = read_json(path)
    if not isinstance(dialogues, list):
        raise DataError(path, "is not a list of dialogues")
    for number, row in enumerate(dialogues, 1):
        if not _is_dialogue(row):
            raise DataError(path, "is not a dialogue with goal and turns", number)
        yield row


def _is_dialogue(row: Any) -> bool:
    right = isinstance(row, dict) and isinstance(row.get("dialogue_id"), str) and isinstance(row.get("goal"), dict)
    return right and isinstance(row.get("turns"), list) and bool(row["turns"]) and all(map(_is_turn, row["turns"]))


def _is_turn(turn: Any) -> bool:
    right = isinstance(turn, dict) and all(isinstance(turn.get(key), str) for key in ("user", "system"))
    return right and isinstance(turn.get("state"), dict) and all(isinstance(v, str) for v in turn["state"].values())


# --- the official archive ------------------------------------------------------------------------------------------


def _official(path: Path) -> Iterator[Row]:
    stamp = path.stat()
    yield from _unpacked(path, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=1)
def _unpacked(path: Path, _changed: int, _size: int) -> tuple[Row, ...]:
    """All test dialogues; kept, since going through the whole `data.json` takes seconds."""
    text, tests = _members(path)
    kept = [(name, value) for name, value in _dialogues(path, text) if bare(name) in tests]
    found = tuple(_row(path, name, value) for name, value in kept)
    if lacking := sorted(tests - {bare(row["dialogue_id"]) for row in found}):
        raise DataError(path, f"{DIALOGUES} lacks {len(lacking)} test dialogues; the first is {lacking[0]!r}")
    return found


def _members(path: Path) -> tuple[str, set[str]]:
    """The text of all dialogues, and the ids of the test part."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _member(archive, path, DIALOGUES), _ids(_member(archive, path, TESTS))
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise DataError(path, f"is not the MultiWOZ 2.4 archive ({error}); fetch it again") from error


def _member(archive: zipfile.ZipFile, path: Path, wanted: str) -> str:
    """The text of the member of that name, whichever folder it is in."""
    names = [name for name in archive.namelist() if name.rpartition("/")[2].startswith(wanted)]
    if not names:
        raise DataError(path, f"holds no {wanted}; take the archive as it is published")
    try:
        return archive.read(names[0]).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(path, f"{names[0]} is not UTF-8 at byte {error.start}") from error


def _ids(text: str) -> set[str]:
    """Ids of a list, one a line; despite its name the published file is no JSON, but JSON is read too."""
    return {bare(found) for found in re.findall(r"[A-Za-z]+\d+", text)}


def bare(name: str) -> str:
    """A dialogue's id as predictions have it: `MUL0003.json` is `mul0003`."""
    return name.removesuffix(".json").lower()


def _dialogues(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    """The members of the one big object, each read alone: as a whole it would fill gigabytes."""
    decoder, last = json.JSONDecoder(), "none"
    place = text.find("{") + 1
    if not place or text[: place - 1].strip():
        raise DataError(path, f"{DIALOGUES} is no JSON object of dialogues")
    try:
        while text[place := _past(NEXT, text, place)] != "}":
            name, place = decoder.raw_decode(text, place)
            last = str(name)
            value, place = decoder.raw_decode(text, _past(AFTER_NAME, text, place))
            yield last, value
    except (ValueError, IndexError, RecursionError) as error:
        raise DataError(path, f"{DIALOGUES} is not JSON at dialogue {last!r} or right after it ({error})") from error


def _past(pattern: re.Pattern[str], text: str, place: int) -> int:
    found = pattern.match(text, place)
    return found.end() if found else place


def _row(path: Path, name: str, value: Any) -> Row:
    try:
        log = value["log"]
        turns = [
            {"user": user["text"], "system": reply["text"], "state": state(reply["metadata"])}
            for user, reply in zip(log[::2], log[1::2], strict=True)
        ]
        row = {"dialogue_id": name, "goal": value["goal"], "turns": turns}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(path, f"dialogue {name!r} is not of the form of MultiWOZ 2.1 ({error!r})") from error
    if not _is_dialogue(row):
        raise DataError(path, f"dialogue {name!r} is not of the form of MultiWOZ 2.1 (goal, log, text, metadata)")
    return row


def state(metadata: Mapping[str, Any]) -> dict[str, str]:
    """A state of the archive keyed by slot, bookings as `hotel-book day`; several values of a slot joined by `|`."""
    filled: dict[str, str] = {}
    for domain, parts in metadata.items():
        booking = {f"book {key}": value for key, value in parts["book"].items() if key not in ("booked", "ticket")}
        for slot, value in {**parts["semi"], **booking}.items():
            if (text := _text(value)) not in UNFILLED:
                filled[f"{domain}-{slot.lower()}"] = "dontcare" if text in CARELESS else text
    return filled


def _text(value: str | list[str]) -> str:
    given = value if isinstance(value, str) else "|".join(value)
    return re.sub("[<>]", "|", " ".join(given.lower().split()))
