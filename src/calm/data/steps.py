"""Steps: Items in, Items out, streaming. A step drops nothing: what it refuses leaves it as a Reject with a reason."""

import hashlib
import random
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from calm.conversation import Assistant, Conversation, to_row
from calm.data import Item, Reject, bucket
from calm.files import dumps

T = TypeVar("T")


def limit(items: Iterable[Item], count: int | None) -> Iterator[Item]:
    """The first `count` items (all for None); what comes after is not read, so it is not rejected either."""
    return islice(items, count)


def shuffle(items: Iterable[T], seed: int) -> Iterator[T]:
    """All items in an order that only `seed` decides; holds them in memory."""
    order = list(items)
    random.Random(seed).shuffle(order)
    yield from order


def unique(items: Iterable[Item], seen: dict[str, str]) -> Iterator[Item]:
    """Rejects a conversation that says what an earlier one said; `seen` (content -> id) may be shared between calls.

    Compared are users, replies, calls and observations, not ids, tools or thoughts: the wording of a thought comes from
    the id, so it would hide every duplicate.
    """
    for item in items:
        if isinstance(item, Reject):
            yield item
            continue
        content = fingerprint(item)
        if content in seen:
            yield _rejected(item, "duplicate", f"says what {seen[content]} says")
        else:
            seen[content] = item.id
            yield item


def shorter(items: Iterable[Item], most: int | None) -> Iterator[Item]:
    """Rejects conversations of more than `most` characters (None: no cap), counted by `characters`."""
    for item in items:
        length = characters(item) if most is not None and isinstance(item, Conversation) else 0
        if most is None or isinstance(item, Reject) or length <= most:
            yield item
        else:
            yield _rejected(item, "too long", f"{length} characters, at most {most}")


def held_out(conversation: Conversation, share: float) -> bool:
    """Whether its id falls into the held-out `share` (0 to 1): the same in every recipe, whatever else is in it."""
    return bucket("held out", conversation.id) < share * 2**64


def characters(conversation: Conversation) -> int:
    """Length of a conversation: its row's messages and tools as JSON, which is close to what a model reads."""
    row = to_row(conversation)
    return len(dumps(row["messages"])) + len(row["tools"])


def fingerprint(conversation: Conversation) -> str:
    """SHA-256 of what is said and done, without ids, tools and thoughts."""
    bare = (
        m.model_copy(update={"thought": None}).model_dump() if isinstance(m, Assistant) else m.model_dump()
        for m in conversation.messages
    )
    return hashlib.sha256(dumps(list(bare)).encode("utf-8", "surrogatepass")).hexdigest()


def _rejected(conversation: Conversation, reason: str, detail: str) -> Reject:
    return Reject(id=conversation.id, origin=conversation.origin, reason=reason, detail=detail)
