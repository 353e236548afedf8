"""What the call corpora share: tools made JSON Schema, calls fitted to them, messages put in order, rejects made.

Corpora write types as `str`, `int, optional`, `List[int]`, `dict`; values as `"2"` for an integer; and some of their
converters cut values at the first comma. What can be mended without doubt is mended here, the rest is `Unfit`.
"""

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from calm.conversation import Assistant, Call, Conversation, Message, Observation, State, Tool, User, by_name
from calm.data import Item, Reject, calls, phrases_calls
from calm.data.sources import Record
from calm.data.thoughts import Key
from calm.errors import DataError, HubError, MissingExtra
from calm.files import dumps, read_json


class Unfit(Exception):
    """Why a well-formed record cannot become a conversation; caught by `items` and made a Reject."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def items(records: Iterable[Record], origin: str, convert: Callable[[Any, str], Conversation]) -> Iterator[Item]:
    """One item a record, named `origin-row`; a record of another shape than `convert` reads is a DataError."""
    for record in records:
        name = f"{origin.replace('/', '-')}-{record.row}"
        try:
            yield convert(record.value, name).model_copy(update={"id": name, "origin": origin})
        except Unfit as unfit:
            yield Reject(id=name, origin=origin, reason=unfit.reason, detail=unfit.detail)
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            raise DataError(record.path, f"is no record of {origin} ({error!r})", record.row) from error


def rows(path: Path) -> list[Any]:
    """The list that a JSON file holds; a DataError when it holds something else."""
    value = read_json(path)
    if not isinstance(value, list):
        raise DataError(path, f"holds {type(value).__name__}, not a list of records")
    return value


def fetched(name: str) -> Path:
    """The folder of a hub data set `owner/name`, from the cache or fetched through huggingface_hub.

    Raises:
        MissingExtra: huggingface_hub is not installed.
        HubError: it is not in the cache and cannot be fetched.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingExtra(f"fetching {name}", "train", "huggingface_hub") from error
    try:
        return Path(snapshot_download(name, repo_type="dataset", allow_patterns=["*.json", "*.jsonl"]))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0][:160]
        raise HubError(f"{name}: cannot be fetched ({reason}); give a local file or folder instead") from error


# --- tools and calls -----------------------------------------------------------------------------------------------


def tool(name: str, description: str, parameters: Mapping[str, Any], required: Sequence[str] | None = None) -> Tool:
    """A Tool with a JSON Schema of type object; `parameters` is one already or the bare `{name: {type, ...}}`.

    Raises:
        Unfit: a name that cannot be written in a prompt, or a type that no rule can read.
    """
    inside = parameters["properties"] if isinstance(parameters.get("properties"), dict) else parameters
    needed = required if required is not None else parameters.get("required") or []
    plain = {key: _undefaulted(value) for key, value in inside.items()}
    try:
        made = calls.parameters(plain, list(needed) if isinstance(needed, list | tuple) else [])
        return Tool(name=writable(name), description=calls.short(description or ""), parameters=made)
    except ValidationError as error:
        raise Unfit("tool name cannot be written", repr(name)) from error
    except ValueError as error:
        raise Unfit("tool with a type that cannot be read", f"{name}: {error}") from error


def writable(name: str) -> str:
    """A tool's name without what no call syntax can carry: `Chat (Code)` is "Chat Code", `/v1/x` is "v1/x"."""
    return " ".join(re.sub(r"[^\w .:/\-]", "", name).split()).lstrip(" .:/-")


def _undefaulted(value: Any) -> Any:
    """An empty default is how these corpora write that there is none."""
    return {k: v for k, v in value.items() if k != "default" or v not in (None, "")} if isinstance(value, dict) else {}


