"""One tool asked for with several sets of values in one message, and how a person says that.

Either one value varies and all are named in one breath ("in Oslo and Rome"), or two do and every pair is meant, or each
set is said by itself: in full sentences, as what follows a first one ("And then for Rome in 2019."), or as a list.
"""

from collections.abc import Sequence
from itertools import product
from random import Random
from typing import NamedTuple

from calm.data.sources import grown_words as words
from calm.data.sources.grown_numbers import Value
from calm.data.sources.grown_speech import Speakable, Values, drawn, embeds, label, lowered, sentences
from calm.data.thoughts import listed
from calm.data.vary_reading import wordset


class Asked(NamedTuple):
    """A request's main sentence, what follows it (perhaps nothing), and the calls it asks for in their order."""

    sentence: str
    told: str
    wanted: tuple[tuple[Speakable, Values], ...]

    @property
    def text(self) -> str:
        """All of it."""
        return f"{self.sentence} {self.told}".rstrip()


def once(tool: Speakable, rng: Random, extras: float = 0.45) -> Asked:
    """The tool asked for with one set of values."""
    values = drawn(tool, rng, extras=extras)
    return Asked(*_whole(tool, values, rng), ((tool, values),))


def in_one_breath(tool: Speakable, rng: Random, counts: Sequence[int] = (2, 2, 2, 3, 3, 4)) -> Asked | None:
    """One parameter takes two to four values that are named where its noun stands, the others keep theirs."""
    names = [name for name in tool.required if embeds(tool, name)]
    places = sum(maker.kind == "place" for maker in tool.required.values())
    if not names or places > 1:
        return None
    name = rng.choice(names)
    values = drawn(tool, rng, extras=0.4)
    several = _different(tool, name, rng.choice(counts), rng)
    if len(several) < 2:
        return None
    said = _whole(tool, {**values, name: Value(None, listed([value.said for value in several]))}, rng)
    return Asked(*said, tuple((tool, {**values, name: value}) for value in several))


def crossed(tool: Speakable, rng: Random) -> Asked | None:
    """Two parameters take two or three values each, and every pair of them is a call; four to six in all."""
    first = [name for name in tool.required if embeds(tool, name)]
    second = [name for name, maker in tool.required.items() if maker.kind in _LOOSE]
    pairs = [(one, other) for one in first for other in second if one != other]
    if not pairs or sum(maker.kind == "place" for maker in tool.required.values()) > 1:
        return None
    names, values = rng.choice(pairs), drawn(tool, rng, extras=0.2)
    sides = [_different(tool, name, count, rng) for name, count in zip(names, rng.choice(_GRIDS), strict=True)]
    wanted = [dict(zip(names, pair, strict=True)) for pair in product(*sides)]
    if min(map(len, sides)) < 2:
        return None
    both = {name: Value(None, listed([v.said for v in side])) for name, side in zip(names, sides, strict=True)}
    sentence, told = _whole(tool, {**values, **both}, rng)
    each = rng.choice(words.EACH).format(count=words.COUNT[len(wanted)])
    return Asked(sentence, f"{told} {each}".strip(), tuple((tool, {**values, **pair}) for pair in wanted))


_GRIDS = ((2, 2), (2, 2), (2, 2), (2, 3), (3, 2))


def _different(tool: Speakable, name: str, count: int, rng: Random) -> list[Value]:
    """Up to so many values of a parameter, none twice."""
    return list({v.said: v for v in (tool.required[name].draw(rng) for _ in range(count))}.values())


def series(tool: Speakable, rng: Random, counts: Sequence[int] = (2, 2, 3, 3, 4)) -> Asked | None:
    """Two to four sets of values, each said by itself; None where the tool has no values that are said so."""
    tool = tool._replace(optional={name: maker for name, maker in tool.optional.items() if maker.kind != "wish"})
    kinds = [maker.kind for maker in tool.required.values()]
    if not kinds or not _SAYABLE.issuperset(kinds) or (len(kinds) == 1 and rng.random() < 0.8):
        return None
    sets = _sets(tool, rng.choice(counts), rng)
    if len(sets) < 2:
        return None
    way = rng.choice((_followed, _followed, _repeated, _listed))
    return Asked(*way(tool, sets, rng), tuple((tool, values) for values in sets))


_LOOSE = wordset("number amount limit term enum id language year")
"""Kinds whose value may change while all others stay: nothing else has to fit it."""
_SAYABLE = _LOOSE | wordset("name title place currency topic date time email phone")


