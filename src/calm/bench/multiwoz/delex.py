"""Replies with values turned into placeholders by dictionary, as the CALM lab scores what its models say in words.

Spelling rules and dictionary are those of `budzianowski/multiwoz` (MIT) as `ReSpAct` (`multiwoz/utils`, commit
6dd4de09) uses them, written anew. Values are found only as whole words in the database's own spelling, so a reply that
paraphrases a name or an address has not given it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from calm.bench.multiwoz.spelling import spelled
from calm.errors import DataError
from calm.files import read_json

DOMAINS = ("restaurant", "hotel", "attraction", "train", "taxi", "hospital", "police")
WHOLE = {"name": "name", "postcode": "postcode", "phone": "phone", "trainID": "id", "department": "department"}
GENERAL = {"area": "area", "food": "food", "pricerange": "pricerange"}
"""Fields whose placeholder says no domain; looked for last."""

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FIXED = {
    "hospital": (
        ("Hills Rd", "address"),
        ("Hills Road", "address"),
        ("CB20QQ", "postcode"),
        ("01223245151", "phone"),
        ("1223245151", "phone"),
        ("0122324515", "phone"),
        ("Addenbrookes Hospital", "name"),
    ),
    "police": (
        ("Parkside", "address"),
        ("CB11JG", "postcode"),
        ("01223358966", "phone"),
        ("1223358966", "phone"),
        ("Parkside Police Station", "name"),
    ),
}
"""What the tables lack."""

OTHER_NAMES = {"b & b": "bed and breakfast", "bed and breakfast": "b & b", "hotel": "", "restaurant": ""}
"""The first of these in a name may also be said the other way or left out."""

LONGEST = 5000
"""A reply of that many characters counts as none."""


class Dictionary:
    """Every value of the database with its placeholder, in the order in which they are looked for."""

    def __init__(self, folder: Path) -> None:
        tables = {domain: list(_records(folder / f"{domain}_db.json")) for domain in DOMAINS}
        places = [record[key] for record in tables["train"] for key in ("departure", "destination") if key in record]
        general = {key: [r for rows in tables.values() for r in rows if _said(r.get(key))] for key in GENERAL}
        pairs = [pair for domain, records in tables.items() for pair in _own(domain, records)]
        pairs += [(spelled(place), "[value_place]") for place in places]
        pairs += [(day, "[value_day]") for day in DAYS]
        pairs += [(spelled(record[key]), f"[value_{GENERAL[key]}]") for key, rows in general.items() for record in rows]
        self._by_word: dict[str, list[tuple[int, str, str]]] = {}
        for place, (value, sign) in enumerate(dict.fromkeys(pairs)):
            first = value.partition(" ")[0]
            self._by_word.setdefault(first, []).append((place, f" {value} ", f" {sign} "))

    def placed(self, text: str, told: Iterable[tuple[str, Mapping[str, str]]], domains: Iterable[str]) -> str:
        """A reply with placeholders instead of values.

        Args:
            text: what the model said, in words.
            told: by domain, what bookings of this turn gave that no table has: reference, or a taxi's type and phone.
            domains: the domains of the predicted state, in its order; the last place among them claims all venues.
        """
        if not text or len(text) >= LONGEST:
            return ""
        found = f" {spelled(text)} "
        words = dict.fromkeys(found.split())
        for _, value, sign in sorted(entry for word in words for entry in self._by_word.get(word, ())):
            found = found.replace(value, sign)
        for domain, given in told:
            for slot, value in given.items():
                for way in (value, f"#{value}", f"ref#{value}"):
                    found = found.replace(f" {spelled(way)} ", f" [{domain}_{slot}] ")
        return _claimed(re.sub(r"\d+", "[value_count]", found[1:-1]), domains)


@lru_cache(maxsize=1)
def dictionary(folder: Path) -> Dictionary:
    """The dictionary of a database folder, made once."""
    return Dictionary(folder)


def _records(path: Path) -> list[dict[str, Any]]:
    rows = read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(path, "is not a MultiWOZ table (a list of records)")
    return rows


def _said(value: Any) -> bool:
    return isinstance(value, str) and value not in ("?", "free")


def _own(domain: str, records: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """The values that a domain's placeholders stand for."""
    for record in records:
        for key, value in record.items():
            if _said(value) and key == "address":
                yield from ((spelled(way), f"[{domain}_address]") for way in _addresses(value))
            elif _said(value) and key in WHOLE:
                ways = _names(value) if key == "name" else [value]
                yield from ((spelled(way), f"[{domain}_{WHOLE[key]}]") for way in ways)
    yield from ((spelled(value), f"[{domain}_{slot}]") for value, slot in FIXED.get(domain, ()))


def _addresses(value: str) -> list[str]:
    for long, short in (("road", "rd"), ("rd", "road"), ("st", "street")):
        if long in value:
            return [value, value.replace(long, short)]
    return [value]


def _names(value: str) -> list[str]:
    for word, other in OTHER_NAMES.items():
        if word in value and not (word == "hotel" and "gonville" in value):
            return [value, value.replace(word, other)]
    return [value]


def _claimed(text: str, domains: Iterable[str]) -> str:
    venues = ("attraction", "hotel", "restaurant")
    for domain in domains:
        if domain in venues:
            for other in venues:
                text = text.replace(f"{other}_", f"{domain}_")
    return text
