"""English text as it comes back from the Moses tokeniser and detokeniser: the spacing that mwzeval compares by.

Rules of the Moses scripts `tokenizer.perl` and `detokenizer.perl` as ported by sacremoses 0.2.0 (MIT), both at once:
nothing is escaped, and the list of abbreviations is left out, because a full stop split off a word comes back to it.
Chinese, Japanese and Korean text is treated like any other, which theirs is not.
"""

import re
from collections import Counter

OTHER = re.compile(r"((?!_)[^\w\s.'`,\-]|_)")
DOTS = re.compile(r"\.{2,}")
COMMAS = (
    (re.compile(r"([^\d]),"), r"\1 , "),
    (re.compile(r",([^\d])"), r" , \1"),
    (re.compile(r"(\d),$"), r"\1 , "),
)
APOSTROPHES = (
    (re.compile(r"([\W\d_])'([\W\d_])"), r"\1 ' \2"),
    (re.compile(r"([\W_])'([^\W\d_])"), r"\1 ' \2"),
    (re.compile(r"([^\W\d_])'([\W\d_])"), r"\1 ' \2"),
    (re.compile(r"([^\W\d_])'([^\W\d_])"), r"\1 '\2"),
    (re.compile(r"(\d)'s"), r"\1 's"),
)
"""Twice over where two matches would share a letter, the tokeniser leaves the second alone; so do these."""
FINAL = re.compile(r"\.' ?$")
OPENING = re.compile(r"[$¢£¤¥€(\[{¿¡]+")
CLOSING = re.compile(r"[,.?!:;\\%}\])]+")
CONTRACTION = re.compile(r"'[^\W\d_]")
QUOTE = re.compile(r"""['"„“`]+""")


def respaced(text: str) -> str:
    """One line of text with its punctuation spaced as Moses leaves it: `Yes , ( 5 ) .` becomes `Yes, (5).`."""
    return _joined(_words(text))


def _words(text: str) -> list[str]:
    text = OTHER.sub(r" \1 ", " ".join(text.split()))
    text = DOTS.sub(lambda dots: f" {dots.group()} ", text)
    if "," in text:
        for rule, by in COMMAS:
            text = rule.sub(by, text)
    if "'" in text:
        for rule, by in APOSTROPHES:
            text = rule.sub(by, text)
    words = [part for word in text.split() for part in _without_stop(word)]
    return FINAL.sub(" . ' ", " ".join(words)).split() if "'" in text else words


def _without_stop(word: str) -> tuple[str, ...]:
    if len(word) < 2 or word[-1] != "." or word[-2] == ".":
        return (word,)
    return (word,) if "." in word[:-1] else (word[:-1], ".")


def _joined(words: list[str]) -> str:
    text, gap = "", " "
    quotes: Counter[str] = Counter()
    for place, word in enumerate(words):
        if OPENING.fullmatch(word):
            text, gap = text + gap + word, ""
        elif CLOSING.fullmatch(word) or (place and CONTRACTION.match(word)):
            text, gap = text + word, " "
        elif QUOTE.fullmatch(word):
            kind = '"' if set(word) <= set("„“") else word
            after_s = word == "'" and place > 0 and words[place - 1].endswith("s")
            opens = not quotes[kind] % 2
            text, gap = (text + gap + word, "") if opens and not after_s else (text + word, " ")
            quotes[kind] += not (opens and after_s)
        else:
            text, gap = text + gap + word, " "
    return text.strip()