def _sets(tool: Speakable, count: int, rng: Random) -> list[Values]:
    """Different sets; one of five differs from the one before in a single value only."""
    found: dict[str, Values] = {}
    loose = [name for name, maker in tool.required.items() if maker.kind in _LOOSE]
    extras = rng.choice((0, 0, 0.5))
    for _ in range(4 * count):
        values = drawn(tool, rng, extras=extras)
        if found and loose and len(tool.required) > 1 and rng.random() < 0.2:
            name = rng.choice(loose)
            values = {**list(found.values())[-1], name: values[name]}
        found.setdefault(str([(name, value.value) for name, value in values.items()]), values)
        if len(found) == count:
            break
    return list(found.values())


# --- how it is said --------------------------------------------------------------------------------------------------


def _repeated(tool: Speakable, sets: Sequence[Values], rng: Random) -> tuple[str, str]:
    """A whole sentence for each set."""
    first, told = _whole(tool, sets[0], rng)
    rest = [" ".join(filter(None, _whole(tool, values, rng))) for values in sets[1:]]
    return first, f"{told} {joined(rest, rng)}".strip()


def _whole(tool: Speakable, values: Values, rng: Random) -> tuple[str, str]:
    """The sentences of a request that may stand anywhere in its message."""
    while True:
        said = sentences(tool, values, rng)
        begins = said[0].startswith(("I ", "I'")) or lowered(said[0]) != said[0]
        if begins and not said[0].startswith(words.FIRST_ONLY):
            return said


def joined(texts: Sequence[str], rng: Random) -> str:
    """Requests that follow another, each with a word that says so; the last of several may say that it is the last."""
    openings = rng.sample(words.ALSO, len(texts))
    if len(texts) > 1:
        openings[-1] = rng.choice((openings[-1], *rng.sample(words.LASTLY, 2)))
    return " ".join(f"{opening}{lowered(text)}" for opening, text in zip(openings, texts, strict=True))


def _followed(tool: Speakable, sets: Sequence[Values], rng: Random) -> tuple[str, str]:
    """The first set in a whole sentence, each other one in a few words."""
    first, told = _whole(tool, sets[0], rng)
    texts = [told] if told else []
    ways = rng.sample(words.FOLLOW, len(sets) - 1)
    for before, values, way in zip(sets, sets[1:], ways, strict=False):
        changed = {name: value for name, value in values.items() if before.get(name) != value}
        if len(changed) == 1 < len(values) and before.keys() == values.keys():
            name, value = changed.popitem()
            texts.append(rng.choice(words.FOLLOW_ELSE).format(pair=f"{label(name)} {value.said}"))
        else:
            texts.append(way.format(this=brief(tool, values)))
    return first, " ".join(texts)


def _listed(tool: Speakable, sets: Sequence[Values], rng: Random) -> tuple[str, str]:
    """A sentence without values, then the sets as a list."""
    first, _ = _whole(tool, {}, rng)
    mark = rng.choice(("", "", "{n}) ", "{letter}) ", "({n}) "))
    items = [f"{mark.format(n=n, letter='abcd'[n - 1])}{brief(tool, values)}" for n, values in enumerate(sets, 1)]
    return first, rng.choice(words.CASES).format(count=words.COUNT[len(sets)], items="; ".join(items))


def brief(tool: Speakable, values: Values) -> str:
    """A set of values in a few words, to follow "for": "Oslo in 2019 with price 40", "distance 3 and time 12"."""
    makers = {**tool.required, **tool.optional}
    heads = [name for name in values if makers[name].kind in ("name", "title", "topic")]
    places = [name for name in values if makers[name].kind == "place" and label(name) in _WHERE]
    head = heads[0] if len(heads) == 1 else places[0] if len(places) == 1 and not heads else ""
    text = values[head].said if head else ""
    left = {name: value for name, value in values.items() if name != head}
    for name, (kind, word) in ((n, k) for n in list(left) for k in _PHRASED.items()):
        if text and name in left and makers[name].kind == kind and (kind != "place" or label(name) in _WHERE):
            text += f" {word} {left.pop(name).said}"
    given = listed([f"{label(name)} {value.said}" for name, value in left.items()])
    return f"{text} with {given}" if text and given else text or given


_WHERE = ("location", "city", "country", "place", "state", "region")
_PHRASED = {"place": "in", "year": "in", "date": "on"}
