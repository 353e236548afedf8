"""Near duplicates: rows that do the same and say nearly the same, found by MinHash and locality-sensitive hashing.

Twins must make exactly the same calls: rows that differ in a value, a name or the presence of a call teach different
things however alike their words are (templates with other slot values, renamed tools, a tool taken away). Of their
words (the user's and the replies; not thoughts, tools or observations) the shingles of three are compared. Under twelve
words a single word is too much of the whole to be measured, so there only equal words count.

Signatures are made wherever a row is (in a worker), `Seen` sits where rows come together in order, so that the result
depends on that order alone.
"""

import functools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from calm.conversation import Assistant, Conversation, User
from calm.data import Item, Reject, bucket
from calm.data.shingles import hashed, numpy, windows, words
from calm.files import dumps

if TYPE_CHECKING:
    import numpy as np

SHINGLE = 3
PERMUTATIONS = 64
BANDS, ROWS = 10, 6
"""A pair of Jaccard 0.85 shares one of 10 bands of 6 with probability 0.99, one of 0.5 with 0.15."""

ALIKE = 0.85
"""Estimated Jaccard similarity of two rows' shingles that makes them twins; its standard error is 0.045 there."""

FEWEST = 12
"""Words from which on rows are compared by shingles."""

_HEAD = 16


def signature(conversation: Conversation) -> bytes:
    """144 bytes to compare a conversation by: hash of the calls, hash of all words, 64 minima of 16 bits (16 if short).

    Raises:
        MissingExtra: numpy is not installed.
    """
    spoken = [words(text) for text in _texts(conversation)]
    done = [
        dumps([call.name, call.arguments])
        for m in conversation.messages
        if isinstance(m, Assistant)
        for call in m.calls
    ]
    told = [word for text in spoken for word in (*text, "\n")]
    head = hashed(done).to_bytes(8) + hashed(told).to_bytes(8)
    return head if sum(map(len, spoken)) < FEWEST else head + _minima(spoken)


def _texts(conversation: Conversation) -> Iterator[str]:
    for message in conversation.messages:
        if isinstance(message, User):
            yield message.content
        elif isinstance(message, Assistant) and message.text:
            yield message.text


def _minima(spoken: list[list[str]]) -> bytes:
    """The smallest of the shingles' hashes under each permutation, its low 16 bits; texts are taken as one."""
    np = numpy()
    shingles, _ = windows([[word for text in spoken for word in text]], SHINGLE)
    factors, offsets = _permutations()
    mixed = (shingles ^ (shingles >> np.uint64(29)))[:, None] * factors + offsets
    return (mixed >> np.uint64(24)).min(axis=0).astype("<u2").tobytes()


@functools.cache
def _permutations() -> "tuple[np.ndarray, np.ndarray]":
    np = numpy()
    factors = [bucket("permutation", number) | 1 for number in range(PERMUTATIONS)]
    offsets = [bucket("offset", number) for number in range(PERMUTATIONS)]
    return np.array(factors, dtype=np.uint64), np.array(offsets, dtype=np.uint64)


class Seen:
    """The rows so far, by id, for twins to be found among; some 1.4 kB a row (0.4 kB a short one), all in memory."""

    def __init__(self) -> None:
        self._signatures: list[bytes] = []
        self._ids: list[str] = []
        self._first: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def seen(self, signature: bytes, id: str) -> str | None:
        """The id of an earlier row that is this one's twin; without one, None, and this row is remembered."""
        keys = list(_keys(signature))
        places = sorted({self._first[key] for key in keys if key in self._first})
        for place in places:
            if _alike(signature, self._signatures[place]):
                return self._ids[place]
        for key in keys:
            self._first.setdefault(key, len(self._ids))
        self._signatures.append(signature)
        self._ids.append(id)
        return None


def unlike(items: Iterable[Item], seen: Seen) -> Iterator[Item]:
    """Items with each twin of an earlier conversation turned into a Reject that names it."""
    for item in items:
        twin = seen.seen(signature(item), item.id) if isinstance(item, Conversation) else None
        if isinstance(item, Reject) or twin is None:
            yield item
        else:
            detail = f"does what {twin} does and says nearly the same"
            yield Reject(id=item.id, origin=item.origin, reason="near duplicate", detail=detail)


def _keys(signature: bytes) -> Iterator[bytes]:
    """What twins share one of: calls and words, or calls and a band of minima; 9 bytes each."""
    yield signature[:_HEAD]
    calls, minima = signature[:8], signature[_HEAD:]
    for band in range(BANDS if minima else 0):
        size = 2 * ROWS
        yield bytes([band]) + hashed([calls.hex(), minima[band * size : (band + 1) * size].hex()]).to_bytes(8)


def _alike(one: bytes, other: bytes) -> bool:
    if one[:_HEAD] == other[:_HEAD]:
        return True
    if one[:8] != other[:8] or len(one) != len(other) or len(one) == _HEAD:
        return False
    np = numpy()
    same = np.frombuffer(one, "<u2", offset=_HEAD) == np.frombuffer(other, "<u2", offset=_HEAD)
    return int(same.sum()) >= ALIKE * PERMUTATIONS
