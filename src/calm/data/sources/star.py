"""STAR: people playing user and assistant over 24 tasks, turned into ReAct conversations by rule.

Files as upstream ships them (RasaHQ/STAR@30589750, MIT): `dialogues.zip` with one JSON file of events a dialogue, and
`apis/apis/*.json`. Actions are the wizard's queries (`star_tools`), observations what a backend rebuilt from the
dialogue's own results answers to them (`star_world`), replies the wizard's words, thoughts come from `star_thoughts`.
`tasks/` is not read: the label of a reply says which step of a flow it is.

Kept are dialogues whose calls rest on what had been said and whose replies agree with what came back; a dialogue that
breaks off ends with its last reply. Instructions to the players are left out, but for facts that hold for both (which
day it is, where the user is): those are the system message.
"""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import Field, JsonValue

from calm.conversation import Assistant, Call, Conversation, Message, Observation, State, System, Tool, User
from calm.data import Item, Reject, bucket
from calm.data.part import Limit, PartRecipe, named
from calm.data.sources import star_thoughts as thoughts
from calm.data.sources.star_tools import SEARCHES, Api, Arguments, apis, toolset
from calm.data.sources.star_words import Said, tidy
from calm.data.sources.star_world import NO_MATCH, Record, Row, proven
from calm.data.sources.wire import Unfit
from calm.errors import DataError
from calm.files import dumps
from calm.hub.corpora import corpus

BLOCK = 500
"""Dialogues of one piece."""

Event = dict[str, Any]
_FACT = re.compile(
    r"^\s*[*-]\s*((?:Today is|Right now it is|At the beginning of|The user lives|You are the)\b.*?)[\s.]*$"
)
_TODAY = re.compile(r"\b[Tt]oday is ([A-Z][a-z]+day)\b")
_OUTCOMES = {
    "free": ("available.", "Available"),
    "done": ("successful", "Confirmed", "booked.", "recovered", "RSVP", "unlocked"),
    "failed": (
        "Unavailable",
        "unavailable",
        "Failed",
        "conflicting",
        "is booked at",
        "too small",
        "unable",
        "must",
        "not",
    ),
}
"""What a result's words mean, for what a reply may then say; the first that fits from the bottom."""
_ALLOWED = {"confirm": {"free", ""}, "done": {"done", ""}, "failed": {"failed"}, "nothing": {"failed", "none"}}


class Turn(NamedTuple):
    """What counts of an event: a user's or wizard's words, or a query with what it returned."""

    who: Literal["user", "call", "reply"]
    text: str = ""
    label: str = ""
    record: Record | None = None
    item: Row | None = None


def read_star(
    folder: Path, names: Sequence[str] | None = None, distractors: int = 2, origin: str = "star"
) -> Iterator[Item]:
    """One conversation per dialogue (all of the archive, or those named), `meta.checked` as its backend allows.

    `state` after a user turn is `tool.argument -> value` of the calls made by then in answer to the user, and of later
    ones as far as the user has already said the value in so many words: STAR annotates no state, so what was said in
    other words and not yet used is missing from it.

    Raises:
        DataError: a file is missing or corrupt, or a dialogue has not the upstream shape.
    """
    known, path = apis(folder), folder / "dialogues.zip"
    with _archive(path) as archive:
        for name in star_names(archive) if names is None else names:
            yield _item(path, name, _dialogue(archive, path, name), _Options(known, distractors, origin))


def star_names(archive: zipfile.ZipFile) -> list[str]:
    """The dialogues of an archive in the order of their numbers."""
    found = [name for name in archive.namelist() if name.endswith(".json")]
    return sorted(found, key=lambda name: (len(name), name))


class _Options(NamedTuple):
    apis: dict[str, Api]
    distractors: int
    origin: str


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(path, f"cannot be read as a zip archive ({error}); fetch it again") from error


def _dialogue(archive: zipfile.ZipFile, path: Path, name: str) -> Any:
    try:
        return json.loads(archive.read(name))
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(path, f"{name} cannot be read ({error})") from error


