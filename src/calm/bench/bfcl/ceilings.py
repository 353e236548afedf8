"""What the truths themselves score when they are written out as a model's answers: the ceiling beside every score."""

from collections.abc import Mapping, Sequence
from typing import Any

from calm.bench.bfcl import entries, tasks
from calm.bench.bfcl.multi_turn import Entry

REFUSAL = "None of the functions can be used."
CEILINGS: dict[tuple[str, bool], dict[str, int]] = {}
"""(Version, audited) -> category -> truths that pass; measured by `tests/bench/test_bfcl_averages.py`."""


def written(version: str) -> list[tuple[Any, Any]]:
    """Every item of a version with its truth as prompt-mode output."""
    single = [(item, text(item)) for item in tasks.items(version).values()]
    return [*single, *((entry, turns(entry)) for entry in entries.entries(version).values())]


def turns(entry: Entry) -> list[list[str]]:
    """The truth's calls, one step each."""
    return [[f"[{call}]" for call in turn] for turn in entry.truth]


def text(item: tasks.Item) -> str:
    """Every parameter at its first allowed value, optional ones too; prose or a bare call for (ir)relevance."""
    if "irrelevance" in item.category:
        return REFUSAL
    if "relevance" in item.category:
        return f"[{item.docs[0]['name']}()]"
    return f"[{', '.join(_call(right) for right in item.truth)}]"


def _call(right: Mapping[str, Mapping[str, Sequence[Any]]]) -> str:
    ((name, allowed),) = right.items()
    given = {key: tasks.first(values) for key, values in allowed.items() if any(value != "" for value in values)}
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in given.items())})"
