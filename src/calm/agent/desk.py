"""Tools run with care: all of a step's writing calls are decided before any runs, each call runs once, each is traced.

A `Desk` is a Dialogue, so it stands wherever one does; what it remembers of a step under way is its `Journal`'s, and a
`sessions.Session` is one that outlives the process.
"""

import copy
from collections.abc import Sequence
from typing import Protocol

from calm.agent import spans
from calm.conversation import Assistant, Call, Conversation, Message, Step, Tool
from calm.world import Toolbox
from calm.world.dialogue import Dialogue, Speaker
from calm.world.guard import Approve, Guarded


class Journal(Protocol):
    """What became of the calls of the step that is under way, by their place in it."""

    def result(self, place: int) -> str | None:
        """What the call gave, or an error if it was begun and never came to an end; None for one not begun."""
        ...

    def begin(self, place: int, call: Call) -> None:
        """Note that the call is about to run; from here on it may have changed something."""
        ...

    def finish(self, place: int, content: str) -> None:
        """Note what it gave."""
        ...


class Forgetful:
    """A Journal that notes nothing: every call runs."""

    def result(self, place: int) -> None:
        """Nothing is known."""

    def begin(self, place: int, call: Call) -> None:
        """Nothing is noted."""

    def finish(self, place: int, content: str) -> None:
        """Nothing is noted."""


class Desk(Dialogue):
    """A Dialogue whose toolbox asks first and runs once; without a journal it only asks first.

    Where the toolbox is `Guarded` with an `approve`, that is asked about every writing call of a step whose arguments
    fit, before the first call of the step runs; so a no to the second is known before the first has changed anything.
    """

    def __init__(self, toolbox: Toolbox, user: Speaker, journal: Journal | None = None) -> None:
        self.once = Once(toolbox, journal or Forgetful())
        super().__init__(self.once, user)

    def __call__(self, conversation: Conversation, step: Step) -> Sequence[Message]:
        """As a Dialogue answers, after all decisions about the step's calls."""
        if isinstance(step, Assistant) and step.calls:
            self.once.open(step.calls)
        return super().__call__(conversation, step)


class Once:
    """A Toolbox that runs the calls of a step in order, each at most once by its journal."""

    def __init__(self, toolbox: Toolbox, journal: Journal) -> None:
        self.toolbox, self._journal, self._place = toolbox, journal, 0
        self._ahead: Ahead | None = None
        if isinstance(toolbox, Guarded) and toolbox.approve:
            self._ahead = Ahead(toolbox.approve)
            self.toolbox = copy.copy(toolbox)
            self.toolbox.approve = self._ahead

    @property
    def tools(self) -> tuple[Tool, ...]:
        """Those inside."""
        return self.toolbox.tools

    def open(self, calls: Sequence[Call]) -> None:
        """Begin a step: ask about those of its calls that change something, fit, and have not run yet."""
        self._place = 0
        if self._ahead and isinstance(self.toolbox, Guarded) and not self.toolbox.dry_run:
            box = self.toolbox
            new = [call for place, call in enumerate(calls) if self._journal.result(place) is None]
            self._ahead.ask([call for call in new if call.name in box.writing and not box.check(call)])

    def run(self, call: Call) -> str:
        """The observation of the step's next call: from the journal where it has one, else by running it."""
        place, self._place = self._place, self._place + 1
        known = self._journal.result(place)
        if known is not None:
            return known
        with spans.tool(call) as span:
            self._journal.begin(place, call)
            content = self.toolbox.run(call)
            self._journal.finish(place, content)
            spans.gave(span, content)
        return content


class Ahead:
    """An Approve that is asked about all calls first and repeats its answers when they run."""

    def __init__(self, ask: Approve) -> None:
        self._ask = ask
        self._answers: list[tuple[Call, bool | Call]] = []

    def ask(self, calls: Sequence[Call]) -> None:
        """Decide about these, in order; earlier answers are forgotten."""
        self._answers = []
        self._answers = [(call, self._ask(call)) for call in calls]

    def __call__(self, call: Call) -> bool | Call:
        """The answer given for this call; one that was never asked about is asked about now."""
        for place, (asked, answer) in enumerate(self._answers):
            if asked == call:
                del self._answers[place]
                return answer
        return self._ask(call)
