r"""ReAct text, the one form our models read and write: thought, calls, observations and replies between role markers.

    <|im_start|>assistant
    <think>
    I know the area and the food, so I can search.
    </think>
    <tool_call>
    {"name": "find_restaurants", "arguments": {"area": "centre"}}
    </tool_call><|im_end|>

The layout is Hermes/Qwen's, so the stock parsers of vLLM, SGLang, llama.cpp and transformers read it; how it compares
with the classic `Thought: / Action:` lines is measured by `benchmarks/syntax.py` (numbers in docs/formats.md).
Rendering and parsing are inverse: in text every `<` that could open a tag or marker gets a backslash after it, in JSON
every `<` is `\u003c`, so no message can write a role marker, a thought or a call. Earlier thoughts are never dropped,
so each turn's text is a prefix of the next turn's.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError

from calm.conversation import (
    Assistant,
    Call,
    Conversation,
    Garbled,
    Message,
    Observation,
    Step,
    System,
    Tool,
    User,
    numbered,
    tool_from_wire,
)
from calm.errors import FormatError
from calm.files import dumps
from calm.format import Part, Span, text_of

THINK, UNTHINK, CALL, UNCALL = "<think>", "</think>", "<tool_call>", "</tool_call>"
TAGS = (THINK, UNTHINK, CALL, UNCALL)
"""The four tags; where a tokenizer has spare vocabulary entries each becomes one token (`hub.models`)."""

PROTECTED = re.compile(r"<(?=\\|\||/?(?:think|tool_call|tools)>)")
BAR, BARRED = re.compile(r"<(?=\\*\|)"), re.compile(r"<\\(?=\\*\|)")
"""In a Garbled only role markers are escaped, its tags stay as the model wrote them."""
TOOLS_HEAD = """# Tools

Call functions to look things up or to act; never make up what a function returns.
<tools>
"""
TOOLS_TAIL = """
</tools>

Think between <think> and </think>. Then answer the user, or call with:
<tool_call>
{"name": <name>, "arguments": <object>}
</tool_call>"""


class Markers(NamedTuple):
    """How a model family writes a turn: `open` role `mid` `gap` body `close` `after`; `bos` opens the conversation."""

    open: str
    mid: str
    gap: str
    close: str
    after: str
    bos: str = ""


CHATML = Markers("<|im_start|>", "", "\n", "<|im_end|>", "\n")
LLAMA3 = Markers("<|start_header_id|>", "<|end_header_id|>", "\n\n", "<|eot_id|>", "", "<|begin_of_text|>")


def escape(text: str) -> str:
    """Text in which no tag and no `<|` marker can be read; `unescape` gives it back, whatever it was."""
    return PROTECTED.sub(r"<\\", text)


def unescape(text: str) -> str:
    """Inverse of `escape`."""
    return text.replace("<\\", "<")


def compact(value: Any) -> str:
    """JSON in one line with every `<` as an escape, so that nothing inside it can close a block."""
    return dumps(value).replace("<", "\\u003c")


# --- writing -------------------------------------------------------------------------------------------------------


def render(conversation: Conversation, markers: Markers = CHATML) -> list[Span]:
    """The whole conversation as spans; spans of the model's own speech carry their part and message place."""
    spans = [Span(markers.bos, None, True)] if markers.bos else []
    messages, first = conversation.messages, 0
    if conversation.tools:
        lead = messages[0] if messages and isinstance(messages[0], System) else None
        spans += _turn("system", tools_block(conversation.tools, lead), markers)
        first = 1 if lead else 0
    for place, message in enumerate(messages[first:], first):
        spans += _message(message, place, markers)
    return spans


def prompt(conversation: Conversation, markers: Markers = CHATML) -> list[Span]:
    """What the model is given before its next step: the conversation and an opened assistant turn."""
    return [*render(conversation, markers), *_open("assistant", markers)]


