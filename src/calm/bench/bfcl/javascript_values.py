"""JavaScript source text as the values that BFCL compares, as upstream converts them by declared type.

Behaviour after `bfcl_eval/eval_checker/ast_eval/type_convertor/js_type_converter.py` (6ea5797; the same in V3): no
exponents, lists are split at every comma, an object ends at its first `}`, and quoted numbers in objects are numbers.
Upstream's patterns are matched by searches of linear time; theirs can take for ever on hostile text.
"""

import re
from collections.abc import Iterator
from typing import Any

from calm.bench.bfcl.java_values import Reading, number_or_text

TYPES: dict[str, type] = {
    "String": str,
    "any": str,
    "integer": int,
    "Bigint": int,
    "float": float,
    "Boolean": bool,
    "dict": dict,
    "array": list,
}
_TRUTH = {"true": True, "false": False}
_NUMBERS: dict[str, Reading] = {
    "integer": (re.compile(r"-?\d+$"), int),
    "float": (re.compile(r"-?\d+(\.\d+)?$"), float),
    "Bigint": (re.compile(r"-?\d+n$"), lambda text: int(text[:-1])),
}


def convert(text: str, declared: str, inner: str | None = None) -> Any:
    """The value that `text` stands for when it is declared so; `inner` is the declared type of a list's items.

    Raises:
        ValueError: an unknown type, or a number of so many digits that Python will not read it; upstream's whole
            evaluation stops there.
    """
    if declared in _NUMBERS:
        pattern, read = _NUMBERS[declared]
        return read(text) if pattern.match(text) else text
    if declared not in TYPES:
        raise ValueError(f"{declared} has no reading")
    readings = {"String": unquoted, "Boolean": lambda text: _TRUTH.get(text, text), "dict": _object}
    return _array(text, inner) if declared == "array" else readings.get(declared, str)(text)


def unquoted(text: str) -> str:
    """Without its first and last character where both are the same quote."""
    return text[1:-1] if text[:1] in ('"', "'") and text[:1] == text[-1:] else text


def _untyped(text: str) -> Any:
    """A value whose type nobody declared."""
    text = text.strip()
    if text in _TRUTH:
        return _TRUTH[text]
    bare = unquoted(text)
    return number_or_text(text) if bare == text else bare


# --- lists -----------------------------------------------------------------------------------------------------------


def _array(text: str, inner: str | None) -> Any:
    code = text.strip()
    try:
        rows = _rows(code)
        return _row(code, inner) if rows is None else rows
    except ValueError:
        return code


_ROW = re.compile(r"\[(.*?)\]|new\s+Array\((.*?)\)")


def _row(code: str, inner: str | None) -> Any:
    """A list of one dimension; commas split it wherever they stand."""
    match = _ROW.match(code)
    if match is None:
        return code
    listed = match.group(match.lastindex or 0).strip()
    items = [item.strip() for item in listed.split(",")] if listed else []
    return [convert(item, inner) if inner else _untyped(item) for item in items]


_GRIDS = ((re.compile(r"\[\s*\["), "]"), (re.compile(r"new\s+Array\(\s*\["), ")"))
_INNER = re.compile(r"\[(.*?)\]")


def _rows(code: str) -> list[list[Any]] | None:
    """A list of lists, whose items' types are guessed; None where it is none."""
    for head, close in _GRIDS:
        match = head.match(code)
        end = _grid_end(code, match.end(), close) if match else None
        if end is not None:
            rows = [row.strip() for row in _INNER.findall(code[:end])]
            rows[0] = rows[0].removeprefix("[")
            return [[_untyped(item) for item in row.split(",")] for row in rows]
    return None


_NEXT_ROW = re.compile(r"\s*,\s*\[")
_SPACE = re.compile(r"\s*")


def _skipped(text: str, start: int) -> int:
    """The first place from `start` on that holds no white space."""
    match = _SPACE.match(text, start)
    return match.end() if match else start


def _grid_end(code: str, start: int, close: str) -> int | None:
    r"""Where `.*?\]\s*(,\s*\[.*?\]\s*)*` and then `close` end, with the choices of a backtracking matcher.

    That matcher tries each `]` of a line in turn as the end of a row, so its time doubles with every row of a text that
    does not match. What follows a `]` does not depend on the way there, so here it is found once, from the right.
    """
    found: dict[int, int | None] = {}

    def row_end(place: int) -> int | None:
        """The end of the whole from inside a row."""
        bracket = code.find("]", place)
        return found[bracket] if bracket >= 0 and "\n" not in code[place:bracket] else None

    for bracket in reversed([match.start() for match in re.finditer(r"\]", code) if match.start() >= start]):
        after = bracket + 1
        another = _NEXT_ROW.match(code, after)
        end = row_end(another.end()) if another else None
        if end is None and code.startswith(close, place := _skipped(code, after)):
            end = place + 1
        found[bracket] = row_end(after) if end is None else end
    return row_end(start)


# --- objects ---------------------------------------------------------------------------------------------------------

_OBJECT = re.compile(r"\{(.*?)\}")


def _object(text: str) -> Any:
    """An object up to its first `}`; a string where there is none on the first line."""
    code = text.strip()
    match = _OBJECT.match(code)
    return {key: _entry(value) for key, value in _pairs(match.group(1))} if match else code


def _entry(value: str) -> Any:
    return _array(value, None) if value.startswith("[") and value.endswith("]") else _untyped(value.strip("'\""))


def _pairs(content: str) -> Iterator[tuple[str, str]]:
    r"""Keys and values by `([^:]+):\s*(.*?)(?:,\s*(?=[^,]+:)|$)`: a value ends at a comma that a new key follows."""
    place = 0
    while True:
        while content.startswith(":", place):
            place += 1
        colon = content.find(":", place)
        if colon < 0:
            return
        value = _skipped(content, colon + 1)
        end, following = _comma(content, value)
        yield content[place:colon].strip().strip("'\""), content[value:end].strip()
        place = following


def _comma(content: str, start: int) -> tuple[int, int]:
    """The comma that ends a value, and where the next key starts."""
    comma = content.find(",", start)
    while comma >= 0:
        after = content.find(",", comma + 1)
        colon = content.rfind(":", comma + 2, len(content) if after < 0 else after)
        if colon >= 0:
            return comma, min(_skipped(content, comma + 1), colon - 1)
        comma = after
    return len(content), len(content)
