"""Exporters: a dataset as the rows and side files that another trainer reads, and what is lost on the way.

Each is a function from a Conversation to that trainer's rows. What a trainer has no words for is a FormatError, so that
`run.export` can set the row aside with the reason; what it would pass over in silence stands in its `lost`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from calm.conversation import Assistant, Conversation, Garbled
from calm.errors import FormatError
from calm.files import dumps

Rows = Callable[[Conversation], Iterable[dict[str, Any]]]
Beside = Callable[[str, Sequence[str]], dict[str, str]]
"""From the dataset's name and the names of its splits to side files: name -> text."""

THINK, UNTHINK = "<think>\n", "\n</think>\n\n"
"""Qwen's spelling of a thought, which LLaMA-Factory and ms-swift look for in an assistant's content."""
TAGS = ("<think>", "</think>", "<tool_call>", "</tool_call>")


def _nothing(name: str, splits: Sequence[str]) -> dict[str, str]:
    return {}


class Exporter(NamedTuple):
    """A trainer's format: `use` is how it is read there, `lost` what its reader or its templates do not keep.

    `features` are the columns as `datasets` spells them in a card; empty where it infers them rightly.
    """

    tool: str
    rows: Rows
    use: str
    lost: tuple[str, ...]
    beside: Beside = _nothing
    features: tuple[dict[str, Any], ...] = ()


def trained(conversation: Conversation) -> Conversation:
    """The conversation up to its last step, since what follows that step trains nothing.

    Raises:
        FormatError: it has no step, or one that could not be read when it was made.
    """
    if not conversation.steps:
        raise FormatError("has no assistant step: there is nothing to train on")
    for place in conversation.steps:
        if isinstance(conversation.messages[place], Garbled):
            raise FormatError(f"message {place} is garbled output")
    return conversation.upto(conversation.steps[-1] + 1)


def thinking(step: Assistant) -> str:
    """Thought and text as one content: the thought between `<think>` tags, an empty line, the text.

    Raises:
        FormatError: one of them says a tag itself, which the trainer's templates would read as a tag.
    """
    for said in filter(None, (step.thought, step.text)):
        if spoken := [tag for tag in TAGS if tag in said]:
            raise FormatError(f"an assistant step says {spoken[0]} itself, which the trainer would read as a tag")
    return ("" if step.thought is None else THINK + step.thought + UNTHINK) + (step.text or "")


def compact(value: Any) -> str:
    r"""JSON with every `<` as `\u003c`, so that no string in it can look like a tag; parsed, it is the same."""
    return dumps(value).replace("<", "\\u003c")
