"""What a setting or a part of the data is worth: variants of one training recipe, each trained alike and judged alike.

    python benchmarks/sweep.py recipes/sweep/ablation.yaml [--only VARIANT ...] [--tokens N] [--out FOLDER] [--json]

The file names a training recipe, a budget of tokens that every variant sees, what it is judged on, and the variants:
for each the overrides of `calm train`. `epochs` is set so that the budget is met, whatever rows a variant takes.
Held-out loss is over the recipe's own held-out rows and so comparable between variants that render them alike. What is
finished is not run again, so a killed run goes on with the same command. One run a variant: differences within the
intervals are none.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pydantic import Field

from calm.bench import Verdict, named
from calm.bench.figures import figures
from calm.bench.judge import VERDICTS, judge, transcripts_of
from calm.bench.run import Plan, run
from calm.cli import train as training
from calm.errors import CalmError
from calm.files import read_jsonl
from calm.policy.local import Local
from calm.policy.local.together import for_threads
from calm.recipe import Recipe, load
from calm.train.plan import Machine, plan
from calm.train.recipe import TrainRecipe

WIDTH = 24
"""Tasks decoded together."""


class Sweep(Recipe):
    """A file of recipes/sweep: paths are from where the command runs; `judge` has a benchmark's only and limit."""

    recipe: Path
    tokens: int = Field(ge=1)
    variants: dict[str, tuple[str, ...]] = Field(min_length=1)
    judge: dict[str, Plan] = Field(default_factory=dict)


def trained(sweep: Sweep, overrides: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """Train one variant on the budget, unless that is done; the manifest's figures and the loss on held-out rows."""
    settings = load(TrainRecipe, sweep.recipe, [*overrides, "epochs=1"])
    per_pass = sum(stage["tokens"] for stage in plan(settings, Machine())["stages"])
    if not per_pass:
        sys.exit(f"{settings.data}: not there, or no rows for {' '.join(overrides)}; build it first")
    settings = settings.model_copy(update={"epochs": sweep.tokens / per_pass})
    return training.run(settings, folder, quiet=True)


def judged(name: str, what: Plan, policy: Local, folder: Path) -> dict[str, Any]:
    """The quoted figures of one benchmark, answered and judged in `folder`."""
    benchmark, plan_ = named(name), what.model_copy(update={"concurrency": WIDTH})
    with for_threads(policy, WIDTH) as together:
        run(benchmark, together, folder, plan_)
    scores = judge(benchmark, folder)
    verdicts = [Verdict.model_validate(row) for _, row in read_jsonl(folder / VERDICTS)]
    _, transcripts = transcripts_of(benchmark, folder)
    found = figures(benchmark, scores, verdicts, transcripts)
    return {key: figure.model_dump() for key, figure in found.items()}


def variant(sweep: Sweep, name: str, home: Path) -> dict[str, Any]:
    """One variant, trained and judged."""
    adapter = home / name / "adapter"
    told = trained(sweep, sweep.variants[name], adapter)
    print(f"{name}: trained, {told['steps']} steps in {told['seconds']:.0f} s", file=sys.stderr)
    scores = {}
    for bench, what in sweep.judge.items():
        policy = Local.load(str(adapter), precision="f16")  # for each: its threads end with the benchmark
        scores[bench] = judged(bench, what, policy, home / name / bench)
    return {"variant": name, "overrides": list(sweep.variants[name]), **told, "scores": scores}


def table(found: list[dict[str, Any]]) -> None:
    """Print a row a variant: loss, and each figure with its interval; then how many items each was taken on."""
    columns = [(bench, key) for bench, scores in found[0]["scores"].items() for key in scores]
    print("| variant | steps | held-out loss | " + " | ".join(f"{b} {key}" for b, key in columns) + " |")
    print("| --- |" + " ---: |" * (len(columns) + 2))
    for row in found:
        cells = (row["scores"][bench].get(key) for bench, key in columns)
        said = [f"{c['value']:.1f} [{c['low']:.0f}, {c['high']:.0f}]" if c else "" for c in cells]
        loss = f"{row['held_out_loss_before']:.3f} -> {row['held_out_loss_after']:.3f}"
        print(f"| {row['variant']} | {row['steps']} | {loss} | " + " | ".join(said) + " |")
    print("items: " + ", ".join(f"{b} {key} {found[0]['scores'][b][key]['n']}" for b, key in columns))


def main() -> None:
    """Train, judge and print."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("file", type=Path)
    flags.add_argument("--only", nargs="+", default=(), help="these variants")
    flags.add_argument("--tokens", type=int, help="another budget than the file's")
    flags.add_argument("--out", type=Path, help="out/sweep/NAME by default")
    flags.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    asked = flags.parse_args()
    sweep = load(Sweep, asked.file, [f"tokens={asked.tokens}"] if asked.tokens else [])
    home = asked.out or Path("out/sweep") / asked.file.stem
    if unknown := set(asked.only) - set(sweep.variants):
        flags.error(f"no variant {', '.join(sorted(unknown))}; there are {', '.join(sweep.variants)}")
    found = [variant(sweep, name, home) for name in asked.only or sweep.variants]
    if asked.json:
        print(json.dumps({"file": str(asked.file), "tokens": sweep.tokens, "variants": found}))
    else:
        table(found)


if __name__ == "__main__":
    try:
        main()
    except CalmError as error:
        sys.exit(f"sweep: {error}")