def _item(path: Path, file: str, dialogue: Any, options: _Options) -> Item:
    name = f"{options.origin.replace('/', '-')}-{Path(file).stem}"
    try:
        return _Scribe(name, options).write(dialogue)
    except Unfit as unfit:
        return Reject(id=name, origin=options.origin, reason=unfit.reason, detail=unfit.detail)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        why = " ".join(f"{file} has not the shape of STAR: {error!r}"[:300].split())
        raise DataError(path, why) from error


# --- turns ---------------------------------------------------------------------------------------------------------


def turns(events: Sequence[Event], known: Mapping[str, Api]) -> list[Turn]:
    """What was said and asked up to the last reply; a query sent again at once with the same result stands once.

    Raises:
        Unfit: a query that cannot be a call, a sudden other outcome of the same call, or nothing is left.
    """
    found: list[Turn] = []
    for event, after in zip_longest(events, events[1:], fillvalue={}):
        turn = _turn(event, after, known)
        if turn is not None and not _twice(found, turn):
            found.append(turn)
    while found and found[-1].who != "reply":
        found.pop()
    if not any(turn.who == "user" for turn in found):
        raise Unfit("no user turn with a reply", f"{len(events)} events")
    if found[0].who != "user":
        raise Unfit("assistant starts", found[0].text)
    return found


def _turn(event: Event, after: Event, known: Mapping[str, Api]) -> Turn | None:
    match event["Agent"], event["Action"]:
        case "User", "utter":
            return Turn("user", _said(event))
        case "Wizard", "utter" | "pick_suggestion":
            return Turn("reply", _said(event), event.get("ActionLabel", ""), item=_row(event.get("PrimaryItem")))
        case "Wizard", "query":
            return Turn("call", record=_record(event, after, known))
        case (("Wizard" | "User" | "UserGuide" | "KnowledgeBase"), _):
            return None
    raise KeyError(f"event of {event['Agent']}")


def _said(event: Event) -> str:
    text = re.sub(r"(?<![.])\.\.$", ".", tidy(event["Text"]))  # templates end a sentence that has ended
    if not text:
        raise Unfit("empty utterance", f"by {event['Agent']}")
    return text


def _record(event: Event, after: Event, known: Mapping[str, Api]) -> Record:
    name = event["APIName"]
    if after.get("Action") != "return_item":
        raise Unfit("query without a result", name)
    if name not in known:
        raise Unfit("unknown API", name)
    return Record(name, known[name].arguments(event["Constraints"]), _row(after.get("Item")))


def _row(item: Row | None) -> Row | None:
    return None if item is None else {key: tidy(value) for key, value in item.items() if key != "APIName"}


def _twice(found: Sequence[Turn], turn: Turn) -> bool:
    if not found or turn.record is None or found[-1].record is None or found[-1].record[:2] != turn.record[:2]:
        return False
    if found[-1].record == turn.record:
        return True
    if turn.record.name in SEARCHES:
        return False
    raise Unfit("asked again at once until the answer changed", f"{turn.record.name}: {dumps(turn.record.arguments)}")


def facts(dialogue: Mapping[str, Any]) -> str:
    """What holds for both players: the facts in the wizard's task, and the day where only the user was told it."""
    scene = dialogue["Scenario"]
    found = [m[1] for line in scene["WizardTask"].splitlines() if (m := _FACT.match(line))]
    if not any("day" in fact for fact in found):
        guided = [event["Text"] for event in dialogue["Events"] if event["Agent"] == "UserGuide"]
        days = dict.fromkeys(m[1] for text in (scene["UserTask"], *guided) for m in _TODAY.finditer(text))
        found += [f"Today is {day}" for day in days] if len(days) == 1 else []
    return " ".join(f"{fact}." for fact in found)


# --- writing -------------------------------------------------------------------------------------------------------


