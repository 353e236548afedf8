"""The return formats of V4's format sensitivity: calls as JSON or XML, in a tag or not, read in linear time.

Behaviour after ShishirPatil/gorilla, `bfcl_eval/model_handler/utils.py` and `parser/{json,xml}_parser.py` at 6ea5797
(23 Mar 2026). Where upstream searches with patterns that backtrack, and take exponential time on hostile text, stand
plain searches that find the same. What no call can be made of raises one of `decode.UNREADABLE`.
"""

import json
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

Literal = Callable[[str], Any]
"""Reads a Python literal; `decode` brings its own."""
_OPENS, _CLOSES = re.compile(r"\[\s*\{"), re.compile(r"\}\s*\]")


def tagged(text: str) -> str:
    """What stands in the first `<TOOLCALL>` and ends at the next `</TOOLCALL>`; ValueError without both."""
    return _between(text, "<TOOLCALL>", "</TOOLCALL>").strip()


def _between(text: str, opening: str, closing: str) -> str:
    start = text.index(opening) + len(opening)
    return text[start : text.index(closing, start)]


# --- JSON ----------------------------------------------------------------------------------------------------------


def json_calls(text: str) -> list[dict[Any, Any]]:
    """A list of `{function, parameters}` anywhere in a text: no JSON is an empty list, no object is left out."""
    try:
        listed = json.loads(_array(text))
    except json.JSONDecodeError:
        return []
    return [{call["function"]: call["parameters"]} for call in listed if isinstance(call, dict)]


def _array(text: str) -> str:
    """From the first `[{` to the nearest `}]`, whatever lies between; else from the first `[` to the last `]`."""
    opened = _OPENS.search(text)
    closed = opened and _CLOSES.search(text, opened.end())
    if opened and closed:
        return text[opened.start() : closed.end()]
    start, end = text.find("["), text.rfind("]")
    return text[start : end + 1] if 0 <= start < end else text


# --- XML -----------------------------------------------------------------------------------------------------------


def verbose_xml(text: str, literal: Literal) -> list[dict[Any, Any]]:
    """Parameters by their attributes `name`, `value` and `type`, in a `<params>` or in the function itself."""
    calls = []
    for function in _functions(text):
        holder = function.find("params")
        parameters = (function if holder is None else holder).findall("param")
        given = {p.get("name"): _value(p, p.get("value", ""), literal) for p in parameters}
        calls.append({function.attrib["name"]: given})
    return calls


def concise_xml(text: str, literal: Literal) -> list[dict[str, Any]]:
    """Parameters by their attributes `name` and `type`, with the text up to a first inner element as value."""
    calls = []
    for function in _functions(text):
        given = {p.attrib["name"]: _value(p, (p.text or "").strip(), literal) for p in function.findall("param")}
        calls.append({function.attrib["name"]: given})
    return calls


def _functions(text: str) -> list[ElementTree.Element]:
    """The functions right below the first `<functions>`; ParseError, a SyntaxError, for what is no XML.

    The parser never sees a text that begins with anything else, so there is no place for a document type, and hence
    for no entity of the text's own, be it inside or outside the text.
    """
    inside = _between(text, "<functions>", "</functions>")
    return ElementTree.fromstring(f"<functions>{inside}</functions>").findall("function")


def _value(parameter: ElementTree.Element, raw: str, literal: Literal) -> Any:
    """The value by its declared type; by a type of any other name, upper case too, it stays text."""
    kind = parameter.get("type", "string")
    return literal(raw) if kind in _LITERAL else _SCALARS.get(kind, str)(raw)


_LITERAL = ("array", "tuple", "object", "dict")
_SCALARS: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "float": float,
    "boolean": lambda raw: raw.lower() == "true",
    "null": lambda _: None,
}
