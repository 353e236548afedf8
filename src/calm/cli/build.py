"""`calm build`: corpora to a dataset."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.progress import ProgressColumn, Task
from rich.text import Text

from calm.cli import screen

if TYPE_CHECKING:
    from calm.data.parts import DataRecipe


def build(
    recipe: Path,
    *overrides: str,
    out: Path | None = None,
    replace: bool = False,
    workers: int | None = None,
    count_only: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Make a dataset out of corpora by a recipe; the same command goes on after a kill.

    Args:
        recipe: a YAML recipe, e.g. recipes/data/sample.yaml.
        overrides: settings to change, e.g. seed=1 parts.0.limit=500.
        out: the folder to write; out/NAME of the recipe by default.
        replace: overwrite a dataset of another recipe in that folder.
        workers: processes that work side by side; one per core by default.
        count_only: build nothing; say how many samples full inputs would give, and which of them are not at hand.
        json: print the table as JSON.
    """
    from calm.data import build as room
    from calm.data.parts import DataRecipe
    from calm.recipe import load

    settings = load(DataRecipe, recipe, overrides)
    if count_only:
        _count(settings, json)
        return
    folder = out or Path("out") / recipe.stem
    rate = Rate()
    with screen.progress(rate) as tick:
        report = room.build(settings, folder, rate.over(tick), replace, workers)
    if report.resumed:
        screen.err().print(f"resumed: {report.resumed} of {report.pieces} pieces were there")
    if json:
        screen.print_json({"out": str(folder), **report.model_dump(mode="json")})
        return
    screen.out().print(room.table(report), markup=False)
    if unchecked := room.unchecked(settings):
        screen.out().print(f"not checked for contamination against: {', '.join(unchecked)}", markup=False)
    said = "up to date" if report.reused else "written"
    screen.out().print(f"{folder}: {said}; look at a row: calm show {folder}", markup=False)


def _count(settings: "DataRecipe", json: bool) -> None:
    from calm.data import counting

    found = counting.counts(settings)
    if json:
        screen.print_json({"parts": [c.model_dump() for c in found], "total": counting.total(found)})
        return
    screen.print_rows(counting.rows(found))


class Rate(ProgressColumn):
    """Records per second of the stage that makes them."""

    def __init__(self) -> None:
        super().__init__()
        self.records = 0

    def over(self, tick: screen.Tick) -> Callable[[str, int, int, int], None]:
        """What a build may tell: the first three go on to `tick`, records are kept for the rate."""

        def heard(what: str, done: int, of: int, records: int) -> None:
            self.records = records
            tick(what, done, of)

        return heard

    def render(self, task: Task) -> Text:
        """Nothing once rows are only moved."""
        return Text(f"{self.records / (task.elapsed or 1):,.0f} rows/s" if self.records else "")
