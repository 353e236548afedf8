"""The town of Aldermere as a Toolbox: search, book, cancel. A rule fixes what is free; bookings live in the instance.

Nothing is random and nothing is shared: the same calls in the same order give the same observations in every `Town()`.
Errors say what would work instead (near names, free times, other days), so a model can recover.
"""

import difflib
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import Field

from calm.conversation import Call
from calm.errors import UsageError
from calm.world.functions import Functions, ToolError, writes
from calm.world.town_data import (
    ATTRACTIONS,
    HOTELS,
    RESTAURANTS,
    TRAINS,
    Area,
    Attraction,
    Day,
    Food,
    Hotel,
    Kind,
    Place,
    Price,
    Restaurant,
    Station,
    Train,
)

OFFERED: dict[str, tuple[str, ...]] = {
    "restaurant": ("find_restaurants", "book_restaurant"),
    "hotel": ("find_hotels", "book_hotel"),
    "attraction": ("find_attractions",),
    "train": ("find_trains", "book_train"),
    "taxi": ("book_taxi",),
    "booking": ("cancel_booking",),
}
"""The tools of each domain."""

SHOWN = 3
"""Rows of a search result; `count` says how many there are. Three fit a small model's context."""

WEEK: tuple[Day, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
TABLES = [f"{hour}:{minute}" for hour in range(12, 22) for minute in ("00", "30")]
"""When restaurants seat guests: every half hour from 12:00 to 21:30."""

STATION = "station"
"""What a taxi calls the railway station."""

Time = Annotated[str, Field(description="HH:MM")]
P = TypeVar("P", Restaurant, Hotel, Attraction)
Row = dict[str, Any]


class Town:
    """Aldermere for one conversation; `bookings` maps each reference to what was booked, newest last.

    What books or cancels is marked as `writing`; whether anybody is asked about it is a matter of the guard around it.

    Args:
        domains: which tools to offer, of `restaurant hotel attraction train taxi booking`.

    Raises:
        UsageError: an unknown domain; lists the known ones.
    """

    def __init__(self, domains: Sequence[str] = tuple(OFFERED)) -> None:
        if unknown := set(domains) - set(OFFERED):
            raise UsageError(f"no town domain {sorted(unknown)[0]!r}; there are: {', '.join(OFFERED)}")
        self._functions = Functions(getattr(self, name) for d in OFFERED if d in domains for name in OFFERED[d])
        self.tools, self.writing = self._functions.tools, self._functions.writing
        self.bookings: dict[str, Row] = {}
        self._made = 0

    def run(self, call: Call) -> str:
        """The observation of a call, as `Functions.run` gives it."""
        return self._functions.run(call)

    def check(self, call: Call) -> str | None:
        """What is wrong with a call by its schema; whether there is a free table only running it tells."""
        return self._functions.check(call)

    def find_restaurants(
        self, area: Area | None = None, food: Food | None = None, price: Price | None = None, name: str | None = None
    ) -> Row:
        """Search restaurants."""
        return _found(_matching(RESTAURANTS, name, area=area, food=food, price=price))

    @writes
    def book_restaurant(self, name: str, day: Day, time: Time, people: int) -> Row:
        """Book a table."""
        place = _one(RESTAURANTS, name)
        _between("people", people, 8)
        if _clock(time) not in TABLES:
            raise ToolError(f"no table at {time}; tables are every half hour", first=TABLES[0], last=TABLES[-1])
        if not _free(place.name, day, time):
            raise ToolError(f"{place.name} is full on {day} at {time}", free=_other_times(place.name, day, time))
        return {"reference": self._book("R", name=place.name, day=day, time=time, people=people)}

    def find_hotels(
        self, area: Area | None = None, price: Price | None = None, parking: bool | None = None, name: str | None = None
    ) -> Row:
        """Search hotels."""
        return _found(_matching(HOTELS, name, area=area, price=price, parking=parking))

    @writes
    def book_hotel(self, name: str, day: Day, nights: int, people: int) -> Row:
        """Book a room from a day on."""
        place = _one(HOTELS, name)
        _between("people", people, 6)
        _between("nights", nights, 14)
        if not _free(place.name, day):
            raise ToolError(f"{place.name} is full on {day}", free=_other_days(place.name, day))
        return {"reference": self._book("H", name=place.name, day=day, nights=nights, people=people)}

    def find_attractions(self, area: Area | None = None, kind: Kind | None = None, name: str | None = None) -> Row:
        """Search attractions."""
        return _found(_matching(ATTRACTIONS, name, area=area, kind=kind))

    def find_trains(
        self,
        origin: Station,
        destination: Station,
        day: Day,
        leave_after: Time | None = None,
        arrive_by: Time | None = None,
    ) -> Row:
        """Search trains."""
        trains = [
            train
            for train in _running(day)
            if (train.origin, train.destination) == (origin, destination)
            and train.leave >= _clock(leave_after or "00:00")
            and train.arrive <= _clock(arrive_by or "23:59")
        ]
        return {"count": len(trains), "rows": [_timetable(train) for train in trains[:SHOWN]]}

    @writes
    def book_train(self, train_id: str, day: Day, people: int) -> Row:
        """Book train seats."""
        train = _train(train_id, day)
        _between("people", people, 8)
        if _seats(train, day) < people:
            same = [t for t in _running(day) if (t.origin, t.destination) == (train.origin, train.destination)]
            free = [t.train_id for t in same if _seats(t, day) >= people]
            raise ToolError(f"{train.train_id} has {_seats(train, day)} seats left on {day}", free=free)
        reference = self._book("T", train_id=train.train_id, day=day, people=people)
        return {"reference": reference, "pounds": people * train.price}

    @writes
    def book_taxi(self, origin: str, destination: str, time: Time) -> Row:
        """Book a taxi between places or the station."""
        begin, end = _stop(origin), _stop(destination)
        if begin == end:
            raise ToolError(f"origin and destination are both {begin!r}; give two places")
        colour = _pick(["blue", "green", "red", "white"], begin, end, time)
        reference = self._book("C", origin=begin, destination=end, time=_clock(time))
        return {"reference": reference, "car": f"{colour} car"}

    @writes
    def cancel_booking(self, reference: str) -> Row:
        """Cancel a booking."""
        if reference not in self.bookings:
            raise ToolError(f"no booking {reference!r}; booked are: {', '.join(self.bookings) or 'none'}")
        del self.bookings[reference]
        return {"cancelled": reference}

    def _book(self, letter: str, **details: str | int) -> str:
        """The reference of a new booking: a letter for the domain, a count, three digits made of the content."""
        for reference, made in self.bookings.items():
            if made == details and reference.startswith(letter):
                raise ToolError(f"already booked, reference {reference}")
        self._made += 1
        reference = f"{letter}{self._made}{_number(letter, *details.values()) % 900 + 100}"
        self.bookings[reference] = dict(details)
        return reference


# --- the rules of the town -------------------------------------------------------------------------------------------


def _number(*parts: object) -> int:
    """A number fixed by what it is about; Python's own `hash` of text differs from run to run."""
    return int.from_bytes(hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:4])


