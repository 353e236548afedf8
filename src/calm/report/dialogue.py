"""A conversation as people follow it: turns that open with the user, each call beside the observation it received."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from calm.conversation import Assistant, Call, Conversation, Message, Observation, User
from calm.report.words import Change, changes


@dataclass
class Exchange:
    """A call and what came back; None when the conversation ended first."""

    call: Call
    observation: Observation | None = None


@dataclass
class Said:
    """One message; an assistant's step brings its calls with their observations."""

    message: Message
    exchanges: list[Exchange] = field(default_factory=list)


@dataclass
class Turn:
    """What happened from one user message to the next; `state` is empty when the conversation keeps none."""

    said: list[Said] = field(default_factory=list)
    state: tuple[Change, ...] = ()


def turns(conversation: Conversation) -> list[Turn]:
    """The turns in order; what precedes the first user message is a turn of its own, where there is anything."""
    found, users = [Turn()], 0
    for said in _said(conversation):
        if isinstance(said.message, User):
            found.append(Turn(state=_state(conversation, users)))
            users += 1
        found[-1].said.append(said)
    return [turn for turn in found if turn.said]


def _said(conversation: Conversation) -> Iterator[Said]:
    waiting: list[Exchange] = []
    for message in conversation.messages:
        if isinstance(message, Observation) and waiting:
            waiting.pop(0).observation = message
            continue
        said = Said(message)
        if isinstance(message, Assistant):
            said.exchanges = [Exchange(call) for call in message.calls]
            waiting = list(said.exchanges)
        yield said


def _state(conversation: Conversation, turn: int) -> tuple[Change, ...]:
    if turn >= len(conversation.state):
        return ()
    before = conversation.state[turn - 1] if turn else {}
    return tuple(changes(before, conversation.state[turn]))
