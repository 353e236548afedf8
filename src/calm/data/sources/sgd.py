"""Schema-Guided Dialogue: annotated dialogues over services, turned into ReAct conversations by rule.

Files as upstream ships them (google-research-datasets/dstc8-schema-guided-dialogue@e852981a, CC BY-SA 4.0):
`<split>/schema.json` and `<split>/dialogues_*.json`. Actions are the annotated service calls, observations the
annotated service results, replies the system's words; thoughts come from `data.thoughts`. (In the paper GPT-4o writes
the dialogues anew; by its Table 6 and Figures 6 and 7 the results too.) Only `train` and `dev` can be read.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from calm.conversation import (
    Assistant,
    Call,
    Conversation,
    Message,
    Observation,
    State,
    System,
    Tool,
    User,
)
from calm.data import Item, Reject, bucket, thoughts
from calm.data.part import Limit, PartRecipe, named
from calm.data.sources import Record, sampled
from calm.data.thoughts import Act
from calm.errors import DataError, UsageError
from calm.files import dumps, read_json
from calm.hub.corpora import corpus

SPLITS = ("train", "dev")
TODAY = "Today is Friday, 1 March 2019."
"""The day on which the whole corpus plays ("today" is annotated as 2019-03-01); without it no date could be known."""

Frame = dict[str, Any]
Turn = dict[str, Any]
Toolset = dict[tuple[str, str], Tool]
"""(service, intent) -> the tool it is offered as."""


class Options(NamedTuple):
    """How a dialogue is written: result rows shown, services beside its own, and the corpus's name in ids."""

    rows: int = 3
    distractors: int = 0
    origin: str = "sgd/train"


