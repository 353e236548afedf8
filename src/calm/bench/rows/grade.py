"""The grade of one replayed step: the row's own calls, no more and no fewer; wording and thoughts are never judged."""

from collections.abc import Sequence

from calm.bench import Task, Verdict
from calm.bench.score import same
from calm.conversation import Assistant, Call, Conversation, Garbled, Message, Observation


def due(step: Assistant, before: Message) -> str:
    """The category of a step, by what it does and what it follows."""
    if step.calls:
        return "call" if len(step.calls) == 1 else "calls"
    return "answer" if isinstance(before, Observation) else "text"


def step_of(task: Task) -> Assistant:
    """The step that the row has."""
    return Assistant.model_validate(task.gold)


def grade(task: Task, transcript: Conversation) -> Verdict:
    """Valid, or `garbled`, `no_step`, `no_call`, `call_not_due`, `wrong_count`, `wrong_tool` or `wrong_argument`."""
    said, right = transcript.messages[len(task.start.messages) :], step_of(task).calls
    error = _error(said[0] if said else None, right)
    named = error in (None, "wrong_argument")
    return Verdict(
        id=task.id,
        category=task.category,
        valid=error is None,
        error_type=error,
        scores={"tool": float(named)} if right else {},
    )


def _error(said: Message | None, right: Sequence[Call]) -> str | None:
    if not isinstance(said, Assistant):
        return "garbled" if isinstance(said, Garbled) else "no_step"
    if bool(said.calls) != bool(right):
        return "call_not_due" if said.calls else "no_call"
    if len(said.calls) != len(right):
        return "wrong_count"
    if sorted(call.name for call in said.calls) != sorted(call.name for call in right):
        return "wrong_tool"
    pairs = [[(call.name, call.arguments) for call in calls] for calls in (said.calls, right)]
    return None if same(*pairs) else "wrong_argument"
