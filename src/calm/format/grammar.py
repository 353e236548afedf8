"""From tools to a grammar (llguidance's Lark) in which every sentence is a readable ReAct step with valid calls.

Names, required arguments, types, enums and nesting are held to each tool's JSON Schema; thought and reply are free text
without `<`, so no tag can open inside them, and both are capped, because a small model may never end them by itself.

In a string of a call the grammar reads `<` as itself. Rendering writes `LESS`, an escape that llguidance's strings do
not know, so a decoder must put the one for the other (`policy/local/constrain.py` does). One that does not may write a
tag inside a value: that call is then read as Garbled, its JSON cut in a string; never as another call.

Two things no grammar of llguidance can say, so the decoder sees to them: a number has no longest form here (bounds of a
schema limit its value and not its decimals), and a step may repeat a call.
"""

from collections.abc import Sequence
from typing import Any, Literal

from calm.conversation import Tool
from calm.files import dumps
from calm.format.react import CALL, THINK, UNCALL, UNTHINK

Choice = Literal["auto", "required", "none"]
SEPARATORS = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ", "lenient": True}
LESS = "\\u003c"
"""How JSON spells `<` in our text, see `react.compact`."""
MAX_CALLS, MAX_THOUGHT, MAX_REPLY = 8, 800, 1200


def step(tools: Sequence[Tool], choice: Choice = "auto") -> str:
    """The grammar of one assistant step over `tools`; `choice` says whether it may, must or must not call."""
    bodies = {"auto": "reply | calls", "required": "calls", "none": "reply"}
    body = bodies[choice if tools else "none"]
    return f"""start: (thought "\\n")? ({body})
thought: {dumps(THINK)} /\\n[^<]{{1,{MAX_THOUGHT}}}/ {dumps(UNTHINK)}
reply: /[^<]{{1,{MAX_REPLY}}}/
calls: call ("\\n" call){{0,{MAX_CALLS - 1}}}
call: {dumps(CALL)} "\\n" body "\\n" {dumps(UNCALL)}
body: %json {dumps(any_call(tools))}
"""


def any_call(tools: Sequence[Tool]) -> dict[str, Any]:
    """The JSON Schema of `{"name": ..., "arguments": {...}}` for one of the tools."""
    calls = [_call(tool, f"#/anyOf/{place}/properties/arguments") for place, tool in enumerate(tools)]
    return {"anyOf": calls, "x-guidance": SEPARATORS}


def _call(tool: Tool, place: str) -> dict[str, Any]:
    arguments = {"additionalProperties": False, **_moved(tool.parameters, place), "type": "object"}
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _moved(schema: Any, place: str) -> Any:
    """The schema with every `$ref` into itself leading to where it now stands, at `place` in a larger one."""
    if isinstance(schema, list):
        return [_moved(part, place) for part in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {key: _moved(part, place) for key, part in schema.items()}
    if isinstance(reference := schema.get("$ref"), str) and reference.startswith("#"):
        moved["$ref"] = place + reference[1:]
    return moved
