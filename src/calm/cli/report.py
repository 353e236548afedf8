"""`calm report`: run folders read back and set side by side, as one page."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from calm.errors import UsageError
from calm.files import dumps
from calm.report import Pair
from calm.report.html import write_page
from calm.report.runs import Run, alike, differences, load, pairs, scores, sections
from calm.report.words import interval, p_value, points, visible


def report(
    *runs: Path,
    out: Path = Path("report.html"),
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Compare runs: scores with intervals, paired differences, losses, and what differs between them.

    Args:
        runs: Folders written by calm bench, calm train or calm build; a folder of such folders stands for all in it.
        out: Where the page goes.
        json: Print scores, pairs and differences as JSON and write no page.
    """
    if not runs:
        raise UsageError("name at least one run folder, as written by calm bench, calm train or calm build")
    found = load(runs)
    if json:
        sys.stdout.write(dumps(_tree(found)) + "\n")
        return
    write_page(out, sections(found))
    _print(found)
    Console(highlight=False).print(
        Text(f"{out}: {len(found)} run{'s' if len(found) != 1 else ''}", "bold"), soft_wrap=True
    )


def _print(runs: list[Run]) -> None:
    console = Console(highlight=False)
    if rows := scores(runs):
        table = Table("benchmark", "category", "model", "solved, 95 % interval", box=None, pad_edge=False)
        for row in rows:
            words = (row.benchmark, row.category, row.model, interval(row.score, row.low, row.high, row.n))
            table.add_row(*(Text(visible(word)) for word in words))
        console.print(table)
    for pair in pairs(runs):
        console.print(Text(visible(_paired(pair))))


def _paired(pair: Pair) -> str:
    flips = f"{len(pair.gained)} became right, {len(pair.lost)} wrong, {p_value(pair.p)}"
    return (
        f"{pair.second} against {pair.first} on {pair.benchmark}: {points(pair.difference)}, n = {pair.n:,} ({flips})"
    )


def _tree(runs: list[Run]) -> dict[str, object]:
    return {
        "runs": {run.name: str(run.folder) for run in runs},
        "scores": [row.model_dump() for row in scores(runs)],
        "pairs": [{**pair.model_dump(), "difference": pair.difference} for pair in pairs(runs)],
        "differences": {what: _by_run(group) for what, group in alike(runs).items()},
    }


def _by_run(runs: list[Run]) -> dict[str, dict[str, str]]:
    names = [run.name for run in runs]
    return {key: dict(zip(names, values, strict=True)) for key, *values in differences(runs)}
