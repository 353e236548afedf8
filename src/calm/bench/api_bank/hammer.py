"""API-Bank as the CoALM paper most likely ran it: Hammer's files, Hammer's prompt, one text back.

Hammer (MadeAgents, `data/test/hammer/apibank_l{1,2}.json`) holds 399 and 127 calls as one prompt each; the answer due
is a fenced JSON list of calls. Scored are the text (LLaMA-Factory's metrics, Table 3 of the paper), the names and
parameters (Hammer's `evaluation/evaluate.py`), and whether the calls are the ones due.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from calm.bench import Task, Verdict
from calm.bench.api_bank import controls, text
from calm.bench.api_bank.f1 import calls, counts, f1, named
from calm.conversation import Assistant, Conversation, Garbled, Message, Step, User
from calm.errors import DataError
from calm.files import dumps, read_json
from calm.hub.corpora import corpus
from calm.policy import Policy
from calm.world import World

METRICS = ("rouge-l", "rouge-1", "rouge-2", "bleu-4")


class Hammer:
    """The paper's prompt: the whole task in one user message, the answer a text; no tools in any native form."""

    name = "api_bank"
    protocol = "hammer"
    version = "1, Hammer's files"
    note = "Hammer's prompt, 399 + 127 calls; text metrics as in the paper's Table 3 (Rouge-L first), and exact calls"

    def tasks(self) -> Iterator[Task]:
        """Level 1 (399) and level 2 (127; the 8 whose gold tool is not offered are left out by Hammer).

        Raises:
            HubError: the corpus is not at hand; says what to set.
            DataError: a row is not in Hammer's form.
        """
        for level in (1, 2):
            path = corpus("api_bank") / "hammer" / "hammer" / f"apibank_l{level}.json"
            for number, row in enumerate(read_json(path)):
                yield _task(level, number, row) if _is_row(row) else _refuse(path, number + 1)

    def speaker(self, policy: Policy) -> Policy:
        """The policy, its step taken as text."""
        return AsText(policy)

    def world(self, task: Task) -> World:
        """Nobody: the episode is one step."""
        return lambda conversation, step: ()

    def gold(self, task: Task) -> Conversation:
        """The answer due, fences and all."""
        return task.start.add(Assistant(text=_due(task)))

    def controls(self, tasks: Sequence[Task]) -> dict[str, list[Conversation]]:
        """Texts that show how soft a metric is, by kind."""
        found = controls.texts([_due(task) for task in tasks])
        kinds = [kind for kind in found if kind != controls.GOLD and (len(tasks) > 1 or kind != controls.OTHER)]
        return {
            kind: [task.start.add(Assistant(text=said)) for task, said in zip(tasks, found[kind], strict=True)]
            for kind in kinds
        }

    def grade(self, task: Task, transcript: Conversation) -> Verdict:
        """Right if the text holds just the calls due, values compared as text; the metrics stand in `scores`."""
        steps = transcript.messages[len(task.start.messages) :]
        answer = said(steps[0]) if steps else ""
        scores = {key: value / 100 for key, value in text.call_scores(answer, _due(task)).items()}
        error = error_of(answer, _due(task)) if steps else "no_answer"
        scores |= counts(answer, _due(task))
        return Verdict(id=task.id, category=task.category, valid=error is None, error_type=error, scores=scores)

    def summary(self, verdicts: Sequence[Verdict]) -> Mapping[str, Any]:
        """By level: exact share, mean text metrics (0 to 1), API and parameter precision, recall, F1."""
        found: dict[str, float] = {}
        for category in sorted({verdict.category for verdict in verdicts}):
            group = [verdict for verdict in verdicts if verdict.category == category]
            values = {"exact": sum(v.valid for v in group) / len(group)}
            values |= {key: sum(v.scores.get(key, 0) for v in group) / len(group) for key in METRICS}
            values |= f1([verdict.scores for verdict in group])
            found |= {f"{key}.{category}": value for key, value in values.items()}
        return found


def error_of(answer: str, gold: str) -> str | None:
    """None for the calls due and no others, else how they differ."""
    read = calls(answer)
    if read is None:
        return "no_list"
    ours, due = ([named(item) for item in items] for items in (read, calls(gold) or []))
    if ours == due:
        return None
    return "wrong_value" if [name for name, _ in ours] == [name for name, _ in due] else "wrong_api"


def verdict(answer: str, gold: str) -> dict[str, Any]:
    """Whether a text holds the calls due, why not, and the counts that F1 is made of."""
    error = error_of(answer, gold)
    return {"valid": error is None, "error_type": error, **counts(answer, gold)}


def _task(level: int, number: int, row: Mapping[str, str]) -> Task:
    name = f"hammer/level-{level}/{number}"
    start = Conversation(id=name, messages=(User(content=row["instruction"]),), origin="api_bank/hammer")
    return Task(id=name, category=f"level-{level}", start=start, gold=row["output"])


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("instruction"), str) and isinstance(row.get("output"), str)


def _refuse(path: Any, number: int) -> Task:
    raise DataError(path, "is no row of Hammer's (it needs texts 'instruction' and 'output')", number)


def _due(task: Task) -> str:
    gold: JsonValue = task.gold
    return str(gold)


def said(step: Message) -> str:
    """A step as the text it would be in this protocol; calls that a policy has read are written out as a list."""
    if isinstance(step, Garbled):
        return step.raw
    if isinstance(step, Assistant) and step.calls:
        return dumps([{"name": call.name, "arguments": call.arguments} for call in step.calls])
    return (step.text or "") if isinstance(step, Assistant) else step.content


class AsText:
    """A policy whose steps are kept as text, so that the metrics see what was written."""

    def __init__(self, policy: Policy) -> None:
        self.name = policy.name
        self._policy = policy

    def __call__(self, conversation: Conversation) -> Step:
        """The policy's step as text."""
        return Assistant(text=said(self._policy(conversation)))
