"""Counting verdicts honestly: shares and averages with their 95 % intervals, and what sets two runs apart."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from calm import stats
from calm.bench import Benchmark, Verdict


def tally(verdicts: Iterable[Verdict]) -> dict[str, float]:
    """`n`, `valid`, `share` and the Wilson interval `low`..`high` of some verdicts; the share of nothing is 0."""
    marks = [verdict.valid for verdict in verdicts]
    n, valid = len(marks), sum(marks)
    low, high = stats.wilson(valid, n)
    return {"n": n, "valid": valid, "share": valid / n if n else 0.0, "low": low, "high": high}


def by_category(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    """Verdicts grouped by category, in the order in which the categories first come."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault(verdict.category, []).append(verdict)
    return groups


def errors(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """How often each error type occurs, the most frequent first, equally frequent ones by name."""
    counts = Counter(v.error_type or "unnamed" for v in verdicts if not v.valid)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def same(made: Iterable[object], due: Iterable[object]) -> bool:
    """Whether both hold equal things, each as often, in any order; the things need no hash."""
    left = list(due)
    for one in made:
        if one not in left:
            return False
        left.remove(one)
    return not left


def intervals(benchmark: Benchmark, verdicts: Sequence[Verdict]) -> dict[str, tuple[float, float]]:
    """The 95 % bootstrap interval of each average in the benchmark's summary, items drawn within their categories.

    The order of the verdicts does not matter. An average that no draw changes (all right, all wrong) has no interval.
    """
    groups = by_category(sorted(verdicts, key=lambda verdict: verdict.id))
    return stats.bootstrap(list(groups.values()), benchmark.summary)


class Apart(NamedTuple):
    """One average of two runs on the same items, second less first, and the bootstrap interval of that difference."""

    first: float
    second: float
    difference: float
    low: float
    high: float


def compare(benchmark: Benchmark, first: Sequence[Verdict], second: Sequence[Verdict]) -> dict[str, Apart]:
    """Every average of two runs on the items that both judged; the intervals draw an item for both runs at once."""
    theirs = {verdict.id: verdict for verdict in second}
    both = [(verdict, theirs[verdict.id]) for verdict in sorted(first, key=lambda v: v.id) if verdict.id in theirs]
    strata: dict[str, list[tuple[Verdict, Verdict]]] = {}
    for pair in both:
        strata.setdefault(pair[0].category, []).append(pair)
    spans = stats.bootstrap(list(strata.values()), lambda drawn: _differences(benchmark, drawn))
    left, right = _averages(benchmark, both)
    return {name: Apart(left[name], right[name], right[name] - left[name], *span) for name, span in spans.items()}


def _averages(benchmark: Benchmark, pairs: Sequence[tuple[Verdict, Verdict]]) -> tuple[Mapping[str, Any], ...]:
    return benchmark.summary([one for one, _ in pairs]), benchmark.summary([other for _, other in pairs])


def _differences(benchmark: Benchmark, pairs: Sequence[tuple[Verdict, Verdict]]) -> dict[str, float]:
    left, right = _averages(benchmark, pairs)
    return {
        name: right[name] - value
        for name, value in left.items()
        if isinstance(value, float) and isinstance(right.get(name), float)
    }
