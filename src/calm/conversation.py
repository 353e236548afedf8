"""The noun: what was said, which tools could be called, what the dialogue state was, and where it all came from.

A training example, a chat log and a benchmark transcript are all `Conversation`s. On disk one is a row of
`messages` (OpenAI shape), `tools` (a JSON string), `id`, `origin`, `state` and `meta` (JSON strings), which TRL, Oumi,
LLaMA-Factory and Axolotl read as it is; `to_row` and `from_row` are inverse.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from calm.errors import DataError, FormatError
from calm.files import dumps, read_rows, write_jsonl

TOOL_NAME = re.compile(r"^\w[\w .:/\-]{0,127}$")
"""What a tool may be called: wide enough for BFCL (`a.b`) and ToolACE (blanks), no brackets, quotes or newlines."""


class Noun(BaseModel):
    """Frozen, strict about unknown keys, finite (JSON has no NaN): the base of everything that is said or stored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Call(Noun):
    """One tool call; `id` ties its Observation to it and is renumbered when a text without ids is read."""

    name: str
    arguments: dict[str, JsonValue]
    id: str = "call_0"


class Tool(Noun):
    """A callable as the model sees it; `parameters` is a JSON Schema of type object."""

    name: Annotated[str, Field(pattern=TOOL_NAME.pattern)]
    description: str = ""
    parameters: dict[str, JsonValue] = {"type": "object", "properties": {}}


class System(Noun):
    """Standing instructions, or a note from the runtime in the middle of a conversation."""

    role: Literal["system"] = "system"
    content: str


class User(Noun):
    """What the person said."""

    role: Literal["user"] = "user"
    content: str


class Assistant(Noun):
    """One step of the model: an optional thought, then text, calls (run in parallel), or both."""

    role: Literal["assistant"] = "assistant"
    thought: str | None = None
    calls: tuple[Call, ...] = ()
    text: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.thought is None and self.text is None and not self.calls:
            raise ValueError("an assistant step needs a thought, a text or a call")
        return self


class Observation(Noun):
    """What a tool gave back to the call `call`; content is text, by custom JSON."""

    role: Literal["tool"] = "tool"
    content: str
    call: str = "call_0"
    name: str = ""


class Garbled(Noun):
    """A model output that no Format could read: kept as data, counted apart from "wrong"."""

    role: Literal["garbled"] = "garbled"
    raw: str
    why: str


Message = Annotated[System | User | Assistant | Observation | Garbled, Field(discriminator="role")]
Step = Assistant | Garbled
State = dict[str, JsonValue]


class Conversation(Noun):
    """Frozen; `state[i]` is the dialogue state (slot -> value) after user turn i, empty when unknown."""

    id: str = ""
    tools: tuple[Tool, ...] = ()
    messages: tuple[Message, ...] = ()
    state: tuple[State, ...] = ()
    origin: str = ""
    meta: dict[str, JsonValue] = {}

    @model_validator(mode="after")
    def _observations_answer_calls(self) -> Self:
        waiting: list[Call] = []
        for place, message in enumerate(self.messages):
            if isinstance(message, Assistant):
                waiting = list(message.calls)
            elif isinstance(message, Observation):
                if not waiting or waiting[0].id != message.call:
                    raise ValueError(
                        f"message {place}: observation of {message.call!r} answers no waiting call, in order"
                    )
                waiting.pop(0)
        return self

    def add(self, *messages: Message) -> "Conversation":
        """The conversation with more said; everything else unchanged."""
        return self.model_copy(update={"messages": (*self.messages, *messages)})

    def note(self, **meta: JsonValue) -> "Conversation":
        """The conversation with keys of `meta` set."""
        return self.model_copy(update={"meta": {**self.meta, **meta}})

    def renumbered(self) -> "Conversation":
        """The same with call ids `call_0, call_1, ...` and observation names filled in: what a text form can carry."""
        return self.model_copy(update={"messages": tuple(numbered(self.messages))})

    def upto(self, count: int) -> "Conversation":
        """The first `count` messages."""
        return self.model_copy(update={"messages": self.messages[:count]})

    @property
    def steps(self) -> tuple[int, ...]:
        """Places of the model's own messages, Garbled ones included."""
        return tuple(i for i, m in enumerate(self.messages) if isinstance(m, Assistant | Garbled))


def numbered(messages: Iterable[Message]) -> Iterator[Message]:
    """Messages with call ids counted through from `call_0` and each Observation pointing at the call it answers."""
    count, waiting = 0, []
    for message in messages:
        if isinstance(message, Assistant):
            waiting = [c.model_copy(update={"id": f"call_{count + i}"}) for i, c in enumerate(message.calls)]
            count += len(waiting)
            yield message.model_copy(update={"calls": tuple(waiting)})
        elif isinstance(message, Observation) and waiting:
            call = waiting.pop(0)
            yield message.model_copy(update={"call": call.id, "name": call.name})
        else:
            yield message


# --- the wire and the disk: OpenAI's shape of a message -----------------------------------------------------------


def tool_to_wire(tool: Tool) -> dict[str, Any]:
    """`{"type": "function", "function": {name, description, parameters}}`."""
    return {"type": "function", "function": tool.model_dump()}


def tool_from_wire(value: Any) -> Tool:
    """A tool from OpenAI's wrapped form or from the bare `{name, description, parameters}`."""
    bare = value.get("function", value) if isinstance(value, dict) else None
    if not isinstance(bare, dict):
        raise FormatError(f"tools: an entry is no object with a name (got {value!r:.80})")
    kept = {key: bare[key] for key in ("name", "description", "parameters") if bare.get(key) is not None}
    return _checked(Tool, kept)


