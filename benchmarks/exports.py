"""Exported configurations read by the trainers they are for: every key known, every value taken.

    python benchmarks/exports.py                                  with what this interpreter has
    python benchmarks/exports.py --python oumi=OTHER/bin/python   with what another has, which needs no calm

Recipes of all methods, on one device and on eight, judged or not, and one with stages where the trainer has them, go
through `calm export RECIPE --to TOOL`; each file then goes through the class that the tool itself reads it with. That
proves names and values, not that the run is the same. Nothing is fetched or trained. A tool that is not installed is
said to be missing; where a file is refused the exit status is 1.
"""

import argparse
import contextlib
import io
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

# --- what runs in the interpreter that has the tool ------------------------------------------------------------------


def oumi(folder: Path) -> None:
    """Both files, as `oumi train` and `oumi infer` read them."""
    from oumi.core.configs import InferenceConfig, TrainingConfig  # ty: ignore[unresolved-import]

    for kind, name in ((TrainingConfig, "train.yaml"), (InferenceConfig, "infer.yaml")):
        kind.from_yaml(str(folder / name)).finalize_and_validate()


def trl(folder: Path) -> None:
    """`trl sft --config`, a key that no class knows being a fault; on a machine without a GPU `use_cpu` is added."""
    from trl import ModelConfig, ScriptArguments, SFTConfig, TrlParser  # ty: ignore[unresolved-import]

    words = ["--config", str(folder / "sft.yaml"), *(["--use_cpu"] if _processor() else [])]
    TrlParser((ScriptArguments, SFTConfig, ModelConfig)).parse_args_and_config(words, fail_with_unknown_args=True)
    accelerate(folder)


def llamafactory(folder: Path) -> None:
    """`llamafactory-cli train`."""
    from llamafactory.hparams import get_train_args  # ty: ignore[unresolved-import]

    get_train_args(_settings(folder / "train.yaml") | ({"use_cpu": True} if _processor() else {}))
    accelerate(folder)


def axolotl(folder: Path) -> None:
    """`axolotl train`; its class takes keys that it does not know, so these are looked for first."""
    from axolotl.utils.schemas.config import AxolotlInputConfig  # ty: ignore[unresolved-import]

    settings = _settings(folder / "config.yaml") | _settings(folder / "data" / "dataset.yaml")
    fields = AxolotlInputConfig.model_fields
    known = {*fields, *(field.alias for field in fields.values())}
    if unknown := settings.keys() - known:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    AxolotlInputConfig(**settings)


def accelerate(folder: Path) -> None:
    """`accelerate launch --config_file`, where there is such a file."""
    from accelerate.commands.config.config_args import load_config_from_file

    if (folder / "accelerate.yaml").is_file():
        load_config_from_file(str(folder / "accelerate.yaml"))


CHECKS: dict[str, Callable[[Path], None]] = {
    "oumi": oumi,
    "trl": trl,
    "llamafactory": llamafactory,
    "axolotl": axolotl,
}


def _settings(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def _processor() -> bool:
    import torch

    return not torch.cuda.is_available()


def check(tool: str, folder: Path) -> dict[str, Any]:
    """What a tool says of the exports in the folders of `folder`; None for its version where it is not installed."""
    if find_spec(tool) is None:
        return {"version": None, "said": {}}
    configs = sorted(path.parent for path in folder.glob("*/manifest.json"))
    runs = [run for config in configs for run in sorted(config.glob("stage-*")) or [config]]
    return {"version": version(tool), "said": {str(run.relative_to(folder)): fault(tool, run) for run in runs}}


def fault(tool: str, run: Path) -> str:
    """Why a tool refuses the files of a run; empty where it takes them."""
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        try:
            CHECKS[tool](run)
        except SystemExit:
            return " ".join(stderr.getvalue().splitlines()[-1:])[:300]
        except Exception as error:  # noqa: BLE001  # whatever a tool raises is its answer
            return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
    return ""


# --- what writes the configurations ----------------------------------------------------------------------------------


def recipes(data: Path, staged: bool) -> Iterator[tuple[str, Any, int]]:
    """A name, a recipe and a number of devices for each kind of run."""
    from calm.train.recipe import Stage, TrainRecipe

    plain = TrainRecipe(base="meta-llama/Llama-3.1-8B-Instruct", data=data, batch=16)
    for method, devices in itertools.product(("lora", "qlora", "full"), (1, 8)):
        yield f"{method}-{devices}", plain.model_copy(update={"method": method}), devices
    yield "judged", plain.model_copy(update={"held_out": data, "evaluate_every": 50}), 1
    yield "embedded", plain.model_copy(update={"base": "smollm2-135m"}), 1
    if staged:
        yield "stages", plain.model_copy(update={"stages": (Stage(name="one"), Stage(name="two", lr=1e-5))}), 1


def write(tool: str, folder: Path) -> None:
    """Export every kind of run for a tool, with a few rows beside it."""
    from calm.data.export.run import export as rows
    from calm.train.export.write import TARGETS
    from calm.train.export.write import write as configured

    target = TARGETS[tool]
    for name, recipe, devices in recipes(folder.parent / "set", target.stages):
        out = folder / name
        configured(recipe, name, tool, out, devices)
        for run in sorted(out.glob("stage-*")) or [out]:
            rows(run / "rows" if recipe.stages else recipe.data, target.rows, run / "data")


def dataset(folder: Path) -> None:
    """Four conversations as a dataset, two of them held out."""
    import pyarrow
    from pyarrow import parquet

    from calm.conversation import to_row
    from calm.data.sources.town import read_town

    folder.mkdir()
    for split, seed in (("train", 0), ("held_out", 1)):
        rows = [to_row(conversation) for conversation in read_town(2, seed)]
        parquet.write_table(pyarrow.Table.from_pylist(rows), folder / f"{split}.parquet")


def main() -> None:
    """Write, have read, print."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--python", action="append", default=[], metavar="TOOL=PATH", help="the interpreter that has it")
    flags.add_argument("--json", action="store_true", help="the last line is one JSON object")
    flags.add_argument("--check", help=argparse.SUPPRESS)
    flags.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = flags.parse_args()
    if asked.check:
        print(json.dumps(check(asked.check, asked.folder)))
        return
    pythons = dict.fromkeys(CHECKS, sys.executable) | dict(pair.split("=", 1) for pair in asked.python)
    found = {}
    with tempfile.TemporaryDirectory() as name:
        dataset(Path(name) / "set")
        for tool in CHECKS:
            write(tool, Path(name) / tool)
            command = [pythons[tool], __file__, "--check", tool, "--folder", str(Path(name) / tool)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{tool}: failed\n{done.stderr[-2000:]}")
            found[tool] = json.loads(done.stdout.splitlines()[-1])
    table(found)
    if asked.json:
        print(json.dumps(found))
    sys.exit(any(fault for result in found.values() for fault in result["said"].values()))


def table(found: dict[str, dict[str, Any]]) -> None:
    """Print a line for each tool and one for each fault."""
    print("| tool | version | configurations | taken |")
    print("| --- | --- | ---: | ---: |")
    for tool, result in found.items():
        taken = sum(not fault for fault in result["said"].values())
        counts = f"{len(result['said'])} | {taken}" if result["version"] else "not installed | "
        print(f"| {tool} | {result['version'] or ''} | {counts} |")
    for tool, result in found.items():
        for name, fault in result["said"].items():
            if fault:
                print(f"{tool}, {name}: {fault}")


if __name__ == "__main__":
    main()
