"""`calm report`: run folders read back and set side by side as one page, or a dataset and what it is made of."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from calm.cli import screen
from calm.conversation import Conversation
from calm.errors import HubError, UsageError
from calm.files import dumps
from calm.recipe import read_manifest
from calm.report import Average, Pair
from calm.report.dataset import sections as dataset_sections
from calm.report.html import write_page
from calm.report.runs import Run, alike, averages, differences, load, pairs, scores, sections, unpaired
from calm.report.words import interval, number, p_value, points, signed, span, visible


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
    compared = pairs(found, _averages)
    if json:
        sys.stdout.write(dumps(_tree(found, compared)) + "\n")
        return
    write_page(out, sections(found, compared))
    _print(found, compared)
    screen.Piped(highlight=False).print(
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


def _averages(first: Run, second: Run) -> list[Average]:
    """The benchmark's own averages of both runs; none where its data, which some need for that, are not at hand."""
    from calm.bench import ROOMS, Verdict, named
    from calm.bench.score import compare

    name, protocol, version = first.judged
    if name not in ROOMS or not protocol:
        return []
    verdicts = [[Verdict.model_validate(row) for row in run.verdicts.values()] for run in (first, second)]
    try:
        benchmark = named(name, protocol)
        found = compare(benchmark, *verdicts) if benchmark.version == version else {}
    except (HubError, UsageError) as error:
        screen.err().print(f"{name}: averages are not compared: {error}", markup=False)
        return []
    return [Average(name=key, **apart._asdict()) for key, apart in found.items()]


def _print(runs: list[Run], compared: list[Pair]) -> None:
    console = screen.Piped(highlight=False)
    if rows := scores(runs):
        solved = [(r.benchmark, r.category, r.model, interval(r.score, r.low, r.high, r.n)) for r in rows]
        console.print(_lined(("benchmark", "category", "model", "solved, 95 % interval"), solved))
    for section in averages(runs):
        console.print(_lined(section.head, section.rows, f"\n{section.title}, 95 % by bootstrap"))
    for pair in compared:
        console.print(Text(visible(_paired(pair))))
        if pair.averages:
            console.print(_table(pair))
    for words in unpaired(runs):
        console.print(Text(visible(words)), soft_wrap=True)


def _table(pair: Pair) -> Table:
    rows = [
        (row.name, number(row.first), number(row.second), signed(row.difference), span(row.low, row.high, "+"))
        for row in pair.averages
    ]
    return _lined(("average", pair.first, pair.second, "difference", "95 %, paired"), rows)


def _lined(head: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> Table:
    table = Table(*map(visible, head), title=title or None, title_justify="left", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    return table


def _paired(pair: Pair) -> str:
    flips = f"{len(pair.gained)} became right, {len(pair.lost)} wrong, {p_value(pair.p)}"
    difference = points(pair.difference, pair.low, pair.high)
    return f"{pair.second} against {pair.first} on {pair.benchmark}: {difference}, n = {pair.n:,} ({flips})"


def _tree(runs: list[Run], compared: list[Pair]) -> dict[str, object]:
    return {
        "runs": {run.name: str(run.folder) for run in runs},
        "scores": [row.model_dump() for row in scores(runs)],
        "pairs": [{**pair.model_dump(), "difference": pair.difference} for pair in compared],
        "unpaired": unpaired(runs),
        "differences": {what: _by_run(group) for what, group in alike(runs).items()},
    }


def _by_run(runs: list[Run]) -> dict[str, dict[str, str]]:
    names = [run.name for run in runs]
    return {key: dict(zip(names, values, strict=True)) for key, *values in differences(runs)}