def call(name: str, arguments: Mapping[str, Any], tools: Sequence[Tool]) -> Call:
    """The call with its arguments in the declared types; an argument of null is left out.

    Raises:
        Unfit: no such tool or argument, a required one missing, a value of another type or not in the enum.
    """
    offered = by_name(tools)
    if name not in offered:
        raise Unfit("call of an unknown tool", name)
    known: Any = offered[name].parameters
    given = {key: value for key, value in arguments.items() if value is not None}
    if extra := [key for key in given if key not in known["properties"]]:
        raise Unfit("call has an argument that its tool lacks", f"{name}.{extra[0]}")
    if missing := [key for key in known.get("required", ()) if key not in given]:
        raise Unfit("call lacks a required argument", f"{name}.{missing[0]}")
    made = Call(name=name, arguments={key: typed(value, known["properties"][key]) for key, value in given.items()})
    if wrong := calls.fault(made, tools):
        raise Unfit("argument does not fit its type", wrong)
    return made


def typed(value: Any, wanted: Mapping[str, Any]) -> Any:
    """The value in its declared type where nothing is lost: `calls.fit`, lists and objects in a JSON string, `12.0`."""
    kind = wanted.get("type")
    if kind == "number" and isinstance(value, str | float) and re.fullmatch(r"-?\d+\.0", str(value)):
        return int(float(value))
    if kind in ("array", "object") and isinstance(value, str):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    return calls.fit(value, wanted)


_OPEN = re.compile(r"[\[{]")
_LONG = re.compile("address|text|message|content|sentence|quote", re.IGNORECASE)


def uncut(arguments: Mapping[str, Any], said: str) -> None:
    """Refuse values that a converter cut at a comma: an open bracket, or where the user's own words go on after it.

    Raises:
        Unfit: names the argument.
    """
    for key, value in arguments.items():
        if not isinstance(value, str) or not value:
            continue
        opened = _OPEN.match(value) and value.count("[") + value.count("{") != value.count("]") + value.count("}")
        quoted = any(f"{mark}{value}," in said for mark in "\"'“‘")
        if opened or quoted or (_LONG.search(key) and f"{value}, " in said):
            raise Unfit("argument cut at a comma", f"{key} = {value!r:.60}")


# --- thoughts that a corpus brings -----------------------------------------------------------------------------------

_SENTENCE = re.compile(r"(?<=[.!?])[\"')]*\s+(?=[A-Z\"'])")
_OPENING = re.compile(r"^(okay|ok|alright|hmm|so|well|oh|now|great)\b[,.!]?\s*(let's see[,.]?\s*)?", re.IGNORECASE)
_EMPTY = re.compile(
    r"^(let me|let's|wait|but wait|i need to make sure|i should make sure|first, i need to|looking at|hmm)\b"
    r"|the assistant|json|tool_call|<\w+>|step by step|the function call|function schema",
    re.IGNORECASE,
)
LONGEST = 45
"""Words of a thought, counted over its one or two sentences."""


def kept(thought: str, tools: Sequence[str]) -> str:
    """A reasoning shortened to its first sentence with content and, before a call, the one that names its tool.

    Empty where nothing short enough is left: then a rule has to say it. Sentences about output formats, and those that
    only announce thinking, do not count.
    """
    whole_ones = [_OPENING.sub("", part.strip()) for part in _SENTENCE.split(" ".join(thought.split()))]
    said = [part for part in whole_ones if part and not _EMPTY.search(part)]
    sentences = [part if part.startswith(tuple(tools)) else part[0].upper() + part[1:] for part in said]
    if not sentences:
        return ""
    naming = [part for part in sentences[1:] if any(name in part for name in tools)]
    chosen = [sentences[0], *(naming[:1] if tools else sentences[1:2])]
    while chosen and sum(len(part.split()) for part in chosen) > LONGEST:
        chosen.pop()
    text = " ".join(chosen)
    return text if not tools or any(name in text for name in tools) else ""


# --- conversations -------------------------------------------------------------------------------------------------


