"""`calm export`: a dataset, a recipe or a model as what another tool reads; the kind of input decides."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from calm.cli import screen
from calm.errors import MissingExtra, UsageError

YAML = (".yaml", ".yml")
ENDINGS = {"merged": "-merged", "gguf": ".gguf", "vllm": "-vllm", "ollama": "-ollama"}
"""What a model becomes, and how its name ends then."""
USES = {
    "merged": "calm chat --model {0}",
    "gguf": "llama-cli --jinja -m {0}",
    "vllm": "{0}/serve.sh --port 8000",
    "ollama": "ollama create {1} -f {0}/Modelfile",
}


def export(  # noqa: PLR0913  # one flag per thing a user may say
    source: Path,
    *,
    to: str,
    out: Path | None = None,
    replace: bool = False,
    devices: int | None = None,
    data: Path = Path("out/paper"),
    rows: int | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Write a dataset, a training recipe or a model as another tool reads it.

    A dataset becomes rows and side files (sharegpt, ms-swift, axolotl, trl, oumi, coalm), a recipe the configuration of
    the same run (oumi, trl, llamafactory, axolotl), an adapter full weights (merged, gguf), a model or adapter what
    another server runs (vllm, ollama), and a training file of Oumi a recipe (calm). What is lost on the way is said.

    Args:
        source: a dataset's folder or a file of conversations; a recipe; a model's or an adapter's folder; Oumi's YAML.
        to: what to write.
        out: where; beside the source by default, SOURCE-FORMAT, and out/NAME-FORMAT for a recipe.
        replace: write a dataset into a folder that holds other files.
        devices: over how many a step is split: 1 by default, 8 for a file of Oumi.
        data: the dataset that a recipe made of Oumi's file trains on.
        rows: its number of rows, which turns a warm-up in steps into a share.
        json: print the result as JSON.
    """
    if source.suffix in YAML and to == "calm":
        result = _imported(source, out or Path("out") / f"{source.stem}.yaml", data, devices or 8, rows)
    elif source.suffix in YAML:
        result = _configured(source, to, out or Path("out") / f"{source.stem}-{to}", devices or 1)
    elif to in ENDINGS:
        result = _model(source, to, out or source.with_name(f"{source.name}{ENDINGS[to]}"))
    else:
        _dataset(source, to, out or source.with_name(f"{source.name.split('.')[0]}-{to}"), replace=replace, json=json)
        return
    if json:
        screen.print_json(result)
    else:
        _tell(result)


def _imported(source: Path, out: Path, data: Path, devices: int, rows: int | None) -> dict[str, Any]:
    """Oumi's training file as a recipe of ours, which opens with what it could not take over."""
    import yaml

    from calm.files import write_text
    from calm.train.export.read import from_oumi

    if out.exists():
        raise UsageError(f"{out}: is there already; name another with --out")
    recipe, left = from_oumi(source, data, devices, rows)
    said = [f"# calm train {out}", "#", f"# From {source.name}, {devices} devices. Not taken over:"]
    body = yaml.safe_dump(recipe.model_dump(mode="json", exclude_defaults=True), sort_keys=False)
    write_text(out, "\n".join([*said, *(f"# - {line}" for line in left)]) + "\n" + body)
    return {"out": str(out), "commands": [f"calm train {out}"], "lost": left}


def _configured(source: Path, to: str, out: Path, devices: int) -> dict[str, Any]:
    from calm.recipe import load
    from calm.train.export.write import write
    from calm.train.recipe import TrainRecipe

    commands, lost = write(load(TrainRecipe, source), source.stem, to, out, devices)
    return {"out": str(out), "commands": commands, "lost": lost}


def _model(source: Path, to: str, out: Path) -> dict[str, Any]:
    from calm.hub import models

    try:
        from calm.train.gguf import gguf
        from calm.train.merge import merge
        from calm.train.serving.ollama import LOST, ollama
        from calm.train.serving.vllm import vllm
    except ImportError as error:
        raise MissingExtra("merging", "local", error.name or "torch") from error
    with screen.progress() as tick:
        found = models.find(str(source), tick)
        if to == "vllm":
            vllm(found, out)
        else:
            {"merged": merge, "gguf": gguf, "ollama": ollama}[to](found, out, tick)
    lost = [*LOST] if to == "ollama" else []
    return {"out": str(out), "commands": [USES[to].format(out, source.name)], "lost": lost}


def _tell(result: dict[str, Any]) -> None:
    for line in result["lost"]:
        screen.out().print(f"not kept: {line}", markup=False)
    screen.out().print(f"{result['out']}: written", markup=False)
    for line in result["commands"]:
        screen.out().print(f"    {line}", markup=False)


def _dataset(source: Path, to: str, out: Path, *, replace: bool, json: bool) -> None:
    from calm.data.export.run import LEFT_OUT
    from calm.data.export.run import export as write

    with screen.progress() as tick:
        splits = write(source, to, out, lambda split, done: tick(f"exporting {split}", done, 0), replace=replace)
    if json:
        screen.print_json({"out": str(out), "splits": [split.model_dump() for split in splits]})
        return
    counts = [{**split.model_dump(), "left_out": sum(split.left_out.values())} for split in splits]
    screen.print_rows(counts)
    reasons = {reason: n for split in splits for reason, n in split.left_out.items()}
    for reason, number in reasons.items():
        screen.out().print(f"left out, {number:,}: {reason}", markup=False)
    said = f"; what is left out stands in {LEFT_OUT}" if reasons else ""
    screen.out().print(f"{out}: written; how to read it is in its README.md{said}", markup=False)
