"""Whether a value in a call follows from what the user said: by its numbers and by the stems of its words.

The commonest fault of corpora that a model has written is an argument nobody mentioned. The test is lenient: dates,
times, percentages and spelled numbers count, word order does not, and half of a text's words are enough.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from calm.data.sources.wire import Unfit

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
SPELLED = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
TIMES = {
    "million": 1_000_000,
    "thousand": 1_000,
    "hundred": 100,
    "km": 1_000,
    "kilomet": 1_000,
    "%": 0.01,
    "percent": 0.01,
}
STEM = 4
"""Letters by which two forms of a word are taken for the same."""


def grounded(arguments: Mapping[str, Any], text: str) -> None:
    """Refuse a call with a value that does not follow from `text`.

    Raises:
        Unfit: names the argument and its value.
    """
    for key, value in arguments.items():
        if not said(value, text):
            raise Unfit("argument that the user never said", f"{key} = {value!r:.60}")


def said(value: Any, text: str) -> bool:
    """Whether `text` holds the value; of lists and objects every part; booleans are a matter of meaning and pass."""
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, list | dict):
        return all(said(part, text) for part in (value.values() if isinstance(value, dict) else value))
    if not isinstance(value, str):
        return round(float(value), 6) in _numbers(text)
    if value.casefold() in text.casefold():
        return True
    known = _numbers(text)
    known |= {number + 12 for number in known if number < 12} | {0.0}  # hours after noon, full hours and days
    words = _stems(value)
    counted = _numbers(value)
    return counted <= known and bool(words or counted) and 2 * len(words & _stems(text)) >= len(words)


def _numbers(text: str) -> set[float]:
    """The numbers of a text: digits, words up to ten, months, and each with the scale words that stand in the text."""
    folded = text.casefold().replace(",", "")
    found = {float(digits) for digits in re.findall(r"\d+(?:\.\d+)?", folded)}
    found |= {float(SPELLED.index(word)) for word in re.findall(r"[a-z]+", folded) if word in SPELLED}
    found |= {n + 1.0 for n, month in enumerate(MONTHS) if month in folded}
    scaled = {round(number * by, 6) for word, by in TIMES.items() if word in folded for number in found}
    return {round(number, 6) for number in found} | scaled


def _stems(text: str) -> set[str]:
    """The first letters of each word, accents removed, compound names taken apart; words of one letter left out."""
    plain = unicodedata.normalize("NFKD", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)).casefold()
    return {word[:STEM] for word in re.findall(r"[^\W\d_]{2,}", plain)}
