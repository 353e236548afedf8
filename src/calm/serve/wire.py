"""What a request asks and what goes back: the stream of chunks, usage, error objects. No web framework here."""

import json
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from calm.conversation import Assistant, Conversation, Step
from calm.errors import FormatError, UsageError
from calm.format import openai

READ = frozenset({"messages", "model", "tools", "tool_choice", "parallel_tool_calls", "stream", "stream_options"})
REFUSED = {
    "n": (1, "one choice is all there is"),
    "logprobs": (False, "log-probabilities are not offered"),
    "functions": ([], "`functions` is the retired form; send `tools`"),
    "response_format": ({"type": "text"}, "only plain text is offered; use a tool for JSON"),
}
"""Options that would change what an answer is, each with the one value that is fine and why the others are not."""


Choice = Literal["auto", "required", "none"]


class Refusal(UsageError):
    """A request that gets no answer: HTTP status, OpenAI's `code` and the parameter at fault."""

    def __init__(self, message: str, status: int = 400, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


class Asked(NamedTuple):
    """A request that was understood; `ignored` lists the options that have no effect here."""

    conversation: Conversation
    choice: Choice = "auto"
    parallel: bool = True
    stream: bool = False
    counted: bool = False
    ignored: tuple[str, ...] = ()


def read(raw: bytes, model: str, forces: bool = False) -> Asked:
    """The request in a body, to be answered by `model`, which `forces` says can be held to calling a tool.

    Raises:
        Refusal: 400 for what is malformed or not offered, 404 for another model.
    """
    body = _object(raw)
    _known_model(body, model)
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        raise Refusal("`messages` must be a list with at least one message", param="messages")
    for option, (fine, why) in REFUSED.items():
        if body.get(option) not in (None, fine):
            raise Refusal(f"{option}: {why} (got {body[option]!r:.80})", code="unsupported_parameter", param=option)
    try:
        conversation = openai.read_request(body)
    except FormatError as fault:
        raise Refusal(f"messages or tools cannot be read: {fault}", param="messages") from fault
    options = body.get("stream_options")
    return Asked(
        *_choice(body.get("tool_choice"), conversation, forces),
        body.get("parallel_tool_calls") is not False,
        body.get("stream") is True,
        isinstance(options, dict) and options.get("include_usage") is True,
        _ignored(body),
    )


def _choice(asked: Any, conversation: Conversation, forces: bool) -> tuple[Conversation, Choice]:
    """The conversation with the tools that may be called, and whether one must be."""
    if asked in (None, "auto"):
        return conversation, "auto"
    if asked == "none":
        return conversation.model_copy(update={"tools": ()}), "none"
    function = asked.get("function") if isinstance(asked, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    tools = tuple(t for t in conversation.tools if asked == "required" or t.name == name)
    if not forces:
        why = "this model can only be served with none or auto"
    elif not tools:
        why = "it names no tool of the request"
    else:
        return conversation.model_copy(update={"tools": tools}), "required"
    raise Refusal(f"tool_choice: {why} (got {asked!r:.80})", 400, "unsupported_parameter", "tool_choice")


def _ignored(body: dict[str, Any]) -> tuple[str, ...]:
    """Options nobody reads here, as far as their names can stand in a header."""
    names = (key for key in body if key not in READ | REFUSED.keys() and body[key] is not None)
    return tuple(sorted(key for key in names if key.isascii() and key.isidentifier() and len(key) < 40)[:20])


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Refusal(f"the body is not JSON: {error}", code="invalid_json") from error
    if not isinstance(body, dict):
        raise Refusal(f"the body is {type(body).__name__}, not an object", code="invalid_json")
    return body


def _known_model(body: dict[str, Any], model: str) -> None:
    asked = body.get("model")
    if not isinstance(asked, str):
        raise Refusal(f"`model` must be a string; {model!r} is served here", param="model")
    if asked != model:
        raise Refusal(f"no model {asked!r:.80} here; {model!r} is served", 404, "model_not_found", "model")


def kept(step: Step, asked: Asked) -> Step:
    """The step as far as the request allows calls: none, the first alone, or all."""
    if not isinstance(step, Assistant) or not step.calls:
        return step
    if asked.choice == "none":
        return step.model_copy(update={"calls": (), "text": step.text or ""})
    return step if asked.parallel else step.model_copy(update={"calls": step.calls[:1]})


def usage(cost: Any) -> dict[str, Any]:
    """OpenAI's usage object from a policy's own `usage`; without one it holds zeros and says `counted: false`."""
    if cost is None:
        return {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "counted": False}
    counts = {
        "prompt_tokens": cost.prompt,
        "completion_tokens": cost.written,
        "total_tokens": cost.prompt + cost.written,
    }
    return {**counts, "prompt_tokens_details": {"cached_tokens": cost.cached}}


def chunks(answer: dict[str, Any], counted: bool) -> Iterator[str]:
    """The same answer as server-sent events: role, reasoning, content, calls, finish, usage where asked for, [DONE]."""
    head = {
        "id": answer["id"],
        "object": "chat.completion.chunk",
        "created": answer["created"],
        "model": answer["model"],
    }
    choice = answer["choices"][0]
    for delta in _deltas(choice["message"]):
        yield _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if counted:
        yield _event({**head, "choices": [], "usage": answer["usage"]})
    yield "data: [DONE]\n\n"


def _deltas(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant"}
    for key in ("reasoning_content", "content", "garbled"):
        if message.get(key) is not None:
            yield {key: message[key]}
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        yield {"tool_calls": [{"index": index, **call, "function": {"name": function["name"], "arguments": ""}}]}
        yield {"tool_calls": [{"index": index, "function": {"arguments": function["arguments"]}}]}


def encode(value: dict[str, Any]) -> str:
    """JSON in ASCII, so that a lone surrogate from a model or a client cannot break the connection."""
    return json.dumps(value, allow_nan=False)


def _event(value: dict[str, Any]) -> str:
    return f"data: {encode(value)}\n\n"


def error(message: str, status: int, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """OpenAI's error object; its `type` follows from the status."""
    kinds = {401: "authentication_error", 503: "server_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
