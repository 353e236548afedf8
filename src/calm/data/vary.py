"""Variation: one conversation in, one or more out, so that no model can learn a corpus's tools by heart.

Tool sets grow by distractors and change their order, names are masked, and beside some conversations stands an
addition: the needed tool taken away, or a service that stays down. Additions carry the id of the original with a
suffix (`~missing-tool`). Everything is drawn by hash of the id, so neither order nor number of workers changes a row.
"""

from collections.abc import Iterator

from pydantic import Field

from calm.conversation import Conversation, User
from calm.data import bucket, vary_faults
from calm.data.renaming import renamed
from calm.data.vary_chat import chatted
from calm.data.vary_tools import toolset, without_tool
from calm.recipe import Recipe


class Vary(Recipe):
    """Shares of rows that each kind of variation falls on; `distractors` is the most that a row gets.

    `missing_tool` and half of `faults` add rows, `chat` and the other half change the row they fall on. Each share is
    of the rows where the variation is possible.
    """

    distractors: int = Field(default=8, ge=0)
    renamed: float = Field(default=0.2, ge=0, le=1)
    missing_tool: float = Field(default=0.06, ge=0, le=1)
    chat: float = Field(default=0.05, ge=0, le=1)
    faults: float = Field(default=0.04, ge=0, le=1)


def vary(item: Conversation, settings: Vary, seed: int) -> Iterator[Conversation]:
    """The conversation varied under its own id, then its additions; `meta["varied"]` lists what was done to each.

    Args:
        item: any valid conversation; its `meta["checked"]` is kept.
        settings: the shares.
        seed: the recipe's, so that two seeds vary differently.
    """
    yield _dressed(_changed(item, settings, seed), settings, seed)
    for suffix, addition in _additions(item, settings, seed):
        named = addition.model_copy(update={"id": f"{item.id}~{suffix}"})
        yield _dressed(_tagged(named, suffix), settings, seed)


def _changed(item: Conversation, settings: Vary, seed: int) -> Conversation:
    if _falls(settings.faults / 2, seed, item.id, "tool-error") and (failed := vary_faults.recovered(item)):
        item = _tagged(failed, "tool-error")
    if _falls(settings.chat, seed, item.id, "chat") and (talked := chatted(item, (seed, item.id))):
        item = _tagged(talked, "chat")
    return item


def _additions(item: Conversation, settings: Vary, seed: int) -> Iterator[tuple[str, Conversation]]:
    if _falls(settings.missing_tool, seed, item.id, "missing-tool") and (bare := without_tool(item)):
        yield "missing-tool", bare
    if _falls(settings.faults / 2, seed, item.id, "tool-down") and (down := vary_faults.down(item)):
        yield "tool-down", _aligned(down)


def _dressed(item: Conversation, settings: Vary, seed: int) -> Conversation:
    """Distractors, order and names: what falls on every row, additions too."""
    tools = toolset(item, settings.distractors, seed)
    item = _tagged(item, "distractors") if len(tools) > len(item.tools) else item
    item = item.model_copy(update={"tools": tools})
    if tools and _falls(settings.renamed, seed, item.id, "renamed"):
        item = _tagged(renamed(item, seed, item.id), "renamed")
    return item


def _falls(share: float, *key: str | int) -> bool:
    return bucket(*key) < share * 2**64


def _tagged(item: Conversation, kind: str) -> Conversation:
    before = item.meta.get("varied", [])
    return item.note(varied=[*(before if isinstance(before, list) else []), kind])


def _aligned(item: Conversation) -> Conversation:
    """The state cut to the user turns that are left."""
    return item.model_copy(update={"state": item.state[: sum(isinstance(m, User) for m in item.messages)]})
