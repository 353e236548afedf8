"""Tools of the pool with optional parameters of ours added, the needed one as well as those offered beside it.

If only the needed tool had them, they would give it away.
"""

from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any

from calm.conversation import Tool
from calm.data.sources.grown_numbers import Maker
from calm.data.sources.grown_speech import Speakable
from calm.data.sources.grown_wishes import Wish, nouns, suited


def wishing(tool: Speakable, rng: Random, share: float = 0.85) -> Speakable:
    """The tool, in a share of cases with one to three optional parameters that suit it."""
    return enriched(tool, _chosen(tool.tool, rng), rng) if rng.random() < share else tool


def enriched(tool: Speakable, wishes: Sequence[Wish], rng: Random) -> Speakable:
    """The tool with these optional parameters behind its own, named in the style of its own."""
    names = _names(tool.tool, wishes)
    makers = {name: Maker("wish", wish.draw) for name, wish in zip(names, wishes, strict=True)}
    return tool._replace(tool=_declared(tool.tool, wishes, rng), optional=tool.optional | makers)


def alike(tools: Sequence[Tool], rng: Random) -> list[Tool]:
    """The tools, half of them with optional parameters more."""
    return [_declared(tool, _chosen(tool, rng), rng) if rng.random() < 0.5 else tool for tool in tools]


def _chosen(tool: Tool, rng: Random) -> list[Wish]:
    """One to three wishes, mostly with those first that fit what the tool speaks of; no two about the same."""
    topical, general = suited(tool)
    first = rng.sample(topical, len(topical)) if rng.random() < 0.7 else []
    found: list[Wish] = []
    for wish in (*first[:2], *rng.sample(general, len(general))):
        if all(nouns(wish.name).isdisjoint(nouns(other.name)) for other in found):
            found.append(wish)
    return found[: rng.choice((1, 2, 3, 3))]


def _declared(tool: Tool, wishes: Sequence[Wish], rng: Random) -> Tool:
    schema: Any = tool.parameters
    more = {name: wish.schema(rng) for name, wish in zip(_names(tool, wishes), wishes, strict=True)}
    properties = {**schema.get("properties", {}), **more}
    return tool.model_copy(update={"parameters": {**schema, "properties": properties}})


def _names(tool: Tool, wishes: Sequence[Wish]) -> list[str]:
    own: Any = tool.parameters.get("properties", {})
    camel = any(any(a.islower() and b.isupper() for a, b in pairwise(name)) for name in own)
    return [_camel(wish.name) if camel else wish.name for wish in wishes]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
