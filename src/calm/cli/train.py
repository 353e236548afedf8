"""`calm train`: a recipe to an adapter."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from calm.cli import screen
from calm.errors import MissingExtra


def train(
    recipe: Path,
    *overrides: str,
    out: Path | None = None,
    dry_run: bool = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Fine-tune a model by a recipe; the same command goes on after a kill.

    Args:
        recipe: a YAML recipe, e.g. recipes/train/first.yaml.
        overrides: settings to change, e.g. lora.rank=32 epochs=2.
        out: the folder of the adapter; out/NAME-adapter by default, NAME being the recipe's.
        dry_run: print rows, tokens, steps and trainable parameters, and stop.
        json: print the result as JSON.
    """
    from calm.recipe import load
    from calm.train.recipe import TrainRecipe

    settings = load(TrainRecipe, recipe, overrides)
    folder = out or Path("out") / f"{recipe.stem}-adapter"
    result = plan(settings) if dry_run else run(settings, folder)
    if json:
        screen.print_json(result)
    else:
        screen.print_rows([{"": key, " ": str(value)} for key, value in result.items()])


def plan(settings: Any) -> dict[str, Any]:
    """What a run would do, without loading the weights."""
    from calm.format.tokens import Codec
    from calm.hub import models
    from calm.train import rows

    with screen.progress() as tick:
        found = models.find(settings.base, tick)
    data = rows.load(settings.files[0], Codec.load(found.base), settings)
    return {
        "base": str(found.base),
        "rows": len(data.kept),
        "refused": len(data.rejects),
        "tokens a pass": data.tokens,
        "supervised a pass": data.learned,
        "steps": rows.steps(len(data.kept), settings),
        "longest row": max(len(row.ids) for row in data.kept),
    }


def run(settings: Any, folder: Path) -> dict[str, Any]:
    """Train with a bar per stage; returns the figures of the manifest."""
    try:
        from calm.train.loop import train as go
    except ImportError as error:
        raise MissingExtra("training", "train", error.name or "peft") from error
    from calm.files import read_json
    from calm.recipe import read_manifest

    with screen.progress() as tick:
        go(settings, folder, lambda event: draw(event, tick), tick)
    done = read_manifest(folder) or {}
    result = {
        key: done.get(key) for key in ("steps", "rows", "rejected", "tokens_per_pass", "learned_per_pass", "seconds")
    }
    if (folder / "eval.json").is_file():
        result |= read_json(folder / "eval.json")
    return {"adapter": str(folder), **result}


def draw(event: dict[str, Any], tick: screen.Tick) -> None:
    """One event of the trainer on the progress bar, or as a line where it is news."""
    kind = event["event"]
    if kind == "step":
        tick("training", event["step"], event["of"])
    elif kind == "eval":
        tick(f"held-out loss {event['when']}", event["row"], event["of"])
    elif kind == "resumed":
        screen.err().print(f"going on after step {event['step']} of {event['of']}")
    elif kind == "done" and event["reused"]:
        screen.err().print(f"{event['folder']} already holds this run", markup=False)
