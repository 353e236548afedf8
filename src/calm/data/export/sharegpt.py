r"""ShareGPT rows and the `dataset_info.json` that makes LLaMA-Factory read them.

Its reader (`data/converter.py`, 0.9.5) takes strictly alternating messages: human or observation, then gpt or
function_call. What a function_call holds is parsed by `FunctionFormatter` (`data/formatter.py`): a JSON list of calls
after the thought, and where there is text too, the list between `<tool_call>` tags. Results of parallel calls go into
one observation, joined as its own OpenAI converter joins them.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from calm.conversation import Assistant, Conversation, Observation, System, User
from calm.data.export import Exporter, compact, thinking, trained
from calm.errors import FormatError
from calm.files import dumps

BETWEEN_RESULTS = "\n</tool_response>\n<tool_response>\n"
ASKS = ("human", "observation")


def rows(conversation: Conversation) -> Iterator[dict[str, Any]]:
    """One row: `conversations`, `system`, `tools` (a JSON string of bare function schemas).

    Raises:
        FormatError: the turns do not alternate, or a system message stands after the first.
    """
    messages = trained(conversation).messages
    lead = messages[0] if isinstance(messages[0], System) else None
    turns = [_turn(kind, list(group)) for kind, group in groupby(messages[1 if lead else 0 :], key=type)]
    if turns[0]["from"] not in ASKS:
        turns.insert(0, {"from": "human", "value": ""})
    for place, turn in enumerate(turns):
        if (turn["from"] in ASKS) != (place % 2 == 0):
            raise FormatError(f"turn {place} is {turn['from']!r}: the turns of user and assistant do not alternate")
    yield {
        "id": conversation.id,
        "conversations": turns,
        "system": lead.content if lead else "",
        "tools": dumps([tool.model_dump() for tool in conversation.tools]) if conversation.tools else "",
    }


def _turn(kind: type, group: list[Any]) -> dict[str, str]:
    if kind is User:
        return {"from": "human", "value": "\n".join(said.content for said in group)}
    if kind is Observation:
        return {"from": "observation", "value": BETWEEN_RESULTS.join(seen.content for seen in group)}
    if kind is System:
        raise FormatError("a system message stands after the first message, where the trainer has no place for it")
    if len(group) > 1:
        raise FormatError("two assistant steps follow one another")
    return _step(group[0])


def _step(step: Assistant) -> dict[str, str]:
    said = thinking(step)
    if not step.calls:
        return {"from": "gpt", "value": said}
    calls = compact([{"name": call.name, "arguments": call.arguments} for call in step.calls])
    tagged = f"<tool_call>{calls}</tool_call>" if step.text else calls
    return {"from": "function_call", "value": said + tagged}


def dataset_info(name: str, splits: Sequence[str]) -> dict[str, str]:
    """`dataset_info.json`: one entry a split, called NAME_SPLIT."""
    entries = {
        f"{name}_{split}": {
            "file_name": f"{split}.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "system": "system", "tools": "tools"},
        }
        for split in splits
    }
    return {"dataset_info.json": json.dumps(entries, ensure_ascii=False, indent=2) + "\n"}


SHAREGPT = Exporter(
    "LLaMA-Factory",
    rows,
    "`dataset_dir: FOLDER` and `dataset:` one of the names in dataset_info.json",
    (
        "the dialogue state (`state`), `origin` and `meta`",
        "call ids: results stand in the order of their calls, several in one observation",
        "an assistant's opening gets an empty human turn before it; several user messages in a row become one",
    ),
    dataset_info,
)