class Unfit(Exception):
    """Why a well-formed dialogue cannot become a conversation; caught here and made a Reject."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(reason)


def sgd_files(folder: Path, split: str = "train") -> list[Path]:
    """The dialogue files of a split in order, named without `.gz`.

    Raises:
        UsageError: the split is neither `train` nor `dev`.
        DataError: there are none.
    """
    if split not in SPLITS:
        raise UsageError(f"sgd: split {split!r} is not read here, only {' and '.join(SPLITS)}; test data stay unseen")
    names = {path.name.removesuffix(".gz") for path in (folder / split).glob("dialogues_*.json*")}
    if not names:
        raise DataError(folder / split, "holds no dialogues_*.json or dialogues_*.json.gz")
    return [folder / split / name for name in sorted(names)]


def read_sgd(
    folder: Path, split: str = "train", limit: int | None = None, options: Options | None = None
) -> Iterator[Item]:
    """One multi-turn conversation per dialogue; `state` is `service.slot -> value` after each user turn.

    Observations are `{"count": all, "results": [the first rows]}`: `options.rows` of them, or as many as later replies
    speak of, so that no reply offers what was not seen. Of several annotated spellings the state keeps the first, and
    services of earlier turns keep their last state.

    Raises:
        DataError: a file is missing or corrupt, or a dialogue has not the upstream shape.
        UsageError: the split is neither `train` nor `dev`.
    """
    options = options or Options(origin=f"sgd/{split}")
    files, services = sgd_files(folder, split), _services(folder / split / "schema.json")
    for record in sampled(files, _dialogues, limit):
        yield _item(record, services, options)


def _dialogues(path: Path) -> list[Any]:
    value = read_json(path)
    if not isinstance(value, list):
        raise DataError(path, f"holds {type(value).__name__}, not a list of dialogues")
    return value


def _item(record: Record, services: Mapping[str, dict[str, Any]], options: Options) -> Item:
    number = record.value.get("dialogue_id") if isinstance(record.value, dict) else None
    name = f"{options.origin.replace('/', '-')}-{number}"
    try:
        tools = toolset(record.value["services"], services, name, options.distractors)
        messages, state = _Scribe(name, tools, options.rows).write(record.value["turns"])
    except Unfit as unfit:
        return Reject(id=name, origin=options.origin, reason=unfit.reason, detail=unfit.detail)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        why = " ".join(f"dialogue {number!r} has not the shape of SGD: {error!r}"[:300].split())
        raise DataError(record.path, why, record.row) from error
    listed = tuple(sorted(tools.values(), key=lambda tool: bucket(name, tool.name)))
    return Conversation(id=name, tools=listed, messages=messages, state=state, origin=options.origin)


# --- tools ---------------------------------------------------------------------------------------------------------


def _services(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return {service["service_name"]: service for service in read_json(path)}
    except (KeyError, TypeError) as error:
        raise DataError(path, f"is no list of services ({error!r})") from error


def toolset(names: Sequence[str], services: Mapping[str, dict[str, Any]], key: str, distractors: int = 0) -> Toolset:
    """The intents of the named services, and of `distractors` others chosen by hash of `key`, as tools.

    A tool is called like its intent; where two services of a dialogue share an intent name, `Service_Intent`. A
    distractor never shares one.
    """
    if unknown := [name for name in names if name not in services]:
        raise Unfit("service not in the schema", unknown[0])
    own = {intent["name"] for name in names for intent in services[name]["intents"]}
    others = [n for n, s in services.items() if n not in names and own.isdisjoint(i["name"] for i in s["intents"])]
    chosen = [*names, *sorted(others, key=lambda other: bucket(key, other))[:distractors]]
    pairs = [(services[name], intent) for name in chosen for intent in services[name]["intents"]]
    count = Counter(intent["name"] for _, intent in pairs)
    return {
        (service["service_name"], intent["name"]): _tool(service, intent, alone=count[intent["name"]] == 1)
        for service, intent in pairs
    }


def _tool(service: dict[str, Any], intent: dict[str, Any], alone: bool) -> Tool:
    slots = {slot["name"]: slot for slot in service["slots"]}
    optional = intent["optional_slots"]
    properties = {
        **{name: _property(slots[name]) for name in intent["required_slots"]},
        **{name: _property(slots[name], default) for name, default in optional.items()},
    }
    return Tool(
        name=intent["name"] if alone else f"{service['service_name']}_{intent['name']}",
        description=intent["description"],
        parameters={"type": "object", "properties": properties, "required": list(intent["required_slots"])},
    )


def _property(slot: dict[str, Any], default: str = "dontcare") -> dict[str, Any]:
    """Every SGD value is a string, numbers and booleans too; the default `dontcare` means that none is sent."""
    schema: dict[str, Any] = {"type": "string", "description": slot["description"]}
    if slot["is_categorical"]:
        schema["enum"] = list(slot["possible_values"])
    return schema if default == "dontcare" else {**schema, "default": default}


# --- turns ---------------------------------------------------------------------------------------------------------


class _Scribe:
    """Writes one dialogue down, turn by turn."""

    def __init__(self, name: str, tools: Toolset, rows: int) -> None:
        self.name, self.tools, self.rows = name, tools, rows
        self.messages: list[Message] = [System(content=TODAY)]
        self.states: list[State] = []
        self.said: dict[str, dict[str, list[str]]] = {}
        self.heard: list[Act] = []
        self.calls = 0

    def write(self, turns: Sequence[Turn]) -> tuple[tuple[Message, ...], tuple[State, ...]]:
        """All messages and, per user turn, the state."""
        depths = offered(turns)
        for place, turn in enumerate(turns):
            expected = ("USER", "SYSTEM")[place % 2]
            if turn["speaker"] != expected:
                raise Unfit("speakers do not alternate", f"turn {place} is of {turn['speaker']}")
            if not turn["utterance"].strip():
                raise Unfit("empty utterance", f"turn {place}")
            if expected == "USER":
                self._user(turn)
            else:
                self._system(place, turn, depths)
        if len(turns) < 2:
            raise Unfit("no system turn", f"{len(turns)} turns")
        return tuple(self.messages), tuple(self.states)

    def _user(self, turn: Turn) -> None:
        self.messages.append(User(content=turn["utterance"]))
        self.heard = _acts(turn, thoughts.HEARD)
        for frame in turn["frames"]:
            self.said[frame["service"]] = frame["state"]["slot_values"]
        self.states.append({f"{s}.{slot}": values[0] for s, held in self.said.items() for slot, values in held.items()})

    def _system(self, place: int, turn: Turn, depths: Mapping[int, int]) -> None:
        key = (self.name, place)
        acts = _acts(turn, thoughts.PLANNED)
        heard, planned = thoughts.heard(self.heard, key), thoughts.planned(acts, key)
        calling = [frame for frame in turn["frames"] if "service_call" in frame]
        for frame in calling:
            heard, planned = self._call(frame, heard, planned, max(self.rows, depths.get(id(frame), 0)), key)
        thought = planned if calling else f"{heard} {planned}"
        self.messages.append(Assistant(thought=thought.strip() or "I answer.", text=turn["utterance"]))

    def _call(self, frame: Frame, heard: str, planned: str, rows: int, key: thoughts.Key) -> tuple[str, str]:
        """Write call and observation; returns what is left to think before and after it."""
        tool, arguments = self._checked(frame)
        why = thoughts.calling(tool.name, arguments, self.said.get(frame["service"], {}), key)
        call = Call(name=tool.name, arguments=arguments, id=f"call_{self.calls}")
        self.calls += 1
        results = frame["service_results"]
        content = dumps({"count": len(results), "results": results[:rows]})
        self.messages += [
            Assistant(thought=f"{heard} {why}".strip(), calls=(call,)),
            Observation(content=content, call=call.id, name=call.name),
        ]
        return "", f"{thoughts.found(tool.name, len(results), key)} {planned}"

    def _checked(self, frame: Frame) -> tuple[Tool, dict[str, Any]]:
        method, arguments = frame["service_call"]["method"], frame["service_call"]["parameters"]
        tool = self.tools.get((frame["service"], method))
        if tool is None:
            raise Unfit("call of an unknown intent", f"{frame['service']}.{method}")
        schema: Any = tool.parameters
        if missing := [slot for slot in schema["required"] if slot not in arguments]:
            raise Unfit("call lacks a required slot", f"{method} without {missing[0]!r}")
        if extra := [slot for slot in arguments if slot not in schema["properties"]]:
            raise Unfit("call has an argument that its schema lacks", f"{method} with {extra[0]!r}")
        return tool, dict(arguments)


def _acts(turn: Turn, known: Mapping[str, object]) -> list[Act]:
    acts = [_act(action) for frame in turn["frames"] for action in frame["actions"]]
    if unknown := [act.name for act in acts if act.name not in known]:
        raise Unfit("unknown act", f"{turn['speaker']} {unknown[0]}")
    return acts


def _act(action: dict[str, Any]) -> Act:
    values, canon = action["values"], action["canonical_values"]
    first = values[0] if values else ""
    return Act(action["act"], action["slot"], first, canon[0] if canon else first)


# --- results -------------------------------------------------------------------------------------------------------


def offered(turns: Sequence[Turn]) -> dict[int, int]:
    """How many result rows each calling frame (by `id`) must show for all offers and answers to be found in them."""
    depths: dict[int, int] = {}
    calls: list[Frame] = []
    for place, turn in enumerate(turns):
        for frame in turn["frames"]:
            calls += [frame] if "service_call" in frame else []
            for action in frame["actions"] if turn["speaker"] == "SYSTEM" else ():
                for value in action["canonical_values"] if action["act"] in ("OFFER", "INFORM") else ():
                    source, depth = _found(calls, action["slot"], value, place)
                    depths[source] = max(depths.get(source, 0), depth)
    return depths


def _found(calls: Sequence[Frame], slot: str, value: str, place: int) -> tuple[int, int]:
    for frame in reversed(calls):
        for depth, row in enumerate(frame["service_results"], 1):
            if row.get(slot) == value:
                return id(frame), depth
    raise Unfit("reply says what no result held", f"turn {place}: {slot} {value!r}")


# --- the part ------------------------------------------------------------------------------------------------------


class Sgd(PartRecipe):
    """Schema-Guided Dialogue from the corpora folder; `limit` dialogues, spread evenly over the files."""

    corpora: ClassVar[tuple[str, ...]] = ("sgd",)
    source: Literal["sgd"]
    split: Literal["train", "dev"] = "train"
    limit: Limit = None
    rows: int = Field(default=3, ge=1)
    distractors: int = Field(default=0, ge=0)

    @property
    def label(self) -> str:
        """With the split, so that nobody takes one for the other."""
        return f"sgd/{self.split}"

    def files(self) -> dict[str, Path]:
        """The schema and the dialogue files of the split."""
        root = corpus("sgd")
        return named("sgd", root, [root / self.split / "schema.json", *sgd_files(root, self.split)])

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """One item a dialogue."""
        options = Options(self.rows, self.distractors, f"sgd/{self.split}")
        return read_sgd(corpus("sgd"), self.split, self.limit, options)
