"""The 1,000 test dialogues as Tasks: one dialogue each, with recorded user turns, system replies and 2.4 states."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calm.bench import Task
from calm.bench.multiwoz import archive
from calm.bench.multiwoz.world import NOTING, TOOLS
from calm.conversation import Conversation, System, User

DOMAINS = ("restaurant", "hotel", "attraction", "train", "taxi")

DESK = System(
    content=(
        "You are the information desk of Cambridge. You search restaurants, hotels, sights and trains, book them and"
        " order taxis with your tools. Pass on every wish in the turn in which the user states it, together with what"
        ' you know already; where the user says that anything will do, pass "dontcare". Note all wishes so far with'
        f" {NOTING.name} whenever they change. Tell nothing that no tool told you."
    )
)


def read(folder: Path) -> Iterator[Task]:
    """The test dialogues in the file's order; categories are `single` and `multi` by the domains of the user's goal.

    Raises:
        DataError: no such file, or a dialogue that lacks something; names it.
    """
    return (task(row) for _, row in archive.rows(folder))


def recorded(task: Task) -> dict[str, Any]:
    """The gold of a task of this room: `users`, `replies` and `states`, one of each per turn."""
    gold: Any = task.gold
    return gold


def task(row: dict[str, Any]) -> Task:
    """One dialogue; `gold` holds user turns, system replies and the state after each user turn."""
    identity, turns = row["dialogue_id"].removesuffix(".json").lower(), row["turns"]
    gold = {
        "users": [turn["user"] for turn in turns],
        "replies": [turn["system"] for turn in turns],
        "states": [dict(turn["state"]) for turn in turns],
    }
    start = Conversation(
        id=identity,
        tools=(*TOOLS, NOTING),
        messages=(DESK, User(content=gold["users"][0])),
        origin="multiwoz/2.4-derived",
    )
    several = sum(bool(row["goal"].get(domain)) for domain in DOMAINS) > 1
    return Task(id=identity, category="multi" if several else "single", start=start, gold=gold)
