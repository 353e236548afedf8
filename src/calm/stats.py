"""The statistics that judging and reporting share: intervals of shares and of averages, and what pairs can tell.

Numbers in, numbers out: what an item is and how its scores are averaged is the caller's business.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")
Z95 = 1.959963984540054
RESAMPLES = 1_000
TAIL = 0.025


def wilson(valid: int, n: int, z: float = Z95) -> tuple[float, float]:
    """The Wilson score interval of a share, which stays inside 0..1 and is right for small n (Wilson 1927)."""
    if not n:
        return 0.0, 1.0
    share, slack = valid / n, z * z / n
    middle = (share + slack / 2) / (1 + slack)
    half = z / (1 + slack) * math.sqrt(share * (1 - share) / n + slack / (4 * n))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def mcnemar(ahead: int, behind: int) -> float:
    """Exact two-sided p that pairs which differ split this unevenly by chance; also called the sign test.

    A binomial test with p = 1/2; 1 when nothing differs.
    """
    n, least = ahead + behind, min(ahead, behind)
    ways = tail = 1
    for k in range(least):
        ways = ways * (n - k) // (k + 1)
        tail += ways
    return min(1.0, 2 * tail / 2**n)


def bootstrap(
    strata: Sequence[Sequence[Item]],
    statistic: Callable[[list[Item]], Mapping[str, object]],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of every average that `statistic` makes, under drawing the items anew (Efron 1979).

    Args:
        strata: the items, in groups that keep their size; an item (a dialogue, a sample) is drawn whole.
        statistic: averages of a list of items by name. Only floats get an interval; a whole number counts something.
        resamples: how many draws.
        seed: the same seed gives the same interval, on every machine.

    Returns:
        (low, high) of each float that is there in every draw. One that is the same in all has none: items that agree
        (all right, all wrong) cannot say how others would fall out; `wilson` can, for shares.
    """
    found: dict[str, list[float]] = {}
    for drawn in draws(strata, resamples, seed):
        for name, value in statistic(drawn).items():
            if isinstance(value, float):
                found.setdefault(name, []).append(value)
    whole = {name: values for name, values in found.items() if len(values) == resamples}
    return {name: percentiles(values) for name, values in whole.items() if min(values) < max(values)}


def draws(strata: Sequence[Sequence[Item]], resamples: int, seed: int) -> Iterator[list[Item]]:
    """Samples with replacement, each as large as the whole and with as many items of every stratum."""
    chance = random.Random(seed)
    for _ in range(resamples):
        yield [item for group in strata if group for item in chance.choices(group, k=len(group))]


def percentiles(values: Sequence[float], tail: float = TAIL) -> tuple[float, float]:
    """The values that `tail` of all lie below and above."""
    ordered, cut = sorted(values), int(tail * len(values))
    return ordered[cut], ordered[-1 - cut]


class Flips(NamedTuple):
    """Two runs on the same `n` items: those that became right and wrong, McNemar's p, interval of the difference.

    Both ends of the interval are None where all items fell out alike.
    """

    n: int
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    p: float
    low: float | None
    high: float | None

    @property
    def difference(self) -> float:
        """Share right in the second run less that in the first."""
        return (len(self.gained) - len(self.lost)) / self.n


def flips(first: Mapping[str, bool], second: Mapping[str, bool]) -> Flips | None:
    """What flipped between two runs, on the items that both judged, in the first one's order; None where there is none.

    The interval is a bootstrap over the items, each drawn for both runs at once.
    """
    both = [item for item in first if item in second]
    if not both:
        return None
    gained = tuple(item for item in both if second[item] and not first[item])
    lost = tuple(item for item in both if first[item] and not second[item])
    items = [1.0] * len(gained) + [-1.0] * len(lost) + [0.0] * (len(both) - len(gained) - len(lost))
    spans = bootstrap([items], lambda drawn: {"difference": sum(drawn) / len(drawn)})
    low, high = spans.get("difference", (None, None))
    return Flips(len(both), gained, lost, mcnemar(len(gained), len(lost)), low, high)