def tools_block(tools: tuple[Tool, ...], lead: System | None = None) -> list[Span]:
    """The body of the system turn that lists the tools, one JSON object a line, after the instructions `lead`."""
    content = f"{escape(lead.content)}\n\n" if lead else ""
    listed = content + TOOLS_HEAD + "\n".join(compact(t.model_dump()) for t in tools)
    first, *rest = re.split("(" + "|".join(TAGS) + ")", TOOLS_TAIL)
    return [Span(listed + first), *(Span(piece, None, piece in TAGS) for piece in rest)]


def step_spans(step: Step, place: int = -1) -> list[Span]:
    """One assistant step without its markers."""
    if isinstance(step, Garbled):
        return [Span(BAR.sub(r"<\\", step.raw), None, False, place)]

    def piece(text: str, part: Part, control: bool = False) -> Span:
        return Span(text, part, control, place)

    spans: list[Span] = []
    if step.thought is not None:
        spans += [piece(THINK, "thought", True), piece(f"\n{escape(step.thought)}\n", "thought")]
        spans += [piece(UNTHINK, "thought", True)]
    if step.text is not None:
        spans.append(piece(("\n" if spans else "") + escape(step.text), "text"))
    for call in step.calls:
        body = compact({"name": call.name, "arguments": call.arguments})
        spans += [piece("\n", "call")] if spans else []
        spans += [piece(CALL, "call", True), piece(f"\n{body}\n", "call"), piece(UNCALL, "call", True)]
    return spans


def _message(message: Message, place: int, markers: Markers) -> list[Span]:
    if isinstance(message, Garbled):
        return _turn("assistant", step_spans(message, place), markers)
    if isinstance(message, Assistant):
        close = Span(markers.close, "end", True, place)
        return [*_open("assistant", markers), *step_spans(message, place), close, *_after(markers)]
    return _turn(message.role, [Span(escape(message.content))], markers)


def _turn(role: str, body: list[Span], markers: Markers) -> list[Span]:
    return [*_open(role, markers), *body, Span(markers.close, None, True), *_after(markers)]


def _open(role: str, markers: Markers) -> list[Span]:
    if not markers.mid:
        return [Span(markers.open, None, True), Span(role + markers.gap)]
    return [Span(markers.open, None, True), Span(role), Span(markers.mid, None, True), Span(markers.gap)]


def _after(markers: Markers) -> list[Span]:
    return [Span(markers.after)] if markers.after else []


def plain(turns: Iterable[tuple[str, str]], markers: Markers = CHATML) -> list[Span]:
    """Turns (role, text) exactly as they are, and an opened assistant turn: the prompts of other people's protocols."""
    spans = [Span(markers.bos, None, True)] if markers.bos else []
    for role, said in turns:
        spans += _turn(role, [Span(said)], markers)
    return [*spans, *_open("assistant", markers)]


# --- reading -------------------------------------------------------------------------------------------------------


def parse(text: str, markers: Markers = CHATML) -> Conversation:
    """The conversation that `render` wrote, ids counted from `call_0`; inverse for what a model or a person may say.

    Raises:
        FormatError: text outside a turn, an unknown role, an observation of no call, or a tools block that is not JSON.
    """
    tools: tuple[Tool, ...] = ()
    messages: list[Message] = []
    for place, (role, body) in enumerate(_turns(text, markers)):
        if role == "system" and place == 0:
            content, tools = _system(body)
            messages += [System(content=content)] if content is not None else []
        else:
            messages.append(_read(role, body))
    try:
        return Conversation(tools=tools, messages=tuple(numbered(messages)))
    except ValidationError as error:
        raise FormatError(_short(error)) from error


def parse_step(text: str) -> Step:
    """What the model wrote in one turn: an Assistant, or a Garbled that says why it cannot be one."""
    try:
        return _step(text)
    except FormatError as fault:
        raw = BARRED.sub("<", text)
        return Garbled(raw=raw, why=_fault(raw) or _fault(BAR.sub(r"<\\", raw)) or str(fault))


