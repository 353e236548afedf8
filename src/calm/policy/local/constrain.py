"""Holding a model to a grammar with llguidance: which tokens may come next, and which must (no model call)."""

import llguidance
import llguidance.numpy
import numpy as np

from calm.errors import FormatError
from calm.format.tokens import Codec
from calm.policy.local.weights import Array


class Constraint:
    """One tokenizer's table, built once, and the step under way; `fresh` makes more steps over the same table."""

    def __init__(self, codec: Codec) -> None:
        self.stop = codec.stop
        size = codec.tokenizer.get_vocab_size(with_added_tokens=True)
        self._tokenizer = llguidance.LLTokenizer(codec.tokenizer.to_str(), n_vocab=size, eos_token=codec.stop)
        self._mask = llguidance.numpy.allocate_token_bitmask(1, size)

    def fresh(self) -> "Constraint":
        """Another constraint over the same table, for a step that is decoded at the same time."""
        other = object.__new__(Constraint)
        other.stop, other._tokenizer, other._mask = self.stop, self._tokenizer, self._mask.copy()
        return other

    def begin(self, grammar: str) -> None:
        """Start a step.

        Raises:
            FormatError: the grammar cannot be built, usually because of a tool's schema.
        """
        self._matcher = llguidance.LLMatcher(self._tokenizer, grammar, log_level=0)
        if self._matcher.is_error():
            raise FormatError(f"the tools' schemas make no grammar: {self._matcher.get_error()[:300]}")

    def next(self, logits: Array) -> list[int]:
        """The best permitted token and all that the grammar forces after it; the stop token when the step is over."""
        llguidance.numpy.fill_next_token_bitmask(self._matcher, self._mask, 0)
        bits = np.unpackbits(self._mask.view(np.uint8), bitorder="little")[: len(logits)]
        token = int(np.where(bits, logits[: len(bits)], -np.inf).argmax())
        if token == self.stop:
            return [token]
        self._matcher.consume_token(token)
        forced = self._matcher.compute_ff_tokens()
        self._matcher.consume_tokens(forced)
        over = self._matcher.is_stopped()
        return [token, *forced, *([self.stop] if over and self.stop not in forced else [])]
