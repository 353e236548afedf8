"""Rows grown from the tool pool, from a small office of our own and from SGD: stand-ins for Hammer and ToolACE.

A tool's own description gives the request, its parameters the values (`grown_speech`, `grown_values`); the right call
is known because the request was made from it. A row of the pool ends at its call, since nobody can say what the tool
would answer; rows of the office (`grown_steps`) and of SGD (`grown_sgd`) have observations that were computed or
recorded. Row n depends on the seed and n only.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations, groupby
from pathlib import Path
from random import Random
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from calm.conversation import Assistant, Call, Conversation, Tool, User
from calm.data import Item, Reject, bucket, phrase, vary_chat, vary_tools
from calm.data import pool as tools
from calm.data.part import PartRecipe
from calm.data.sources import grown_formatted, grown_sgd, grown_steps, grown_turns
from calm.data.sources import grown_words as words
from calm.data.sources.grown_extras import alike, wishing
from calm.data.sources.grown_formats import FORMATS
from calm.data.sources.grown_near import APART, declined, fragment
from calm.data.sources.grown_plans import given, plan
from calm.data.sources.grown_series import Asked, crossed, in_one_breath, joined, once, series
from calm.data.sources.grown_speech import Speakable, Values, drawn, finished, label, request, speakable
from calm.data.sources.grown_typed import typed
from calm.data.thoughts import listed
from calm.data.vary_reading import deed, reading
from calm.data.vary_words import Key
from calm.errors import UsageError

BLOCK = 1_000
"""Rows in a piece."""
Kind = Literal[
    "single",
    "choice",
    "format",
    "same",
    "several",
    "typed",
    "steps",
    "told",
    "keyed",
    "ask",
    "refuse",
    "near",
    "vague",
    "chat",
]
KINDS: dict[Kind, int] = {
    "single": 14,
    "choice": 14,
    "format": 8,
    "same": 9,
    "several": 11,
    "typed": 5,
    "steps": 9,
    "told": 5,
    "keyed": 5,
    "ask": 5,
    "refuse": 5,
    "near": 5,
    "vague": 2,
    "chat": 3,
}
"""How often each kind comes, in parts of 100; with fewer kinds the rest keep their proportions."""
SEAL = 0.7
"""Share of requests for Seal-Tools' everyday tools; Toucan's are more technical and read less like people."""
SAID = 0.6
"""Share of single calls in which the user speaks of optional parameters, where the tool has any."""
COUNTING = 0.15
"""Share drawn from the few tools that need a number, beside those that come by chance."""


class Shelf(NamedTuple):
    """The pool's tools that people can ask for: of both origins, those that need a number, by group and by form."""

    everyday: tuple[Speakable, ...]
    technical: tuple[Speakable, ...]
    counting: tuple[Speakable, ...]
    groups: dict[str, tuple[Speakable, ...]]
    forms: dict[str, tuple[Speakable, ...]]

    def draw(self, rng: Random) -> Speakable:
        """A tool; one without required parameters is drawn again three times of four."""
        if rng.random() < COUNTING:
            return rng.choice(self.counting)
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
    counting = [said for _, said in found if any(m.kind in ("number", "amount") for m in said.required.values())]
    forms = {name: tuple(said for _, said in found if name in grown_formatted.families(said)) for name in FORMATS}
    forms = {name: fitting for name, fitting in forms.items() if fitting}
    return Shelf(tuple(everyday), tuple(technical), tuple(counting), groups, forms)


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
    tool = wishing(shelf().draw(rng), rng)
    values = drawn(tool, rng, extras=SAID)
    said = request(tool, values, rng)
    offered = alike(vary_tools.distractors(said, [tool.tool], rng.choice((0, 0, 1, 2, 3, 4)), key), rng)
    return _conversation(
        (tool.tool, *offered), key, _user(said, tool, values), _calls(_why(tool, values, key), (tool, values))
    )


def _choice(rng: Random, key: Key) -> Conversation | None:
    """One call where the other tools are of the same field or server, but do something else."""
    bare = shelf().draw(rng)
    tool = wishing(bare, rng)
    values = drawn(tool, rng, extras=SAID)
    others = alike(tools.siblings(bare.group, [bare.tool], rng.randint(2, 7), *key), rng)
    if len(others) < 2 or not tool.required:
        return None
    return _conversation(
        (tool.tool, *others),
        key,
        _user(request(tool, values, rng), tool, values),
        _calls(_why(tool, values, key), (tool, values)),
    )


