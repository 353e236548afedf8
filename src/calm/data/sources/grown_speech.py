"""A tool's description and argument values turned into what a person would say.

The description gives the verb phrase ("retrieve the fare of a taxi"); a value takes the place of the noun it belongs to
("of the taxi TX-302"), follows as a phrase ("in Oslo", "on 3 May 2024"), or gets a clause of its own ("The class is
economy."). Where the sentence would not read well, there is none.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from calm.conversation import Tool
from calm.data.sources import grown_lists as lists
from calm.data.sources import grown_words as words
from calm.data.sources.grown_numbers import Maker, Value
from calm.data.sources.grown_values import maker
from calm.data.sources.grown_wishes import flag, limit
from calm.data.thoughts import listed
from calm.data.vary_reading import LOOKING, READING, VERBS, deed, parts, wordset

Values = dict[str, Value]
_AFTER = r"(?=$|,| (?:in|on|for|at|with|to|from|of|by|and|or|using|during|within|between|under|over)\b)"
_LOOSE = re.compile(
    r"\b(an?|the|any) (?:specific|particular|given|certain|specified|provided|desired|chosen|selected) "
)
_BAD = re.compile(
    r"\b(?:api|mcp|tool|endpoint|json|server|user's|agent|llm|e\.g|i\.e|etc|this|these|current user|args?)\b", re.I
)
_ODD = re.compile(
    r"disassembl|bytecode|decompil|breakpoint|selector|xpath|memory dump|hex dump|stdin|shell command|exploit|inject"
)
"""Tools that nobody asks for in such words."""
_EITHER = re.compile(r"\b(?:location|city|country|region|area|place|state|town) or ")
_LABELS = {
    "id": "ID",
    "url": "URL",
    "ip": "IP",
    "isbn": "ISBN",
    "dna": "DNA",
    "lat": "latitude",
    "lon": "longitude",
    "num": "number of",
}


class Speakable(NamedTuple):
    """A tool that people can ask for: its verb, what follows it, and the makers of its parameters."""

    tool: Tool
    group: str
    verb: str
    rest: str
    required: dict[str, Maker]
    optional: dict[str, Maker]

    @property
    def deed(self) -> str:
        """What it does, to follow "to"."""
        return f"{self.verb} {self.rest}"


def speakable(tool: Tool, group: str) -> Speakable | None:
    """The tool with all that is needed to ask for it, or None where its words or parameters do not lend themselves."""
    said = deed(tool)
    verb, _, rest = _articled(said).partition(" ")
    schema: Any = tool.parameters
    needed, about = schema.get("required", []), f"{tool.name} {tool.description}".lower()
    plain = rest and said.isascii() and tool.description[:1].isalpha() and not _BAD.search(said)
    if not plain or len(needed) > 4 or _ODD.search(about) or (not needed and verb not in READING):
        return None
    makers = {key: maker(key, prop, about) for key, prop in schema["properties"].items()}
    required = {key: made for key in needed if (made := makers.get(key))}
    if len(required) < len(needed) or sum(made.kind == "text" for made in required.values()) > 1:
        return None
    optional = _optional({key: prop for key, prop in schema["properties"].items() if key not in needed}, makers)
    if (_spread(rest) and len(required) > 2) or (" or " in rest and not _EITHER.search(rest)):
        return None
    return Speakable(tool, group, verb, rest, required, optional)


def _optional(properties: Mapping[str, Any], makers: Mapping[str, Maker | None]) -> dict[str, Maker]:
    """Makers of optional parameters; limits and what is to be included are said as wishes."""
    found: dict[str, Maker] = {}
    for key, prop in properties.items():
        made = makers[key] or flag(key, prop)
        if made and made.kind not in _RARE:
            found[key] = limit(made) if made.kind == "limit" else made
    return found


_RARE = ("text", "id", "file", "url")
"""Kinds of optional parameters that a request would hardly name."""


def _spread(rest: str) -> bool:
    """Whether the description itself lists what is given, so that a list of values would say it twice."""
    return rest.count(",") > 1


def _articled(text: str) -> str:
    text = re.sub(r"\ba(?= [aeio]\w)", "an", text)
    return re.sub(r"\ban(?= [^aeiouh])", "a", text)


def label(name: str) -> str:
    """A parameter's name as people say it: `patient_id` is "patient ID"."""
    found = [_LABELS.get(part, part) for part in parts(name)]
    return " ".join(found).replace("number of of", "number of")


