"""What a dialogue is held against by mwzeval: the user's goal, the wizard's bookings, and what the wizard said.

The original's own files (2.2 replies and states) are not at hand. Goals are the same in all versions; replies and their
slots are rebuilt from the 2.1 annotation, so BLEU here is close to published figures, not equal.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from calm.bench.multiwoz import archive
from calm.bench.multiwoz.replies import normal
from calm.bench.multiwoz.values import mwzeval_state
from calm.errors import DataError
from calm.files import read_json

DOMAINS = ("attraction", "hospital", "hotel", "police", "restaurant", "taxi", "train")
ASKED = {"phone": "PHONE", "address": "ADDRESS", "postcode": "POST", "reference": "REFERENCE", "id": "TRAINID"}
RENAMED = {"arriveBy": "arrive", "leaveAt": "leave"}
SPOKEN = {
    "Addr": "address",
    "Area": "area",
    "Arrive": "time",
    "Car": "car",
    "Choice": "choice",
    "Day": "day",
    "Depart": "departure",
    "Dest": "destination",
    "Fee": "price",
    "Food": "food",
    "Id": "trainid",
    "Leave": "time",
    "Name": "name",
    "People": "people",
    "Phone": "phone",
    "Post": "postcode",
    "Price": "price",
    "Ref": "reference",
    "Stars": "stars",
    "Stay": "stay",
    "Ticket": "price",
    "Time": "time",
    "Type": "type",
}
"""What a slot of the 2.1 span annotation is called in a delexicalised reply."""
NOTHING = ("", "none", "not mentioned", "dontcare", "dont care", "do n't care", "don't care")

State = dict[str, dict[str, str]]


class Wish(NamedTuple):
    """A domain of a user's goal: what the venue must be like, and which classes of facts the user wants to hear."""

    informable: dict[str, str]
    requestable: frozenset[str]


class Measure(NamedTuple):
    """A test dialogue: goal by domain, domains the wizard had booked by each turn, states after each turn (2.4)."""

    goal: dict[str, Wish]
    booked: list[list[str]]
    states: list[State]


def goal(raw: Mapping[str, Any]) -> dict[str, Wish]:
    """The goal in mwzeval's form; a train's only requests are its reference (where booked) and its id."""
    return {domain: _wish(domain, raw[domain]) for domain in DOMAINS if raw.get(domain)}


def _wish(domain: str, part: Mapping[str, Any]) -> Wish:
    requests = part.get("reqt", ())
    if domain == "train":
        asked = {"TRAINID"} if "trainID" in requests else set()
    else:
        asked = {ASKED[name] for name in requests if name in ASKED}
    booked = {"REFERENCE"} if part.get("book") else set()
    informable = {RENAMED.get(key, key.lower()): value for key, value in part.get("info", {}).items()}
    return Wish(informable, frozenset(asked | booked))


@lru_cache(maxsize=1)
def measures(folder: Path) -> dict[str, Measure]:
    """Every test dialogue by its id (`mul0003`), from the folder of the corpus."""
    booked = read_json(folder / "booked_domains.json")
    path = archive.source(folder).path
    found = {}
    for number, row in archive.rows(folder):
        try:
            name = archive.bare(row["dialogue_id"])
            states = [_nested(turn["state"]) for turn in row["turns"]]
            found[name] = Measure(goal(row["goal"]), booked[name], states)
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(path, f"is not a dialogue with goal and turns ({error!r})", number) from error
    return found


def _nested(state: Mapping[str, str]) -> State:
    nested: State = {}
    for name, value in state.items():
        domain, _, slot = name.partition("-")
        if value not in NOTHING:
            nested.setdefault(domain, {})[slot] = value
    return mwzeval_state(nested)


# --- the 2.1 annotation --------------------------------------------------------------------------------------------


class Human(NamedTuple):
    """What the wizard of a dialogue said and noted, turn by turn: replies in normal form, 2.1 states."""

    replies: list[str]
    states: list[State]


def humans(folder: Path) -> dict[str, Human]:
    """The wizards of all test dialogues, from the folder of the corpus; their replies are the one reference of BLEU.

    Raises:
        DataError: the 2.1 archive is not there or not what it should be.
    """
    path = folder / "2.1" / "test.json.zip"
    try:
        with zipfile.ZipFile(path) as archive:
            rows = json.loads(archive.read("test.json"))
        return {name.removesuffix(".json").lower(): _human(row["log"][1::2]) for name, row in rows.items()}
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"is not MultiWOZ 2.1's test part ({error!r})") from error


def _human(turns: Sequence[Mapping[str, Any]]) -> Human:
    return Human([reference(turn) for turn in turns], [state_21(turn["metadata"]) for turn in turns])


def reference(turn: Mapping[str, Any]) -> str:
    """One reply delexicalised by its spans: by where they start, those that overlap an earlier one left out."""
    words = turn["text"].split()
    said, place = [], 0
    for _, slot, value, start, end in sorted(turn["span_info"], key=lambda span: span[3]):
        if start >= place and slot in SPOKEN and value not in NOTHING:
            said += [*words[place:start], f"[{SPOKEN[slot]}]"]
            place = max(start, end) + 1  # one span ends before it starts: it has one word
    return normal(" ".join([*said, *words[place:]]))


def state_21(metadata: Mapping[str, Any]) -> State:
    """A 2.1 state in mwzeval's form: bookings as `bookday`, the first of several values, nothing that is no wish."""
    written: State = {}
    for domain, parts in metadata.items():
        booking = {f"book{key}": value for key, value in parts["book"].items() if key != "booked"}
        slots = {key: _first(value) for key, value in {**booking, **parts["semi"]}.items()}
        if kept := {key: value for key, value in slots.items() if value not in NOTHING}:
            written[domain] = kept
    return mwzeval_state(written)


def _first(value: str | Sequence[str]) -> str:
    return value.split("|")[0] if isinstance(value, str) else value[0] if value else ""