def _format(rng: Random, key: Key) -> Conversation:
    """One call whose values are said in ordinary words and wanted in the form that a description names."""
    if rng.random() < 0.6:
        forms = shelf().forms
        name = rng.choices(list(forms), [len(fitting) ** 0.5 for fitting in forms.values()])[0]
        wanted = grown_formatted.formed(rng.choice(forms[name]), rng)
    else:
        wanted = grown_formatted.extended(shelf().draw(rng), rng)
    tool = wanted.tool
    values = drawn(tool, rng)
    said = request(tool, values, rng)
    offered = alike(vary_tools.distractors(said, [tool.tool], rng.choice((0, 0, 1, 2, 3)), key), rng)
    why = grown_formatted.why(wanted, values, _args(values), key)
    return _conversation((tool.tool, *offered), key, _user(said, tool, values), _calls(why, (tool, values)))


def _same(rng: Random, key: Key) -> Conversation | None:
    """One tool with two to six sets of values, which in over half of the rows differ in several places."""
    tool, way = shelf().draw(rng), rng.random()
    if way < CROSSED and (asked := crossed(tool, rng)):
        return _parallel([asked], rng, key)
    asked = in_one_breath(wishing(tool, rng), rng) if way < 0.2 else series(tool, rng)
    return _parallel([asked], rng, key) if asked else None


CROSSED = 0.3
"""Share of requests for one tool that cross two lists of values, where the tool has two that can be."""


def _several(rng: Random, key: Key) -> Conversation | None:
    """Two to four tools in one message, each perhaps with several sets of values, or asked for again at the end."""
    pattern = rng.choice(PATTERNS)
    letters = sorted(set(pattern))
    chosen = _strangers(len(letters), rng)
    if not chosen:
        return None
    once_only = [
        tool if pattern.count(x) > 1 else wishing(tool, rng, 0.5) for x, tool in zip(letters, chosen, strict=True)
    ]
    uses = [(once_only[letters.index(x)], len(list(run))) for x, run in groupby(pattern)]
    asked = [part for tool, count in uses if (part := _asked(tool, count, rng))]
    wanted = [(tool.tool.name, str(values)) for part in asked for tool, values in part.wanted]
    return _parallel(asked, rng, key) if len(asked) == len(uses) and len(set(wanted)) == len(wanted) else None


PATTERNS = ("ab",) * 4 + ("abc",) * 3 + ("abcd",) * 2 + ("aab", "aab", "abb", "abbb", "abbc", "aabb", "aba", "abca")
"""Which of the tools of one message are called, in their order."""


def _strangers(count: int, rng: Random) -> list[Speakable]:
    """Tools of which none could stand in for another, often of one field; none at all where they are too close."""
    first = shelf().draw(rng)
    near = shelf().groups[first.group] if rng.random() < 0.6 else ()
    chosen = [first, *(rng.choice(near) if near else shelf().draw(rng) for _ in range(count - 1))]
    pairs = combinations([said.tool for said in chosen], 2)
    apart = all(tools.closeness(*pair) < tools.TWIN for pair in pairs)
    return chosen if apart and all(said.required for said in chosen) else []


def _asked(tool: Speakable, count: int, rng: Random) -> Asked | None:
    if count == 1:
        return once(tool, rng)
    return in_one_breath(tool, rng, (count,)) if rng.random() < 0.5 else series(tool, rng, (count,))


def _parallel(asked: Sequence[Asked], rng: Random, key: Key) -> Conversation:
    """One message that asks for all, and one step that calls for all, after a plan."""
    first, *others = asked
    told = f"{first.told} {joined([part.text for part in others], rng)}".strip()
    said = finished(first.sentence, told, rng)
    wanted = [one for part in asked for one in part.wanted]
    mine = list({tool.tool.name: tool.tool for tool, _ in wanted}.values())
    offered = vary_tools.distractors(said, mine, rng.choice((0, 0, 1, 2, 3) if len(mine) == 1 else (0, 0, 1)), key)
    why = plan([(tool.tool.name, given(values)) for tool, values in wanted], key)
    state = {name: value for one in wanted for name, value in _state(*one).items()}
    user = User(content=said), state if len(mine) == len(wanted) else None
    return _conversation((*mine, *offered), key, user, _calls(why, *wanted))


def _typed(rng: Random, key: Key) -> Conversation | None:
    """One call of a tool whose parameters are strings in the syntax of a programming language."""
    asked = typed(shelf().draw(rng), rng, key)
    if asked is None:
        return None
    offered = vary_tools.distractors(asked.said, [asked.tool], rng.choice((0, 0, 0, 1, 2)), key)
    call = Call(name=asked.tool.name, arguments=asked.arguments, id="call_0")
    user = User(content=asked.said), {f"{call.name}.{name}": value for name, value in asked.arguments.items()}
    return _conversation((asked.tool, *offered), key, user, (Assistant(thought=asked.thought, calls=(call,)), None))