# --- values ----------------------------------------------------------------------------------------------------------


def drawn(tool: Speakable, rng: Random, extras: float = 0.35) -> Values:
    """Values of the required parameters and, in a share `extras` of cases, of one to three optional ones."""
    chosen = dict(tool.required)
    if tool.optional and rng.random() < extras:
        keys = rng.sample(sorted(tool.optional), min(len(tool.optional), rng.choice((1, 2, 2, 3))))
        chosen |= {key: tool.optional[key] for key in tool.optional if key in keys}
    order: Any = tool.tool.parameters["properties"]
    return _settled(_ordered({key: chosen[key].draw(rng) for key in order if key in chosen}), rng)


def _ordered(values: Values) -> Values:
    """Starts before ends: two dates, times or years that belong together are put in order."""
    for first, last in (
        ("start", "end"),
        ("from", "to"),
        ("check_in", "check_out"),
        ("departure", "return"),
        ("min", "max"),
    ):
        for key in [key for key in values if first in key.lower()]:
            other = re.sub(first, last, key, flags=re.IGNORECASE)
            pair = (values[key], values[other]) if other in values else ()
            if pair and isinstance(pair[0].value, type(pair[1].value)) and _later(pair[0], pair[1]):
                values |= {key: pair[1], other: pair[0]}
    return values


def _settled(values: Values, rng: Random) -> Values:
    """A city and a country named together belong together."""
    spoken = {label(key): key for key in values}
    if "city" in spoken and "country" in spoken and values[spoken["country"]].value in lists.COUNTRIES:
        city, country = rng.choice(list(lists.HOME.items()))
        values |= {spoken["city"]: Value(city, city), spoken["country"]: Value(country, country)}
    return values


def _later(one: Value, other: Value) -> bool:
    a, b = _rank(one), _rank(other)
    return (isinstance(a, str) and isinstance(b, str) and a > b) or (
        isinstance(a, int | float) and isinstance(b, int | float) and a > b
    )


def _rank(value: Value) -> Any:
    """What tells which of two values is later, in whatever form a day or a time is written."""
    day = re.fullmatch(r"(?:the )?(?:(\d+)\w* (?:of )?)?([A-Z][a-z]+)(?: (\d+)(?:st|nd|rd|th)?)?,? (\d{4})", value.said)
    if day and day[2] in lists.MONTHS:
        return f"{day[4]}-{lists.MONTHS.index(day[2]) + 1:02}-{int(day[1] or day[3] or 0):02}"
    clock = re.fullmatch(r"(\d\d)(:\d\d) ([AP])M", str(value.value))
    return f"{clock[3]}{int(clock[1]) % 12:02}{clock[2]}" if clock else value.value


# --- sentences -------------------------------------------------------------------------------------------------------


def request(tool: Speakable, values: Values, rng: Random) -> str:
    """One request in the user's words that says every value."""
    return finished(*sentences(tool, values, rng), rng)


def sentences(tool: Speakable, values: Values, rng: Random) -> tuple[str, str]:
    """The request's main sentence and, perhaps empty, what follows it."""
    wishes = [value.said for name, value in values.items() if _kind(tool, name) == "wish"]
    rest, left = _placed(tool, {name: v for name, v in values.items() if _kind(tool, name) != "wish"}, rng)
    rest, left = _phrased(tool, rest, left, rng)
    rest = _LOOSE.sub(r"\1 ", rest)
    inline = len(left) <= 2 and "{" not in rest and rng.random() < 0.4 and all(len(v.said) < 30 for v in left.values())
    if left and inline:
        rest += rng.choice(words.WITH).format(pairs=listed([_pair(key, value, rng) for key, value in left.items()]))
        left = {}
    return _wished(_framed(tool, _articled(rest), rng), _told(left, rng), wishes)


