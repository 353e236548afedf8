"""OpenAI's newer form, `/v1/responses`: items in, items out; read into the same request, written from the same pieces.

Nothing is stored: `previous_response_id` is refused, the client sends the whole conversation each time.
"""

import time
import uuid
from collections.abc import Iterator
from typing import Any

from calm.conversation import Assistant, Garbled
from calm.files import dumps
from calm.serve import wire
from calm.serve.deltas import Done, Said
from calm.serve.wire import Asked, Can, Refusal

READ = wire.LENGTHS | {
    "input",
    "model",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "stream",
    "stop",
}
STATELESS = "nothing is stored here; send the whole conversation as `input`"
FINE: dict[str, tuple[Any, str]] = {
    "previous_response_id": (None, STATELESS),
    "conversation": (None, STATELESS),
    "prompt": (None, "prompt templates are not offered; send `instructions`"),
    "background": (False, "nothing runs in the background here"),
    "text": ({"format": {"type": "text"}}, "only plain text is offered; use a tool for JSON"),
    "top_logprobs": (0, "log-probabilities are not offered"),
}
"""As in `wire.FINE`."""


def read(raw: bytes, model: str, can: Can) -> Asked:
    """The request in the body of `/v1/responses`, to be answered by `model`.

    Raises:
        Refusal: 400 for what is malformed or not offered, 404 for another model.
    """
    body = wire.json_object(raw)
    wire.known_model(body, model)
    if isinstance(text := body.get("text"), dict) and not (text.keys() - {"format", "verbosity"}):
        body["text"] = {"format": text.get("format") or {"type": "text"}}
    wire.offered(body, FINE)
    chat = {
        "messages": [*_instructions(body), *_messages(_items(body.get("input")))],
        "tools": [_tool(tool) for tool in _list(body, "tools")],
        "tool_choice": _choice(body.get("tool_choice")),
        "max_tokens": body.get("max_output_tokens"),
        **{key: body.get(key) for key in ("parallel_tool_calls", "stream", "stop")},
    }
    return wire.asked(chat, can, wire.ignored(body, READ | FINE.keys(), can))


def _list(body: dict[str, Any], key: str) -> list[Any]:
    value = body.get(key) or []
    if not isinstance(value, list):
        raise Refusal(f"{key}: is {type(value).__name__}, not a list", param=key)
    return value


def _instructions(body: dict[str, Any]) -> list[dict[str, Any]]:
    said = body.get("instructions")
    if not isinstance(said, str | None):
        raise Refusal("instructions: only a text is read here", param="instructions")
    return [{"role": "system", "content": said}] if said else []


def _items(given: Any) -> list[Any]:
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise Refusal("`input` must be a text or a list of items with at least one", param="input")
    return given


def _tool(tool: Any) -> Any:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        raise Refusal(f"tools: only functions are offered (got {tool!r:.80})", 400, "unsupported_parameter", "tools")
    return {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}


def _choice(choice: Any) -> Any:
    if isinstance(choice, dict) and choice.get("type") == "function":
        return {"type": "function", "function": {"name": choice.get("name")}}
    return choice


ORDER = ("reasoning_content", "content", "tool_calls")
"""In which order the items of one step come; what goes back in it begins a new step."""


def _messages(items: list[Any]) -> Iterator[dict[str, Any]]:
    """Items as messages: a thought, what was said and the calls after it are one step of the assistant."""
    step: dict[str, Any] = {}
    for place, item in enumerate(items):
        part = _part(item, place)
        if "role" in part:
            yield from _whole(step)
            yield part
            step = {}
        elif _goes_on(step, part):
            step.get("tool_calls", []).extend(part.get("tool_calls", ()))  # calls are all that both can have
            step = part | step
        else:
            yield from _whole(step)
            step = part
    yield from _whole(step)


def _goes_on(step: dict[str, Any], part: dict[str, Any]) -> bool:
    latest = max((ORDER.index(key) for key in step), default=-1)
    place = max(ORDER.index(key) for key in part)
    return place > latest or place == latest == ORDER.index("tool_calls")


