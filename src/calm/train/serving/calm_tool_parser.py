r"""Tool calls and thoughts of a calm model for vLLM: its `--tool-parser-plugin` and its `--reasoning-parser-plugin`.

    <think>
    I know the area and the food, so I can search.
    </think>
    <tool_call>
    {"name": "find_restaurants", "arguments": {"area": "centre"}}
    </tool_call>

`calm export MODEL --to vllm` writes this file beside a `serve.sh` that names it. `read` and `Stream` are the whole
parser and need nothing but Python; the classes below them, which exist only where vLLM is installed, translate.

- A call is sent when it is whole and readable, never before: what is sent cannot be taken back.
- From the first thing that is no such step (a stray tag, broken JSON, text after a call) everything is text, verbatim.
- The model writes a backslash after a `<` that would otherwise open a tag; it is taken out again.
- `tool_choice` "required" or a named tool is not enforced: vLLM's own constraint writes another format.
- A JSON schema (`response_format`) holds from the end of the thought on, so it holds nothing in a step without one.
"""

import json
import re
from importlib.util import find_spec
from typing import Any, NamedTuple
from uuid import uuid4

WRITTEN_FOR = "the parser interface of vLLM's main branch in 2026 (ToolParser, ReasoningParser, Parser.parse_delta)"
"""vLLM moves; where a later one lacks a name that is imported below, the error says so with these words."""

THINK, UNTHINK, CALL, UNCALL = "<think>", "</think>", "<tool_call>", "</tool_call>"
TAGS = (THINK, UNTHINK, CALL, UNCALL)
TAG = re.compile("|".join(TAGS))
ENDS = ("<|im_end|>", "<|eot_id|>")
"""Tokens that end a turn, of ChatML and of Llama 3."""


class Heard(NamedTuple):
    """A step as far as it is certain: the thought, the reply, calls as (name, arguments in JSON), and if it broke off.

    `fault` says that the step is unreadable from some place on; that rest stands in `text`.
    """

    thought: str | None = None
    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    fault: bool = False


def read(text: str, done: bool = True) -> Heard:
    """A step, or the part of it that nothing later can change while it is not `done`.

    Grows with the text: what is heard of a beginning is a beginning of what is heard of the whole.
    """
    thought, rest = split(text, done)
    if rest is None:
        return Heard(thought, fault=done)
    return _after(rest, thought, done)


def split(text: str, done: bool = True) -> tuple[str | None, str | None]:
    """The thought and, raw, what follows it: None while the thought is open, or while there may yet be one."""
    lead = text.lstrip()
    if not lead.startswith(THINK):
        return None, None if not done and THINK.startswith(lead) else text
    inside, closed, rest = lead[len(THINK) :].partition(UNTHINK)
    inside = inside.removeprefix("\n")
    if closed:
        return _plain(inside.removesuffix("\n")), rest
    return _plain(inside if done else _certain(inside)), None


class Stream:
    """A step that is still being written, heard piece by piece."""

    def __init__(self) -> None:
        self.sent = Heard()

    def upto(self, text: str, done: bool = False) -> Heard:
        """What the text so far says beyond what the last call has given."""
        old, new = self.sent, read(text, done)
        self.sent = new
        thought = (new.thought or "")[len(old.thought or "") :] or None
        return Heard(thought, new.text[len(old.text) :], new.calls[len(old.calls) :], new.fault)


def _after(rest: str, thought: str | None, done: bool) -> Heard:
    """The reply and the calls; between a thought and what follows it stands one line break."""
    tag = TAG.search(rest)
    if tag is None:
        return Heard(thought, _reply(rest, thought is not None, done))
    said = rest[: tag.start()]
    calls, place = _calls(rest, tag.start(), done)
    opening = said if thought is None else said.removeprefix("\n")
    reply = "" if thought is not None and _blank(said) else _plain(opening.removesuffix("\n"))
    if place is None:
        return Heard(thought, reply, calls)
    return Heard(thought, (reply if calls else _plain(opening)) + rest[place:], calls, True)


def _calls(rest: str, place: int, done: bool) -> tuple[tuple[tuple[str, str], ...], int | None]:
    """The readable calls from `place` on, and where the step stops being readable, if it does."""
    calls: list[tuple[str, str]] = []
    while lead := rest[place:].lstrip():
        if not lead.startswith(CALL):
            return tuple(calls), None if not done and CALL.startswith(lead) else place
        body, closed, after = lead[len(CALL) :].partition(UNCALL)
        if not closed and not done:
            break
        call = _call(body) if closed else None
        if call is None:
            return tuple(calls), place
        calls.append(call)
        place = len(rest) - len(after)
    return tuple(calls), None


def _call(body: str) -> tuple[str, str] | None:
    try:
        value = json.loads(body)
        name, arguments = value["name"], value["arguments"]
        written = json.dumps(arguments, ensure_ascii=False, allow_nan=False)
        written = written.encode(errors="backslashreplace").decode()  # half a surrogate pair as JSON escapes it
        f"{name}".encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    sound = isinstance(name, str) and isinstance(arguments, dict) and not TAG.search(body)
    return (name, written) if sound else None


def _reply(rest: str, after_thought: bool, done: bool) -> str:
    said = rest.removeprefix("\n") if after_thought else rest
    if done:
        return _plain(said)
    certain = _certain(said)
    return "" if after_thought and not certain.strip() else _plain(certain)


def _certain(text: str) -> str:
    """Without what may yet become a tag, and without a line break that may belong to it."""
    held = next((n for n in range(len(UNCALL) - 1, 0, -1) if any(t.startswith(text[-n:]) for t in TAGS)), 0)
    return text[: len(text) - min(held, len(text))].removesuffix("\n")


