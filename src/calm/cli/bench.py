"""`calm bench`: generate on benchmarks and judge; `calm grade` scores what is stored."""

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from cyclopts import Parameter

from calm.cli import screen
from calm.cli.flags import Count, Weight


def bench(  # noqa: PLR0913  # one flag per thing a user may say
    *names: str,
    model: str = "calm-135m",
    out: Path | None = None,
    limit: Count | None = None,
    only: tuple[str, ...] = (),
    sample_seed: int = 0,
    constrained: bool = True,
    grounded: Weight = 0.0,
    max_tokens: Count = 512,
    protocol: str | None = None,
    resume: bool = True,
    concurrency: Count = 1,
    rate: str | None = None,
    budget: int | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Run benchmarks on a model and judge it; a stopped run goes on, a larger --limit adds tasks.

    Ctrl-C loses nothing that is finished. Scores have 95 % intervals: Wilson's for shares, bootstrap for averages.

    Args:
        names: toy, bfcl, api_bank, multiwoz, all that are at hand by default; or a dataset's folder, for its held-out
            rows step by step.
        model: a folder, an adapter folder, a hub id, calm-135m, or openai:MODEL@URL.
        out: the folder of the run, one folder a benchmark in it; out/bench/MODEL by default.
        limit: that many tasks per benchmark, a fixed sample over its categories.
        only: tasks of these categories, e.g. --only 'live_*' --only simple; what is there of others is kept.
        sample_seed: another fixed sample.
        constrained: hold calls to the tools' schemas while decoding (local models).
        grounded: prefer values that the conversation holds, by so much on their logits, e.g. 2 (local models).
        max_tokens: longest step in tokens; a longer one is Garbled, words under the grammar are brought to their end.
        protocol: how one benchmark prompts, reads and judges (bfcl: v3-2025-02, v4-2026-03,
            native-v4-2026-03; api_bank: hammer; multiwoz: offline).
        resume: go on with what the folder holds; --no-resume sets it aside (transcripts.1.jsonl) and begins anew.
        concurrency: that many tasks at once; a local model decodes them together, several times faster.
        rate: at most so many requests, as 5/s, 300/m or 1000/h, over all tasks at once (openai: models).
        budget: begin no task after this command has cost so many tokens, read and written (openai: models); the
            same command goes on.
        json: print the scores as JSON.
    """
    from calm.bench import ROOMS
    from calm.bench.run import Plan
    from calm.errors import UsageError
    from calm.recipe import check

    if unknown := [name for name in names if name not in ROOMS and not Path(name).exists()]:
        raise UsageError(f"no benchmark {unknown[0]!r}; there are: {', '.join(ROOMS)}, and a dataset's folder")
    if protocol and len(names) != 1:
        raise UsageError(f"--protocol is for one benchmark, not {len(names) or 'all'}; name one")
    asked = {"limit": limit, "only": only, "sample_seed": sample_seed, "concurrency": concurrency, "budget": budget}
    settings = {"constrained": constrained, "max_tokens": max_tokens, **({"grounded": grounded} if grounded else {})}
    if not model.startswith("openai:"):
        settings["precision"] = "f16"  # eight bits are for talking: reported scores are the model's own
    plan = check(Plan, {**asked, "model": settings}, "calm bench")
    folder = out or Path("out/bench") / model.strip("/").replace("/", "_")
    with screen.progress() as tick, _policy(model, plan, rate, tick) as policy:
        scores = judge_all(names or tuple(ROOMS), Job(policy, folder, plan, tick, protocol, resume), skip=not names)
    if json:
        screen.print_json(scores)
        return
    show(scores)
    screen.out().print(f"{folder}: transcripts, verdicts and scores; calm report {folder}/*", markup=False)


@contextlib.contextmanager
def _policy(model: str, plan: Any, rate: str | None, tick: screen.Tick) -> Generator[Any]:
    """The policy of that name: an endpoint at its pace, a local model alone or decoding together."""
    from calm.errors import UsageError
    from calm.policy import ground, load

    settings = dict(plan.model)
    weight = settings.pop("grounded", 0.0)
    if model.startswith("openai:"):
        from calm.policy.endpoint import Endpoint
        from calm.policy.pace import Pace

        endpoint = Endpoint.named(model, max_tokens=settings["max_tokens"], pace=Pace.named(rate))
        yield ground(endpoint, weight)
        return
    if rate or plan.budget:
        raise UsageError(f"--rate and --budget are for openai:MODEL@URL; {model} runs here and costs nothing")
    from calm.policy.local.together import for_threads

    with for_threads(ground(load(model, **settings, progress=tick), weight), plan.concurrency) as policy:
        yield policy


class Job(NamedTuple):
    """What is run, where and how: the same for each benchmark."""

    policy: Any
    folder: Path
    plan: Any
    tick: screen.Tick
    protocol: str | None = None
    resume: bool = True


def judge_all(names: tuple[str, ...], job: Job, *, skip: bool) -> list[dict[str, Any]]:
    """Run and judge each benchmark; with `skip` those whose data are not at hand are named and left out."""
    from calm.bench import named
    from calm.bench.judge import judge
    from calm.errors import HubError
    from calm.files import claimed
    from calm.policy.endpoint import Unreachable

    scores = []
    for name in names:
        benchmark = named(name, job.protocol)
        below = job.folder / (f"{benchmark.name}-{job.protocol}" if job.protocol else benchmark.name)
        try:
            with claimed(below):
                scores += [judge(benchmark, below)] if _run(name, benchmark, below, job) else []
        except HubError as error:
            if not skip or isinstance(error, Unreachable):
                raise
            screen.err().print(f"{name}: not run: {error}", markup=False)
    return scores


def _run(name: str, benchmark: Any, folder: Path, job: Job) -> bool:
    """Whether there is anything to judge; a budget may be spent before the first task."""
    from calm.bench.run import run
    from calm.bench.transcripts import TRANSCRIPTS, set_aside

    if not job.resume and (aside := set_aside(folder / TRANSCRIPTS)):
        screen.err().print(f"{name}: what was there is in {aside}", markup=False)
    ran = run(benchmark, job.policy, folder, job.plan, lambda done, total, _: job.tick(name, done, total))
    if ran.cut:
        screen.err().print(f"{name}: dropped a half-written last line and ran that task again", markup=False)
    if ran.errors:
        screen.err().print(
            f"{name}: {ran.errors} tasks ended in an error; the same command tries them again", markup=False
        )
    if ran.left:
        words = f"{name}: the budget is spent, {ran.left:,} tasks are left; the same command goes on"
        screen.err().print(words, markup=False)
    return ran.kept + ran.new > 0


def show(scores: list[dict[str, Any]]) -> None:
    """The shares of all benchmarks in one table, then the averages of each in its own."""
    from calm.bench.judge import averages, beside

    screen.print_rows([row for score in scores for row in table(score)])
    for score in scores:
        screen.print_rows(averages(score), title=f"\n{score['name']}: its own averages, 95 % by bootstrap")
        if soft := beside(score):
            screen.print_rows(soft, title=f"\n{score['name']}: controls on the same tasks")


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
