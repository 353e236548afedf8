"""A step as a chat completion: whole, or as the chunks of a stream that add up to the same."""

from collections.abc import Iterator
from typing import Any

from calm.conversation import Assistant
from calm.format import openai
from calm.serve.deltas import Done, Said
from calm.serve.wire import encode, usage

END = "data: [DONE]\n\n"


class Completion:
    """One answer to `/v1/chat/completions`; `counted` ends the stream with a chunk of usage."""

    def __init__(self, model: str, counted: bool) -> None:
        self._model, self._counted, self._begun = model, counted, False
        self._head: dict[str, Any] = {}

    def whole(self, done: Done) -> dict[str, Any]:
        """The `chat.completion` object; a thought is both `reasoning` (vLLM) and `reasoning_content` (older)."""
        answer = openai.response(done.step, self._model, usage(done.usage))
        choice = answer["choices"][0]
        choice["finish_reason"] = done.finish
        choice["message"] |= _thought(choice["message"].get("reasoning_content"))
        choice["message"] |= {"garbled": done.garbled} if done.garbled else {}
        return answer

    def events(self, item: Said | Done) -> Iterator[str]:
        """Server-sent events for what is new: role, thought, text, calls, finish, usage where asked for, [DONE]."""
        if not self._begun:
            self._begin()
            yield self._delta({"role": "assistant"})
        if isinstance(item, Said):
            yield self._delta(_said(item))
            return
        if item.garbled:
            yield self._delta({"garbled": item.garbled})
        yield self._delta({}, item.finish)
        if self._counted:
            yield f"data: {encode({**self._head, 'choices': [], 'usage': usage(item.usage)})}\n\n"
        yield END

    def failed(self, error: dict[str, Any]) -> str:
        """The event that ends a stream which broke; there is no [DONE] after it."""
        return f"data: {encode(error)}\n\n"

    def _begin(self) -> None:
        empty = openai.response(Assistant(text=""), self._model)
        self._head = {key: empty[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
        self._head |= {"usage": None} if self._counted else {}
        self._begun = True

    def _delta(self, delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return f"data: {encode({**self._head, 'choices': [choice]})}\n\n"


def _said(said: Said) -> dict[str, Any]:
    if said.part == "thought":
        return _thought(said.text)
    if said.part == "text":
        return {"content": said.text}
    named = {"id": said.id, "type": "function"} if said.name else {}
    function = {"name": said.name, "arguments": ""} if said.name else {"arguments": said.text}
    return {"tool_calls": [{"index": said.index, **named, "function": function}]}


def _thought(text: str | None) -> dict[str, str]:
    return {} if text is None else {"reasoning": text, "reasoning_content": text}