def message_to_wire(message: Message) -> dict[str, Any]:
    """One message as OpenAI clients write it; a thought is `reasoning_content`, a Garbled keeps its reason aside."""
    if isinstance(message, Assistant):
        return _assistant_to_wire(message)
    if isinstance(message, Garbled):
        return {"role": "assistant", "content": message.raw, "garbled": message.why}
    if isinstance(message, Observation):
        return {"role": "tool", "content": message.content, "tool_call_id": message.call, "name": message.name}
    return {"role": message.role, "content": message.content}


def _assistant_to_wire(step: Assistant) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": "assistant", "content": step.text}
    if step.thought is not None:
        wire["reasoning_content"] = step.thought
    if step.calls:
        wire["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": dumps(c.arguments)}}
            for c in step.calls
        ]
    return wire


def message_from_wire(value: dict[str, Any]) -> Message:
    """The inverse of `message_to_wire`; also reads vLLM's `reasoning`, content parts and arguments given as objects.

    Raises:
        FormatError: an unknown role, or a call whose arguments are not a JSON object.
    """
    role, content = value.get("role"), _plain(value.get("content"))
    if role in ("system", "developer"):
        return System(content=content or "")
    if role == "user":
        return User(content=content or "")
    if role == "tool":
        return Observation(
            content=content or "", call=value.get("tool_call_id") or "call_0", name=value.get("name") or ""
        )
    if role != "assistant":
        raise FormatError(f"role {role!r} is none of system, developer, user, assistant, tool")
    if value.get("garbled") is not None:
        return Garbled(raw=content or "", why=value["garbled"])
    calls = tuple(_call_from_wire(c) for c in value.get("tool_calls") or ())
    thought = next((value[k] for k in ("reasoning_content", "reasoning", "thinking") if value.get(k) is not None), None)
    silent = content is None and thought is None and not calls
    return Assistant(thought=thought, calls=calls, text="" if silent else content)


def _plain(content: Any) -> str | None:
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if isinstance(part, dict))
    return content


def _call_from_wire(value: dict[str, Any]) -> Call:
    function = value.get("function", value)
    arguments = function.get("arguments")
    try:
        parsed = json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError) as error:
        raise FormatError(f"call of {function.get('name')!r}: arguments are not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise FormatError(f"call of {function.get('name')!r}: arguments are {type(parsed).__name__}, not an object")
    return _checked(Call, {"name": function.get("name"), "arguments": parsed, "id": value.get("id") or "call_0"})


T = TypeVar("T", bound=BaseModel)


def _checked(model: type[T], value: dict[str, Any]) -> T:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise FormatError(f"{model.__name__.lower()}: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    """Where the first fault is, what it is and of which value."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or error.title
    return f"{where}: {first['msg']} (got {first['input']!r:.80})"


def to_row(conversation: Conversation) -> dict[str, Any]:
    """The row on disk: `messages` in the OpenAI shape; `tools`, `state` and `meta` as JSON strings (for Arrow)."""
    return {
        "id": conversation.id,
        "messages": [message_to_wire(m) for m in conversation.messages],
        "tools": dumps([tool_to_wire(t) for t in conversation.tools]),
        "origin": conversation.origin,
        "state": dumps(list(conversation.state)),
        "meta": dumps(conversation.meta),
    }


def from_row(row: dict[str, Any]) -> Conversation:
    """A row from disk, ours or anyone's `messages` (+ `tools` as JSON string or list); inverse of `to_row`.

    Raises:
        FormatError: no `messages`, or one that cannot be read; says which.
    """
    if not isinstance(row.get("messages"), list):
        raise FormatError(f"no list `messages` in a row with keys {sorted(row)}")
    messages = []
    for place, wire in enumerate(row["messages"]):
        try:
            messages.append(message_from_wire(wire))
        except (FormatError, ValidationError, AttributeError, TypeError) as error:
            why = _first(error) if isinstance(error, ValidationError) else " ".join(str(error).split())
            raise FormatError(f"messages.{place}: {why}") from error
    if any(wire.get("role") == "tool" and not wire.get("tool_call_id") for wire in row["messages"]):
        messages = list(numbered(messages))  # people's rows often leave the ids out; order says which call is meant
    return _checked(
        Conversation,
        {
            "id": str(row.get("id") or ""),
            "tools": tuple(_tool(t, place) for place, t in enumerate(_json(row, "tools", []))),
            "messages": tuple(messages),
            "state": tuple(_json(row, "state", [])),
            "origin": row.get("origin") or "",
            "meta": _json(row, "meta", {}),
        },
    )


def _json(row: dict[str, Any], key: str, default: Any) -> Any:
    value = row.get(key)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{key}: is not JSON: {error}") from error
    if value is not None and not isinstance(value, type(default)):
        raise FormatError(
            f"{key}: is {type(value).__name__}, not {'a list' if isinstance(default, list) else 'an object'}"
        )
    return default if value is None else value


def _tool(value: Any, place: int) -> Tool:
    if not isinstance(value, dict) or not isinstance(value.get("function", value), dict):
        raise FormatError(f"tools.{place}: is no object with a name (got {value!r:.80})")
    return tool_from_wire(value)


def read(path: Path) -> Iterator[Conversation]:
    """The conversations of a JSONL or Parquet file, streaming; a bad row is a DataError with its number."""
    for number, row in read_rows(path):
        try:
            yield from_row(row)
        except FormatError as error:
            raise DataError(path, str(error), number) from error


def write(path: Path, conversations: Iterable[Conversation]) -> int:
    """Write a JSONL file of conversations, all or nothing; returns their number."""
    return write_jsonl(path, (to_row(c) for c in conversations))


def by_name(tools: Sequence[Tool]) -> dict[str, Tool]:
    """Tools keyed by name, the last of equal names winning."""
    return {tool.name: tool for tool in tools}
