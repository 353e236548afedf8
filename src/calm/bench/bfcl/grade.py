"""The official AST check, rewritten from its behaviour: decoded calls against allowed values, to one error type.

Upstream: ShishirPatil/gorilla, `bfcl_eval/eval_checker/ast_eval` at 6ea5797 (V4, 23 Mar 2026); that of V3 (b1bacde5,
20 Feb 2025) is the same logic. Error types are upstream's strings. Every oddity is kept on purpose; nothing is
repaired here.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from calm.bench.bfcl import java_values, javascript_values
from calm.bench.bfcl.decode import UNREADABLE, decode, in_call_format

TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": str,
}
LISTS = ("array", "tuple", "Array", "ArrayList")
LOOSE = re.compile(r"[ ,./\-_*^]")
Doc = Mapping[str, Any]


class Language(NamedTuple):
    """How one language's arguments are read: from (value, declared type, declared type of items) to a value.

    Where there is a `refusal`, every argument must be text; it is the error type of one that is not. With `underscores`
    the dots in functions' names were shown as `_`.
    """

    types: Mapping[str, type]
    convert: Callable[[Any, str, str | None], Any]
    refusal: str | None = None
    underscores: bool = False


def _widened(value: Any, declared: str, _: str | None) -> Any:
    """A Python value: a tuple passes for a list, an integer for a float."""
    if declared == "tuple" and type(value) is tuple:
        return list(value)
    return float(value) if declared == "float" and type(value) is int else value


PYTHON = Language(TYPES, _widened)
FOREIGN = {
    "java": Language(java_values.TYPES, java_values.convert, "type_error:java"),
    "javascript": Language(javascript_values.TYPES, javascript_values.convert, "type_error:js"),
}
"""Category -> its language, where it is not Python."""


def judged(item: Any, output: Any, rules: str, decoder: str = "prompt") -> str | None:
    """The official error type of an output to a single-turn item (`tasks.Item`), decoded by the rules `v3` or `v4`."""
    decoded = decode(output, decoder, rules, item.category)
    return error_of(item.category, item.docs, item.truth, decoded, underscores=decoder == "fc")


def error_of(
    category: str,
    docs: Sequence[Doc],
    truth: Any,
    decoded: Any,
    underscores: bool = False,
    language: Language | None = None,
) -> str | None:
    """What is wrong with the decoded calls (None: nothing).

    Args:
        category: decides the rule: relevance, parallel, multiple or simple, by what its name contains.
        docs: the function descriptions of the item, unchanged.
        truth: `[{function: {parameter: [allowed values]}}]`; not looked at for (ir)relevance.
        decoded: what the decoder gave; None where it gave up.
        underscores: the model was shown names with `_` for `.` (OpenAI-style tool calls).
        language: how arguments are read; by default as the category has it.
    """
    if "relevance" in category:
        return _relevance("irrelevance" in category, bool(in_call_format(decoded) and decoded))
    if decoded is None:
        return "ast_decoder:decoder_failed"
    if not in_call_format(decoded):
        return "ast_decoder:decoder_wrong_output_format"
    spoken = (language or FOREIGN.get(category, PYTHON))._replace(underscores=underscores)
    try:
        return _calls(category, docs, truth, decoded, spoken)
    except UNREADABLE:  # upstream's whole evaluation stops here; see README.md
        return "ast_checker:raised"


def _relevance(irrelevant: bool, called: bool) -> str | None:
    if irrelevant:
        return "irrelevance_error:decoder_success" if called else None
    return None if called else "relevance_error:decoder_failed"


def _calls(category: str, docs: Sequence[Doc], truth: Any, calls: Any, language: Language) -> str | None:
    if "parallel" in category:
        return _parallel(docs, truth, calls, language)
    if "multiple" in category:
        if len(calls) != len(truth):
            return "multiple_function_checker:wrong_count"
        return _call(_doc(docs, truth[0]), calls[0], truth[0], language)
    if len(calls) != 1:
        return "simple_function_checker:wrong_count"
    return _call(docs[0], calls[0], truth[0], language)


def _parallel(docs: Sequence[Doc], truth: Any, calls: Any, language: Language) -> str | None:
    """Each truth takes the first call left that passes; nothing is taken back."""
    if len(calls) != len(truth):
        return "parallel_function_checker_no_order:wrong_count"
    left = list(calls)
    for right in truth:
        doc = _doc(docs, right)
        place = next((i for i, call in enumerate(left) if _call(doc, call, right, language) is None), None)
        if place is None:
            return "parallel_function_checker_no_order:cannot_find_match"
        left.pop(place)
    return None


def _doc(docs: Sequence[Doc], truth: Doc) -> Doc:
    """The description of the function a truth names; LookupError where upstream would break too."""
    name = next(iter(truth))
    found = next((doc for doc in docs if doc["name"] == name), None)
    if found is None:
        raise LookupError(name)
    return found


def _call(doc: Doc, call: Doc, truth: Doc, language: Language) -> str | None:
    """One call against one truth: name, required, each given parameter in the model's order, then what is missing."""
    allowed = next(iter(truth.values()))
    name = doc["name"].replace(".", "_") if language.underscores else doc["name"]
    if name not in call:
        return "simple_function_checker:wrong_func_name"
    given, schema = call[name], doc["parameters"]
    if any(parameter not in given for parameter in schema["required"]):
        return "simple_function_checker:missing_required"
    for parameter, value in given.items():
        if parameter not in schema["properties"] or parameter not in allowed:
            return "simple_function_checker:unexpected_param"
        if error := _parameter(value, schema["properties"][parameter], allowed[parameter], language):
            return error
    if any(parameter not in given and "" not in values for parameter, values in allowed.items()):
        return "simple_function_checker:missing_optional"
    return None


