"""From tools to a grammar (llguidance's Lark) in which every sentence is a readable ReAct step with valid calls.

Names, required arguments, types, enums and nesting are held to each tool's JSON Schema; thought and reply are free text
without `<`, so no tag can open inside them, and both are capped, because a small model may never end them by itself.
"""

from collections.abc import Sequence
from typing import Any, Literal

from calm.conversation import Tool
from calm.files import dumps
from calm.format.react import CALL, THINK, UNCALL, UNTHINK

Choice = Literal["auto", "required", "none"]
SEPARATORS = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ", "lenient": True}
MAX_CALLS, MAX_THOUGHT, MAX_REPLY = 8, 400, 1200


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
    return {"anyOf": [_call(tool) for tool in tools], "x-guidance": SEPARATORS}


def _call(tool: Tool) -> dict[str, Any]:
    arguments = {"additionalProperties": False, **tool.parameters, "type": "object"}
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }
