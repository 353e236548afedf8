"""Schema-Guided Dialogue: annotated dialogues over services, turned into ReAct conversations by rule and executed.

Files as upstream ships them (google-research-datasets/dstc8-schema-guided-dialogue@e852981a, CC BY-SA 4.0):
`<split>/schema.json` and `<split>/dialogues_*.json`. Actions are the annotated service calls, replies the system's
words; thoughts come from `data.thoughts`. From the results of a dialogue a backend is rebuilt (`world.tables`), every
call is run in it, and what comes back must be the observation. (In the paper GPT-4o writes the dialogues anew; by its
Table 6 and Figures 6 and 7 the results too.) Only `train` and `dev` can be read.
"""

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
from calm.data.sources.sgd_tools import (
    Offer,
    Service,
    Toolset,
    Types,
    Unfit,
    converted,
    services,
    signatures,
    toolset,
    types,
    writing,
)
from calm.data.thoughts import Act, Clause
from calm.data.verify import verified
from calm.errors import DataError, UsageError
from calm.files import read_json
from calm.hub.corpora import corpus
from calm.world.tables import Recording, Tables, observation

__all__ = ["Act", "Options", "Sgd", "offered", "read_sgd", "sgd_files", "toolset"]

SPLITS = ("train", "dev")
TODAY = "Today is Friday, 1 March 2019."
"""The day on which the whole corpus plays ("today" is annotated as 2019-03-01); without it no date could be known."""

Frame = dict[str, Any]
Turn = dict[str, Any]


class Options(NamedTuple):
    """How a dialogue is written: result rows shown, services beside its own, the corpus's name in ids, which tools."""

    rows: int = 3
    distractors: int = 0
    origin: str = "sgd/train"
    offer: Offer = "services"


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
    folder: Path,
    split: str = "train",
    limit: int | None = None,
    options: Options | None = None,
    piece: int | None = None,
) -> Iterator[Item]:
    """One multi-turn conversation per dialogue; `state` is `service.slot -> value` after each user turn.

    Observations are `{"count": all, "results": [the first rows]}`: `options.rows` of them, or as many as replies of the
    dialogue speak of, so that no reply offers what was not seen. Of several annotated spellings the state keeps the
    first, and services of earlier turns keep their last state. With `piece` only that file of the split is read.

    Raises:
        DataError: a file is missing or corrupt, or a dialogue has not the upstream shape.
        UsageError: the split is neither `train` nor `dev`.
    """
    files = sgd_files(folder, split)
    known = services(folder / split / "schema.json")
    reader = _Reader(known, options or Options(origin=f"sgd/{split}"))
    for record in sampled(files if piece is None else files[piece : piece + 1], _dialogues, limit):
        yield reader.item(record)


def _dialogues(path: Path) -> list[Any]:
    value = read_json(path)
    if not isinstance(value, list):
        raise DataError(path, f"holds {type(value).__name__}, not a list of dialogues")
    return value


class _Reader:
    """What is the same for all dialogues of a split."""

    def __init__(self, known: Mapping[str, Service], options: Options) -> None:
        self.known, self.options = known, options
        self.typed = options.offer == "services"
        self.types = {name: types(service) if self.typed else {} for name, service in known.items()}
        self.listed = () if self.typed else signatures(known.values())

    def item(self, record: Record) -> Item:
        """The dialogue as a conversation whose calls have been executed, or the reason why it is none."""
        number = record.value.get("dialogue_id") if isinstance(record.value, dict) else None
        origin = self.options.origin
        name = f"{origin.replace('/', '-')}-{number}"
        try:
            return self._executed(name, record.value)
        except Unfit as unfit:
            return Reject(id=name, origin=origin, reason=unfit.reason, detail=unfit.detail)
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            why = " ".join(f"dialogue {number!r} has not the shape of SGD: {error!r}"[:300].split())
            raise DataError(record.path, why, record.row) from error

    def _executed(self, name: str, dialogue: dict[str, Any]) -> Item:
        tools = toolset(dialogue["services"], self.known, name, self.options.distractors, self.options.offer)
        scribe = _Scribe(name, tools, self.types, self.options.rows)
        messages, state = scribe.write(dialogue["turns"])
        own = sorted(tools.values(), key=lambda tool: bucket(name, tool.name))
        conversation = Conversation(
            id=name, tools=self.listed or tuple(own), messages=messages, state=state, origin=self.options.origin
        )
        backend = Tables(own, scribe.recordings, writing(tools, self.known), scribe.shown)
        return verified(conversation, backend.run)


# --- turns ---------------------------------------------------------------------------------------------------------


