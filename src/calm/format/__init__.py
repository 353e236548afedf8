"""Formats: two inverse functions between a Conversation and the text or JSON that a model reads and writes.

`react` is the one text form our models speak; `chat` the tokenizer's own template; `openai` the wire; `paper` the
CoALM-IT rows; `calls` Python-call syntax and JSON lists. `tokens` turns spans into ids and the loss mask.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

Part = Literal["thought", "call", "text", "end"]
"""What a piece of an assistant turn is; `end` is the end-of-turn marker, supervised with any other part of its turn."""


class Span(NamedTuple):
    """A piece of rendered text: `part` says what of the model's own speech it is (None: not its speech).

    `control` marks role markers and tags that only a Format may write; they become single tokens where the tokenizer
    has them, and message text can never produce them.
    """

    text: str
    part: Part | None = None
    control: bool = False
    step: int = -1


def text_of(spans: Iterable[Span]) -> str:
    """The spans as one string."""
    return "".join(span.text for span in spans)
