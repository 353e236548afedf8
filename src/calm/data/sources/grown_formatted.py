"""Requests in ordinary words for tools whose descriptions want values in a form: what is said, and what is called.

Parameters of the pool's tools get a form that suits them, and any tool may get one of ours that has one.
"""

import re
from random import Random
from typing import Any, NamedTuple

from calm.data import phrase
from calm.data.sources import grown_words as words
from calm.data.sources.grown_extras import enriched
from calm.data.sources.grown_formats import FORMATS, Format
from calm.data.sources.grown_numbers import Maker, Value
from calm.data.sources.grown_speech import Speakable, Values, label
from calm.data.sources.grown_wishes import COMPUTING, Wish
from calm.data.vary_reading import READING, parts
from calm.data.vary_words import Key


class Wanted(NamedTuple):
    """A tool with forms, and by parameter what the form is called in its description."""

    tool: Speakable
    forms: dict[str, str]


NOTES = (
    "{told}, {form}, e.g. {example}", "{told} ({form}, e.g. {example})", "{told}; {form}, for example {example}.",
    "{told}, given {form} (example: {example}).", "{told}. To be given {form}, like {example}.",
    "{told} {form}, say {example}",
)  # fmt: skip
_FITTING = (
    ("date", r"(date|deadline)$", "date"), ("time", r"time$", "time"), ("place", r"(city|location|origin|destination)$",
    "city"), ("place", r"country$", "country"), ("language", r"(language|lang)$", "language"), ("currency", "currency",
    "currency"), ("phone", "phone|mobile", "phone"), ("number", r"(interest|tax|discount|growth|inflation).*rate$|"
    r"percent(age)?( |$)", "share"),
)  # fmt: skip
"""Kind of maker, name of the parameter, family of forms."""
_NO_CITY = re.compile(
    r"office|park\b|home|airport|street|venue|room|folder|path|original|street|airspace|body|planet|sea"
)
_UNIT = {
    "minutes": ("duration|time|minutes", "in minutes"),
    "seconds": ("duration|time", "in seconds"),
    "meters": ("distance|radius|range|length|elevation", "in meters"),
}
"""Family of a unit: names of parameters that it suits, and how their descriptions name it."""


def family(name: str, maker: Maker, schema: Any) -> str:
    """The family of forms that suits a parameter, or nothing."""
    said, told = " ".join(parts(name)), str(schema.get("description", "")).lower()
    if maker.kind == "number" and schema.get("type") in ("integer", "number"):
        for unit, (names, named) in _UNIT.items():
            if re.search(names, said) and named in told and "per second" not in told:
                return unit
    for kind, pattern, found in _FITTING:
        if maker.kind == kind and re.search(pattern, said) and "enum" not in schema:
            odd = (found == "city" and _NO_CITY.search(f"{said} {told}")) or (found == "time" and "duration" in told)
            return "" if odd or (found == "share" and schema["type"] != "number") else found
    return ""


def families(tool: Speakable) -> set[str]:
    """The families that suit the required parameters of a tool; none where a city and a country would have to agree."""
    properties: Any = tool.tool.parameters["properties"]
    found = [family(name, maker, properties[name]) for name, maker in tool.required.items()]
    return set() if {"city", "country"} <= set(found) else set(found) - {""}


def formed(tool: Speakable, rng: Random) -> Wanted:
    """The tool with a form for each parameter that one suits; parameters of one family share theirs."""
    schema: Any = tool.tool.parameters
    properties, chosen, forms = dict(schema["properties"]), dict[str, Format](), dict[str, str]()
    makers = {**tool.required, **tool.optional}
    note = rng.choice(NOTES)
    for name, maker in makers.items():
        if found := family(name, maker, properties[name]):
            form = chosen.setdefault(found, rng.choice(FORMATS[found]))
            told = _bare(str(properties[name].get("description", ""))) or f"The {label(name)}"
            properties[name] = {"type": form.type, "description": _noted(note, told, form, rng)}
            makers[name], forms[name] = Maker(maker.kind, form.draw), form.name
    made = tool.tool.model_copy(update={"parameters": {**schema, "properties": properties}})
    required = {name: makers[name] for name in tool.required}
    optional = {name: makers[name] for name in tool.optional}
    return Wanted(tool._replace(tool=made, required=required, optional=optional), forms)


def _noted(note: str, told: str, form: Format, rng: Random) -> str:
    return note.format(told=told, form=form.name, example=form.draw(rng).value)


_TAIL = re.compile(r"[,.;:]? ?(?:\(|\be\.?g\b|for example|such as|[,.]? ?(?:in|as)? ?(?:the )?format\b|in YYYY|YYYY|"
                   r"\bin (?:minutes|seconds|meters|percent)|HH:|follow|please|\bISO).*$", re.IGNORECASE)  # fmt: skip


def _bare(told: str) -> str:
    """What a description says of the parameter without its own examples and forms."""
    text = _TAIL.sub("", told.split("\n")[0]).strip(" .,;:-")
    return text if len(text) > 7 else ""


# --- parameters of ours ----------------------------------------------------------------------------------------------

