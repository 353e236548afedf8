"""Holding a model to a grammar with llguidance: which tokens may come next, and which must (no model call)."""

import llguidance
import llguidance.torch
import torch
from torch import Tensor

from calm.errors import FormatError
from calm.format.tokens import Codec


class Constraint:
    """One grammar at a time over one tokenizer; the tokenizer's table is built once."""

    def __init__(self, codec: Codec) -> None:
        self.stop = codec.stop
        size = codec.tokenizer.get_vocab_size(with_added_tokens=True)
        self._tokenizer = llguidance.LLTokenizer(codec.tokenizer.to_str(), n_vocab=size, eos_token=codec.stop)
        self._mask = llguidance.torch.allocate_token_bitmask(1, size)
        self._bits = torch.arange(32, dtype=torch.int32)

    def begin(self, grammar: str) -> None:
        """Start a step.

        Raises:
            FormatError: the grammar cannot be built, usually because of a tool's schema.
        """
        self._matcher = llguidance.LLMatcher(self._tokenizer, grammar, log_level=0)
        if self._matcher.is_error():
            raise FormatError(f"the tools' schemas make no grammar: {self._matcher.get_error()[:300]}")

    def next(self, logits: Tensor) -> list[int]:
        """The best permitted token and all that the grammar forces after it; the stop token when the step is over."""
        llguidance.torch.fill_next_token_bitmask(self._matcher, self._mask, 0)
        allowed = (self._mask[0].unsqueeze(1) >> self._bits & 1).flatten()[: len(logits)].bool()
        token = int(logits.masked_fill(~allowed, -torch.inf).argmax())
        if token == self.stop:
            return [token]
        self._matcher.consume_token(token)
        forced = self._matcher.compute_ff_tokens()
        self._matcher.consume_tokens(forced)
        over = self._matcher.is_stopped()
        return [token, *forced, *([self.stop] if over and self.stop not in forced else [])]
