"""Schemas and calls: whatever a corpus says of a type becomes plain JSON Schema, and a call is held against it.

Corpora write types as Python words (`str, optional`, `List[int]`), as full JSON Schema with references, or not at all.
`schema` makes of all of them one small subset: type, description, enum, default, items, properties, required, format,
minimum, maximum, anyOf. `fault` says what is wrong with a call over such tools, `fitted` mends what only is a wrong
spelling of the right value ("2" for an integer).
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from calm.conversation import Call, Tool, by_name

Schema = dict[str, Any]

DEEPEST = 12
"""Schemas inside one another; a schema that refers to itself is cut off there."""
LONGEST = 300
"""Characters of a description; a longer one ends with the last sentence that fits."""

_WORDS = {
    "string": "str string text char uuid date time datetime email url uri enum callable function lambda",
    "integer": "int integer long int32 int64 timestamp",
    "number": "float number double decimal numeric real",
    "boolean": "bool boolean",
    "array": "list array tuple set sequence iterable List Tuple Set ndarray",
    "object": "dict object map hashmap struct json mapping",
    "null": "null none nonetype",
}
_TYPES = {word.lower(): kind for kind, words in _WORDS.items() for word in words.split()}
_KEPT = ("type", "description", "enum", "default", "items", "properties", "required", "format", "minimum", "maximum")
_OF_TYPE: dict[str, Callable[[Any], bool]] = {
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
    "null": lambda v: v is None,
}


# --- schemas ---------------------------------------------------------------------------------------------------------


def parameters(properties: Mapping[str, Any], required: Sequence[str] | None = None) -> Schema:
    """The parameters of a tool from its properties, however their types are written.

    Without `required`, a parameter must be given unless its type says "optional" or it has a default (as in xLAM).

    Raises:
        ValueError: a type that no rule can read; names it.
    """
    if required is None:
        required = [key for key, value in properties.items() if not _optional(value)]
    whole = {"type": "object", "properties": dict(properties), "required": list(required)}
    found = schema(whole)
    found.setdefault("properties", {})
    return found


def schema(value: Any, definitions: Mapping[str, Any] | None = None, depth: int = 0) -> Schema:
    """One value's schema in the subset: references written out, null branches and unknown keywords left out.

    Raises:
        ValueError: a type that no rule can read; names it.
    """
    if isinstance(value, str):
        return _worded(value)
    if not isinstance(value, dict):
        return {}
    known = {**(definitions or {}), **_definitions(value)}
    value = _resolved(value, known)
    value |= {"enum": [value["const"]]} if "const" in value else {}
    if depth > DEEPEST:
        return {key: value[key] for key in ("description",) if isinstance(value.get(key), str)}
    found = {**_typed(value), **{key: value[key] for key in _KEPT if key in value and key != "type"}}
    branches = [schema(branch, known, depth + 1) for key in ("anyOf", "oneOf") for branch in _list(value.get(key))]
    _take_branches(found, branches)
    _take_inside(found, known, depth)
    return _cleaned(found)


def _definitions(value: Schema) -> dict[str, Any]:
    found = [value.get(key) for key in ("$defs", "definitions")]
    return {name: inner for group in found if isinstance(group, dict) for name, inner in group.items()}


def _resolved(value: Schema, known: Mapping[str, Any]) -> Schema:
    """The schema with its own `$ref` and `allOf` merged into it; a reference to nowhere leaves nothing behind."""
    value = dict(value)
    for _ in range(DEEPEST):
        reference = value.get("$ref")
        merged = [known.get(reference.rpartition("/")[2])] if isinstance(reference, str) else []
        merged += _list(value.get("allOf"))
        if not merged:
            break
        rest = {key: inner for key, inner in value.items() if key not in ("$ref", "allOf")}
        value = {}
        for part in (*merged, rest):
            value |= part if isinstance(part, dict) else {}
    return value


def _typed(value: Schema) -> Schema:
    """What the `type` says, or what can be seen from the other keywords."""
    stated = value.get("type")
    words = [stated] if isinstance(stated, str) else [word for word in _list(stated) if isinstance(word, str)]
    if found := _either(words):
        return found
    return next(({"type": kind} for key, kind in (("properties", "object"), ("items", "array")) if key in value), {})


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _worded(text: str) -> Schema:
    """The schema of a type in Python's words: `str, optional`, `List[int]`, `Dict[str, float]`, `Union[int, str]`."""
    text = re.sub(r",?\s*\boptional\b(?!\[)", "", text.strip(), flags=re.IGNORECASE).strip()
    head, _, inside = text.partition("[")
    word, parts = head.strip().lower(), _split(inside.rpartition("]")[0])
    if word in ("any", "", "unknown"):
        return {}
    if word == "optional":
        return _worded(parts[0])
    if word == "union" or "|" in head:
        return _either(parts if word == "union" else text.split("|"))
    if word.partition("(")[0].strip() not in _TYPES:
        raise ValueError(f"type {text[:60]!r} is no type that can be read")
    kind = _TYPES[word.partition("(")[0].strip()]
    items = _worded(parts[0]) if kind == "array" and parts else {}
    return {"type": kind, "items": items} if items else {"type": kind}


