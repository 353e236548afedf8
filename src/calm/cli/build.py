"""`calm build`: corpora to a dataset."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from calm.cli import screen


def build(
    recipe: Path,
    *overrides: str,
    out: Path | None = None,
    replace: bool = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Make a dataset out of corpora by a recipe.

    Args:
        recipe: a YAML recipe, e.g. recipes/data/sample.yaml.
        overrides: settings to change, e.g. seed=1 parts.0.limit=500.
        out: the folder to write; out/NAME of the recipe by default.
        replace: overwrite a dataset of another recipe in that folder.
        json: print the table as JSON.
    """
    from calm.data import build as room
    from calm.data.parts import DataRecipe
    from calm.recipe import load

    settings = load(DataRecipe, recipe, overrides)
    folder = out or Path("out") / recipe.stem
    with screen.progress() as tick:
        report = room.build(settings, folder, lambda part, done: tick(f"reading {part}", done, 0), replace=replace)
    if json:
        screen.print_json({"out": str(folder), **report.model_dump(mode="json")})
        return
    screen.out().print(room.table(report), markup=False)
    said = "up to date" if report.reused else "written"
    screen.out().print(f"{folder}: {said}; look at a row: calm show {folder}", markup=False)
