"""Other people's schemas, made such that a small model can read them: no references, no vendor keys, finite.

OpenAPI 3.0, OpenAPI 3.1 and MCP all speak dialects of JSON Schema; what comes out here is its common part. A type that
contains itself is cut where it would begin again, and so is whatever is beyond `DEEPEST` levels or `LARGEST` nodes.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, count
from math import inf
from typing import Any
from urllib.parse import unquote

from calm.conversation import Tool
from calm.files import dumps

DEEPEST, LARGEST = 24, 4000
"""Levels and nodes of one schema: far more than a model can use, few enough that no document is a bomb."""

KEPT = frozenset(
    [
        "type",
        "description",
        "enum",
        "const",
        "default",
        "format",
        "pattern",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "uniqueItems",
        "properties",
        "required",
        "additionalProperties",
        "minProperties",
        "maxProperties",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
    ]
)
FORMATS = frozenset(["date", "date-time", "time", "email", "uuid", "uri", "ipv4", "ipv6", "hostname"])
NAME = re.compile(r"[^a-zA-Z0-9_-]+")


class BadSchema(Exception):
    """A schema that cannot be written out; the message says where and why."""


def mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is an object, else an empty one: what a careless document says there counts as not said."""
    return value if isinstance(value, Mapping) else {}


def callable_name(wanted: str, taken: Mapping[str, Any]) -> str:
    """A name every client and model accepts (letters, digits, `_`, `-`, at most 64), not yet among `taken`."""
    plain = NAME.sub("_", wanted).strip("_")[:56] or "tool"
    return next(name for name in chain([plain], (f"{plain}_{number}" for number in count(2))) if name not in taken)


def looked_up(root: Any, reference: str) -> Any:
    """What a local reference (`#/a/b`) points at.

    Raises:
        BadSchema: it leads out of the document or nowhere.
    """
    if not reference.startswith("#"):
        raise BadSchema(f"$ref {reference!r} leads out of the document; bundle it into one file first")
    found = root
    for step in filter(None, reference[1:].split("/")):
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, Mapping) and key in found:
            found = found[key]
        else:
            raise BadSchema(f"$ref {reference!r} leads nowhere")
    return found


def followed(root: Any, value: Any) -> Any:
    """`value`, or what it stands for when it is a reference, or a reference to one.

    Raises:
        BadSchema: the reference leads out of the document, nowhere, or to itself.
    """
    for _ in range(DEEPEST):
        if not (isinstance(value, Mapping) and isinstance(value.get("$ref"), str)):
            return value
        value = looked_up(root, value["$ref"])
    raise BadSchema(f"$ref {value.get('$ref')!r} leads to itself")


