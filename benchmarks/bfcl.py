"""Cold start to a graded BFCL result folder: `calm grade bfcl` beside `bfcl evaluate`, seconds, memory, packages, MB.

    python benchmarks/bfcl.py [--runs 5] [--bfcl VENV]        seconds; with --bfcl VENV about a minute

The folder holds V4's 4,441 single-turn and multi-turn truths written out as answers. `bfcl evaluate` is measured only
where VENV, a virtual environment with bfcl-eval 2026.3.23 in it, is named; otherwise the row says so.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from calm.bench.bfcl import ceilings, results, versions

MODEL = "uiuc-convai/CoALM-8B"
"""Upstream's name of a model that is read in prompt mode."""
CODE = """
from importlib import metadata
found = {d.name.lower(): d for d in metadata.distributions()}
sizes = [f.locate().stat().st_size for d in found.values() for f in d.files or () if f.locate().is_file()]
print(len(found), sum(sizes))
"""


class Cost(NamedTuple):
    """Medians over runs: wall and CPU seconds; the largest resident memory in MB; rows that were valid."""

    wall: float
    cpu: float
    memory: float


def measured(command: Sequence[str], env: dict[str, str], runs: int) -> Cost:
    """The cost of a command that must end well, each run in a process of its own."""
    found = [_once(command, env) for _ in range(runs)]
    return Cost(*(statistics.median(column) for column in zip(*found, strict=True)))


def _once(command: Sequence[str], env: dict[str, str]) -> tuple[float, float, float]:
    began = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def ours() -> tuple[int, float]:
    """Packages that calm-lm and its extra `bench` need, and their MB on disk."""
    names, todo = set(), ["calm-lm"]
    while todo:
        name = todo.pop()
        if name not in names:
            names.add(name)
            todo += _needs(name)
    sizes = [_megabytes(name) for name in names]
    return len(names), sum(sizes)


def _needs(name: str) -> list[str]:
    wanted = []
    for line in metadata.requires(name) or ():
        plain, _, marker = line.partition(";")
        if "extra" not in marker or (name == "calm-lm" and re.search(r"extra\s*==\s*['\"]bench['\"]", marker)):
            found = re.split(r"[\s<>=!~\[(]", plain.strip(), maxsplit=1)[0]
            wanted += [found] if _is_installed(found) else []
    return wanted


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _megabytes(name: str) -> float:
    files = [Path(str(file.locate())) for file in metadata.files(name) or ()]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def main() -> None:
    """Print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--bfcl", type=Path, help="a virtual environment with bfcl-eval in it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        below = Path(folder) / "result" / MODEL.replace("/", "_")
        made = ceilings.written("v4")
        rows = ({"category": item.category, "id": item.id, "output": output} for item, output in made)
        results.write(below, rows, versions.named("v4"))
        print(f"{len(made):,} rows, medians of {given.runs} cold starts")
        calm = [str(Path(sys.executable).parent / "calm"), "grade", "bfcl", str(below)]
        show("calm grade bfcl", measured(calm, {}, given.runs), *ours())
        if given.bfcl is None:
            print("bfcl evaluate     not run: name a virtual environment that has bfcl-eval by --bfcl")
            return
        upstream = [str(given.bfcl / "bin" / "bfcl"), "evaluate", "--model", MODEL]
        upstream += ["--test-category", "single_turn,multi_turn"]
        packages = subprocess.run(
            [str(given.bfcl / "bin" / "python"), "-c", CODE], capture_output=True, text=True, check=True
        )
        count, size = packages.stdout.split()
        cost = measured(upstream, {"BFCL_PROJECT_ROOT": folder}, given.runs)
        show("bfcl evaluate", cost, int(count), int(size) / 1e6)


def show(name: str, cost: Cost, packages: int, megabytes: float) -> None:
    """One tool's line."""
    spent = f"{cost.wall:6.2f} s wall {cost.cpu:6.2f} s CPU {cost.memory:6.0f} MB memory"
    print(f"{name:17} {spent} {packages:4} packages {megabytes:7,.0f} MB")


if __name__ == "__main__":
    main()
