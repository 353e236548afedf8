"""Data: corpora in, a dataset of Conversations out, and beside it every record that was left out with the reason.

A Source yields Items: a Conversation, or a Reject that says why a record could not become one. A step takes Items and
gives Items and drops nothing: what it refuses it turns into a Reject. So what was read = what was kept + what was
rejected, and `build` only has to count.
"""

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from calm.conversation import Conversation, Noun


class Reject(Noun):
    """A record that is not in the dataset: `reason` is a class that can be counted, `detail` what exactly was wrong."""

    id: str
    origin: str
    reason: str
    detail: str = ""


Item = Conversation | Reject
Source = Callable[..., Iterator[Item]]
"""A function from settings to Items, streaming; what cannot be read at all is a DataError, never a Reject."""


def bucket(*key: str | int) -> int:
    """A number below 2**64 drawn by hash from `key`: the same on every machine and in every run, unlike `hash`."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, key)).encode("utf-8", "surrogatepass")).digest()[:8])


def pick(options: Sequence[str], *key: str | int) -> str:
    """One of the options, chosen by hash of `key`, so that no row depends on the rows before it."""
    return options[bucket(*key) % len(options)]


_WORDINGS: ContextVar[int | None] = ContextVar("wordings", default=None)


@contextmanager
def wordings(most: int | None) -> Generator[None]:
    """While it lasts, what the assistant thinks and says is drawn from the first `most` wordings of each bank.

    The first of a bank is its plainest. It bounds no tool, value, fault or word of a user: those are drawn by `pick`.
    """
    token = _WORDINGS.set(most)
    try:
        yield
    finally:
        _WORDINGS.reset(token)


def phrase(options: Sequence[str], *key: str | int) -> str:
    """One of the assistant's wordings, chosen as `pick` does, among as many as `wordings` lets through."""
    return pick(options[: _WORDINGS.get()], *key)
