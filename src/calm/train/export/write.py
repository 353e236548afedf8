"""Write a recipe as another trainer's configuration, with a README of how to run it and what it cannot say."""

import shutil
from collections import Counter
from pathlib import Path

import yaml

from calm import conversation
from calm.errors import DataError, UsageError
from calm.files import read_rows, write_text
from calm.recipe import manifest, read_manifest
from calm.train import rows
from calm.train.export import ROWS, Run, Target
from calm.train.export.axolotl import AXOLOTL
from calm.train.export.llamafactory import LLAMAFACTORY
from calm.train.export.oumi import OUMI
from calm.train.export.trl import TRL
from calm.train.recipe import Stage, TrainRecipe

TARGETS: dict[str, Target] = {"oumi": OUMI, "trl": TRL, "llamafactory": LLAMAFACTORY, "axolotl": AXOLOTL}
COMMAND, CARD = "calm export", "README.md"
PICKED = "rows"
"""The folder of a stage's rows, in our own form; `calm export` makes the trainer's of it."""


def write(recipe: TrainRecipe, name: str, to: str, out: Path, devices: int = 1) -> tuple[list[str], list[str]]:
    """Write the files into `out`; returns the commands that run them and what the trainer cannot say.

    Args:
        recipe: the run.
        name: of the run, for output folders.
        to: a name in TARGETS.
        out: a folder, new or an earlier export.
        devices: over how many a step's conversations are split.

    A recipe with stages becomes a folder for each, `stage-1-NAME`, with its rows.

    Raises:
        UsageError: no such trainer, it has no stages and the recipe has, `out` holds other files, or the batch cannot
            be split.
        DataError: a recipe with stages whose data are not there.
        RecipeError: a stage whose pattern no row matches.
    """
    if to not in TARGETS:
        raise UsageError(f"no trainer {to!r} for a recipe; there are: {', '.join(TARGETS)}")
    if out.is_dir() and any(out.iterdir()) and (read_manifest(out) or {}).get("command") != COMMAND:
        raise UsageError(f"{out}: holds files that no export wrote; choose another folder")
    target, begun = TARGETS[to], Path(recipe.base)
    start = str(begun.resolve()) if (begun / "adapter_config.json").is_file() else ""
    if not target.stages:
        _one_adapter(target, recipe, start)
    written = _stages if recipe.stages else _configured
    commands = written(target, Run(name, recipe, devices, start), out)
    lost = [*target.lost, *_unsaid(recipe)]
    write_text(out / CARD, _card(target, name, recipe, commands, lost))
    manifest(out, COMMAND, recipe, {}, to=to, devices=devices)
    return commands, lost


def _configured(target: Target, run: Run, out: Path, head: str = "") -> list[str]:
    """One run's files, each YAML with `head` before it; the commands that run it."""
    for file, content in target.files(run).items():
        text = content if isinstance(content, str) else head + yaml.safe_dump(content, sort_keys=False)
        write_text(out / file, text)
    return [f"calm export {run.recipe.data} --to {target.rows} --out {out / ROWS}", f"cd {out}", *target.commands(run)]


def _one_adapter(target: Target, recipe: TrainRecipe, start: str) -> None:
    """Refuse what goes on training an adapter where the trainer cannot."""
    able = ", ".join(name for name, other in TARGETS.items() if other.stages)
    if recipe.stages:
        raise UsageError(
            f"stages: {target.tool} cannot go on training an adapter, as each stage but the first does; export to one "
            f"of {able}, or a recipe without stages, which is one pass over all rows"
        )
    if start:
        raise UsageError(
            f"base: {recipe.base} is an adapter, which {target.tool} cannot go on training; export to one of {able}, "
            "or merge it (calm export --to merged) and name the result"
        )


def _stages(target: Target, run: Run, out: Path) -> list[str]:
    """A folder for each stage: its rows, its files, and where the stage before left its result."""
    recipe, start, commands = run.recipe, run.start, list[str]()
    origins = _origins(recipe)
    for stage in recipe.stages:
        rows.matched(origins, stage)
    for place, stage in enumerate(recipe.stages, 1):
        where = rows.folder(place, stage)
        folder, name = out / f"stage-{where}", f"{run.name}-{where}"
        own = Run(name, _alone(recipe, stage, folder / PICKED), run.devices, start)
        head = f"# stage {place} of {len(recipe.stages)}, {stage.name}: {PICKED}/ holds its rows, {_picked(stage)}\n"
        export, *inside = _configured(target, own, folder, head)
        commands += [export, f"({' && '.join(inside)})"]
        start = f"../{folder.name}/output/{name}"
    return commands


def _origins(recipe: TrainRecipe) -> "Counter[str]":
    path = recipe.files[0]
    if not path.is_file():
        raise DataError(path, "not there yet, and the rows of a stage are picked from it; `calm build` makes it")
    return Counter(raw.get("origin") or "" for _, raw in read_rows(path))


def _picked(stage: Stage) -> str:
    return f"whose origin is like {', '.join(stage.rows)}"


def _alone(recipe: TrainRecipe, stage: Stage, folder: Path) -> TrainRecipe:
    """The recipe of a stage on a dataset of its own, which is written here: its rows, and what is judged and said."""
    learnt, judged = recipe.files
    conversation.write(folder / "train.jsonl", (c for c in conversation.read(learnt) if rows.wanted(c.origin, stage)))
    held_out = folder if recipe.held_out == recipe.data else None
    if judged and held_out:
        shutil.copyfile(judged, folder / f"held_out{''.join(judged.suffixes)}")
    if (recipe.data / CARD).is_file():
        shutil.copyfile(recipe.data / CARD, folder / CARD)
    return rows.settings(recipe, stage).model_copy(update={"data": folder, "held_out": held_out})


def _unsaid(recipe: TrainRecipe) -> list[str]:
    """What this recipe asks for and no other trainer has."""
    found = []
    if recipe.held_out not in (None, recipe.data):
        found.append(
            f"`held_out: {recipe.held_out}`: only the held-out rows of the dataset's own folder are judged there"
        )
    if len(recipe.learn) < 3:
        found.append(f"`learn: [{', '.join(recipe.learn)}]`: whole assistant turns are trained there")
    return found


def _card(target: Target, name: str, recipe: TrainRecipe, commands: list[str], lost: list[str]) -> str:
    told = "\n".join(f"    {command}" for command in commands)
    stages = "".join(f"{i}. {stage.name}: rows {_picked(stage)}\n" for i, stage in enumerate(recipe.stages, 1))
    if stages:
        stages = f"\nStages, each a run that goes on training what the one before wrote:\n\n{stages}"
    return f"# {name} for {target.tool}\n\n{told}\n{stages}\nNot kept:\n\n" + "".join(f"- {what}\n" for what in lost)
