"""Faults of the environment: a call that fails once and is repeated, or that keeps failing and is reported.

Only what changes nothing is repeated blindly; a write is repeated where the error says that it was not done, and else
its outcome is said to be unknown. What the tools really returned stays as it was; `meta["faults"]` names the calls
whose observation was put in.
"""

from itertools import pairwise

from pydantic import JsonValue

from calm.conversation import Assistant, Call, Conversation, Message, Observation, by_name
from calm.data import bucket, phrase, pick, vary_words
from calm.data.vary_reading import reads
from calm.files import dumps


def recovered(conversation: Conversation) -> Conversation | None:
    """The conversation with one call that fails first and is made again; None where no call has an observation."""
    place = _place(conversation)
    if place is None:
        return None
    step, answer, call = _step(conversation, place)
    key = (conversation.id, place)
    safe = reads(by_name(conversation.tools)[call.name])
    failed = _failure(call, vary_words.TRANSIENT if safe else vary_words.NOT_DONE, key)
    again = call.model_copy(update={"id": f"{call.id}-again"})
    retry = Assistant(thought=_thought(call, key, vary_words.RETRY, vary_words.AGAIN), calls=(again,))
    observed = answer.model_copy(update={"call": again.id})
    messages = conversation.messages
    whole = (*messages[:place], step, failed, retry, observed, *messages[place + 2 :])
    return _noted(conversation, whole, (place + 1,))


def down(conversation: Conversation) -> Conversation | None:
    """An addition that ends with the fault: reported to the user, with an offer to go on later; None as above."""
    place = _place(conversation)
    if place is None:
        return None
    step, _, call = _step(conversation, place)
    told = _lookup_down if reads(by_name(conversation.tools)[call.name]) else _write_in_doubt
    end, failures = told(call, (conversation.id, place))
    whole = (*conversation.messages[:place], step, *end)
    return _noted(conversation, whole, tuple(place + at for at in failures))


def _lookup_down(call: Call, key: vary_words.Key) -> tuple[tuple[Message, ...], tuple[int, ...]]:
    again = call.model_copy(update={"id": f"{call.id}-again"})
    first, second = (_failure(c, vary_words.TRANSIENT, (*key, n)) for n, c in enumerate((call, again)))
    retry = Assistant(thought=_thought(call, key, vary_words.RETRY, vary_words.AGAIN), calls=(again,))
    given_up = _thought(
        call, (*key, "end"), (" again.", " a second time.", " once more.", " twice now."), vary_words.GIVE_UP
    )
    text = vary_words.mixed(key, vary_words.DOWN, vary_words.LATER)
    return (first, retry, second, Assistant(thought=given_up, text=text)), (1, 3)


def _write_in_doubt(call: Call, key: vary_words.Key) -> tuple[tuple[Message, ...], tuple[int, ...]]:
    doubt = phrase(vary_words.IN_DOUBT, *key, "doubt") + phrase(vary_words.NOT_TWICE, *key, "twice")
    text = vary_words.mixed(key, vary_words.UNSURE, vary_words.CHECK)
    return (_failure(call, vary_words.UNKNOWN, key), Assistant(thought=doubt, text=text)), (1,)


def _place(conversation: Conversation) -> int | None:
    """A step with one call that was observed, chosen by hash."""
    messages = conversation.messages
    known = by_name(conversation.tools)
    places = [
        place
        for place, (step, answer) in enumerate(pairwise(messages))
        if isinstance(step, Assistant) and len(step.calls) == 1 and isinstance(answer, Observation)
        if step.calls[0].name in known
    ]
    return places[bucket(conversation.id, "fault") % len(places)] if places else None


def _step(conversation: Conversation, place: int) -> tuple[Assistant, Observation, Call]:
    step, answer = conversation.messages[place : place + 2]
    if not isinstance(step, Assistant) or not isinstance(answer, Observation):
        raise TypeError(f"{conversation.id}: no observed call at message {place}")
    return step, answer, step.calls[0]


def _failure(call: Call, errors: tuple[str, ...], key: vary_words.Key) -> Observation:
    return Observation(content=dumps({"error": pick(errors, *key, "error")}), call=call.id, name=call.name)


def _thought(call: Call, key: vary_words.Key, middle: tuple[str, ...], end: tuple[str, ...]) -> str:
    failed = phrase(vary_words.FAILED, *key, "failed").format(tool=call.name)
    return f"{failed}{phrase(middle, *key, 'middle')} {phrase(end, *key, 'end')}"


def _noted(conversation: Conversation, messages: tuple[Message, ...], failures: tuple[int, ...]) -> Conversation:
    """Call ids counted through, and the ids of the calls that were made to fail kept in `meta["faults"]`."""
    said = conversation.model_copy(update={"messages": messages}).renumbered()
    ids: list[JsonValue] = [
        m.call for place, m in enumerate(said.messages) if place in failures and isinstance(m, Observation)
    ]
    return said.note(faults=ids)