class _Scribe:
    """Writes one dialogue down, turn by turn."""

    def __init__(self, name: str, options: _Options) -> None:
        self.name, self.options, self.apis = name, options, options.apis
        self.messages: list[Message] = []
        self.said = Said()
        self.rows: list[Row] = []
        self.made: dict[str, list[Arguments]] = {}
        self.lead = ""
        self.now: State = {}

    def write(self, dialogue: Mapping[str, Any]) -> Conversation:
        """The whole dialogue as a conversation."""
        told = turns(dialogue["Events"], self.apis)
        records = [turn.record for turn in told if turn.record is not None]
        if not records and dialogue["CompletionLevel"] != "Complete":
            raise Unfit("broken off before a call", f"{len(told)} turns")
        answers, checked = proven(records)
        self._open(facts(dialogue))
        states, left = state(told), iter(answers)
        steps = iter(pairwise([{}, *states]))
        for place, turn in enumerate(told):
            if turn.who == "user":
                self._user(place, turn, *next(steps))
            elif turn.record is not None:
                self._call(place, turn.record, next(left))
            else:
                self._reply(place, turn, told[place - 1].who == "call")
        return self._conversation(dialogue, states, checked if records else None)

    def _conversation(self, dialogue: Mapping[str, Any], states: list[State], checked: str | None) -> Conversation:
        tasks = [capability["Task"] for capability in dialogue["Scenario"]["WizardCapabilities"]]
        meta: dict[str, JsonValue] = {"checked": checked} if checked else {}
        return Conversation(
            id=self.name,
            tools=self._offered([*tasks, *self.made]),
            messages=tuple(self.messages),
            state=tuple(states),
            origin=self.options.origin,
            meta={**meta, "tasks": sorted(set(tasks))},
        )

    def _offered(self, wanted: Sequence[str]) -> tuple[Tool, ...]:
        others = sorted((name for name in self.apis if name not in wanted), key=lambda name: bucket(self.name, name))
        names = {*wanted, *others[: self.options.distractors]}
        return toolset(self.apis, sorted(names, key=lambda name: bucket(self.name, name, "order")))

    def _open(self, known: str) -> None:
        if known:
            self.messages.append(System(content=known))
            self.said.add(known)

    def _user(self, place: int, turn: Turn, before: State, now: State) -> None:
        self.messages.append(User(content=turn.text))
        self.said.add(turn.text)
        self.now = now
        here = Said()
        here.add(turn.text)
        new = {slot: given for slot, given in now.items() if before.get(slot) != given and here.holds(given)}
        named = {slot.partition(".")[2]: given for slot, given in new.items() if given not in ("Yes", "No")}
        self.lead = thoughts.heard(turn.text, named, (self.name, place))

    def _call(self, place: int, record: Record, answer: Row) -> None:
        key, before = (self.name, place), self.made.setdefault(record.name, [])
        self._grounded(record)
        why = thoughts.calling(record.name, record.arguments, before, key)
        call = Call(name=record.name, arguments=record.arguments, id=f"call_{sum(map(len, self.made.values()))}")
        before.append(record.arguments)
        content = dumps(answer)
        self.messages += [
            Assistant(thought=f"{self.lead} {why}", calls=(call,)),
            Observation(content=content, call=call.id, name=call.name),
        ]
        self.said.add(content)
        self.rows.append(answer)
        self.lead = thoughts.observed(record.name, answer, key)

    def _reply(self, place: int, turn: Turn, result: bool) -> None:
        self._agrees(turn, result)
        why = thoughts.replying(turn.label, turn.text, result, self.now, (self.name, place))
        self.messages.append(Assistant(thought=f"{self.lead} {why}", text=turn.text))
        self.said.add(turn.text)

    def _grounded(self, record: Record) -> None:
        """Free words and numbers of booking ids come from what was said; so do categories, unless it only looks."""
        looks = record.name in SEARCHES or record.arguments.get("RequestType") == "Check"
        for name, value in record.arguments.items():
            kind = self.apis[record.name].parameters[name]["Type"]
            if kind == "ShortString":
                sound = self.said.suggests(str(value))
            elif kind == "Integer" and name in ("id", "RoomNumber"):
                sound = self.said.holds(value)
            else:
                free = looks or kind != "Categorical" or value in ("Yes", "No")
                sound = free or self.said.allows(name, str(value))
            if not sound:
                raise Unfit("argument that nobody gave", f"{record.name}.{name}: {value!r:.80}")

    def _agrees(self, turn: Turn, result: bool) -> None:
        """A reply from a row speaks of a row that was seen, no number comes from nowhere, bad news stay bad."""
        if turn.item is not None and turn.label and thoughts.kind(turn.label) == "tell" and turn.item not in self.rows:
            raise Unfit("reply from a result never seen", f"{turn.label}: {turn.text}"[:200])
        if strange := self.said.numbers(turn.text):
            raise Unfit("reply says a number that nobody gave", f"{strange[0]} in {turn.text}"[:200])
        allowed = _ALLOWED.get(thoughts.kind(turn.label))
        if result and allowed is not None and outcome(self.rows[-1]) not in allowed:
            raise Unfit("reply contradicts the result", f"{turn.label} after {dumps(self.rows[-1])}"[:200])


