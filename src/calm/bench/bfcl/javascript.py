"""The one call in a JavaScript text, as upstream reads it, quirks included.

Behaviour after `bfcl_eval/model_handler/parser/js_parser.py` (6ea5797): only a statement that is a call counts, so
`await f()`, `new F()` and `x = f()` hold none; values are raw text that loses its quotes when both ends are the same.
"""

from typing import Any

from calm.bench.bfcl import grammars
from calm.bench.bfcl.javascript_values import unquoted


def calls(source: str) -> Any:
    """`[{name: {parameter: text}}]` of the first call that is a statement, `{}` where there is none.

    A bare name (or `true`) among the arguments stands under None; other positional arguments are dropped.

    Raises:
        SyntaxError: it does not parse.
        ValueError: a parameter is named twice.
    """
    data = source.encode()
    statements = [node for node in grammars.root(source, "javascript").children if node.type == "expression_statement"]
    call = next((node for part in statements for node in part.children if node.type == "call_expression"), None)
    if call is None:
        return {}
    return [{_text(data, call.children[0]): _arguments(data, call.children[1])}]


def _text(data: bytes, node: Any) -> str:
    return data[node.start_byte : node.end_byte].decode()


def _arguments(data: bytes, node: Any) -> dict[Any, str]:
    found: dict[Any, str] = {}
    for child in node.children:
        if child.type == "assignment_expression":
            name, value = _text(data, child.children[0]), unquoted(_text(data, child.children[2]))
        elif child.type in ("identifier", "true"):
            name, value = None, _text(data, child)
        else:
            continue
        if name in found:
            raise ValueError(f"{name} is given twice")
        found[name] = value
    return found