def _fault(text: str) -> str:
    """Why a text is no step, "" if it is one; asked of the raw text, so that a Garbled read again says the same."""
    try:
        _step(text)
    except FormatError as fault:
        return str(fault)
    return ""


def _step(text: str) -> Assistant:
    thought, rest = _thought(text)
    said, calls = _calls(rest, thought is not None)
    if thought is None and said is None and not calls:
        said = ""
    return Assistant(thought=thought, calls=calls, text=said)


def _turns(text: str, markers: Markers) -> Iterator[tuple[str, str]]:
    head, place = markers.mid + markers.gap, len(markers.bos) if text.startswith(markers.bos) else 0
    while place < len(text):
        begin, close = text.find(head, place), text.find(markers.close, place)
        if not text.startswith(markers.open, place) or not 0 <= begin < close:
            raise FormatError(
                f"character {place}: expected a turn {markers.open}role, got {text[place : place + 40]!r}"
            )
        yield text[place + len(markers.open) : begin], text[begin + len(head) : close]
        place = close + len(markers.close)
        if not text.startswith(markers.after, place):
            raise FormatError(f"character {place}: expected {markers.after!r}, got {text[place : place + 40]!r}")
        place += len(markers.after)


def _system(body: str) -> tuple[str | None, tuple[Tool, ...]]:
    start = body.find(TOOLS_HEAD)
    if start < 0 or not body.endswith(TOOLS_TAIL):
        return unescape(body), ()
    lines = body[start + len(TOOLS_HEAD) : -len(TOOLS_TAIL)].split("\n")
    try:
        tools = tuple(tool_from_wire(json.loads(line)) for line in lines)
    except (ValueError, AttributeError, RecursionError) as error:
        raise FormatError(f"the tools block is not one JSON object a line: {error}") from error
    return unescape(body[: start - 2]) if start else None, tools


def _read(role: str, body: str) -> Message:
    if role == "assistant":
        return parse_step(body)
    if role == "system":
        return System(content=unescape(body))
    if role == "user":
        return User(content=unescape(body))
    if role == "tool":
        return Observation(content=unescape(body))
    raise FormatError(f"a turn of unknown role {role!r}; known: system, user, assistant, tool")


def _thought(text: str) -> tuple[str | None, str]:
    if not text.lstrip().startswith(THINK):
        return None, text
    inside, found, rest = text.lstrip().removeprefix(THINK).partition(UNTHINK)
    if not found:
        raise FormatError("the thought is not closed")
    return unescape(inside.removeprefix("\n").removesuffix("\n")), rest


def _calls(text: str, after_thought: bool) -> tuple[str | None, tuple[Call, ...]]:
    said, *blocks = text.split(CALL)
    if any(tag in said for tag in TAGS):
        raise FormatError("a tag stands where none may")
    calls = tuple(_call(block, i) for i, block in enumerate(blocks))
    if after_thought and said:
        said = said.removeprefix("\n") if not calls else _between(said)
        return (said if said is None else unescape(said)), calls
    if calls and not after_thought and said:
        return unescape(said.removesuffix("\n")), calls
    return (unescape(said) if said else None), calls


def _between(said: str) -> str | None:
    """Text between a thought and the first call: a lone line break is no text."""
    return said.removeprefix("\n").removesuffix("\n") if said.count("\n") > 1 or said.strip() else None


def _call(block: str, place: int) -> Call:
    body, found, rest = block.partition(UNCALL)
    if not found:
        raise FormatError(f"call {place} is not closed")
    if any(tag in body for tag in TAGS) or rest.strip():
        raise FormatError(f"call {place}: a tag stands inside it or text after it")
    try:
        value = json.loads(body)
        return Call(name=value["name"], arguments=value["arguments"], id=f"call_{place}")
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        raise FormatError(f"call {place} is no {{name, arguments}} object: {_short(error)}") from error


def _short(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"{type(error).__name__}: {error}"[:120]


def text(conversation: Conversation, markers: Markers = CHATML) -> str:
    """The conversation as one string."""
    return text_of(render(conversation, markers))
