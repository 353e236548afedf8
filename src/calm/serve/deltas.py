"""What a client is told of a step while it is written, and of its end; chat completions and responses both tell it.

Everything here runs in the model's thread: text is cut at a stop word, calls are numbered and kept as far as
the request allows, and nothing is told that would have to be taken back.
"""

import contextlib
import json
import re
from collections.abc import Generator, Iterable, Iterator
from typing import Any, Literal, NamedTuple

from calm.agent.events import Writing, Written
from calm.agent.live import heard
from calm.conversation import Assistant, Call, Conversation, Garbled, Step
from calm.files import dumps
from calm.policy import Policy, Usage
from calm.serve.wire import Asked

Finish = Literal["stop", "length", "tool_calls"]
Ended = Literal["itself", "hurried", "repeated", "garbled", "left"]
"""How a step came to its end: by the model's will, the grammar's before its time, for a call that was made before,
unreadable, or at a stop word or first call that the request set."""
CUT = "not finished"
"""How a policy's reason begins when its step met the limit of tokens."""


class Said(NamedTuple):
    """A piece of a step; the first piece of a call has its `name` and `id`, and `index` says which call it is."""

    part: Written
    text: str
    index: int = 0
    name: str = ""
    id: str = ""


class Done(NamedTuple):
    """The end of a step: all of it, why it ended, what it cost (None where nobody counts), why it was unreadable.

    `finish` is what clients are told; `ended` has more kinds, for those who watch the server.
    """

    step: Step
    finish: Finish
    usage: Usage | None
    garbled: str | None = None
    ended: Ended = "itself"


def told(policy: Policy, asked: Asked, live: bool) -> Generator[Said | Done]:
    """The policy's next step, piece by piece, and its Done; `live` lets calls out before they are whole.

    That needs a policy whose calls cannot be malformed. Leaving early stops the model at its next token.
    """
    hearing = Hearing(asked, live)
    with contextlib.closing(heard(policy, asked.conversation)) as items:  # ty: ignore[invalid-argument-type]
        for item in items:
            yield from hearing.hear(item)
            if hearing.over:
                break
    cost = getattr(policy, "usage", None)
    done = hearing.done(cost if isinstance(cost, Usage) else None)
    ended = "left" if hearing.over else _ended(policy, done)
    yield done._replace(ended=ended, finish="length" if ended == "hurried" else done.finish)


def _ended(policy: Policy, done: Done) -> Ended:
    if done.garbled is not None:
        return "garbled"
    said: tuple[Ended, ...] = ("hurried", "repeated")
    return next((how for how in said if getattr(policy, how, False)), "itself")


class Hearing:
    """Follows one step; `over` says that the rest need not be written."""

    def __init__(self, asked: Asked, live: bool) -> None:
        self._asked, self._live, self.over = asked, live, False
        self._until = Until(asked.stop)
        self._ids = fresh_ids(asked.conversation)
        self._calls = Calls()
        self._said: dict[Written, str] = {}
        self._begun: list[str] = []
        self._step: Step | None = None

    def hear(self, item: Writing | Step) -> Iterator[Said]:
        """What the client may know now."""
        if isinstance(item, Garbled):
            self._step = item
            if not self._said.get("text") and not item.why.startswith(CUT):
                yield from self._words("text", item.raw)
        elif isinstance(item, Assistant):
            yield from self._whole(item)
        elif item.part != "call":
            yield from self._words(item.part, self._until.read(item.text) if item.part == "text" else item.text)
            self.over = self._until.met
        elif self._live and self._asked.choice != "none":
            for index, name, arguments in self._calls.read(item.text):
                yield from self._call(index, name, arguments)
            self.over = not self._asked.parallel and self._calls.ended > 0

    def done(self, usage: Usage | None) -> Done:
        """How it ended; a step that was cut off is what was heard of it."""
        thought, text = self._said.get("thought"), self._said.get("text")
        if isinstance(self._step, Garbled):
            if not self._step.why.startswith(CUT):
                return Done(self._step, "stop", usage, self._step.why)
            return Done(Assistant(thought=thought, text=text or ""), "length", usage, self._step.why)
        if self._step is not None:
            return Done(self._step, "tool_calls" if self._step.calls else "stop", usage)
        calls = tuple(self._numbered(self._calls.whole[:1]))
        ended = Assistant(thought=thought, text=None if calls and text is None else text or "", calls=calls)
        return Done(ended, "tool_calls" if calls else "stop", usage)

    def _whole(self, step: Assistant) -> Iterator[Said]:
        yield from self._words("text", self._until.rest())
        calls = () if self._asked.choice == "none" else step.calls if self._asked.parallel else step.calls[:1]
        for index, call in enumerate(calls):
            if not self._live or index >= len(self._begun):
                yield from self._call(index, call.name, "")
                yield from self._call(index, "", dumps(call.arguments))
        silenced = bool(step.calls) and not calls
        kept = None if step.text is None and not silenced else self._said.get("text", "")
        self._step = Assistant(thought=step.thought, text=kept, calls=tuple(self._numbered(calls)))

    def _words(self, part: Written, text: str) -> Iterator[Said]:
        if text:
            self._said[part] = self._said.get(part, "") + text
            yield Said(part, text)

    def _call(self, index: int, name: str, arguments: str) -> Iterator[Said]:
        if not self._asked.parallel and index:
            return
        if index == len(self._begun):
            self._begun.append(next(self._ids))
            yield Said("call", "", index, name, self._begun[index])
        if arguments:
            yield Said("call", arguments, index)

    def _numbered(self, calls: Iterable[Call]) -> Iterator[Call]:
        for index, call in enumerate(calls):
            yield call.model_copy(update={"id": self._begun[index]})