def _kind(tool: Speakable, name: str) -> str:
    return (tool.required.get(name) or tool.optional[name]).kind


def _wished(sentence: str, told: str, wishes: Sequence[str]) -> tuple[str, str]:
    """What begins with a comma goes before the sentence's end, at most two of them; other wishes are sentences."""
    tails = "".join(wish for wish in wishes if wish.startswith(","))
    whole = " ".join(wish for wish in wishes if not wish.startswith(","))
    return f"{sentence[:-1]}{tails}{sentence[-1:]}", f"{told} {whole}".strip()


def _placed(tool: Speakable, values: Values, rng: Random) -> tuple[str, Values]:
    """The rest of the verb phrase with values in the place of their nouns, and the values still to be said."""
    rest, left = tool.rest, dict(values)
    makers = {**tool.required, **tool.optional}
    for key, value in values.items():
        found = _noun(rest, key)
        if found and makers[key].kind in (
            "id",
            "name",
            "title",
            "place",
            "term",
            "enum",
            "currency",
            "language",
            "url",
        ):
            rest = rest[: found.start()] + _named(found, value.said, makers[key].kind, rng) + rest[found.end() :]
            del left[key]
    return rest, left


_HOLDERS = {
    "location": "location|area|place|city|region|country",
    "city": "city|location",
    "country": "country|location|region",
}


def _noun(rest: str, key: str) -> re.Match[str] | None:
    """The noun phrase in which the parameter is spoken of: `a puzzle game` for `game_name`."""
    head = [
        part for part in parts(key) if part not in ("id", "name", "type", "title", "number", "code", "url", "symbol")
    ]
    if not head:
        return None
    noun = _HOLDERS.get(head[-1], re.escape(head[-1]))
    return _holder(noun).search(rest)


@lru_cache(maxsize=4096)
def _holder(noun: str) -> re.Pattern[str]:
    return re.compile(
        rf"\b(?:an?|the|any) (?:specific |particular |given |certain |specified )?((?:[\w-]+ ){{0,2}}(?:{noun}))"
        rf"(?: or (?:an? )?\w+)?{_AFTER}"
    )


def _named(found: re.Match[str], said: str, kind: str, rng: Random) -> str:
    noun = found[1]
    if kind == "id":
        return rng.choice(
            (f"the {noun} with ID {said}", f"{noun} {said}", f"the {noun} {said}", f"{noun} number {said}")
        )
    if kind in ("place", "currency", "language"):
        return said
    if kind == "title":
        return rng.choice((f"the {noun} {said}", said))
    if kind == "url":
        return f"the {noun} {said}"
    short = len(noun.split()) == 1
    return said if short and rng.random() < 0.6 else f"the {noun} {said}"


def embeds(tool: Speakable, key: str) -> bool:
    """Whether the sentence takes this parameter's value where its noun stands, so that it can take several."""
    kind = tool.required[key].kind
    fit = kind in ("place", "name", "title", "term", "enum", "currency", "language") and _noun(tool.rest, key)
    return bool(fit) or bool(_phrase(label(key), kind, "Oslo", tool.rest) and kind in ("place", "topic", "year"))


def _phrased(tool: Speakable, rest: str, left: Values, rng: Random) -> tuple[str, Values]:
    """Values that follow as a phrase: places, days, spans of days, languages."""
    makers = {**tool.required, **tool.optional}
    spans = [
        key
        for key in left
        if re.match(r"(start|from|check_?in)", key, re.IGNORECASE)
        and makers[key].kind in ("date", "year", "place", "currency", "time")
    ]
    for key in spans:
        ends = [
            k for k in left if re.match(r"(end|to|check_?out)", k, re.IGNORECASE) and makers[k].kind == makers[key].kind
        ]
        if ends:
            rest += f" from {left.pop(key).said} to {left.pop(ends[0]).said}"
    for key in list(left):
        phrase = _phrase(label(key), makers[key].kind, left[key].said, rest)
        if phrase and len(rest) < 90:
            rest += f" {phrase}"
            del left[key]
    return rest, left


