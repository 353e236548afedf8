"""Counting verdicts honestly: shares with their 95 % intervals, and the paired test that two models need."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from calm.bench import Verdict
from calm.errors import UsageError

Z95 = 1.959963984540054


def wilson(valid: int, n: int, z: float = Z95) -> tuple[float, float]:
    """The Wilson score interval of a share, which stays inside 0..1 and is right for small n (Wilson 1927)."""
    if not n:
        return 0.0, 1.0
    share, slack = valid / n, z * z / n
    middle = (share + slack / 2) / (1 + slack)
    half = z / (1 + slack) * math.sqrt(share * (1 - share) / n + slack / (4 * n))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def tally(verdicts: Iterable[Verdict]) -> dict[str, float]:
    """`n`, `valid`, `share` and the interval `low`..`high` of some verdicts; the share of nothing is 0."""
    marks = [verdict.valid for verdict in verdicts]
    n, valid = len(marks), sum(marks)
    low, high = wilson(valid, n)
    return {"n": n, "valid": valid, "share": valid / n if n else 0.0, "low": low, "high": high}


def by_category(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    """Verdicts grouped by category, in the order in which the categories first come."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault(verdict.category, []).append(verdict)
    return groups


def errors(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """How often each error type occurs, the most frequent first."""
    return dict(Counter(v.error_type or "unnamed" for v in verdicts if not v.valid).most_common())


class Paired(NamedTuple):
    """Two models on the same tasks; `p` is McNemar's exact two-sided p of "equally good"."""

    both: int
    only_first: int
    only_second: int
    neither: int
    p: float


def compare(first: Sequence[Verdict], second: Sequence[Verdict]) -> Paired:
    """Count where two models differ, task by task, whatever the order of the lists.

    Raises:
        UsageError: the lists judge different tasks, so nothing can be paired.
    """
    left, right = ({v.id: v.valid for v in verdicts} for verdicts in (first, second))
    if left.keys() != right.keys():
        odd = sorted(left.keys() ^ right.keys())
        raise UsageError(
            f"the runs judge different tasks ({len(odd)} in one only, e.g. {odd[0]!r}); compare equal samples"
        )
    cells = Counter((left[key], right[key]) for key in left)
    ahead, behind = cells[True, False], cells[False, True]
    return Paired(cells[True, True], ahead, behind, cells[False, False], mcnemar(ahead, behind))


def mcnemar(ahead: int, behind: int) -> float:
    """Exact two-sided p that discordant pairs split this unevenly by chance: a binomial test with p = 1/2."""
    n, least = ahead + behind, min(ahead, behind)
    tail = sum(math.comb(n, k) for k in range(least + 1))
    return min(1.0, float(2 * tail / 2**n))
