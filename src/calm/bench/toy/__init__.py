"""The benchmark that needs nothing: 24 small tasks made by rule over five little tools, for tests and demos."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from calm.agent import converse
from calm.bench import Task, Verdict
from calm.bench.score import by_category, tally
from calm.bench.toy.grade import grade
from calm.bench.toy.tasks import gold, tasks
from calm.bench.toy.world import ToyWorld
from calm.conversation import Conversation
from calm.errors import DataError
from calm.files import read_jsonl
from calm.format.react import parse_step
from calm.policy.scripted import Scripted

PROTOCOLS = ("toy",)


class Toy:
    """One call, the right tool of five, parallel calls, nothing to call, and two turns of which one needs the other."""

    name = "toy"
    protocol = "toy"
    version = "toy-1"
    note = "24 tasks of our own making; says that a model can call tools at all, nothing more"

    def tasks(self) -> Iterator[Task]:
        """All 24, always the same."""
        return tasks()

    def world(self, task: Task) -> ToyWorld:
        """Tools that really answer, and the user's second turn where there is one."""
        return ToyWorld(task)

    def gold(self, task: Task) -> Conversation:
        """The right calls, what the tools say to them, and a short reply."""
        return converse(Scripted(gold(task), "gold"), self.world(task), task.start)

    def grade(self, task: Task, transcript: Conversation) -> Verdict:
        """Right when each user turn holds exactly the right calls, in any order."""
        return grade(task, transcript)

    def summary(self, verdicts: Sequence[Verdict]) -> Mapping[str, Any]:
        """The plain share of all tasks, and the mean of the categories' shares."""
        shares = [tally(group)["share"] for group in by_category(verdicts).values()]
        return {"share": tally(verdicts)["share"], "mean_of_categories": sum(shares) / len(shares) if shares else 0.0}


def grade_predictions(path: Path, protocol: str) -> Iterator[dict[str, Any]]:
    """Verdicts for rows `{"id", "outputs": [step text, ...]}`: the steps are played in the toy world, then graded."""
    toy, known = Toy(), {task.id: task for task in tasks()}
    for number, row in read_jsonl(path):
        task, outputs = known.get(str(row.get("id"))), row.get("outputs")
        if task is None or not isinstance(outputs, list) or not all(isinstance(text, str) for text in outputs):
            raise DataError(path, "needs a known `id` and `outputs`, a list of step texts", number)
        played = converse(Scripted(map(parse_step, outputs)), toy.world(task), task.start)
        yield toy.grade(task, played).model_dump(mode="json", include={"id", "valid", "error_type"})
