"""The second reading of an output: the official check with its known mistakes repaired, each for a stated reason.

It stands beside the official verdict and never in its place; a protocol name that ends in `-audited` asks for it. A row
whose truth no honest answer can meet gets the error type `averages.DROPPED` and is in no denominator.
"""

import ast
import re
from collections.abc import Mapping
from typing import Any

from calm.bench.bfcl import audited_java, decode, grade, multi_turn, tasks
from calm.bench.bfcl.averages import DROPPED

REPAIRS = {
    "truths": "items whose truth no honest answer meets are left out of the denominator (UNMET says why)",
    "signs": "+5 and --5 are 5, ~5 is -6, `not True` is False; upstream takes any sign for a minus and fails on two",
    "abstention": "in the irrelevance categories an output that cannot be read but opens a call is wrong; "
    "upstream counts whatever it cannot read as a right refusal (issue 1362)",
    "positions": "in the multi-turn categories positional arguments are passed on and an empty object is an argument; "
    "upstream's decoder drops the ones and fails on the other, so that its own truths fail when they are written out",
    **audited_java.REPAIRS,
}
"""What is repaired, and why."""

UNMET = {
    "live_simple_106-63-0": "the list of allowed values is empty",
    "live_simple_112-68-0": "the list of allowed values is empty",
    "live_multiple_862-181-3": "the truth names a parameter that the function does not have",
    "live_multiple_964-207-0": "the truth names a parameter that the function does not have",
    **audited_java.UNMET,
    "parallel_multiple_141": "the truth asks for a misspelt month (mended in V4)",
}
"""Items whose truth rejects what is right, and why."""
MENDED_IN_V4 = ("parallel_multiple_141",)
UNREADABLE_CALL = "irrelevance_error:unreadable_call"
_OPENS = re.compile(r"[\s`\[('\"]*[A-Za-z_][\w.]*\(")


def error_of(item: Any, output: Any, rules: str, decoder: str = "prompt") -> str | None:
    """The audited error type of one output to one item (single-turn or multi-turn), None where it is right."""
    name = tasks.plain(item.id)
    if name in UNMET and not (rules == "v4" and name in MENDED_IN_V4):
        return DROPPED
    if isinstance(item, multi_turn.Entry):
        return _turns(item, output, rules, decoder)
    if item.category == "java":
        return audited_java.error_of(item, output, decoder)
    python = decoder == "prompt" and isinstance(output, str) and item.category not in grade.FOREIGN
    mended = signed(output, rules) if python else output
    error = grade.judged(item, mended, rules, decoder)
    return UNREADABLE_CALL if error is None and opens_a_call(item, output) else error


def opens_a_call(item: tasks.Item, output: Any) -> bool:
    """Whether an output to an irrelevance item starts like a call, or calls an offered function further on."""
    if "irrelevance" not in item.category or not isinstance(output, str):
        return False
    names = "|".join(re.escape(doc["name"]) for doc in item.docs)
    called = names and re.search(rf'(?<![\w.])(?:{names})\(|"name"\s*:\s*"(?:{names})"', output)
    return bool(called or _OPENS.match(output))


# --- signs and positions ---------------------------------------------------------------------------------------------


def signed(output: str, rules: str) -> str:
    """The output with its unary operators worked out; what cannot be parsed comes back as it is."""
    calls = _parsed(output, rules)
    return output if calls is None else f"[{', '.join(calls)}]"


def _parsed(output: str, rules: str, change: ast.NodeTransformer | None = None) -> list[str] | None:
    """The source of each element after `change` and `_Signs`; None when there is nothing that parses."""
    if len(output) > decode.LONGEST:
        return None
    try:
        body = _Signs().visit(decode.expression(decode.stripped(output, rules)))
        elements = body.elts if isinstance(body, ast.List | ast.Tuple) else [body]
        return [ast.unparse(change.visit(element) if change else element) for element in elements]
    except decode.UNREADABLE:
        return None


class _Signs(ast.NodeTransformer):
    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:  # ast's name
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            return node  # upstream and Python agree
        return ast.Constant(decode.literal(node))


class _Texts(ast.NodeTransformer):
    """What stands at the top must be a call; a bare name among its arguments is its text, as upstream has it."""

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.Call):
            raise TypeError("no call")
        names = _Names()
        node.args = [names.visit(value) for value in node.args]
        for word in node.keywords:
            word.value = names.visit(word.value)
        return node


class _Names(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(node.id)


def _turns(entry: multi_turn.Entry, output: Any, rules: str, decoder: str) -> str | None:
    if decoder != "prompt" or not isinstance(output, list) or len(output) != len(entry.truth):
        return multi_turn.error_of(entry, output, rules, decoder)
    turns = (turn if isinstance(turn, list) else [] for turn in output)
    return multi_turn.fault(entry, ([executable(step, rules) for step in turn] for turn in turns), rules)


def executable(step: Any, rules: str) -> list[str]:
    """The calls of one step as they were written, positional arguments and all; empty where there is none to run."""
    return (_parsed(step, rules, _Texts()) or []) if isinstance(step, str) else []


def listed(rules: str) -> Mapping[str, str]:
    """Every item that is left out, with its reason."""
    return {name: why for name, why in UNMET.items() if rules != "v4" or name not in MENDED_IN_V4}
