"""From what a model wrote to calls `[{name: {parameter: value}}]`, as the official decoders read it, but without eval.

Behaviour after ShishirPatil/gorilla, `bfcl_eval/model_handler` (V4: 6ea5797, 23 Mar 2026; V3: b1bacde5, 20 Feb 2025),
quirks included: positional arguments vanish, every unary sign is a minus, a name becomes its text. Where upstream runs
`eval`, for arithmetic among arguments, stands a table over literals here; README.md says what that changes.
"""

import ast
import json
import operator
import re
import threading
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from calm.bench.bfcl import java, javascript, sensitivity

Decoder = Callable[[Any], Any]
LONGEST = 100_000
"""Characters of output that are looked at; anything longer counts as unreadable."""
WIDEST, BITS = 10_000, 16_384
"""Largest sequence and largest integer (in bits) that folded arithmetic may make."""
WIDE = re.compile(r"%(?:\(|[-#0 +]*(?:\*|\d{4}|\d*\.(?:\*|\d{4})))")
"""A `%` format that asks for a width of four digits, or for one that cannot be seen."""

_PARSING = threading.RLock()
"""Held while Python parses: 3.11 counts the depth of a tree for all threads at once and fails when they take turns."""

UNREADABLE = (
    SyntaxError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, AssertionError,
    RecursionError, MemoryError,
)  # fmt: skip
"""What upstream's "any exception means not decodable" can be, now that nothing of the text is run."""


def decode(output: Any, decoder: str = "prompt", version: str = "v4", language: str = "python") -> Any | None:
    """The decoded calls, in whatever shape the decoder leaves them, or None when it gives up.

    Args:
        output: the model's text; for `fc` the list `[{name: arguments as JSON text}]` or its JSON.
        decoder: `prompt` (Python call syntax), `fc` (OpenAI's tool calls), `hammer` or `xlam2` (JSON lists), or one of
            V4's return formats: `fs_py`, `fs_json`, `fs_vxml`, `fs_cxml`, each with `_tag` behind it or not.
        version: `v3` or `v4`; they differ only in how brackets and quotes around a Python text are taken off.
        language: `python`, `java` or `javascript`, which matters to `prompt` alone; the latter need the `bench` extra.

    Raises:
        MissingExtra: the grammars of the other languages are not installed.
    """
    prompt = FOREIGN.get(language, prompt_v3 if version == "v3" else prompt_v4)
    return read({"prompt": prompt, **JSON_DECODERS, **RETURN_FORMATS}[decoder], output)


def read(decoder: Decoder, output: Any) -> Any | None:
    """What a decoder makes of an output, None when it gives up or the output is longer than `LONGEST`."""
    if isinstance(output, str) and len(output) > LONGEST:
        return None
    try:
        return decoder(output)
    except UNREADABLE:
        return None


def prompt_v4(output: str) -> list[dict[Any, Any]]:
    """Python calls in one pair of brackets, which may be missing; quotes around all of it fall off."""
    return _calls(stripped(output, "v4"))


def prompt_v3(output: str) -> list[dict[Any, Any]]:
    """The same with every leading and trailing bracket and quote taken off, so `[[f()]]` reads and `[]` does not."""
    return _calls(stripped(output, "v3"))


def stripped(output: str, version: str) -> str:
    """The Python source that is left of an output before it is parsed."""
    text = bracketed(output)
    return text.strip("[]'") if version == "v3" else text.strip().strip("'")


def bracketed(output: str) -> str:
    """The output without the fences around it, with a bracket before and one behind."""
    text = output.strip("`\n ")
    return ("" if text.startswith("[") else "[") + text + ("" if text.endswith("]") else "]")


FOREIGN: dict[str, Decoder] = {
    "java": lambda output: java.calls(bracketed(output)[1:-1]),
    "javascript": lambda output: javascript.calls(bracketed(output)[1:-1]),
}


def expression(source: str) -> ast.expr:
    """The one expression of a text, parsed; SyntaxError and its kin when it is none."""
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape in a model's string is no concern of ours
        return ast.parse(source, mode="eval").body


def _calls(source: str) -> list[dict[Any, Any]]:
    body = expression(source)
    if isinstance(body, ast.Call):
        return [_call(body)]
    if not isinstance(body, ast.List | ast.Tuple | ast.Set):
        raise TypeError("no list of calls")
    return [_call(element) for element in body.elts]


def _call(node: ast.expr) -> dict[Any, Any]:
    """`{name: {keyword: value}}`; what is neither name nor attribute below the dots is dropped, as are positionals."""
    if not isinstance(node, ast.Call):
        raise TypeError("no call")
    parts, function = [], node.func
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    if isinstance(function, ast.Name):
        parts.append(function.id)
    return {".".join(reversed(parts)): {keyword.arg: _value(keyword.value) for keyword in node.keywords}}


def _value(node: ast.expr | None) -> Any:
    reader = _READERS.get(type(node))
    if reader is None:
        raise TypeError(f"{type(node).__name__} is no value")
    return reader(node)


def _constant(node: ast.Constant) -> Any:
    return "..." if node.value is ... else node.value


def _unary(node: ast.UnaryOp) -> Any:
    """Minus whatever the operator is, as upstream has it: `+5` is -5 and `not True` is -1."""
    return -node.operand.value  # ty: ignore[missing-attribute]  # no constant: AttributeError, unreadable


def _inner_call(node: ast.Call) -> Any:
    return _call(node) if node.keywords else ast.unparse(node)


