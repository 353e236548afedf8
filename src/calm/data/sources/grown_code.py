"""Values written in the syntax of Java or JavaScript, and parameters of our own that go with any tool.

A `Written` parameter says how a type is called and how a value of it is written: Java's long 25 is `25L`, its list
of two words `new ArrayList<>(Arrays.asList("a", "b"))`. Text stays as it is, without quotes.
"""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Literal, NamedTuple

from calm.data.sources import grown_lists as lists
from calm.data.thoughts import listed

Sort = Literal["text", "whole", "real", "truth", "texts", "wholes", "reals", "pairs", "name"]
"""What a value is, whatever a language calls it; `name` is a variable or function that is referred to."""


class Written(NamedTuple):
    """A type by its name in the language, and how a value of it is written there."""

    type: str
    write: Callable[[Any], str]


# --- the two languages -----------------------------------------------------------------------------------------------


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _items(value: Sequence[Any]) -> str:
    return ", ".join(json.dumps(item, ensure_ascii=False) for item in value)


def _java_array(value: Sequence[Any], of: str) -> str:
    return f"new {of}[]{{{_items(value)}}}"


def _java_list(value: Sequence[Any]) -> str:
    return f"new ArrayList<>(Arrays.asList({_items(value)}))"


def _java_map(value: dict[str, str]) -> str:
    puts = " ".join(f"put({json.dumps(k)}, {json.dumps(v, ensure_ascii=False)});" for k, v in value.items())
    return f"new HashMap<String, String>() {{{{ {puts} }}}}"


