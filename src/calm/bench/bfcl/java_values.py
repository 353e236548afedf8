"""Java source text as the values that BFCL compares, as upstream converts them by declared type; and values as text.

Behaviour after `bfcl_eval/eval_checker/ast_eval/type_convertor/java_type_converter.py` (6ea5797; the same in V3). Text
that does not look like its type stays text, which the type check then refuses. Upstream's patterns are matched with
searches that look at every character a fixed number of times; theirs can take minutes on hostile text.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

TYPES: dict[str, type] = {
    **dict.fromkeys(("byte", "short", "integer", "long"), int),
    **dict.fromkeys(("float", "double"), float),
    **dict.fromkeys(("char", "String", "any"), str),
    **dict.fromkeys(("Array", "ArrayList", "Queue", "Stack"), list),
    **dict.fromkeys(("HashMap", "Hashtable"), dict),
    "boolean": bool,
    "Set": set,
}
_INTEGER = re.compile(r"-?\d+$")
_LONG = re.compile(r"-?\d+[lL]$")
_FLOAT = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?[fF]$")
_DOUBLE = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?$")
_TRUTH = {"true": True, "false": False}
Reading = tuple[re.Pattern[str], Callable[[str], Any]]


def _cut(pattern: str, read: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: read(re.sub(pattern, "", text))


_WHOLE: Reading = (_INTEGER, int)
_NUMBERS: dict[str, Reading] = {
    "byte": _WHOLE,
    "short": _WHOLE,
    "integer": _WHOLE,
    "long": (_LONG, _cut(r"[lL]$", int)),
    "float": (_FLOAT, _cut(r"[fF]$", float)),
    "double": (_DOUBLE, float),
}


def convert(text: str, declared: str, inner: str | None = None) -> Any:
    """The value that `text` stands for when it is declared so; `inner` is the declared type of a list's items.

    Raises:
        ValueError: a type that upstream has no reading for (Set, Hashtable, Queue, Stack), or a number of so many
            digits that Python will not read it; upstream's whole evaluation stops there.
    """
    if declared in _NUMBERS:
        pattern, read = _NUMBERS[declared]
        return read(text) if pattern.match(text) else text
    if declared == "boolean":
        return _TRUTH.get(text, text)
    if declared in ("char", "String", "any"):
        return text
    if declared not in _COLLECTIONS:
        raise ValueError(f"{declared} has no reading")
    return _COLLECTIONS[declared](text, inner)


def _untyped(text: str) -> Any:
    """A value whose type nobody declared."""
    if text in _TRUTH:
        return _TRUTH[text]
    if text.startswith('"') and text.endswith('"'):
        return text[1:-1]
    suffixed = next((declared for declared in ("long", "float") if _NUMBERS[declared][0].match(text)), None)
    return convert(text, suffixed) if suffixed else number_or_text(text)


def number_or_text(text: str) -> Any:
    """What Python's int, else float, makes of a text (`1_0` and `inf` too), else the text."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


# --- lists and maps --------------------------------------------------------------------------------------------------


def line_end(text: str, start: int) -> int:
    """Where the line that `start` is on ends."""
    found = text.find("\n", start)
    return len(text) if found < 0 else found


def insides(text: str, head: re.Pattern[str], close: str, least: int = 1) -> Iterator[str]:
    """What stands between each `head` and the next `close` on the same line, at least `least` characters of it."""
    place = hopeless = 0
    while match := head.search(text, place):
        start = place = match.end()
        if start < hopeless:
            continue
        stop = line_end(text, start)
        end = text.find(close, start + least, stop)
        if end < 0:
            hopeless = stop
        else:
            yield text[start:end]
            place = end + len(close)


_AS_LIST = re.compile(r"new\s+ArrayList<\w*>\(Arrays\.asList\(")
_ADDING = re.compile(r"new\s+ArrayList<\w*>\(\)\s*\{\{\s*")
_ADD = re.compile(r"add\(")
_EMPTY = re.compile(r"new\s+ArrayList<\w*>\(\)")


def _array_list(text: str, inner: str | None) -> Any:
    for listed in insides(text, _AS_LIST, "))"):
        return [_item(item.strip(), inner) for item in listed.split(",")]
    adding = _ADDING.search(text)
    end = text.find("}}", adding.end() + 1) if adding else -1
    if adding and end >= 0:
        return [_item(item.strip(), inner) for item in insides(text[adding.end() : end], _ADD, ")")]
    return [] if _EMPTY.search(text) else text


def _item(text: str, inner: str | None) -> Any:
    """An item of an ArrayList; one of text loses its first and last character, whatever they are."""
    if inner in ("char", "String"):
        return text[1:-1]
    return convert(text, inner) if inner else _untyped(text)


_BRACED = re.compile(r"new\s+\w+\[\]\s*\{")


def _array(text: str, inner: str | None) -> Any:
    for listed in insides(text, _BRACED, "}", least=0):
        items = [item.strip() for item in listed.split(",") if item.strip()]
        return [convert(item, inner) if inner else _untyped(item) for item in items]
    return text


_MAP = re.compile(r"new\s+HashMap<")
_BODY = re.compile(r">\s*\(\)\s*\{\s*\{?\s*")
_NO_BODY = re.compile(r">\s*\(\)")
_PUT = re.compile(r'put\("')


def _map(text: str, _: str | None) -> Any:
    head = _MAP.search(text)
    if head is None:
        return text
    body = _BODY.search(text, head.end())
    end = text.find("}", body.end()) if body else -1
    if body and end >= 0:
        return dict(_puts(text[body.end() : end]))
    return {} if _empty_map(text) else text


def _empty_map(text: str) -> bool:
    """Whether `new HashMap<...>()` stands there with its brackets on one line."""
    tail = None
    for head in _MAP.finditer(text):
        if tail is None or tail.start() < head.end():
            tail = _NO_BODY.search(text, head.end())
        if tail is None:
            return False
        if tail.start() <= line_end(text, head.end()):
            return True
    return False


def _puts(text: str) -> Iterator[tuple[str, Any]]:
    """`put("key", value)`: the key ends at the first `",` behind which a `)` closes the value on the value's line.

    Where the first `",` fails, no `)` is left on the line, so that only the line's last one, whose value may stand on
    the next line, can still succeed; and where that fails too, nothing on this line can.
    """
    place = hopeless = 0
    while match := _PUT.search(text, place):
        start = place = match.end()
        if start < hopeless:
            continue
        stop = line_end(text, start)
        ends = (text.find('",', start, stop), text.rfind('",', start, stop))
        key_end, value = next(((end, value) for end in ends if (value := _put(text, end))), (0, None))
        if value is None:
            hopeless = stop
        else:
            yield text[start:key_end], _untyped(value.group(1).strip())
            place = value.end()


_VALUE = re.compile(r'",\s*+(.*?)\)')


def _put(text: str, key_end: int) -> re.Match[str] | None:
    return _VALUE.match(text, key_end) if key_end >= 0 else None


_COLLECTIONS: dict[str, Callable[[str, str | None], Any]] = {"Array": _array, "ArrayList": _array_list, "HashMap": _map}
