"""Dialogue joins a toolbox and a user into one World; users are any `Conversation -> text or None`.

`ScriptedUser` says given lines, `TownUser` pursues a goal by rule, and a person at a keyboard is
`lambda conversation: input("> ")`.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from random import Random

from pydantic import JsonValue

from calm.conversation import Assistant, Call, Conversation, Garbled, Message, Observation, Step, System, Tool, User
from calm.errors import UsageError
from calm.files import dumps
from calm.world import Toolbox
from calm.world.town import WEEK
from calm.world.town_data import ATTRACTIONS, HOTELS, RESTAURANTS, TRAINS
from calm.world.town_talk import (
    PLANS,
    Goal,
    accept,
    answer,
    booking,
    described,
    random_goal,
    request,
    thanks,
    withheld,
    without,
)

Speaker = Callable[[Conversation], str | None]
"""A user: what to say after hearing the conversation, None to end it."""


class Dialogue:
    """A World of tools and one user: calls are run in order, text goes to the user, whose silence ends the episode.

    One instance per conversation. A step with both text and calls is treated as calls: the user hears the text when the
    model is done with its tools.
    """

    def __init__(self, toolbox: Toolbox, user: Speaker) -> None:
        self.toolbox, self.user = toolbox, user
        self._failed: Counter[str] = Counter()

    @property
    def offered(self) -> tuple[Tool, ...]:
        """The toolbox's tools as they are now: a server may add some in the middle of a conversation."""
        return self.toolbox.tools

    def start(self, id: str = "", origin: str = "") -> Conversation:
        """Where an episode begins: the tools and the user's first words.

        Raises:
            UsageError: the user has nothing to say.
        """
        empty = Conversation(id=id, tools=self.toolbox.tools, origin=origin)
        said = self.user(empty)
        if said is None:
            raise UsageError(f"conversation {id!r}: its user has nothing to say; give it at least one line")
        return empty.add(User(content=said))

    def __call__(self, conversation: Conversation, step: Step) -> Sequence[Message]:
        """Observations for calls, a note for a Garbled, else what the user says next."""
        if isinstance(step, Garbled):
            return (System(content=_unreadable(step)),)
        if step.calls:
            return [Observation(content=self._observe(call), call=call.id, name=call.name) for call in step.calls]
        said = self.user(conversation)
        return () if said is None else (User(content=said),)

    def _observe(self, call: Call) -> str:
        content = self.toolbox.run(call)
        error = _error(content)
        if error is None:
            return content
        key = dumps([call.name, call.arguments, content])
        self._failed[key] += 1
        if self._failed[key] < 2:
            return content
        note = f"this very call has failed {self._failed[key]} times; change it or ask the user"
        return dumps({**error, "note": note})


def _error(content: str) -> dict[str, JsonValue] | None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None  # an observation may be any text, and a long one is cut
    return value if isinstance(value, dict) and "error" in value else None


def _unreadable(step: Garbled) -> str:
    return (
        f"Your last output could not be read: {step.why}. Either answer the user in plain text, or call a function "
        'with {"name": ..., "arguments": {...}} in a tool_call block.'
    )


