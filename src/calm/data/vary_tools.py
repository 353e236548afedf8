"""Tool sets per row: distractors from the pool, order by hash, and the needed tool taken away."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from calm.conversation import Assistant, Conversation, Message, Tool, User, by_name
from calm.data import bucket, phrase, vary_words
from calm.data.pool import pool
from calm.data.vary_reading import Reading, deed, deeds, near_twin, parts, reading, stems
from calm.files import dumps

LONGEST = 1_500
"""Characters of the longest distractor's schema: a few tools of the pool are longer than whole conversations."""
TRIES = 12
"""Candidates looked at for each distractor before a row does with fewer."""


class Offer(NamedTuple):
    """A tool of the pool and what it is for."""

    tool: Tool
    reading: Reading


@lru_cache(maxsize=1)
def offers() -> tuple[Offer, ...]:
    """The pool's tools that can be distractors: not too long, and with words that say what they are for."""
    known = (Offer(entry.tool, reading(entry.tool)) for entry in pool())
    return tuple(o for o in known if o.reading.nouns and len(dumps(o.tool.model_dump())) <= LONGEST)


def toolset(item: Conversation, most: int, seed: int) -> tuple[Tool, ...]:
    """The row's tools with distractors among them, in an order by hash; no two of one name.

    Three rows of ten get none, five up to half of `most`, two more than that. A distractor shares no noun with the
    row's tools (nor with one that `meta["missing"]` says was taken away) and has none that the user speaks of.
    """
    tools = tuple(by_name(item.tools).values())
    count = _count(most, seed, item.id)
    users = " ".join(m.content for m in item.messages if isinstance(m, User))
    extra = distractors(f"{users} {item.meta.get('missing', '')}", tools, count, (seed, item.id))
    return tuple(sorted((*tools, *extra), key=lambda tool: bucket(seed, item.id, "order", tool.name)))


def _count(most: int, *key: str | int) -> int:
    if most == 0:
        return 0
    draw, size, half = bucket(*key, "how many") % 10, bucket(*key, "count"), (most + 1) // 2
    return 0 if draw < 3 else 1 + size % half if draw < 8 else half + size % (most - half + 1)


def distractors(said: str, tools: Sequence[Tool], count: int, key: vary_words.Key) -> list[Tool]:
    """At most `count` tools of the pool that speak of nothing that `tools` are for or that `said` speaks of."""
    if count == 0:
        return []
    spoken = stems(said).union(*(reading(tool).nouns for tool in tools))
    names = {tool.name.casefold() for tool in tools}
    chosen: list[Tool] = []
    known = offers()
    for number in range(count * TRIES):
        offer = known[bucket(*key, "distractor", number) % len(known)]
        if offer.tool.name.casefold() not in names and spoken.isdisjoint(offer.reading.stems):
            chosen.append(offer.tool)
            names.add(offer.tool.name.casefold())
        if len(chosen) == count:
            break
    return chosen


# --- the tool taken away ---------------------------------------------------------------------------------------------


def without_tool(item: Conversation) -> Conversation | None:
    """The conversation up to the request that a tool would have met, that tool gone, and the assistant saying so.

    None where that would not be sensible: nothing is called, another tool could serve, the user's words do not name
    what is wanted, or what was said before already promised it.
    """
    cut = _request(item)
    if cut is None:
        return None
    place, tool = cut
    others = tuple(other for other in item.tools if other.name != tool.name)
    doing = deed(tool)
    wish = item.messages[place - 1]
    said = wish.content if isinstance(wish, User) else ""
    if not others or not doing or any(serves(other, tool, said) for other in others):
        return None
    messages = (*item.messages[:place], _refusal(doing, others, (item.id, "missing")))
    users = sum(isinstance(m, User) for m in messages)
    bare = item.model_copy(update={"tools": others, "messages": messages, "state": item.state[:users]})
    return bare.note(missing=f"{' '.join(parts(tool.name))}: {tool.description}")


def serves(other: Tool, tool: Tool, said: str) -> bool:
    """Whether `other` could plausibly be meant where a user who says `said` needs `tool`: in doubt yes.

    A near twin could. So could a tool that speaks of the same things, unless the user's verbs are of the one kind and
    not of the other and what they name is not the other's own: "book a table" does not mean the search for restaurants.
    """
    a, b = reading(tool), reading(other)
    if near_twin(tool, other):
        return True
    if a.nouns.isdisjoint(b.stems) and b.nouns.isdisjoint(a.stems):
        return False
    verbs = deeds(said)
    return a.verb not in verbs or b.verb in verbs or bool((b.nouns - a.nouns) & stems(said))


def _request(item: Conversation) -> tuple[int, Tool] | None:
    """Where the assistant has to answer a first wish that needs the first tool called, and that tool."""
    for place, message in enumerate(item.messages):
        if isinstance(message, Assistant) and message.calls:
            return _first_wish(item, place, message.calls[0].name)
    return None


def _first_wish(item: Conversation, called: int, name: str) -> tuple[int, Tool] | None:
    tool = by_name(item.tools).get(name)
    wanted = reading(tool).nouns | stems(tool.name) if tool else frozenset[str]()
    for place, message in enumerate(item.messages[:called]):
        if tool and isinstance(message, User) and wanted & stems(message.content):
            innocent = all(_innocent(m, tool, wanted) for m in item.messages[:place])
            return (place + 1, tool) if innocent else None
    return None


def _innocent(message: Message, tool: Tool, wanted: frozenset[str]) -> bool:
    """Whether an earlier message neither names the tool nor promises what it does."""
    if not isinstance(message, Assistant):
        return True
    said = f"{message.thought or ''} {message.text or ''}"
    return tool.name not in said and wanted.isdisjoint(stems(said))


def _refusal(doing: str, others: Sequence[Tool], key: vary_words.Key) -> Assistant:
    other = next((text for tool in sorted(others, key=lambda t: bucket(*key, t.name)) if (text := deed(tool))), "")
    return refused(doing, other, key)


def refused(doing: str, other: str, key: vary_words.Key) -> Assistant:
    """The assistant says that it cannot do `doing`, perhaps that it could do `other` (empty: it offers nothing)."""
    endings = vary_words.INSTEAD if other else [text for text in vary_words.INSTEAD if "{other}" not in text]
    thought = "".join(
        phrase(bank, *key, place)
        for place, bank in enumerate((vary_words.WANTED, vary_words.UNABLE, vary_words.THEREFORE))
    )
    text = vary_words.mixed(key, vary_words.SORRY, endings)
    return Assistant(thought=thought.format(deed=doing), text=text.format(deed=doing, other=other))
