"""Reading ReAct text while it grows, for whoever shows a step before it is whole."""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from calm.conversation import Garbled, Step
from calm.files import dumps
from calm.format.react import CALL, TAGS, THINK, unescape

Written = Literal["thought", "text", "call"]
"""Which part of a step is being written."""

_TAGGED = re.compile(f"({'|'.join(TAGS)})")
_OPENS: dict[str, Written] = {THINK: "thought", CALL: "call"}


class Piece(NamedTuple):
    """The next words of one part of a step; of a call they are JSON."""

    part: Written
    text: str


def pieces(step: Step) -> Iterator[Piece]:
    """A whole step as if it had been written piece by piece, one a part; nothing of a Garbled."""
    if isinstance(step, Garbled):
        return
    if step.thought:
        yield Piece("thought", step.thought)
    if step.text:
        yield Piece("text", step.text)
    for call in step.calls:
        yield Piece("call", dumps({"name": call.name, "arguments": call.arguments}))


class Reader:
    """Reads ReAct text that grows: each time what is new, by part, and never half a tag, an escape or a character."""

    def __init__(self) -> None:
        self._said: list[int] = []

    def read(self, text: str, whole: bool = False) -> Iterator[Piece]:
        """What `text` holds beyond what it held last time; `whole` says that no more will come."""
        for place, (part, found) in enumerate(_parts(text if whole else _sure(text))):
            self._said += [0] * (place + 1 - len(self._said))
            if new := found[self._said[place] :]:
                self._said[place] = len(found)
                yield Piece(part, new)


def _parts(text: str) -> Iterator[tuple[Written, str]]:
    part: Written = "text"
    for place, piece in enumerate(_TAGGED.split(text)):
        if place % 2:
            part = _OPENS.get(piece, "text")
        else:
            yield part, unescape(piece.strip("\n"))


def _sure(text: str) -> str:
    """Text without an end that may become something else: a character cut in the middle, a tag, an escape."""
    text = text.rstrip("\ufffd")
    begun = text.rfind("<")
    tail = text[begun:] if begun >= 0 else ""
    return text[:begun] if tail and any(tag.startswith(tail) for tag in TAGS) else text
