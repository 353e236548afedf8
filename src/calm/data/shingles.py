"""Words of a text and hashes of windows of them: what the contamination check and the duplicate search both stand on.

Every hash is 64 bits and the same on every machine, unlike Python's own. A window's hash is a sum of its words' hashes,
each times an odd number that depends on the place, so that one pass of numpy gives all windows of a row.
"""

import functools
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from calm.data import bucket
from calm.errors import MissingExtra

if TYPE_CHECKING:
    import numpy as np

_LONE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
"""Scripts written without blanks (kana, han, hangul): there each character counts as a word."""

WORD = re.compile(rf"[{_LONE}]|[^\W_{_LONE}]+")
LETTERS = re.compile(rf"[{_LONE}]|[^\W\d_{_LONE}]+")
LONGEST = 32
"""Words a window may have."""


def words(text: str, pattern: re.Pattern[str] = WORD) -> list[str]:
    """Lower-case words; with `LETTERS` digits are dropped too, so that texts differing in numbers alone are equal."""
    return pattern.findall(unicodedata.normalize("NFKC", text).lower())


def hashed(items: Iterable[str]) -> int:
    """One 64-bit hash of a list of words, order kept."""
    return word_hash.__wrapped__("\0".join(items))


@functools.lru_cache(maxsize=1 << 17)
def word_hash(word: str) -> int:
    """The 64-bit hash of a single word."""
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def windows(spoken: Sequence[Sequence[str]], size: int) -> "tuple[np.ndarray, np.ndarray]":
    """Hashes (uint64) of all windows of `size` words that lie in one text, and the number of the text of each."""
    np = numpy()
    hashes = np.array([word_hash(word) for text in spoken for word in text], dtype=np.uint64)
    owner = np.repeat(np.arange(len(spoken)), [len(text) for text in spoken])
    count = len(hashes) - size + 1
    if count <= 0:
        return hashes[:0], owner[:0]
    total = np.zeros(count, dtype=np.uint64)
    for place, factor in enumerate(_factors()[:size]):
        total += hashes[place : place + count] * np.uint64(factor)
    inside = owner[:count] == owner[size - 1 :]
    return total[inside], owner[:count][inside]


@functools.cache
def _factors() -> list[int]:
    return [bucket("window", place) | 1 for place in range(LONGEST)]


def numpy() -> Any:
    """The numpy module, which is not among the packages that calm always brings.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import numpy as np
    except ImportError as error:
        raise MissingExtra("the search for duplicates and leaks", "data", "numpy") from error
    return np
