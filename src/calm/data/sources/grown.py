"""Rows grown from the tool pool, from a small office of our own and from SGD: stand-ins for Hammer and ToolACE.

A tool's own description gives the request, its parameters the values (`grown_speech`, `grown_values`); the right call
is known because the request was made from it. A row of the pool ends at its call, since nobody can say what the tool
would answer; rows of the office (`grown_steps`) and of SGD (`grown_sgd`) have observations that were computed or
recorded. Row n depends on the seed and n only.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from calm.conversation import Assistant, Call, Conversation, Tool, User
from calm.data import Item, Reject, bucket, pick, vary_chat, vary_tools
from calm.data import pool as tools
from calm.data.part import PartRecipe
from calm.data.sources import grown_sgd, grown_steps
from calm.data.sources import grown_words as words
from calm.data.sources.grown_numbers import Value
from calm.data.sources.grown_speech import (
    Speakable,
    Values,
    drawn,
    embeds,
    finished,
    label,
    lowered,
    request,
    sentences,
    speakable,
)
from calm.data.thoughts import listed
from calm.data.vary_reading import deed, reading
from calm.data.vary_words import Key
from calm.errors import UsageError

BLOCK = 1_000
"""Rows in a piece."""
Kind = Literal["single", "choice", "same", "several", "steps", "ask", "refuse", "chat"]
KINDS: dict[Kind, int] = {
    "single": 22,
    "choice": 20,
    "same": 7,
    "several": 9,
    "steps": 14,
    "ask": 13,
    "refuse": 10,
    "chat": 5,
}
"""How often each kind comes, in parts of 100; with fewer kinds the rest keep their proportions."""
SEAL = 0.7
"""Share of requests for Seal-Tools' everyday tools; Toucan's are more technical and read less like people."""


class Shelf(NamedTuple):
    """The pool's tools that people can ask for: of both origins, with and without parameters, and by group."""

    everyday: tuple[Speakable, ...]
    technical: tuple[Speakable, ...]
    groups: dict[str, tuple[Speakable, ...]]

    def draw(self, rng: Random) -> Speakable:
        """A tool; one without required parameters is drawn again three times of four."""
        while True:
            found = rng.choice(self.everyday if rng.random() < SEAL else self.technical)
            if found.required or rng.random() < 0.25:
                return found


@lru_cache(maxsize=1)
def shelf() -> Shelf:
    """The speakable tools; made once a process, which takes a few seconds."""
    found = [(p.origin, said) for p in tools.pool() if (said := speakable(p.tool, p.group))]
    groups: dict[str, tuple[Speakable, ...]] = {}
    for _, said in found:
        groups[said.group] = (*groups.get(said.group, ()), said)
    everyday, technical = ([said for o, said in found if o == origin] for origin in ("seal_tools", "toucan"))
    return Shelf(tuple(everyday), tuple(technical), groups)


def grown(number: int, seed: int, kinds: Sequence[Kind] = tuple(KINDS)) -> Item:
    """Row `number` of the part; a Reject where sixty tools in a row did not lend themselves to its kind."""
    rng = Random(f"grown {seed} {number}")
    kind = rng.choices(kinds, [KINDS[kind] for kind in kinds])[0]
    name = f"grown-{seed}-{number}"
    for _ in range(60):
        made = MAKERS[kind](rng, (seed, number))
        if made:
            named = made.model_copy(update={"id": name, "origin": f"grown/{kind}"})
            return named.note(kind=kind, checked=made.meta.get("checked", "schema"))
    return Reject(id=name, origin=f"grown/{kind}", reason="no tool lends itself", detail=kind)


# --- calls -----------------------------------------------------------------------------------------------------------


def _single(rng: Random, key: Key) -> Conversation:
    tool = shelf().draw(rng)
    values = drawn(tool, rng)
    said = request(tool, values, rng)
    offered = vary_tools.distractors(said, [tool.tool], rng.choice((0, 0, 1, 2, 3, 4)), key)
    return _conversation(
        (tool.tool, *offered), key, _user(said, tool, values), _calls(_why(tool, values, key), (tool, values))
    )


def _choice(rng: Random, key: Key) -> Conversation | None:
    """One call where the other tools are of the same field or server, but do something else."""
    tool = shelf().draw(rng)
    values = drawn(tool, rng)
    others = tools.siblings(tool.group, [tool.tool], rng.randint(2, 7), *key)
    if len(others) < 2 or not tool.required:
        return None
    return _conversation(
        (tool.tool, *others),
        key,
        _user(request(tool, values, rng), tool, values),
        _calls(_why(tool, values, key), (tool, values)),
    )


