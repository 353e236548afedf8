"""Write a recipe as another trainer's configuration, with a README of how to run it and what it cannot say."""

from pathlib import Path

import yaml

from calm.errors import UsageError
from calm.files import write_text
from calm.recipe import manifest, read_manifest
from calm.train.export import ROWS, Run, Target
from calm.train.export.axolotl import AXOLOTL
from calm.train.export.llamafactory import LLAMAFACTORY
from calm.train.export.oumi import OUMI
from calm.train.export.trl import TRL
from calm.train.recipe import TrainRecipe

TARGETS: dict[str, Target] = {"oumi": OUMI, "trl": TRL, "llamafactory": LLAMAFACTORY, "axolotl": AXOLOTL}
COMMAND = "calm export"


def write(recipe: TrainRecipe, name: str, to: str, out: Path, devices: int = 1) -> tuple[list[str], list[str]]:
    """Write the files into `out`; returns the commands that run them and what the trainer cannot say.

    Args:
        recipe: the run.
        name: of the run, for output folders.
        to: a name in TARGETS.
        out: a folder, new or an earlier export.
        devices: over how many a step's conversations are split.

    Raises:
        UsageError: no such trainer, `out` holds other files, or the batch cannot be split.
    """
    if to not in TARGETS:
        raise UsageError(f"no trainer {to!r} for a recipe; there are: {', '.join(TARGETS)}")
    if out.is_dir() and any(out.iterdir()) and (read_manifest(out) or {}).get("command") != COMMAND:
        raise UsageError(f"{out}: holds files that no export wrote; choose another folder")
    target, run = TARGETS[to], Run(name, recipe, devices)
    for file, content in target.files(run).items():
        write_text(out / file, content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    rows = f"calm export {recipe.data} --to {target.rows} --out {out / ROWS}"
    commands = [rows, f"cd {out}", *target.commands(run)]
    lost = [*target.lost, *_unsaid(recipe)]
    write_text(out / "README.md", _card(target, name, commands, lost))
    manifest(out, COMMAND, recipe, {}, to=to, devices=devices)
    return commands, lost


def _unsaid(recipe: TrainRecipe) -> list[str]:
    """What this recipe asks for and no other trainer has."""
    found = []
    if recipe.stages:
        names = ", ".join(stage.name for stage in recipe.stages)
        found.append(f"`stages` ({names}): one pass over all rows, interleaved, is written instead")
    if recipe.held_out not in (None, recipe.data):
        found.append(
            f"`held_out: {recipe.held_out}`: only the held-out rows of the dataset's own folder are judged there"
        )
    if len(recipe.learn) < 3:
        found.append(f"`learn: [{', '.join(recipe.learn)}]`: whole assistant turns are trained there")
    return found


def _card(target: Target, name: str, commands: list[str], lost: list[str]) -> str:
    told = "\n".join(f"    {command}" for command in commands)
    return f"# {name} for {target.tool}\n\n{told}\n\nNot kept:\n\n" + "".join(f"- {what}\n" for what in lost)
