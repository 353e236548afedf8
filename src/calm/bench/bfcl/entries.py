"""The multi-turn items of BFCL, 200 in each of four categories, out of the wheel or a folder like the other items."""

import functools
from pathlib import Path
from typing import Any

from calm.bench.bfcl import tasks, versions
from calm.bench.bfcl.averages import MULTI_TURN
from calm.bench.bfcl.multi_turn import Entry
from calm.bench.bfcl.simulators import FILES
from calm.bench.bfcl.versions import Version


def entries(version: str) -> dict[str, Entry]:
    """All multi-turn items by id, in upstream's order; raises as `tasks.items` does."""
    chosen = versions.named(version)
    return _entries(chosen, chosen.folder)


@functools.cache
def _entries(version: Version, folder: Path | None) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for category in MULTI_TURN:
        truths = {row["id"]: row["ground_truth"] for row in tasks.rows(version, category, "possible_answer/")}
        for question in tasks.rows(version, category):
            found[question["id"]] = _entry(category, question, truths[question["id"]])
    return found


def _entry(category: str, question: dict[str, Any], truth: list[list[str]]) -> Entry:
    return Entry(
        id=question["id"],
        category=category,
        turns=question["question"],
        held_out=question.get("missed_function", {}),
        classes=question["involved_classes"],
        config=question["initial_config"],
        truth=truth,
    )


def docs(entry: Entry, version: Version) -> tuple[list[dict[str, Any]], dict[int, list[dict[str, Any]]]]:
    """Descriptions of the functions that an item offers from the start, and of those that a later turn brings."""
    offered = [doc for name in entry.classes for doc in _described(version, version.folder, name)]
    held: dict[int, list[dict[str, Any]]] = {}
    for turn, names in entry.held_out.items():
        held[int(turn)] = [doc for name in names if (doc := _taken(offered, name)) is not None]
    return offered, held


def _taken(offered: list[dict[str, Any]], name: str) -> dict[str, Any] | None:
    """The first function of that name, taken out of the list."""
    place = next((i for i, doc in enumerate(offered) if doc["name"] == name), None)
    return None if place is None else offered.pop(place)


@functools.cache
def _described(version: Version, folder: Path | None, name: str) -> list[dict[str, Any]]:
    return list(version.rows(f"multi_turn_func_doc/{FILES[name]}.json"))
