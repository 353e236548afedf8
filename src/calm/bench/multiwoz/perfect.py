"""The calls of a model that knows the state: what the gold transcripts of both protocols are made of.

Its words are the recorded ones and, behind them, what its own bookings gave: the wizards' references are of a system
that nobody has. So the ceiling is what the wizards said, found by dictionary; a model that keeps closer to the
database's spelling can be above it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from calm.bench import Task
from calm.bench.multiwoz import tasks
from calm.bench.multiwoz.goals import Measure
from calm.bench.multiwoz.inform import EVERYTHING

State = Mapping[str, str]
Parameters = Mapping[str, Mapping[str, str]]
"""By tool, the slot that each parameter fills."""

Calls = dict[str, dict[str, str]]


class Turn(NamedTuple):
    """A recorded turn: states before and after the user's words, the domains booked in it, and the reply."""

    before: State
    state: State
    booked: list[str]
    reply: str


def turns(task: Task, measure: Measure) -> Iterator[Turn]:
    """The turns of a dialogue; a domain is booked in the turn from which on the wizard had booked it."""
    gold = tasks.recorded(task)
    bookings = [[d for d in now if d not in was] for was, now in pairwise([[], *measure.booked])]
    for before, booked, reply in zip(pairwise([{}, *gold["states"]]), bookings, gold["replies"], strict=True):
        yield Turn(*before, booked, reply)


def calls(turn: Turn, parameters: Parameters) -> Calls:
    """Arguments by tool: what the turn adds to the state, each by the first tool that can, and its bookings in full."""
    found: Calls = {}
    for slot, value in turn.state.items():
        if turn.before.get(slot) != value:
            tool, key = next((t, k) for t, slots in parameters.items() for k, s in slots.items() if s == slot)
            found.setdefault(tool, {})[key] = value
    for tool in booking(turn.booked, parameters):
        found[tool] = {key: turn.state[slot] for key, slot in parameters[tool].items() if slot in turn.state}
    return found


def booking(domains: Sequence[str], parameters: Parameters) -> list[str]:
    """The tools that book in these domains."""
    return [tool for tool in parameters if tool.startswith(("book", "buy")) and any(d in tool for d in domains)]


Told = Iterable[tuple[str, Mapping[str, str]]]
"""What bookings gave, by domain."""

Say = Callable[[str, Told], str]
"""What is said in a turn, from the recorded reply and what bookings gave."""


def said(reply: str, told: Told) -> str:
    """The recorded reply with what bookings gave behind it."""
    given = [(key, value) for _, slots in told for key, value in slots.items() if key in ("reference", "type", "phone")]
    return " ".join([reply, *(f"The {key} is {value} ." for key, value in given)])


def human(reply: str, told: Told) -> str:
    """The recorded reply alone."""
    return reply


def constant(reply: str, told: Told) -> str:
    """Every placeholder that mwzeval counts, whatever was said."""
    return EVERYTHING
