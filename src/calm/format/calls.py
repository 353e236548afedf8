"""Calls as bare text: Python-call syntax `[f(a=1, b='x'), g(c=True)]`, JSON lists `[{"name": ..., "arguments": ...}]`.

BFCL and ToolACE speak the first, Hammer and API-Bank the second, CoALM's `Action:` lines the first without brackets.
Each reader undoes its writer for every Call: names with dots, blanks or hyphens, and arguments whose keys are no
identifiers, written `**{'odd key': 1}`. Ids are not written; a reader counts them from `call_0`. Text is taken apart by
a small scanner and `ast`, literals only: nothing that a model writes is ever evaluated.
"""

import ast
import json
import keyword
import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import JsonValue, ValidationError

from calm.conversation import TOOL_NAME, Call
from calm.errors import FormatError
from calm.files import dumps

LONGEST = 1_000_000
"""Characters a text of calls may have; a model's turn has some thousands."""
DEEPEST = 64
"""Brackets that may stand inside one another in Python-call syntax, in writing as in reading."""

_HEAD = re.compile(rf"\s*({TOOL_NAME.pattern.strip('^$')})\(")
_COMMA = re.compile(r"\s*(?:,|\Z)")
_PIECE = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|[\[({]|[\])}]""", re.DOTALL)
_JSON_WORDS: dict[str, JsonValue] = {"true": True, "false": False, "null": None}


# --- Python-call syntax --------------------------------------------------------------------------------------------


def render_python(calls: Sequence[Call]) -> str:
    """`[f(a=1, b='x')]` on one line, whatever the arguments hold.

    Raises:
        FormatError: a name that no tool may have, or an argument nested deeper than `DEEPEST` or too long a number.
    """
    return f"[{', '.join(_rendered(call) for call in calls)}]"


def parse_python(text: str) -> tuple[Call, ...]:
    """The calls in a bracketed list; reads JSON's `true`, `false`, `null` beside Python's, and tuples as lists.

    Raises:
        FormatError: anything that is not a list of calls with literal keyword arguments; nothing is run to find out.
    """
    body = _capped(text).strip()
    if not (body.startswith("[") and body.endswith("]")):
        raise FormatError(f"calls: expected [name(key=value, ...), ...], got {text[:60]!r}")
    pieces = enumerate(_split(body[1:-1]))
    return tuple(_call(name, _arguments(name, inside), place) for place, (name, inside) in pieces)


def signature(name: str, keys: Sequence[str]) -> str:
    """`name(key, 'odd key')`: a tool as CoALM-IT lists it, without types or descriptions."""
    return f"{_named(name)}({', '.join(key if _bare(key) else repr(key) for key in keys)})"


def parse_signature(text: str) -> tuple[str, tuple[str, ...]]:
    """Inverse of `signature`.

    Raises:
        FormatError: the text is no `name(key, ...)`.
    """
    heads = list(_split(_capped(text)))
    if len(heads) != 1:
        raise FormatError(f"signature: expected one name(key, ...), got {text[:60]!r}")
    name, inside = heads[0]
    parsed = _parsed(name, inside)
    if parsed.keywords:
        raise FormatError(f"signature of {name!r}: holds values, expected keys alone")
    return name, tuple(_key(name, node) for node in parsed.args)


def _rendered(call: Call) -> str:
    written = (_argument(key, value) for key, value in call.arguments.items())
    try:
        text = f"{_named(call.name)}({', '.join(written)})"
    except (ValueError, RecursionError) as error:
        raise FormatError(f"call of {call.name!r}: cannot be written: {error}") from error
    if _depth(text) > DEEPEST:
        raise FormatError(f"call of {call.name!r}: nested deeper than {DEEPEST} brackets")
    return text


def _argument(key: str, value: JsonValue) -> str:
    return f"{key}={value!r}" if _bare(key) else f"**{{{key!r}: {value!r}}}"


def _bare(key: str) -> bool:
    """Whether a key survives as a Python identifier: no keyword, and spelled as Python itself would normalise it."""
    plain = key.isidentifier() and not keyword.iskeyword(key) and key != "__debug__"
    return plain and unicodedata.normalize("NFKC", key) == key


def _named(name: str) -> str:
    if not TOOL_NAME.fullmatch(name):
        raise FormatError(f"call of {name!r}: no tool may have this name (letters, digits, blanks and . : / - only)")
    return name


def _depth(text: str) -> int:
    depth = deepest = 0
    for piece in _PIECE.finditer(text):
        depth += _step(piece[0])
        deepest = max(deepest, depth)
    return deepest


def _step(piece: str) -> int:
    return 1 if piece in "[({" else -1 if piece in "])}" else 0


def _split(body: str) -> Iterator[tuple[str, str]]:
    """The name and the text between the brackets of each call, strings and inner brackets seen through."""
    body, place = body.strip(), 0
    while place < len(body):
        head = _HEAD.match(body, place)
        if not head:
            raise FormatError(f"calls: expected a name and `(`, got {body[place : place + 60]!r}")
        end = _closing(body, head.end())
        yield head[1], body[head.end() : end]
        comma = _COMMA.match(body, end + 1)
        if not comma:
            raise FormatError(f"calls: expected `,` or the end, got {body[end + 1 : end + 61]!r}")
        place = comma.end()


def _closing(body: str, start: int) -> int:
    depth = 1
    for piece in _PIECE.finditer(body, start):
        depth += _step(piece[0])
        if depth == 0:
            return piece.start()
        if depth > DEEPEST:
            raise FormatError(f"calls: nested deeper than {DEEPEST} brackets")
    raise FormatError(f"calls: `(` is never closed: {body[start - 1 : start + 59]!r}")


def _parsed(name: str, inside: str) -> ast.Call:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a model's string is no news
            parsed = ast.parse(f"f({inside})", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise FormatError(f"call of {name!r}: {type(error).__name__}: {error} in {inside[:60]!r}") from error
    if not isinstance(parsed, ast.Call) or not isinstance(parsed.func, ast.Name):
        raise FormatError(f"call of {name!r}: {inside[:60]!r} is more than its arguments")
    return parsed


def _key(name: str, node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise FormatError(f"signature of {name!r}: a {type(node).__name__} is no key")


def _arguments(name: str, inside: str) -> dict[str, JsonValue]:
    parsed, arguments = _parsed(name, inside), {}
    if parsed.args:
        raise FormatError(f"call of {name!r}: a positional argument; expected key=value")
    for given in parsed.keywords:
        more = _value(given.value) if given.arg is None else {given.arg: _value(given.value)}
        if not isinstance(more, dict) or more.keys() & arguments.keys():
            raise FormatError(f"call of {name!r}: an argument is given twice, or ** before something else than {{...}}")
        arguments |= more
    return arguments


def _value(node: ast.expr) -> Any:
    """The literal a node says; JSON values only, so no bytes, sets, complex numbers or names."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None):
        return node.value
    if isinstance(node, ast.Name) and node.id in _JSON_WORDS:
        return _JSON_WORDS[node.id]
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        return {_text(key): _value(value) for key, value in zip(node.keys, node.values, strict=True)}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(node.operand)
    raise FormatError(f"calls: a {type(node).__name__} is no literal value")


