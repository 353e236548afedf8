"""What a text, a tool and a call are recognised by: 64-bit marks that survive renaming, numbering and punctuation."""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from calm.data.shingles import LETTERS, WORD, hashed, words

GRAM = 13
"""Words in a row that, equal, are taken for a copy: the usual length (GPT-3's, arXiv 2005.14165, appendix C)."""

SHORTEST = 4
"""Words below which an utterance is common speech whatever they are."""

DESCRIBED = 5
"""Words of description a tool with described parameters must have to be told from another, or `SAID` in all."""

SAID = 12
ALONE = 8
"""Words at which a description identifies a tool though its parameters are others."""

_IDENTIFIER = re.compile(r"\w[_.]\w|[a-z][A-Z]|[A-Za-z]\d|\d[A-Za-z]")
"""In names that a description mentions (`user_id`, `userId`, `a.b`, `x9Q`), which a copy renames."""


def spoken(text: str) -> list[str]:
    """A text as the check compares it: lower-case words without numbers."""
    return words(text, LETTERS)


def utterance(said: list[str]) -> int:
    """The mark of a whole text."""
    return hashed(["text", *said])


# --- tools ---------------------------------------------------------------------------------------------------------


def tool_marks(description: str, parameters: Any) -> list[int]:
    """Marks of a tool without any of its names: description with the parameters' descriptions, and the former alone.

    Types are left out on purpose: corpora disagree about them (`dict`, `object`, everything a string), and tools with
    the same words for themselves and for each parameter are the same tool. A one-liner identifies nothing and has none.
    """
    return _tool_marks(description, tuple(_descriptions(parameters)))


@functools.lru_cache(maxsize=4096)
def _tool_marks(description: str, described: tuple[str, ...]) -> list[int]:
    own, inner = _prose(description), sorted(filter(None, map(_prose, described)))
    told = len(own) + sum(map(len, inner))
    marks = [hashed(["description", *own])] if len(own) >= ALONE else []
    if (inner and len(own) >= DESCRIBED) or told >= SAID:
        marks.append(hashed(["tool", *own, *(word for prose in inner for word in ("\n", *prose))]))
    return marks


def _prose(text: str) -> list[str]:
    return spoken(" ".join(token for token in text.split() if not _IDENTIFIER.search(token)))


def _descriptions(schema: Any) -> Iterator[str]:
    """Descriptions of all parameters, those in objects and items too; a bare `{name: {...}}` is read as well."""
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties", {} if "type" in schema else schema)
    for inner in properties.values() if isinstance(properties, dict) else ():
        if isinstance(inner, dict):
            yield str(inner.get("description") or "")
            yield from _descriptions(inner if "type" in inner else {"type": None, **inner})
    yield from _descriptions(schema.get("items"))


# --- calls ---------------------------------------------------------------------------------------------------------


def call_mark(name: str, arguments: Mapping[str, Any]) -> int:
    """The mark of a call by name, argument names and values; spelling of names and values aside."""
    given = sorted((_bare(key), list(leaves(value))) for key, value in arguments.items())
    return hashed(["call", _bare(name), *(text for key, values in given for text in ("\n", key, *values))])


def values_mark(arguments: Mapping[str, Any]) -> int:
    """The mark of a call by its values alone, in any order: the same under whatever names."""
    return hashed(["values", *sorted(leaf for value in arguments.values() for leaf in leaves(value))])


def leaves(value: Any) -> Iterator[str]:
    """The plain values in an argument in normal form: "10", 10 and 10.0 are one, so are "Bath, UK" and "bath uk"."""
    if isinstance(value, dict):
        for key in sorted(value):
            yield from leaves(value[key])
    elif isinstance(value, list | tuple | set):
        for inner in value:
            yield from leaves(inner)
    else:
        yield _leaf(value)


def _leaf(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    try:
        return f"{float(value):.12g}"
    except (TypeError, ValueError, OverflowError):
        text = str(value)
        return " ".join(words(text, WORD)) or text.strip()


def long(leaf: str) -> bool:
    """Whether a normalised value is more than one could hit upon: several words, eight letters, three digits."""
    digits = re.sub(r"\D", "", leaf).strip("0")
    return " " in leaf or len(leaf) >= 8 or len(digits) >= 3


def _bare(name: str) -> str:
    return "".join(words(name.replace("_", " "), WORD))
