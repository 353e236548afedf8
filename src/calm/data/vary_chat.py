"""Chat without a call: greetings, what can you do, general questions, thanks, answered truly and without a tool."""

from calm.conversation import Assistant, Conversation, Message, State, User
from calm.data import bucket, phrase, pick, vary_words
from calm.data.vary_reading import deed, stems


def chatted(item: Conversation, key: vary_words.Key) -> Conversation | None:
    """The conversation with small talk or a general question before it, or thanks after it; None where neither fits."""
    first = next((place for place, m in enumerate(item.messages) if isinstance(m, User | Assistant)), None)
    if first is None or not isinstance(item.messages[first], User):
        return None
    if _open_ended(item) and bucket(*key, "end") % 2:
        return _closed(item, key)
    turn = opening(item, key)
    state: tuple[State, ...] = ({}, *item.state) if item.state else ()
    messages = (*item.messages[:first], *turn, *item.messages[first:])
    return item.model_copy(update={"messages": messages, "state": state})


def _open_ended(item: Conversation) -> bool:
    """Whether it ends with a reply to a user who has not yet said thanks or goodbye."""
    last = item.messages[-1]
    users = [m.content.lower() for m in item.messages if isinstance(m, User)]
    closing = ("thank", "bye", "that's all", "that is all", "no more", "nothing else")
    replied = isinstance(last, Assistant) and bool(last.text) and not last.calls
    return replied and not any(word in users[-1] for word in closing)


def _closed(item: Conversation, key: vary_words.Key) -> Conversation:
    reply = vary_words.mixed(key, vary_words.FAREWELLS, vary_words.WISHES)
    turn = _turn(pick(vary_words.THANKS, *key, "thanks"), vary_words.THANKED, reply, key)
    state = (*item.state, item.state[-1]) if item.state else ()
    return item.add(*turn).model_copy(update={"state": state})


def opening(item: Conversation, key: vary_words.Key) -> tuple[Message, ...]:
    """A user's turn that needs none of the conversation's tools, and the answer."""
    kind = bucket(*key, "opening") % 4
    if kind == 0:
        reply = vary_words.mixed(key, vary_words.WELCOMES, vary_words.OPENINGS)
        return _turn(pick(vary_words.GREETINGS, *key, "greeting"), vary_words.GREETED, reply, key)
    deeds = sorted({text for tool in item.tools if (text := deed(tool))}, key=lambda text: bucket(*key, text))
    if kind == 1 and deeds:
        able = phrase(vary_words.ABLE, *key, "able").format(deeds=" or ".join(deeds[:2]))
        reply = f"{able} {phrase(vary_words.OPENINGS, *key, 'able')}"
        return _turn(pick(vary_words.ABILITY, *key, "ability"), vary_words.ABILITY_ASKED, reply, key)
    asked, answer = _harmless(item, key)
    return _turn(asked, vary_words.KNOWN, answer, key)


def _harmless(item: Conversation, key: vary_words.Key) -> tuple[str, str]:
    """A general question that no tool of the row speaks of."""
    covered = frozenset(word for tool in item.tools for word in stems(f"{tool.name} {tool.description}"))
    questions = (vary_words.fact(key, place) for place in range(50))
    first = vary_words.fact(key, 0)
    return next((fact for fact in questions if covered.isdisjoint(stems(fact[0]))), first)


def _turn(said: str, why: tuple[str, ...], reply: str, key: vary_words.Key) -> tuple[Message, ...]:
    thought = phrase(why, *key, "why") + phrase(vary_words.NO_TOOL, *key, "no tool")
    return User(content=said), Assistant(thought=thought, text=reply)
