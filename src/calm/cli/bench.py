"""`calm bench`: generate on benchmarks and judge; `calm grade` scores what is stored."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from calm.cli import screen


def bench(  # noqa: PLR0913  # one flag per thing a user may say
    *names: str,
    model: str = "calm-135m",
    out: Path | None = None,
    limit: int | None = None,
    sample_seed: int = 0,
    constrained: bool = True,
    max_tokens: int = 256,
    protocol: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Run benchmarks on a model and judge it; a stopped run goes on, a larger --limit adds tasks.

    Args:
        names: toy, bfcl, api_bank, multiwoz; all that are at hand by default.
        model: a folder, an adapter folder, a hub id, calm-135m, or openai:MODEL@URL.
        out: the folder of the run, one folder a benchmark in it; out/bench/MODEL by default.
        limit: that many tasks per benchmark, a fixed sample over its categories.
        sample_seed: another fixed sample.
        constrained: hold calls to the tools' schemas while decoding (local models).
        max_tokens: longest step in tokens; a longer one is Garbled.
        protocol: how one benchmark prompts, reads and judges (bfcl: v3-2025-02, v4-2026-03,
            native-v4-2026-03; api_bank: hammer).
        json: print the scores as JSON.
    """
    from calm.bench import ROOMS
    from calm.bench.run import Plan
    from calm.errors import UsageError
    from calm.policy import load

    if unknown := [name for name in names if name not in ROOMS]:
        raise UsageError(f"no benchmark {unknown[0]!r}; there are: {', '.join(ROOMS)}")
    plan = Plan(limit=limit, sample_seed=sample_seed, model={"constrained": constrained, "max_tokens": max_tokens})
    if protocol and len(names) != 1:
        raise UsageError(f"--protocol is for one benchmark, not {len(names) or 'all'}; name one")
    folder = out or Path("out/bench") / model.strip("/").replace("/", "_")
    with screen.progress() as tick:
        policy = load(model, constrained=constrained, max_tokens=max_tokens, progress=tick)
        scores = judge_all(names or tuple(ROOMS), policy, folder, plan, tick, skip=not names, protocol=protocol)
    if json:
        screen.print_json(scores)
        return
    screen.print_rows([row for score in scores for row in table(score)])
    screen.out().print(f"{folder}: transcripts, verdicts and scores; calm report {folder}/*", markup=False)


def judge_all(  # noqa: PLR0913  # what `bench` was told
    names: tuple[str, ...],
    policy: Any,
    folder: Path,
    plan: Any,
    tick: screen.Tick,
    *,
    skip: bool,
    protocol: str | None = None,
) -> list[dict[str, Any]]:
    """Run and judge each benchmark; with `skip` those whose data are not at hand are named and left out."""
    from calm.bench import named
    from calm.bench.run import judge, run
    from calm.errors import HubError

    scores = []
    for name in names:
        benchmark = named(name, protocol)
        below = folder / (f"{name}-{protocol}" if protocol else name)
        try:
            ran = run(benchmark, policy, below, plan, lambda done, total, _, name=name: tick(name, done, total))
        except HubError as error:
            if not skip:
                raise
            screen.err().print(f"{name}: not run: {error}", markup=False)
            continue
        if ran.cut:
            screen.err().print(f"{name}: dropped a half-written last line and ran that task again", markup=False)
        scores.append(judge(benchmark, below))
    return scores


def table(score: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of one benchmark: all tasks, then each category, with interval, floor and ceiling."""
    rows = []
    for category, tally in {"all": score["all"], **score["categories"]}.items():
        bounds = [score[key]["all" if category == "all" else "categories"] for key in ("floor", "ceiling")]
        floor, ceiling = (b if category == "all" else b.get(category, {}) for b in bounds)
        rows.append(
            {
                "benchmark": f"{score['name']} ({score['protocol']}, {score['version']})" if category == "all" else "",
                "category": category,
                "n": tally["n"],
                "score": share(tally["share"]),
                "95 %": f"[{share(tally['low'])}, {share(tally['high'])}]",
                "floor": share(floor.get("share", 0.0)),
                "ceiling": share(ceiling.get("share", 0.0)),
            }
        )
    return rows


def share(value: float) -> str:
    """A share as a percentage with one decimal."""
    return f"{100 * value:.1f}"
