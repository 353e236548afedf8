"""Hearing a policy while it writes.

A policy that can be heard has `stream`; one that only tells its `tokens` and has a `codec` (the embedded model) is read
from these; any other is heard when its step is whole. The step is the same in each case.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

from calm.agent.events import Writing, Written, pieces
from calm.conversation import Conversation, Garbled, Step
from calm.format.growing import Reader
from calm.format.tokens import Codec
from calm.policy import Policy


@runtime_checkable
class Streaming(Policy, Protocol):
    """A Policy that can be heard while it writes."""

    def stream(self, conversation: Conversation) -> Iterator[tuple[Written, str] | Step]:
        """Pieces (part, text) as they come and then the step they make, which is what calling it would have given."""
        ...


@runtime_checkable
class Telling(Policy, Protocol):
    """A Policy that tells its token ids one by one, the codec's stop token last unless it was cut off."""

    codec: Codec

    def tokens(self, conversation: Conversation) -> Iterator[int]:
        """Ids of the next step."""
        ...


def heard(policy: Policy, conversation: Conversation) -> Iterator[Writing | Step]:
    """The next step of any policy, piece by piece; the Step itself comes last."""
    if isinstance(policy, Streaming):
        for item in policy.stream(conversation):
            yield Writing(part=item[0], text=item[1]) if isinstance(item, tuple) else item
    elif isinstance(policy, Telling):
        yield from _told(policy, conversation)
    else:
        step = policy(conversation)
        yield from pieces(step)
        yield step


def _told(policy: Telling, conversation: Conversation) -> Iterator[Writing | Step]:
    ids: list[int] = []
    reader = Reader()
    for token in policy.tokens(conversation):
        ids.append(token)
        yield from _writing(reader.read(policy.codec.text(ids)))
    if not ids or ids[-1] != policy.codec.stop:
        yield Garbled(raw=policy.codec.text(ids), why=f"not finished after {len(ids)} tokens")
        return
    yield from _writing(reader.read(policy.codec.text(ids), whole=True))
    yield policy.codec.read(ids)


def _writing(read: Iterable[tuple[Written, str]]) -> Iterator[Writing]:
    return (Writing(part=part, text=text) for part, text in read)