class _Scribe:
    """Writes one dialogue down, turn by turn; `recordings` is what its backend is rebuilt from."""

    def __init__(self, name: str, tools: Toolset, known: Mapping[str, Types], rows: int) -> None:
        self.name, self.tools, self.types, self.shown = name, tools, known, rows
        self.messages: list[Message] = [System(content=TODAY)]
        self.states: list[State] = []
        self.recordings: list[Recording] = []
        self.said: dict[str, dict[str, list[str]]] = {}
        self.heard: list[Act] = []

    def write(self, turns: Sequence[Turn]) -> tuple[tuple[Message, ...], tuple[State, ...]]:
        """All messages and, per user turn, the state."""
        self.shown = max(self.shown, offered(turns))
        for place, turn in enumerate(turns):
            expected = ("USER", "SYSTEM")[place % 2]
            if turn["speaker"] != expected:
                raise Unfit("speakers do not alternate", f"turn {place} is of {turn['speaker']}")
            if not turn["utterance"].strip():
                raise Unfit("empty utterance", f"turn {place}")
            if expected == "USER":
                self._user(turn)
            else:
                self._system(place, turn)
        if len(turns) < 2:
            raise Unfit("no system turn", f"{len(turns)} turns")
        return tuple(self.messages), tuple(self.states)

    def _user(self, turn: Turn) -> None:
        self.messages.append(User(content=turn["utterance"]))
        self.heard = _acts(turn, thoughts.HEARD)
        for frame in turn["frames"]:
            self.said[frame["service"]] = frame["state"]["slot_values"]
        self.states.append({f"{s}.{slot}": values[0] for s, held in self.said.items() for slot, values in held.items()})

    def _system(self, place: int, turn: Turn) -> None:
        key = (self.name, place)
        acts = _acts(turn, thoughts.PLANNED)
        before = thoughts.heard(self.heard, key)
        for frame in turn["frames"]:
            if "service_call" in frame:
                before = [self._call(frame, before, key)]
        thought = thoughts.say(before, thoughts.planned(acts, key), key)
        self.messages.append(Assistant(thought=thought or "I answer.", text=turn["utterance"]))

    def _call(self, frame: Frame, before: Sequence[Clause], key: thoughts.Key) -> Clause:
        """Write call and observation; returns what is to be thought of the observation."""
        tool = self._checked(frame)
        types, arguments = self.types[frame["service"]], frame["service_call"]["parameters"]
        rows = [converted(row, types) for row in frame["service_results"]]
        why = thoughts.calling(tool.name, arguments, self.said.get(frame["service"], {}), key)
        call = Call(name=tool.name, arguments=converted(arguments, types), id=f"call_{len(self.recordings)}")
        content = observation(rows, self.shown)
        self.recordings.append(Recording(call, content, rows))
        self.messages += [
            Assistant(thought=thoughts.say(before, [why], (*key, call.id)), calls=(call,)),
            Observation(content=content, call=call.id, name=call.name),
        ]
        return thoughts.found(tool.name, len(rows), key)

    def _checked(self, frame: Frame) -> Tool:
        method, arguments = frame["service_call"]["method"], frame["service_call"]["parameters"]
        tool = self.tools.get((frame["service"], method))
        if tool is None:
            raise Unfit("call of an unknown intent", f"{frame['service']}.{method}")
        schema: Any = tool.parameters
        if missing := [slot for slot in schema["required"] if slot not in arguments]:
            raise Unfit("call lacks a required slot", f"{method} without {missing[0]!r}")
        if extra := [slot for slot in arguments if slot not in schema["properties"]]:
            raise Unfit("call has an argument that its schema lacks", f"{method} with {extra[0]!r}")
        return tool


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


def offered(turns: Sequence[Turn]) -> int:
    """How many result rows of each call must be shown for all offers and answers to be found in them."""
    deepest = 0
    calls: list[Frame] = []
    for place, turn in enumerate(turns):
        for frame in turn["frames"]:
            calls += [frame] if "service_call" in frame else []
            for action in frame["actions"] if turn["speaker"] == "SYSTEM" else ():
                for value in action["canonical_values"] if action["act"] in ("OFFER", "INFORM") else ():
                    deepest = max(deepest, _depth(calls, action["slot"], value, place))
    return deepest


def _depth(calls: Sequence[Frame], slot: str, value: str, place: int) -> int:
    for frame in reversed(calls):
        for depth, row in enumerate(frame["service_results"], 1):
            if row.get(slot) == value:
                return depth
    raise Unfit("reply says what no result held", f"turn {place}: {slot} {value!r}")


# --- the part ------------------------------------------------------------------------------------------------------


class Sgd(PartRecipe):
    """Schema-Guided Dialogue from the corpora folder; `limit` dialogues, spread evenly over the files.

    `toolset` offers the services of the dialogue (and `distractors` others), typed, or as in the paper's SGD part the
    whole `schema` of the split, 51 signatures in `train`, every value a string.
    """

    corpora: ClassVar[tuple[str, ...]] = ("sgd",)
    source: Literal["sgd"]
    split: Literal["train", "dev"] = "train"
    limit: Limit = None
    rows: int = Field(default=3, ge=1)
    distractors: int = Field(default=0, ge=0)
    toolset: Offer = "services"

    @property
    def label(self) -> str:
        """With the split, so that nobody takes one for the other."""
        return f"sgd/{self.split}"

    def files(self) -> dict[str, Path]:
        """The schema and the dialogue files of the split."""
        root = corpus("sgd")
        return named("sgd", root, [root / self.split / "schema.json", *sgd_files(root, self.split)])

    def pieces(self) -> int:
        """One a dialogue file; with a limit, which is shared out among them, one in all."""
        return len(sgd_files(corpus("sgd"), self.split)) if self.limit is None else 1

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """One item a dialogue."""
        options = Options(self.rows, self.distractors, f"sgd/{self.split}", self.toolset)
        one = piece if self.limit is None else None
        return read_sgd(corpus("sgd"), self.split, self.limit, options, one)

    def expected(self) -> int | None:
        """Rows of the paper's CRA part, from all 16,142 dialogues by its Table 1."""
        whole = (self.paper, self.toolset, self.split) == ("cra", "schema", "train")
        return 82_236 if whole else None
