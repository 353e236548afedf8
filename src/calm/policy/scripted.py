"""Policies without a model: a fixed script, the gold transcript, silence. Tests and ceilings use them as they are."""

from collections.abc import Iterable

from calm.conversation import Assistant, Conversation, Step


class Scripted:
    """Says the given steps one after another, whatever it hears; silent when they run out."""

    def __init__(self, steps: Iterable[Step], name: str = "scripted") -> None:
        self.name = name
        self._steps = iter(list(steps))

    def __call__(self, conversation: Conversation) -> Step:
        """The next step of the script."""
        return next(self._steps, Assistant(text=""))


class Gold:
    """Replays the model's side of a finished conversation: step i of the transcript is its i-th answer."""

    name = "gold"

    def __init__(self, transcript: Conversation) -> None:
        self._steps = [transcript.messages[i] for i in transcript.steps]

    def __call__(self, conversation: Conversation) -> Step:
        """The transcript's step at this point; empty text once it has ended."""
        place = len(conversation.steps)
        step = self._steps[place] if place < len(self._steps) else Assistant(text="")
        return step  # ty: ignore[invalid-explicit-return]  # `steps` holds places of Steps only


class Silent:
    """Always answers with empty text: the floor of every benchmark."""

    name = "silent"

    def __call__(self, conversation: Conversation) -> Step:
        """Nothing."""
        return Assistant(text="")