def _pick(choices: Sequence[str], *parts: object) -> str:
    return choices[_number(*parts) % len(choices)]


def _free(*slot: str) -> bool:
    """One slot in five is taken."""
    return _number("taken", *slot) % 5 > 0


def _seats(train: Train, day: Day) -> int:
    return _number(train.train_id, day) % 20


def _other_times(name: str, day: Day, time: str) -> list[str]:
    """The two free times nearest to a full one, the earlier first when equally near."""
    wanted = TABLES.index(time)
    order = sorted(range(len(TABLES)), key=lambda place: abs(place - wanted))
    return sorted([TABLES[place] for place in order if _free(name, day, TABLES[place])][:2])


def _other_days(name: str, day: Day) -> list[Day]:
    start = WEEK.index(day)
    return [d for d in WEEK[start:] + WEEK[:start] if _free(name, d)][:2]


def _running(day: Day) -> list[Train]:
    return [train for train in TRAINS if train.days == "daily" or day in WEEK[:5]]


# --- looking things up -----------------------------------------------------------------------------------------------


def _matching(places: Sequence[P], name: str | None, **wanted: object) -> list[P]:
    """Places with every wanted value; a name finds by any part of it, and one that finds nothing is an error."""
    named = [p for p in places if name is None or name.casefold().strip() in p.name.casefold()]
    if name is not None and not named:
        raise _unknown(name, [p.name for p in places])
    return [p for p in named if all(v is None or getattr(p, key) == v for key, v in wanted.items())]


def _found(places: Sequence[Place]) -> Row:
    """How many there are and the first few; addresses only when one is left, to keep observations short."""
    rows = [place._asdict() for place in places[:SHOWN]]
    if len(places) > 1:
        rows = [{key: value for key, value in row.items() if key != "address"} for row in rows]
    return {"count": len(places), "rows": rows}


def _timetable(train: Train) -> Row:
    return {"train_id": train.train_id, "leave": train.leave, "arrive": train.arrive, "pounds": train.price}


def _one(places: Sequence[P], name: str) -> P:
    for place in places:
        if place.name.casefold() == name.casefold().strip():
            return place
    raise _unknown(name, [place.name for place in places])


def _train(train_id: str, day: Day) -> Train:
    known = {train.train_id: train for train in TRAINS}
    if train_id not in known:
        raise _unknown(train_id, known)
    if known[train_id] not in _running(day):
        raise ToolError(f"{train_id} does not run on {day}; it runs monday to friday")
    return known[train_id]


def _stop(name: str) -> str:
    if name.casefold().strip() in (STATION, f"the {STATION}"):
        return STATION
    places: list[Place] = [*RESTAURANTS, *HOTELS, *ATTRACTIONS]
    for place in places:
        if place.name.casefold() == name.casefold().strip():
            return place.name
    raise _unknown(name, [STATION, *(place.name for place in places)])


def _unknown(name: str, names: Iterable[str]) -> ToolError:
    folded = {n.casefold(): n for n in names}
    near = difflib.get_close_matches(name.casefold().strip(), folded, 3, 0.5)
    part = [n for n in folded if name.strip() and name.casefold().strip() in n]
    meant = [folded[n] for n in dict.fromkeys([*near, *part])][:3]
    return ToolError(f"unknown name {name!r}", **({"near": meant} if meant else {"hint": "search to see names"}))


def _clock(time: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", time):
        raise ToolError(f"time {time!r} is not HH:MM, such as 19:00")
    return time


def _between(what: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise ToolError(f"{what} is {value}; allowed are 1 to {most}")
