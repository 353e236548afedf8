"""HammerBench: mobile-assistant dialogues in which one call is filled slot by slot, and requests that no tool fits.

Files as upstream ships them (MadeAgents/HammerBench@2f25291, data/en, Apache-2.0; others use it as a benchmark). Each
dialogue is told several times: question by question (`Based`), several questions or several answers at once (`mQsA`,
`sQmA`, `mQmA`), with a second value afterwards (`mSv`), with a slot corrected in the same or a later turn
(`SO_case1`, `SO_case2`), with a value hidden in a message or note (`External`), broken off by another wish (`IS`). Of
tellings that only group the turns otherwise one is kept, likewise of the two corrections.

Upstream writes a call before every question, holding what is known. An agent asks instead: such a call becomes a
thought and the dialogue state, and only the complete one is made. Upstream marks every parameter as required; here
those are that the dialogue's complete call fills. Single turns (`ST_`) hold a complete call or, `Imperfect`, one for
which the assistant must ask; in `ir_` the tool was taken away, and in `IS` the new wish has none, so it declines.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from calm.conversation import Call, Conversation, Observation, Tool
from calm.data import Item, bucket, phrases_calls
from calm.data.part import Limit, PartRecipe, named
from calm.data.sources import Record, sampled, wire
from calm.data.sources.grounds import grounded
from calm.hub.corpora import corpus

TELLINGS = ("Based", "mQmA", "mQsA", "sQmA", "mSv")
CORRECTIONS = ("SO_case1", "SO_case2")
MULTI = (*TELLINGS, *CORRECTIONS, "External", "IS")
SINGLE = ("ST_Perfect", "ST_Imperfect", "ST_External", "ir_ST_Perfect", "ir_ST_Imperfect", "ir_ST_External")

_NOTE = re.compile(r"\s*<EK>:\s*")
_EARLIER = re.compile(r"^EK:(.*)\nquery:(.*)$", re.DOTALL)
_MARKUP = re.compile(r"</?\w+ id=|</\w+>")
_TIGHT = re.compile(r"(?<=\S)(?<!\s)(?=I'm sorry, )")
_ASKING = "Please|What|When|Where|Which|Who|Whether|How|Is|Do|Does|Are|Can|Could|You need|Enter|Need"
_JOINT = re.compile(rf"(?<![.?!,])\s+(?=(?:{_ASKING})\b)")
LOOKING = {"view", "query", "get", "search", "check", "list", "find", "show"}
"""Verbs that mean the same in the names of upstream's tools."""
Kept = Mapping[tuple[str, Any], str]


def hammerbench_files(folder: Path) -> list[Path]:
    """The English files, several turns first."""
    several = [folder / "multi-turn" / f"HammerBench_{name}.json" for name in MULTI]
    return [*several, *(folder / "single-turn" / f"{name}.json" for name in SINGLE)]


def read_hammerbench(folder: Path, limit: int | None = None, origin: str = "hammerbench") -> Iterator[Item]:
    """One conversation a record; tellings of a dialogue that is kept in another file are rejected.

    Raises:
        DataError: a file is missing or corrupt, or a record has not the upstream shape.
    """
    files = hammerbench_files(folder)
    kept = _kept([path for path in files if _kind(path) in (*TELLINGS, *CORRECTIONS)])
    for record in sampled(files, wire.rows, limit):
        yield from _items(record, kept, f"{origin}/{_kind(record.path)}")


def _kind(path: Path) -> str:
    return path.name.removesuffix(".json").removeprefix("HammerBench_")


def _items(record: Record, kept: Kept, origin: str) -> Iterator[Item]:
    kind = _kind(record.path)

    def convert(value: dict[str, Any], name: str) -> Conversation:
        better = kept.get((_family(kind), value.get("id")), kind)
        if marked := _MARKUP.search(str(value["messages"])):
            raise wire.Unfit("markup in the text", marked[0])
        if better != kind:
            raise wire.Unfit("another telling of the same dialogue", f"kept as {better} {value['id']}")
        return _single(value, kind, name) if kind in SINGLE else _several(value, name)

    return wire.items([record], origin, convert)


def _family(kind: str) -> str:
    return "telling" if kind in TELLINGS else "correction" if kind in CORRECTIONS else kind


