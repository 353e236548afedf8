"""Inform and Success with values checked: did the words name a right venue, and give *its* phone, address, postcode?

Our own measure, on replies as they were said; mwzeval looks at placeholders and takes any value. The user's goal is
that of mwzeval, its wishes and requests too; no state is looked at, only words, the database, and what tools gave.

- A venue is *offered* when a reply names it (its whole name; case, punctuation, a leading "the" and the usual
  abbreviations aside), a train when a reply names its id. The last reply of a dialogue that names any of a domain says
  what is offered. Where none does, a venue that fits the goal counts as offered when its phone or postcode was said.
- *Inform* of a domain: something is offered, and all of it fits the goal. With several venues each must fit. A taxi is
  informed of when the reply gives the car or the phone that the tool gave.
- *Success* of a domain, where the dialogue's inform holds: each fact that the goal asks for was said somewhere, as it
  stands in the database for one of the venues offered: the phone's digits, the postcode's letters, all words of the
  address in their order. A reference or a taxi's phone must be one that a tool gave in that turn or before.
- Where what tools gave is not known (`told` is None: human replies, prediction files without `told`), a reference need
  only look like one (eight capitals and digits), a taxi's phone like one (ten or eleven digits).

Nothing passes unsaid: silence and placeholders score 0. A right value is not undone by a wrong one said elsewhere.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from calm.bench.multiwoz import archive, goals, inform, predictions
from calm.bench.multiwoz.goals import Wish
from calm.bench.multiwoz.inform import EVERYTHING, Outcome, rate
from calm.bench.multiwoz.replies import NAMED
from calm.bench.multiwoz.venues import UNKNOWN, Venues
from calm.bench.multiwoz.world import BOOKINGS
from calm.conversation import Message, Observation
from calm.hub.corpora import corpus

PROTOCOLS = ("lexical",)
PLACES = ("restaurant", "hotel", "attraction")
FIELDS = {"PHONE": "phone", "ADDRESS": "address", "POST": "postcode"}
TRAIN = re.compile(r"\bTR\d{4}\b", re.IGNORECASE)
REFERENCE, TAXI_PHONE = re.compile(r"\b(?=[A-Z0-9]*[0-9])[A-Z0-9]{8}\b"), re.compile(r"(?<!\d)\d{10,11}(?!\d)")
WORD = re.compile(r"[a-z0-9]+")
SHORT = {"street": "st", "saint": "st", "road": "rd", "avenue": "ave", "center": "centre", "guesthouse": "guest house"}
BOOKED, CALLED = {**BOOKINGS, "book_taxi": "taxi"}, {"car": "type"}
EVERYDAY = ("the place",)
"""Names that are no sign of a venue; these are offered by their phone or postcode alone."""

Record = Mapping[str, str]
Told = Sequence[tuple[str, Mapping[str, str]]]


class Spoken(NamedTuple):
    """A turn: the words of the reply, and what bookings gave in it, as `("hotel", {"reference": ..., "booked": name})`.

    Of a taxi `told` has the `phone` and as `type` the car. `booked` (a train's is its id) may be left out. None where
    the calls are not known.
    """

    reply: str
    told: Told | None = None


class Facts:
    """What the database says of each venue, and how to find venues in words; read-only, made once."""

    def __init__(self, folder: Path) -> None:
        self.venues = Venues(folder)
        self.records = {domain: self.venues.records(domain) for domain in (*PLACES, "train")}
        self.phones = {one.get("phone", "") for domain in PLACES for one in self.records[domain].values()}
        self._by_name: dict[str, list[tuple[str, str]]] = {}
        for domain in PLACES:
            for identity, record in self.records[domain].items():
                if record["name"] not in EVERYDAY:
                    self._by_name.setdefault(_name(record["name"]), []).append((domain, identity))
        longest = sorted(self._by_name, key=len, reverse=True)
        self._names = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest))})\b")

    def named(self, reply: str) -> dict[str, set[str]]:
        """The venues and trains that a reply names, by domain; of overlapping names the longest."""
        found: dict[str, set[str]] = {}
        for name in self._names.findall(plain(reply)):
            for domain, identity in self._by_name[name]:
                found.setdefault(domain, set()).add(identity)
        if trains := {train.upper() for train in TRAIN.findall(reply)}:
            found["train"] = trains
        return found


@lru_cache(maxsize=1 << 14)
def plain(text: str) -> str:
    """Words in lower case with one blank between them, without punctuation and apostrophes, abbreviated alike."""
    bare = text.lower().replace("'", "").replace("\N{RIGHT SINGLE QUOTATION MARK}", "").replace("&", " and ")
    spelled = " ".join(SHORT.get(word, word) for word in WORD.findall(bare))
    return spelled.replace("bed and breakfast", "b and b")


def _name(name: str) -> str:
    """A venue's name in that form, "the" in front left out unless only one word would be left."""
    spelled = plain(name)
    bare = spelled.removeprefix("the ")
    return bare if " " in bare else spelled


@lru_cache(maxsize=1 << 12)
def _pattern(value: str) -> re.Pattern[str]:
    """How a value may stand in plain words: its letters and digits, with a blank between any two or none."""
    return re.compile(rf"(?<![a-z0-9]){' ?'.join(plain(value).replace(' ', ''))}(?![a-z0-9])")


def says(reply: str, field: str, value: str) -> bool:
    """Whether a reply gives a value of the database; one that the database does not know cannot be given."""
    if value in ("", UNKNOWN) or not plain(value):
        return False
    if field != "address":
        return _pattern(value).search(plain(reply)) is not None
    words = iter(plain(reply).split())
    return all(word in words for word in plain(value).split())


# --- one dialogue --------------------------------------------------------------------------------------------------


def judge(goal: Mapping[str, Wish], turns: Sequence[Spoken], facts: Facts) -> Outcome:
    """The outcome of a dialogue and of each domain of its goal, by the rules above; pure, no state, no gold calls."""
    offered = {domain: _offered(domain, wish, turns, facts) for domain, wish in goal.items()}
    informed = {domain: _informed(domain, wish, offered[domain], turns, facts) for domain, wish in goal.items()}
    if not all(informed.values()):
        return Outcome(False, False, {domain: (done, None) for domain, done in informed.items()})
    served = {domain: _served(domain, wish, offered[domain], turns, facts) for domain, wish in goal.items()}
    return Outcome(True, all(served.values()), {domain: (True, done) for domain, done in served.items()})


def scores(goal: Mapping[str, Wish], turns: Sequence[Spoken], facts: Facts) -> dict[str, float]:
    """`lexical_inform` and `lexical_success` of a dialogue, 0 or 1, for a Verdict's scores."""
    outcome = judge(goal, turns, facts)
    return {"lexical_inform": float(outcome.inform), "lexical_success": float(outcome.success)}


def _offered(domain: str, wish: Wish, turns: Sequence[Spoken], facts: Facts) -> set[str]:
    named = [found for turn in turns if (found := _named(domain, turn, facts))]
    if named or domain not in PLACES:
        return named[-1] if named else set()
    fitting = facts.venues.find(domain, wish.informable)
    return {venue for venue in fitting if _any_said(turns, facts.records[domain][venue], ("phone", "postcode"))}


def _named(domain: str, turn: Spoken, facts: Facts) -> set[str]:
    booked = [given.get("booked", "") for name, given in turn.told or () if name == domain]
    return set().union(*(facts.named(text).get(domain, ()) for text in (turn.reply, *booked)))


def _any_said(turns: Iterable[Spoken], record: Record, fields: Sequence[str]) -> bool:
    return any(says(turn.reply, field, record.get(field, "")) for turn in turns for field in fields)


def _informed(domain: str, wish: Wish, offered: set[str], turns: Sequence[Spoken], facts: Facts) -> bool:
    if domain == "taxi":
        return _passed_on("taxi", ("type", "phone"), turns, facts)
    return bool(offered) and offered <= facts.venues.find(domain, wish.informable)


def _served(domain: str, wish: Wish, offered: set[str], turns: Sequence[Spoken], facts: Facts) -> bool:
    return all(_given(domain, asked, offered, turns, facts) for asked in wish.requestable)


def _given(domain: str, asked: str, offered: set[str], turns: Sequence[Spoken], facts: Facts) -> bool:
    if asked == "TRAINID":
        return bool(offered)
    if asked == "REFERENCE" or domain == "taxi":
        return _passed_on(domain, ("reference",) if asked == "REFERENCE" else ("phone",), turns, facts)
    records = (facts.records[domain][venue] for venue in offered)
    return any(_any_said(turns, record, (FIELDS[asked],)) for record in records)


def _passed_on(domain: str, keys: Sequence[str], turns: Sequence[Spoken], facts: Facts) -> bool:
    """Whether a reply says one of the things that tools gave by then for a domain; if they are unknown, its likes."""
    known: list[str] = []
    for turn in turns:
        known += [given[key] for name, given in turn.told or () if name == domain for key in keys if given.get(key)]
        if any(says(turn.reply, "told", value) for value in known):
            return True
        if turn.told is None and _looks_given(domain, turn.reply, facts):
            return True
    return False


def _looks_given(domain: str, reply: str, facts: Facts) -> bool:
    if domain != "taxi":
        return REFERENCE.search(reply) is not None
    return not facts.phones.issuperset(TAXI_PHONE.findall(re.sub(r"[\s.-]", "", reply)))


def told(messages: Iterable[Message]) -> list[tuple[str, dict[str, str]]]:
    """What the desk's bookings gave in these messages (of a turn), as `Spoken` takes it; refusals gave nothing."""
    found = []
    for message in messages:
        if isinstance(message, Observation) and (domain := BOOKED.get(message.name)):
            given = json.loads(message.content)
            found.append((domain, {CALLED.get(key, key): text for key, text in given.items() if key != "error"}))
    return found


# --- a speaker who knows all -----------------------------------------------------------------------------------------


def ideal(goal: Mapping[str, Wish], facts: Facts) -> Spoken:
    """What serves a goal in one reply, with references as a tool would give them: where this fails, no reply can do.

    Some goals fit no venue, or none that has the fact asked for.
    """
    parts: list[str] = []
    told: list[tuple[str, dict[str, str]]] = []
    for domain, wish in goal.items():
        given = {"reference": "7K2QX9ZD"} if domain != "taxi" else {"type": "grey volvo", "phone": "07123456789"}
        told.append((domain, given))
        parts += [*_best(domain, wish, facts), *given.values()]
    return Spoken(". ".join(parts), told)


def _best(domain: str, wish: Wish, facts: Facts) -> list[str]:
    """The name and the facts of the fitting venue that has most of what is asked for."""
    fields = [FIELDS[asked] for asked in sorted(wish.requestable) if asked in FIELDS]
    fitting = [facts.records[domain][venue] for venue in sorted(facts.venues.find(domain, wish.informable))]
    values = [[one[field] for field in fields if one.get(field, UNKNOWN) != UNKNOWN] for one in fitting]
    names = [one["trainid" if domain == "train" else "name"] for one in fitting]
    return max(([name, *known] for name, known in zip(names, values, strict=True)), key=len, default=[])


def brochure(facts: Facts) -> str:
    """A reply that gives all facts of one venue of each kind, whatever is asked: the first of each table."""
    firsts = [next(iter(facts.records[domain].values())) for domain in PLACES]
    words = [" ".join(one[key] for key in ("name", *FIELDS.values())) for one in firsts]
    return ". ".join([*words, next(iter(facts.records["train"]))])


# --- prediction files ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def facts(folder: Path) -> Facts:
    """The facts of the database in the corpus' folder, made once."""
    return Facts(folder / "db")


def grade(path: Path, protocol: str) -> Iterator[dict[str, Any]]:
    """A row for each dialogue, `{"dialogue_id", "inform", "success", "domains"}`, and a last `{"total": {...}}`.

    There is one `protocol`. A turn is `{"response": text, "told": {domain: {"reference": text}}}`, the reply in words;
    `told` (what the bookings of the turn gave) is optional: without it a reference need only look like one, and `told`
    of the total is false. States are not looked at and need not be there. `placeholders` counts replies with a `[name]`
    in them: delexicalised ones score 0 here. Rates are in percent; those with `_all` have missing dialogues as failed.

    Raises:
        DataError: see `predictions.read`.
    """
    folder = corpus("multiwoz")
    held = goals.measures(folder)
    found = predictions.read(path, {n: len(one.states) for n, one in held.items()}, ["response"], ["told"])
    outcomes = {n: judge(held[n].goal, _spoken(turns), facts(folder)) for n, turns in found.items()}
    for name, outcome in outcomes.items():
        yield {"dialogue_id": name, **inform.row(outcome)}
    lacking = [False] * (len(held) - len(found))
    replies = [turn["response"] for turns in found.values() for turn in turns]
    rates = _rates(outcomes.values())
    yield {
        "total": {
            **rates,
            "lexical_inform_all": rate([*(o.inform for o in outcomes.values()), *lacking]),
            "lexical_success_all": rate([*(o.success for o in outcomes.values()), *lacking]),
            "told": predictions.has_everywhere("told", found),
            "placeholders": sum(bool(NAMED.search(reply)) for reply in replies),
            "dialogues": len(found),
            "missing": len(lacking),
            "of": len(held),
            "missing_turns": sum(len(held[name].states) for name in found) - len(replies),
            "controls": controls(folder),
            "note": archive.source(folder).note,
        }
    }


def _spoken(turns: Sequence[Mapping[str, Any]]) -> list[Spoken]:
    return [Spoken(turn["response"], tuple(turn["told"].items()) if "told" in turn else None) for turn in turns]


def _rates(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """`lexical_inform` and `lexical_success` in percent, to one decimal."""
    found = list(outcomes)
    marks = {"lexical_inform": [o.inform for o in found], "lexical_success": [o.success for o in found]}
    return {name: rate(mark) for name, mark in marks.items()}


@lru_cache(maxsize=1)
def controls(folder: Path) -> dict[str, dict[str, float]]:
    """What speakers without skill get on all dialogues, the wizards, and one who knows all (`gold`, the ceiling).

    `constant` says mwzeval's placeholders in every turn, `brochure` the facts of one venue of each kind, `silence`
    nothing. `human` are the wizards' replies; their references were given by no tool, so they need only look right.
    """
    held, known = goals.measures(folder), facts(folder)
    replies = {archive.bare(row["dialogue_id"]): row["turns"] for _, row in archive.rows(folder)}
    speakers: dict[str, Callable[[str, Mapping[str, Wish]], list[Spoken]]] = {
        "constant": lambda name, goal: [Spoken(EVERYTHING)],
        "brochure": lambda name, goal: [Spoken(brochure(known))],
        "silence": lambda name, goal: [],
        "human": lambda name, goal: [Spoken(turn["system"]) for turn in replies[name]],
        "gold": lambda name, goal: [ideal(goal, known)],
    }
    return {
        speaker: _rates(judge(one.goal, speak(name, one.goal), known) for name, one in held.items())
        for speaker, speak in speakers.items()
    }