def _phrase(name: str, kind: str, said: str, rest: str) -> str:
    if (
        kind == "place"
        and name in ("location", "city", "country", "place", "state", "region")
        and not re.search(r" in [A-Z]", rest)
    ):
        return f"in {said}"
    if kind == "place" and name in ("destination", "origin"):
        return f"{'to' if name == 'destination' else 'from'} {said}"
    if kind == "date" and name in ("date", "day", "appointment date", "event date") and " on " not in rest:
        return f"on {said}"
    if kind == "time" and name in ("time", "appointment time", "start time"):
        return f"at {said}"
    if kind == "year" and name == "year":
        return f"in {said}"
    if kind == "language" and name in ("language", "lang", "target language"):
        return f"in {said}"
    if kind == "topic":
        return f"about {said}"
    return ""


def _pair(key: str, value: Value, rng: Random) -> str:
    return rng.choice(words.PAIR).format(label=label(key), said=value.said)


def _told(left: Mapping[str, Value], rng: Random) -> str:
    """Clauses for what could not be said in the sentence."""
    if len(left) > 1 and rng.random() < 0.35:
        style = rng.choice(("{} {}", "{}: {}", "{} = {}"))
        pairs = ", ".join(style.format(label(key), value.said) for key, value in left.items())
        return _upper(rng.choice(words.SHEET).format(pairs=pairs))
    clauses = [rng.choice(words.TELL).format(**_forms(key, value.said)) for key, value in left.items()]
    return " ".join(_upper(clause) for clause in clauses)


def _forms(key: str, said: str) -> dict[str, str]:
    name = label(key)
    return {
        "label": name,
        "Label": _upper(name),
        "said": said,
        "Said": _upper(said) if said[:1].isalpha() and " " in said else said,
    }


_ONE = re.compile(
    r"the (?:current |average |total |latest )?(?:number|price|cost|rate|status|level|name|value|temperature|weather"
    r"|amount|percentage|size|score|distance|speed|capital|population)\b"
)
"""What can be asked for with "what is"."""


def _framed(tool: Speakable, rest: str, rng: Random) -> str:
    """The verb phrase in one of the frames that suit its verb."""
    looking = tool.verb in LOOKING and tool.verb not in ("list", "show", "search", "view", "browse")
    if looking and rng.random() < 0.4:
        frames = words.WHAT if _ONE.match(rest) else words.SEEK
        return _filled(rng.choice(frames), "np", rest)
    frames = rng.choice((words.DO, words.DO, words.WISH))
    verbs = words.SAME.get(tool.verb, (tool.verb,)) if not rest.startswith(("in ", "out ")) else (tool.verb,)
    if looking:
        verbs = words.LOOK_WISH if frames is words.WISH else words.LOOK_DO
    rest = rest.removeprefix("for ") if looking else rest
    return _filled(rng.choice(frames), "vp", f"{rng.choice(verbs)} {rest}")


def _filled(frame: str, slot: str, phrase: str) -> str:
    if "show me" in phrase or "give me" in phrase:
        frame = frame.replace(" for me", "")
    return frame.replace(f"{{{slot}}}", phrase).replace(f"{{{slot.capitalize()}}}", _upper(phrase))


def finished(sentence: str, told: str, rng: Random) -> str:
    """Sentence and clauses as one message, sometimes with a greeting or thanks, sometimes carelessly typed."""
    draw = rng.random()
    text = " ".join(part for part in (sentence, told) if part)
    if draw < 0.12:
        return rng.choice(words.HELLO) + lowered(text)
    if draw < 0.2:
        return f"{text} {rng.choice(words.BYE)}"
    if draw < 0.3 and not told:
        return lowered(text).rstrip(".")
    return text


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def lowered(text: str) -> str:
    """The text to follow a comma: its first word becomes small where it surely is no name."""
    first = text.split(" ", 1)[0].rstrip(".,:").lower()
    return text[0].lower() + text[1:] if first in VERBS or first in _STARTS else text


_STARTS = wordset(
    """
    a an and are at be can could count do does for from get give go has have help here how if in is it it's
    kindly let let's look mail may my next now on pull please put remove see show tell that the there these this we what
    what's where which who work would write your
    """
)
