"""Slot values in one spelling: the aliases of mwzeval, and those of the CALM lab's helper.

The tables are facts of uiuc-conversational-ai-lab/multiwoz-helper (MIT, commit c68b2956, `mwzeval/normalization.py`),
odd entries included, because published numbers rest on them.
"""

from collections.abc import Iterator, Mapping

SLOTS = {
    "arriveby": "arrive",
    "leaveat": "leave",
    "bookday": "day",
    "bookpeople": "people",
    "bookstay": "stay",
    "booktime": "time",
}
"""Slot names the helper takes for the same; any other spelling (`arrive by`, `arriveBy`) stays and counts as wrong."""

NAMES = {
    "acorn house": "acorn guest house",
    "arbury guesthouse": "arbury lodge guesthouse",
    "arbury guesthouse and lodge": "arbury lodge guesthouse",
    "bridge house": "bridge guest house",
    "broughton gallery": "broughton house gallery",
    "cafe jello museum": "cafe jello gallery",
    "cafe uno": "caffe uno",
    "caffee uno": "caffe uno",
    "cambridge botanic gardens": "cambridge university botanic gardens",
    "christ college": "christ's college",
    "christs": "christ's college",
    "city center b and b": "city center north b and b",
    "cityrooms": "cityroomz",
    "history of science museum": "whipple museum of the history of science",
    "holiday inn exlpress, cambridge": "express by holiday inn cambridge",
    "hotel du vin bistro": "hotel du vin and bistro",
    "huntingdon hotel": "huntingdon marriott hotel",
    "lime house": "limehouse",
    "nando's": "nandos",
    "nandos in the city centre": "nandos city centre",
    "parkside pools": "parkside swimming pool",
    "restaurant 1 7": "restaurant one seven",
    "restaurant 17": "restaurant one seven",
    "restaurant 2 2": "restaurant two two",
    "restaurant 2 two": "restaurant two two",
    "restaurant called two two": "restaurant two two",
    "restaurant two 2": "restaurant two two",
    "rosa's": "rosas bed and breakfast",
    "scudamores punt co": "scudamores punting co",
    "the botanical gardens at cambridge university": "cambridge university botanic gardens",
    "the junction": "junction theatre",
    "the river bar and grill": "the river bar steakhouse and grill",
    "trinity street college": "trinity college",
    "university hotel": "university arms hotel",
    "whale of time": "whale of a time",
}
HELPER_NAMES = {"acorn guesthouse": "acorn guest house", "a and b guest house": "a and b guesthouse"}
"""What the helper adds to the names of `mwzeval`, beside `b and b` for every `bed and breakfast`."""
PLACED = ("name", "destination", "departure")
FOODS = {
    "americas": "north american",
    "asian or oriental": "asian",
    "australasian": "australian",
    "brazilian": "portuguese",
    "bristish": "british",
    "brutish": "british",
    "english": "british",
    "eriterean": "mediterranean",
    "europeon": "european",
    "gastropod": "gastropub",
    "intalian": "italian",
    "italain": "italian",
    "modern american": "north american",
    "portugese": "portuguese",
    "sea food": "seafood",
}
TYPES = {
    "guest house": "guesthouse",
    "mutliple sports": "multiple sports",
    "night club": "nightclub",
    "swimming pool": "swimmingpool",
}
TIMES = {
    "afternoon": "13:00",
    "around lunch time": "12:00",
    "eight thirty": "08:30",
    "lunch": "12:00",
    "mid-day": "12:00",
    "morning": "08:00",
    "noon": "12:00",
    "one thirty p.m.": "13:30",
    "seven o'clock tomorrow evening": "07:00",
    "six fourty five": "06:45",
    "three forty five p.m": "15:45",
}
TIMES_BY_START = {"one o'clock p.m": "13:00", "ten o'clock a.m": "10:00"}
BEFORE_TIMES = {"by": 3, "after": 5, "afer": 4}
"""Words in front of a time and how many characters go with them: `by18:00` loses its 1, in the original too."""


def helper_slot(slot: str) -> tuple[str, str]:
    """`domain-slot` of the 2.4 data (`hotel-book day`) as the helper's pair of domain and slot (`hotel`, `day`)."""
    domain, _, name = slot.partition("-")
    name = name.replace("book ", "book")
    return domain, SLOTS.get(name, name)


def helper_value(slot: str, value: str) -> str:
    """A value as the helper compares it; `slot` is its own name of the slot. Unlisted slots are left as they are."""
    if slot in PLACED:
        name = _name(value).replace("bed and breakfast", "b and b")
        return HELPER_NAMES.get(name) or NAMES.get(name, name)
    return _plain(slot, value)


def mwzeval_value(slot: str, value: str) -> str:
    """A value as `mwzeval` compares it: like `helper_value`, but for the aliases that the helper has added."""
    if slot in PLACED:
        name = _name(value)
        return NAMES.get(name, name)
    return _plain(slot, value)


def mwzeval_state(state: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """A state `{domain: {slot: value}}` in the form that `mwzeval` compares, in the order in which it was written."""
    return {domain: dict(_renamed(filled)) for domain, filled in state.items()}


def _renamed(filled: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for written, value in filled.items():
        slot = mwzeval_slot(written)
        yield slot, mwzeval_value(slot, value)


def mwzeval_slot(name: str) -> str:
    """A slot's name without blanks and upper case; `arriveBy` is `arrive`, but `bookday` stays."""
    slot = name.lower().replace(" ", "")
    return {"arriveby": "arrive", "leaveat": "leave"}.get(slot, slot)


def _name(value: str) -> str:
    return value.strip().lower().replace(" & ", " and ").replace("&", " and ").replace(" '", "'")


def _plain(slot: str, value: str) -> str:
    if slot in ("arrive", "leave", "time"):
        return clock(value)
    if slot == "food":
        return FOODS.get(value.strip().lower(), value.strip().lower())
    if slot == "type":
        return TYPES.get(value, value)
    return "yes" if slot in ("parking", "internet") and value == "free" else value


def clock(value: str) -> str:
    """A time as `HH:MM` where it can be read as one; `12 pm` is 24:00 and `` is 00:00, as the helper has it."""
    time = value.strip().lower()
    fixed = TIMES.get(time) or next((t for start, t in TIMES_BY_START.items() if time.startswith(start)), None)
    if fixed:
        return fixed
    time = _without_words(time)
    for ending in ("pm", "p.m."):
        if time.endswith(ending):
            time = time.removesuffix(ending).strip()
            if afternoon := _afternoon(time):
                return afternoon
    return _digits(time)


def _without_words(time: str) -> str:
    for word, cut in BEFORE_TIMES.items():
        if time.startswith(word):
            time = time[cut:] if word == "by" else time[cut:].strip()
    for ending in ("am", "a.m."):
        if time.endswith(ending):
            time = time.removesuffix(ending).strip()
    return time


def _afternoon(time: str) -> str | None:
    hour, *rest = time.split(":")
    if len(rest) > 1 or not hour.strip().isdecimal():
        return None
    return f"{int(hour) + 12}:{rest[0] if rest else '00'}"


def _digits(time: str) -> str:
    if not time:
        return "00:00"
    time = time[:-1] if time[-1] in ".,?" else time
    if time.isdigit():
        return f"{time[:2]}:{time[2:]}" if len(time) == 4 else f"{time.zfill(2)}:00"
    if ":" in time:
        time = time.replace(" ", "")
    return f"0{time}" if len(time) == 4 and time[1] == ":" else time
