"""From spans to token ids and the loss mask, and back: the one place where training and serving meet a tokenizer.

Control spans become their single token where the vocabulary has one; everything else is encoded with special tokens
switched off, so text in a message can never become a marker. Spans are encoded piece by piece between changes of part,
so the ids of a prompt are a prefix of the ids of everything that continues it. Half of a surrogate pair, which JSON can
spell and no tokenizer can take, is read as U+FFFD here and stays what it is in the conversation.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from calm.conversation import Conversation, Step
from calm.errors import FormatError, MissingExtra, ModelError
from calm.format import Part, Span, react
from calm.format.react import CHATML, LLAMA3, Markers

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ALL_PARTS: tuple[Part, ...] = ("thought", "call", "text")
_HALVES = re.compile("[\ud800-\udfff]")


def characters(text: str) -> str:
    """Text as a model can be given it: two halves of a surrogate pair are one character, a lone one is U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if _HALVES.search(text) else text


class Encoded(NamedTuple):
    """Token ids and, of the same length, whether each is trained on."""

    ids: list[int]
    learn: list[bool]


class Codec:
    """A tokenizer seen through the ReAct format: prompts, training rows, and the reading of what a model generated."""

    def __init__(self, tokenizer: "Tokenizer") -> None:
        tokenizer.encode_special_tokens = True
        self.tokenizer = tokenizer
        self.markers: Markers = LLAMA3 if tokenizer.token_to_id(LLAMA3.open) is not None else CHATML
        self.stop: int = self._stop()

    @classmethod
    def load(cls, folder: Path) -> "Codec":
        """The codec of a model folder.

        Raises:
            MissingExtra: `tokenizers` is not installed.
            ModelError: the folder holds no readable `tokenizer.json`.
        """
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingExtra("reading a tokenizer", "local", "tokenizers") from error
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise ModelError(f"{folder}: has no tokenizer.json; save the tokenizer of the model there (fast format)")
        try:
            return cls(Tokenizer.from_file(str(path)))
        except Exception as error:  # the Rust side raises plain Exception
            raise ModelError(f"{path}: cannot be read: {error}") from error

    def _stop(self) -> int:
        token = self.tokenizer.token_to_id(self.markers.close)
        if token is None:
            raise ModelError(
                f"the tokenizer has neither {CHATML.close} nor {LLAMA3.close}: it cannot mark the end of a turn"
            )
        return token

    def encode(
        self, spans: Iterable[Span], parts: Sequence[Part] = ALL_PARTS, steps: Sequence[int] | None = None
    ) -> Encoded:
        """Ids and mask of spans; learned are the named parts (and the end) of the messages `steps` (None: all)."""
        ids: list[int] = []
        learn: list[bool] = []
        for (part, step, control), run in groupby(spans, key=lambda s: (s.part, s.step, s.control)):
            texts = [span.text for span in run]
            piece = [i for text in texts for i in self._control(text)] if control else self._text("".join(texts))
            wanted = part is not None and (part == "end" or part in parts) and (steps is None or step in steps)
            ids += piece
            learn += [wanted] * len(piece)
        return Encoded(ids, learn)

    def row(self, conversation: Conversation, parts: Sequence[Part] = ALL_PARTS, last_only: bool = False) -> Encoded:
        """A training row.

        Raises:
            FormatError: nothing in it would be trained on, which is always a mistake.
        """
        steps = conversation.steps[-1:] if last_only else None
        row = self.encode(react.render(conversation, self.markers), parts, steps)
        if not any(row.learn):
            raise FormatError(
                f"conversation {conversation.id!r}: no token would be trained on; it has no assistant step"
            )
        return row

    def prompt(self, conversation: Conversation) -> list[int]:
        """Ids of what the model is given before its next step."""
        return self.encode(react.prompt(conversation, self.markers)).ids

    def text(self, ids: Sequence[int]) -> str:
        """Generated ids as text, tags included, the stop token and what follows left out."""
        ids = list(ids)
        if self.stop in ids:
            ids = ids[: ids.index(self.stop)]
        return self.tokenizer.decode(ids, skip_special_tokens=False)

    def read(self, ids: Sequence[int]) -> Step:
        """The step that generated ids say."""
        return react.parse_step(self.text(ids))

    def _control(self, text: str) -> list[int]:
        token = self.tokenizer.token_to_id(text)
        return self._text(text) if token is None else [token]

    def _text(self, text: str) -> list[int]:
        return self.tokenizer.encode(characters(text), add_special_tokens=False).ids if text else []
