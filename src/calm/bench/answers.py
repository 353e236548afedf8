"""`answers.jsonl.gz`: what a model said, without the benchmark's words: a run to be published and judged again.

A row holds the id of a task and the model's steps. Everything else of the transcript (prompts, tools, results, users)
is the task's own and is played again by its world, which is deterministic: `written` refuses a run of which that is not
true.
"""

import contextlib
import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from calm.agent import DEFAULT, Limits, converse
from calm.bench import Benchmark, Task
from calm.conversation import Conversation, Step, message_from_wire, message_to_wire
from calm.errors import DataError
from calm.files import atomic, read_jsonl
from calm.policy.scripted import Scripted

ANSWERS = "answers.jsonl.gz"
KEPT = ("run", "seconds", "error")
"""What of a transcript's `meta` cannot be derived again."""


def write(benchmark: Benchmark, transcripts: Sequence[Conversation], path: Path) -> None:
    """Write the model's side of some transcripts, each played again first, as the same bytes for the same answers.

    Raises:
        DataError: a transcript that does not come out the same when it is played again.
    """
    tasks = {task.id: task for task in benchmark.tasks()}
    rows = [_row(benchmark, transcript, tasks[transcript.id]) for transcript in transcripts]
    for transcript, again in zip(transcripts, played(benchmark, rows), strict=True):
        if again.messages != transcript.messages:
            raise DataError(path, f"{transcript.id!r}: its world answers otherwise when it is played again")
    lines = "".join(json.dumps(row, ensure_ascii=True, sort_keys=True) + "\n" for row in rows)
    with atomic(path) as stream:
        stream.write(gzip.compress(lines.encode(), mtime=0))


def read(benchmark: Benchmark, path: Path) -> Iterator[Conversation]:
    """The transcripts that a file of answers stands for, in its order.

    Raises:
        DataError: a row that is no answer to a task of the benchmark; says which.
    """
    return played(benchmark, (row for _, row in read_jsonl(path)))


def played(benchmark: Benchmark, rows: Iterable[dict[str, Any]]) -> Iterator[Conversation]:
    """Each task played again with the recorded steps as the model's."""
    tasks = {task.id: task for task in benchmark.tasks()}
    for row in rows:
        if row.get("id") not in tasks:
            raise DataError(ANSWERS, f"{row.get('id')!r} is no task of {benchmark.name} ({benchmark.version})")
        yield _played(benchmark, tasks[row["id"]], row)


def _row(benchmark: Benchmark, transcript: Conversation, task: Task) -> dict[str, Any]:
    kept = {key: transcript.meta[key] for key in KEPT if key in transcript.meta}
    if "error" in transcript.meta:
        return {"id": task.id, "steps": [], **kept}
    model, start = Repeating(transcript), task.start.model_copy(update={"id": task.id})
    with contextlib.suppress(Over):
        converse(model, benchmark.world(task), start, getattr(benchmark, "limits", DEFAULT))
    return {"id": task.id, "steps": [message_to_wire(step) for step in model.said], **kept}


class Over(Exception):
    """A transcript has no further step of the model's: a limit had cut it here."""


class Repeating:
    """Says what stands at this place of a transcript: a world may speak for the assistant too, as MultiWOZ's does."""

    name = "repeating"

    def __init__(self, transcript: Conversation) -> None:
        self._messages, self.said = transcript.messages, list[Step]()

    def __call__(self, conversation: Conversation) -> Step:
        """The message at this place; Over where there is none that a model could have said."""
        place = len(conversation.messages)
        if place >= len(self._messages) or not isinstance(step := self._messages[place], Step):
            raise Over
        self.said.append(step)
        return step


def _played(benchmark: Benchmark, task: Task, row: dict[str, Any]) -> Conversation:
    start = task.start.model_copy(update={"id": task.id})
    kept = {key: row[key] for key in KEPT if key in row} | {"category": task.category}
    if "error" in row:
        return start.note(**kept)
    steps = [message_from_wire(step) for step in row["steps"]]
    limits: Limits = getattr(benchmark, "limits", DEFAULT)
    limits = limits.model_copy(update={"steps": min(limits.steps, max(1, len(steps)))})
    return converse(Scripted(steps), benchmark.world(task), start, limits).note(**kept)  # ty: ignore[invalid-argument-type]
