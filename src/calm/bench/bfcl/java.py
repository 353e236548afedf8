"""The one call in a Java text, as upstream reads it, quirks included.

Behaviour after `bfcl_eval/model_handler/parser/java_parser.py` (6ea5797): values are re-joined without white space, a
class body after `new X(...)` and the size in `new T[n]` are lost (the latter fails), and the grammar's byte offsets
cut a string of characters, so that everything behind a non-ASCII character is shifted. `Plain` repairs all of these.
"""

import re
from typing import Any

from calm.bench.bfcl import grammars

_ESCAPED = re.compile(r"\\([\"'\\])")
_MARKS = (",", "(", ")")
_QUOTED = ("string_literal", "character_literal")
_AS_WRITTEN = ("identifier", "class_literal", "type_identifier", "method_invocation")


def calls(source: str) -> Any:
    """`[{name: {parameter: text}}]` of the first call in the text, `{}` where it holds none.

    A bare name among the arguments stands under None; other positional arguments are dropped.

    Raises:
        SyntaxError: it does not parse.
        ValueError: a parameter is named twice.
    """
    return _called(source, Reader(source))


def plain_calls(source: str) -> Any:
    """The same with every value as it was written, which is what the audited reading takes; raises alike."""
    return _called(source, Plain(source))


def _called(source: str, reader: "Reader") -> Any:
    call = _first_call(grammars.root(source, "java"))
    return {} if call is None else [reader.call(call)]


def _first_call(node: Any) -> Any | None:
    left = [node]
    while left:
        node = left.pop()
        if node.type == "method_invocation":
            return node
        left.extend(reversed(node.children))
    return None


class Reader:
    """Text out of nodes as upstream cuts and joins it."""

    def __init__(self, source: str) -> None:
        self._source: Any = source

    def text(self, node: Any) -> str:
        """What stands at the node's byte offsets, taken for offsets of characters."""
        return self._source[node.start_byte : node.end_byte]

    def call(self, node: Any) -> dict[str, dict[Any, str]]:
        """A `method_invocation` as `{name: arguments}`."""
        owner = node.child_by_field_name("object")
        name = self.text(node.child_by_field_name("name"))
        arguments = self._arguments(node.child_by_field_name("arguments"))
        return {name if owner is None else f"{self.text(owner)}.{name}": arguments}

    def _arguments(self, node: Any) -> dict[Any, str]:
        found: dict[Any, str] = {}
        for child in node.children:
            if child.type == "assignment_expression":
                name, value = self.text(child.children[0]), self.value(child.children[2])
            elif child.type in ("identifier", "class_literal"):
                name, value = None, self.value(child)
            else:
                continue
            if name in found:
                raise ValueError(f"{name} is given twice")
            found[name] = value
        return found

    def value(self, node: Any) -> str:
        """An argument: a string or character loses its quotes and keeps its escapes."""
        return self.text(node)[1:-1] if node.type in _QUOTED else self.joined(node)

    def joined(self, node: Any) -> str:
        """The node's text, put together from its leaves; arrays and objects are spelt anew."""
        if node.type in _QUOTED or node.type in _AS_WRITTEN or not node.child_count:
            return self.text(node)
        if node.type == "array_creation_expression":
            kind, items = node.child_by_field_name("type"), node.child_by_field_name("value")
            return f"new {self.joined(kind)}[]{self.joined(items)}"  # no items: AttributeError, as upstream
        if node.type == "object_creation_expression":
            given = [child for child in node.child_by_field_name("arguments").children if child.type not in _MARKS]
            inside = ", ".join([self.joined(child) for child in given])
            return f"new {self.joined(node.child_by_field_name('type'))}({inside})"
        return "".join([self.joined(child) for child in node.children])


class Plain(Reader):
    """Text out of nodes as it was written."""

    def __init__(self, source: str) -> None:
        self._source = source.encode()

    def text(self, node: Any) -> str:
        """What stands at the node's byte offsets."""
        return self._source[node.start_byte : node.end_byte].decode()

    joined = text

    def value(self, node: Any) -> str:
        """An argument: a string or character loses its quotes and has its escaped quotes and backslashes resolved."""
        text = self.text(node)
        if node.type not in _QUOTED:
            return text
        inner = text[3:-3].strip() if text.startswith('"""') else text[1:-1]
        return _ESCAPED.sub(r"\1", inner)
