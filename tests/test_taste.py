"""The house meter: short functions, short files, no twins, nothing of anyone's machine."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "src").rglob("*.py"))


def functions(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(node):
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    return node.end_lineno - first.lineno + 1


def test_no_function_is_over_fifty_lines_and_half_are_under_ten():
    lengths = {f"{p.name}:{f.name}": body_lines(f) for p in FILES for f in functions(p)}
    assert {name: n for name, n in lengths.items() if n > 50} == {}
    assert sorted(lengths.values())[len(lengths) // 2] < 10


def test_no_file_is_over_five_hundred_lines():
    assert {p.name: n for p in FILES if (n := len(p.read_text().splitlines())) > 500} == {}


def test_no_eight_lines_stand_in_two_files():
    seen = defaultdict(set)
    for path in FILES:
        kept = [
            line
            for line in ast.unparse(ast.parse(path.read_text())).splitlines()
            if not line.startswith(("import", "from"))
        ]
        for i in range(len(kept) - 7):
            seen["\n".join(line.strip() for line in kept[i : i + 8])].add(path.name)
    assert [(sorted(where), text) for text, where in seen.items() if len(where) > 1] == []


@pytest.mark.parametrize("pattern", [r"\beval\(", r"\bexec\(", "unittest.mock", "TODO", "NotImplementedError\\("])
def test_words_that_must_not_stand_in_the_code(pattern):
    assert [p.name for p in FILES if re.search(pattern, code(p))] == []


def code(path):
    """The source without docstrings and strings, where such words may be spoken of."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.unparse(tree)
