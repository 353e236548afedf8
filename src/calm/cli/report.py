"""`calm report`: run folders read back and set side by side as one page, or a dataset and what it is made of."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from calm.cli import screen
from calm.conversation import Conversation
from calm.errors import UsageError
from calm.files import dumps
from calm.recipe import read_manifest
from calm.report import Pair
from calm.report.dataset import sections as dataset_sections
from calm.report.html import write_page
from calm.report.runs import Run, alike, differences, load, pairs, scores, sections
from calm.report.words import interval, p_value, points, visible


def report(
    *runs: Path,
    out: Path = Path("report.html"),
    model: str | None = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Compare runs: scores with intervals, paired differences, losses; of one dataset alone, what it is made of.

    Args:
        runs: Folders written by calm bench, calm train or calm build; a folder of such folders stands for all in it.
        out: Where the page goes.
        model: Whose tokens measure a dataset: a folder with a tokenizer, a hub id or calm-135m; without, characters.
        json: Print scores, pairs and differences, or a dataset's statistics, as JSON and write no page.
    """
    if not runs:
        raise UsageError("name at least one run folder, as written by calm bench, calm train or calm build")
    if len(runs) == 1 and _is_dataset(runs[0]):
        _dataset(runs[0], out, model, json)
        return
    if model:
        raise UsageError("--model measures one dataset; name a single folder that calm build wrote")
    found = load(runs)
    if json:
        sys.stdout.write(dumps(_tree(found)) + "\n")
        return
    write_page(out, sections(found))
    _print(found)
    Console(highlight=False).print(
        Text(f"{out}: {len(found)} run{'s' if len(found) != 1 else ''}", "bold"), soft_wrap=True
    )


def _is_dataset(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("train.parquet", "train.jsonl", "train.jsonl.gz"))


def _dataset(folder: Path, out: Path, model: str | None, json: bool) -> None:
    found = _measured(folder, model)
    if json:
        screen.print_json(found)
        return
    write_page(out, dataset_sections(folder.resolve().name, found, read_manifest(folder)))
    unit, total = found["unit"], found["total"]
    rows = {**found["groups"], "total": total}
    keys = ("samples", "steps", "calls", "length", "mean")
    screen.print_rows([{"origin": name, **{key: row[key] for key in keys}} for name, row in rows.items()])
    screen.out().print(f"lengths in {unit}; mean of means {found['mean_of_means']:,.1f}", markup=False)
    screen.out().print(f"{out}: {total['samples']:,} conversations of {folder}", style="bold", markup=False)


def _measured(folder: Path, model: str | None) -> dict[str, Any]:
    """Statistics of all splits of a dataset, read row by row."""
    from calm.conversation import read
    from calm.data.export.run import splits_of
    from calm.data.skeletons import skeletons
    from calm.data.statistics import Measures, Statistics

    statistics = Statistics(Measures(count=_counter(model) if model else None, patterns=skeletons, of=_part))
    with screen.progress() as tick:
        for split, path in splits_of(folder).items():
            for done, conversation in enumerate(read(path), 1):
                statistics.add(conversation)
                tick(f"measuring {split}", done, 0)
    return statistics.summary()


def _part(conversation: Conversation) -> str:
    """What the paper's table calls a part: the form of a sample in its own form, else the corpus."""
    return str(conversation.meta.get("paper") or conversation.origin.partition("/")[0])


def _counter(model: str) -> Callable[[Conversation], int]:
    from calm.cli.show import codec_of
    from calm.format import react

    codec = codec_of(model)
    return lambda conversation: len(codec.encode(react.render(conversation, codec.markers)).ids)


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