def _text(node: ast.expr | None) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise FormatError("calls: a key of {...} is no string")


def _number(node: ast.expr) -> int | float:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value  # ty: ignore[invalid-explicit-return]  # just checked, by exact type: True is no number
    raise FormatError("calls: `-` stands before something else than a number")


# --- JSON lists ----------------------------------------------------------------------------------------------------


def render_json(calls: Sequence[Call]) -> str:
    """`[{"name": ..., "arguments": {...}}]` on one line."""
    return dumps([{"name": call.name, "arguments": call.arguments} for call in calls])


def parse_json(text: str) -> tuple[Call, ...]:
    """Inverse of `render_json`; an object has these two keys and no others.

    Raises:
        FormatError: not JSON, not such a list, or a number no JSON has.
    """
    try:
        listed = json.loads(_capped(text))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"calls: not JSON: {error}") from error
    if not isinstance(listed, list):
        raise FormatError(f"calls: expected a JSON list, got {text[:60]!r}")
    for place, value in enumerate(listed):
        if not isinstance(value, dict) or value.keys() != {"name", "arguments"}:
            raise FormatError(f"call {place}: expected the keys name and arguments, got {str(value)[:60]!r}")
    return tuple(_call(value["name"], value["arguments"], place) for place, value in enumerate(listed))


def _capped(text: str) -> str:
    if len(text) > LONGEST:
        raise FormatError(f"calls: {len(text)} characters, more than {LONGEST}")
    return text


def _call(name: Any, arguments: Any, place: int) -> Call:
    try:
        return Call(name=name, arguments=arguments, id=f"call_{place}")
    except ValidationError as error:
        first = error.errors()[0]
        raise FormatError(f"call {place}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