def fresh_ids(conversation: Conversation) -> Iterator[str]:
    """Call ids that no call of the conversation has, so that a client may keep results by id."""
    taken = {call.id for m in conversation.messages if isinstance(m, Assistant) for call in m.calls}
    number = len(taken)
    while True:
        if (name := f"call_{number}") not in taken:
            yield name
        number += 1


class Until:
    """Lets text through up to the first of some words, and holds back what may be the beginning of one."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words, self._held, self.met = tuple(words), "", False

    def read(self, text: str) -> str:
        """What may go out now."""
        if self.met:
            return ""
        text, self._held = self._held + text, ""
        found = [place for word in self._words if (place := text.find(word)) >= 0]
        if found:
            self.met = True
            return text[: min(found)]
        starts = (n for word in self._words for n in range(1, min(len(word), len(text) + 1)) if text.endswith(word[:n]))
        safe = len(text) - max(starts, default=0)
        self._held = text[safe:]
        return text[:safe]

    def rest(self) -> str:
        """What was held back, when no more comes."""
        held, self._held = self._held, ""
        return held


_HEAD = re.compile(r'\s*\{\s*"name":\s*(?P<name>"(?:[^"\\]|\\.)*"),\s*"arguments":\s*(?=\{)')


class Calls:
    """Reads calls, `{"name": ..., "arguments": {...}}` one after another, from pieces of any size."""

    def __init__(self) -> None:
        self.whole: list[Call] = []
        self._text, self._seen, self._sent = "", 0, 0
        self._depth, self._quoted, self._escaped = 0, False, False
        self._name = ""

    @property
    def ended(self) -> int:
        """Calls that are complete."""
        return len(self.whole)

    def read(self, piece: str) -> Iterator[tuple[int, str, str]]:
        """What is new: (index, name, "") when a call's name is known, (index, "", text) as its arguments come."""
        for letter in piece:
            self._text += letter
            before = self._depth
            self._step(letter)
            if not self._name and letter == "{" and self._depth == 2:
                yield from self._open()
            if before == 1 and self._depth == 0:
                yield from self._close()
        if self._name and self._depth > 1:
            yield from self._new(len(self._text))

    def _open(self) -> Iterator[tuple[int, str, str]]:
        if found := _HEAD.match(self._text):
            self._name = json.loads(found["name"])
            self._sent = found.end()
            yield self.ended, self._name, ""

    def _new(self, end: int) -> Iterator[tuple[int, str, str]]:
        if end > self._sent:
            yield self.ended, "", self._text[self._sent : end]
            self._sent = end

    def _close(self) -> Iterator[tuple[int, str, str]]:
        if self._name:
            yield from self._new(len(self._text[:-1].rstrip()))
        value: dict[str, Any] = json.loads(self._text)
        if not self._name:  # the keys came in another order
            yield self.ended, value["name"], ""
            yield self.ended, "", dumps(value["arguments"])
        self.whole.append(Call(name=value["name"], arguments=value["arguments"]))
        self._text, self._sent, self._name = "", 0, ""

    def _step(self, letter: str) -> None:
        """Follow one character of JSON."""
        if self._escaped:
            self._escaped = False
        elif self._quoted:
            self._escaped, self._quoted = letter == "\\", letter != '"'
        elif letter == '"':
            self._quoted = True
        else:
            self._depth += (letter in "{[") - (letter in "}]")
