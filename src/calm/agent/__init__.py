"""The agent is a verb: `converse` is the only loop in the package. Data, chat, serving and benchmarks all run it."""

from collections.abc import Callable
from itertools import takewhile

from pydantic import Field

from calm.conversation import Assistant, Conversation, Garbled, Message, Noun, User
from calm.policy import Policy
from calm.world import Offering, World


class Limits(Noun):
    """Where a conversation is cut off: steps in all, steps in one user turn, Garbled outputs one after another."""

    steps: int = Field(default=100, ge=1)
    steps_per_turn: int = Field(default=8, ge=1)
    garbled: int = Field(default=2, ge=1)


DEFAULT = Limits()


def converse(
    policy: Policy,
    world: World,
    start: Conversation,
    limits: Limits = DEFAULT,
    on_message: Callable[[Message], None] = lambda message: None,
) -> Conversation:
    """Let policy and world answer each other until the world falls silent or a limit is met.

    `meta.ended` of the result says which: `world`, `steps`, `steps_per_turn` or `garbled`. `on_message` hears every
    message as it comes, so a terminal, a log or a page can follow.
    """
    conversation, ended = start, "steps"
    for _ in range(limits.steps):
        step = policy(conversation)
        conversation = conversation.add(step)
        on_message(step)
        answer = tuple(world(conversation, step))
        conversation = conversation.add(*answer)
        if isinstance(world, Offering) and world.offered != conversation.tools:
            conversation = conversation.model_copy(update={"tools": world.offered})
        for message in answer:
            on_message(message)
        if not answer:
            ended = "world"
            break
        if reached := _reached(conversation, limits):
            ended = reached
            break
    return conversation.note(ended=ended)


def _reached(conversation: Conversation, limits: Limits) -> str | None:
    spoken = [m for m in conversation.messages if isinstance(m, Assistant | Garbled | User)]
    turn = list(takewhile(lambda message: not isinstance(message, User), reversed(spoken)))
    garbled = list(takewhile(lambda message: isinstance(message, Garbled), turn))
    if len(garbled) >= limits.garbled:
        return "garbled"
    return "steps_per_turn" if len(turn) >= limits.steps_per_turn else None
