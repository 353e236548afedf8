"""Is a training row what serving will send, and is the model's own speech, and nothing else, learned from it?

The faults are those that other trainers met in silence: a mask that is empty or shifted, a stop token outside it, a
template that adds, drops or rewrites turns, calls lost on the way. They are looked for in the finished ids, not in the
code that made them: before each assistant step the row must equal, token for token, the prompt that a policy sends
(`Codec.prompt`), and the step itself what the model would have to write.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from calm.conversation import Assistant, Conversation
from calm.errors import ModelError
from calm.files import read_json
from calm.format import Part, react
from calm.format.tokens import Codec, Encoded

UNREAD = {
    "function_call": "write it as tool_calls",
    "tool_call": "write it as tool_calls",
    "weight": "leave out the message or the row, or name the parts to learn in `learn`",
    "train": "leave out the message or the row, or name the parts to learn in `learn`",
}
"""Keys of other people's messages that mean something and that no row of ours has: silence would lose a call."""

AGAIN = "build the row again with this version of calm, or leave it out"


class Remembering(Codec):
    """A codec that encodes an equal piece of text once: the prompts of a conversation share all but their ends."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(tokenizer)
        self._known = lru_cache(maxsize=4096)(super()._text)

    def _text(self, text: str) -> list[int]:
        return self._known(text)


def encoded(conversation: Conversation, codec: Codec, parts: Sequence[Part]) -> Encoded:
    """The row as `Codec.row` makes it, empty masks included, which `of_row` then names."""
    return codec.encode(react.render(conversation, codec.markers), parts)


def vocabulary(codec: Codec, base: Path) -> None:
    """Refuse a tokenizer that is not the base's.

    Raises:
        ModelError: it knows more tokens than the weights have rows for.
    """
    known, held = codec.tokenizer.get_vocab_size(), read_json(base / "config.json").get("vocab_size", 0)
    if known > held:
        raise ModelError(
            f"{base}: tokenizer.json knows {known:,} tokens, the weights hold {held:,}; "
            "use the tokenizer that the model was trained with"
        )


# --- the row as it was read ----------------------------------------------------------------------------------------


def of_source(raw: dict[str, Any], conversation: Conversation) -> str | None:
    """What reading a row would lose in silence or what could never be served, with the remedy; None if nothing."""
    if not raw.get("tools") and raw.get("functions"):
        return "`functions` is not read; write them as `tools`"
    for place, message in enumerate(raw["messages"]):
        if fault := _of_message(message):
            return f"messages.{place}: {fault}"
    return _of_tools(conversation) or _of_calls(conversation)


def _of_message(message: dict[str, Any]) -> str | None:
    for key, remedy in UNREAD.items():
        if message.get(key) is not None:
            return f"`{key}` is not read; {remedy}"
    said = ("content", "tool_calls", "reasoning_content", "reasoning", "thinking")
    if message.get("role") == "assistant" and all(message.get(key) is None or message[key] == [] for key in said):
        return "the assistant says nothing, so its call was lost on the way; mend the row or leave it out"
    return None


def _of_tools(conversation: Conversation) -> str | None:
    for tool in conversation.tools:
        properties = tool.parameters.get("properties")
        empty = [key for key, value in properties.items() if value is None] if isinstance(properties, dict) else []
        if empty:
            return (
                f"tool {tool.name!r}: parameter {empty[0]!r} is null, as when Arrow merges schemas of several tools; "
                "keep `tools` as a JSON string"
            )
    return None


def _of_calls(conversation: Conversation) -> str | None:
    offered = {tool.name: tool.parameters.get("properties") for tool in conversation.tools}
    for place in conversation.steps:
        step = conversation.messages[place]
        for call in step.calls if isinstance(step, Assistant) else ():
            if call.name not in offered:
                return (
                    f"messages.{place}: calls {call.name!r}, which is not among its {len(offered)} tools; list it there"
                )
            known = offered[call.name]
            foreign = [k for k, v in call.arguments.items() if v is None and isinstance(known, dict) and k not in known]
            if foreign:
                return (
                    f"messages.{place}: argument {foreign[0]!r} is null and {call.name!r} has no such parameter, as "
                    "when Arrow merges calls; keep `arguments` as a JSON string"
                )
    return None


# --- the finished ids and their mask -------------------------------------------------------------------------------


def of_row(conversation: Conversation, row: Encoded, codec: Codec, parts: Sequence[Part]) -> str | None:
    """The first fault of the ids or the mask of a row, with the remedy; None for a good one."""
    if len(row.ids) != len(row.learn):
        return f"{len(row.ids)} tokens and a mask of {len(row.learn)}; {AGAIN}"
    if not any(row.learn):
        return "no token would be trained on (no assistant step that can be learned); leave the row out"
    seen = 0
    for place in conversation.steps:
        prompt = codec.prompt(conversation.upto(place))
        if fault := _of_rest(conversation, row, codec, seen, prompt):
            return fault
        if codec.stop not in row.ids[len(prompt) :]:
            return f"messages.{place}: has no end of turn, the row was cut; raise max_length or leave the row out"
        seen = row.ids.index(codec.stop, len(prompt)) + 1
        step = Encoded(row.ids[len(prompt) : seen], row.learn[len(prompt) : seen])
        if fault := _of_step(conversation, place, step, codec, parts):
            return fault
    opened = len(codec.prompt(Conversation())) - len(codec.encode(react.render(Conversation(), codec.markers)).ids)
    whole = codec.prompt(conversation)
    return _of_rest(conversation, row, codec, seen, whole[: len(whole) - opened], last=True)


def _of_rest(
    conversation: Conversation, row: Encoded, codec: Codec, seen: int, sent: list[int], last: bool = False
) -> str | None:
    """Faults of what the model only reads, from `seen` to the end of `sent`, the ids that serving sends."""
    ids = row.ids if last else row.ids[: len(sent)]
    if ids != sent:
        pairs = zip(ids, sent, strict=False)
        at = next((i for i, (ours, theirs) in enumerate(pairs) if ours != theirs), min(len(ids), len(sent)))
        return (
            f"token {at} ({_owner(conversation, codec, at)}) is {_said(codec, row.ids, at)}, serving would send "
            f"{_said(codec, sent, at)}; {AGAIN}"
        )
    wrong = next((i for i in range(seen, len(sent)) if row.learn[i]), None)
    if wrong is None:
        return None
    owner = _owner(conversation, codec, wrong)
    return f"supervises token {wrong} ({owner}): {_said(codec, row.ids, wrong)}, not the model's speech; {AGAIN}"


def _of_step(conversation: Conversation, place: int, row: Encoded, codec: Codec, parts: Sequence[Part]) -> str | None:
    """Faults of what the model writes; `row` ends with the stop token."""
    step = conversation.messages[place]
    expected = codec.encode(react.step_spans(step, place), parts)  # ty: ignore[invalid-argument-type]
    if row.ids[:-1] != expected.ids:
        at = next((i for i, (a, b) in enumerate(zip(row.ids, expected.ids, strict=False)) if a != b), len(expected.ids))
        want = _said(codec, [*expected.ids, codec.stop], at)
        return f"messages.{place}: says {_said(codec, row.ids, at)} where the step says {want}; {AGAIN}"
    for at, (learned, wanted) in enumerate(zip(row.learn, expected.learn, strict=False)):
        if learned != wanted:
            what = "supervises" if learned else "leaves out of the mask"
            return f"messages.{place}: {what} {_said(codec, row.ids, at)}; {AGAIN}"
    if row.learn[-1] != isinstance(step, Assistant):
        what = "its end of turn is not supervised, so the model would not learn to stop"
        return f"messages.{place}: {what if isinstance(step, Assistant) else 'supervises an unreadable turn'}; {AGAIN}"
    return _of_reading(step, place, row, codec)


def _of_reading(step: Any, place: int, row: Encoded, codec: Codec) -> str | None:
    """Whether the calls would be read back from what was learned, by the reader that serving uses."""
    read = codec.read(row.ids)
    calls = [(call.name, call.arguments) for call in getattr(step, "calls", ())]
    if [(call.name, call.arguments) for call in getattr(read, "calls", ())] != calls:
        return f"messages.{place}: its calls would not be read back from what the model writes; {AGAIN}"
    return None


def _said(codec: Codec, ids: Sequence[int], at: int) -> str:
    """A few tokens from `at` on, as text."""
    return repr(codec.tokenizer.decode(list(ids[at : at + 6]), skip_special_tokens=False)) if ids[at:] else "the end"


def _owner(conversation: Conversation, codec: Codec, at: int) -> str:
    """Whose turn holds the token at a place: its role and, where it is a message, which."""
    for count, message in enumerate(conversation.messages, 1):
        if at < len(encoded(conversation.upto(count), codec, ()).ids):
            return f"{message.role}, messages.{count - 1}"
    return "after the last turn"