def _kept(files: Sequence[Path]) -> dict[tuple[str, Any], str]:
    """Of each dialogue's tellings the one kept: `mSv`, which goes on longest, else drawn by hash."""
    told: dict[tuple[str, Any], list[str]] = {}
    for path in files:
        for row in wire.rows(path):
            told.setdefault((_family(_kind(path)), row.get("id") if isinstance(row, dict) else None), []).append(
                _kind(path)
            )
    return {
        key: min(kinds, key=lambda kind: (kind != "mSv", bucket("hammerbench", key[1], kind)))
        for key, kinds in told.items()
    }


# --- several turns -------------------------------------------------------------------------------------------------


def _several(value: dict[str, Any], name: str) -> Conversation:
    turns = [(turn["role"], turn["content"]) for turn in value["messages"]]
    stated = [content for role, content in turns if role == "function call"]
    if len({call["name"] for call in stated}) != 1:
        raise wire.Unfit("call of several tools in turn", ", ".join(sorted({call["name"] for call in stated})))
    broken_off = turns[-1][0] == "assistant"
    needed = None if broken_off else list(stated[-1]["arguments"])
    talk = wire.Talk(_tools(value, stated[-1]["name"], needed))
    _Scene(talk, stated[-1]["name"], name).play(turns, broken_off)
    return talk.conversation()


class _Scene:
    """One dialogue being retold: what was known at the last turn tells what the user has added or corrected."""

    def __init__(self, talk: wire.Talk, tool: str, name: str) -> None:
        self.talk, self.tool, self.name = talk, tool, name
        self.schema: Any = next(t for t in talk.tools if t.name == tool).parameters
        self.known: dict[str, Any] = {}
        self.new: dict[str, Any] = {}
        self.changed: dict[str, Any] = {}

    def play(self, turns: Sequence[tuple[str, Any]], broken_off: bool) -> None:
        """All turns; when the user breaks off, the last reply is a refusal in our words and no state is kept."""
        for place, (role, content) in enumerate(turns):
            key = (self.name, place)
            if role == "user":
                after = turns[place + 1][1] if place + 1 < len(turns) else None
                self._user(content, after if isinstance(after, dict) else None)
            elif role == "function call":
                self._call(key)
            elif broken_off and place == len(turns) - 1:
                tools = self.talk.tools
                self.talk.say(phrases_calls.refusing(tools, key), phrases_calls.refusal(tools, key))
            elif self.talk.results:
                self.talk.say(phrases_calls.answering(self.talk.results, key), "That is done.")
            else:
                self._ask(_punctuated(content), key)
        if broken_off:
            self.talk.states.clear()

    def _user(self, text: str, stated: Mapping[str, Any] | None) -> None:
        given = self._typed(stated["arguments"]) if stated else self.known
        other = {slot: value for slot, value in given.items() if self.known.get(slot, value) != value}
        fresh = {slot: value for slot, value in given.items() if slot not in self.known}
        made = any(isinstance(message, Observation) for message in self.talk.messages)
        self.new, self.changed = (fresh | other, {}) if made else (fresh, other)  # after a call it is another wish
        self.known = given
        self.talk.user(_text(text), {f"{self.tool}.{slot}": value for slot, value in given.items()})
        grounded(fresh | other, self.talk.said)

    def _typed(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        known = self.schema["properties"]
        bare = {slot: value.strip() if isinstance(value, str) else value for slot, value in arguments.items()}
        return {slot: wire.typed(value, known.get(slot, {})) for slot, value in bare.items()}

    def _missing(self) -> list[str]:
        return [slot for slot in self.schema.get("required", ()) if slot not in self.known]

    def _call(self, key: tuple[str, int]) -> None:
        """Made when it is complete; before that it only says what is known."""
        if self._missing():
            return
        made = wire.call(self.tool, self.known, self.talk.tools)
        heard = phrases_calls.hearing(self.new, self.changed, key)
        thought = f"{heard} {phrases_calls.completing(self.tool, key)}"
        self.talk.act(thought if heard else phrases_calls.calling([made], key), [made])

    def _ask(self, text: str, key: tuple[str, int]) -> None:
        if self.talk.open and text.casefold().rstrip(".") == "success":
            self.talk.observe(["success"])
            self.talk.say(phrases_calls.answering([self.tool], key), _success(key))
            return
        if not self._missing():
            raise wire.Unfit("asks although nothing is missing", f"{text!r:.60}")
        heard = phrases_calls.hearing(self.new, self.changed, key)
        lacks = phrases_calls.lacking(self.tool, self._missing(), key)
        self.talk.say(f"{heard} {lacks}" if heard else phrases_calls.asking(key, self.tool, self._missing()), text)


def _success(key: tuple[str, int]) -> str:
    """Our words for upstream's `success`, which is the result and no reply."""
    told = ("That worked.", "Done.", "It is done.", "All set.", "That went through.", "Success, it is done.")
    more = ("Is there anything else?", "Anything more?", "What else can I do?", "Do you need something else?")
    return f"{told[bucket(*key) % len(told)]} {more[bucket(*key, 'more') % len(more)]}"


def _punctuated(text: str) -> str:
    """Questions that upstream joins without a mark between or after them."""
    parts = [part.strip() for part in _JOINT.split(text.strip()) if part.strip()]
    asks = re.compile(r"((from|to|in|on|at|for|by) )?(wh[aeio]\w*|how|is|do|does|are|can|could)\b", re.IGNORECASE)
    marks = ["" if part[-1] in ".?!" else "?" if asks.match(part) else "." for part in parts]
    return " ".join(f"{part}{mark}" for part, mark in zip(parts, marks, strict=True))


def _text(said: str) -> str:
    """The user's words: a note that they point at stands after them, an apology not in the word before."""
    if earlier := _EARLIER.match(said):
        return f'{earlier[2].strip()}\n\n"{earlier[1].strip()}"'
    return _TIGHT.sub(" ", _NOTE.sub(": ", said)).strip()


# --- one turn ------------------------------------------------------------------------------------------------------


def _single(value: dict[str, Any], kind: str, name: str) -> Conversation:
    (_, said), (_, stated) = [(turn["role"], turn["content"]) for turn in value["messages"]]
    irrelevant = kind.startswith("ir_")
    talk = wire.Talk(_tools(value, "" if irrelevant else stated["name"], None))
    talk.user(_text(said))
    key = (name, 1)
    if irrelevant:
        if like := [tool.name for tool in talk.tools if _alike(tool.name, stated["name"])]:
            raise wire.Unfit("irrelevant but a tool like the one taken away is there", f"{like[0]}, {stated['name']}")
        talk.say(phrases_calls.refusing(talk.tools, key), phrases_calls.refusal(talk.tools, key))
    elif missing := _lacking(stated, talk.tools):
        tool = next(tool for tool in talk.tools if tool.name == stated["name"])
        talk.say(phrases_calls.asking(key, tool.name, missing), phrases_calls.question(tool, missing, key))
    else:
        made: Call = wire.call(stated["name"], stated["arguments"], talk.tools)
        grounded(made.arguments, talk.said)
        talk.act(phrases_calls.calling([made], key), [made])
    return talk.conversation()


def _alike(one: str, other: str) -> bool:
    """Whether two tools do the same to the same thing, by their names: `queryViolation`, `viewViolations`."""
    (deed, *things), (deed_too, *things_too) = (_split(name) for name in (one, other))
    same = deed == deed_too or {deed, deed_too} <= LOOKING
    return same and bool(things) and (set(things) <= set(things_too) or set(things_too) <= set(things))


def _split(name: str) -> list[str]:
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name.rpartition(".")[2])
    return [word.casefold().removesuffix("s") for word in words]