def _either(words: Sequence[str]) -> Schema:
    found = [branch for branch in map(_worded, words) if branch not in ({}, {"type": "null"})]
    return found[0] if len(found) == 1 else {"anyOf": found} if found else {}


def _split(text: str) -> list[str]:
    """The parts of `int, Dict[str, int]` between commas that stand in no bracket."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _take_branches(found: Schema, branches: Sequence[Schema]) -> None:
    """One branch left beside null is the schema itself; several stay an `anyOf`."""
    kept = [branch for branch in branches if branch not in ({}, {"type": "null"})]
    if len(kept) == 1:
        found |= {key: value for key, value in kept[0].items() if key not in found}
    elif kept and "type" not in found:
        found["anyOf"] = kept


def _take_inside(found: Schema, known: Mapping[str, Any], depth: int) -> None:
    """Rewrite what stands under `items` and `properties`."""
    if "items" in found:
        inside = schema(found["items"], known, depth + 1)
        found.pop("items")
        if inside:
            found["items"] = inside
    if "properties" in found:
        listed = found["properties"] if isinstance(found["properties"], dict) else {}
        found["properties"] = {str(key): schema(value, known, depth + 1) for key, value in listed.items()}
    required, names = _list(found.pop("required", None)), found.get("properties", {})
    if needed := [name for name in names if name in required]:
        found["required"] = needed


def _cleaned(found: Schema) -> Schema:
    """Keywords that would contradict the type are dropped; a default is turned into the type where it can be."""
    if "type" not in found and "anyOf" not in found and isinstance(found.get("enum"), list):
        kinds = {kind for value in found["enum"] for kind in [_kind(value)] if kind}
        found |= {"type": kinds.pop()} if len(kinds) == 1 else {}
    bare = {key: found[key] for key in ("type", "anyOf", "items") if key in found}
    enum = [value for value in _list(found.pop("enum", None)) if wrong(value, bare) is None]
    bare |= {"enum": enum} if enum else {}
    default = fit(found.pop("default", None), bare)
    text = found.pop("description", None)
    first = {"type": found.pop("type")} if "type" in found else {}
    first |= {"description": short(text)} if isinstance(text, str) and text.strip() else {}
    rest = {key: value for key, value in found.items() if _sound(key, value)}
    rest |= {"enum": enum} if enum else {}
    return {**first, **rest, **({"default": default} if default is not None and wrong(default, bare) is None else {})}


def _sound(key: str, value: Any) -> bool:
    if key in ("minimum", "maximum"):
        return _OF_TYPE["number"](value)
    return isinstance(value, str) if key == "format" else True


def _kind(value: Any) -> str | None:
    order = ("boolean", "integer", "number", "string", "array", "object")
    return next((kind for kind in order if _OF_TYPE[kind](value)), None)


def _optional(value: Any) -> bool:
    stated = value.get("type") if isinstance(value, dict) else value
    if isinstance(value, dict) and value.get("default") is not None:
        return True
    return isinstance(stated, str) and "optional" in stated.lower()


def short(text: str, most: int = LONGEST) -> str:
    """One line of at most `most` characters that ends with a sentence, or with a word where the first is too long."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    ends = [found.end() for found in re.finditer(r"[.!?](?=\s)", text[:most])]
    if ends and ends[-1] > most // 4:
        return text[: ends[-1]]
    return text[: most - 4].rpartition(" ")[0].rstrip(",;:") + " ..."


