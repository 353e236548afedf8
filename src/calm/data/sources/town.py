"""Gold booking conversations in the town of Aldermere, made by rule; every observation is a call really executed.

The user's words come from `world.town_talk`, as those of the simulated user do, the assistant's from `town_words`. Each
assistant step thinks one short sentence or two: what is known or missing, and what follows from it.
"""

import json
import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, JsonValue

from calm.conversation import Assistant, Call, Conversation, Message, Observation, State, System, User, by_name
from calm.data import Item
from calm.data.part import PartRecipe
from calm.data.phrases_calls import pairs
from calm.data.sources import town_words as words
from calm.data.thoughts import listed
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

Domain = Literal["restaurant", "hotel", "attraction", "train", "taxi", "booking"]
DOMAINS: tuple[Domain, ...] = get_args(Domain)
"""What conversations are about; `booking` lets some cancel at the end."""

PAIRED = ("restaurant", "hotel", "attraction")
"""Domains that one request may join, for calls in parallel."""

ADDRESS = ("What is the address?", "Where is it exactly?", "Can you give me the address?")
CANCEL = ("Sorry, please cancel that booking.", "Plans changed, cancel it please.", "Please cancel it again.")
DESK = (
    "You help visitors of the town of Aldermere with your tools. Say only what they told you.",
    "You are the visitors' desk of Aldermere. Look things up, book them, and make nothing up.",
    "Answer visitors of Aldermere. Search with all that they ask for, and ask for what a booking still needs.",
    "You work for the town of Aldermere: search, book and order for its guests, politely and briefly.",
)
"""Standing instructions of whoever has all the town's tools at hand."""


def read_town(
    count: int,
    seed: int = 0,
    domains: Sequence[str] = DOMAINS,
    first: int = 0,
    whole: float = 0.0,
    stepwise: float = 0.0,
) -> Iterator[Conversation]:
    """`count` conversations of two to eight user turns, most of three to five, the same for the same seed.

    Conversation n depends on seed and n only, so a longer run begins with a shorter one, or goes on where that ended
    with `first`. In a share `whole` of them the tools of all `domains` are offered, and over half of those users have a
    second errand. In a share `stepwise` what is wished for is said in two parts, and each is searched with at once.

    Raises:
        UsageError: an unknown domain, or `booking` alone.
    """
    if unknown := [d for d in domains if d not in DOMAINS]:
        raise UsageError(f"no town domain {unknown[0]!r}; there are: {', '.join(DOMAINS)}")
    if not any(d in PLANS for d in domains):
        raise UsageError("no town domain to talk about; name one of " + ", ".join(PLANS))
    for number in range(first, first + count):
        wide = Random(f"whole {seed} {number}")
        parted = Random(f"stepwise {seed} {number}").random() < stepwise
        yield _conversation(number, seed, domains, wide if wide.random() < whole else None, parted)


def _conversation(number: int, seed: int, domains: Sequence[str], wide: Random | None, parted: bool) -> Conversation:
    rng = Random(f"read_town {seed} {number}")
    main = rng.choice([d for d in domains if d in PLANS])
    others = [d for d in domains if d in PAIRED and d != main]
    pair = [rng.choice(others)] if main in PAIRED and others and rng.random() < 0.12 else []
    cancels = "booking" in domains and bool(PLANS[main].book) and not pair and rng.random() < 0.15
    offered = {main, *pair, *(["booking"] if cancels else [])}
    if not pair and len(domains) > 1 and rng.random() < 0.15:
        offered.add(rng.choice(list(domains)))
    scene = _Scene(world.Town(tuple(domains if wide else offered)), rng, f"town/{seed}/{number}", parted)
    if wide and wide.random() < 0.5:
        scene.messages.append(System(content=wide.choice(DESK)))
    if rng.random() < 0.12:
        said, thought, reply = rng.choice(words.SMALL_TALK)
        scene.user(said)
        scene.say(scene.worded(thought), scene.worded(reply))
    _task(scene, [random_goal(d, rng) for d in (main, *pair)], cancels)
    others = [d for d in domains if d in PLANS and d not in offered]
    if wide and others and wide.random() < 0.6:
        _task(scene, [random_goal(wide.choice(others), wide)], cancels=False)
    scene.user(thanks(rng))
    scene.say(scene.worded(words.ENDING), scene.worded(words.BYE))
    return scene.conversation()


