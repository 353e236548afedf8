"""Short requests grown from SGD dialogues: what the user says over several turns said at once, then the recorded calls.

The calls, observations and the reply are those of the dialogue; the user's words are the dialogue's own up to its first
call, joined, and for a second step that follows from the first result ("reserve the first one") a clause by rule.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from calm.conversation import Assistant, Call, Conversation, Message, Observation, State, System, Tool, User, by_name
from calm.data import Item, bucket, phrase, pick
from calm.data.sources import grown_words as words
from calm.data.sources.sgd import Sgd
from calm.data.thoughts import listed
from calm.data.vary_reading import deed, reads
from calm.data.vary_words import Key

SOURCE = Sgd(source="sgd")
"""The dialogues that requests are grown from."""

THEN = (
    "Then take the first one and {deed}", "After that, take the first result and {deed}",
    "Then {deed}; the first one will do", "Once you have them, pick the first and {deed}",
    "Take the first one you find and {deed}", "And with the first hit, {deed}",
    "I also want you to {deed}, whatever comes first", "Next, {deed} - just take the first result",
    "From the results take the first and {deed}", "Then please {deed}, using the first match",
)  # fmt: skip


def shortened(share: float, seed: int, piece: int) -> Iterator[Item]:
    """Requests from a `share` of one file's dialogues, drawn by hash; a dialogue without a fitting call gives none."""
    for item in SOURCE.read(seed, piece):
        if isinstance(item, Conversation) and bucket(seed, item.id, "grown") < share * 2**64:
            key = (seed, item.id)
            grown = _two_steps(item, key) or _one_step(item, key)
            if grown:
                yield grown


def _one_step(item: Conversation, key: Key) -> Conversation | None:
    """The user's turns up to the first call as one, then call, observation and reply."""
    place = _first_call(item)
    if place is None:
        return None
    said, state = _joined(item, place)
    step, answer, reply = item.messages[place : place + 3]
    if not said or not isinstance(step, Assistant) or not isinstance(reply, Assistant) or not reply.text:
        return None
    call = step.calls[0]
    start = [m for m in item.messages[:place] if isinstance(m, System)]
    thought = _thought(by_name(item.tools)[call.name], call, key)
    messages = (*start, User(content=said), Assistant(thought=thought, calls=(call,)), answer, reply)
    return _grown(item, messages, state, "request")


def _first_call(item: Conversation) -> int | None:
    """Where the first call stands, if it is one call, observed, and answered in words."""
    messages = item.messages
    place = next((p for p, m in enumerate(messages) if isinstance(m, Assistant) and m.calls), len(messages))
    fit = place + 2 < len(messages) and isinstance(messages[place + 1], Observation)
    step = messages[place] if fit else None
    return place if isinstance(step, Assistant) and len(step.calls) == 1 else None


def _joined(item: Conversation, place: int) -> tuple[str, State]:
    """The user's words before a call as one message with the state after them; empty where they do not say it all."""
    turns = [m.content.strip() for m in item.messages[:place] if isinstance(m, User)]
    step = item.messages[place]
    if not turns or len(turns) > len(item.state) or not isinstance(step, Assistant):
        return "", {}
    state = item.state[len(turns) - 1]
    surface = {key.rpartition(".")[2]: str(value) for key, value in state.items()}
    arguments = step.calls[0].arguments
    heard = [{slot for slot, value in arguments.items() if _said(turn, surface.get(slot), value)} for turn in turns]
    if set(arguments) - set().union(*heard) or not all(heard[1:]) or any(_answers(turn) for turn in turns[1:]):
        return "", {}
    if any(earlier.get(key, value) != value for earlier in item.state[: len(turns)] for key, value in state.items()):
        return "", {}  # the user changed their mind, which said in one breath would be a contradiction
    return " ".join(turn if turn[-1] in ".!?" else f"{turn}." for turn in turns), state


def _said(turn: str, surface: str | None, value: Any) -> bool:
    """Whether the user's turn has the value, in their spelling or the annotated one."""
    lower = turn.lower()
    return any(str(form).lower() in lower for form in (surface, value) if form not in (None, ""))


def _answers(turn: str) -> bool:
    """Whether a turn only makes sense as an answer."""
    first = turn.lower().split(" ", 1)[0].strip(",.!")
    return first in (
        "yes",
        "no",
        "yeah",
        "yep",
        "nope",
        "sure",
        "correct",
        "right",
        "ok",
        "okay",
        "actually",
        "sorry",
        "that",
    )


# --- two steps -------------------------------------------------------------------------------------------------------


