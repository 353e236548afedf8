"""The dialogue state, explicit after every user turn: which slots are filled, and with what.

A tracker is any `Conversation -> State`; `from_calls` works for every tool, `own` asks the model where it keeps one.
"""

from collections.abc import Callable, Iterator

from calm.agent.events import Tracked, failure
from calm.conversation import Assistant, Call, Conversation, Observation, State, User
from calm.policy import Policy

Tracker = Callable[[Conversation], State]
"""The state as a conversation so far gives it; pure, so that it can be worked out again."""

REJECTED = frozenset(["argument", "unknown", "refused"])
"""Kinds of error after which a call says nothing about what the user wants."""


def from_calls(conversation: Conversation) -> State:
    """`tool.argument -> value`, as the latest call of each tool has it; a slot it leaves out is no longer filled.

    Calls that were refused, or are known not to fit their tool, do not count; one that failed otherwise does, because
    the user still wants what it says.
    """
    latest: dict[str, Call] = {}
    for call, observation in answered(conversation):
        failed = failure(observation.content) if observation else None
        if not failed or failed.get("type") not in REJECTED:
            latest[call.name] = call
    return {f"{name}.{slot}": value for name, call in latest.items() for slot, value in call.arguments.items()}


def own(policy: Policy) -> Tracker:
    """The policy's own account of the state, `policy.state(conversation)`, where it keeps one; else `from_calls`."""
    return getattr(policy, "state", None) or from_calls


def tracked(conversation: Conversation, tracker: Tracker) -> tuple[Conversation, list[Tracked]]:
    """The conversation with the state after its latest user turn, and that state; none where nobody has spoken."""
    turns = sum(isinstance(message, User) for message in conversation.messages)
    if not turns:
        return conversation, []
    now, past = tracker(conversation), conversation.state[turns - 2 : turns - 1] if turns > 1 else ()
    return noted(conversation, now), [Tracked(state=now, before=past[0] if past else {})]


def noted(conversation: Conversation, state: State) -> Conversation:
    """The conversation with the state after its latest user turn; earlier turns without one get an empty one."""
    turns = sum(isinstance(message, User) for message in conversation.messages)
    past = (*conversation.state, *({} for _ in range(turns)))[: turns - 1]
    return conversation.model_copy(update={"state": (*past, state)})


def untracked(conversation: Conversation) -> bool:
    """Whether the state after the latest user turn has not been noted, because that turn was cut off."""
    return len(conversation.state) < sum(isinstance(message, User) for message in conversation.messages)


def waiting(conversation: Conversation) -> list[Call]:
    """Calls of the last step that no observation answers yet."""
    calls: list[Call] = []
    for message in conversation.messages:
        if isinstance(message, Assistant):
            calls = list(message.calls)
        elif isinstance(message, Observation) and calls:
            calls.pop(0)
    return calls


def rewound(conversation: Conversation, count: int) -> Conversation:
    """The first `count` messages, with the states of the user turns among them."""
    kept = conversation.upto(count)
    turns = sum(isinstance(message, User) for message in kept.messages)
    return kept.model_copy(update={"state": kept.state[:turns]})


def answered(conversation: Conversation) -> Iterator[tuple[Call, Observation | None]]:
    """Every call with what it gave, in order; None for one that has no answer yet."""
    waiting: list[Call] = []
    for message in conversation.messages:
        if isinstance(message, Assistant):
            yield from ((call, None) for call in waiting)
            waiting = list(message.calls)
        elif isinstance(message, Observation) and waiting:
            yield waiting.pop(0), message
    yield from ((call, None) for call in waiting)