class _Scene:
    """A conversation being written: turns, the state after each user turn, and the town that executes the calls.

    `rng` decides what happens, `id` how the assistant words it, so that more wordings never change what happens.
    `parted` is whether wishes are said in two parts.
    """

    def __init__(self, town: world.Town, rng: Random, id: str, parted: bool) -> None:
        self.town, self.rng, self.id, self.parted = town, rng, id, parted
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

    def worded(self, halves: words.Halves, **blanks: str) -> str:
        """One of the assistant's wordings, drawn for this conversation and this place in it."""
        return words.worded(halves, self.id, len(self.messages), **blanks)

    def knowing(self, halves: words.Halves, name: str, slots: Slots) -> str:
        """A thought on what is known for a tool: the slots it takes, with or without their values."""
        known = self.arguments(name, slots)
        return self.worded(halves, slots=listed([key.replace("_", " ") for key in known]), pairs=pairs(known))

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

    def arguments(self, name: str, slots: Slots) -> dict[str, JsonValue]:
        """The slots that a tool takes, in the tool's order."""
        order: Any = by_name(self.town.tools)[name].parameters["properties"]
        return {key: slots[key] for key in order if key in slots}

    def _call(self, name: str, slots: Slots) -> Call:
        self._calls += 1
        return Call(name=name, arguments=self.arguments(name, slots), id=f"call_{self._calls - 1}")

    def conversation(self) -> Conversation:
        """What was written."""
        messages, states, meta = tuple(self.messages), tuple(self.states), {"checked": "executed"}
        return Conversation(
            id=self.id, tools=self.town.tools, messages=messages, state=states, origin="town", meta=meta
        )


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
    elif scene.parted and main.domain in PAIRED:
        row = _search_in_parts(scene, main)
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
        reply = scene.worded(words.QUESTION, plain=QUESTIONS[slot], which=words.WHICH[slot])
        scene.say(scene.worded(words.ASKING, slot=_called(slot)), reply)
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
    area, find = scene.states[-1].get(f"{goal.domain}-area"), PLANS[goal.domain].find or ""
    wishes = {**goal.wishes, "area": area} if area else goal.wishes
    (result,) = scene.act(scene.knowing(words.SEARCHING, find, wishes), (find, wishes))
    if not result["rows"]:
        result = _search_elsewhere(scene, goal, wishes)
    return _offer(scene, goal, result)


def _offer(scene: _Scene, goal: Goal, result: dict[str, Any]) -> dict[str, Any]:
    """The first match offered, to be booked where that is possible."""
    plan, row = PLANS[goal.domain], result["rows"][0]
    thought = scene.worded(words.OFFERING, found=_matches(result), name=row[plan.key])
    closing = " " + scene.worded(words.SHALL, it="it") if plan.book else ""
    scene.say(thought, _pitch(scene, goal.domain, row) + closing)
    return row


def _search_in_parts(scene: _Scene, goal: Goal) -> dict[str, Any]:
    """Some wishes are said and searched for as they are; the rest is asked for where much is found, and searched with.

    Nothing is asked for before the first search: what a tool does not require, a user need not say.
    """
    askable = [key for key in goal.wishes if key in QUESTIONS]
    left = set(scene.rng.sample(askable, scene.rng.randint(1, len(askable) - 1)) if len(askable) > 1 else ())
    rest = {key: value for key, value in goal.wishes.items() if key in left}
    said, find = without(goal.wishes, rest), PLANS[goal.domain].find or ""
    scene.user(request([described(goal.domain, said)], scene.rng), goal.domain, said)
    (result,) = scene.act(scene.knowing(words.SEARCHING, find, said), (find, said))
    if result["count"] == 1 or not rest:
        return _offer(scene, goal, result)
    slot = next(iter(rest))
    reply = scene.worded(words.NARROWING_REPLY, found=_matches(result), question=QUESTIONS[slot])
    scene.say(scene.worded(words.NARROWING, found=_matches(result), slot=_called(slot)), reply)
    scene.user(answer(rest, scene.rng), goal.domain, rest)
    return _search(scene, goal)


def _search_elsewhere(scene: _Scene, goal: Goal, wishes: Slots) -> dict[str, Any]:
    """Nothing fits in the area wished for; what is found in the one that the user names instead."""
    reply = scene.worded(words.NO_MATCH, what=described(goal.domain, wishes).partition(" ")[2])
    scene.say(scene.worded(words.OTHER_AREA, area=str(wishes["area"])), reply)
    right = {"area": goal.wishes["area"]}
    scene.user(answer(right, scene.rng), goal.domain, right)
    thought = scene.worded(words.SEARCHING_AGAIN, area=str(right["area"]))
    (result,) = scene.act(thought, (PLANS[goal.domain].find or "", goal.wishes))
    return result


def _search_both(scene: _Scene, goals: list[Goal]) -> dict[str, Any]:
    """One request, two searches in parallel; the row of the first goal is what gets booked."""
    for goal in goals:
        scene.know(goal.domain, goal.wishes)
    scene.user(request([described(goal.domain, goal.wishes) for goal in goals], scene.rng))
    thought = scene.worded(words.SEARCHING_BOTH, things=" and ".join(goal.domain for goal in goals))
    results = scene.act(thought, *[(PLANS[g.domain].find or "", g.wishes) for g in goals])
    rows = [result["rows"][0] for result in results]
    pitches = [_pitch(scene, goal.domain, row) for goal, row in zip(goals, rows, strict=True)]
    names = [row["name"] for row in rows]
    reply = " ".join([*pitches, scene.worded(words.SHALL, it=names[0])])
    scene.say(scene.worded(words.OFFERING_BOTH, names=listed(names)), reply)
    return rows[0]


