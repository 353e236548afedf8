"""A guard around any Toolbox: limits of time and size, another try where that is safe, and nothing changed unasked.

Whatever it decides reaches the model as an observation that says what happened and what may help.
"""

import copy
import json
import re
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from calm.conversation import Call, Conversation, Observation, System, Tool, User
from calm.files import dumps
from calm.world import Toolbox
from calm.world.background import Slow, within
from calm.world.functions import LIMIT, cut, fault

Approve = Callable[[Call], bool | Call]
"""Asked before a writing call: yes, no, or the call with the arguments to use instead."""

AGAIN = frozenset(["timeout", "unavailable"])
"""Kinds of error (`type`) after which the same call may well succeed."""

EDITED = "the user changed the arguments before it was run"


class Guarded:
    """The Toolbox inside with rules around it; which tools write or are idempotent the Toolbox says itself.

    A Toolbox without `writing` has no writing tools, one without `idempotent` none that is tried again.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        *,
        timeout: float | None = 30.0,
        size: int = LIMIT,
        retries: int = 0,
        approve: Approve | None = None,
        dry_run: bool = False,
    ) -> None:
        """Put the rules around `toolbox`.

        Args:
            toolbox: what runs the calls.
            timeout: seconds until an answer is no longer waited for; tools with a limit of their own keep theirs.
            size: characters of an observation.
            retries: how often a call is made again that failed for the moment and is idempotent.
            approve: asked before every writing call whose arguments fit.
            dry_run: make no writing call, but say what it would have been.
        """
        self.toolbox, self.approve, self.dry_run = toolbox, approve, dry_run
        self._timeout, self._size, self._retries = timeout, size, retries

    def __deepcopy__(self, memo: dict[int, Any]) -> "Guarded":
        """The same rules around a copy of the toolbox."""
        other = copy.copy(self)
        other.toolbox = copy.deepcopy(self.toolbox, memo)
        return other

    @property
    def tools(self) -> tuple[Tool, ...]:
        """Those inside."""
        return self.toolbox.tools

    @property
    def writing(self) -> frozenset[str]:
        """Tools that change something."""
        return marked(self.toolbox, "writing")

    @property
    def idempotent(self) -> frozenset[str]:
        """Tools that do no more when called twice."""
        return marked(self.toolbox, "idempotent")

    @property
    def timed(self) -> frozenset[str]:
        """Tools that keep a time limit: all, when there is one here."""
        inside = marked(self.toolbox, "timed")
        return inside if self._timeout is None else inside | {tool.name for tool in self.tools}

    def check(self, call: Call) -> str | None:
        """What the toolbox says against a call, where it can tell without running it."""
        checking = getattr(self.toolbox, "check", None)
        return checking(call) if checking else None

    def run(self, call: Call) -> str:
        """The observation of a call, after whatever the rules ask for; never an exception of a tool."""
        if call.name not in self.writing:
            return self._tried(call)
        if wrong := self.check(call):
            return wrong
        if self.dry_run:
            return dumps({"dry_run": True, "note": "this would have been called; nothing was changed", **_said(call)})
        answer = self.approve(call) if self.approve else True
        if answer is False:
            hint = "do not call it again; ask the user what to do instead"
            return fault(f"{call.name} was not run: the user said no", "refused", hint=hint)
        if not isinstance(answer, Call) or answer.arguments == call.arguments:
            return self._tried(call)
        edited = call.model_copy(update={"arguments": answer.arguments})
        return dumps({"note": EDITED, "arguments": edited.arguments, "result": _value(self._tried(edited))})

    def _tried(self, call: Call) -> str:
        text = self._once(call)
        for attempt in range(self._retries if call.name in self.idempotent else 0):
            if not _worth_another(text):
                break
            time.sleep(min(0.1 * 2**attempt, 2.0))
            text = self._once(call)
        return text

    def _once(self, call: Call) -> str:
        limit = None if call.name in marked(self.toolbox, "timed") else self._timeout
        try:
            return cut(within(limit, lambda: self.toolbox.run(call)), self._size)
        except Slow as error:
            hint = "it may still be at work" if call.name in self.writing else "it may be busy"
            return fault(f"{call.name} failed: {error}", "timeout", hint=hint)
        except Exception as error:  # noqa: BLE001  # the boundary: a tool must not end the conversation
            return fault(f"{call.name} failed: {type(error).__name__}: {error}", type(error).__name__)


def marked(toolbox: Toolbox, mark: str) -> frozenset[str]:
    """Names of the tools a toolbox marks as `writing`, `idempotent` or `timed`; none where it does not say."""
    return frozenset(getattr(toolbox, mark, ()))


def as_run(call: Call, content: str) -> Call | None:
    """The call as its observation says it was made: with the arguments a person gave, or None where it was not."""
    value = _value(content)
    if not isinstance(value, dict):
        return call
    if value.get("dry_run") is True or ("error" in value and value.get("type") == "refused"):
        return None
    edited = value.get("arguments") if value.get("note") == EDITED else None
    return call.model_copy(update={"arguments": edited}) if isinstance(edited, dict) else call


def _said(call: Call) -> dict[str, Any]:
    return {"name": call.name, "arguments": call.arguments}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _worth_another(text: str) -> bool:
    value = _value(text)
    return isinstance(value, dict) and "error" in value and value.get("type") in AGAIN


# --- orders that a tool's result brings -------------------------------------------------------------------------------

WORD = re.compile(r"[a-z0-9]+|[^\W_]")
"""What is compared: runs of ASCII letters and digits, and every other letter by itself: not all scripts have blanks."""

ESCAPED = re.compile(r"\\+[nrt]")


def ask_if_tainted(ask: Approve, heard: Callable[[], Conversation]) -> Approve:
    """An `approve` that says yes, except that it asks `ask` about a tainted call: one that a result may have ordered.

    Args:
        ask: decides about tainted calls.
        heard: the conversation as it is when a call is decided about.
    """
    return lambda call: ask(call) if tainted(call, heard()) else True


def tainted(call: Call, conversation: Conversation) -> tuple[str, ...]:
    """Arguments with a value that a tool's result has and neither the user nor the instructions at the beginning do.

    Values are compared as words in a row, without case and punctuation; true, false and null are not looked at, and
    neither is what the model says: it may have it from the result.
    """
    messages = conversation.messages
    begun = next((place for place, m in enumerate(messages) if not isinstance(m, System)), len(messages))
    trusted = (*messages[:begun], *(m for m in messages if isinstance(m, User)))  # later notes may quote the model
    said = _words(m.content for m in trusted if isinstance(m, System | User))
    told = _words(t for m in messages if isinstance(m, Observation) for t in _texts(m.content))

    def foreign(value: Any) -> bool:
        rows = (_words([leaf]) for leaf in _leaves(value))
        return any(row.strip() and row in told and row not in said for row in rows)

    return tuple(key for key, value in call.arguments.items() if foreign(value))


def _texts(content: str) -> Iterator[str]:
    """A result as it stands, and the texts in its JSON without their escapes."""
    yield content
    yield from _leaves(_value(content))


def _leaves(value: Any) -> Iterator[str]:
    """Texts and numbers in a JSON value, however deep."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            left += item.values()
        elif isinstance(item, list):
            left += item
        elif isinstance(item, str | int | float) and not isinstance(item, bool):
            yield str(item)


def _words(texts: Iterable[str]) -> str:
    """The words of each text between blanks, so that one row of words can be looked for in another."""
    plain = (unicodedata.normalize("NFKC", ESCAPED.sub(" ", text)).casefold() for text in texts)
    return "\0".join(f" {' '.join(WORD.findall(text))} " for text in plain)