def _parameter(value: Any, detail: Doc, allowed: Sequence[Any], language: Language) -> str | None:
    declared = detail["type"]
    expected = language.types[declared]
    if language.refusal and type(value) is not str:
        return language.refusal
    items = detail["items"]["type"] if declared in LISTS else None
    inner = language.types[items] if items else None
    value = language.convert(value, declared, items)
    error, variable = _typed(value, allowed, expected, inner)
    return error or _valued(value, allowed, expected, inner, variable)


def _typed(value: Any, allowed: Sequence[Any], expected: type, inner: type | None) -> tuple[str | None, bool]:
    """The type error, and whether the value counts as a "variable", which is compared exactly.

    The type of the first allowed value that is not "" is acceptable besides the declared one.
    """
    first = next((type(answer) for answer in allowed if answer != ""), None)
    declared = type(value) is expected
    if declared and (inner is None or any(_items_fit(value, answer, inner) for answer in allowed)):
        return None, first is not None and first is not expected
    if type(value) is first:
        return ("type_error:nested" if declared else None), True
    return "type_error:simple", False


def _items_fit(value: Any, answer: Any, inner: type) -> bool:
    """Whether every item has the inner type or that of the answer's first item; an answer that is no list fits all."""
    return type(answer) is not list or all(_typed(item, answer, inner, None)[0] is None for item in value)


def _valued(value: Any, allowed: Sequence[Any], expected: type, inner: type | None, variable: bool) -> str | None:
    if variable or expected not in (dict, list, str):
        return None if value in allowed else "value_error:others"
    if expected is dict:
        return _dict(value, allowed)
    if inner is dict:
        return _dicts(value, allowed)
    if expected is str:
        fits = loose(value) in [loose(answer) for answer in allowed if type(answer) is str]
        return None if fits else "value_error:string"
    fits = _loose_items(value) in [_loose_items(answer) for answer in allowed]
    return None if fits else "value_error:list/tuple"


def loose(value: Any) -> Any:
    """A string without blanks and `,./-_*^`, in lower case, its quotes doubled; other values as they are."""
    return LOOSE.sub("", value).lower().replace("'", '"') if type(value) is str else value


def _loose_items(values: Any) -> list[Any]:
    return [loose(item) for item in values]


def _dict(value: Doc, allowed: Sequence[Any]) -> str | None:
    """None when one allowed object fits, else the error against the last one tried."""
    error: str | None = "dict_checker:unclear"
    for answer in allowed:
        if answer == "":
            continue
        error = _entries(value, answer)
        if error is None:
            return None
    return error


def _entries(value: Doc, answer: Doc) -> str | None:
    """A missing key is reported rather than a wrong value, because upstream looks for it last."""
    if any(key not in value and "" not in choices for key, choices in answer.items()):
        return "value_error:dict_key"
    for key, item in value.items():
        if key not in answer:
            return "value_error:dict_key"
        if loose(item) not in _loose_items(answer[key]):
            return "value_error:dict_value"
    return None


def _dicts(value: Sequence[Any], allowed: Sequence[Any]) -> str | None:
    """A list of objects: same length and order, each by the rule for objects; the error against the last list tried."""
    error: str | None = "list_dict_checker:unclear"
    for answer in allowed:
        if len(value) != len(answer):
            error = "value_error:list_dict_count"
            continue
        pairs = zip(value, answer, strict=True)
        error = next((wrong for item, right in pairs if (wrong := _dict(item, [right]))), None)
        if error is None:
            return None
    return error
