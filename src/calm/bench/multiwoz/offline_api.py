"""The eight APIs of the CALM lab's offline protocol: their names, parameters, answers, and the state that calls leave.

Behaviour of `ReSpAct`, `multiwoz/actions.py`, `evaluator.py` and `eval_postprocess.py` (commit 6dd4de09), written anew
with answers in our words: `any` asks for nothing, ten rows are shown, tickets and taxis are always to be had. There a
reference is drawn at random; here it depends on the booking alone.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from calm.bench.multiwoz.db import RENAMED, Database, Record
from calm.bench.multiwoz.fuzzy import fits
from calm.bench.multiwoz.values import helper_value
from calm.files import dumps

APIS = {
    "query_restaurants": "area pricerange food name",
    "book_restaurant": "name people day time",
    "query_hotels": "area internet name parking pricerange stars type",
    "book_hotel": "name people day stay",
    "query_attractions": "area name type",
    "query_trains": "arriveBy day departure destination leaveAt trainID",
    "buy_train_tickets": "arriveBy day departure destination leaveAt trainID people",
    "book_taxi": "arriveBy departure destination leaveAt",
}
"""Parameters of each API; all are text."""

DOMAINS = ("attraction", "hotel", "restaurant", "taxi", "train")
STATE = {
    "attraction": "name type area",
    "hotel": "name type parking area book_day book_stay internet book_people stars pricerange",
    "restaurant": "name food area book_day book_time book_people pricerange",
    "taxi": "arriveby departure leaveat destination",
    "train": "arriveby day leaveat destination departure book_people",
}
SLOTS = {
    f"{domain}-{slot.replace('_', '')}": f"{domain}-{slot.replace('_', ' ')}"
    for domain, slots in STATE.items()
    for slot in slots.split()
}
"""The 30 slots as the harness spells them (`hotel-bookday`), and as the data do (`hotel-book day`)."""

AREAS, PRICES = ("centre", "north", "south", "east", "west"), ("cheap", "moderate", "expensive")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
YES_NO, KINDS = ("yes", "no"), ("bed and breakfast", "guesthouse", "hotel")
FINITE: dict[str, dict[str, tuple[str, ...]]] = {
    "restaurant": {"area": AREAS, "pricerange": PRICES, "day": DAYS},
    "hotel": {
        "area": AREAS,
        "internet": YES_NO,
        "parking": YES_NO,
        "pricerange": PRICES,
        "stars": tuple("012345"),
        "type": KINDS,
        "day": DAYS,
    },
    "attraction": {"area": AREAS},
    "train": {"day": DAYS},
}
"""Values outside these ask for nothing and are dropped from the state; `dontcare` is one of them."""

FUZZY = {"hotel": ("name",), "attraction": ("name", "type"), "restaurant": ("name", "food")}
FUZZY |= {"train": ("departure", "destination")}
CLOSE = 80
TABLES = {f"query_{domain}s": domain for domain in ("restaurant", "hotel", "attraction", "train")}
BOOKED = {"book_restaurant": ("restaurant", "people day time"), "book_hotel": ("hotel", "people day stay")}
ROWS = 10

WRITTEN = {new: old for old, new in RENAMED.items()}
TIMES = {"arriveBy": "arrive", "leaveAt": "leave"}


def is_any(value: str) -> bool:
    """Whether a value asks for nothing."""
    return value.lower() == "any"


def texts(arguments: Mapping[str, JsonValue]) -> dict[str, str]:
    """Arguments as the texts they should be: numbers as digits; lists, objects and null are left out."""
    kept = {key: value for key, value in arguments.items() if isinstance(value, str | int | float)}
    return {key: value if isinstance(value, str) else dumps(value) for key, value in kept.items()}


# --- the state -----------------------------------------------------------------------------------------------------


def domain_of(name: str) -> str:
    """The domain that an API's name speaks of, known or not; nothing where it names none."""
    return next((domain for domain in reversed(DOMAINS) if domain in name), "")


def filled(name: str, arguments: Mapping[str, str]) -> dict[str, str]:
    """The slots that a call fills, `any` among their values; an unknown API fills those of the domain it names."""
    domain = domain_of(name)
    booking = domain != "taxi" and ("book" in name or "buy" in name)
    keyed = {(key if not booking or "name" in key or "ID" in key else f"book{key}"): v for key, v in arguments.items()}
    slots = {f"{domain}-{key}".lower(): value for key, value in keyed.items()}
    return {SLOTS[slot]: value for slot, value in slots.items() if slot in SLOTS}