OURS = (
    ("latest_time", "time", "time of day by which it is needed", ("I need it by {v}.", "It should be ready by {v}.",
     ", by {v} at the latest")),
    ("office", "city", "office of the user", ("My office is in {v}.", "I work from our office in {v}.", "I'm in {v} "
     "most of the time.")),
    ("time_limit", "minutes", "longest time it may take", ("It may take {v} at most.", "Stop after {v}.",
     "I can wait {v}.")),
    ("timeout", "seconds", "time after which it gives up", ("Give up after {v}.", "Let it run for {v} at most.")),
    ("max_duration", "length", "longest time it may take", ("It may take {v} at most.", "It must not take longer than "
     "{v}.")),
)  # fmt: skip
"""Name, family, what it is, and how it is said; for any tool."""
READ = (
    ("reference_date", "date", "day whose state is asked for", ("I need it as of {v}.", "What counts is the state on "
     "{v}.", ", as of {v}")),
    ("reply_language", "language", "language of the answer", ("I'd like the answer in {v}.", "Please reply in {v}.",
     "The answer should be in {v}.")),
    ("market", "country", "country that it is for", ("It's for {v}.", "I mean the market in {v}.", "All this is about "
     "{v}.")),
    ("price_unit", "currency", "currency of any prices", ("Give any prices in {v}.", "If there are prices, I want them "
     "in {v}.")),
)  # fmt: skip
"""For tools that look things up or work them out."""
WORKED = (
    *READ,
    ("tolerance", "share", "largest error that is accepted", ("An error of {v} is fine.", "It may be off by {v}.",
     "I accept an error of up to {v}.")),
    ("confidence", "share", "how sure the result must be", ("I want to be {v} sure.", "With a confidence of {v}, "
     "please.")),
)  # fmt: skip
"""For tools that work things out."""
WROTE = (
    ("due_date", "date", "day by which it has to be done", ("It has to be done by {v}.", "The last day for it is {v}.",
     ", no later than {v}")),
    ("reminder_time", "time", "time of day of a reminder", ("Remind me of it at {v}.", "I'd like a reminder at {v}.")),
    ("expiry_date", "date", "last day on which it counts", ("It expires on {v}.", "It counts until {v}.")),
    ("start_time", "time", "time of day at which it starts", ("Start at {v}.", "Do it at {v}.", ", at {v}")),
    ("callback_number", "phone", "phone number for questions", ("If there are questions, call {v}.", "You can reach me "
     "at {v}.", "My number is {v}.")),
    ("billing_currency", "currency", "currency of any fees", ("I pay any fees in {v}.", "Charge me in {v} if it costs "
     "anything.")),
)  # fmt: skip
"""For tools that do something."""


def extended(tool: Speakable, rng: Random) -> Wanted:
    """The tool with one or two optional parameters of ours that want a form, all of which will be said."""
    names = {part for name in tool.required | tool.optional for part in parts(name)}
    known = (*OURS, *(WORKED if tool.verb in COMPUTING else READ if tool.verb in READING else WROTE))
    free = [one for one in known if names.isdisjoint({*parts(one[0]), one[1]} - {"max"})]
    chosen = {one[0]: one for one in rng.sample(free, min(len(free), rng.choice((1, 1, 2))))}
    if len({family for _, family, _, _ in chosen.values()}) < len(chosen):
        chosen = dict([chosen.popitem()])
    note = rng.choice(NOTES)
    forms = {name: rng.choice(FORMATS[family]) for name, (_, family, _, _) in chosen.items()}
    told = {name: _noted(note, _upper(one[2]), forms[name], rng).rstrip(".") for name, one in chosen.items()}
    made = enriched(tool, [Wish(n, forms[n].type, told[n], _said(forms[n], chosen[n][3])) for n in chosen], rng)
    added = {name: maker for name, maker in made.optional.items() if name not in tool.optional}
    return Wanted(_needed(made, added), dict(zip(added, (form.name for form in forms.values()), strict=True)))


def _needed(tool: Speakable, added: dict[str, Maker]) -> Speakable:
    """Parameters of ours are said in any case; in the schema they stay optional."""
    optional = {name: maker for name, maker in tool.optional.items() if name not in added}
    return tool._replace(required={**tool.required, **added}, optional=optional)


def _said(form: Format, ways: tuple[str, ...]) -> Any:
    def draw(rng: Random) -> Value:
        value = form.draw(rng)
        return value._replace(said=rng.choice(ways).format(v=value.said), heard=value.said)

    return draw


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- the thought -----------------------------------------------------------------------------------------------------


def why(wanted: Wanted, values: Values, args: str, key: Key) -> str:
    """The thought: what is wanted, which tool does it, how the values are written, and the arguments."""
    turned = [
        _turned(name, form, values[name], key)
        for name, form in wanted.forms.items()
        if name in values and _converted(values[name])
    ]
    text = "".join(phrase(bank, *key, place) for place, bank in enumerate((words.AIM, words.FITS)))
    text += f". {_upper(' '.join(turned))}" if turned else ""
    return (text + phrase(words.WRITTEN, *key, "written")).format(
        deed=wanted.tool.deed, tool=wanted.tool.tool.name, args=args
    )


def _converted(value: Value) -> bool:
    return value.note != (value.heard or value.said)


def _turned(name: str, form: str, value: Value, key: Key) -> str:
    said = value.heard or value.said
    text = phrase(words.TURNED, *key, "turned").format(label=label(name), form=form, said=said, note=value.note)
    return f"{_upper(text)}.".replace("{", "{{").replace("}", "}}")