class Plain:
    """Writes schemas of one document out; `for_request` leaves out what only the server may set (`readOnly`)."""

    def __init__(self, root: Any, for_request: bool = True) -> None:
        self._root, self._for_request = root, for_request
        self._nodes = 0
        self._open: list[str] = []

    def __call__(self, schema: Any) -> dict[str, Any]:
        """The schema without references; `{}`, which allows anything, stands for what had to be cut."""
        self._nodes = 0
        return self._written(schema, 0)

    def _written(self, schema: Any, depth: int) -> dict[str, Any]:
        self._nodes += 1
        if schema is False:
            return {"not": {}}
        if not isinstance(schema, Mapping) or depth > DEEPEST or self._nodes > LARGEST:
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return self._kept(schema, depth)
        target = followed(self._root, schema)
        if reference in self._open:
            return (
                {"type": target["type"]} if isinstance(target, Mapping) and isinstance(target.get("type"), str) else {}
            )
        self._open.append(reference)
        try:
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            return self._written({**target, **beside} if isinstance(target, Mapping) else target, depth + 1)
        finally:
            self._open.pop()

    def _kept(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        kept = {key: self._value(key, value, depth) for key, value in schema.items() if key in KEPT}
        kept = {key: value for key, value in kept.items() if value is not None}
        if self._for_request and isinstance(schema.get("properties"), Mapping):
            kept = self._writable(kept, schema["properties"])
        whole = nullable(merged(bounds(kept)), schema.get("nullable") is True)
        return settable(whole) if self._for_request and "allOf" in kept else whole

    def _value(self, key: str, value: Any, depth: int) -> Any:
        """A keyword's value, None where it means nothing here."""
        if key in ("items", "additionalProperties", "not"):
            return value if isinstance(value, bool) else self._written(value, depth + 1)
        if key in ("allOf", "anyOf", "oneOf", "prefixItems"):
            return [self._written(item, depth + 1) for item in value] if isinstance(value, list) and value else None
        if key in DATA:
            value = as_data(value)
        if key == "properties":
            named = value.items() if isinstance(value, Mapping) else ()
            return {str(name): self._written(item, depth + 1) for name, item in named}
        check = CHECKS.get(key)
        return value if check is None or check(value) else None

    def _writable(self, kept: dict[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
        fixed = {str(name) for name, schema in properties.items() if _read_only(self._root, schema)}
        if not fixed:
            return kept
        required = [name for name in kept.get("required", ()) if name not in fixed]
        left = {name: schema for name, schema in kept["properties"].items() if name not in fixed}
        rest = {key: value for key, value in kept.items() if key != "required"}
        return {**rest, "properties": left, **({"required": required} if required else {})}


def _read_only(root: Any, schema: Any) -> bool:
    target = followed(root, schema)
    return isinstance(target, Mapping) and (target.get("readOnly") is True or schema.get("readOnly") is True)


def _compiles(pattern: Any) -> bool:
    try:
        re.compile(pattern)
    except (re.error, TypeError, RecursionError):
        return False  # ECMAScript knows more than Python
    return True


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < inf


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


DATA = frozenset(["default", "enum", "const"])
"""Keywords that hold values, not schemas."""


def as_data(value: Any) -> Any:
    """A value as JSON has it, None where it has none: YAML knows numbers as keys, sets, bytes and infinity."""
    try:
        return json.loads(dumps(value))
    except (ValueError, TypeError, RecursionError):
        return None


TYPES = frozenset(["string", "number", "integer", "boolean", "object", "array", "null"])
COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
CHECKS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(COUNTS, _count),
    "minimum": _number,
    "maximum": _number,
    "exclusiveMinimum": lambda value: isinstance(value, bool) or _number(value),
    "exclusiveMaximum": lambda value: isinstance(value, bool) or _number(value),
    "multipleOf": lambda value: _number(value) and value > 0,
    "uniqueItems": lambda value: isinstance(value, bool),
    "pattern": _compiles,
    "format": lambda value: isinstance(value, str) and value in FORMATS,
    "description": lambda value: isinstance(value, str) and bool(value),
    "enum": lambda value: isinstance(value, list) and bool(value),
    "required": lambda value: _names(value) and bool(value),
    "type": lambda value: TYPES.issuperset(value if _names(value) and value else [str(value)]),
}


def bounds(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.0 wrote `exclusiveMinimum: true` beside `minimum`; JSON Schema has the number itself."""
    schema = dict(schema)
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(flag := schema.get(exclusive), bool):
            del schema[exclusive]
            if flag and inclusive in schema:
                schema[exclusive] = schema.pop(inclusive)
    return schema


def nullable(schema: dict[str, Any], also_null: bool) -> dict[str, Any]:
    """OpenAPI 3.0 wrote `nullable: true` where JSON Schema has one more type."""
    if not also_null or "type" not in schema:
        return schema
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    more = {"enum": [*schema["enum"], None]} if "enum" in schema and None not in schema["enum"] else {}
    return {**schema, "type": [*kinds, *({"null"} - set(kinds))], **more}


def merged(schema: dict[str, Any]) -> dict[str, Any]:
    """`allOf` of plain objects as the one object they mean; any other `allOf` stays."""
    parts = [{key: value for key, value in schema.items() if key != "allOf"}, *schema.get("allOf", ())]
    if "allOf" not in schema or not all(_plain_object(part) for part in parts):
        return schema
    one: dict[str, Any] = {"type": "object", "properties": {}}
    for part in reversed(parts):
        one["properties"] = {**part.get("properties", {}), **one["properties"]}
        one["required"] = [*part.get("required", ()), *one.get("required", ())]
        one |= {key: value for key, value in part.items() if key not in ("type", "properties", "required")}
    required = list(dict.fromkeys(one.pop("required")))
    return {**one, **({"required": required} if required else {})}


def settable(schema: dict[str, Any]) -> dict[str, Any]:
    """An `allOf` that became one object, without asking for what another part of it has as the server's alone."""
    if "allOf" in schema or "required" not in schema:
        return schema
    rest = {key: value for key, value in schema.items() if key != "required"}
    required = [name for name in schema["required"] if name in schema["properties"]]
    return {**rest, **({"required": required} if required else {})}


def _plain_object(schema: dict[str, Any]) -> bool:
    known = {"type", "properties", "required", "description", "additionalProperties", "default"}
    return set(schema) <= known and schema.get("type", "object") == "object"


# --- arguments -------------------------------------------------------------------------------------------------------


def coerced(arguments: Mapping[str, Any], tool: Tool) -> dict[str, Any]:
    """Arguments with the slips of small models mended: `"3"` for 3, null for an argument left out."""
    properties: Any = tool.parameters.get("properties") or {}
    required: Any = tool.parameters.get("required") or ()
    mended = {key: _mended(value, properties.get(key) or {}) for key, value in arguments.items()}
    return {
        key: value for key, value in mended.items() if value is not None or key in required or _null(properties, key)
    }


def _null(properties: Mapping[str, Any], key: str) -> bool:
    kinds = (properties.get(key) or {}).get("type", "null")
    return "null" in kinds


def _mended(value: Any, schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return value
    if kind == "integer" and re.fullmatch(r"-?\d{1,18}", value):
        return int(value)
    if kind == "number" and re.fullmatch(r"-?\d{1,18}(\.\d{1,18})?", value):
        return float(value) if "." in value else int(value)
    if kind == "boolean" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value


def wrong(arguments: Mapping[str, Any], tool: Tool) -> str | None:
    """What is wrong with the first wrong argument, naming it and its value; None when the schema allows them all."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    properties: Any = tool.parameters.get("properties") or {}
    closed = not tool.parameters.get("additionalProperties", not properties)
    for key in arguments:
        if key not in properties and closed:
            return f"{tool.name} has no argument {key!r} (got {arguments[key]!r:.80}); it takes {_takes(properties)}"
    error = best_match(Draft202012Validator(tool.parameters).iter_errors(dict(arguments)))
    if error is None:
        return None
    where = ".".join(map(str, error.absolute_path))
    if error.validator == "required":
        missing = error.message.partition(" is a required")[0]
        return f"{tool.name} needs {missing}{f' in {where!r}' if where else f'; it takes {_takes(properties)}'}"
    return f"{tool.name}: argument {where!r} is {error.instance!r:.80}; {error.message:.200}"


def _takes(properties: Mapping[str, Any]) -> str:
    return ", ".join(properties) or "no arguments"


def first_words(*texts: Any, limit: int = 400) -> str:
    """The texts as one line of at most `limit` characters: a description that a small context can spare."""
    words = " ".join(" ".join(_sentences(texts)).split())
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"


def _sentences(texts: tuple[Any, ...]) -> Iterator[str]:
    said = ""
    for text in texts:
        if isinstance(text, str) and text.strip() and text.strip() not in said:
            said += text
            yield text.strip() if text.strip()[-1] in ".!?" else text.strip() + "."
