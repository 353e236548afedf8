"""Text in the one spelling in which MultiWOZ replies have been delexicalised since 2018, odd rules included.

Rules and word table are facts of `budzianowski/multiwoz` (MIT, `utils/nlp.py`, `mapping.pair`), as `ReSpAct` has them;
written anew. Of its table the words of shops and laptops, which no dialogue here has, are left out.
"""

import re
from functools import lru_cache

PHONE = re.compile(r"\(?(\d{3})\)?[-.\s]?(\d{3})[-.\s]?(\d{4,5})")
POSTCODE = re.compile(r"[a-z][. ]?[a-z][. ]?\d{1,2}[, ]+\d[. ]?[a-z][. ]?[a-z]|[a-z]{2}\d{2}[a-z]{2}")
MARK = re.compile(r"(?<!\d)[?.,!]|[?.,!](?!\d)")
"""A mark between two digits is part of a number."""

NOT = ["does", "did", "could", "are", "is", "was", "were"]
BE = {"you'd": "you would", "you're": "you are", "you'll": "you will", "i'm": "i am", "they're": "they are"}
BE |= {"i've": "i have", "we've": "we have", "i'd": "i would", "there're": "there are"}
SHORT = {f"{word}n't": f"{word} not" for word in NOT} | BE
SHORT |= {"don't": "do not", "can't": "cannot", "won't": "will not", ". .": "."}

PLURAL = "restaurant hotel dinner breakfast price place venue range meal location area kid card use"
PLURAL += " rating hour include constraint requirement specification"
PLURALS = {f"{word}s": f"{word} -s" for word in PLURAL.split()}
PLURALS |= {"lunches": "lunch -s", "policies": "policy -s", "children": "child -s", "families": "family -s"}
DEGREES = {f"{word}ly": f"{word} -ly" for word in ("expensive", "moderate", "cheap")} | {"cheaper": "cheap -er"}
NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
DIGITS = {word: str(number) for number, word in enumerate(NUMBERS, 1)}
OTHERS = {"upmarket": "expensive", "pricerange": "price range", "anywhere": "any where", "good bye": "goodbye"}
WORDS = {**SHORT, **PLURALS, **DEGREES, **OTHERS, **DIGITS}


@lru_cache(maxsize=1 << 16)
def spelled(text: str) -> str:
    """The text in small letters and single blanks: times and prices as placeholders, phones and postcodes in one piece.

    Marks stand alone, contractions are written out, plurals and number words taken apart, neighbouring numbers joined.
    """
    text = text.lower().strip().replace("b&b", "bed and breakfast").replace("b and b", "bed and breakfast")
    text = _phoned(text)
    text = POSTCODE.sub(lambda found: re.sub(r"[,. ]", "", found[0]), text)
    text = re.sub("[\u2018\u2019]", "'", text)
    text = re.sub(r"\d{1,2}:\d{1,2}", " [value_time] ", text)
    text = re.sub(r"\d{1,3}[.]\d{1,2}", " [value_price] ", text)
    text = _marked(text)
    for word, meant in WORDS.items():
        text = f" {text} ".replace(f" {word} ", f" {meant} ")[1:-1]
    return _joined(text.split())


def _phoned(text: str) -> str:
    """Phone numbers in one piece; as in the original the second of two swallows all that stands between them."""
    place = 0
    for parts in PHONE.findall(text):
        place = text.find(parts[0], place)
        if place < 0:
            break
        place -= text[place - 1] == "("
        span, number = text[place : text.find(parts[-1], place) + len(parts[-1])], "".join(parts)
        if len(span) >= len(number):  # else not it: the original puts it there all the same, and 1111... grows forever
            text = text.replace(span, number)
    return text


def _marked(text: str) -> str:
    text = text.replace(";", ",").replace("/", " and ").replace("-", " ")
    text = MARK.sub(r" \g<0> ", re.sub(r'[":<>@()]', "", text)).replace("'s", " 's ")
    text = re.sub("^'|'$", "", text)
    return re.sub(r"\s+", " ", re.sub(r"\s'", " ", re.sub(r"'\s", " ", text)))


def _joined(words: list[str]) -> str:
    kept = words[:1]
    for word in words[1:]:
        if _is_number(word) and _is_number(kept[-1]):
            kept[-1] += word
        else:
            kept.append(word)
    return " ".join(kept)


def _is_number(word: str) -> bool:
    return re.fullmatch(r"\d+", word) is not None