def _same(rng: Random, key: Key) -> Conversation | None:
    """One tool for two to four values that the user names in one breath."""
    tool = shelf().draw(rng)
    names = [name for name in tool.required if embeds(tool, name)]
    places = sum(maker.kind == "place" for maker in tool.required.values())
    if not names or places > 1:
        return None
    name = rng.choice(names)
    values = drawn(tool, rng, extras=0)
    several = {v.said: v for v in (tool.required[name].draw(rng) for _ in range(rng.choice((2, 2, 2, 3, 3, 4))))}
    if len(several) < 2:
        return None
    spoken = listed(list(several))
    said = request(tool, {**values, name: Value(None, spoken)}, rng)
    offered = vary_tools.distractors(said, [tool.tool], rng.choice((0, 1, 2, 3, 4)), key)
    why = _mixed(key, words.REPEATED, words.INDEPENDENT).format(tool=tool.tool.name, count=len(several), args=spoken)
    step = _calls(why, *((tool, {**values, name: value}) for value in several.values()))
    return _conversation((tool.tool, *offered), key, (User(content=said), None), step)


def _several(rng: Random, key: Key) -> Conversation | None:
    """Two tools in one message."""
    first = shelf().draw(rng)
    near = [other for other in shelf().groups[first.group] if other.tool.name != first.tool.name]
    second = rng.choice(near) if near and rng.random() < 0.6 else shelf().draw(rng)
    if tools.closeness(first.tool, second.tool) >= tools.TWIN or not (first.required and second.required):
        return None
    pair = [(tool, drawn(tool, rng, extras=0.2)) for tool in (first, second)]
    parts = [" ".join(part for part in sentences(*one, rng) if part) for one in pair]
    said = finished(f"{parts[0]} {rng.choice(words.ALSO)}{lowered(parts[1])}", "", rng)
    offered = vary_tools.distractors(said, [first.tool, second.tool], rng.choice((0, 1, 2, 3)), key)
    names = {"first": first.tool.name, "second": second.tool.name}
    why = _mixed(key, words.SEVERAL, words.INDEPENDENT).format(**names)
    slots = {k: v for tool, values in pair for k, v in _state(tool, values).items()}
    return _conversation((first.tool, second.tool, *offered), key, (User(content=said), slots), _calls(why, *pair))


def _steps(rng: Random, key: Key) -> Conversation:
    """A few steps in the office, executed."""
    return grown_steps.played(rng, key)


# --- no call, or not yet ---------------------------------------------------------------------------------------------


def _ask(rng: Random, key: Key) -> Conversation | None:
    """The user leaves out a required value; the assistant asks for it, then calls."""
    tool = shelf().draw(rng)
    names = [name for name, maker in tool.required.items() if maker.kind not in ("text", "list")]
    if not names:
        return None
    left = rng.choice(names)
    values = drawn(tool, rng, extras=0.2)
    known = {name: value for name, value in values.items() if name != left}
    said = request(tool, known, rng)
    offered = _around(tool, said, rng, key)
    forms = {"label": label(left), "tool": tool.tool.name, "deed": tool.deed, "args": _args(known)}
    open_ = _mixed(key, words.HAVE if known else words.HAVE_NONE)
    missing = f"{open_}{pick(words.MISSING, *key, 'missing')} {pick(words.SO_ASK, *key, 'ask')}".format(**forms)
    question = Assistant(thought=missing, text=rng.choice(words.QUESTION).format(**forms))
    value = values[left]
    spoken = value.said[:1].upper() + value.said[1:] if value.said[:1].isalpha() and " " in value.said else value.said
    reply = rng.choice(words.REPLY).format(said=value.said, Said=spoken, label=label(left), Label=_upper(label(left)))
    why = (pick(words.COMPLETE, *key, "complete") + pick(words.PROCEED, *key, "proceed")).format(
        **forms, value=value.said
    )
    last = _calls(_upper(why), (tool, values))
    turns = (_user(said, tool, known), (question, None), (User(content=reply), _state(tool, values)), last)
    return _conversation((tool.tool, *offered), key, *turns)


def _around(tool: Speakable, said: str, rng: Random, key: Key) -> tuple[Tool, ...]:
    """Distractors from anywhere or from beside the tool."""
    if rng.random() < 0.3:
        return tools.siblings(tool.group, [tool.tool], rng.randint(1, 4), *key)
    return tuple(vary_tools.distractors(said, [tool.tool], rng.choice((0, 1, 2, 3)), key))


