"""Rows for ms-swift: `messages` with the roles tool_call and tool_response, `tools` as a JSON string.

ms-swift (4.6, `dataset/preprocessor/core.py`) keeps of a message only role and content, so a thought must be part of an
assistant's content; a tool_call after it joins the same turn (`template/base.py`), as parallel calls do. Its reader
also takes OpenAI's shape, but drops `reasoning_content` there.
"""

from collections.abc import Iterator
from typing import Any

from calm.conversation import Assistant, Conversation, Message, Observation, System, tool_to_wire
from calm.data.export import Exporter, compact, thinking, trained
from calm.errors import FormatError
from calm.files import dumps


def rows(conversation: Conversation) -> Iterator[dict[str, Any]]:
    """One row.

    Raises:
        FormatError: a system message stands after the first.
    """
    told = trained(conversation).messages
    if any(isinstance(message, System) for message in told[1:]):
        raise FormatError("a system message stands after the first message, where the trainer has no place for it")
    row: dict[str, Any] = {"id": conversation.id, "messages": [wire for message in told for wire in _wires(message)]}
    yield {**row, "tools": dumps([tool_to_wire(tool) for tool in conversation.tools])}


def _wires(message: Message) -> Iterator[dict[str, str]]:
    if isinstance(message, Observation):
        yield {"role": "tool_response", "content": message.content}
    elif isinstance(message, Assistant):
        said = thinking(message)
        if said or not message.calls:
            yield {"role": "assistant", "content": said}
        for call in message.calls:
            content = compact({"name": call.name, "arguments": call.arguments})
            yield {"role": "tool_call", "content": content}
    elif not hasattr(message, "raw"):
        yield {"role": message.role, "content": message.content}


MS_SWIFT = Exporter(
    "ms-swift",
    rows,
    "`swift sft --dataset train.jsonl --val_dataset held_out.jsonl --agent_template hermes`",
    (
        "the dialogue state (`state`), `origin` and `meta`",
        "call ids: results stand in the order of their calls",
    ),
)