def _address(scene: _Scene, find: str, row: dict[str, Any]) -> None:
    scene.user(scene.rng.choice(ADDRESS))
    if "address" not in row:
        thought = scene.worded(words.LOOKING_UP, name=row["name"])
        (result,) = scene.act(thought, (find, {"name": row["name"]}))
        row = result["rows"][0]
    known = {"name": row["name"], "address": row["address"]}
    scene.say(scene.worded(words.ADDRESS, **known), scene.worded(words.WHERE, **known))


def _book(scene: _Scene, goal: Goal, chosen: Slots, cancels: bool) -> None:
    plan, book = PLANS[goal.domain], PLANS[goal.domain].book or ""
    slots: dict[str, JsonValue] = {**goal.wishes, **goal.booking, **chosen}
    (result,) = scene.act(scene.knowing(words.BOOKING, book, slots), (book, slots))
    if result.get("free"):
        _offer_others(scene, result, _called(plan.flexible))
        slots[plan.flexible] = result["free"][0]
        result = _book_other(scene, goal, slots)
    if "reference" not in result:
        scene.say(scene.worded(words.NONE_FREE), scene.worded(words.NOTHING_ELSE, error=result["error"]))
        return
    what, reference = str(slots.get(plan.key) or "the taxi"), result["reference"]
    full = f"{what} {fragments(without(slots, goal.wishes))}"
    scene.say(
        scene.worded(words.BOOKED, reference=reference),
        scene.worded(words.CONFIRMED, what=full, reference=reference),
    )
    if cancels:
        _cancel(scene, reference)


def _offer_others(scene: _Scene, refusal: dict[str, Any], slot: str) -> None:
    free, verb = refusal["free"], "are" if len(refusal["free"]) > 1 else "is"
    named = listed([spoken(value) for value in free])
    reply = scene.worded(words.INSTEAD, error=refusal["error"], free=named, verb=verb)
    scene.say(scene.worded(words.REFUSED, free=f"{slot} {listed(free)}"), reply)


def _book_other(scene: _Scene, goal: Goal, slots: Slots) -> dict[str, Any]:
    """The user takes the first of what was offered, and it is booked."""
    plan = PLANS[goal.domain]
    value = slots[plan.flexible]
    scene.user(accept(value, scene.rng), goal.domain, {plan.flexible: value})
    thought = scene.worded(words.BOOKING_AGAIN, slot=_called(plan.flexible), value=str(value))
    (result,) = scene.act(thought, (plan.book or "", slots))
    return result


def _cancel(scene: _Scene, reference: str) -> None:
    scene.user(scene.rng.choice(CANCEL))
    known = {"reference": reference}
    scene.act(scene.worded(words.CANCELLING, **known), ("cancel_booking", known))
    scene.say(scene.worded(words.CANCELLED, **known), scene.worded(words.GONE, **known))


# --- the assistant's words -------------------------------------------------------------------------------------------


_CALLED = {"people": "number of people", "nights": "number of nights", "kind": "kind of place", "train_id": "train"}


def _called(slot: str) -> str:
    return _CALLED.get(slot, slot)


def _matches(result: dict[str, Any]) -> str:
    return "one match" if result["count"] == 1 else f"{result['count']} matches"


def _pitch(scene: _Scene, domain: str, row: dict[str, Any]) -> str:
    if domain == "train":
        what = f"leaving at {row['leave']} and arriving at {row['arrive']}"
        return scene.worded(words.PITCH, name=row["train_id"], what=what)
    entry = {"free": "free to enter"}.get(row.get("entry", ""), f"entry is {row.get('entry')}")
    what = described(domain, row) + (f", {entry}" if "entry" in row else "")
    return scene.worded(words.PITCH, name=row["name"], what=what)


# --- the part ------------------------------------------------------------------------------------------------------


BLOCK = 100


class Town(PartRecipe):
    """`count` conversations played out in the town, in all its domains or some; every call in them was executed.

    `whole` is the share of conversations with the tools of all domains at once, most of them with two errands,
    `stepwise` the share whose wishes are said in two parts and searched with at once.
    """

    corpora: ClassVar[tuple[str, ...]] = ("calm",)
    source: Literal["town"]
    count: int = Field(default=200, ge=1)
    domains: Annotated[tuple[Domain, ...], Field(min_length=1)] = DOMAINS
    whole: float = Field(default=0.0, ge=0, le=1)
    stepwise: float = Field(default=0.0, ge=0, le=1)

    def pieces(self) -> int:
        """Blocks of 100."""
        return math.ceil(self.count / BLOCK)

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """The conversations of a block, which `seed` and their numbers decide."""
        first = piece * BLOCK
        return read_town(min(BLOCK, self.count - first), seed, self.domains, first, self.whole, self.stepwise)