class ScriptedUser:
    """Says the given lines one after another, whatever it hears; then nothing."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(list(lines))

    def __call__(self, conversation: Conversation) -> str | None:
        """The next line."""
        return next(self._lines, None)


def town_goal(seed: int, domains: Sequence[str] = tuple(PLANS)) -> Goal:
    """The goal of a seed, in one of the domains; always one that the town can meet.

    Raises:
        UsageError: a domain that has no goals.
    """
    if unknown := [d for d in domains if d not in PLANS]:
        raise UsageError(f"no goals in town domain {unknown[0]!r}; there are: {', '.join(PLANS)}")
    rng = Random(f"town goal {seed}")
    return random_goal(rng.choice(list(domains)), rng)


ASKED: dict[str, re.Pattern[str]] = {
    "area": re.compile(r"\b(area|part of (the )?town|whereabouts)\b"),
    "price": re.compile(r"\b(price|budget|cheap|expensive)\b"),
    "food": re.compile(r"\b(food|cuisine|what (kind|type) of restaurant)\b"),
    "kind": re.compile(r"\b(kind|type|sort) of (place|attraction)\b"),
    "day": re.compile(r"\b(day|date|when)\b"),
    "time": re.compile(r"\b(time|hour|when)\b"),
    "people": re.compile(r"\b(people|guests|persons|seats|tickets|party)\b"),
    "nights": re.compile(r"\b(nights|how long|stay)\b"),
    "origin": re.compile(r"\b(from|departure|origin|starting)\b"),
    "destination": re.compile(r"\b(destination|want to go|where to|going|to where)\b"),
}
"""What in a question of the assistant asks for a slot."""

_REFERENCE = re.compile(r"\b[RHTC]\d{4,}\b")
_REFUSED = re.compile(r"\b(full|unavailable|not available|not free|seats left|no (free )?(table|room|seat)s?)\b")
_OFFERED = re.compile(r"\b\d\d:\d\d\b|\bT\d\d\b|\b(?:" + "|".join(WEEK) + r")\b", re.IGNORECASE)
_NAMES = [p.name.casefold() for p in (*RESTAURANTS, *HOTELS, *ATTRACTIONS)] + [t.train_id.casefold() for t in TRAINS]


class TownUser:
    """Pursues a goal by rule: asks, answers what it is asked, takes the first offer, thanks and ends.

    What it hears is read by keyword, so any assistant that names places and asks plain questions can serve it; after
    `patience` turns that brought it no further it gives up.
    """

    def __init__(self, goal: Goal, seed: int = 0, patience: int = 3) -> None:
        self.goal = goal
        self.patience = patience
        self.done = False
        self._booking = dict(goal.booking)
        self._accepted = goal.domain == "taxi"
        self._told: set[str] = set()
        self._tried: set[str] = set()
        self._rng = Random(f"town user {seed}")

    def __call__(self, conversation: Conversation) -> str | None:
        """What it says next; None once it has said goodbye."""
        heard = next((m.text or "" for m in reversed(conversation.messages) if isinstance(m, Assistant)), None)
        if self.done:
            return None
        if heard is None:
            return self._open()
        if _REFERENCE.search(heard):
            return self._leave(thanks(self._rng))
        return self._onward(heard) or self._stuck(heard)

    def _onward(self, heard: str) -> str | None:
        """What to say when the assistant brought something new: another time, an offer, a question not yet answered."""
        if other := self._other(heard):
            return accept(other, self._rng)
        if not self._accepted and any(name in heard.casefold() for name in _NAMES):
            self._accepted = True
            return self._book() if self._booking else self._leave(thanks(self._rng))
        asked = {key: value for key, value in self._asked(heard).items() if key not in self._told}
        self._told |= set(asked)
        return answer(asked, self._rng) if asked else None

    def _stuck(self, heard: str) -> str:
        self.patience -= 1
        if self.patience <= 0:
            return self._leave("Never mind, goodbye.")
        if asked := self._asked(heard):
            return answer(asked, self._rng)
        if "?" in heard and any(asks.search(heard.casefold()) for asks in ASKED.values()):
            return "I don't mind."
        return self._book() if self._accepted and self.goal.wishes else self._open()

    def _open(self) -> str:
        wishes, plan = self.goal.wishes or self._booking, PLANS[self.goal.domain]
        said = without(wishes, withheld(wishes, plan.needs or plan.slots, self._rng))
        return request([described(self.goal.domain, said)], self._rng)

    def _book(self) -> str:
        slots = without(self._booking, withheld(self._booking, tuple(self._booking), self._rng))
        return booking(slots, self._rng)

    def _asked(self, heard: str) -> dict[str, JsonValue]:
        """The goal's slots that the questions in what was heard ask for."""
        questions = " ".join(re.findall(r"[^.?!]*\?", heard)).casefold()
        known = {**self.goal.wishes, **self._booking}
        return {key: known[key] for key, asks in ASKED.items() if key in known and asks.search(questions)}

    def _other(self, heard: str) -> str | None:
        """The first time, day or train offered in place of a full one; the booking takes it on."""
        refused = _REFUSED.search(heard)
        flexible = PLANS[self.goal.domain].flexible
        if refused is None or not self._accepted:
            return None
        before = [found.casefold() for found in _OFFERED.findall(heard[: refused.start()])]
        self._tried |= {str(self._booking.get(flexible)), *before}
        for found in _OFFERED.findall(heard[refused.end() :]):
            if _slot(found) == flexible and found.casefold() not in self._tried:
                taken = found.casefold() if flexible == "day" else found
                self._booking[flexible] = taken
                return taken
        return None

    def _leave(self, words: str) -> str:
        self.done = True
        return words


def _slot(offered: str) -> str:
    if ":" in offered:
        return "time"
    return "train_id" if offered[0] == "T" and offered[1].isdigit() else "day"
