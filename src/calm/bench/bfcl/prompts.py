"""BFCL's own prompts: what a model is told in prompt mode, byte for byte as upstream's handlers put it together.

The words are upstream's (Apache-2.0) and are read out of the pinned wheel when they are needed; only how they are
joined stands here, after `bfcl_eval/model_handler/utils.py` and `utils.py` (V3: 2025.6.8, V4: 2026.3.23).
"""

import ast
import copy
import functools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from calm.bench.bfcl import decode, entries, tasks
from calm.bench.bfcl.multi_turn import Entry
from calm.bench.bfcl.versions import Version
from calm.conversation import Assistant, Conversation, Garbled, Message, Observation

Doc = dict[str, Any]
MORE = "DEFAULT_USER_PROMPT_FOR_ADDITIONAL_FUNCTION_FC"
LANGUAGES = {"java": ("Java 8 SDK", "Java"), "javascript": ("JavaScript", "JavaScript")}
_STRING = " in string representation."
_ITEMS = " The list elements are of type {}; they are not" + _STRING
_SCHEMA = " The dictionary entries have the following schema; they are not" + _STRING + " {}"


@functools.cache
def words(version: Version) -> dict[str, Any]:
    """Upstream's constants by name, from the wheel's `default_prompts.py`: parsed, never imported."""
    found: dict[str, Any] = {}
    for node in ast.parse(version.text("constants/default_prompts.py")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = decode.literal(_Known(found).visit(node.value))
    return found


class _Known(ast.NodeTransformer):
    def __init__(self, known: dict[str, Any]) -> None:
        self._known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:  # ast's name
        return ast.Constant(self._known[node.id])


def system(docs: Sequence[Doc], version: Version) -> str:
    """The standing instructions with the functions in them: Python's repr of the docs in V3, indented JSON in V4."""
    known = words(version)
    if version.rules == "v3":
        return known["DEFAULT_SYSTEM_PROMPT"].format(functions=list(docs))
    style = known["PROMPT_STYLE_TEMPLATES"]["classic"]
    form, types = known["OUTPUT_FORMAT_MAPPING"]["python"], known["PARAM_TYPE_MAPPING"]["python"]
    return known["PROMPT_TEMPLATE_MAPPING"]["plaintext"].format(
        persona=style["persona"],
        task=style["task"],
        tool_call_format=style["tool_call_no_tag"].format(output_format=form, param_types=types),
        multiturn_behavior=style["multiturn_behavior"],
        available_tools=style["available_tools"].format(format="json", functions=json.dumps(docs, indent=4)),
    )


def opening(item: tasks.Item | Entry, version: Version) -> list[dict[str, str]]:
    """The first messages to a model; a system message of the item itself comes after BFCL's."""
    multi = isinstance(item, Entry)
    docs, messages = (entries.docs(item, version)[0], item.turns[0]) if multi else (item.docs, item.messages)
    prompt, own = system(hinted(docs, item.category), version), messages[0]
    if own["role"] == "system":
        return [{"role": "system", "content": f"{prompt}\n\n{own['content']}"}, *messages[1:]]
    return [{"role": "system", "content": prompt}, *messages]


def more(docs: Sequence[Doc], version: Version) -> str:
    """How functions that were held out are handed over: as the user's words."""
    return f"{list(docs)}\n{words(version)[MORE]}"


# --- hints on the language -------------------------------------------------------------------------------------------


def hinted(docs: Sequence[Doc], category: str) -> list[Doc]:
    """The docs with a note on the language; for Java and JavaScript every parameter becomes a described string."""
    syntax, language = LANGUAGES.get(category, ("Python 3", ""))
    made = copy.deepcopy(list(docs))
    for doc in made:
        doc["description"] += f" Note that the provided function is in {syntax} syntax."
        for detail in doc["parameters"]["properties"].values() if language else ():
            _as_string(detail, language)
    return made


def _as_string(detail: Doc, language: str) -> None:
    declared = detail["type"]
    kind = (
        f"can be of any type of {language} object" if declared == "any" else f"is {language} {declared} type parameter"
    )
    detail["description"] += f" This {'parameter ' if declared == 'any' else ''}{kind}{_STRING}"
    if declared in (("ArrayList", "Array") if language == "Java" else ("array",)):
        detail["description"] += _ITEMS.format(detail.pop("items")["type"])
    if language == "JavaScript" and declared == "dict" and "properties" in detail:
        detail["description"] += _SCHEMA.format(json.dumps(detail.pop("properties")))
    detail["type"] = "string"


# --- a conversation as a model is shown it ---------------------------------------------------------------------------


def turns(conversation: Conversation, version: Version) -> list[tuple[str, str]]:
    """(role, text) as upstream's Llama handler writes them: stripped, a tool's result under the version's role."""
    return [(_role(message, version), said(message).strip()) for message in conversation.messages]


def said(message: Message) -> str:
    """The text of a message; of a step what the model wrote."""
    if isinstance(message, Assistant):
        return message.text or ""
    return message.raw if isinstance(message, Garbled) else message.content


def _role(message: Message, version: Version) -> str:
    if isinstance(message, Observation):
        return version.results
    return "assistant" if isinstance(message, Garbled) else message.role


def told(calls: Sequence[str], results: Sequence[str]) -> str:
    """Results as upstream's handlers of hosted models tell them: one user message, Python's repr of tool messages."""
    return repr([{"role": "tool", "name": c, "content": r} for c, r in zip(calls, results, strict=True)])


def grouped(messages: Sequence[Message]) -> Iterator[Message | list[Observation]]:
    """Messages with each run of Observations in one list."""
    run: list[Observation] = []
    for message in messages:
        if isinstance(message, Observation):
            run.append(message)
            continue
        if run:
            yield run
        run = []
        yield message
    if run:
        yield run
