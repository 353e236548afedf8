"""Gold booking conversations in the town of Aldermere, made by rule; every observation is a call really executed.

The user's words come from `world.town_talk`, as those of the simulated user do. Each assistant step thinks one short
sentence: what is known or missing, and what follows from it.
"""

import json
import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, JsonValue

from calm.conversation import Assistant, Call, Conversation, Message, Observation, State, User, by_name
from calm.data import Item
from calm.data.part import PartRecipe
from calm.errors import UsageError
from calm.world import town as world
from calm.world.town_data import Area
from calm.world.town_talk import (
    PLANS,
    QUESTIONS,
    Goal,
    Slots,
    accept,
    answer,
    booking,
    described,
    fragments,
    random_goal,
    request,
    spoken,
    thanks,
    withheld,
    without,
)

DOMAINS = ("restaurant", "hotel", "attraction", "train", "taxi", "booking")
"""What conversations are about; `booking` lets some cancel at the end."""

PAIRED = ("restaurant", "hotel", "attraction")
"""Domains that one request may join, for calls in parallel."""

SMALL_TALK = (
    ("Hello!", "The user only greets, so I greet back.", "Hello! How can I help you in Aldermere?"),
    ("Hi, what can you do?", "No tool is needed, so I answer.", "I can look things up in Aldermere and book for you."),
    ("Will it rain?", "I have no tool for the weather, so I say so.", "I cannot tell, but I can find and book things."),
)
ADDRESS = ("What is the address?", "Where is it exactly?", "Can you give me the address?")
CANCEL = ("Sorry, please cancel that booking.", "Plans changed, cancel it please.", "Please cancel it again.")


def read_town(count: int, seed: int = 0, domains: Sequence[str] = DOMAINS, first: int = 0) -> Iterator[Conversation]:
    """`count` conversations of two to eight user turns, most of three to five, the same for the same seed.

    Conversation n depends on seed and n only, so a longer run begins with a shorter one, or goes on where that ended
    with `first`.

    Raises:
        UsageError: an unknown domain, or `booking` alone.
    """
    if unknown := [d for d in domains if d not in DOMAINS]:
        raise UsageError(f"no town domain {unknown[0]!r}; there are: {', '.join(DOMAINS)}")
    if not any(d in PLANS for d in domains):
        raise UsageError("no town domain to talk about; name one of " + ", ".join(PLANS))
    for number in range(first, first + count):
        yield _conversation(number, seed, domains)


def _conversation(number: int, seed: int, domains: Sequence[str]) -> Conversation:
    rng = Random(f"read_town {seed} {number}")
    main = rng.choice([d for d in domains if d in PLANS])
    others = [d for d in domains if d in PAIRED and d != main]
    pair = [rng.choice(others)] if main in PAIRED and others and rng.random() < 0.12 else []
    cancels = "booking" in domains and bool(PLANS[main].book) and not pair and rng.random() < 0.15
    offered = {main, *pair, *(["booking"] if cancels else [])}
    if not pair and len(domains) > 1 and rng.random() < 0.15:
        offered.add(rng.choice(list(domains)))
    scene = _Scene(world.Town(tuple(offered)), rng)
    if rng.random() < 0.12:
        said, thought, reply = rng.choice(SMALL_TALK)
        scene.user(said)
        scene.say(thought, reply)
    _task(scene, [random_goal(d, rng) for d in (main, *pair)], cancels)
    scene.user(thanks(rng))
    scene.say("The user is done.", "You're welcome. Goodbye!")
    return scene.conversation(f"town/{seed}/{number}")


class _Scene:
    """A conversation being written: turns, the state after each user turn, and the town that executes the calls."""

    def __init__(self, town: world.Town, rng: Random) -> None:
        self.town, self.rng = town, rng
        self.messages: list[Message] = []
        self.states: list[State] = []
        self._known: State = {}
        self._calls = 0

    def user(self, text: str, domain: str = "", slots: Slots | None = None) -> None:
        """The user speaks and thereby makes slots known."""
        self.know(domain, slots or {})
        self.messages.append(User(content=text))
        self.states.append(dict(self._known))

    def know(self, domain: str, slots: Slots) -> None:
        """Slots that hold from the next user turn on."""
        self._known |= {f"{domain}-{key}": value for key, value in slots.items()}

    def say(self, thought: str, text: str) -> None:
        """The assistant answers without a call."""
        self.messages.append(Assistant(thought=thought, text=text))

    def act(self, thought: str, *wanted: tuple[str, Slots]) -> list[dict[str, Any]]:
        """The assistant calls, the town observes; returns what the observations say."""
        calls = tuple(self._call(name, slots) for name, slots in wanted)
        self.messages.append(Assistant(thought=thought, calls=calls))
        results = [self.town.run(call) for call in calls]
        observed = zip(calls, results, strict=True)
        self.messages += [Observation(content=text, call=call.id, name=call.name) for call, text in observed]
        return [json.loads(text) for text in results]

    def _call(self, name: str, slots: Slots) -> Call:
        order: Any = by_name(self.town.tools)[name].parameters["properties"]
        self._calls += 1
        return Call(name=name, arguments={k: slots[k] for k in order if k in slots}, id=f"call_{self._calls - 1}")

    def conversation(self, id: str) -> Conversation:
        """What was written."""
        messages, states, meta = tuple(self.messages), tuple(self.states), {"checked": "executed"}
        return Conversation(id=id, tools=self.town.tools, messages=messages, state=states, origin="town", meta=meta)


