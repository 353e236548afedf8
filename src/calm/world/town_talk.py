"""How people talk about the town: what each task needs, and our wordings for wishes, questions and answers.

The simulated user (`dialogue.TownUser`) and the source of training conversations (`data.sources.town`) both speak from
here, so a model trained on one understands the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import NamedTuple

from pydantic import Field, JsonValue

from calm.conversation import Noun
from calm.world.town import STATION, TABLES, WEEK
from calm.world.town_data import ATTRACTIONS, HOTELS, RESTAURANTS, TRAINS

Slots = Mapping[str, JsonValue]


class Plan(NamedTuple):
    """What a domain's task takes: a search by `needs` (asked for when missing) and `extras`, a booking by `slots`.

    `key` names the booked thing in a row; `flexible` is the slot that changes when it is full.
    """

    find: str | None = None
    needs: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    book: str | None = None
    slots: tuple[str, ...] = ()
    key: str = "name"
    flexible: str = ""


PLANS: dict[str, Plan] = {
    "restaurant": Plan(
        "find_restaurants", ("food", "area"), ("price",), "book_restaurant", ("day", "time", "people"), "name", "time"
    ),
    "hotel": Plan(
        "find_hotels", ("price", "area"), ("parking",), "book_hotel", ("day", "nights", "people"), "name", "day"
    ),
    "attraction": Plan("find_attractions", ("kind", "area")),
    "train": Plan(
        "find_trains",
        ("origin", "destination", "day"),
        ("leave_after", "arrive_by"),
        "book_train",
        ("people",),
        "train_id",
        "train_id",
    ),
    "taxi": Plan(book="book_taxi", slots=("origin", "destination", "time")),
}


class Goal(Noun):
    """What a simulated user wants of one domain: `wishes` to search by, `booking` to book by (empty: only looking)."""

    domain: str
    wishes: dict[str, JsonValue] = Field(default={})
    booking: dict[str, JsonValue] = Field(default={})


def random_goal(domain: str, rng: Random) -> Goal:
    """A goal that the town can meet, its wishes taken from a place that exists."""
    plan = PLANS[domain]
    if domain == "taxi":
        places = [place.name for place in (*RESTAURANTS, *HOTELS, *ATTRACTIONS)]
        origin, destination = rng.sample([*places, STATION], 2)
        hour = f"{rng.randrange(6, 24):02}:{rng.choice(['00', '15', '30', '45'])}"
        return Goal(domain=domain, booking={"origin": origin, "destination": destination, "time": hour})
    tables = {"restaurant": RESTAURANTS, "hotel": HOTELS, "attraction": ATTRACTIONS, "train": TRAINS}
    row = dict(rng.choice(tables[domain])._asdict())
    row |= {"day": rng.choice(WEEK[:5] if row.get("days") == "weekdays" else WEEK)}
    row |= {"leave_after": _hour(row.get("leave"), 0), "arrive_by": _hour(row.get("arrive"), 1)}
    extra = [rng.choice(plan.extras)] if plan.extras and rng.random() < 0.4 else []
    wishes = {key: row[key] for key in (*plan.needs, *extra) if row[key] is not False}
    drawn: dict[str, JsonValue] = {"day": row["day"], "time": rng.choice(TABLES)}
    drawn |= {"people": rng.randint(1, 6), "nights": rng.randint(1, 5)}
    return Goal(domain=domain, wishes=wishes, booking={key: drawn[key] for key in plan.slots})


def _hour(time: str | None, later: int) -> str | None:
    return f"{(int(time[:2]) + later) % 24:02}:00" if time else None


# --- wording ---------------------------------------------------------------------------------------------------------

_FRAGMENTS = {
    "area": "in the {}",
    "origin": "from {}",
    "destination": "to {}",
    "day": "on {}",
    "nights": "for {} nights",
    "leave_after": "leaving after {}",
    "arrive_by": "arriving by {}",
    "time": "at {}",
    "people": "for {} people",
}
_NOUNS = {
    "restaurant": "restaurant",
    "hotel": "hotel",
    "attraction": "place to visit",
    "train": "train",
    "taxi": "taxi",
}
_ADJECTIVES = ("price", "food", "kind")
_PROPER = frozenset((*WEEK, *(place.food for place in RESTAURANTS)))

_REQUESTS = ("I'm looking for {}.", "Can you find me {}?", "I need {}.", "Hi, I'd like {}.", "Please find {}.")
_BOOKINGS = ("Please book it {}.", "Yes, book it {}, please.", "Yes please, {}.", "Great, book it {}.")
_ACCEPTS = ("{} is fine.", "Then {}, please.", "OK, {} then.")
_THANKS = (
    "Thanks, that is all.",
    "Thank you, bye!",
    "Perfect, thanks for your help.",
    "No, that's everything. Thanks!",
)

ANSWERS: dict[str, tuple[str, ...]] = {
    "area": ("In the {}, please.", "The {}.", "Somewhere in the {}."),
    "price": ("Something {}, please.", "A {} one."),
    "food": ("{} food, please.", "I'd like {}."),
    "kind": ("A {}.", "I'd like to see a {}."),
    "day": ("On {}.", "{}, please."),
    "time": ("At {}.", "{}, please."),
    "people": ("For {} people.", "There will be {} of us."),
    "nights": ("For {} nights.", "{} nights, please."),
    "origin": ("From {}.", "I leave from {}."),
    "destination": ("To {}.", "I'm going to {}."),
}
QUESTIONS: dict[str, str] = {
    "area": "Which area would you like?",
    "price": "What price range would you like?",
    "food": "What food would you like?",
    "kind": "What kind of place would you like?",
    "day": "For which day?",
    "time": "At what time?",
    "people": "For how many people?",
    "nights": "For how many nights?",
    "origin": "Where do you leave from?",
    "destination": "Where do you want to go?",
}
"""What the assistant asks when a slot is missing; `dialogue.ASKED` understands these and more."""


def spoken(value: JsonValue) -> str:
    """A slot's value as people write it: Friday, Italian, the station; names and times as they are."""
    text = str(value)
    if text == STATION:
        return f"the {STATION}"
    return text.capitalize() if text in _PROPER else text


