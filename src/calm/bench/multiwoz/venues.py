"""Which venues fit a state, as mwzeval asks its database; the model's own tools ask `db`, by other rules.

Unlike there, upper case matters, an empty wish is met by nothing, and a slot that the tables lack (a misspelt one, or
`bookday`) is passed over, which makes the result wider. A wish for the phone of a restaurant finds those that have one;
the original ends there with a KeyError.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from calm.bench.multiwoz.fuzzy import fits
from calm.bench.multiwoz.values import mwzeval_slot, mwzeval_value
from calm.errors import DataError
from calm.files import read_json

FUZZY = {
    "hotel": ("name",),
    "attraction": ("name",),
    "restaurant": ("name", "food"),
    "train": ("departure", "destination"),
}
CLOSE = 90
UNKNOWN = "?"
UNASKED = frozenset({"dontcare", "dont care", "don't care", "do n't care", "do not care", "not mentioned"})
CLOCK = re.compile(r"(\d\d):(\d\d+)")

Wanted = Mapping[str, str]


class Venues:
    """Four read-only tables; results are remembered, because systems repeat their states from turn to turn."""

    def __init__(self, folder: Path) -> None:
        self._tables = {name: _table(folder / f"{name}_db.json") for name in FUZZY}
        self._found: dict[tuple[str, frozenset[tuple[str, str]]], frozenset[str]] = {}
        self._meets: dict[tuple[str, str, str], frozenset[int]] = {}
        self._by_value: dict[tuple[str, str], dict[str, list[int]]] = {}

    def find(self, domain: str, wanted: Wanted) -> frozenset[str]:
        """Ids of the venues (or trains, where 336 ids are shared) that meet every wish; none in other domains."""
        key = domain, frozenset(wanted.items())
        if key not in self._found:
            self._found[key] = self._query(domain, wanted)
        return self._found[key]

    def records(self, domain: str) -> dict[str, dict[str, Any]]:
        """The venues of a domain by id; of the trains that share an id the last."""
        key = "trainid" if domain == "train" else "id"
        return {record[key]: record for record in self._tables[domain]}

    def _query(self, domain: str, wanted: Wanted) -> frozenset[str]:
        rows = self._tables.get(domain, [])
        keys = rows[0].keys() if rows else ()  # the original asks by the keys of a table's first row
        asked = [(slot, value) for slot, value in wanted.items() if slot in keys and value not in UNASKED]
        columns = sorted((self._column(domain, *wish) for wish in asked), key=len)
        places = columns[0].intersection(*columns[1:]) if columns else range(len(rows))
        name = "trainid" if domain == "train" else "id"
        return frozenset(rows[place][name] for place in places)

    def _column(self, domain: str, slot: str, value: str) -> frozenset[int]:
        """The rows that meet one wish; those with an unknown value meet any, those without one none."""
        key = domain, slot, value
        if key not in self._meets:
            has, meets = self._places(domain, slot), _test(domain, slot, mwzeval_value(slot, value))
            good = [places for have, places in has.items() if have == UNKNOWN or meets(have)]
            self._meets[key] = frozenset(chain.from_iterable(good))
        return self._meets[key]

    def _places(self, domain: str, slot: str) -> dict[str, list[int]]:
        """The rows by their value of a slot: each value is looked at once, trains share theirs by the hundred."""
        if (domain, slot) not in self._by_value:
            found: dict[str, list[int]] = {}
            for place, row in enumerate(self._tables[domain]):
                if slot in row:
                    found.setdefault(row[slot], []).append(place)
            self._by_value[domain, slot] = found
        return self._by_value[domain, slot]


def _test(domain: str, slot: str, value: str) -> Callable[[str], bool]:
    if slot in FUZZY[domain]:
        return lambda have: fits(have, value, CLOSE)
    if slot == "arrive":
        return lambda have: minutes(have) <= minutes(value)
    if slot == "leave":
        return lambda have: minutes(have) >= minutes(value)
    return lambda have: have == value


def minutes(time: str) -> int:
    """Minutes of the day; what does not begin like `07:15` counts as midnight: no constraint on leaving, no train."""
    found = CLOCK.match(time)
    return 60 * int(found[1]) + int(found[2]) if found else 0


def _table(path: Path) -> list[dict[str, Any]]:
    rows = read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(path, "is not a MultiWOZ table (a list of records)")
    return [dict(_renamed(row)) for row in rows]


def _renamed(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The plain texts of a record under the names that states use; of the values, only a misspelt type is mended."""
    for key, value in row.items():
        slot = mwzeval_slot(key)
        if isinstance(value, str):
            yield slot, mwzeval_value(slot, value) if slot == "type" else value
