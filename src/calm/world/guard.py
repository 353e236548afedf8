"""A guard around any Toolbox: limits of time and size, another try where that is safe, and nothing changed unasked.

Whatever it decides reaches the model as an observation that says what happened and what may help.
"""

import copy
import json
import time
from collections.abc import Callable
from typing import Any

from calm.conversation import Call, Tool
from calm.files import dumps
from calm.world import Toolbox
from calm.world.background import Slow, within
from calm.world.functions import LIMIT, cut, fault

Approve = Callable[[Call], bool | Call]
"""Asked before a writing call: yes, no, or the call with the arguments to use instead."""

AGAIN = frozenset(["timeout", "unavailable"])
"""Kinds of error (`type`) after which the same call may well succeed."""


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
        note = "the user changed the arguments before it was run"
        return dumps({"note": note, "arguments": edited.arguments, "result": _value(self._tried(edited))})

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
