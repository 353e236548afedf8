"""Run folders side by side: what each scored, what changed item by item, and what differs between their manifests.

A run folder is known by its files: `scores.json` (with `verdicts.jsonl` and `transcripts.jsonl`) from a benchmark,
`metrics.jsonl` and `eval.json` from training, `manifest.json` from anything. Numbers are read, never made up: what a
file lacks is left out of the page.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from calm import stats
from calm.conversation import Conversation, read
from calm.errors import DataError
from calm.files import read_json, read_jsonl
from calm.recipe import MANIFEST, read_manifest
from calm.report import (
    Average,
    Bar,
    BarSection,
    DialogueSection,
    Facts,
    Figure,
    LossSection,
    Pair,
    PairSection,
    Score,
    ScoreSection,
    Section,
    TableSection,
    Title,
    Verdict,
)
from calm.report.words import flat, interval, number, span

SCORES, VERDICTS, TRANSCRIPTS, LOG, EVAL = (
    "scores.json",
    "verdicts.jsonl",
    "transcripts.jsonl",
    "metrics.jsonl",
    "eval.json",
)
KNOWN = (SCORES, LOG, EVAL, MANIFEST, TRANSCRIPTS)
DIALOGUES = 2
"""Transcripts shown for each benchmark run: a right and a wrong one where there are both."""


class Run(NamedTuple):
    """What one folder holds; `name` tells it from the other runs, `label` is its model, with the name if need be."""

    name: str
    label: str
    folder: Path
    scores: dict[str, Any] | None
    verdicts: dict[str, Verdict]
    log: list[dict[str, Any]]
    held_out: dict[str, Any]
    manifest: dict[str, Any]

    @property
    def benchmark(self) -> str:
        """Name of the benchmark; empty for a run that judged nothing."""
        return str((self.scores or {}).get("name") or (self.scores or {}).get("benchmark") or "")

    @property
    def judged(self) -> tuple[str, ...]:
        """Benchmark, protocol and version: only runs that share all three are compared item by item."""
        return (self.benchmark, *(str((self.scores or {}).get(key) or "") for key in ("protocol", "version")))

    @property
    def model(self) -> str:
        """The model that was judged, the run's own name where the scores do not say."""
        return str((self.scores or {}).get("policy") or (self.scores or {}).get("model") or self.name)


Compare = Callable[[Run, Run], Sequence[Average]]
"""The averages of two runs on the items that both judged, with the intervals of their differences."""


def no_averages(first: Run, second: Run) -> Sequence[Average]:
    """None at all: averaging belongs to the benchmarks, which no report knows."""
    return ()


def load(folders: Sequence[Path]) -> list[Run]:
    """The runs of some folders; a folder of run folders stands for those inside it, in order of name.

    Raises:
        DataError: a folder that does not exist or holds no run, or a file in it that cannot be read.
    """
    found = [run for folder in folders for run in _runs(folder)]
    names = _names(found)
    runs = [_load(folder, name) for folder, name in zip(found, names, strict=True)]
    shared = Counter((run.benchmark, run.model) for run in runs)
    return [
        run._replace(label=f"{run.model} ({run.name})" if shared[run.benchmark, run.model] > 1 else run.model)
        for run in runs
    ]


