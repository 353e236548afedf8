"""What it does to accuracy that values lean towards what was said: the same tasks with and without the bonus.

    python benchmarks/grounding.py [--model calm-135m] [--bench bfcl] [--only simple --only live_simple] [--count 100]
        [--weight 2 --weight 4] [--max-tokens 256] [--json]

One row for each weight, 0 first: n, right, their share with Wilson's 95 % interval, and of the pairs that differ from
weight 0 how many are better and worse, with the exact p of McNemar's test. For judging only: no weight is tuned here.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from calm import stats
from calm.bench import Benchmark, Verdict, named, score
from calm.bench.judge import grade_transcripts
from calm.bench.run import TRANSCRIPTS, Plan, run
from calm.conversation import read
from calm.policy.local import Local
from calm.policy.local.together import for_threads

WIDTH = 16
"""Tasks decoded together."""


def verdicts(benchmark: Benchmark, policy: Local, plan: Plan, weight: float) -> list[Verdict]:
    """The verdicts on a policy whose values lean so much towards what was said."""
    policy.grounded = weight
    with tempfile.TemporaryDirectory() as folder, for_threads(policy, plan.concurrency) as together:
        run(benchmark, together, Path(folder), plan)
        return grade_transcripts(benchmark, read(Path(folder) / TRANSCRIPTS))


def row(weight: float, found: list[Verdict], without: list[Verdict]) -> dict[str, Any]:
    """One weight's figures beside those of weight 0."""
    before = {verdict.id: verdict.valid for verdict in without}
    better = sum(verdict.valid and not before[verdict.id] for verdict in found)
    worse = sum(before[verdict.id] and not verdict.valid for verdict in found)
    apart = {"better": better, "worse": worse, "p": stats.mcnemar(better, worse)}
    return {"weight": weight, **score.tally(found), **apart}


def main() -> None:
    """Run and print."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--model", default="calm-135m")
    flags.add_argument("--bench", default="bfcl")
    flags.add_argument("--only", action="append", help="categories; simple and live_simple of bfcl by default")
    flags.add_argument("--count", type=int, default=100)
    flags.add_argument("--weight", type=float, action="append", help="logits; 2 and 4 by default")
    flags.add_argument("--max-tokens", type=int, default=256)
    flags.add_argument("--json", action="store_true")
    asked = flags.parse_args()
    usual = ["simple", "live_simple"] if asked.bench == "bfcl" else []
    plan = Plan(limit=asked.count, only=tuple(asked.only or usual), concurrency=WIDTH)
    policy = Local.load(asked.model, max_tokens=asked.max_tokens, precision="f16")
    benchmark = named(asked.bench)
    without = verdicts(benchmark, policy, plan, 0.0)
    rows = [row(0.0, without, without)]
    rows += [row(w, verdicts(benchmark, policy, plan, w), without) for w in asked.weight or (2.0, 4.0)]
    if asked.json:
        print(json.dumps({"model": policy.name, "bench": asked.bench, "rows": rows}))
        return
    print("weight    n  right  share       95 %       better  worse      p")
    for r in rows:
        share = f"{r['share']:6.1%}  {r['low']:5.1%}-{r['high']:5.1%}"
        print(f"{r['weight']:6.1f} {r['n']:4} {r['valid']:6} {share} {r['better']:7} {r['worse']:6} {r['p']:6.3f}")


if __name__ == "__main__":
    main()
