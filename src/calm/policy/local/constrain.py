"""Holding a model to a grammar with llguidance: which tokens may come next, and which must (no model call).

The grammar reads `<` in a string of a call and what is written is its escape, as `format/react.py` renders it: so a
value may hold any `<`, also where a tool's own enum has a tag in it, and none can open or close a block.
"""

import json
import math
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import llguidance
import llguidance.numpy
import numpy as np
from numpy.typing import NDArray

from calm.conversation import Assistant
from calm.errors import FormatError
from calm.files import dumps
from calm.format import Span
from calm.format.grammar import LESS
from calm.format.react import CALL, THINK, UNCALL, UNTHINK
from calm.format.tokens import Codec, characters
from calm.policy.local.grounded import Spans
from calm.policy.local.weights import Array

Place = Literal["thought", "reply"]
_ESCAPING = re.compile(r"\\u003c?$")
"""The end of a text that is about to be, or just became, the escape of `<`: a grammar's strings have no such escape."""
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_LONG = re.compile(r"(?:[0-9]{20}|[eE][+-]?[0-9]{3})$")
"""The end of a number that is as long as any need be: 2**64 - 1 and the decimals of 0.00012345678901234567 have 20."""
_POWER, _DIGITS = re.compile(r"[0-9.]+[eE]\+?[0-9]*$"), re.compile("[0-9]+")
"""The end of a number whose next digit may make it larger than any 64-bit one: no JSON value, and no call."""
_FAR = 1e4
"""More than logits differ by, and so little that float32 keeps their order."""