class Talk:
    """A conversation being put together; observations answer the calls of the step before, in order."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self.tools = tuple(tools)
        self.messages: list[Message] = []
        self.states: list[State] = []
        self._count = 0
        self._waiting: list[Call] = []
        self._unseen = False

    @property
    def said(self) -> str:
        """What the user has said so far."""
        return "\n".join(message.content for message in self.messages if isinstance(message, User))

    @property
    def open(self) -> int:
        """How many calls wait for their observation."""
        return len(self._waiting)

    @property
    def results(self) -> list[str]:
        """Tools of the observations that came last, none when somebody has spoken since."""
        names: list[str] = []
        for message in reversed(self.messages):
            if not isinstance(message, Observation):
                break
            names.insert(0, message.name)
        return names

    def user(self, text: str, state: State | None = None) -> None:
        """The user speaks; `state` is what the corpus says is known after it.

        Raises:
            Unfit: an empty text.
        """
        if not text.strip():
            raise Unfit("empty text", f"message {len(self.messages)}")
        self._unseen |= bool(self._waiting)
        self._waiting = []
        self.messages.append(User(content=text.strip()))
        if state is not None:
            self.states.append(state)

    def act(self, thought: str, wanted: Sequence[Call]) -> None:
        """The assistant calls; the calls get their ids here."""
        self._begin()
        self._waiting = [c.model_copy(update={"id": f"call_{self._count + n}"}) for n, c in enumerate(wanted)]
        self._count += len(wanted)
        self.messages.append(Assistant(thought=thought, calls=tuple(self._waiting)))

    def observe(self, contents: Sequence[str]) -> None:
        """What the calls gave back.

        Raises:
            Unfit: more or fewer than the calls.
        """
        if len(contents) != len(self._waiting):
            raise Unfit("observations do not answer the calls", f"{len(contents)} for {len(self._waiting)} calls")
        pairs = zip(contents, self._waiting, strict=True)
        self.messages += [Observation(content=text, call=c.id, name=c.name) for text, c in pairs]
        self._waiting = []

    def say(self, thought: str, text: str) -> None:
        """The assistant answers in words.

        Raises:
            Unfit: an empty text.
        """
        if not text.strip():
            raise Unfit("empty text", f"message {len(self.messages)}")
        self._begin()
        self.messages.append(Assistant(thought=thought, text=text.strip()))

    def _begin(self) -> None:
        self._unseen |= bool(self._waiting)
        self._waiting = []
        if not self.messages or isinstance(self.messages[-1], Assistant):
            raise Unfit("speakers do not alternate", f"message {len(self.messages)}")

    def conversation(self, **meta: Any) -> Conversation:
        """What was put together; `checked` says `replayed` when every call has the observation that the corpus gives.

        Raises:
            Unfit: nothing was said, or the user or a tool has the last word.
        """
        if not self.messages or not isinstance(self.messages[-1], Assistant):
            raise Unfit("ends without the assistant", f"after {len(self.messages)} messages")
        seen = self._count > 0 and not self._unseen and not self._waiting
        return Conversation(
            tools=self.tools,
            messages=tuple(self.messages),
            state=tuple(self.states),
            meta={"checked": "replayed" if seen else "schema", **meta},
        )


_PLAYED = re.compile(r"^(Inquirer|Response assistant):[ \t]*", re.MULTILINE)


def played(talk: Talk, text: str, key: Key) -> None:
    """The user speaks, and whatever dialogue is written into the message is spoken turn by turn."""
    for place, (user, said) in enumerate(_historical(text)):
        if user:
            talk.user(said)
        else:
            talk.say(phrases_calls.replying(said, (), talk.tools, (*key, place)), said)


def _historical(text: str) -> list[tuple[bool, str]]:
    """The turns, (is the user's, text), of a dialogue that ToolACE writes into one message under a role definition."""
    start = text.find("Historical dialog data is as follows:")
    if start < 0:
        return [(True, text)]
    played = text[start:].partition(":")[2].rpartition("Please continue your answer")[0]
    pieces = _PLAYED.split(played)[1:]
    return [(who == "Inquirer", said.strip()) for who, said in zip(pieces[::2], pieces[1::2], strict=True)]


def observed(text: str, waiting: int) -> list[str]:
    """The results that ToolACE lists in one observation, `[{"name", "results"}, ...]`, each as JSON.

    An observation that is no such list answers a single call as it is.

    Raises:
        Unfit: it is none and `waiting` calls wait.
    """
    try:
        parts = json.loads(text)
        return [dumps(part["results"]) for part in parts]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        if waiting == 1:
            return [text]
        raise Unfit("observation cannot be read", f"{text!r:.60}") from error
