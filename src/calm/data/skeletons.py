"""Sentence patterns: a thought with all that belongs to its conversation blanked, to count how varied a part thinks."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from calm.conversation import Assistant, Conversation, Observation

BLANK = "_"
_TOKEN = re.compile(r"\d[\d.:,-]*\d|\w+|[^\w\s]")
_NUMBER = re.compile(r"\d[\d.:,-]*")
_LIST = re.compile(r"_(?:(?: , and | , | and | : | )_)+")
_QUOTE = re.compile(r""" (?:\( )?["'] _ ["'](?: \))?""")

Vocabulary = Mapping[str, Collection[tuple[str, ...]]]
"""First word -> what begins with it, longest first, as lower-case words."""


def skeletons(conversation: Conversation) -> Iterator[str]:
    """The pattern of each thought of a conversation, in order; needs no annotation, only the conversation itself."""
    known = vocabulary(names(conversation))
    for message in conversation.messages:
        if isinstance(message, Assistant) and message.thought:
            yield skeleton(message.thought, known)


def skeleton(thought: str, known: Vocabulary) -> str:
    """The thought with known names, values and numbers as `_`, a list of them as one `_`, in lower case."""
    tokens, kept, place = _tokens(thought), [], 0
    while place < len(tokens):
        length = next((len(w) for w in known.get(tokens[place], ()) if tuple(tokens[place : place + len(w)]) == w), 0)
        kept.append(BLANK if length or _NUMBER.fullmatch(tokens[place]) else tokens[place])
        place += length or 1
    text = _QUOTE.sub(" _", " ".join(kept))
    return _LIST.sub(BLANK, text)


def vocabulary(said: Iterable[str]) -> Vocabulary:
    """Names and values made ready for `skeleton`."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for text in said:
        if tokens := tuple(_tokens(text)):
            found.setdefault(tokens[0], set()).add(tokens)
    return {first: sorted(group, key=lambda w: (-len(w), w)) for first, group in found.items()}


def names(conversation: Conversation) -> set[str]:
    """Tools, parameters with their closed values, arguments, states and results of a conversation: words not ours."""
    found = {word for tool in conversation.tools for word in _schema(tool.name, tool.parameters)}
    for message in conversation.messages:
        if isinstance(message, Assistant):
            found |= {word for call in message.calls for word in (call.name, *_leaves(call.arguments))}
        elif isinstance(message, Observation):
            found |= set(_leaves(_read(message.content)))
    found |= {word for state in conversation.state for word in _leaves(state)}
    return found


def _schema(name: str, parameters: Any) -> Iterator[str]:
    yield name
    for key, inner in (parameters.get("properties") or {}).items():
        yield from (key, key.replace("_", " "))
        yield from map(str, inner.get("enum") or ())


def _leaves(value: Any) -> Iterator[str]:
    """All keys (bare and as words, without what stands before a dot) and all values."""
    if isinstance(value, dict):
        for key, inner in value.items():
            bare = key.rpartition(".")[2]
            yield from (bare, bare.replace("_", " "))
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield str(value)


def _read(content: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())
