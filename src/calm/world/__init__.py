"""Worlds: what answers the model. `(Conversation, Step) -> messages`; an empty answer ends the episode.

`functions` turns Python functions into tools, `town` is the small city that demo and tests talk about, `dialogue` joins
tools and a user (scripted, simulated or a person) into one World.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from calm.conversation import Call, Conversation, Message, Step, Tool


class World(Protocol):
    """Whatever hears a step and answers: tools, the user, or both."""

    def __call__(self, conversation: Conversation, step: Step) -> Sequence[Message]:
        """The messages that follow `step`, which is the last message of `conversation`; empty ends the episode."""
        ...


@runtime_checkable
class Offering(World, Protocol):
    """A World in which the tools change as it goes on: after each of its answers `offered` are the ones there are."""

    @property
    def offered(self) -> tuple[Tool, ...]:
        """The tools there are now."""
        ...


class Toolbox(Protocol):
    """Tools that can be run; one toolbox per conversation, so nothing leaks between two."""

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What can be called; a toolbox that follows a server may offer others after a call."""
        ...

    def run(self, call: Call) -> str:
        """The observation of a call as JSON text; an unknown tool or wrong argument is an `{"error": ...}` in it."""
        ...
