"""Precision, recall and F1 of API names and parameters, as Hammer's `evaluation/evaluate.py` counts them.

The text is what Hammer's models write: a JSON list of calls, in a fence or not (MadeAgents/Hammer at commit 5e3ca28).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

COUNTS = ("api_right", "api_said", "api_due", "param_right", "param_said", "param_due")
Named = tuple[str | None, dict[str, str]]
"""A call's name and its parameters that are not empty, as text."""


def calls(answer: str) -> list[Any] | None:
    """The list that a text holds, fences or not, as Hammer's evaluation reads it; None for anything else."""
    try:
        read = json.loads(answer.replace("```json", "").replace("```", ""))
    except (ValueError, RecursionError):
        return None
    read = read.get("tool_calls", read) if isinstance(read, dict) else read
    return [] if read is None else read if isinstance(read, list) else None


def counts(answer: str, gold: str) -> dict[str, float]:
    """The six numbers that API and parameter precision, recall and F1 are made of.

    What is no list counts as one wrong call. An empty parameter does not count, but a call that rightly has none counts
    as one right parameter: upstream's way. An item that is no call (upstream stops there) is a call of no API.
    """
    due, said = calls(gold) or [], calls(answer)
    ours, golds = ([named(item) for item in items] for items in (said or [], due))
    right = [share for one in ours if (share := _rightly(one, golds)) is not None]
    numbers = (len(right), 1 if said is None else len(ours), len(due), sum(right), _size(ours), _size(golds))
    return dict(zip(COUNTS, map(float, numbers), strict=True))


def named(item: Any) -> Named:
    """An item of the list as a call; what is none has no name and no parameters."""
    given = item.get("arguments") if isinstance(item, dict) else None
    name = item.get("name") if isinstance(item, dict) else None
    kept = {key: str(value) for key, value in given.items() if value != ""} if isinstance(given, dict) else {}
    return (name if isinstance(name, str) else None), kept


def _rightly(said: Named, due: Sequence[Named]) -> int | None:
    """How many parameters of a call are right; None where no call of that name is due."""
    golds = [given for name, given in due if name == said[0]]
    if not golds:
        return None
    shares = [1 if not gold and not said[1] else sum(said[1].get(k) == v for k, v in gold.items()) for gold in golds]
    return next((share for share in shares if share), 0)


def _size(items: Sequence[Named]) -> int:
    return sum(len(given) for _, given in items)


def f1(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Precision, recall and F1 of API names and of parameters, over all rows together."""
    total = {key: sum(row.get(key, 0) for row in rows) for key in COUNTS}
    found = {}
    for kind in ("api", "param"):
        right, said, due = (total[f"{kind}_{what}"] for what in ("right", "said", "due"))
        found |= {f"{kind}_precision": right / said if said else 0.0, f"{kind}_recall": right / due if due else 0.0}
        found[f"{kind}_f1"] = 2 * right / (said + due) if said + due else 0.0
    return found
