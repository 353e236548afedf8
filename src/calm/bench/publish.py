"""Runs of a published model: their answers and scores beside it, and `results.json`, all of it judged again from there.

A model folder has `runs/tuned` and `runs/base`, in each a folder per run with `answers.jsonl.gz`, verdicts and scores.
"""

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

from calm.bench import Benchmark, Verdict, answers, named
from calm.bench.figures import KEYS, Figure, figures
from calm.bench.judge import SCORES, VERDICTS, judge, transcripts_of
from calm.errors import DataError
from calm.files import read_json, read_jsonl, write_json

GROUPS = ("tuned", "base")
RESULTS = "results.json"


def release(run: Path, into: Path) -> Path:
    """Put the answers of a run of `calm bench` below `into`, judged from there; the folder is named after what ran.

    Raises:
        DataError: the folder holds no judged run, or one that cannot be played again.
    """
    benchmark = _benchmark(run)
    _, transcripts = transcripts_of(benchmark, run)
    held = _settings(transcripts[0].meta).get("constrained", True)
    folder = into / "-".join([benchmark.name, benchmark.protocol, *([] if held else ["unconstrained"])])
    folder.mkdir(parents=True, exist_ok=True)
    answers.write(benchmark, transcripts, folder / answers.ANSWERS)
    judge(benchmark, folder, "calm publish")
    return folder


def results(folder: Path) -> dict[str, Any]:
    """Judge every published run again and write `results.json`: the figures of the native runs, then those of all.

    Figures are in percent under `BENCHMARK.NAME`, of the untuned model under `base.BENCHMARK.NAME`; `about` has the
    protocol, items and interval of each under the same names.

    Raises:
        DataError: no run there, or one that cannot be read.
    """
    found = {f"{run.parent.name}/{run.name}": _judged(run) for run in runs(folder)}
    if not found:
        raise DataError(folder, f"holds no runs/{GROUPS[0]}/*/{answers.ANSWERS}; publish some with calm publish")
    tree: dict[str, Any] = {group: {} for group in GROUPS}
    for name, run in found.items():
        group = name.partition("/")[0]
        if run["constrained"] and run["usual"]:
            tree[group][KEYS.get(run["benchmark"], run["benchmark"])] = run["figures"]
    values, about = ({group: _each(tree[group], part) for group in GROUPS} for part in (_value, _about))
    result = {**values["tuned"], "base": values["base"], "about": {**about["tuned"], "base": about["base"]}}
    write_json(folder / RESULTS, {**result, "runs": found})
    return {**result, "runs": found}


def runs(folder: Path) -> list[Path]:
    """The published runs of a model folder, tuned before base."""
    return [path.parent for group in GROUPS for path in sorted(folder.glob(f"runs/{group}/*/{answers.ANSWERS}"))]


def _judged(run: Path) -> dict[str, Any]:
    benchmark = _benchmark(run)
    scores = judge(benchmark, run, "calm report")
    verdicts = [Verdict.model_validate(row) for _, row in read_jsonl(run / VERDICTS)]
    transcripts = [one for one in transcripts_of(benchmark, run)[1] if "error" not in one.meta]
    seconds = [float(str(one.meta["seconds"])) for one in transcripts if "seconds" in one.meta]
    meta = transcripts[0].meta if transcripts else {}
    return {
        "benchmark": benchmark.name,
        "protocol": benchmark.protocol,
        "version": benchmark.version,
        "usual": named(benchmark.name).protocol == benchmark.protocol,
        "policy": scores["policy"],
        "constrained": bool(_settings(meta).get("constrained", True)),
        **scores["tasks"],
        "errors": scores["errors"],
        "seconds_per_item": round(fmean(seconds), 2) if seconds else None,
        "figures": {k: v.model_dump() for k, v in figures(benchmark, scores, verdicts, transcripts).items()},
    }


def _benchmark(run: Path) -> Benchmark:
    path = run / SCORES
    if not path.is_file():
        raise DataError(run, f"holds no {SCORES}; it is written by calm bench")
    scores = read_json(path)
    return named(scores["name"], scores["protocol"])


def _settings(meta: Any) -> dict[str, Any]:
    return meta.get("run", {}).get("settings", {})


def _each(tree: dict[str, Any], part: Any) -> dict[str, Any]:
    return {benchmark: {k: part(Figure(**v)) for k, v in found.items()} for benchmark, found in tree.items()}


def _value(figure: Figure) -> float:
    return figure.value


def _about(figure: Figure) -> dict[str, Any]:
    return figure.model_dump(exclude={"value"})


def rows(results: dict[str, Any]) -> Iterator[dict[str, str]]:
    """The figures of tuned and base model beside each other, as rows of a table."""
    for benchmark, values in results.items():
        if benchmark in ("base", "about", "runs"):
            continue
        for name in values:
            yield {
                "benchmark": benchmark,
                "figure": name,
                "tuned": _said(results, results["about"], benchmark, name),
                "base": _said(results["base"], results["about"]["base"], benchmark, name),
                "n": str(results["about"][benchmark][name]["n"]),
                "protocol": results["about"][benchmark][name]["protocol"],
            }


def _said(values: dict[str, Any], about: dict[str, Any], benchmark: str, name: str) -> str:
    if name not in values.get(benchmark, {}):
        return "not run"
    figure = about[benchmark][name]
    return f"{values[benchmark][name]:.1f} [{figure['low']:.1f}, {figure['high']:.1f}]"