def outcome(row: Row) -> str:
    """What a result's words amount to: `free`, `done`, `failed`, `none` (no match), empty for a row of data."""
    if row == NO_MATCH:
        return "none"
    told = " ".join(str(v) for k, v in row.items() if k in ("Message", "Confirmation") or k.endswith("Status"))
    return next((name for name, signs in reversed(_OUTCOMES.items()) if any(s in told for s in signs)), "")


def state(told: Sequence[Turn]) -> list[State]:
    """After each user turn, `tool.argument -> value` as far as calls and the user's own words show it."""
    places = [place for place, turn in enumerate(told) if turn.who == "user"]
    states: list[State] = [{} for _ in places]
    since: dict[str, int] = {}
    for place, turn in enumerate(told):
        if turn.record is None:
            continue
        last = sum(at < place for at in places) - 1
        for name, value in turn.record.arguments.items():
            if name == "RequestType":
                continue
            slot = f"{turn.record.name}.{name}"
            start = _first(told, places, since.get(slot, 0), last, value)
            for number in range(start, len(states)):
                states[number][slot] = value
            since[slot] = last
    return states


def _first(told: Sequence[Turn], places: Sequence[int], since: int, last: int, value: JsonValue) -> int:
    """The first user turn from number `since` on in which the value was said; else the turn that the call answers."""
    said = Said()
    for number in range(since, last):
        said.add(told[places[number]].text)
        if said.holds(value):
            return number
    return last


# --- the part ------------------------------------------------------------------------------------------------------


class Star(PartRecipe):
    """STAR from the corpora folder: `limit` dialogues drawn by hash; `distractors` APIs of other tasks offered."""

    corpora: ClassVar[tuple[str, ...]] = ("star",)
    source: Literal["star"]
    limit: Limit = None
    distractors: int = Field(default=2, ge=0)

    def files(self) -> dict[str, Path]:
        """The archive of dialogues and the API schemas."""
        root = corpus("star")
        schemas = sorted(
            path.with_name(f"{path.name.partition('.')[0]}.json") for path in (root / "apis/apis").iterdir()
        )
        return named("star", root, [root / "dialogues.zip", *schemas])

    def pieces(self) -> int:
        """Blocks of dialogues, or one piece where there is a limit."""
        return 1 if self.limit is not None else -(-len(self._names()) // BLOCK)

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """One item a dialogue."""
        names = self._names()
        if self.limit is None:
            chosen = names[piece * BLOCK : (piece + 1) * BLOCK]
        else:
            chosen = sorted(names, key=lambda name: bucket("star", name))[: self.limit]
        return read_star(corpus("star"), chosen, self.distractors)

    def _names(self) -> list[str]:
        with _archive(corpus("star") / "dialogues.zip") as archive:
            return star_names(archive)
