"""Joint goal accuracy as FnCTOD counts it (facebookresearch/FnCTOD, commit 243fa2f: `compute_joint_acc.py`, `dst.py`).

Behaviour only: that code is CC BY-NC and none of it is here. Its typos and first fixes are those of SimpleTOD and PPTOD
(BSD-3-Clause, Apache-2.0), the names its own; all are facts of how people and models misspell Cambridge.

What is judged: each turn's state as a *set* of (domain, slot, value), equal or not, over all turns. On the way

- a state is written as one text and read back by looking for slot words, so that a value with one in it falls apart
  (`good luck chinese food takeaway` becomes a name and a food), in gold and prediction alike;
- the predicted value alone goes through a table of typos; for gold the original looks the *slot* up, so mends nothing;
- `the` is cut off with four characters, so `theatre` becomes `tre`; on both sides;
- a predicted `dontcare` is dropped, a gold one is not: no turn with one can be right, and gold itself is below 100 %.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

from calm.bench.multiwoz.values import SLOTS, helper_slot, mwzeval_slot

Item = tuple[str, str, str]
State = Mapping[str, Mapping[str, str]]

INFORMABLE = {
    "taxi": ("leave", "destination", "departure", "arrive"),
    "hospital": ("department",),
    "hotel": ("type", "parking", "pricerange", "internet", "stay", "day", "people", "area", "stars", "name"),
    "attraction": ("area", "type", "name"),
    "train": ("destination", "day", "arrive", "departure", "people", "leave"),
    "restaurant": ("food", "pricerange", "area", "name", "time", "day", "people"),
}
"""The slots that its functions can fill; a predicted slot of any other name is left out: it could not be said there."""
AVERAGED = ("attraction", "hotel", "restaurant", "taxi", "train")
ASKABLE = ("car", "address", "postcode", "phone", "reference", "price", "id")
WORDS = frozenset([*ASKABLE, *(slot for slots in INFORMABLE.values() for slot in slots)])
"""Words that begin a slot when a state is read back from text."""

NONE = ("none", "not mentioned", "not present")
ANYTHING = ("dontcare", "dont care", "do not care")


def _variants(table: Mapping[str, str]) -> dict[str, str]:
    return {variant: value for value, variants in table.items() for variant in variants.split("; ")}


TYPOS = _variants(
    {
        "guest house": "guesthouse; guesthouses; guest",
        "multiple sports": "mutiple sports; sports; mutliple sports",
        "swimming pool": "swimmingpool; pool",
        "concert hall": "concerthall; concert",
        "nightclub": "night club",
        "museum": "mus; musuem",
        "architecture": "ol; architectural",
        "college": "colleges; coll",
        "church": "churches",
        "centre": (
            "center; center of town; near city center; cen; ce; town center; centre of cambridge; city center; scentre;"
            " town centre; in town; centre of town"
        ),
        "north": "in the north; north part of town",
        "east": "east side; east area",
        "west": "west part of town",
        "south": "the south",
        "moderate": "mode; moderate -ly; mo",
        "friday": "next friday",
        "monday": "monda",
        "free": "free parking",
        "yes": "free internet; y",
        "no": "n; does not",
        "4": "4 star; 4 stars",
        "3": "3 .",
        "dontcare": "any; does not care",
        "none": "cb30aq; 0 star rarting; not men; not; not mentioned; not present; not mendtioned; fun; art",
    }
) | {"": "none"}
"""Typos of predicted values, whatever their slot."""

NONSENSE = {
    "type": [
        *("nigh", "moderate -ly priced", "bed and breakfast", "centre", "venetian", "intern", "a cheap -er hotel"),
        *("gastropub", "la raza", "galleria", "gallery", "science", "m"),
    ],
    "internet": ["4"],
    "pricerange": ["2"],
    "area": ["moderate"],
    "day": ["t"],
}
"""Values that are no value of their slot."""
NO_AREA = ("stansted airport", "cambridge", "silver street", "norwich", "ely", "museum", "same area as hotel")
MENDED = {
    "type": {"hotel with free parking and free wifi": "hotel", "4": "hotel", "3 star hotel": "hotel"},
    "area": {"no": "north", "we": "west", "cent": "centre"},
    "day": {"we": "wednesday", "no": "none"},
    "pricerange": {"ch": "cheap"},
    "internet": {"free": "yes"},
    "parking": {"free": "yes"},
}
POSSESSIVE = re.compile(r"(\w+)\s('s\s\w+)")

NAMES = _variants(
    {
        "caffe uno": "cafe uno",
        "alpha-milton guest house": "alpha milton guest house",
        "churchill college": "churchills college; churchhill college; churchill; the churchill college",
        "portuguese": "portugese",
        "restaurant one seven": "restaurant 17",
        "restaurant two two": "restaurant 2 two",
        "gallery at twelve a high street": "gallery at 12 a high street",
        "museum of archaelogy and anthropology": (
            "museum of archaelogy; museum of archaelogy and anthropogy; museum of archaeology and anthropology"
        ),
        "huntingdon marriott hotel": "huntingdon marriot hotel; marriot hotel",
        "sheep's green and lammas land park fen causeway": (
            "sheeps green and lammas land park fen causeway; sheeps green and lammas land park"
        ),
        "cambridge and county folk museum": "cambridge and country folk museum; county folk museum",
        "cambridge": "ambridge",
        "cambridge contemporary art": "cambridge contemporary art museum",
        "molecular gastronomy": "molecular gastonomy",
        "two two and cote": "2 two and cote",
        "whipple museum of the history of science": "whipple museum",
        "ian hong house": "ian hong",
        "the golden house": "golden house",
        "sleeperz hotel": "sleeperz",
        "shiraz restaurant": "shiraz",
        "yippee noodle bar": "yipee noodle bar",
        "adc theatre": "abc theatre",
        "warkworth house": "wankworth house",
        "cherry hinton water play": "cherry hinton water play park; cherry hinton water park",
        "the gallery at twelve": "the gallery at 12",
        "chiquito restaurant bar": "chiquito",
        "saint catharine's college": "saint catherine's college; saint catharines college; st catharines college",
        "city centre north b and b": "city centre north bed and breakfast",
        "north b and b": "north bed and breakfast",
        "christ's college": "christ college",
        "king's college": "kings college",
        "saint john's college": ("saint johns college; st johns college; saint john 's college; saint johns colleg"),
        "kettle's yard": "kettles yard",
        "rosa's bed and breakfast": "rosas bed and breakfast",
        "little saint mary's church": "little saint marys church",
        "great saint mary's church": "great saint marys church",
        "queen's college": "queens college; queens' college",
        "people's portraits exhibition at girton college": "peoples portraits exhibition at girton college",
        "whale of a time": "whale of time",
        "pizza hut fenditton": "pizza hut fen ditton; pizza hit fen ditton",
        "copper kettle": "the copper kettle",
        "dojo noodle bar": "the dojo noodle bar",
        "caribbean|indian": "caribbeanindian",
        "sunday|monday": "sundaymonday",
        "monday|thursday": "mondaythursday",
        "friday|tuesday": "fridaytuesday",
        "cheap|moderate": "cheapmoderate",
        "jamaican|chinese": "jamaicanchinese",
        "barbeque|modern european": "barbequemodern european",
        "north american|indian": "north americanindian",
        "16:15": "16,15",
        "13:30": "1330",
        "14:30": "1430",
        "15:32": "1532",
        "08:45": "845",
        "11:45": "1145",
        "15:45": "1545",
        "13:29": "1329",
        "13:45": "1345",
        "17:15": "1715",
        "09:29": "929",
    }
)
"""Spellings of whole values, on both sides."""


def said(state: State) -> dict[Item, str]:
    """A predicted state `{domain: {slot: value}}` as the set that is compared (the keys of a mapping to nothing)."""
    found = _cleaned(state, lambda value: TYPOS.get(value, value))
    return {item: "" for item in found if not any(word in item[2] for word in ANYTHING)}


def due(state: Mapping[str, str]) -> dict[Item, str]:
    """A gold state keyed by `hotel-book day` as the set that is compared."""
    nested: dict[str, dict[str, str]] = {}
    for key, value in state.items():
        domain, slot = helper_slot(key)
        nested.setdefault(domain, {})[slot] = value
    return dict.fromkeys(_cleaned(nested, str), "")


def _cleaned(state: State, typo: Callable[[str], str]) -> Iterator[Item]:
    for domain, filled in state.items():
        for slot, value in _read_back(_words(domain, filled)):
            if not _is_none(value) and not _is_none(fixed := _fixed(slot, typo(value))):
                yield domain, slot, fixed


def _words(domain: str, filled: Mapping[str, str]) -> list[str]:
    """The state of a domain as words: slot, value, slot, value; slots that no function has are left out."""
    named = [(SLOTS.get(name := mwzeval_slot(slot), name), value.lower().split()) for slot, value in filled.items()]
    return [word for slot, value in named if value and slot in INFORMABLE.get(domain, ()) for word in (slot, *value)]


def _read_back(words: Sequence[str]) -> set[tuple[str, str]]:
    starts = [place for place, word in enumerate(words) if word in WORDS]
    runs = pairwise([*starts, len(words)])
    return {(words[start], " ".join(words[start + 1 : end])) for start, end in runs}


def _is_none(value: str) -> bool:
    return any(word in value for word in NONE)


def _fixed(slot: str, value: str) -> str:
    value = POSSESSIVE.sub(r"\1\2", _mended(slot, value))
    value = "none" if slot == "area" and value in NO_AREA else value
    return NAMES.get(value, value)


def _mended(slot: str, value: str) -> str:
    if value in NONSENSE.get(slot, ()):
        return "none"
    if slot in ("area", "day") or value in MENDED.get(slot, ()):
        return MENDED[slot].get(value, value)
    if value.startswith("the"):
        return value[4:]
    return "none" if "[value_" in value else value


def by_domain(states: Sequence[Sequence[tuple[Mapping[Item, str], Mapping[Item, str]]]]) -> dict[str, tuple[int, int]]:
    """Right turns and all turns of each domain, over the dialogues (pairs of predicted and gold sets) that have it.

    All turns of such a dialogue count, those before the domain comes up too, which silence gets right. The original
    takes a dialogue's domains from its turns' annotation; here they are those of the last gold state.
    """
    found = {}
    for domain in AVERAGED:
        having = [turns for turns in states if turns and any(item[0] == domain for item in turns[-1][1])]
        marks = [_of(domain, mine) == _of(domain, theirs) for turns in having for mine, theirs in turns]
        found[domain] = sum(marks), len(marks)
    return found


def _of(domain: str, items: Mapping[Item, str]) -> set[Item]:
    return {item for item in items if item[0] == domain and item[2]}
