"""What can happen in a conversation, as small frozen values with a `kind`: for screens, pages, logs and programs.

`Writing` comes while the model writes, the others when something is whole. Whichever policy speaks, the pieces of a
step add up to what its `Thought`, `Response` and `Action`s say, so a listener may use either and leave the other.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import ValidatorFunctionWrapHandler, WrapValidator

from calm.conversation import Assistant, Call, Conversation, Garbled, Message, Noun, Observation, State, Step, System
from calm.format import growing
from calm.format.growing import Written


class Writing(Noun):
    """The next piece of what the model is writing; of a call it is JSON, and may yet turn out unreadable."""

    kind: Literal["writing"] = "writing"
    part: Written
    text: str


class Thought(Noun):
    """What the model thought before it spoke or acted."""

    kind: Literal["thought"] = "thought"
    text: str


class Action(Noun):
    """A call that is about to be run."""

    kind: Literal["action"] = "action"
    call: Call


class Observed(Noun):
    """What the call `call` gave back."""

    kind: Literal["observation"] = "observation"
    content: str
    call: str
    name: str


class Response(Noun):
    """What the model says to the user."""

    kind: Literal["response"] = "response"
    text: str


class Unreadable(Noun):
    """A step that could not be read; the model is told and tries again."""

    kind: Literal["garbled"] = "garbled"
    raw: str
    why: str


class Words(Noun):
    """What the user says, or (`system`) what the runtime tells the model."""

    kind: Literal["user", "system"]
    text: str


class Tracked(Noun):
    """The dialogue state after a user turn, beside what it was `before` that turn."""

    kind: Literal["state"] = "state"
    state: State
    before: State

    @property
    def changed(self) -> State:
        """Slots that are new or have another value now."""
        return {slot: value for slot, value in self.state.items() if self.before.get(slot, ...) != value}

    @property
    def gone(self) -> tuple[str, ...]:
        """Slots that are no longer there."""
        return tuple(slot for slot in self.before if slot not in self.state)


def _as_made(given: Any, read: ValidatorFunctionWrapHandler) -> Conversation:
    return given if isinstance(given, Conversation) else read(given)


Made = Annotated[Conversation, WrapValidator(_as_made)]
"""A conversation as the loop made it, which is not checked again: a benchmark's own protocol may break our order."""


class Finished(Noun):
    """The end: why (`world` or the name of a limit), what it cost, and the whole conversation."""

    kind: Literal["finished"] = "finished"
    why: str
    steps: int
    tokens: int
    seconds: float
    conversation: Made


Item = Message | Writing | Tracked | Finished
"""What the loop yields: messages as the conversation holds them, and what is no message."""

Event = Writing | Thought | Action | Observed | Response | Unreadable | Words | Tracked | Finished


def events(item: Item) -> Iterator[Event]:
    """An item of the loop as events: of an Assistant its thought, its text and its calls, one after another."""
    if isinstance(item, Assistant):
        if item.thought is not None:
            yield Thought(text=item.thought)
        if item.text is not None:
            yield Response(text=item.text)
        yield from (Action(call=call) for call in item.calls)
    elif isinstance(item, Garbled):
        yield Unreadable(raw=item.raw, why=item.why)
    elif isinstance(item, Observation):
        yield Observed(content=item.content, call=item.call, name=item.name)
    elif isinstance(item, Writing | Tracked | Finished):
        yield item
    else:
        yield Words(kind="system" if isinstance(item, System) else "user", text=item.content)


def pieces(step: Step) -> Iterator[Writing]:
    """A whole step as if it had been written piece by piece, one a part; nothing of a Garbled."""
    return (Writing(part=part, text=text) for part, text in growing.pieces(step))


def failure(content: str) -> dict[str, Any] | None:
    """An observation that says what went wrong (an object with `error`), None for one that is a result."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None  # an observation may be any text, and a long one is cut
    return value if isinstance(value, dict) and "error" in value else None