class Table:
    """A tokenizer as llguidance sees it, and the tokens that have `<` in them."""

    def __init__(self, codec: Codec) -> None:
        self.size = codec.tokenizer.get_vocab_size(with_added_tokens=True)
        self.tokenizer = llguidance.LLTokenizer(_unmarked(codec), n_vocab=self.size, eos_token=codec.stop)
        self.texts = [self.tokenizer.decode_bytes([i]).decode("utf-8", "replace") for i in range(self.size)]
        tagged = [i for i, text in enumerate(self.texts) if "<" in text]
        self.tagged = frozenset(tagged)
        self.starting = np.array([i for i in tagged if self.texts[i].startswith("<")], np.int64)
        self.torn = np.array([i for i in tagged if "\ufffd" in self.texts[i]], np.int64)
        """Half a character beside a `<`: nobody needs them, and they could not be written as an escape."""
        self.digits = np.array([i for i, text in enumerate(self.texts) if text[:1] in set("0123456789")], np.int64)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Tokens by their text; what is half a character cannot be found."""
        return {text: i for i, text in enumerate(self.texts) if "\ufffd" not in text}


def _unmarked(codec: Codec) -> str:
    """The tokenizer with its markers renamed: where an enum spells one, llguidance would force it, and then fail."""
    added = codec.tokenizer.get_added_tokens_decoder().items()
    names = {dumps(token.content): f'"\ufdd0{i}"' for i, token in added if token.special}
    return _STRING.sub(lambda name: names.get(name[0], name[0]), codec.tokenizer.to_str())


class Constraint:
    """One tokenizer's table, built once, and the step under way; `fresh` makes more steps over the same table."""

    def __init__(self, codec: Codec) -> None:
        self.codec, self.stop = codec, codec.stop
        self.table = Table(codec)
        self._mask = llguidance.numpy.allocate_token_bitmask(1, self.table.size)

    def fresh(self) -> "Constraint":
        """Another constraint over the same table, for a step that is decoded at the same time."""
        other = object.__new__(Constraint)
        other.__dict__ = {**self.__dict__, "_mask": self._mask.copy()}
        return other

    def begin(self, grammar: str, spans: Spans | None = None) -> None:
        """Start a step; values of its calls lean towards `spans`.

        Raises:
            FormatError: the grammar cannot be built, usually because of a tool's schema.
        """
        self._written: list[int] = []
        self._matched: list[int] = []
        self._spans = spans
        self._matcher = llguidance.LLMatcher(self.table.tokenizer, characters(grammar), log_level=0)
        if self._matcher.is_error():
            raise FormatError(f"the tools' schemas make no grammar: {self._matcher.get_error()[:300]}")

    def next(self, logits: Array, ending: Place | None = None) -> list[int]:
        """The best permitted token and all that the grammar forces after it; the stop token when the step is over.

        With `ending` the best of those tokens that bring that place to its end.
        """
        if self._spans and self._spans.weight:
            logits = self._spans.lift(logits, self._body(self._written), self.table.ids)
        if len(surplus := self._surplus()):
            logits = logits.copy()
            logits[surplus] -= _FAR  # and not infinity: an enum may hold a longer number
        said = self._escape(int(logits.argmax())) if ending is None else None
        if not said:
            token = self._best(logits) if ending is None else self._last(logits, ending)
            if token == self.stop:
                return [token]
            said = self._consume([token])
        forced = self._matcher.compute_ff_tokens()
        said += self._consume(forced)
        over = self._matcher.is_stopped()
        return [*said, *([self.stop] if over and self.stop not in forced else [])]

    def _surplus(self) -> NDArray[np.int64]:
        """Digits too many for the number of a call that is being written: of a long one all, else those to infinity."""
        none, end = self.table.digits[:0], "".join(self.table.texts[i] for i in self._written[-20:])
        if not (_LONG.search(end) or _POWER.search(end)):
            return none  # which is nearly always, and cheap to know
        body = self._body(self._written)
        if quoted(body) or not (number := _LONG.search(body) or _POWER.search(body)):
            return none
        if number.re is _LONG:
            return self.table.digits
        more = ((i, _DIGITS.match(self.table.texts[i])) for i in self.table.digits)
        return np.array([i for i, d in more if d and math.isinf(float(number[0] + d[0]))], np.int64)

    def _consume(self, tokens: Sequence[int]) -> list[int]:
        """Go on in the grammar; gives the ids that write it, where `<` in a string is an escape."""
        if not tokens:
            return []
        self._matcher.consume_tokens(list(tokens))
        self._matched += tokens
        before = len(self._written)
        for token in tokens:
            self._written += self._spelled(token) if token in self.table.tagged else [token]
        return self._written[before:]

    def _spelled(self, token: int) -> list[int]:
        text, body = self.table.texts[token], self._body(self._written)
        new = "".join(LESS if c == "<" and quoted(body + text[:i]) else c for i, c in enumerate(text))
        return [token] if new == text else self._ids(new)

    def _escape(self, token: int) -> list[int] | None:
        """Write a token that spells the escape of `<`, which to the grammar is the letter itself; None if it does not.

        The escape's beginning was taken for another one's, so the grammar is led back to before it.
        """
        if not (found := self._escaping(token)):
            return None
        whole, count = self.table.texts[token], 0
        while len(whole) < len(found):
            count += 1
            whole = self.table.texts[self._matched[-count]] + whole
        meant = self.table.tokenizer.tokenize_str(whole.removesuffix(found) + "<")
        taken = self._matched[len(self._matched) - count :]
        self._matcher.rollback(count)
        if self._matcher.validate_tokens(meant) < len(meant):
            self._matcher.consume_tokens(taken)
            return None
        self._matcher.consume_tokens(meant)
        self._matched[len(self._matched) - count :] = meant
        said = [token, *self._ids(LESS.removeprefix(found))]
        self._written += said
        return list(said)

    def _escaping(self, token: int) -> str:
        """The escape of `<`, or all but its last letter, if that is what the token would bring to its end."""
        text = self.table.texts[token]
        if not text.endswith(("3", "3c")):
            return ""
        body = self._body(self._written) + text
        found = _ESCAPING.search(body)
        return found[0] if found and quoted(body[: found.start()], whole=True) else ""

    def _ids(self, text: str) -> list[int]:
        return self.codec.encode([Span(text)]).ids

    @property
    def complete(self) -> bool:
        """Whether what is written is a whole step."""
        return self._matcher.is_accepting()

    def _best(self, logits: Array) -> int:
        """The model's own choice where it is permitted, which is far cheaper to ask than what else would be."""
        token = int(logits.argmax())
        allowed = self._matcher.is_accepting() if token == self.stop else self._matcher.validate_tokens([token])
        if allowed and token not in self.table.torn:
            return token
        return int(np.where(self._allowed(len(logits)), logits, -np.inf).argmax())

    def _last(self, logits: Array, ending: Place) -> int:
        if self.complete:
            return self.stop
        allowed = self._allowed(len(logits))
        ids = self.table.starting  # what ends a thought
        if ending == "thought" and len(ids := ids[allowed[ids]]):
            return int(ids[logits[ids].argmax()])
        return int(np.where(allowed, logits, -np.inf).argmax())

    def closes(self, written: Sequence[int]) -> bool:
        """Whether the last token ends a call, whose tag may be of many tokens."""
        if ">" not in self.table.texts[written[-1]] or written[-1] == self.stop:
            return False
        return self.codec.text(written[-len(UNCALL) :]).rstrip().endswith(UNCALL)

    def repeats(self, written: Sequence[int]) -> bool:
        """Whether the last of the calls, all of them whole, is one of those before it: same name, same JSON."""
        step = self.codec.read(written)
        calls = step.calls if isinstance(step, Assistant) else ()
        *before, last = [json.dumps([call.name, call.arguments], sort_keys=True) for call in calls] or [""]
        return last in before

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

    def _body(self, written: list[int]) -> str:
        """The JSON of the call that is being written, as far as it is; what follows a call has no quotes to mind."""
        return self.codec.text(written).rpartition(CALL)[2] if CALL in self.codec.text(written) else ""

    def _allowed(self, size: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        llguidance.numpy.fill_next_token_bitmask(self._matcher, self._mask, 0)
        found = np.zeros(size, np.bool_)  # a model may have more rows than its tokenizer has tokens
        bits = np.unpackbits(self._mask.view(np.uint8), bitorder="little")[:size]
        found[: len(bits)] = bits
        found[self.table.torn] = False
        return found


def quoted(body: str, *, whole: bool = False) -> bool:
    """Whether JSON that is not finished stands within a string; with `whole` not in the middle of an escape."""
    bare = re.sub(r"\\.", "", body)
    return bare.count('"') % 2 == 1 and not (whole and bare.endswith("\\"))
