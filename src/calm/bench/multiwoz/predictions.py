"""Prediction files in mwzeval's form: one JSON object of dialogues, each a list of system turns; nothing is mended."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calm.errors import DataError
from calm.files import read_bytes

Turns = list[dict[str, Any]]

DIALOGUE = re.compile(rb'"([A-Za-z]{1,20}\d{1,9}(?:\.json)?)"\s*:\s*\[')


def read(
    path: Path, turns_of: Mapping[str, int], keys: Sequence[str], optional: Sequence[str] = ("active_domains",)
) -> dict[str, Turns]:
    """The dialogues of a file by id, each turn with all the keys asked for (of `response`, `state`).

    Fewer turns than the test set has are taken as they come, as the original does; they are counted where totals are.

    Args:
        path: `{dialogue: [{"response": text, "state": {domain: {slot: text}}, "active_domains": [domain]}, ...]}`,
            `.gz` or not.
        turns_of: how many turns each dialogue of the test set has.
        keys: what a turn must have.
        optional: what a turn may have, but then as it should be.

    Raises:
        DataError: cut or bad bytes, no JSON, or a dialogue that is not of this form; names row (its place) and id.
    """
    found = _parsed(path)
    if not isinstance(found, dict):
        raise DataError(path, f"is a JSON {type(found).__name__}, not an object of dialogues")
    if not found:
        raise DataError(path, "holds no dialogue")
    for row, (name, turns) in enumerate(found.items(), 1):
        if name not in turns_of:
            raise DataError(path, f"dialogue {name!r} is none of the test set (ids are like 'mul0003')", row)
        if not isinstance(turns, list) or not 0 < len(turns) <= turns_of[name]:
            raise DataError(path, f"dialogue {name!r} is not a list of 1 to at most {turns_of[name]} turns", row)
        if wrong := _wrong(turns, keys, optional):
            raise DataError(path, f"dialogue {name!r} {wrong}", row)
    return found


def has_everywhere(key: str, dialogues: Mapping[str, Turns]) -> bool:
    """Whether every single turn has a key: one without it, and the original takes it for absent from the file."""
    return all(key in turn for turns in dialogues.values() for turn in turns)


# --- bytes and JSON ------------------------------------------------------------------------------------------------


def _parsed(path: Path) -> Any:
    raw = read_bytes(path)
    try:
        return json.loads(raw.decode(), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise DataError(path, f"is not UTF-8 at byte {error.start}{_near(raw, error.start)}") from error
    except json.JSONDecodeError as error:
        place = len(error.doc[: error.pos].encode())
        raise DataError(path, f"is not JSON: {error}{_near(raw, place)}") from error
    except RecursionError as error:
        raise DataError(path, "is not JSON of dialogues: nested too deep") from error
    except ValueError as error:
        raise DataError(path, str(error)) from error


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs) and all(isinstance(value, list) for value in found.values()):
        names = [name for name, _ in pairs]
        raise ValueError(f"dialogue {next(name for name in found if names.count(name) > 1)!r} stands there twice")
    return found


def _near(raw: bytes, place: int) -> str:
    """Where in the file that is, as far as can be seen."""
    before = DIALOGUE.findall(raw, 0, place)
    return f", in row {len(before)}, dialogue {before[-1].decode()!r}" if before else ""


# --- turns ---------------------------------------------------------------------------------------------------------


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_state(value: Any) -> bool:
    filled = value.values() if isinstance(value, dict) else [None]
    return all(isinstance(slots, dict) and all(map(_is_text, slots.values())) for slots in filled)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


FORMS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "response": (_is_text, "a reply as text"),
    "state": (_is_state, "predicted states {domain: {slot: text}}, and none is taken from gold"),
    "active_domains": (_is_list, "a list of domains"),
    "told": (_is_state, 'what tools gave {domain: {"reference": text}}'),
}


def _wrong(turns: Sequence[Any], keys: Sequence[str], optional: Sequence[str]) -> str:
    """What is wrong with the first turn that is not as it should be; nothing if all are."""
    for number, turn in enumerate(turns):
        if not isinstance(turn, dict):
            return f"turn {number} is no object"
        for key in [*keys, *(key for key in optional if key in turn)]:
            right, form = FORMS[key]
            if key not in turn or not right(turn[key]):
                return f"turn {number} has no {key!r} that can be judged: this takes {form}"
    return ""
