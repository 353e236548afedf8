"""Syntax trees of Java and JavaScript by the grammars that upstream reads with.

These are tree-sitter-java 0.21.0 and tree-sitter-javascript 0.21.4: parser tables, published as wheels for every
Python; the runtime that walks them may be newer than upstream's (README.md says what was compared). Upstream looks for
`ERROR` in the printed tree, and printing recurses in C without a bound; here the tree is searched step by step.
"""

import functools
import importlib
import warnings
from typing import Any

from calm.errors import MissingExtra

LONGEST = 4_000
"""Characters that are parsed; a hostile text of n characters can take the grammars time and memory of order n²."""


def root(source: str, language: str) -> Any:
    """The root node of a text that parses; a symbol that the parser had to supply (`;`) is no fault.

    Args:
        source: must be encodable as UTF-8.
        language: `java` or `javascript`.

    Raises:
        SyntaxError: the tree holds an error node, or the text is longer than `LONGEST`.
        MissingExtra: the packages of the `bench` extra are absent.
    """
    runtime, spoken = _loaded(language)
    if len(source) > LONGEST:
        raise SyntaxError(f"more than {LONGEST} characters")
    tree = runtime.Parser(spoken).parse(source.encode())  # a new parser each time: one may not be shared by threads
    if _broken(tree.root_node):
        raise SyntaxError(f"no {language}")
    return tree.root_node


@functools.cache
def _loaded(language: str) -> tuple[Any, Any]:
    try:
        runtime, grammar = (importlib.import_module(name) for name in ("tree_sitter", f"tree_sitter_{language}"))
    except ImportError as error:
        raise MissingExtra("a BFCL category in Java or JavaScript", "bench", f"tree-sitter-{language}") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # these grammars hand over their tables as an integer
        return runtime, runtime.Language(grammar.language())


def _broken(node: Any) -> bool:
    left = [node]
    while left:
        node = left.pop()
        if node.is_error:
            return True
        left.extend(child for child in node.children if child.has_error)
    return False