# --- the parts of a conversation -------------------------------------------------------------------------------------


def _task(scene: _Scene, goals: list[Goal], cancels: bool) -> None:
    goals.sort(key=lambda goal: not PLANS[goal.domain].book)  # what can be booked is talked about first
    main, plan = goals[0], PLANS[goals[0].domain]
    if not plan.find:
        _wish(scene, main.domain, main.booking)
        _book(scene, main, {}, cancels)
        return
    if len(goals) > 1:
        row = _search_both(scene, goals)
    else:
        _wish(scene, main.domain, _false_start(scene, main) or main.wishes)
        row = _search(scene, main)
    curious = 0.1 if plan.book and "address" in row else 0.4
    if plan.key == "name" and scene.rng.random() < curious:
        _address(scene, plan.find, row)
    if plan.book:
        chosen = {plan.key: row[plan.key]}
        _tell(scene, main.domain, main.booking, plan.slots, chosen)
        _book(scene, main, chosen, cancels)


def _wish(scene: _Scene, domain: str, wishes: Slots) -> None:
    plan = PLANS[domain]
    left = withheld(wishes, plan.needs or plan.slots, scene.rng)
    said = without(wishes, left)
    scene.user(request([described(domain, said)], scene.rng), domain, said)
    _ask(scene, domain, left)


def _tell(scene: _Scene, domain: str, slots: Slots, askable: Sequence[str], chosen: Slots) -> None:
    left = withheld(slots, askable, scene.rng)
    said = without(slots, left)
    scene.user(booking(said, scene.rng), domain, {**chosen, **said})
    _ask(scene, domain, left)


def _ask(scene: _Scene, domain: str, left: Slots) -> None:
    for slot in left:
        scene.say(f"The {_called(slot)} is missing, so I ask.", QUESTIONS[slot])
        scene.user(answer(left, scene.rng), domain, left)


def _false_start(scene: _Scene, goal: Goal) -> Slots | None:
    """In one case of eight the wishes with an area where nothing fits, for the assistant to say so."""
    if "area" not in goal.wishes or scene.rng.random() > 0.125:
        return None
    town = world.Town((goal.domain,))
    for area in scene.rng.sample(get_args(Area), len(get_args(Area))):
        wishes = {**goal.wishes, "area": area}
        call = Call(name=PLANS[goal.domain].find or "", arguments=wishes)
        if json.loads(town.run(call))["count"] == 0:
            return wishes
    return None


def _search(scene: _Scene, goal: Goal) -> dict[str, Any]:
    plan = PLANS[goal.domain]
    area = scene.states[-1].get(f"{goal.domain}-area")
    wishes = {**goal.wishes, "area": area} if area else goal.wishes
    thought = f"I know {_listed(wishes)}, so I search."
    (result,) = scene.act(thought, (plan.find or "", wishes))
    if not result["rows"]:
        reply = f"There is no {described(goal.domain, wishes).partition(' ')[2]}. Which other area would you like?"
        scene.say("Nothing matches, so I ask for another area.", reply)
        right = {"area": goal.wishes["area"]}
        scene.user(answer(right, scene.rng), goal.domain, right)
        (result,) = scene.act("The area changed, so I search again.", (plan.find or "", goal.wishes))
    row = result["rows"][0]
    closing = " Shall I book it?" if plan.book else ""
    scene.say(f"{_matches(result)}; I offer {row[plan.key]}.", _pitch(goal.domain, row) + closing)
    return row