_READERS: dict[type, Callable[[Any], Any]] = {
    ast.Constant: _constant,
    ast.UnaryOp: _unary,
    ast.List: lambda node: [_value(item) for item in node.elts],
    ast.Tuple: lambda node: tuple(_value(item) for item in node.elts),
    ast.Dict: lambda node: {_value(k): _value(v) for k, v in zip(node.keys, node.values, strict=True)},
    ast.Name: lambda node: node.id,
    ast.Call: _inner_call,
    ast.Subscript: lambda node: f"{ast.unparse(node.value)}[{ast.unparse(node.slice)}]",
    ast.BinOp: lambda node: literal(node),
}


# --- arithmetic among literals, by table ---------------------------------------------------------------------------


def literal(node: ast.expr | None) -> Any:
    """The value of an expression of literals; a name, a call or an attribute in it is unreadable."""
    folder = _FOLDERS.get(type(node))
    if folder is None:
        raise TypeError(f"{type(node).__name__} is no literal")
    return folder(node)


def _operated(node: ast.BinOp) -> Any:
    left, right = literal(node.left), literal(node.right)
    guard = _GUARDS.get(type(node.op))
    if guard is not None and not guard(left, right):
        raise OverflowError("too large")
    return _BINARY[type(node.op)](left, right)


def _bits(value: Any) -> int:
    return value.bit_length() if isinstance(value, int) else 0


def _multiplies(left: Any, right: Any) -> bool:
    for one, other in ((left, right), (right, left)):
        if hasattr(one, "__len__") and isinstance(other, int):
            return len(one) * max(other, 0) <= WIDEST
    return _bits(left) + _bits(right) <= BITS


def _powers(left: Any, right: Any) -> bool:
    return not isinstance(left, int) or not isinstance(right, int) or _bits(left) * max(right, 1) <= BITS


def _shifts(left: Any, right: Any) -> bool:
    return not isinstance(right, int) or _bits(left) + right <= BITS


def _formats(left: Any, right: Any) -> bool:
    text = left.decode("latin-1") if isinstance(left, bytes) else left
    return not isinstance(text, str) or not WIDE.search(text)


def _adds(left: Any, right: Any) -> bool:
    return not hasattr(left, "__len__") or not hasattr(right, "__len__") or len(left) + len(right) <= WIDEST


_GUARDS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Add: _adds,
    ast.Mult: _multiplies,
    ast.Pow: _powers,
    ast.LShift: _shifts,
    ast.Mod: _formats,
}
_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.MatMult: operator.matmul,
}
_UNARY: dict[type, Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
_FOLDERS: dict[type, Callable[[Any], Any]] = {
    ast.Constant: lambda node: node.value,
    ast.UnaryOp: lambda node: _UNARY[type(node.op)](literal(node.operand)),
    ast.BinOp: _operated,
    ast.List: lambda node: [literal(item) for item in node.elts],
    ast.Tuple: lambda node: tuple(literal(item) for item in node.elts),
    ast.Set: lambda node: {literal(item) for item in node.elts},
    ast.Dict: lambda node: {literal(k): literal(v) for k, v in zip(node.keys, node.values, strict=True)},
}


# --- JSON decoders -------------------------------------------------------------------------------------------------


def function_calls(output: Any) -> list[dict[str, Any]]:
    """OpenAI's tool calls: a list of one-key objects whose value is the arguments as JSON text; its JSON will do."""
    listed = json.loads(output) if isinstance(output, str) and output.startswith("[") else output
    return [{name: json.loads(call[name])} for call in listed for name in [list(call.keys())[0]]]  # noqa: RUF015


def hammer(output: str) -> list[dict[str, Any]]:
    """A JSON list of `{name, arguments}` in or out of a fence; what is no JSON is an empty list, not a failure."""
    try:
        listed = json.loads(output.replace("```", ""))
    except (ValueError, RecursionError):
        listed = []
    return [{call["name"]: call["arguments"]} for call in listed]


def xlam2(output: str) -> list[dict[str, Any]]:
    """A JSON list or object of `{name, arguments}`, else objects joined by `;`."""
    try:
        value = json.loads(output)
        listed = value if isinstance(value, list) else [value]
    except json.JSONDecodeError:
        listed = [json.loads(piece.strip()) for piece in output.split(";")]
    return [{call["name"]: call["arguments"]} for call in listed]


JSON_DECODERS: dict[str, Decoder] = {"fc": function_calls, "hammer": hammer, "xlam2": xlam2}


# --- format sensitivity --------------------------------------------------------------------------------------------


def _returned(reader: Decoder, tag: bool) -> Decoder:
    """Brackets first, then the tag, then the format: upstream's order."""
    return lambda output: reader(sensitivity.tagged(bracketed(output)) if tag else bracketed(output))


def _plain_literal(source: str) -> Any:
    """A Python literal without arithmetic, as upstream has it for lists and objects in XML."""
    return ast.literal_eval(expression(source.lstrip(" \t")))


_FORMATS: dict[str, Decoder] = {
    "py": lambda text: _calls(text.strip().strip("'")),
    "json": sensitivity.json_calls,
    "vxml": partial(sensitivity.verbose_xml, literal=_plain_literal),
    "cxml": partial(sensitivity.concise_xml, literal=_plain_literal),
}
RETURN_FORMATS: dict[str, Decoder] = {
    f"fs_{name}{'_tag' if tag else ''}": _returned(reader, tag)
    for name, reader in _FORMATS.items()
    for tag in (False, True)
}
"""V4's four return formats, in a `<TOOLCALL>` tag or not; always Python, as all of upstream's such items are."""
DECODERS = ("prompt", *JSON_DECODERS, *RETURN_FORMATS)


def in_call_format(decoded: Any) -> bool:
    """Whether it is a list of one-key objects that each hold an object: upstream's test before any checking."""
    return type(decoded) is list and all(
        type(call) is dict and len(call) == 1 and type(next(iter(call.values()))) is dict for call in decoded
    )
