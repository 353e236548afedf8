"""Steps: Items in, Items out, streaming. A step drops nothing: what it refuses leaves it as a Reject with a reason."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from calm.conversation import Conversation
from calm.data import Item, Reject, bucket
from calm.files import dumps


def limit(items: Iterable[Item], count: int | None) -> Iterator[Item]:
    """The first `count` items (all for None); what comes after is not read, so it is not rejected either."""
    return islice(items, count)


def held_out(name: str, share: float) -> bool:
    """Whether the id falls into the held-out `share` (0 to 1): the same in every recipe, whatever else is in it.

    What follows a `~` does not count: `x~2` is another form of the record `x`, and forms of one record stay together.
    """
    return bucket("held out", name.partition("~")[0]) < share * 2**64


def fingerprint(messages: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 of what is said and done in the `messages` of a row, without ids, tools and thoughts.

    The wording of a thought comes from the id, so with it no duplicate would ever be found.
    """
    bare = [(m["role"], m["content"], [c["function"] for c in m.get("tool_calls", ())]) for m in messages]
    return hashlib.sha256(dumps(bare).encode("utf-8", "surrogatepass")).hexdigest()


def rejected(conversation: Conversation, reason: str, detail: str) -> Reject:
    """The Reject that takes a conversation's place."""
    return Reject(id=conversation.id, origin=conversation.origin, reason=reason, detail=detail)
