"""MultiWOZ 2.4: does the model pass every wish of the user to the right tool, and say what the user asked for?

A run of ours: `tasks` reads the dialogues, `db` the database, `world` the tools and the recorded user, `grade` counts.
Prediction files of others: `predictions` reads them; `jga` compares states (`values`, `fuzzy`); `mwzeval` is the public
measure, made of `goals`, `replies` (`moses`), `venues`, `inform` and `text`. README.md says what each protocol is.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from calm.agent import Limits, converse
from calm.bench import Task, Verdict
from calm.bench.multiwoz import grade, jga, mwzeval, tasks
from calm.bench.multiwoz.db import Database
from calm.bench.multiwoz.world import APIS, Desk, Recorded
from calm.conversation import Assistant, Call, Conversation
from calm.errors import UsageError
from calm.hub.corpora import corpus
from calm.policy.scripted import Scripted

__all__ = ["PROTOCOLS", "MultiWOZ", "board", "desk", "grade_predictions"]

PROTOCOLS = (*mwzeval.PROTOCOLS, "helper", "trade")


def grade_predictions(path: Path, protocol: str) -> Iterator[dict[str, Any]]:
    """Verdict rows for an mwzeval prediction file, one a dialogue, and a last `{"total": {...}}`.

    Args:
        path: one JSON object `{dialogue: [{"response", "state", ...}, ...]}`, `.gz` or not.
        protocol: one of `PROTOCOLS`; `helper` and `trade` are JGA alone and need no replies.

    Raises:
        UsageError: no such protocol.
        DataError: a file that is not of this form, or lacks what the protocol judges; names file, row and dialogue.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"multiwoz: no protocol {protocol!r}; there are: {', '.join(PROTOCOLS)}")
    return (mwzeval if protocol in mwzeval.PROTOCOLS else jga).grade(path, protocol)


def board(rows: Sequence[dict[str, Any]], protocol: str) -> tuple[str, list[dict[str, Any]]]:
    """A title and a table of what the rows came to, the controls below the scores."""
    total = rows[-1]["total"]
    title = f"{protocol}: {total['dialogues']} dialogues scored, {total['missing']} missing"
    plain = {key: value for key, value in total.items() if isinstance(value, (int, float))}
    table = [{"measure": key, "value": value} for key, value in plain.items()]
    for control, scores in total.get("controls", {}).items():
        table += [{"measure": f"control {control}: {key}", "value": value} for key, value in scores.items()]
    return title, table


def desk() -> Desk:
    """The eight tools over the real database as a Toolbox, outside the benchmark: for a chat or a simulated user.

    Raises:
        HubError: the corpus is not at hand; says what to set.
    """
    return Desk(Database(corpus("multiwoz") / "db"))


class MultiWOZ:
    """MultiWOZ in our native form: recorded user turns and replies, state from the model's own calls, exact JGA."""

    name = "multiwoz"
    protocol = "native-recorded"
    version = "2.4-derived-1"
    note = tasks.NOTE

    def tasks(self) -> Iterator[Task]:
        """The 1,000 test dialogues.

        Raises:
            HubError: the corpus is not at hand; says what to set.
        """
        return tasks.read(corpus("multiwoz"))

    def world(self, task: Task) -> Recorded:
        """The desk over the real database and the recorded user of this dialogue."""
        gold = tasks.recorded(task)
        return Recorded(Desk(self._database), gold["replies"], gold["users"])

    def gold(self, task: Task) -> Conversation:
        """Calls that carry just what each turn adds to the state, and the recorded replies.

        Calls never delete, so this is below 100 % in the 16 dialogues where a gold state forgets a slot.
        """
        steps: list[Assistant] = []
        gold = tasks.recorded(task)
        for (before, state), reply in zip(pairwise([{}, *gold["states"]]), gold["replies"], strict=True):
            calls = _calls({slot: value for slot, value in state.items() if before.get(slot) != value})
            steps += [Assistant(calls=calls)] if calls else []
            steps.append(Assistant(text=reply))
        return converse(Scripted(steps), self.world(task), task.start, Limits(steps=len(steps))).renumbered()

    def grade(self, task: Task, transcript: Conversation) -> Verdict:
        """Valid when the state after the last turn is exactly right; counts for JGA in `scores`."""
        return grade.grade(task, transcript)

    def summary(self, verdicts: Sequence[Verdict]) -> Mapping[str, Any]:
        """JGA exact and by the helper, slot P/R/F1, share of turns with a call, dialogues counted."""
        return grade.summary(verdicts, self._turns)

    @cached_property
    def _database(self) -> Database:
        return Database(corpus("multiwoz") / "db")

    @cached_property
    def _turns(self) -> dict[str, int]:
        return {task.id: len(tasks.recorded(task)["users"]) for task in self.tasks()}


def _calls(wishes: Mapping[str, str]) -> tuple[Call, ...]:
    """The calls that fill these slots, each by the first tool that can."""
    found: dict[str, dict[str, Any]] = {}
    for slot, value in wishes.items():
        tool, key = next((t, k) for t, (_, keys) in APIS.items() for k, (_, s) in keys.items() if s == slot)
        found.setdefault(tool, {})[key] = value
    return tuple(Call(name=t, arguments=given, id=f"call_{n}") for n, (t, given) in enumerate(found.items()))