def _search_both(scene: _Scene, goals: list[Goal]) -> dict[str, Any]:
    """One request, two searches in parallel; the row of the first goal is what gets booked."""
    for goal in goals:
        scene.know(goal.domain, goal.wishes)
    scene.user(request([described(goal.domain, goal.wishes) for goal in goals], scene.rng))
    thought = f"The user wants {' and '.join(goal.domain for goal in goals)}, so I search for both."
    results = scene.act(thought, *[(PLANS[g.domain].find or "", g.wishes) for g in goals])
    rows = [result["rows"][0] for result in results]
    pitches = " ".join(_pitch(goal.domain, row) for goal, row in zip(goals, rows, strict=True))
    scene.say(f"I offer {rows[0]['name']} and {rows[1]['name']}.", f"{pitches} Shall I book {rows[0]['name']}?")
    return rows[0]


def _address(scene: _Scene, find: str, row: dict[str, Any]) -> None:
    scene.user(scene.rng.choice(ADDRESS))
    thought = "I have the address already, so I answer."
    if "address" not in row:
        (result,) = scene.act("The address is missing, so I look it up.", (find, {"name": row["name"]}))
        row, thought = result["rows"][0], "I know the address now, so I answer."
    scene.say(thought, f"{row['name']} is at {row['address']}.")


def _book(scene: _Scene, goal: Goal, chosen: Slots, cancels: bool) -> None:
    plan = PLANS[goal.domain]
    slots: dict[str, JsonValue] = {**goal.wishes, **goal.booking, **chosen}
    thought = f"I know {_listed({**chosen, **goal.booking})}, so I book."
    (result,) = scene.act(thought, (plan.book or "", slots))
    if result.get("free"):
        _offer_others(scene, result)
        slots[plan.flexible] = result["free"][0]
        taken = {plan.flexible: slots[plan.flexible]}
        scene.user(accept(slots[plan.flexible], scene.rng), goal.domain, taken)
        (result,) = scene.act(f"The {_called(plan.flexible)} changed, so I book again.", (plan.book or "", slots))
    if "reference" not in result:
        scene.say("Nothing else is free, so I say so.", f"Sorry, {result['error']}, and nothing else is free.")
        return
    what = str(slots.get(plan.key) or "the taxi")
    scene.say(
        "It is booked; I give the reference.",
        f"Booked: {what} {fragments(without(slots, goal.wishes))}. Your reference is {result['reference']}.",
    )
    if cancels:
        _cancel(scene, result["reference"])


def _offer_others(scene: _Scene, refusal: dict[str, Any]) -> None:
    free = " and ".join(spoken(value) for value in refusal["free"])
    verb = "are" if len(refusal["free"]) > 1 else "is"
    scene.say("It is full, so I offer what is free.", f"Sorry, {refusal['error']}. {free} {verb} free. Which one?")


def _cancel(scene: _Scene, reference: str) -> None:
    scene.user(scene.rng.choice(CANCEL))
    scene.act("I know the reference, so I cancel.", ("cancel_booking", {"reference": reference}))
    scene.say("It is cancelled.", f"Your booking {reference} is cancelled.")


# --- the assistant's words -------------------------------------------------------------------------------------------


def _called(slot: str) -> str:
    return {"people": "number of people", "nights": "number of nights", "train_id": "train"}.get(slot, slot)


def _listed(slots: Slots) -> str:
    return " and ".join(", ".join(key.replace("_", " ") for key in slots).rsplit(", ", 1))


def _matches(result: dict[str, Any]) -> str:
    return "One matches" if result["count"] == 1 else f"{result['count']} match"


def _pitch(domain: str, row: dict[str, Any]) -> str:
    if domain == "train":
        return f"{row['train_id']} leaves at {row['leave']} and arrives at {row['arrive']}."
    entry = {"free": "free to enter"}.get(row.get("entry", ""), f"entry is {row.get('entry')}")
    return f"{row['name']} is {described(domain, row)}{f', {entry}' if 'entry' in row else ''}."


# --- the part ------------------------------------------------------------------------------------------------------


BLOCK = 100


class Town(PartRecipe):
    """`count` conversations played out in the town, in all its domains or some; every call in them was executed."""

    corpora: ClassVar[tuple[str, ...]] = ("calm",)
    source: Literal["town"]
    count: int = Field(default=200, ge=1)
    domains: Annotated[tuple[str, ...], Field(min_length=1)] = DOMAINS

    def pieces(self) -> int:
        """Blocks of 100."""
        return math.ceil(self.count / BLOCK)

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """The conversations of a block, which `seed` and their numbers decide."""
        first = piece * BLOCK
        return read_town(min(BLOCK, self.count - first), seed, self.domains, first)
