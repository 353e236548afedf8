"""Where things lie in a chart, in percent of its width and height; the template draws them: no markup here."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from calm.report import LossSection

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


def _path(points: Sequence[Point]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)
