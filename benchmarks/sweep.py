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

from calm import stats
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
from calm.report import sweeps
from calm.train.plan import Machine, plan
from calm.train.recipe import TrainRecipe

WIDTH = 24
"""Tasks decoded together."""


class Sweep(Recipe):
    """A file of recipes/sweep: paths are from where the command runs.

    `judge` has a benchmark's only and limit, by its name, as NAME@PROTOCOL where that is not the usual one, or by the
    path of a dataset, for its held-out rows.
    """

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
    bench, _, protocol = name.partition("@")
    benchmark, plan_ = named(bench, protocol or None), what.model_copy(update={"concurrency": WIDTH})
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
        scores[bench] = judged(bench, what, policy, home / name / bench.replace("/", "-"))
    return {"variant": name, "overrides": list(sweep.variants[name]), **told, "scores": scores}


def beside(first: Path, own: Path) -> dict[str, Any]:
    """Of each benchmark the items that are right in one of two variants only, and how likely chance does that."""
    found = {}
    for judged_there in sorted(own.glob(f"*/{VERDICTS}")):
        bench = judged_there.parent.name
        flips = stats.flips(marks(first / bench), marks(own / bench))
        if flips:
            found[bench] = {"gained": len(flips.gained), "lost": len(flips.lost), "p": flips.p}
    return found


def marks(folder: Path) -> dict[str, bool]:
    """Which items of a judged run are right."""
    return {row["id"]: row["valid"] is True for _, row in read_jsonl(folder / VERDICTS)}


def table(told: dict[str, Any]) -> None:
    """Print a column a variant: steps, loss, each figure with its interval, and what changed beside the first."""
    rows, _ = sweeps.sections(sweeps.Sweep.model_validate(told))
    print("| " + " | ".join(rows.head) + " |")
    print("| --- |" + " ---: |" * (len(rows.head) - 1))
    for row in rows.rows:
        print("| " + " | ".join(row) + " |")
    print(rows.note)


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
    names = list(asked.only or sweep.variants)
    found = [variant(sweep, name, home) for name in names]
    for name, one in zip(names[1:], found[1:], strict=True):
        one["beside_first"] = beside(home / names[0], home / name)
    told = {"file": str(asked.file), "tokens": sweep.tokens, "variants": found}
    if asked.json:
        print(json.dumps(told))
    else:
        table(told)


if __name__ == "__main__":
    try:
        main()
    except CalmError as error:
        sys.exit(f"sweep: {error}")
