"""`calm publish`: an adapter and what it scored as a folder to give away, every figure judged from what lies in it."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from calm.cli import screen
from calm.errors import MissingExtra, UsageError

BEFORE = "before"
"""What a published model holds of the run whose adapter its own went on from; that one's `before` of the one before."""

SWEEPS = "sweeps"
"""Where it holds what variants of its recipe came to, a file each."""


def publish(
    folder: Path,
    *,
    adapter: Path | None = None,
    tuned: tuple[Path, ...] = (),
    base: tuple[Path, ...] = (),
    sweep: tuple[Path, ...] = (),
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Make or renew a published model: adapter in bfloat16, answers, results.json, results.html, README.md.

    Runs keep the model's words alone, no benchmark data; scores are judged from there, now and whenever it runs again.

    Args:
        folder: the published model, e.g. models/calm-135m.
        adapter: a folder of calm train to take the weights from; without, those in FOLDER stay.
        tuned: run folders that calm bench wrote with the published adapter, or folders of such.
        base: the same of the untuned base.
        sweep: files that benchmarks/sweep.py --json printed, for the page.
        json: print the figures as JSON.
    """
    if adapter is None and not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; make it with --adapter FOLDER, as written by calm train")
    if adapter is not None:
        _weights(adapter, folder)
    _release(folder, {"tuned": tuned, "base": base})
    _keep(folder / SWEEPS, sweep)
    if (folder / "runs").is_dir():
        show(folder, json=json)
    else:
        screen.out().print(f"{folder}: written; judge it (calm bench --model {folder}) and publish the runs")


def _weights(adapter: Path, folder: Path) -> None:
    try:
        from calm.train.lean import lean
    except ImportError as error:
        raise MissingExtra("publishing", "local", error.name or "numpy") from error
    lean(adapter, folder)


def _release(folder: Path, groups: dict[str, tuple[Path, ...]]) -> None:
    from calm.bench.judge import SCORES
    from calm.bench.publish import release

    for group, given in groups.items():
        for path in given:
            found = sorted({scores.parent for scores in path.rglob(SCORES)})
            if not found:
                raise UsageError(f"{path}: holds no run; name what calm bench wrote")
            for run in found:
                screen.err().print(f"{release(run, folder / 'runs' / group)}: from {run}", markup=False)


def _keep(folder: Path, given: tuple[Path, ...]) -> None:
    from calm.files import write_json
    from calm.report.sweeps import read

    for path in given:
        found = read(path)
        write_json(folder / f"{Path(found.file).stem}.json", found.model_dump())


def show(folder: Path, *, json: bool = False) -> None:
    """Judge the published answers again; write results.json, results.html and the card's figures; print them."""
    from calm.bench.publish import results, rows
    from calm.report.html import write_page

    found = results(folder)
    table = list(rows(found))
    _card(folder, table, found)
    write_page(folder / "results.html", _sections(folder, found))
    if json:
        screen.print_json(found)
        return
    screen.print_rows(table, title=f"{folder.name}: percent and 95 % interval, tuned and base")
    screen.out().print(f"{folder}: results.json, results.html and README.md", markup=False)


def _card(folder: Path, table: list[dict[str, str]], found: dict[str, Any]) -> None:
    from calm.files import read_text, write_text
    from calm.train.scored import scored

    readme = folder / "README.md"
    if readme.is_file():
        write_text(readme, scored(read_text(readme), folder, table, found))


def _sections(folder: Path, found: dict[str, Any]) -> list[Any]:
    from calm.report import sweeps
    from calm.report.boards import section
    from calm.report.runs import load, sections

    head, *others = sections(load([*_legs(folder), folder / "runs"]))
    own, base = found.get("bfcl_v3"), found["base"].get("bfcl_v3", {})
    swept = [part for path in sorted((folder / SWEEPS).glob("*.json")) for part in sweeps.sections(sweeps.read(path))]
    return [head, *([section(folder.name, 0.135, own, base)] if own else []), *swept, *others]


def _legs(folder: Path) -> list[Path]:
    """The runs that made the model, the latest first; a mean of two (`calm average`) has no curve and is none."""
    if not folder.is_dir():
        return []
    return [*([folder] if (folder / "metrics.jsonl").is_file() else []), *_legs(folder / BEFORE)]
