"""Holding a model to a grammar with llguidance: which tokens may come next, and which must (no model call)."""

import re
from functools import cache
from typing import Any, Literal

import llguidance
import llguidance.numpy
import numpy as np

from calm.errors import FormatError
from calm.format.react import CALL, THINK, UNTHINK
from calm.format.tokens import Codec
from calm.policy.local.weights import Array

Place = Literal["thought", "reply"]


class Constraint:
    """One tokenizer's table, built once, and the step under way; `fresh` makes more steps over the same table."""

    def __init__(self, codec: Codec) -> None:
        self.codec, self.stop = codec, codec.stop
        self._starting = cache(self._tokens_like)
        size = codec.tokenizer.get_vocab_size(with_added_tokens=True)
        self._tokenizer = llguidance.LLTokenizer(codec.tokenizer.to_str(), n_vocab=size, eos_token=codec.stop)
        self._mask = llguidance.numpy.allocate_token_bitmask(1, size)

    def fresh(self) -> "Constraint":
        """Another constraint over the same table, for a step that is decoded at the same time."""
        other = object.__new__(Constraint)
        other.__dict__ = {**self.__dict__, "_mask": self._mask.copy()}
        return other

    def begin(self, grammar: str) -> None:
        """Start a step.

        Raises:
            FormatError: the grammar cannot be built, usually because of a tool's schema.
        """
        self._written: list[int] = []
        self._matcher = llguidance.LLMatcher(self._tokenizer, grammar, log_level=0)
        if self._matcher.is_error():
            raise FormatError(f"the tools' schemas make no grammar: {self._matcher.get_error()[:300]}")

    def next(self, logits: Array, ending: Place | None = None) -> list[int]:
        """The best permitted token and all that the grammar forces after it; the stop token when the step is over.

        With `ending` the best of those tokens that bring that place to its end.
        """
        token = self._best(logits) if ending is None else self._last(logits, ending)
        if token == self.stop:
            return [token]
        self._matcher.consume_token(token)
        forced = self._matcher.compute_ff_tokens()
        self._matcher.consume_tokens(forced)
        self._written += [token, *forced]
        over = self._matcher.is_stopped()
        return [token, *forced, *([self.stop] if over and self.stop not in forced else [])]

    @property
    def complete(self) -> bool:
        """Whether what is written is a whole step."""
        return self._matcher.is_accepting()

    def _best(self, logits: Array) -> int:
        """The model's own choice where it is permitted, which is far cheaper to ask than what else would be."""
        token = int(logits.argmax())
        allowed = self._matcher.is_accepting() if token == self.stop else self._matcher.validate_tokens([token])
        if allowed and not (token in self._starting(".*<") and self._in_string()):
            return token
        return int(np.where(self._allowed(len(logits)), logits, -np.inf).argmax())

    def _last(self, logits: Array, ending: Place) -> int:
        if self.complete:
            return self.stop
        allowed = self._allowed(len(logits))
        ids = self._starting("<")  # what ends a thought
        if ending == "thought" and len(ids := ids[allowed[ids]]):
            return int(ids[logits[ids].argmax()])
        return int(np.where(allowed, logits, -np.inf).argmax())

    def place(self, left: int) -> Place | None:
        """What of the step must come to its end now that `left` more tokens may be written.

        A thought gets half of them all, a reply is ended with its last token. A call never is: its values would be cut.
        """
        most = len(self._written) + left
        if 2 * left > most:
            return None
        text = self.codec.text(self._written)
        thought, _, rest = text.rpartition(UNTHINK)
        if not thought and text.startswith(THINK):
            return "thought"
        calling = rest.lstrip().startswith(CALL)
        return "reply" if left <= 4 and not calling else None  # a character may be of four tokens

    def _in_string(self) -> bool:
        """Whether the step stands within a string of a call's JSON."""
        _, call, body = self.codec.text(self._written).rpartition(CALL)
        return bool(call) and re.sub(r"\\.", "", body).count('"') % 2 == 1

    def _allowed(self, size: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        llguidance.numpy.fill_next_token_bitmask(self._matcher, self._mask, 0)
        found = np.zeros(size, np.bool_)  # a model may have more rows than its tokenizer has tokens
        bits = np.unpackbits(self._mask.view(np.uint8), bitorder="little")[:size]
        found[: len(bits)] = bits
        tagged = self._starting(".*<")  # the format writes `<` in JSON as an escape, so that no value can hold a tag
        if self._in_string() and found.sum() > found[tagged].sum():
            found[tagged] = False
        return found

    def _tokens_like(self, beginning: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        vocabulary = self.codec.tokenizer.get_vocab(with_added_tokens=False)
        return np.array(sorted(i for token, i in vocabulary.items() if re.match(beginning, token)), np.int64)