def _lacking(stated: Mapping[str, Any], tools: Sequence[Tool]) -> list[str]:
    known: Any = {tool.name: tool.parameters for tool in tools}.get(stated["name"], {})
    return [slot for slot in known.get("required", ()) if slot not in stated["arguments"]]


def _tools(value: dict[str, Any], called: str, needed: list[str] | None) -> list[Tool]:
    listed = value.get("multiple_tools") or value["single_tool"]
    if called and called not in {one["name"] for one in listed}:
        raise wire.Unfit("call of an unknown tool", called)
    return [
        wire.tool(one["name"], one["description"], one["parameters"], needed if one["name"] == called else None)
        for one in listed
    ]


# --- the part ------------------------------------------------------------------------------------------------------


class HammerBench(PartRecipe):
    """HammerBench's English dialogues and single turns from the corpora folder; `limit` in equal shares of 15 files."""

    corpora: ClassVar[tuple[str, ...]] = ("hammerbench",)
    source: Literal["hammerbench"]
    limit: Limit = None

    def files(self) -> dict[str, Path]:
        """The fifteen files."""
        root = corpus("hammerbench")
        return named("hammerbench", root, hammerbench_files(root))

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """One item a record."""
        return read_hammerbench(corpus("hammerbench"), self.limit)
