r"""What CoALM-IT rows are made of: labelled lines (`User: `, `Action: `, ...), `[BEGIN OF X]` blocks, and an escape.

A line of a text that starts like a label gets a backslash before it, and so does, after its bracket, whatever opens or
closes a block: `Action: f()` said by a user is written `\Action: f()`, `[END OF QUERY]` is written `[\END OF QUERY]`.
Backslashes already there are counted, so reading gives every text back as it was.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from calm.conversation import Assistant, Message, Observation, User
from calm.errors import FormatError
from calm.format import calls

_LABEL = "(?:User|Thought|Action|Observation|System): "
_LINE = re.compile(rf"^{_LABEL}", re.MULTILINE)
_FORGED_LINE, _ESCAPED_LINE = (re.compile(rf"^{first}(?=\\*{_LABEL})", re.MULTILINE) for first in ("", r"\\"))
_FORGED_BLOCK, _ESCAPED_BLOCK = (re.compile(rf"\[{first}(?=\\*(?:BEGIN|END) OF )") for first in ("", r"\\"))


def guard(text: str) -> str:
    """Text that opens and closes no block; `unguard` gives it back."""
    return _FORGED_BLOCK.sub(r"[\\", text)


def unguard(text: str) -> str:
    """Inverse of `guard`."""
    return _ESCAPED_BLOCK.sub("[", text)


def escape(text: str) -> str:
    """Text in which no line has a label and no block begins or ends; `unescape` gives it back."""
    return guard(_FORGED_LINE.sub(r"\\", text))


def unescape(text: str) -> str:
    """Inverse of `escape`."""
    return _ESCAPED_LINE.sub("", unguard(text))


def block(name: str, body: str) -> str:
    """`body`, guarded already, between the marks of a block."""
    return f"[BEGIN OF {name}]\n{body}\n[END OF {name}]"


def read_block(text: str, name: str) -> str:
    """The body of the named block, still guarded.

    Raises:
        FormatError: the block is not there or not closed.
    """
    _, begun, rest = text.partition(f"[BEGIN OF {name}]\n")
    body, ended, _ = rest.partition(f"\n[END OF {name}]")
    if not (begun and ended):
        raise FormatError(f"row: no block [BEGIN OF {name}] ... [END OF {name}] in {text[:60]!r}")
    return body


# --- labelled lines ------------------------------------------------------------------------------------------------


def lines(messages: Iterable[Message]) -> str:
    """Messages as labelled lines; a step is its thought, then its calls (`Action`) or its reply (`System`).

    Raises:
        FormatError: a message that lines cannot say; says what it is.
    """
    return "\n".join(line for message in messages for line in _lines(message))


def _lines(message: Message) -> Iterator[str]:
    if isinstance(message, User):
        yield f"User: {escape(message.content)}"
    elif isinstance(message, Observation):
        yield f"Observation: {escape(message.content)}"
    elif isinstance(message, Assistant):
        yield from thought(message)
        yield said(message)
    else:
        raise FormatError(f"paper row: no line can hold a {message.role} message")


def thought(step: Assistant) -> list[str]:
    """The line of a step's thought, if it has one."""
    return [] if step.thought is None else [f"Thought: {escape(step.thought)}"]


def said(step: Assistant) -> str:
    """The line of what a step does: `Action: f(a=1)` or `System: ...`."""
    if step.calls and step.text is None:
        return f"Action: {calls.render_python(step.calls)[1:-1]}"
    if step.text is not None and not step.calls:
        return f"System: {escape(step.text)}"
    raise FormatError("paper row: a step must be calls or a reply, and not both; split it first")


def read_lines(text: str) -> list[Message]:
    """Inverse of `lines`, with call ids left at their default.

    Raises:
        FormatError: text before the first label, a thought that leads to nothing, or an Action that is no call.
    """
    entries = list(_entries(text))
    return list(_messages(entries))


def _entries(text: str) -> Iterator[tuple[str, str]]:
    starts = [found.start() for found in _LINE.finditer(text)]
    if text and starts[:1] != [0]:
        raise FormatError(f"row: expected a line with a label, got {text[:60]!r}")
    for start, end in zip(starts, [*(start - 1 for start in starts[1:]), len(text)], strict=False):
        label, _, content = text[start:end].partition(": ")
        yield label, content


def _messages(entries: Sequence[tuple[str, str]]) -> Iterator[Message]:
    mind: str | None = None
    for label, content in entries:
        if mind is not None and label not in ("Action", "System"):
            raise FormatError(f"row: a thought leads to {label} and not to Action or System: {mind[:60]!r}")
        if label == "Action":
            yield Assistant(thought=mind, calls=calls.parse_python(f"[{content}]"))
        elif label == "System":
            yield Assistant(thought=mind, text=unescape(content))
        elif label == "User":
            yield User(content=unescape(content))
        elif label == "Observation":
            yield Observation(content=unescape(content))
        mind = unescape(content) if label == "Thought" else None
    if mind is not None:
        raise FormatError(f"row: a thought leads to nothing: {mind[:60]!r}")
