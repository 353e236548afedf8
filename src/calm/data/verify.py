"""Proof by execution: every Action of a conversation is run again and must give the Observation that follows it."""

from collections.abc import Callable

from calm.conversation import Assistant, Call, Conversation, Observation
from calm.data import Item, Reject
from calm.files import dumps
from calm.world.tables import Recorded


def verified(conversation: Conversation, run: Callable[[Call], str]) -> Item:
    """The conversation with `meta["checked"]`, or a Reject at the first call that gives something else.

    `executed` means that the backend computed every observation, `replayed` that it looked up one at least (a
    `Recorded`). Compared are bytes.

    Args:
        conversation: what is claimed; every call of it must have its observation.
        run: a fresh backend, which hears the calls in order.
    """
    checked, waiting = "executed", list[Call]()
    for message in conversation.messages:
        if isinstance(message, Observation):
            call = waiting.pop(0)
            answer = run(call)
            if answer != message.content:
                return _reject(
                    conversation, "observation differs", f"{_said(call)} gives {answer:.90}, not {message.content:.90}"
                )
            checked = "replayed" if isinstance(answer, Recorded) else checked
        elif waiting:
            break
        elif isinstance(message, Assistant):
            waiting = list(message.calls)
    if waiting:
        return _reject(conversation, "action without observation", _said(waiting[0]))
    return conversation.note(checked=checked)


def _said(call: Call) -> str:
    return f"{call.id} {call.name}({dumps(call.arguments)})"


def _reject(conversation: Conversation, reason: str, detail: str) -> Reject:
    return Reject(id=conversation.id, origin=conversation.origin, reason=reason, detail=detail)