def _runs(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(folder, "no such folder; name a run folder, as written by calm bench, train or build")
    if any((folder / name).is_file() for name in (SCORES, LOG, EVAL)):
        return [folder]
    below = sorted({path.parent for name in (SCORES, LOG) for path in folder.rglob(name)})
    if below or (folder / MANIFEST).is_file():
        return below or [folder]
    raise DataError(folder, f"holds no run: none of {', '.join(KNOWN[:4])}, nor a folder with them")


def _names(folders: Sequence[Path]) -> list[str]:
    """The last part of each path, with as many parts before it as it takes to tell it from the others."""
    parts = [folder.resolve().parts for folder in folders]
    shared = Counter(p[-length:] for p in parts for length in range(1, len(p) + 1))
    ends = [next((p[-n:] for n in range(1, len(p) + 1) if shared[p[-n:]] == 1), None) for p in parts]
    return ["/".join(end) if end else str(folder) for end, folder in zip(ends, folders, strict=True)]


def _load(folder: Path, name: str) -> Run:
    judged = _object(folder / SCORES)
    if judged is not None and not any(_tallies(judged)):
        raise DataError(folder / SCORES, "has neither `all` nor `categories`; judge again, as calm bench or grade does")
    return Run(
        name=name,
        label=name,
        folder=folder,
        scores=judged,
        verdicts={str(row.get("id")): row for row in _rows(folder / VERDICTS)},
        log=_rows(folder / LOG),
        held_out=_object(folder / EVAL) or {},
        manifest=read_manifest(folder) or {},
    )


def _object(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    found = read_json(path)
    if not isinstance(found, dict):
        raise DataError(path, f"holds {type(found).__name__}, not an object")
    return found


def _rows(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_jsonl(path)] if path.is_file() else []


# --- sections ------------------------------------------------------------------------------------------------------


def sections(runs: Sequence[Run], compared: Sequence[Pair] | None = None) -> list[Section]:
    """The page of some runs: head, scores, paired differences, losses, what differs, dialogues, facts.

    `compared` are the pairs where `pairs` has been asked already, with averages.
    """
    rows, pairs_found = scores(runs), pairs(runs) if compared is None else compared
    found: list[Section] = [_title(runs, rows)]
    if rows:
        found.append(ScoreSection(rows=tuple(rows), note=SCORE_NOTE))
    found += _tables(runs)
    if pairs_found:
        found.append(PairSection(pairs=tuple(pairs_found), note=PAIR_NOTE))
    found += [_loss(run) for run in runs if run.log or run.held_out]
    found += _differing(runs)
    found += [section for run in runs for section in _dialogues(run)]
    return [*found, *(_facts(run) for run in runs if run.manifest)]


SCORE_NOTE = (
    "Share of items solved, with its 95 % interval. The ticks on each bar are what silence (floor) and the gold "
    "answer (ceiling) score on the same items."
)
PAIR_NOTE = (
    "Only items that both runs judged count. The sign test (McNemar, exact) asks whether as many flip either way; "
    "intervals are 95 %, by bootstrap over the items, each drawn for both runs at once."
)


def _title(runs: Sequence[Run], rows: Sequence[Score]) -> Title:
    overall = [row for row in rows if row.category == ALL]
    tiles = [Figure(label=f"{r.benchmark}, {r.model}", value=f"{100 * r.score:.1f} %", note=_tail(r)) for r in overall]
    return Title(
        title=f"Report on {runs[0].name}" if len(runs) == 1 else f"{len(runs)} runs compared",
        lead=" · ".join(run.name for run in runs),
        figures=tuple(tiles[:8]),
    )


def _tail(row: Score) -> str:
    return interval(row.score, row.low, row.high, row.n).partition("% ")[2]


ALL = "all"


def scores(runs: Sequence[Run]) -> list[Score]:
    """One row for each run and category that its `scores.json` counts, `all` first; runs of one benchmark together."""
    found = [row for run in runs if run.scores for row in _scores(run, run.scores)]
    order = list(dict.fromkeys(row.benchmark for row in found))
    return sorted(found, key=lambda row: order.index(row.benchmark))


def _scores(run: Run, scores: Mapping[str, Any]) -> Iterator[Score]:
    for category, tally in _tallies(scores):
        if not isinstance(tally.get("n"), int) or not isinstance(tally.get("share"), int | float):
            raise DataError(run.folder / SCORES, f"categories.{category}: lacks n or share; judge the run again")
        if tally["n"]:
            yield Score(
                benchmark=run.benchmark or run.name,
                category=category,
                model=run.label,
                n=tally["n"],
                score=tally["share"],
                low=tally.get("low"),
                high=tally.get("high"),
                floor=_bound(scores.get("floor"), category),
                ceiling=_bound(scores.get("ceiling"), category),
            )


def _tallies(scores: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(scores.get("all"), Mapping):
        yield ALL, scores["all"]
    for category, tally in (scores.get("categories") or {}).items():
        if isinstance(tally, Mapping):
            yield category, tally


def _bound(totals: Any, category: str) -> float | None:
    tally = dict(_tallies(totals)).get(category) if isinstance(totals, Mapping) else None
    return tally.get("share") if tally and tally.get("n") else None


def _tables(runs: Sequence[Run]) -> Iterator[TableSection | BarSection]:
    """For each benchmark its own averages, what the controls get, and how often each error occurred."""
    yield from averages(runs)
    for benchmark, same in _by_benchmark(runs).items():
        soft = next(iter(same.values())).get("controls") or {}
        yield from _table(f"{benchmark}: controls", "summary", soft, "What soft answers get on the same items.")
        groups = {label: kinds for label, totals in same.items() if (kinds := _kinds(totals))}
        if groups:
            note = "Items that each kind of error ended, as a share of those judged."
            yield BarSection(title=f"{benchmark}: what went wrong", groups=groups, note=note)


KINDS = 12
"""Kinds of error that are drawn apart; the rarer ones stand together."""


def _kinds(totals: Mapping[str, Any]) -> tuple[Bar, ...]:
    """A bar for each kind of error, the most frequent first."""
    found = sorted((totals.get("errors") or {}).items(), key=lambda kind: (-kind[1], kind[0]))
    rare = sum(count for _, count in found[KINDS:])
    drawn = [*found[:KINDS], *([(f"{len(found) - KINDS} other kinds", rare)] if rare else [])]
    judged = (
        (totals.get("tasks") or {}).get("judged") or (totals.get("all") or {}).get("n") or sum(dict(found).values())
    )
    return tuple(Bar(label=k, value=n / judged, text=f"{n} of {judged}, {100 * n / judged:.1f} %") for k, n in drawn)


def averages(runs: Sequence[Run]) -> Iterator[TableSection]:
    """Each benchmark's own averages with their intervals, beside what silence and gold get."""
    for benchmark, same in _by_benchmark(runs).items():
        first = next(iter(same.values()))
        bounds = {name: first[name] for name in ("floor", "ceiling") if isinstance(first.get(name), Mapping)}
        note = "; ".join(str(first[key]) for key in ("version", "note") if first.get(key))
        yield from _table(f"{benchmark} in its own averages", "summary", {**same, **bounds}, note)


def _by_benchmark(runs: Sequence[Run]) -> dict[str, dict[str, dict[str, Any]]]:
    names = dict.fromkeys(run.benchmark for run in runs if run.scores)
    return {name: {r.label: r.scores for r in runs if r.scores and r.benchmark == name} for name in names}


def _table(title: str, key: str, columns: Mapping[str, Mapping[str, Any]], note: str) -> Iterator[TableSection]:
    cells = {name: _cells(totals, key) for name, totals in columns.items()}
    names = dict.fromkeys(name for column in cells.values() for name in column)
    if names:
        rows = tuple((name, *(column.get(name, "–") for column in cells.values())) for name in names)
        yield TableSection(title=title, head=("Metric", *cells), rows=rows, note=note)


def _cells(totals: Mapping[str, Any], key: str) -> dict[str, str]:
    """Spelled figures by name, an average with its interval where it has one."""
    spans = totals.get("intervals") or {} if key == "summary" else {}
    cells = flat(totals.get(key) or {}, spell=number)
    return {name: f"{cell} {span(*spans[name])}" if name in spans else cell for name, cell in cells.items()}


def _differing(runs: Sequence[Run]) -> Iterator[TableSection]:
    for what, group in alike(runs).items():
        if rows := differences(group):
            head = ("Setting", *(run.name for run in group))
            yield TableSection(title=f"What differs between the runs of {what}", head=head, rows=tuple(rows))


def _loss(run: Run) -> LossSection:
    drawn = [
        (row["step"], row["loss"]) for row in run.log if _is_number(row.get("step")) and _is_number(row.get("loss"))
    ]
    before, after = (run.held_out.get(f"held_out_loss_{when}") for when in ("before", "after"))
    note = f"{len(run.log):,} logged steps" if run.log else "no steps were logged"
    if _is_number(before) and _is_number(after):
        note += f"; on held-out rows {before:.3f} before, {after:.3f} after"
    return LossSection(
        title=f"Loss of {run.name}",
        points=tuple(drawn),
        before=before if _is_number(before) else None,
        after=after if _is_number(after) else None,
        note=f"{note}.",
    )


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)


def _dialogues(run: Run) -> Iterator[DialogueSection]:
    path = run.folder / TRANSCRIPTS
    if not path.is_file():
        return
    transcripts = {transcript.id: transcript for transcript in read(path)}
    for transcript in _telling(list(transcripts.values()), run.verdicts):
        yield DialogueSection(
            title=f"{transcript.id or 'A transcript'} by {run.label}",
            conversation=transcript,
            verdict=run.verdicts.get(transcript.id),
        )


def _telling(transcripts: Sequence[Conversation], verdicts: Mapping[str, Verdict]) -> list[Conversation]:
    """The first right and the first wrong transcript, else the first few."""
    valid = {t.id: verdicts.get(t.id, {}).get("valid") for t in transcripts}
    picked = [next((t for t in transcripts if valid[t.id] is mark), None) for mark in (True, False)]
    found = [t for t in picked if t is not None]
    return found or list(islice(transcripts, DIALOGUES))


def _facts(run: Run) -> Facts:
    plain = {key: found for key, found in run.manifest.items() if not isinstance(found, Mapping)}
    groups = {key: flat(found) for key, found in run.manifest.items() if isinstance(found, Mapping) and found}
    return Facts(title=f"Where {run.name} comes from", groups={"run": plain, **groups})


# --- comparing -----------------------------------------------------------------------------------------------------


def pairs(runs: Sequence[Run], compare: Compare = no_averages) -> list[Pair]:
    """Each later run of a benchmark against the first one judged as it was, on the items that both judged.

    `compare` gives the averages that the benchmark itself makes; without it the items alone are compared.
    """
    first: dict[tuple[str, ...], Run] = {}
    found = []
    for run in runs:
        if run.scores and run.verdicts:
            reference = first.setdefault(run.judged, run)
            pair = _pair(reference, run, compare) if reference is not run else None
            found += [pair] if pair else []
    return found


def _pair(first: Run, second: Run, compare: Compare) -> Pair | None:
    flips = stats.flips(_marks(first), _marks(second))
    if flips is None:
        return None
    apart = len(first.verdicts) + len(second.verdicts) - 2 * flips.n
    return Pair(
        benchmark=first.benchmark,
        first=first.label,
        second=second.label,
        **flips._asdict(),
        averages=tuple(compare(first, second)),
        note=f"{apart:,} items judged in one run only are left out." if apart else "",
    )


def _marks(run: Run) -> dict[str, bool]:
    return {item: verdict.get("valid") is True for item, verdict in run.verdicts.items()}


def unpaired(runs: Sequence[Run]) -> list[str]:
    """Why runs of one benchmark are not compared: another protocol or version has judged them, or no item is shared."""
    known: dict[str, Run] = {}
    found = []
    for run in runs:
        first = known.setdefault(run.benchmark, run) if run.scores and run.verdicts else run
        if first.judged != run.judged:
            words = (", ".join(filter(None, one.judged[1:])) or "unnamed" for one in (first, run))
            found.append("{} and {} are not paired: judged by {} and by {}".format(first.name, run.name, *words))
        elif first is not run and not first.verdicts.keys() & run.verdicts.keys():
            found.append(f"{first.name} and {run.name} are not paired: no item was judged in both")
    return found


def differences(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """Rows (setting, value in each run) of the recipe, versions and input files on which the manifests disagree."""
    trees = [_settings(run.manifest) for run in runs]
    keys = dict.fromkeys(key for tree in trees for key in tree)
    rows = [(key, *(tree.get(key, "–") for tree in trees)) for key in keys]
    return [row for row in rows if len(set(row[1:])) > 1]


def _settings(manifest: Mapping[str, Any]) -> dict[str, str]:
    inputs = {name: str(sha)[:12] for name, sha in (manifest.get("inputs") or {}).items() if name != TRANSCRIPTS}
    return flat({"recipe": manifest.get("recipe") or {}, "versions": manifest.get("versions") or {}, "inputs": inputs})


def alike(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs with a manifest by what they did (a benchmark's name, a command), where two or more did the same."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.manifest:
            groups.setdefault(run.benchmark or str(run.manifest.get("command")), []).append(run)
    return {what: group for what, group in groups.items() if len(group) > 1}