def _whole(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if step:
        yield {"role": "assistant", "content": None, **step}


def _part(item: Any, place: int) -> dict[str, Any]:
    """A message, or what an item adds to a step of the assistant."""
    if not isinstance(item, dict):
        raise Refusal(f"input.{place}: is no object (got {item!r:.80})", param="input")
    kind = item.get("type") or "message"
    if kind == "message":
        said = item.get("content")
        return {"content": said} if item.get("role") == "assistant" else {"role": item.get("role"), "content": said}
    if kind == "function_call":
        function = {"name": item.get("name"), "arguments": item.get("arguments")}
        return {"tool_calls": [{"id": item.get("call_id"), "type": "function", "function": function}]}
    if kind == "function_call_output":
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")}
    if kind == "reasoning":
        parts = item.get("content") or item.get("summary") or []
        if not isinstance(parts, list):
            raise Refusal(f"input.{place}: its reasoning is {type(parts).__name__}, not a list of parts", param="input")
        return {"reasoning_content": "".join(str(p.get("text", "")) for p in parts if isinstance(p, dict))}
    raise Refusal(f"input.{place}: items of type {kind!r:.40} are not read here", param="input")


# --- the answer ----------------------------------------------------------------------------------------------------


class Response:
    """One answer to `/v1/responses`, whole or as events whose last holds the whole."""

    def __init__(self, model: str, asked: Asked) -> None:
        self._model, self._asked = model, asked
        self._id, self._made, self._number = _name("resp"), int(time.time()), 0
        self._output: list[dict[str, Any]] = []
        self._open: tuple[str, int] | None = None

    def whole(self, done: Done) -> dict[str, Any]:
        """The `response` object; a thought is a `reasoning` item, each call a `function_call` item."""
        return self._object("completed", [_item(said) for said in _said(done)], done)

    def events(self, item: Said | Done) -> Iterator[str]:
        """Server-sent events for what is new; each has a `sequence_number`."""
        if not self._number:
            yield self._event("response.created", response=self._object("in_progress", []))
            yield self._event("response.in_progress", response=self._object("in_progress", []))
        if isinstance(item, Done):
            yield from self._close()
            ended = "incomplete" if item.finish == "length" else "completed"
            yield self._event(f"response.{ended}", response=self._object("completed", self._output, item))
            return
        if (item.part, item.index) != self._open:
            yield from self._close()
            yield from self._begin(item)
        if item.text:
            yield self._grow(item)

    def failed(self, error: dict[str, Any]) -> str:
        """The event that ends a stream which broke."""
        said = error["error"]
        return self._event("error", code=said["code"], message=said["message"], param=said["param"])

    def _object(self, status: str, output: list[dict[str, Any]], done: Done | None = None) -> dict[str, Any]:
        cut = done is not None and done.finish == "length"
        asked = self._asked
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._made,
            "status": "incomplete" if cut else status,
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "error": None,
            "model": self._model,
            "output": output,
            "parallel_tool_calls": asked.parallel,
            "tool_choice": asked.choice,
            "tools": [{"type": "function", "strict": True, **tool.model_dump()} for tool in asked.conversation.tools],
            "store": False,
            "usage": _usage(done) if done else None,
            **({"garbled": done.garbled} if done and done.garbled else {}),
        }

    def _event(self, kind: str, **fields: Any) -> str:
        self._number += 1
        body = {"type": kind, "sequence_number": self._number - 1, **fields}
        return f"event: {kind}\ndata: {wire.encode(body)}\n\n"

    def _begin(self, said: Said) -> Iterator[str]:
        self._open = (said.part, said.index)
        item = _item(said._replace(text=""), "in_progress")
        self._output.append(item)
        yield self._event("response.output_item.added", output_index=len(self._output) - 1, item=item)
        if said.part == "text":
            yield self._event("response.content_part.added", **self._at(), part=_part_of(""), content_index=0)

    def _grow(self, said: Said) -> str:
        item = self._output[-1]
        if said.part == "call":
            item["arguments"] += said.text
            return self._event("response.function_call_arguments.delta", **self._at(), delta=said.text)
        item["content"][0]["text"] += said.text
        kind, more = ("reasoning_text", {}) if said.part == "thought" else ("output_text", {"logprobs": []})
        return self._event(f"response.{kind}.delta", **self._at(), content_index=0, delta=said.text, **more)

    def _close(self) -> Iterator[str]:
        if self._open is None:
            return
        item, part = self._output[-1], self._open[0]
        item["status"] = "completed"
        if part == "call":
            fields = {"name": item["name"], "arguments": item["arguments"]}
            yield self._event("response.function_call_arguments.done", **self._at(), **fields)
        else:
            text = item["content"][0]["text"]
            kind, more = ("reasoning_text", {}) if part == "thought" else ("output_text", {"logprobs": []})
            yield self._event(f"response.{kind}.done", **self._at(), content_index=0, text=text, **more)
        if part == "text":
            yield self._event("response.content_part.done", **self._at(), content_index=0, part=item["content"][0])
        yield self._event("response.output_item.done", output_index=len(self._output) - 1, item=item)
        self._open = None

    def _at(self) -> dict[str, Any]:
        return {"output_index": len(self._output) - 1, "item_id": self._output[-1]["id"]}


def _name(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex}"


def _part_of(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _item(said: Said, status: str = "completed") -> dict[str, Any]:
    """An output item: reasoning, a message or a function call."""
    if said.part == "thought":
        content = [{"type": "reasoning_text", "text": said.text}]
        return {"type": "reasoning", "id": _name("rs"), "status": status, "summary": [], "content": content}
    if said.part == "text":
        content = [_part_of(said.text)]
        return {"type": "message", "id": _name("msg"), "status": status, "role": "assistant", "content": content}
    head = {"type": "function_call", "id": _name("fc"), "status": status}
    return {**head, "call_id": said.id, "name": said.name, "arguments": said.text}


def _said(done: Done) -> Iterator[Said]:
    step = Assistant(text=done.step.raw) if isinstance(done.step, Garbled) else done.step
    if step.thought:
        yield Said("thought", step.thought)
    if step.text:
        yield Said("text", step.text)
    for index, call in enumerate(step.calls):
        yield Said("call", dumps(call.arguments), index, call.name, call.id)


def _usage(done: Done) -> dict[str, Any]:
    cost = done.usage
    counts = (cost.prompt, cost.cached, cost.written) if cost else (0, 0, 0)
    return {
        "input_tokens": counts[0],
        "input_tokens_details": {"cached_tokens": counts[1]},
        "output_tokens": counts[2],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": counts[0] + counts[2],
        **({} if cost else {"counted": False}),
    }
