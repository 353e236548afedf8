"""One step under way: what is to be computed next, what was chosen, and when it is over."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calm.conversation import Conversation
from calm.format.grammar import Choice
from calm.policy import Usage
from calm.policy.local.engine import Engine

if TYPE_CHECKING:
    from calm.policy.local.constrain import Constraint
    from calm.policy.local.weights import Array


class Turn:
    """Greedy decoding of one step on one sequence, under a grammar or free; `pending` are the ids to forward next.

    Under a grammar a thought or reply that would outgrow its limit is brought to its end in time; `hurried` says so.
    There, too, a call that the step has made already is not made again, the step is over instead; `repeated` says so.
    """

    def __init__(self, sequence: Engine, prompt: list[int], rules: "Constraint | None", stop: int, most: int) -> None:
        self.sequence, self.written, self.over = sequence, list[int](), False
        self.hurried = self.repeated = False
        self._prompt, self._rules, self._stop, self._most = len(prompt), rules, stop, most
        self._told, self._dropped, self._called = 0, 0, False
        self._began = time.perf_counter()
        self.cached = shared(sequence.ids, prompt)
        sequence.rewind(self.cached)
        self.pending = prompt[self.cached :]

    def take(self, logits: "Array") -> list[int]:
        """The ids that these logits of `pending` lead to, forced ones included, the stop token last if it is over.

        Under a grammar those of a second call and later ones come when the call is whole and no other's repetition.
        """
        chosen = self._held(self._rules, logits) if self._rules else [int(logits.argmax())]
        if self._stop in chosen:
            chosen = chosen[: chosen.index(self._stop) + 1]
        self.written += chosen
        if self._rules and len(self.written) >= self._most and chosen[-1] != self._stop and self._rules.complete:
            chosen = [*chosen, self._stop]
            self.written.append(self._stop)
        self.pending = chosen
        self.over = chosen[-1] == self._stop or len(self.written) >= self._most
        return self._sure(self._rules, len(chosen)) if self._rules else chosen

    def _sure(self, rules: "Constraint", new: int) -> list[int]:
        """What of all that is written may be told now; drops a call that was made before, and what follows it."""
        told = self._told
        for end in range(len(self.written) - new + 1, len(self.written) + 1):
            if not rules.closes(self.written[:end]):
                continue
            if self._called and rules.repeats(self.written[:end]):
                self._drop()
                break
            self._called, self._told = True, end
        if self.over or not self._called:
            self._told = len(self.written)
        return self.written[told : self._told]

    def _drop(self) -> None:
        self._dropped = len(self.written) - self._told
        self.written[self._told :] = [self._stop]
        self.over = self.repeated = True

    def _held(self, rules: "Constraint", logits: "Array") -> list[int]:
        place = rules.place(self._most - len(self.written))
        self.hurried = self.hurried or place is not None
        return rules.next(logits, place)

    @property
    def finished(self) -> bool:
        """Whether the model ended the step by itself."""
        return self.written[-1:] == [self._stop]

    @property
    def usage(self) -> Usage:
        """What it cost so far."""
        written = len(self.written) + self._dropped
        return Usage(self._prompt, self.cached, written, time.perf_counter() - self._began)


@dataclass(eq=False)
class Wish:
    """A step that somebody waits for: of a conversation, or of turns (role, text) that are put as they are.

    It is held to a `choice` and to `most` tokens of its own; `dropped` says that nobody waits for it any more.
    """

    asked: Conversation | Sequence[tuple[str, str]]
    choice: Choice
    most: int
    dropped: bool = False
    turn: Turn | None = None
    """Its decoding, once that has begun."""


def shared(ids: Sequence[int], prompt: Sequence[int]) -> int:
    """Length of the common start of a cache and a prompt, at least one token short of the prompt."""
    most = min(len(ids), len(prompt) - 1)
    return next((i for i in range(most) if ids[i] != prompt[i]), most)
