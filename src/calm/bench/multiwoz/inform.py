"""Inform and Success of one dialogue, by the rules of mwzeval: was a right venue offered, was what was asked for said?

Only placeholders are looked at, never values: `[phone]` provides a phone, whichever. What a reply offers is what the
*predicted state* of that turn finds in the database, so Success measures state tracking and the will to name slots.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from calm.bench.multiwoz.goals import State, Wish
from calm.bench.multiwoz.venues import Venues

VENUES = ("restaurant", "hotel", "attraction")
FREE = ("taxi", "police", "hospital")
"""Domains without a database: any offer will do."""
FACTS = ("PHONE", "ADDRESS", "POST", "TRAINID")
EVERYTHING = "[name] [phone] [address] [postcode] [reference] [trainid]"
"""The constant reply that provides whatever a user could ask for."""


class Turn(NamedTuple):
    """A system turn in normal form: reply, predicted state, and the domains that its placeholders speak of."""

    reply: str
    state: State
    domains: Sequence[str]


class Outcome(NamedTuple):
    """Inform and Success of a dialogue and of each domain of its goal; no domain's success where inform has failed."""

    inform: bool
    success: bool
    domains: dict[str, tuple[bool, bool | None]]


def row(outcome: Outcome) -> dict[str, Any]:
    """An outcome as verdict rows have it: 1 or 0; `domains` holds `[inform, success]`, with null where not asked."""
    domains = {
        domain: [int(done), None if served is None else int(served)]
        for domain, (done, served) in outcome.domains.items()
    }
    return {"inform": int(outcome.inform), "success": int(outcome.success), "domains": domains}


def rate(marks: Iterable[bool]) -> float:
    """Percent, rounded to one decimal as published; that of nothing is 0."""
    found = list(marks)
    return round(100 * sum(found) / len(found), 1) if found else 0.0


def active(states: Sequence[State]) -> Iterator[list[str]]:
    """The domain that each turn is about, guessed from what its state has gained over the last; none at first.

    Where several have gained, the current one stays, else that with most slots; if then nothing is gained, the first
    of the others has its turn. The order in which a system writes its domains can decide.
    """
    before: State = {}
    current: str | None = None
    waiting: list[str] = []
    for state in states:
        changed = [domain for domain, slots in state.items() if slots.items() - before.get(domain, {}).items()]
        if not changed:
            current = waiting[0] if waiting else current
        elif current not in changed:
            current = max(changed, key=lambda domain: len(state[domain]))
        waiting = [domain for domain in changed if domain != current]
        before = state
        yield [current] if current else []


def judge(goal: Mapping[str, Wish], booked: Sequence[Sequence[str]], turns: Sequence[Turn], venues: Venues) -> Outcome:
    """The outcome of a dialogue; `booked` lists the domains that the human wizard had booked by each turn."""
    informed = {domain: _informed(domain, wish, turns, venues) for domain, wish in goal.items()}
    if not all(informed.values()):
        return Outcome(False, False, {domain: (done, None) for domain, done in informed.items()})
    served = {domain: wish.requestable <= _provided(domain, turns, booked) for domain, wish in goal.items()}
    return Outcome(True, all(served.values()), {domain: (True, done) for domain, done in served.items()})


def _informed(domain: str, wish: Wish, turns: Sequence[Turn], venues: Venues) -> bool:
    if domain in FREE or "name" in wish.informable:
        return True
    offered = _offered(domain, turns, venues)
    if domain == "train" and not offered and "TRAINID" not in wish.requestable:
        return True
    return bool(offered) and offered <= venues.find(domain, wish.informable)


def _offered(domain: str, turns: Sequence[Turn], venues: Venues) -> frozenset[str]:
    """What was offered at last: a later result replaces an earlier one unless it holds all of it."""
    sign = "TRAINID" if domain == "train" else "NAME"
    offered: frozenset[str] = frozenset()
    for turn in turns:
        if domain in turn.domains and sign in turn.reply:
            found = venues.find(domain, turn.state[domain]) if domain in turn.state else frozenset()
            offered = offered if offered and offered <= found else found
    return offered


def _provided(domain: str, turns: Sequence[Turn], booked: Sequence[Sequence[str]]) -> set[str]:
    """What was said of a domain; a reference counts only once the human wizard had booked."""
    said: set[str] = set()
    for turn, bookings in zip(turns, booked, strict=False):
        if domain in turn.domains:
            said |= {fact for fact in FACTS if fact in turn.reply}
            said |= {"REFERENCE"} if "REFERENCE" in turn.reply and domain in bookings else set()
    return said