def _blank(said: str) -> bool:
    """Whether what stands between a thought and a call is no text: a lone line break at most."""
    return not said.strip() and said.count("\n") <= 1


def _plain(text: str) -> str:
    return text.replace("<\\", "<")


# --- vLLM ----------------------------------------------------------------------------------------------------------

if find_spec("vllm") is not None:
    try:
        from vllm.reasoning.abs_reasoning_parsers import ReasoningParser, ReasoningParserManager  # ty: ignore[import-not-found]
        from vllm.tool_parsers.abstract_tool_parser import ToolParser, ToolParserManager  # ty: ignore[import-not-found]

        try:
            from vllm.entrypoints.generate.base import protocol  # ty: ignore[import-not-found]
        except ImportError:  # before it moved, in the first half of 2026
            from vllm.entrypoints.openai.engine import protocol  # ty: ignore[import-not-found]
    except ImportError as error:
        raise ImportError(f"calm_tool_parser.py was written for {WRITTEN_FOR}; here: {error}") from error

    class CalmToolParser(ToolParser):
        """Calls and reply; one object hears one stream."""

        supports_required_and_named = False

        def __init__(self, tokenizer: Any, tools: Any = None) -> None:
            super().__init__(tokenizer, tools)
            self.stream = Stream()
            self.ends = {self.vocab[end] for end in ENDS if end in self.vocab}

        def adjust_request(self, request: Any) -> Any:
            """Keep the tags, which a tokenizer may call special, in the text that is parsed."""
            request.skip_special_tokens = False
            return request

        def extract_tool_calls(self, model_output: str, request: Any) -> Any:
            """A whole step; a thought, which has no place in the answer, is left to `CalmReasoningParser`."""
            heard = read(model_output)
            calls = [
                protocol.ToolCall(id=_id(), function=protocol.FunctionCall(name=name, arguments=arguments))
                for name, arguments in heard.calls
            ]
            return protocol.ExtractedToolCallInformation(
                tools_called=bool(calls), tool_calls=calls, content=heard.text or None
            )

        def extract_tool_calls_streaming(  # noqa: PLR0913  # vLLM's signature
            self,
            previous_text: str,
            current_text: str,
            delta_text: str,
            previous_token_ids: Any,
            current_token_ids: Any,
            delta_token_ids: Any,
            request: Any,
        ) -> Any:
            """What the step says beyond what was sent; the last piece is known by the token that ends a turn."""
            new = self.stream.upto(current_text, not self.ends.isdisjoint(delta_token_ids))
            if not (new.thought or new.text or new.calls):
                return None
            calls = [self._sent(name, arguments) for name, arguments in new.calls]
            return protocol.DeltaMessage(reasoning=new.thought, content=new.text or None, tool_calls=calls)

        def _sent(self, name: str, arguments: str) -> Any:
            """A call as one delta, entered where vLLM looks for what is still to be sent."""
            self.prev_tool_call_arr.append({"name": name, "arguments": arguments})
            self.streamed_args_for_tool.append(arguments)
            self.current_tool_id += 1
            function = protocol.DeltaFunctionCall(name=name, arguments=arguments)
            return protocol.DeltaToolCall(index=self.current_tool_id, id=_id(), type="function", function=function)

    class CalmReasoningParser(ReasoningParser):
        """The thought; what follows is handed on raw, since only the tool parser may take its backslashes out."""

        def __init__(self, tokenizer: Any, *args: Any, **kwargs: Any) -> None:
            super().__init__(tokenizer, *args, **kwargs)
            self.heard: str | None = None
            self.ended = False

        def adjust_request(self, request: Any) -> Any:
            """Keep the tags in the text."""
            request.skip_special_tokens = False
            return request

        def extract_reasoning(self, model_output: str, request: Any) -> tuple[str | None, str | None]:
            """A whole step."""
            thought, rest = split(model_output)
            return thought, _rest(thought, rest) or None

        def extract_reasoning_streaming(
            self,
            previous_text: str,
            current_text: str,
            delta_text: str,
            previous_token_ids: Any,
            current_token_ids: Any,
            delta_token_ids: Any,
        ) -> Any:
            """The thought as it grows, and in the piece that ends it what already follows."""
            sent = self.heard or ""
            thought, rest = split(current_text, done=False)
            self.heard = thought or ""
            self.ended = bool(rest)
            new, content = self.heard[len(sent) :], _rest(thought, rest)
            if not new and not content:
                return None
            return protocol.DeltaMessage(reasoning=new or None, content=content or None)

        def is_reasoning_end(self, input_ids: Any) -> bool:
            """Asked of the prompt, which never holds the thought of the step to come."""
            return False

        def is_reasoning_end_streaming(self, input_ids: Any, delta_ids: Any) -> bool:
            """By the text where it is heard here; by the closing tag's token where vLLM asks of ids alone."""
            return self.ended if self.heard is not None else self.vocab.get(UNTHINK) in delta_ids

        def extract_content_ids(self, input_ids: Any) -> list[int]:
            """The ids after the thought, as far as its end is one token."""
            ids, end = list(input_ids), self.vocab.get(UNTHINK)
            return ids[ids.index(end) + 1 :] if end in ids else ids

    def _rest(thought: str | None, rest: str | None) -> str:
        return (rest or "").removeprefix("\n") if thought is not None else rest or ""

    def _id() -> str:
        return f"call_{uuid4().hex}"

    ToolParserManager.register_module("calm", module=CalmToolParser)
    ReasoningParserManager.register_module("calm", module=CalmReasoningParser)
