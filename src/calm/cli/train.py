"""`calm train`: a recipe to an adapter."""

import os
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from calm.cli import screen
from calm.cli.training import Figures, draw, first
from calm.errors import MissingExtra
from calm.train.plan import Machine
from calm.train.recipe import TrainRecipe


def train(
    recipe: Path,
    *overrides: str,
    out: Path | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    machine: Annotated[Machine | None, Parameter(name="*")] = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Fine-tune a model by a recipe; the same command goes on after a kill.

    Args:
        recipe: a YAML recipe, e.g. recipes/train/first.yaml.
        overrides: settings to change, e.g. lora.rank=32 epochs=2.
        out: the folder of the adapter; out/NAME-adapter by default, NAME being the recipe's.
        dry_run: print parameters, memory by part, steps, tokens, operations and hours, and stop.
        machine: what --dry-run assumes.
        json: print the result as JSON.
    """
    from calm.recipe import load

    settings = load(TrainRecipe, recipe, overrides)
    folder = out or Path("out") / f"{recipe.stem}-adapter"
    if dry_run:
        plan(settings, machine or Machine(), json)
        return
    result = run(settings, folder, quiet=json)
    if os.environ.get("RANK", "0") != "0":  # one of torchrun's processes speaks for all
        return
    if json:
        screen.print_json(result)
    else:
        screen.print_rows([{"": key, " ": str(value)} for key, value in result.items()])


def plan(settings: TrainRecipe, machine: Machine, json: bool) -> None:
    """Print what a run would need, without loading the weights."""
    from calm.cli import planning
    from calm.train.plan import plan as planned

    with screen.progress() as tick:
        found = planned(settings, machine, tick)
    if json:
        screen.print_json(found)
    else:
        screen.print_rows(list(planning.lines(found)))


def run(settings: TrainRecipe, folder: Path, quiet: bool = False) -> dict[str, Any]:
    """Train with a bar per stage, the first row and its mask shown unless `quiet`; returns the manifest's figures."""
    try:
        from calm.train.loop import train as go
    except ImportError as error:
        raise MissingExtra("training", "train", error.name or "torch") from error
    from calm.files import read_json
    from calm.recipe import read_manifest

    figures = Figures()

    def tell(event: dict[str, Any]) -> None:
        if event["event"] == "first" and not quiet:
            first(event)
        draw(event, tick, figures)

    with screen.progress(figures) as tick:
        go(settings, folder, tell, tick)
    done = read_manifest(folder) or {}
    keys = ("steps", "rows", "rejected", "tokens_per_pass", "learned_per_pass", "trainable_parameters", "seconds")
    result = {key: done.get(key) for key in keys}
    if (folder / "eval.json").is_file():
        result |= read_json(folder / "eval.json")
    return {"adapter": str(folder), **result}
