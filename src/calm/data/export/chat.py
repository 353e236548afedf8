"""Rows of OpenAI's shape, each in the dialect of a trainer: Axolotl, TRL, Oumi.

All three keep thoughts apart (`reasoning_content`) and parallel calls together (`tool_calls`) and leave the rest to the
model's chat template. They differ in how arguments must come. Axolotl parses a JSON string (`transform_message` in
`prompt_strategies/chat_template.py`); Oumi stores one (`core/types/tool_call.py`). TRL hands messages to the template
as they are, and most templates would print a string with quotes around it; so there arguments are objects, in a column
that `datasets` keeps as JSON, since an Arrow struct would fill every call with the parameters of all others.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from calm.conversation import Assistant, Conversation, message_to_wire, tool_to_wire
from calm.data.export import Exporter, trained
from calm.files import dumps

TEMPLATE = "thoughts, where the model's chat template does not read `reasoning_content`"
STATE = "the dialogue state (`state`), `origin` and `meta`"


def _messages(conversation: Conversation) -> list[dict[str, Any]]:
    """Messages in OpenAI's shape; calls without a text have no `content` at all, as templates expect."""
    return [_spoken(message_to_wire(message)) for message in trained(conversation).messages]


def _spoken(wire: dict[str, Any]) -> dict[str, Any]:
    if wire["content"] is not None:
        return wire
    rest = {key: value for key, value in wire.items() if key != "content"}
    return rest if "tool_calls" in wire else {**rest, "content": ""}


def _tools(conversation: Conversation) -> list[dict[str, Any]]:
    return [tool_to_wire(tool) for tool in conversation.tools]


def axolotl(conversation: Conversation) -> Iterator[dict[str, Any]]:
    """`messages` and, as a JSON string, `tools`."""
    yield {"id": conversation.id, "messages": _messages(conversation), "tools": dumps(_tools(conversation))}


def trl(conversation: Conversation) -> Iterator[dict[str, Any]]:
    """The same with arguments as objects."""
    told = zip(_messages(conversation), conversation.messages, strict=False)
    messages = [
        {**wire, "tool_calls": _objects(message)} if isinstance(message, Assistant) and message.calls else wire
        for wire, message in told
    ]
    yield {"id": conversation.id, "messages": messages, "tools": dumps(_tools(conversation))}


def _objects(step: Assistant) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in step.calls
    ]


def oumi(conversation: Conversation) -> Iterator[dict[str, Any]]:
    """Oumi's own Conversation, whose `metadata` has room for origin, state and meta."""
    yield {
        "conversation_id": conversation.id,
        "messages": _messages(conversation),
        "tools": _tools(conversation),
        "metadata": {
            "origin": conversation.origin,
            "state": dumps(list(conversation.state)),
            "meta": dumps(conversation.meta),
        },
    }


def stanza(name: str, splits: Sequence[str]) -> dict[str, str]:
    """The part of an Axolotl configuration that names the data; paths are taken from where `axolotl` is started."""
    settings = {"datasets": [_entry("train.jsonl")]}
    if "held_out" in splits:
        settings["test_datasets"] = [_entry("held_out.jsonl")]
    return {"dataset.yaml": yaml.safe_dump(settings, sort_keys=False)}


def _entry(path: str) -> dict[str, Any]:
    return {
        "path": path,
        "ds_type": "json",
        "split": "train",
        "type": "chat_template",
        "chat_template": "tokenizer_default",
        "field_messages": "messages",
        "field_tools": "tools",
        "field_thinking": "reasoning_content",
        "template_thinking_key": "reasoning_content",
        "roles_to_train": ["assistant"],
        "train_on_eos": "turn",
    }


AXOLOTL = Exporter(
    "Axolotl",
    axolotl,
    "put the lines of dataset.yaml into your configuration and start `axolotl train` in this folder",
    (TEMPLATE, STATE),
    stanza,
)
TRL = Exporter(
    "TRL",
    trl,
    '`SFTTrainer(train_dataset=load_dataset("FOLDER", split="train"), ...)`; needs datasets >= 4.7 for JSON columns',
    (TEMPLATE, STATE),
    features=(
        {"name": "id", "dtype": "string"},
        {"name": "messages", "list": "json"},
        {"name": "tools", "dtype": "string"},
    ),
)
OUMI = Exporter(
    "Oumi",
    oumi,
    "`data.train.datasets: [{dataset_name: text_sft_jsonl, dataset_path: train.jsonl}]`; tools since Oumi 0.8",
    (TEMPLATE,),
    features=(
        {"name": "conversation_id", "dtype": "string"},
        {"name": "messages", "list": "json"},
        {"name": "tools", "list": "json"},
        {"name": "metadata", "dtype": "json"},
    ),
)
