"""Tools whose parameters are all strings in the syntax of a programming language, made from tools of the pool.

What the user says stays ordinary ("25 km", "Make it a dry run."); what the call holds is a string that is written as
the parameter's description asks: "25L", "true", `new String[]{"a", "b"}`.
"""

from random import Random
from typing import Any, NamedTuple

from calm.conversation import Tool
from calm.data import phrase
from calm.data.sources import grown_words as words
from calm.data.sources.grown_code import (
    ABOUT,
    EXTRAS,
    FOR_READING,
    FOR_WRITING,
    LANGUAGES,
    NOTES,
    TEXT_NOTES,
    Extra,
    Sort,
    Written,
)
from calm.data.sources.grown_speech import Speakable, drawn, finished, label, sentences
from calm.data.vary_reading import READING, parts
from calm.data.vary_words import Key

LONG = 100
"""Characters from which on a value stands in the thought by its name only."""


class Typed(NamedTuple):
    """A request, the tool it is for, the arguments of the call and the thought before it."""

    said: str
    tool: Tool
    arguments: dict[str, Any]
    thought: str


class _Row:
    """What is the same for all parameters of a tool: the language and the wording of the notes."""

    def __init__(self, rng: Random, key: Key) -> None:
        self.rng, self.language = rng, rng.choice(("Java", "JavaScript"))
        self.note, self.text_note = phrase(NOTES, *key, "note"), phrase(TEXT_NOTES, *key, "text note")
        self.properties: dict[str, Any] = {}

    def declare(self, name: str, sort: Sort, told: str) -> Written:
        """The parameter becomes a string; how its values are to be written."""
        written = self.rng.choice(LANGUAGES[self.language][sort])
        note = self.text_note if sort == "text" else self.note
        described = note.format(told=told.strip().rstrip("."), language=self.language, type=written.type)
        self.properties[name] = {"type": "string", "description": described}
        return written


def typed(tool: Speakable, rng: Random, key: Key) -> Typed | None:
    """The tool as one of Java or JavaScript with a few parameters more, and a request that says all its values."""
    row, values = _Row(rng, key), drawn(tool, rng)
    schema: Any = tool.tool.parameters
    known = {name: sort for name, prop in schema["properties"].items() if (sort := _sort(prop))}
    plain = {known.get(name) for name in tool.required} <= {"text"}
    if not tool.required or not values.keys() <= known.keys() or (plain and rng.random() < 0.5):
        return None
    written = {name: row.declare(_camel(name), sort, _told(name, schema)) for name, sort in known.items()}
    arguments = {_camel(name): written[name].write(value.value) for name, value in values.items()}
    sentence, told = sentences(tool, values, rng)
    for extra in _extras(tool, rng):
        value = extra.draw(rng)
        arguments[extra.name] = row.declare(extra.name, extra.sort, extra.told).write(value)
        told = f"{told} {extra.spoken(value, rng)}".strip()
    made = _tool(tool, row, arguments)
    return Typed(finished(sentence, told, rng), made, arguments, _thought(tool, made, row.language, arguments, key))


def _tool(tool: Speakable, row: _Row, arguments: dict[str, Any]) -> Tool:
    about = row.rng.choice(ABOUT).format(language=row.language)
    needed = {_camel(name) for name in tool.required} | {name for name in arguments if row.rng.random() < 0.6}
    required = [name for name in row.properties if name in needed]
    name = _camel(tool.tool.name)
    if row.language == "Java" and row.rng.random() < 0.5:
        owner = "".join(word.capitalize() for word in parts(name)[1:][:2])
        name = f"{owner}{row.rng.choice(('Service', 'Manager', 'Client', 'Helper', 'Tools'))}.{name}"
    description = f"{tool.tool.description.rstrip('.')}.{about}"
    schema: Any = {"type": "object", "properties": row.properties, "required": required}
    return Tool(name=name, description=description, parameters=schema)


def _thought(tool: Speakable, made: Tool, language: str, arguments: dict[str, Any], key: Key) -> str:
    named = {label(name): text for name, text in arguments.items()}
    args = [f"{name} {text}" if len(text) < LONG else f"the {name}" for name, text in named.items()]
    text = "".join(phrase(bank, *key, n) for n, bank in enumerate((words.AIM, words.FITS, words.TYPED)))
    return text.format(deed=tool.deed, tool=made.name, language=language, args=", ".join(args))


_SORTS: dict[str, Sort] = {"string": "text", "integer": "whole", "number": "real", "boolean": "truth"}
_MANY: dict[str, Sort] = {"string": "texts", "integer": "wholes", "number": "reals"}


def _sort(schema: Any) -> Sort | None:
    if schema.get("type") == "array":
        return _MANY.get((schema.get("items") or {}).get("type", ""))
    return _SORTS.get(schema.get("type", ""))


def _told(name: str, schema: Any) -> str:
    prop = schema["properties"][name]
    options = f" (one of {', '.join(map(str, prop['enum']))})" if prop.get("enum") else ""
    return (prop.get("description") or label(name)).rstrip(". ") + options


def _camel(name: str) -> str:
    """`patient_id` as `patientId`; what has no separators stays as it is."""
    first, *rest = name.replace("-", "_").split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _extras(tool: Speakable, rng: Random) -> list[Extra]:
    """One to three parameters of ours that suit the tool and that it does not have."""
    schema: Any = tool.tool.parameters
    names = {_camel(name) for name in schema["properties"]}
    fitting = (*EXTRAS, *(FOR_READING if tool.verb in READING else FOR_WRITING))
    return rng.sample([extra for extra in fitting if extra.name not in names], rng.choice((1, 1, 2, 2, 3)))
