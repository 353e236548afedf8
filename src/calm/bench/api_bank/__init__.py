"""API-Bank: is the right API called, with the right arguments? 779 requests of levels 1 to 3, one step each.

`tasks` reads the official samples, `due` what is due in them; `apis` are the 73 APIs as pure functions, on which
`official` and `fixed` judge; `grade` holds the `exact` verdict, `text` and `f1` the metrics of texts, `hammer` the
paper's prompt, `predictions` the grading of files, `ceilings` what gold gets there, `controls` the wrong answers beside
it. README.md has numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from calm.bench import Benchmark, Task, Verdict
from calm.bench.api_bank import ceilings, controls, grade, tasks
from calm.bench.api_bank.hammer import Hammer
from calm.bench.api_bank.predictions import PROTOCOLS, board, controls_on, grade_predictions
from calm.conversation import Assistant, Call, Conversation, Message, Step
from calm.hub.corpora import corpus
from calm.policy import Policy
from calm.world import World

__all__ = ["GENERATES", "PROTOCOLS", "APIBank", "board", "controls_on", "generating", "grade_predictions"]

GENERATES = ("hammer",)
"""Protocols that models speak and are judged by, beside the native one."""


def generating(protocol: str) -> Benchmark:
    """The benchmark by Hammer's prompt, the only one of `GENERATES`."""
    return Hammer()


def silence(conversation: Conversation, step: Step) -> Sequence[Message]:
    """The world of a single-step benchmark: whatever is said, nobody answers."""
    return ()


class Asked:
    """A policy of which a call is due, as upstream's prompt says: where it decodes by grammar it is held to one."""

    def __init__(self, policy: Policy) -> None:
        self.name = policy.name
        self._policy = policy

    def __call__(self, conversation: Conversation) -> Step:
        """The policy's step."""
        held: Any = self._policy
        if not hasattr(held, "choice"):
            return held(conversation)
        before, held.choice = held.choice, "required"
        try:
            return held(conversation)
        finally:
            held.choice = before


class APIBank:
    """API-Bank in our native form: tools as JSON Schema, the request as a structured call, judged by `exact`.

    Version 2 says that a call is due, and shows level 3's results without their envelope; 1 did neither.
    """

    name = "api_bank"
    protocol = "exact"
    version = "2"
    note = "native tool calls, single step; not upstream's executed accuracy and not the paper's text metrics"

    def tasks(self) -> Iterator[Task]:
        """Level 1 (399), level 2 (135), level 3 (245), in upstream's order.

        Raises:
            HubError: the corpus is not at hand; says what to set.
        """
        return iter(tasks.known(corpus("api_bank")).values())

    def speaker(self, policy: Policy) -> Policy:
        """The policy, asked for a call."""
        return Asked(policy)

    def world(self, task: Task) -> World:
        """Nobody: the episode is one step."""
        return silence

    def gold(self, task: Task) -> Conversation:
        """The start and the one request due."""
        return task.start.add(Assistant(calls=(Call.model_validate(task.gold),)))

    def controls(self, tasks: Sequence[Task]) -> dict[str, list[Conversation]]:
        """Answers that show how soft a metric is, by kind; the first one listed (`first API`), too."""
        made = controls.steps([Call.model_validate(task.gold) for task in tasks])
        blind = [Assistant(calls=(Call(name=task.start.tools[0].name, arguments={}),)) for task in tasks]
        made |= {"first API": blind}
        return {kind: [task.start.add(said) for task, said in zip(tasks, made[kind], strict=True)] for kind in made}

    def grade(self, task: Task, transcript: Conversation) -> Verdict:
        """Whether the first step after the start is the one call due."""
        return grade.grade(task, transcript)

    def levels(self, transcripts: Sequence[Conversation]) -> dict[str, list[float]]:
        """What each sample of a level got, 0 to 1: `l1_exact`, `l1_rouge_l`, `l1_official` on calls as upstream writes.

        Searches are in, as upstream has them; of level 2 and 3 their official verdict needs a search model and fails,
        and the gold keywords are free words: `l2_exact_without_search` and the like leave them out.
        """
        data, official = ceilings.judge_of(corpus("api_bank"), "official")
        known, found = tasks.known(corpus("api_bank")), dict[str, list[float]]()
        for transcript in transcripts:
            task = known[transcript.id]
            verdict, level = self.grade(task, transcript), f"l{task.category[6]}"
            said = transcript.messages[len(task.start.messages) :][:1]
            calls = [call for step in said if isinstance(step, Assistant) for call in step.calls]
            got = {"exact": float(verdict.valid), "rouge_l": verdict.scores.get("rouge-l", 0.0)}
            if level != "l1" and not task.category.endswith("-search"):
                got |= {f"{key}_without_search": value for key, value in got.items()}
            got["official"] = float(official(data.due[task.id], controls.bracketed(calls)) is None)
            for key, value in got.items():
                found.setdefault(f"{level}_{key}", []).append(value)
        return found

    def summary(self, verdicts: Sequence[Verdict]) -> Mapping[str, Any]:
        """Exact shares, API and parameter precision/recall/F1, Rouge-L of the call strings."""
        return grade.summary(verdicts)
