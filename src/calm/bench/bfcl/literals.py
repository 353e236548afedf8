"""Values as Java and JavaScript source text: how a truth is written out as an answer, plainly and by its own types."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_NAME = re.compile(r"[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*")
_PLAIN = {"integer": "int", "any": "Object"}
_BOXED = {"integer": "Integer", "any": "Object", "long": "Long", "char": "Character"}
_SUFFIXES = {"long": "L", "float": "f"}


def java(value: Any, declared: str, inner: str = "any") -> str:
    """A value as Java text by its declared type (`inner`: of a list's items); a string stays as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        puts = (f"put({_quoted(key)}, {_item(item, 'any')});" for key, item in value.items())
        return f"new HashMap<String, Object>() {{{{ {' '.join(puts)} }}}}"
    if isinstance(value, list):
        items = ", ".join(_item(item, inner) for item in value)
        if declared == "Array":
            return f"new {_PLAIN.get(inner, inner)}[]{{{items}}}"
        return f"new ArrayList<{_BOXED.get(inner, inner)}>(Arrays.asList({items}))"
    return f"{json.dumps(value)}{_SUFFIXES.get(declared, '')}"


def _item(value: Any, declared: str) -> str:
    return _quoted(value) if isinstance(value, str) else java(value, declared)


def javascript(value: Any, declared: str, inner: str = "any") -> str:
    """A value as JavaScript text by its declared type; a string stays as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_entry(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_entry, value))}]"
    return f"{json.dumps(value)}{'n' if declared == 'Bigint' else ''}"


def _entry(value: Any) -> str:
    return _quoted(value, "'") if isinstance(value, str) else javascript(value, "any")


def _quoted(text: str, mark: str = '"') -> str:
    escaped = text.replace("\\", "\\\\").replace(mark, f"\\{mark}")
    return f"{mark}{escaped}{mark}"


WRITERS: dict[str, Callable[..., str]] = {"java": java, "javascript": javascript}
"""Category -> how its values are written."""


def arguments(category: str, doc: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each argument as text: what a tool call holds where every parameter is a string."""
    known = doc["parameters"]["properties"]
    for name, value in values.items():
        detail = known.get(name, {"type": "any"})
        yield name, WRITERS[category](value, detail["type"], detail.get("items", {}).get("type", "any"))


def call(category: str, doc: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """The call as source text: strings are quoted, but where none is declared and they are names."""
    known = doc["parameters"]["properties"]
    written = []
    for name, text in arguments(category, doc, values):
        named = known.get(name, {}).get("type") not in ("String", "char") and _NAME.fullmatch(text)
        written.append(f"{name}={_quoted(text) if isinstance(values[name], str) and not named else text}")
    return f"{doc['name']}({', '.join(written)})"
