"""What a chat-completion request asks, and the errors that answer one that cannot be met. No web framework here."""

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from calm.conversation import Conversation
from calm.errors import FormatError, UsageError
from calm.format import openai
from calm.policy import Usage

LENGTHS = frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens"})
READ = LENGTHS | {
    "messages",
    "model",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "stream",
    "stream_options",
    "stop",
}
UNSURE = "log-probabilities are not offered: tokens that the tools' schemas force have none"
FINE: dict[str, tuple[Any, str]] = {
    "n": (1, "one choice is all there is"),
    "logprobs": (False, UNSURE),
    "top_logprobs": (0, UNSURE),
    "functions": ([], "`functions` is the retired form; send `tools`"),
    "function_call": ("none", "`function_call` is the retired form; send `tool_choice`"),
    "response_format": ({"type": "text"}, "only plain text is offered; use a tool for JSON"),
    "modalities": (["text"], "only text is offered"),
    "audio": ({}, "only text is offered"),
    "web_search_options": (None, "there is no search here; send it as a tool"),
}
"""Options that would change what an answer is, each with the one value that is fine and why the others are not."""

STOPS = 16
"""Stop words a request may have."""

Choice = Literal["auto", "required", "none"]


class Refusal(UsageError):
    """A request that gets no answer: HTTP status, OpenAI's `code` and the parameter at fault."""

    def __init__(self, message: str, status: int = 400, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


class Can(NamedTuple):
    """What the served policy can be held to: calling a tool (`forces`), an answer no longer than asked (`cuts`)."""

    forces: bool = False
    cuts: bool = False


class Asked(NamedTuple):
    """A request that was understood; `ignored` lists the options that have no effect here."""

    conversation: Conversation
    choice: Choice = "auto"
    parallel: bool = True
    stream: bool = False
    counted: bool = False
    stop: tuple[str, ...] = ()
    longest: int | None = None
    ignored: tuple[str, ...] = ()


def read(raw: bytes, model: str, can: Can) -> Asked:
    """The request in the body of a chat completion, to be answered by `model`.

    Raises:
        Refusal: 400 for what is malformed or not offered, 404 for another model.
    """
    body = json_object(raw)
    known_model(body, model)
    offered(body, FINE)
    return asked(body, can, ignored(body, READ | FINE.keys(), can))


def asked(body: dict[str, Any], can: Can, unread: tuple[str, ...] = ()) -> Asked:
    """What a body in the shape of a chat completion asks, its model and options already looked at.

    Raises:
        Refusal: 400; says which part cannot be read.
    """
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal("`messages` must be a list with at least one message", param="messages")
    _only_text(messages)
    try:
        conversation = openai.read_request(body)
    except FormatError as fault:
        raise Refusal(f"messages or tools cannot be read: {fault}", param="messages") from fault
    options = body.get("stream_options")
    if not isinstance(options, dict | None):
        raise Refusal(f"stream_options: is {type(options).__name__}, not an object", param="stream_options")
    return Asked(
        *_choice(body.get("tool_choice"), conversation, can.forces),
        parallel=_flag(body, "parallel_tool_calls", True),
        stream=_flag(body, "stream", False),
        counted=_flag(options or {}, "include_usage", False),
        stop=_stops(body.get("stop")),
        longest=_longest(body),
        ignored=unread,
    )


def _only_text(messages: list[Any]) -> None:
    """A picture that nobody looks at would change what is asked, so it is refused."""
    for place, message in enumerate(messages):
        parts = message.get("content") if isinstance(message, dict) else None
        for part in parts if isinstance(parts, list) else ():
            kind = part.get("type") if isinstance(part, dict) else None
            if kind not in ("text", "input_text", "output_text", "refusal"):
                raise Refusal(f"messages.{place}.content: only text is read here (got a part {part!r:.60})")


def _choice(choice: Any, conversation: Conversation, forces: bool) -> tuple[Conversation, Choice]:
    """The conversation with the tools that may be called, and whether one must be."""
    if choice in (None, "auto"):
        return conversation, "auto"
    if choice == "none":
        return conversation.model_copy(update={"tools": ()}), "none"
    function = choice.get("function") if isinstance(choice, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    tools = tuple(t for t in conversation.tools if choice == "required" or t.name == name)
    if not forces:
        why = "this model can only be served with none or auto"
    elif not tools:
        why = "it names no tool of the request"
    else:
        return conversation.model_copy(update={"tools": tools}), "required"
    raise Refusal(f"tool_choice: {why} (got {choice!r:.80})", 400, "unsupported_parameter", "tool_choice")


def _flag(options: dict[str, Any], name: str, otherwise: bool) -> bool:
    value = options.get(name)
    if not isinstance(value, bool | None):
        raise Refusal(f"{name}: write true or false (got {value!r:.80})", param=name)
    return otherwise if value is None else value


def _stops(value: Any) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(words, list) or len(words) > STOPS or not all(isinstance(w, str) and w for w in words):
        raise Refusal(f"stop: write a text or up to {STOPS} of them, none empty (got {value!r:.80})", param="stop")
    return tuple(words)


def _longest(body: dict[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise Refusal(f"{name}: write a number of tokens from 1 (got {value!r:.80})", param=name)
        if value is not None:
            return value
    return None


def offered(body: dict[str, Any], fine: Mapping[str, tuple[Any, str]]) -> None:
    """Refuse options that would change what an answer is."""
    for option, (value, why) in fine.items():
        given = body.get(option)
        if given is not None and (given != value or isinstance(given, bool) is not isinstance(value, bool)):
            raise Refusal(f"{option}: {why} (got {body[option]!r:.80})", code="unsupported_parameter", param=option)


def ignored(body: dict[str, Any], known: frozenset[str], can: Can) -> tuple[str, ...]:
    """Options nobody reads here, as far as their names can stand in a header; what asks for greedy decoding is met."""
    unmet = known if can.cuts else known - LENGTHS
    names = (key for key in body if key not in unmet and body[key] is not None and (key, body[key]) not in GREEDY)
    return tuple(sorted(key for key in names if key.isascii() and key.isidentifier() and len(key) < 40)[:20])


GREEDY = (("temperature", 0), ("frequency_penalty", 0), ("presence_penalty", 0), ("store", False))


def json_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in a body.

    Raises:
        Refusal: 400, it is none.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Refusal(f"the body is not JSON: {error}", code="invalid_json") from error
    if not isinstance(body, dict):
        raise Refusal(f"the body is {type(body).__name__}, not an object", code="invalid_json")
    return body


def known_model(body: dict[str, Any], model: str) -> None:
    """Refuse a request for another model than the one that is served."""
    name = body.get("model")
    if not isinstance(name, str):
        raise Refusal(f"`model` must be a string; {model!r} is served here", param="model")
    if name != model:
        raise Refusal(f"no model {name!r:.80} here; {model!r} is served", 404, "model_not_found", "model")


def usage(cost: Usage | None) -> dict[str, Any]:
    """OpenAI's usage object from a policy's own `usage`; without one it holds zeros and says `counted: false`."""
    if cost is None:
        return {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "counted": False}
    counts = {
        "prompt_tokens": cost.prompt,
        "completion_tokens": cost.written,
        "total_tokens": cost.prompt + cost.written,
    }
    return {**counts, "prompt_tokens_details": {"cached_tokens": cost.cached}}


def encode(value: Any) -> str:
    """JSON in ASCII, so that a lone surrogate from a model or a client cannot break the connection."""
    return json.dumps(value, allow_nan=False)


def error(message: str, status: int, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """OpenAI's error object; its `type` follows from the status."""
    kinds = {401: "authentication_error", 503: "server_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