def scored(state: Mapping[str, str]) -> dict[str, str]:
    """The part of a state that is scored: neither `any` nor a value outside a closed list."""
    return {slot: value for slot, value in state.items() if not is_any(value) and _is_open(slot, value)}


def _is_open(slot: str, value: str) -> bool:
    domain, _, key = slot.partition("-")
    return value in FINITE.get(domain, {}).get(key, (value,))


# --- answers -------------------------------------------------------------------------------------------------------


class Apis:
    """The APIs over the real database; nothing is kept between calls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self, name: str, arguments: Mapping[str, JsonValue] | None) -> str:
        """The answer as JSON text `{"result", "message"}`; arguments that could not be read are None."""
        if name not in APIS:
            return _failure("There is no such API.")
        if arguments is None:
            return _failure("The API input is no JSON object.")
        wanted = {key: value for key, value in texts(arguments).items() if not is_any(value)}
        return self._query(TABLES[name], wanted) if name in TABLES else self._book(name, wanted)

    def _query(self, table: str, wanted: Mapping[str, str]) -> str:
        found = list(self._find(table, wanted))
        rows: list[JsonValue] = [{WRITTEN.get(key, key): value for key, value in row.items()} for row in found[:ROWS]]
        more = {"message": f"There are more than these {ROWS}; ask for less."} if len(found) > ROWS else {}
        return dumps({"result": rows, **more})

    def _find(self, table: str, wanted: Mapping[str, str]) -> Iterator[Record]:
        asked = {key: value for key, value in wanted.items() if value and _is_open(f"{table}-{key}", _same(key, value))}
        rows, known = self._database.tables[table], {}
        for row in rows:
            values = ((key, row.get(RENAMED.get(key, key)), value) for key, value in asked.items())
            if all(_meets(table, key, have, value, known) for key, have, value in values if have):
                yield row

    def _book(self, name: str, wanted: Mapping[str, str]) -> str:
        if name == "book_taxi":
            return dumps({"result": self._taxi(wanted)})
        table, needed = BOOKED.get(name, ("", ""))
        if missing := [key for key in needed.split() if key not in wanted]:
            return _failure(f"The API input lacks {', '.join(missing)}.")
        if table and not ("name" in wanted and self._is_there(table, wanted["name"])):
            return _failure("No place of that name.")
        return dumps({"result": {"reference": _lot(name, wanted)[:8].upper()}, "message": "Booked."})

    def _is_there(self, table: str, name: str) -> bool:
        return any(_fits(_same("name", row["name"]), _same("name", name)) for row in self._database.tables[table])

    def _taxi(self, wanted: Mapping[str, str]) -> dict[str, JsonValue]:
        fleet, lot = self._database.tables["taxi"][0], int(_lot("taxi", wanted), 16)
        colours, makes = fleet["taxi_colors"], fleet["taxi_types"]
        return {
            "type": f"{colours[lot % len(colours)]} {makes[lot // 64 % len(makes)]}",
            "phone": f"07{lot % 10**8:08d}",
        }


def _failure(why: str) -> str:
    return dumps({"result": None, "message": f"Failure: {why}"})


def _lot(name: str, wanted: Mapping[str, str]) -> str:
    return hashlib.sha256(f"{name} {sorted(wanted.items())}".encode("utf-8", "surrogatepass")).hexdigest()


def _same(key: str, value: Any) -> Any:
    return helper_value(TIMES.get(key, key), value) if isinstance(value, str) else value


def _meets(table: str, key: str, have: Any, wanted: str, known: dict[tuple[str, str], bool]) -> bool:
    """Whether a row's value is the one asked for; `known` saves looking at the same text twice."""
    if not isinstance(have, str):
        return False
    if (key, have) not in known:
        known[key, have] = _agree(table, key, _same(key, have), _same(key, wanted))
    return known[key, have]


def _agree(table: str, key: str, have: str, wanted: str) -> bool:
    if key in FUZZY[table]:
        return _fits(have, wanted)
    if key in TIMES:
        early, late = (wanted, have) if key == "leaveAt" else (have, wanted)
        return _minutes(early) <= _minutes(late)
    return have == wanted


def _fits(have: str, wanted: str) -> bool:
    return fits(have, wanted, CLOSE)


def _minutes(time: str) -> int:
    return int(time[:2]) * 60 + int(time[3:5]) if re.match(r"[0-9]{2}:[0-9]{2}", time) else 0
