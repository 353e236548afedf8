"""Where a conversation is cut off, and the count that says it is time."""

import time
from collections import Counter
from itertools import takewhile

from pydantic import Field

from calm.agent.events import failure
from calm.conversation import Assistant, Call, Conversation, Garbled, Noun, Observation, System, User
from calm.files import dumps
from calm.policy import Policy, Usage


class Limits(Noun):
    """Where a conversation is cut off; `meta.ended` of the result names the limit that was met.

    `steps`, `tokens` and `seconds` are what one call of `converse` spends, the others look at the turn since the user
    spoke. `tokens` are those read and written, as far as the policy counts them (`usage`); time is looked at between
    steps, so a slow one runs out. `repeats` is how often the model may make the same calls with the same results: it
    is told the second time and stopped at this one.
    """

    steps: int = Field(default=100, ge=1)
    steps_per_turn: int = Field(default=8, ge=1)
    garbled: int = Field(default=2, ge=1)
    tokens: int | None = Field(default=None, ge=1)
    seconds: float | None = Field(default=None, gt=0)
    repeats: int | None = Field(default=None, ge=2)


DEFAULT = Limits()


class Spent:
    """What a conversation has cost since this was made: steps, tokens, seconds."""

    def __init__(self) -> None:
        self.steps, self.tokens, self._began = 0, 0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the beginning, tools and the user's own time included."""
        return time.monotonic() - self._began

    def step(self, policy: Policy) -> None:
        """Count the step that `policy` has just taken."""
        self.steps += 1
        usage = getattr(policy, "usage", None)
        self.tokens += usage.prompt + usage.written if isinstance(usage, Usage) else 0

    def reached(self, conversation: Conversation, limits: Limits) -> str | None:
        """The limit that `conversation` has met, by name."""
        turn = _turn(conversation)
        spoken = [m for m in turn if isinstance(m, Assistant | Garbled)]
        garbled = list(takewhile(lambda message: isinstance(message, Garbled), reversed(spoken)))
        met = {
            "garbled": len(garbled) >= limits.garbled,
            "steps_per_turn": len(spoken) >= limits.steps_per_turn,
            "repeats": bool(limits.repeats) and _repeated(turn)[0] >= limits.repeats,
            "tokens": limits.tokens is not None and self.tokens >= limits.tokens,
            "seconds": limits.seconds is not None and self.seconds >= limits.seconds,
            "steps": self.steps >= limits.steps,
        }
        return next((name for name, is_met in met.items() if is_met), None)


def warning(conversation: Conversation) -> System | None:
    """What to tell a model that has just made the same calls again and got the same results; None if it has not.

    A failed call that was repeated is told of in its observation (`world.dialogue`), so not once more here.
    """
    count, failed = _repeated(_turn(conversation))
    if count < 2 or failed:
        return None
    return System(
        content=f"You have made this very call {count} times and got the same result. Use it: answer the user, or call "
        "with other arguments."
    )


def _turn(conversation: Conversation) -> list:
    """The messages since the user spoke last."""
    return list(takewhile(lambda message: not isinstance(message, User), reversed(conversation.messages)))[::-1]


def _repeated(turn: list) -> tuple[int, bool]:
    """How often the latest round of calls and results has come in the turn, and whether one of its calls failed."""
    rounds: list[list[str]] = []
    calls: list[Call] = []
    for message in turn:
        if isinstance(message, Assistant):
            calls = list(message.calls)
            rounds += [[]] if calls else []
        elif isinstance(message, Observation) and calls:
            call = calls.pop(0)
            rounds[-1].append(dumps([call.name, call.arguments, *_result(message.content)]))
    if not rounds:
        return 0, False
    return Counter(map(tuple, rounds))[tuple(rounds[-1])], any(text.endswith(', "failed"]') for text in rounds[-1])


def _result(content: str) -> tuple[str, str]:
    """An observation without the note that counts its repetitions, and `failed` or `done`."""
    failed = failure(content)
    if failed is None:
        return content, "done"
    return dumps({key: part for key, part in failed.items() if key != "note"}), "failed"
