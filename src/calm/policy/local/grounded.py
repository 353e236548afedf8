"""Values that lean towards what was said: in a string of a call, tokens that go on with a span of the talk are lifted.

A bonus on logits and never a bar: what the tools' schemas permit stays possible. A span begins and ends with a word,
and lies within one line and within quotes, so the values of a tool's JSON are spans and its punctuation is none.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from calm.conversation import Conversation, Observation, User

if TYPE_CHECKING:
    from calm.policy.local.weights import Array

_APART = re.compile(r'["\\\x00-\x1f\x7f]+')
_WORD = re.compile(r"(?<!\w)\S")
_JSON = re.compile(r'"(?:[^"\\]|\\.)*"|(?P<open>"(?:[^"\\]|\\.)*$)|[{}\[\]:,]', re.DOTALL)
_LONGEST, _FARTHEST = 24, 200
"""Characters of the longest token that is looked for, and of the longest span."""


class Spans:
    """Spans of what the user and the tools said; `weight` is what is added to a logit that continues one.

    A value's first token may begin any word; after that only tokens that go on with a span that began with it are
    lifted, and those that close the string where a span may end.
    """

    def __init__(self, texts: Iterable[str], weight: float) -> None:
        pieces = [piece for text in texts for piece in _APART.split(text)]
        self._ahead = sorted(
            {piece[found.start() :][:_FARTHEST] for piece in pieces for found in _WORD.finditer(piece)}
        )
        self.weight = weight

    @classmethod
    def of(cls, conversation: Conversation, weight: float) -> "Spans":
        """The spans of a conversation; what the model itself said is none."""
        return cls((m.content for m in conversation.messages if isinstance(m, User | Observation)), weight)

    def lift(self, logits: "Array", body: str, ids: Mapping[str, int]) -> "Array":
        """The logits with the bonus, in a string value of a call's JSON; elsewhere as they are."""
        value = opened(body)
        if value is None:
            return logits
        found = {ids[text] for text in self.after(value) if text in ids}
        lifted = logits.copy()
        lifted[[i for i in found if i < len(logits)]] += self.weight
        return lifted

    def after(self, value: str) -> set[str]:
        """Texts that may follow a value's beginning: the next letters of spans, and what closes a string."""
        found = set[str]()
        for span in self._ahead:
            if span.startswith(value):
                rest = span[len(value) :]
                found |= {rest[:end] for end in range(1, min(len(rest), _LONGEST) + 1)}
                if value and not (value[-1:].isalnum() and rest[:1].isalnum()):
                    found |= CLOSING
        return found


CLOSING = {'"', '",', '"}', '"}}', '"]', '"],', '"]}'}


def opened(body: str) -> str | None:
    """What the string value that is being written holds so far; None in a key, in a tool's name and outside strings."""
    depth, last = list[str](), ""
    for piece, is_open in _pieces(body):
        if is_open:
            is_value = len(depth) > 1 and (last == ":" or depth[-1] == "[")
            return _unescaped(piece) if is_value else None
        if piece in "{[":
            depth.append(piece)
        elif piece in "}]" and depth:
            depth.pop()
        last = piece
    return None


def _pieces(body: str) -> Iterator[tuple[str, bool]]:
    return ((found[0], found["open"] is not None) for found in _JSON.finditer(body))


def _unescaped(piece: str) -> str | None:
    try:
        return json.loads(piece + '"')
    except ValueError:  # in the middle of an escape
        return None
