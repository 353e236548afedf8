"""Generation as BFCL has it: its own prompts, one completion a step, read and judged by the rules of the version.

`Official` is the benchmark, `Prompted` what stands between its conversations and a policy. A local model is given turns
with header tokens as upstream's Llama handler writes them (its own family's, where it is no Llama); any other policy
gets the messages, results of calls as one user message, as upstream's handlers of hosted models have it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from calm.bench import Benchmark, Task, Verdict
from calm.bench.bfcl import (
    averages,
    ceilings,
    entries,
    multi_turn,
    predictions,
    prompts,
    results,
    tasks,
    versions,
    world,
)
from calm.bench.bfcl.multi_turn import Entry
from calm.bench.bfcl.tasks import Item
from calm.bench.bfcl.versions import Version
from calm.conversation import Assistant, Call, Conversation, Message, Observation, Step, User, read
from calm.errors import UsageError
from calm.files import dumps
from calm.policy import Policy
from calm.world import World


class Official:
    """BFCL by its own protocol: prompt mode, decoded and judged as upstream decodes and judges, quirks and all."""

    name = "bfcl"
    limits = world.LIMITS
    note = (
        "prompt mode with BFCL's own prompts and decoders; greedy; a local model's steps end after --max-tokens, "
        "upstream's after 4,096"
    )

    def __init__(self, version: str) -> None:
        """Choose the version; UsageError for one there is not."""
        self.data = versions.named(version)
        self.protocol, self.version = self.data.name, f"{self.data.label}, BFCL's prompts"

    def speaker(self, policy: Policy) -> Policy:
        """The policy, behind BFCL's prompts."""
        return Prompted(policy, self.data)

    def tasks(self) -> Iterator[Task]:
        """Every item, single-turn ones first; HubError when the wheel cannot be had."""
        for name, item in tasks.items(self.data.name).items():
            said = tuple(map(tasks.message, prompts.opening(item, self.data)))
            start = Conversation(id=name, messages=said, origin="bfcl")
            yield Task(id=name, category=item.category, start=start)
        for entry in entries.entries(self.data.name).values():
            yield world.task(entry, self.data, written=True)

    def world(self, task: Task) -> World:
        """The simulated APIs and the user of a multi-turn item; nobody for the others."""
        entry = self._entry(task)
        return world.Trajectory(entry, self.data, written=True) if entry else silence

    def gold(self, task: Task) -> Conversation:
        """The truth written out as prompt-mode text; some truths fail their own check, so the ceiling is below 1."""
        entry = self._entry(task)
        if entry:
            return world.gold(entry, self.data, task.start, written=True)
        return task.start.add(Assistant(text=ceilings.text(self._item(task))))

    def grade(self, task: Task, transcript: Conversation) -> Verdict:
        """The official verdict on the text of the steps."""
        said = transcript.messages[len(task.start.messages) :]
        if entry := self._entry(task):
            error = world.error_of(entry, said, self.data, written=True)
        else:
            output = prompts.said(said[0]) if said else ""
            error = predictions.official(self._item(task), output, self.data)
        return Verdict(id=task.id, category=task.category, valid=error is None, error_type=error)

    def summary(self, verdicts: Sequence[Verdict]) -> Mapping[str, Any]:
        """The version's averages (None while parts are missing), the official overall, and what was not run."""
        return averages.summary(self.data.board, verdicts)

    def _item(self, task: Task) -> Item:
        return tasks.items(self.data.name)[task.id]

    def _entry(self, task: Task) -> Entry | None:
        return entries.entries(self.data.name).get(task.id)


def silence(conversation: Conversation, step: Step) -> Sequence[Message]:
    """The world of a single-turn item: the first step is the answer."""
    return ()


class Prompted:
    """A policy behind BFCL's prompt mode: its output is kept as text, the calls are noted for their results' sake."""

    def __init__(self, policy: Policy, version: Version) -> None:
        self.name = policy.name
        self._policy, self._version = policy, version

    def __call__(self, conversation: Conversation) -> Step:
        """The policy's next output, whatever it is, as text."""
        text = self._text(conversation)
        made = multi_turn.executable(text, self._version.rules)
        named = ((call.partition("(")[0], call) for call in made)
        calls = tuple(Call(name=name, arguments={"source": c}, id=f"call_{i}") for i, (name, c) in enumerate(named))
        return Assistant(text=text, calls=calls)

    def _text(self, conversation: Conversation) -> str:
        complete = getattr(self._policy, "complete", None)
        if complete is not None:
            return complete(prompts.turns(conversation, self._version))
        return prompts.said(self._policy(shown(conversation)))


def shown(conversation: Conversation) -> Conversation:
    """The conversation without calls: steps as text, the results of each as one user message."""
    messages: list[Message] = []
    made: list[str] = []
    for part in prompts.grouped(conversation.messages):
        if isinstance(part, list):
            messages.append(User(content=prompts.told(made, [result.content for result in part])))
        elif isinstance(part, Assistant):
            made = [str(call.arguments["source"]) for call in part.calls]
            messages.append(Assistant(text=part.text or ""))
        elif not isinstance(part, Observation):
            messages.append(part)
    return conversation.model_copy(update={"messages": tuple(messages)})


def rows(transcripts: Iterable[Conversation], benchmark: Benchmark) -> Iterator[dict[str, Any]]:
    """Transcripts of `calm bench bfcl` as prediction rows, which `results.write` makes bfcl-eval's files of.

    Steps of the official protocols are text; those of `native` tool calls as upstream's handlers of OpenAI's keep them.

    Raises:
        UsageError: a transcript that answers no task of the benchmark.
    """
    known = {task.id: task for task in benchmark.tasks()}
    for transcript in transcripts:
        task = known.get(transcript.id)
        if task is None:
            raise UsageError(f"transcript {transcript.id!r} answers no task of {benchmark.name} ({benchmark.version})")
        said = transcript.messages[len(task.start.messages) :]
        tell = _as_calls if task.start.tools else prompts.said
        turns = [[tell(step) for step in turn] for turn in world.played(said)]
        output = turns if task.category in averages.MULTI_TURN else (turns[0] or [""])[0]
        yield {"category": task.category, "id": task.id, "output": output}


def _as_calls(step: Step) -> Any:
    calls = step.calls if isinstance(step, Assistant) else ()
    return [{call.name.replace(".", "_"): dumps(call.arguments)} for call in calls] or prompts.said(step)


def export(benchmark: Any, transcripts: Path, folder: Path) -> list[Path]:
    """Write the transcripts of a run as bfcl-eval's result files below a model's folder; returns the files."""
    return results.write(folder, rows(read(transcripts), benchmark), benchmark.data)