def fragments(slots: Slots) -> str:
    """`on Friday for 3 nights for 2 people`: the slots that follow a noun, in speaking order."""
    parts = [form.format(spoken(slots[key])) for key, form in _FRAGMENTS.items() if slots.get(key)]
    text = " ".join([*parts, *(["with parking"] if slots.get("parking") else [])])
    return singular(text)


def described(domain: str, slots: Slots) -> str:
    """`a cheap Italian restaurant in the north`."""
    named = [spoken(slots[key]) for key in _ADJECTIVES if slots.get(key)]
    head = " ".join(named if "kind" in slots else [*named, _NOUNS[domain]])
    return " ".join(filter(None, ["an" if head[0] in "aeioAEIO" else "a", head, fragments(slots)]))


def singular(text: str) -> str:
    """The text with `1 people` and `1 nights` put right."""
    return text.replace(" 1 people", " 1 person").replace("1 nights", "1 night")


def withheld(slots: Slots, askable: Sequence[str], rng: Random) -> dict[str, JsonValue]:
    """One slot that the user leaves unsaid for the assistant to ask, in three of ten cases; else nothing."""
    keys = [key for key in askable if key in slots]
    left = rng.choice(keys) if len(keys) > 1 and rng.random() < 0.3 else None
    return {key: value for key, value in slots.items() if key == left}


def without(slots: Slots, left: Slots) -> dict[str, JsonValue]:
    """The slots not among those left out."""
    return {key: value for key, value in slots.items() if key not in left}


def request(things: Iterable[str], rng: Random) -> str:
    """The user's opening wish for what `described` says, several joined by and."""
    return rng.choice(_REQUESTS).format(" and ".join(things))


def answer(slots: Slots, rng: Random) -> str:
    """The user's answer to a question for one slot or several."""
    if len(slots) == 1:
        ((key, value),) = slots.items()
        text = singular(rng.choice(ANSWERS[key]).format(spoken(value)))
    else:
        named = [spoken(slots[key]) for key in _ADJECTIVES if slots.get(key)]
        text = ", ".join(filter(None, [*named, fragments(slots), "please."]))
    return text[0].upper() + text[1:]


def booking(slots: Slots, rng: Random) -> str:
    """The user's wish to book what was offered; without slots a plain yes."""
    return rng.choice(_BOOKINGS).format(fragments(slots)) if slots else "Yes, please book it."


def accept(value: JsonValue, rng: Random) -> str:
    """The user's yes to another time, day or train than the one wanted."""
    return rng.choice(_ACCEPTS).format(spoken(value))


def thanks(rng: Random) -> str:
    """The user's goodbye."""
    return rng.choice(_THANKS)