def _two_steps(item: Conversation, key: Key) -> Conversation | None:
    """A search and what is done with its first result, if the dialogue has both one after the other."""
    place = _first_call(item)
    said, state = _joined(item, place) if place is not None else ("", {})
    later = _next_call(item, place) if place is not None and said else None
    if place is None or later is None:
        return None
    first, second = _call(item, place), _call(item, later)
    tool = by_name(item.tools)[second.name]
    new = _following(first, item.messages[place + 1], second)
    doing = re.sub(r"\bthe selected (\w+)", r"that \1", deed(tool))
    reply = item.messages[later + 2] if later + 2 < len(item.messages) else None
    if new is None or not doing or reads(tool) or not isinstance(reply, Assistant) or not reply.text or reply.calls:
        return None
    clause = pick(THEN, *key, "then").format(deed=doing)
    pairs = listed([f"{slot.replace('_', ' ')} {value}" for slot, value in new.items()])
    start = [m for m in item.messages[:place] if isinstance(m, System)]
    why = phrase(words.NOW, *key, "now") + phrase(words.PROCEED, *key, "go")
    row = _chosen(second, first, new)
    thing, value = next(iter(row.items()))
    shown = {"thing": thing, "Thing": thing[0].upper() + thing[1:], "value": value, "tool": tool.name}
    messages = (
        *start,
        User(content=f"{said} {clause}{f', with {pairs}' if pairs else ''}."),
        Assistant(thought=_thought(by_name(item.tools)[first.name], first, key), calls=(first,)),
        item.messages[place + 1],
        Assistant(thought=why.format(**shown), calls=(second,)),
        *item.messages[later + 1 : later + 3],
    )
    service = next((k.rpartition(".")[0] for k in item.state[-1] if k.rpartition(".")[2] in second.arguments), "")
    return _grown(item, messages, {**state, **{f"{service}.{slot}": value for slot, value in new.items()}}, "steps")


def _next_call(item: Conversation, place: int) -> int | None:
    """Where the second call stands, if it is of another tool, alone and observed."""
    messages = item.messages
    for later in range(place + 2, len(messages) - 1):
        step = messages[later]
        if isinstance(step, Assistant) and step.calls:
            other = len(step.calls) == 1 and step.calls[0].name != _call(item, place).name
            return later if other and isinstance(messages[later + 1], Observation) else None
    return None


def _call(item: Conversation, place: int) -> Call:
    step = item.messages[place]
    if not isinstance(step, Assistant):
        raise TypeError(f"{item.id}: message {place} calls nothing")
    return step.calls[0]


def _following(first: Call, answer: Message, second: Call) -> dict[str, Any] | None:
    """The second call's arguments that the user has to say, the rest being known or in the first result; else None."""
    row = _first_row(answer)
    told = {slot: value for slot, value in second.arguments.items() if first.arguments.get(slot) != value}
    from_row = [slot for slot, value in told.items() if row.get(slot) == value and isinstance(value, str)]
    new = {slot: value for slot, value in told.items() if slot not in from_row}
    named = any("name" in slot or "title" in slot for slot in from_row)
    return new if named and not any(slot in first.arguments for slot in new) else None


def _first_row(answer: Message) -> dict[str, Any]:
    try:
        rows = json.loads(answer.content)["results"] if isinstance(answer, Observation) else []
    except (ValueError, KeyError, TypeError):
        rows = []
    return rows[0] if rows and isinstance(rows[0], dict) else {}


def _chosen(second: Call, first: Call, new: dict[str, Any]) -> dict[str, Any]:
    """What the first result gave to the second call, in words, its name first."""
    given = [s for s, v in second.arguments.items() if s not in new and first.arguments.get(s) != v]
    given.sort(key=lambda slot: "name" not in slot and "title" not in slot)
    return {f"the {slot.replace('_', ' ')}": second.arguments[slot] for slot in given}


def _thought(tool: Tool, call: Call, key: Key) -> str:
    aim = (words.AIM, words.FITS, words.KNOWN if call.arguments else words.BARE)
    text = "".join(phrase(bank, *key, place) for place, bank in enumerate(aim))
    args = listed([f"{slot.replace('_', ' ')} {value}" for slot, value in call.arguments.items()])
    return text.format(deed=deed(tool) or f"use {tool.name}", tool=tool.name, args=args)


def _grown(item: Conversation, messages: tuple[Message, ...], state: State, kind: str) -> Conversation:
    grown = item.model_copy(
        update={"id": f"grown-{item.id}", "origin": "grown/sgd", "messages": messages, "state": (state,)}
    )
    return grown.renumbered().note(kind=kind)