def _refuse(rng: Random, key: Key) -> Conversation | None:
    """The right tool is taken away; what is left has nothing to do with the request, or is of its field at most."""
    tool = shelf().draw(rng)
    said = request(tool, drawn(tool, rng), rng)
    mine = reading(tool.tool).nouns
    near = tools.siblings(tool.group, [tool.tool], 3, *key, under=0.2) if rng.random() < 0.4 else ()
    near = tuple(other for other in near if mine and mine.isdisjoint(reading(other).stems))
    offered = (*near, *vary_tools.distractors(f"{said} {tool.deed}", [tool.tool, *near], rng.randint(1, 5), key))
    if not offered:
        return None
    able = sorted(filter(None, map(deed, offered)), key=lambda text: bucket(*key, text))
    step = vary_tools.refused(tool.deed, able[0] if able else "", key)
    row = _conversation(offered, key, (User(content=said), None), (step, None))
    return row.note(missing=f"{tool.tool.name}: {tool.tool.description}")


def _chat(rng: Random, key: Key) -> Conversation:
    """Small talk or a general question while tools are offered."""
    start = shelf().draw(rng)
    offered = (start.tool, *vary_tools.distractors("", [start.tool], rng.randint(0, 4), key))
    said, step = vary_chat.opening(Conversation(id=f"chat-{key}", tools=offered), key)
    return _conversation(offered, key, (said, None), (step, None))


MAKERS: dict[Kind, Callable[[Random, Key], Conversation | None]] = {
    "single": _single,
    "choice": _choice,
    "same": _same,
    "several": _several,
    "steps": _steps,
    "ask": _ask,
    "refuse": _refuse,
    "chat": _chat,
}


# --- putting together ------------------------------------------------------------------------------------------------

Turn = tuple[Any, dict[str, Any] | None]
"""A message, and for the user's the state after it where it is known."""


def _conversation(offered: Sequence[Tool], key: Key, *turns: Turn) -> Conversation:
    order = sorted(offered, key=lambda tool: bucket(*key, "order", tool.name))
    users = [state for message, state in turns if isinstance(message, User)]
    states = tuple(state for state in users if state is not None)
    state = states if len(states) == len(users) else ()
    return Conversation(tools=tuple(order), messages=tuple(message for message, _ in turns), state=state)


def _user(said: str, tool: Speakable, values: Values) -> Turn:
    return User(content=said), _state(tool, values)


def _state(tool: Speakable, values: Values) -> dict[str, Any]:
    return {f"{tool.tool.name}.{name}": value.value for name, value in values.items()}


def _calls(why: str, *wanted: tuple[Speakable, Values]) -> Turn:
    calls = tuple(
        Call(name=tool.tool.name, arguments={name: v.value for name, v in values.items()}, id=f"call_{place}")
        for place, (tool, values) in enumerate(wanted)
    )
    return Assistant(thought=why, calls=calls), None


def _why(tool: Speakable, values: Values, key: Key) -> str:
    text = "".join(
        pick(bank, *key, n) for n, bank in enumerate((words.AIM, words.FITS, words.KNOWN if values else words.BARE))
    )
    return text.format(deed=tool.deed, tool=tool.tool.name, args=_args(values))


def _args(values: Values) -> str:
    """Names and values, long values by name only."""
    return listed([f"{label(n)} {v.said}" if len(v.said) < 40 else f"the {label(n)}" for n, v in values.items()])


def _mixed(key: Key, *banks: Sequence[str]) -> str:
    return " ".join(pick(bank, *key, place) for place, bank in enumerate(banks))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- the part --------------------------------------------------------------------------------------------------------


class Grown(PartRecipe):
    """`count` rows of the `kinds`, and beside them requests from a share `dialogues` of SGD's training dialogues."""

    corpora: ClassVar[tuple[str, ...]] = ("sgd", "seal_tools", "toucan", "calm")
    source: Literal["grown"]
    count: int = Field(default=20_000, ge=1)
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = tuple(KINDS)
    dialogues: float = Field(default=0.25, ge=0, le=1)

    @property
    def stands_in_for(self) -> str:
        """The two inputs whose abilities these rows teach."""
        return "xlam-function-calling-60k, xlam-irrelevance-7.5k and the full ToolACE"

    def files(self) -> dict[str, Path]:
        """The pool's files and, with `dialogues`, those of SGD."""
        return tools.files() | (grown_sgd.SOURCE.files() if self.dialogues else {})

    def pieces(self) -> int:
        """Blocks of rows, then the files of SGD."""
        return self._blocks + (grown_sgd.SOURCE.pieces() if self.dialogues else 0)

    @property
    def _blocks(self) -> int:
        return -(-self.count // BLOCK)

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """One item a row.

        Raises:
            UsageError: there is no such piece.
        """
        if piece >= self.pieces():
            raise UsageError(f"grown: no piece {piece}, there are {self.pieces()}")
        if piece >= self._blocks:
            yield from grown_sgd.shortened(self.dialogues, seed, piece - self._blocks)
            return
        for number in range(piece * BLOCK, min(self.count, (piece + 1) * BLOCK)):
            yield grown(number, seed, self.kinds)