# --- calls -----------------------------------------------------------------------------------------------------------


def fault(call: Call, tools: Sequence[Tool]) -> str | None:
    """What is wrong with a call, None where nothing is: its tool exists, and its arguments fit the tool's schema."""
    tool = by_name(tools).get(call.name)
    if tool is None:
        return f"no tool {call.name!r}"
    told = wrong(call.arguments, {**tool.parameters, "type": "object"}, "")
    return f"{call.name}: {told}" if told else None


def wrong(value: JsonValue, held_to: Mapping[str, Any], where: str = "value") -> str | None:
    """The first thing in `value` that its schema forbids: type, enum, range, missing or unknown names; None if none."""
    kind, branches = held_to.get("type"), held_to.get("anyOf")
    if branches and all(wrong(value, branch, where) for branch in branches):
        return f"{where} is {value!r:.60}, which none of its {len(branches)} types allows"
    if kind in _OF_TYPE and not _OF_TYPE[kind](value):
        return f"{where or 'arguments'} is {value!r:.60}, not {kind}"
    enum = held_to.get("enum")
    if enum and not any(value == allowed and type(value) is type(allowed) for allowed in enum):
        return f"{where} is {value!r:.60}, not one of {', '.join(map(repr, enum))[:120]}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _out_of_range(value, held_to, where)
    if isinstance(value, list):
        inside = held_to.get("items") or {}
        return next(filter(None, (wrong(v, inside, f"{where}[{place}]") for place, v in enumerate(value))), None)
    return _wrong_object(value, held_to, where) if isinstance(value, dict) else None


def _out_of_range(value: float, held_to: Mapping[str, Any], where: str) -> str | None:
    if value < held_to.get("minimum", -math.inf) or value > held_to.get("maximum", math.inf):
        return f"{where} is {value}, outside {held_to.get('minimum', '')}..{held_to.get('maximum', '')}"
    return None


def _wrong_object(value: Mapping[str, Any], held_to: Mapping[str, Any], where: str) -> str | None:
    known = held_to.get("properties")
    if missing := [key for key in held_to.get("required") or () if key not in value]:
        return f"{f'{where}.' if where else ''}{missing[0]} is missing"
    if known is None or (not known and where):  # an inner object without properties may hold anything
        return None
    for key, inner in value.items():
        path = f"{where}.{key}" if where else key
        if key not in known:
            return f"{path} is not known"
        if told := wrong(inner, known[key], path):
            return told
    return None


def fitted(call: Call, tools: Sequence[Tool]) -> Call:
    """The call with every top-level argument that is a mere spelling of the right type turned into it (`fit`)."""
    tool = by_name(tools).get(call.name)
    known: Any = tool.parameters.get("properties", {}) if tool else {}
    return call.model_copy(update={"arguments": {k: fit(v, known.get(k, {})) for k, v in call.arguments.items()}})


def fit(value: JsonValue, wanted: Mapping[str, Any]) -> JsonValue:
    """`value` in the type that a schema wants where nothing is lost ("2" -> 2, 3.0 -> 3, 7 -> "7"), else as it is."""
    kind = wanted.get("type")
    if kind in ("integer", "number") and isinstance(value, str):
        return _number(value, kind)
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind == "boolean" and isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if kind == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if kind == "array" and isinstance(value, list):
        return [fit(inner, wanted.get("items") or {}) for inner in value]
    return value


def _number(text: str, kind: str) -> JsonValue:
    try:
        found = json.loads(text.strip())
    except (ValueError, RecursionError):
        return text
    if not _OF_TYPE["number"](found) or not math.isfinite(found):
        return text
    if kind == "integer" and isinstance(found, float):
        return int(found) if found.is_integer() else text
    return found