def _steps(rng: Random, key: Key) -> Conversation:
    """A few steps in the office, executed."""
    return grown_steps.played(rng, key)


def _told(rng: Random, key: Key) -> Conversation | None:
    """One call whose values come over several turns."""
    tool = shelf().draw(rng)
    return grown_turns.told(tool, _around(tool, tool.deed, rng, key), rng, key)


def _keyed(rng: Random, key: Key) -> Conversation | None:
    """A call that needs what another tool gives."""
    tool = shelf().draw(rng)
    return grown_turns.keyed(tool, _around(tool, tool.deed, rng, key), rng, key)


# --- no call, or not yet ---------------------------------------------------------------------------------------------


def _ask(rng: Random, key: Key) -> Conversation | None:
    """The user leaves out a required value; the assistant asks for it, then calls."""
    tool = wishing(shelf().draw(rng), rng, 0.4)
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
    missing = f"{open_}{phrase(words.MISSING, *key, 'missing')} {phrase(words.SO_ASK, *key, 'ask')}".format(**forms)
    question = Assistant(thought=missing, text=rng.choice(words.QUESTION).format(**forms))
    value = values[left]
    spoken = value.said[:1].upper() + value.said[1:] if value.said[:1].isalpha() and " " in value.said else value.said
    reply = rng.choice(words.REPLY).format(said=value.said, Said=spoken, label=label(left), Label=_upper(label(left)))
    why = (phrase(words.COMPLETE, *key, "complete") + phrase(words.PROCEED, *key, "proceed")).format(
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


def _near(rng: Random, key: Key) -> Conversation | None:
    """The right tool is taken away, and what is left is of its field but does something else."""
    tool = shelf().draw(rng)
    offered = tools.siblings(tool.group, [tool.tool], rng.choice((1, 1, 1, 2, 3, 5)), *key, under=APART)
    if not offered:
        return None
    step = declined(tool.deed, offered[0], key)
    if not step:
        return None
    row = _conversation(offered, key, (User(content=request(tool, drawn(tool, rng), rng)), None), (step, None))
    return row.note(missing=f"{tool.tool.name}: {tool.tool.description}")


def _vague(rng: Random, key: Key) -> Conversation:
    """A few words that ask for nothing, while tools are offered."""
    start = shelf().draw(rng)
    offered = (start.tool, *vary_tools.distractors("", [start.tool], rng.choice((0, 0, 1, 2, 4)), key))
    said, step = fragment(rng, key)
    return _conversation(offered, key, (User(content=said), None), (step, None))


def _chat(rng: Random, key: Key) -> Conversation:
    """Small talk or a general question while tools are offered."""
    start = shelf().draw(rng)
    offered = (start.tool, *vary_tools.distractors("", [start.tool], rng.randint(0, 4), key))
    said, step = vary_chat.opening(Conversation(id=f"chat-{key}", tools=offered), key)
    return _conversation(offered, key, (said, None), (step, None))


MAKERS: dict[Kind, Callable[[Random, Key], Conversation | None]] = {
    "single": _single,
    "choice": _choice,
    "format": _format,
    "same": _same,
    "several": _several,
    "typed": _typed,
    "steps": _steps,
    "told": _told,
    "keyed": _keyed,
    "ask": _ask,
    "refuse": _refuse,
    "near": _near,
    "vague": _vague,
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
        phrase(bank, *key, n) for n, bank in enumerate((words.AIM, words.FITS, words.KNOWN if values else words.BARE))
    )
    return text.format(deed=tool.deed, tool=tool.tool.name, args=_args(values)) + _left_out(tool, values, key)


def _left_out(tool: Speakable, values: Values, key: Key) -> str:
    """In a third of the rows, what is optional and was not spoken of."""
    properties: Any = tool.tool.parameters["properties"]
    names = [label(name) for name in properties if name not in values and name not in tool.required]
    if not names or bucket(*key, "left out") % 3:
        return ""
    return phrase(words.LEFT_OUT, *key, "unsaid").format(names=names[bucket(*key, "which") % len(names)])


def _args(values: Values) -> str:
    """Names and values, long values by name only."""
    return listed([f"{name} {said}" if said else f"the {name}" for name, said in given(values)])


def _mixed(key: Key, *banks: Sequence[str]) -> str:
    return " ".join(phrase(bank, *key, place) for place, bank in enumerate(banks))


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
