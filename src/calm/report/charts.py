"""Where things lie in a chart, in percent of its width and height; the template draws them: no markup here."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from calm.report import HistogramSection, LossSection

Point = tuple[float, float]
MOST_POINTS = 400


class Tick(NamedTuple):
    """A labelled place on an axis, in percent from the left or the top."""

    at: float
    label: str


class Mark(NamedTuple):
    """A labelled dot."""

    x: float
    y: float
    label: str


class Chart(NamedTuple):
    """A line over two axes; `faint` holds the raw points where `line` is their running mean."""

    line: str
    faint: str
    x: list[Tick]
    y: list[Tick]
    before: Mark | None
    after: Mark | None


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round values (1, 2 or 5 times a power of ten) that enclose `low` and `high`."""
    raw = (high - low or abs(high) or 1.0) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if raw <= m * power * (1 + 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]


def loss_chart(section: LossSection) -> Chart | None:
    """The chart of a loss section; None when there is no number to draw."""
    points = list(section.points)
    held_out = [y for y in (section.before, section.after) if y is not None]
    if not points and not held_out:
        return None
    last = max([x for x, _ in points], default=1.0)
    smooth = running_mean(points) if len(points) > 24 else points
    levels = ticks(min([y for _, y in points] + held_out), max([y for _, y in points] + held_out))
    steps = [x for x in ticks(0.0, last) if x <= last * 1.001]

    def place(x: float, y: float) -> Point:
        down = 100 * (levels[-1] - y) / (levels[-1] - levels[0])
        return round(100 * x / (last or 1.0), 2), round(down, 2)

    return Chart(
        line=_path([place(*p) for p in thinned(smooth)]),
        faint=_path([place(*p) for p in thinned(points)]) if smooth is not points else "",
        x=[Tick(place(x, levels[0])[0], f"{x:g}") for x in steps],
        y=[Tick(place(0, y)[1], f"{y:g}") for y in levels],
        before=_mark(place, 0.0, section.before),
        after=_mark(place, last, section.after),
    )


def _mark(place: Callable[[float, float], Point], x: float, y: float | None) -> Mark | None:
    return None if y is None else Mark(*place(x, y), f"{y:.3f}")


def running_mean(points: Sequence[Point]) -> list[Point]:
    """The points with each loss averaged over its neighbourhood of a twelfth of the curve, shorter at the ends."""
    reach = max(len(points) // 24, 1)
    windows = (points[max(i - reach, 0) : i + reach + 1] for i in range(len(points)))
    return [(x, sum(y for _, y in near) / len(near)) for (x, _), near in zip(points, windows, strict=True)]


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most `most` of the points, evenly chosen, the last always among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]


# --- histograms ------------------------------------------------------------------------------------------------------


class Column(NamedTuple):
    """A bar of a histogram: left edge, width and height, and what it says when pointed at."""

    x: float
    width: float
    height: float
    words: str


class Panel(NamedTuple):
    """One series: its name, how many were counted, its bars and axes."""

    name: str
    count: int
    columns: list[Column]
    x: list[Tick]
    y: list[Tick]


def panels(section: HistogramSection, labels: int = 7) -> list[Panel]:
    """A panel for each series that counts anything, all on one scale, with at most `labels` bins named on the axis."""
    counted = {name: counts for name, counts in section.series.items() if sum(counts)}
    most = max((max(counts) / sum(counts) for counts in counted.values()), default=1.0)
    levels = ticks(0.0, 100 * most, 3)
    width, every = 100 / max(len(section.bins), 1), -(-len(section.bins) // labels)
    x = [
        Tick(round((place + 0.5) * width, 2), label.split("-")[0])
        for place, label in enumerate(section.bins)
        if place % every == 0
    ]
    y = [Tick(round(100 - 100 * level / levels[-1], 2), f"{level:g} %") for level in levels]
    columns = {name: _columns(section, counts, width, levels[-1]) for name, counts in counted.items()}
    return [Panel(name, sum(counted[name]), columns[name], x, y) for name in counted]


def _columns(section: HistogramSection, counts: Sequence[int], width: float, top: float) -> list[Column]:
    shares = [100 * count / sum(counts) for count in counts]
    return [
        Column(
            round(place * width, 2), round(width, 2), round(100 * share / top, 2), f"{label}: {count:,} ({share:.1f} %)"
        )
        for place, (label, count, share) in enumerate(zip(section.bins, counts, shares, strict=True))
        if count
    ]


def _path(points: Sequence[Point]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)
