"""What has been said in a STAR dialogue, and whether a value or a number can have come from there."""

import re
from difflib import SequenceMatcher
from typing import Any

from pydantic import JsonValue

_BREAK = re.compile(r"[^a-z0-9]+")
_NUMBER = re.compile(r"\d+")
_ONE = re.compile(r"\bone\b", re.IGNORECASE)
_SPELLED = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_COUNTS = {word: str(number) for number, word in enumerate(_SPELLED, 1)}
_HOURS = {"12 pm": ("noon", "midday", "lunch"), "12 am": ("midnight",)}
_GENERIC = frozenset({"apartments", "hotel", "inn", "the", "venue"})
_RELATIVE = ("today", "tonight", "tomorrow", "now", "asap", "soon", "next day", "day after", "weekend")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def plain(text: str) -> str:
    """Lower case, one blank between words of letters and digits, number words up to twelve as digits."""
    return " ".join(_COUNTS.get(word, word) for word in _BREAK.sub(" ", text.lower()).split())


class Said:
    """Everything that user, assistant, facts and results have said so far, in order."""

    def __init__(self) -> None:
        self.text = " "
        self.joined = ""

    def add(self, text: str) -> None:
        """Take more words in."""
        words = plain(text)
        self.text += f"{words} "
        self.joined += words.replace(" ", "")

    def holds(self, value: JsonValue) -> bool:
        """Whether the value stands there as it is, up to case, punctuation and blanks."""
        words = plain(str(value))
        return f" {words} " in self.text or (len(words) > 3 and words.replace(" ", "") in self.joined)

    def suggests(self, value: str) -> bool:
        """Whether a free value stands there in part or misspelt: one of its words, or one that looks much like it."""
        words = [word for word in plain(value).split() if word not in _GENERIC]
        if self.holds(value) or any(f" {word} " in self.text for word in words if len(word) > 2 or word.isdigit()):
            return True
        return any(alike(word, other) for word in words for other in set(self.text.split()) if len(word) > 2)

    def allows(self, name: str, value: str) -> bool:
        """Whether a category can have been meant: named, abbreviated, or an hour or day put in other words."""
        if value.lower() in _DAYS:  # too much alike to look for slips
            return self.holds(value) or any(f" {word} " in self.text for word in (value.lower()[:3], *_RELATIVE))
        if self.suggests(value):
            return True
        if name.endswith(("Time", "TimeHour")):
            return self._hour(value) or (name.startswith("End") and "hour" in self.text)  # "for two hours"
        return value[:1].isdigit() and f" {value.rstrip('sthndr')} " in self.text

    def _hour(self, value: str) -> bool:
        number, half = value.split()
        late = int(number) % 12 + (12 if half == "pm" else 0)
        digits = (number, f"{number}am", f"{number}pm", f"{number}a", f"{number}p", str(late), f"{late}00")
        return any(f" {word} " in self.text for word in (*digits, *_HOURS.get(value, ())))

    def numbers(self, text: str) -> list[str]:
        """The numbers of a text that were never said; "one" is mostly no number, and "00" is a full hour."""
        found = _NUMBER.findall(plain(_ONE.sub("", text)))
        return [number for number in found if number not in self.joined and number != "00"]


def alike(word: str, other: str) -> bool:
    """Whether two words are one with another ending ("decaf", "decaffeinated") or with a slip of the pen."""
    matcher = SequenceMatcher(None, word, other)
    return stem(word, other) or (matcher.quick_ratio() >= 0.75 and matcher.ratio() >= 0.75)


def stem(word: str, other: str) -> bool:
    """Whether the shorter word, of four letters at least, begins the longer one."""
    short, long = sorted((word, other), key=len)
    return len(short) > 3 and long.startswith(short)


def tidy(value: Any) -> Any:
    """Runs of blanks and line breaks in strings as one blank; anything else as it is."""
    return " ".join(value.split()) if isinstance(value, str) else value
