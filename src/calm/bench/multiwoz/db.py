"""The real MultiWOZ database (110 restaurants, 33 hotels, 79 attractions, 2,828 trains) and its queries."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from calm.bench.multiwoz.fuzzy import fits
from calm.bench.multiwoz.values import clock, helper_value
from calm.errors import DataError
from calm.files import read_json

Record = dict[str, Any]

TABLES = ("restaurant", "hotel", "attraction", "train", "taxi")
RENAMED = {"pricerange": "price_range", "leaveAt": "leave_at", "arriveBy": "arrive_by", "trainID": "train_id"}
SHOWN = {
    "restaurant": ("name", "area", "food", "price_range", "address", "postcode", "phone"),
    "hotel": ("name", "area", "type", "price_range", "stars", "parking", "internet", "address", "postcode", "phone"),
    "attraction": ("name", "area", "type", "entrance fee", "address", "postcode", "phone"),
    "train": ("train_id", "day", "departure", "destination", "leave_at", "arrive_by", "duration", "price"),
}
"""What a result shows of a record, in our spelling; unknown values (`?`) are left out."""

FUZZY = ("name", "food", "departure", "destination")
CLOSE = 80
"""partial_ratio from which a name is taken for the one meant: the CALM lab's harness has the same bound."""


class Database:
    """Read-only tables, shared by all dialogues; `find` keeps the order of the files."""

    def __init__(self, folder: Path) -> None:
        self.tables = {name: list(_records(folder / f"{name}_db.json")) for name in TABLES}

    def __deepcopy__(self, memo: dict[int, Any]) -> "Database":
        return self  # nothing in it changes, and a chat copies its world every turn

    def find(self, table: str, wanted: Mapping[str, str]) -> list[Record]:
        """The records that meet every wish; `dontcare` and empty wishes always are met.

        Names, foods and places match loosely, trains leave no earlier and arrive no later than asked; the rest is
        equal but for blanks and upper case.
        """
        asked = {key: value for key, value in wanted.items() if value not in ("", "dontcare")}
        found = self.tables[table]
        for key, value in asked.items():  # each value of a column is looked at once: trains share theirs by the hundred
            meets = {have: _meets(key, have, value) for have in {record.get(key, "?") for record in found}}
            found = [record for record in found if meets[record.get(key, "?")]]
        return found

    def show(self, table: str, record: Record) -> Record:
        """The part of a record that is told."""
        return {key: record[key] for key in SHOWN[table] if record.get(key, "?") != "?"}


def _records(path: Path) -> Iterator[Record]:
    rows = read_json(path)
    if not isinstance(rows, list):
        raise DataError(path, "is not a MultiWOZ table (a list of records)")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise DataError(path, "is not a record", number)
        yield {RENAMED.get(key, key): value for key, value in row.items()}


def _meets(key: str, found: str, wanted: str) -> bool:
    if found == "?":
        return True
    if key == "arrive_by":
        return found <= clock(wanted)
    if key == "leave_at":
        return found >= clock(wanted)
    if key in FUZZY:
        return fits(found, wanted.lower(), CLOSE)
    return _bare(key, found) == _bare(key, wanted)


def _bare(key: str, value: str) -> str:
    return helper_value(key, value.lower()).replace(" ", "")
