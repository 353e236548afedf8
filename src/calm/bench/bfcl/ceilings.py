"""What the truths themselves score when they are written out as a model's answers: the ceiling beside every score."""

from collections.abc import Mapping, Sequence
from typing import Any

from calm.bench.bfcl import averages, entries, literals, tasks
from calm.bench.bfcl.multi_turn import Entry

REFUSAL = "None of the functions can be used."
_TURNS = dict.fromkeys(averages.MULTI_TURN, (176, 200))
_OFFICIAL = {
    **{"java": (86, 100), "javascript": (49, 50), "parallel_multiple": (198, 200)},
    **{"live_simple": (256, 258), "live_multiple": (1050, 1053), **_TURNS},
}
_AUDITED = {
    **{"java": (96, 96), "javascript": (49, 50), "parallel_multiple": (198, 200)},
    **{"live_simple": (256, 256), "live_multiple": (1050, 1051)},
}
_V3 = {"simple": (399, 400), "live_parallel": (15, 16)}
_PARALLEL = {"parallel_multiple": (197, 199)}


def _ceiling(board: str, less: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """All rows of the categories that are covered, apart from those of which fewer pass."""
    covered = (*tasks.CATEGORIES, *averages.MULTI_TURN)
    return {**{name: (rows, rows) for name, rows in averages.sizes(board).items() if name in covered}, **less}


CEILINGS = {
    ("v4-2026-03", False): _ceiling("v4", _OFFICIAL),
    ("v4-2026-03", True): _ceiling("v4", _AUDITED),
    ("v3-2025-02", False): _ceiling("v3-exec", {**_OFFICIAL, **_V3}),
    ("v3-2025-02", True): _ceiling("v3-exec", {**_AUDITED, **_V3, **_PARALLEL}),
    ("v3-2025-06", False): _ceiling("v3", {**_OFFICIAL, **_V3}),
    ("v3-2025-06", True): _ceiling("v3", {**_AUDITED, **_V3, **_PARALLEL}),
}
"""(Version, audited) -> category -> (truths that pass, rows); measured anew by `tests/bench/test_bfcl_averages.py`."""


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
    if item.category in literals.WRITERS:
        (values,) = (_given(allowed) for right in item.truth for allowed in right.values())
        return f"[{literals.call(item.category, item.docs[0], values)}]"
    return f"[{', '.join(_call(right) for right in item.truth)}]"


def _call(right: Mapping[str, Mapping[str, Sequence[Any]]]) -> str:
    ((name, allowed),) = right.items()
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in _given(allowed).items())})"


def _given(allowed: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    return {key: tasks.first(values) for key, values in allowed.items() if any(value != "" for value in values)}