def _javascript(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


JAVA: dict[Sort, tuple[Written, ...]] = {
    "text": (Written("String", str),),
    "whole": (*[Written("int", str)] * 3, Written("Integer", str), Written("long", "{}L".format)),
    "real": (Written("double", lambda v: str(float(v))), Written("float", lambda v: f"{float(v)}f")),
    "truth": (Written("boolean", _truth),),
    "texts": (Written("String[]", lambda v: _java_array(v, "String")), Written("ArrayList<String>", _java_list)),
    "wholes": (Written("int[]", lambda v: _java_array(v, "int")), Written("ArrayList<Integer>", _java_list)),
    "reals": (Written("double[]", lambda v: _java_array(v, "double")), Written("ArrayList<Double>", _java_list)),
    "pairs": (Written("HashMap<String, String>", _java_map),),
    "name": (Written("object", str),),
}
JAVASCRIPT: dict[Sort, tuple[Written, ...]] = {
    "text": (Written("string", str),),
    "whole": (Written("number", str), Written("integer", str)),
    "real": (Written("number", str),),
    "truth": (Written("boolean", _truth),),
    "texts": (Written("array", _javascript), Written("array of strings", _javascript)),
    "wholes": (Written("array", _javascript), Written("array of numbers", _javascript)),
    "reals": (Written("array", _javascript), Written("array of numbers", _javascript)),
    "pairs": (Written("object", _javascript),),
    "name": (Written("variable", str),),
}
LANGUAGES = {"Java": JAVA, "JavaScript": JAVASCRIPT}

# --- how a description says it ---------------------------------------------------------------------------------------

NOTES = (
    "{told}. Give it as a string that holds a {language} {type}.", "{told} [{language} {type}, written as text]",
    "{told}. A {language} {type}, passed as a string.", "{told} (a {language} {type} inside a string)",
    "{language} {type}, as text: {told}", "{told}. Its type in {language}: {type}.",
    "{told}. {language} type {type}; write the value as it stands in code.",
    "{told}. The string must be valid {language} for a value of type {type}.",
    "{told}. Source text of a {language} {type}.", "{told} -- {language} {type}, spelled out in a string",
)  # fmt: skip
"""For all but text; `{told}` is what the parameter means, without a stop."""
TEXT_NOTES = (
    "{told}.", "{told}. Plain text, a {language} {type}.", "{told} (a {language} {type}, without quotes)",
    "{told}. {language} {type}; quotes are not part of it.", "{told} [{language} {type}]",
    "{told}. Its type in {language}: {type}.",
)  # fmt: skip
ABOUT = (
    "", "", "", " Values are passed as strings in {language} syntax.", " All parameters are strings of {language}.",
    " Each argument is a string with the {language} value in it.", " A wrapper of a {language} method; write arguments "
    "as in code.",
)  # fmt: skip
"""What the tool's own description may add."""

# --- parameters of our own -------------------------------------------------------------------------------------------


class Extra(NamedTuple):
    """A parameter that any tool may have; `draw` gives its value and `said` what a request says of it."""

    name: str
    sort: Sort
    told: str
    draw: Callable[[Random], Any]
    said: tuple[str, ...]
    unsaid: tuple[str, ...] = ()

    def spoken(self, value: Any, rng: Random) -> str:
        """A sentence with the value; `unsaid` is for what is false."""
        if self.sort == "truth" and rng.random() < 0.2:
            return f"Set {self.name} to {_truth(value)}."
        return rng.choice(self.said if value else self.unsaid).format(v=_spoken(value))


def _spoken(value: Any) -> str:
    if isinstance(value, list):
        return listed([str(item) for item in value])
    return listed([f"{key} {inner}" for key, inner in value.items()]) if isinstance(value, dict) else str(value)


def _flag(name: str, told: str, yes: tuple[str, ...], no: tuple[str, ...]) -> Extra:
    return Extra(name, "truth", f"Whether {told}", lambda rng: rng.random() < 0.6, yes, no)


def _one(*options: Any) -> Callable[[Random], Any]:
    return lambda rng: rng.choice(options)


def _some(*options: Any) -> Callable[[Random], list[Any]]:
    return lambda rng: rng.sample(options, rng.choice((2, 2, 3, 3, 4)))


def _rising(*options: int) -> Callable[[Random], list[int]]:
    return lambda rng: sorted(_some(*options)(rng))


def _setting(rng: Random) -> dict[str, str]:
    return {key: rng.choice(_SETTINGS[key]) for key in rng.sample(sorted(_SETTINGS), rng.choice((1, 2, 2)))}


_SETTINGS = {
    "unit": ("metric", "imperial"),
    "theme": ("dark", "light"),
    "format": ("csv", "xml", "pdf"),
    "mode": ("fast", "safe", "strict"),
    "level": ("low", "medium", "high"),
    "color": lists.COLORS,
    "owner": lists.FIRST,
}

EXTRAS = (
    _flag("verbose", "each step is logged", ("Log each step.", "I want verbose output."),
          ("No verbose output, please.", "Don't log the steps.")),
    Extra("maxRetries", "whole", "How often a failed attempt is repeated", _one(2, 3, 4, 5, 8),
          ("Retry at most {v} times.", "Allow up to {v} retries.")),
    Extra("timeoutSeconds", "whole", "Seconds until it gives up", _one(5, 10, 15, 20, 30, 45, 60, 90, 120),
          ("Give up after {v} seconds.", "Set a timeout of {v} seconds.", "It may take {v} seconds.")),
    Extra("delays", "wholes", "Seconds to wait between attempts", _rising(1, 2, 3, 5, 8, 10, 15, 20),
          ("Wait {v} seconds between the attempts.", "The delays are {v} seconds.")),
    Extra("options", "pairs", "Further settings by name", _setting, ("As options take {v}.", "Options: {v}.",
          "Set these options: {v}.")),
    Extra("target", "name", "Variable that takes the result", _one("reportBuffer", "resultList", "outputQueue"),
          ("Put the result in {v}.", "The target is {v}.")),
    Extra("logger", "name", "Logger that is told of each step", _one("auditLogger", "mainLogger", "eventLog", "trace"),
          ("Log to {v}.", "Use {v} as the logger.")),
)  # fmt: skip
"""For any tool."""
FOR_READING = (
    _flag("ascending", "results go from low to high", ("Sort in ascending order.", "Sort it from low to high."),
          ("Sort in descending order.", "Sort it from high to low.")),
    _flag("caseSensitive", "case matters in comparisons", ("Make it case-sensitive.", "Upper and lower case matter."),
          ("Ignore case.", "Not case-sensitive, please.")),
    _flag("includeArchived", "archived entries count too", ("Include archived entries.", "Archived ones count too."),
          ("Leave out archived entries.", "Don't include anything archived.")),
    _flag("useCache", "a cached result may be returned", ("A cached result is fine.", "Use the cache."),
          ("Don't use the cache.", "No cached results, please.")),
    Extra("pageSize", "whole", "Results on a page", _one(10, 15, 20, 25, 40, 50, 100),
          ("Show {v} on a page.", "Use a page size of {v}.")),
    Extra("precision", "whole", "Decimals that are kept", _one(2, 3, 4, 5, 6),
          ("Keep {v} decimals.", "Use {v} decimal places.")),
    Extra("threshold", "real", "Lowest score that counts", _one(0.25, 0.4, 0.5, 0.65, 0.7, 0.75, 0.8, 0.9, 0.95),
          ("Use a threshold of {v}.", "Anything below {v} does not count.", "The threshold is {v}.")),
    Extra("columns", "texts", "Columns to return", _some("name", "date", "total", "status", "owner", "price", "rank"),
          ("I need the columns {v}.", "Only the columns {v}, please.", "Return {v} as columns.")),
    Extra("filters", "pairs", "Values that a result must have, by field", _setting, ("Filter by {v}.",
          "The filters are {v}.")),
    Extra("weights", "reals", "Weight of each part", _some(0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6),
          ("The weights are {v}.", "Weight the parts with {v}.")),
    Extra("scale", "real", "Factor by which results are multiplied", _one(0.5, 1.5, 2.5, 0.1, 1.25, 3.75),
          ("Scale it by {v}.", "The scale is {v}.")),
)  # fmt: skip
"""For tools that look things up or work them out."""
FOR_WRITING = (
    _flag("dryRun", "nothing is really done", ("Make it a dry run.", "Only as a dry run, please."),
          ("This is not a dry run.", "Do it for real, no dry run.")),
    _flag("overwrite", "what is there already is replaced", ("Overwrite what is there.", "It may overwrite old data."),
          ("Don't overwrite anything.", "Nothing may be overwritten.")),
    _flag("notify", "a message goes out at the end", ("Send a notification when it's done.", "Notify me at the end."),
          ("No notification is needed.", "Don't send a notification.")),
    Extra("tags", "texts", "Words to file it under", _some(*lists.WORDS),
          ("Tag it with {v}.", "The tags are {v}.", "As tags take {v}.")),
)  # fmt: skip
"""For tools that do something."""
