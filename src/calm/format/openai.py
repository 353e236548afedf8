"""The OpenAI wire: chat-completion requests and answers, for clients (`policy.endpoint`) and servers (`serve`) alike.

One message is written and read by `conversation.message_to_wire` and `message_from_wire`, as on disk. A thought travels
as `reasoning_content` (vLLM, SGLang, DeepSeek), a Garbled as its raw text with our own key `garbled` beside it. Reading
undoes writing: `read_response(response(step)) == step`, and a request keeps messages and tools, call ids included.
"""

import json
import time
import uuid
from itertools import groupby
from typing import Any

from pydantic import ValidationError

from calm.conversation import (
    Assistant,
    Conversation,
    Garbled,
    Step,
    from_row,
    message_from_wire,
    message_to_wire,
    tool_to_wire,
)
from calm.errors import FormatError


def request(conversation: Conversation, model: str, **options: Any) -> dict[str, Any]:
    """The body for `/v1/chat/completions`; `options` (temperature, max_tokens, ...) go in as they are.

    Without tools there is no key `tools`: servers refuse an empty list.
    """
    tools = {"tools": [tool_to_wire(tool) for tool in conversation.tools]} if conversation.tools else {}
    return {"model": model, "messages": [message_to_wire(m) for m in conversation.messages], **tools, **options}


def read_request(body: dict[str, Any]) -> Conversation:
    """The conversation a client sends; results of parallel calls are put into the order of the calls they answer.

    Raises:
        FormatError: messages or tools that cannot be read; says which.
    """
    messages = body.get("messages")
    ordered = _in_order([_filled(m) for m in messages]) if isinstance(messages, list) else messages
    return from_row({"messages": ordered, "tools": body.get("tools")})


def _filled(message: Any) -> Any:
    """A wire message in which `""`, as some servers write the arguments of a call that has none, is `{}`."""
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    return {**message, "tool_calls": [_with_object(call) for call in calls]} if isinstance(calls, list) else message


def _with_object(call: Any) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    empty = isinstance(function, dict) and function.get("arguments") == ""
    return {**call, "function": {**function, "arguments": "{}"}} if empty else call


def _in_order(messages: list[Any]) -> list[Any]:
    ordered: list[Any] = []
    for is_answer, run in groupby(messages, key=lambda m: isinstance(m, dict) and m.get("role") == "tool"):
        same = list(run)
        if is_answer and ordered:
            places = {name: place for place, name in enumerate(_call_ids(ordered[-1]))}
            same.sort(key=lambda m: places.get(str(m.get("tool_call_id")), len(places)))
        ordered += same
    return ordered


def _call_ids(message: Any) -> list[str]:
    """Ids of the calls a wire message makes; none where they are not told apart by them."""
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    ids = [str(c.get("id")) for c in calls if isinstance(c, dict)] if isinstance(calls, list) else []
    return ids if len(set(ids)) == len(ids) else []


def response(step: Step, model: str, usage: dict[str, Any] | None = None) -> dict[str, Any]:
    """A `chat.completion` with one choice, a fresh id and the time; `finish_reason` says whether calls are waiting."""
    calls = isinstance(step, Assistant) and step.calls
    choice = {"index": 0, "message": message_to_wire(step), "finish_reason": "tool_calls" if calls else "stop"}
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion", "created": int(time.time())}
    return {**head, "model": model, "choices": [choice], **({"usage": usage} if usage else {})}


def read_response(body: dict[str, Any]) -> Step:
    """The step in the first choice; calls whose JSON is broken are a Garbled that holds the message as it came.

    Raises:
        FormatError: the body is no chat completion, which is the server's fault and not the model's.
    """
    try:
        message = _filled({**body["choices"][0]["message"], "role": "assistant"})
    except (KeyError, IndexError, TypeError) as error:
        raise FormatError(f"response: no choices.0.message in {str(body)[:80]!r}") from error
    try:
        step = message_from_wire(message)
    except (FormatError, ValidationError, AttributeError, TypeError) as error:
        why = " ".join(str(error).split())[:300]
        return Garbled(raw=json.dumps(message, ensure_ascii=False, default=str), why=why)
    return step  # ty: ignore[invalid-explicit-return]  # the role was set to assistant
