"""Variants of one training recipe side by side: what `benchmarks/sweep.py --json` printed, as a table and bars."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from calm.errors import DataError
from calm.files import read_json
from calm.report import Bar, BarSection, Section, TableSection
from calm.report.words import number, p_value

NOTE = (
    "One run a variant, {tokens:,} tokens each, judged on the same items. Beside {first}: items gained and "
    "lost, with the exact sign test. A difference that neither an interval nor the test parts is none."
)


class Figure(BaseModel):
    """A figure in percent with its 95 % interval, taken on `n` items."""

    value: float
    low: float
    high: float
    n: int


class Flips(BaseModel):
    """A benchmark's items that are right here and wrong in the first variant, and the other way round."""

    gained: int
    lost: int
    p: float


class Variant(BaseModel):
    """One variant: its steps, the mean loss a supervised token on held-out rows, and its figures by benchmark."""

    variant: str
    steps: int
    held_out_loss_after: float | None = None
    scores: dict[str, dict[str, Figure]] = {}
    beside_first: dict[str, Flips] = {}


class Sweep(BaseModel):
    """A whole sweep: `file` is what it was run from, `tokens` what each variant saw."""

    file: str
    tokens: int
    variants: tuple[Variant, ...] = Field(min_length=1)


def read(path: Path) -> Sweep:
    """A sweep as it was printed.

    Raises:
        DataError: not what `benchmarks/sweep.py --json` prints.
    """
    try:
        return Sweep.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"])) or "the whole"
        raise DataError(path, f"{at}: {first['msg']}; write it anew with benchmarks/sweep.py --json") from error


def sections(sweep: Sweep) -> tuple[Section, Section]:
    """The table of all variants, and the bars of each figure."""
    title = f"Sweep {Path(sweep.file).stem}"
    first = sweep.variants[0].variant
    note = NOTE.format(tokens=sweep.tokens, first=first)
    head = ("", "items", *(one.variant for one in sweep.variants))
    groups = {f"{b} {key}": _bars(sweep, b, key) for b, key in _quoted(sweep)}
    return (
        TableSection(title=title, head=head, rows=tuple(_rows(sweep)), note=note),
        BarSection(title=f"{title}: figures", groups=groups, full=100.0),
    )


def _rows(sweep: Sweep) -> Iterator[tuple[str, ...]]:
    """A row a figure, since there are always more of these than variants."""
    every, first = sweep.variants, sweep.variants[0]
    yield ("steps", "", *(f"{one.steps:,}" for one in every))
    losses = (one.held_out_loss_after for one in every)
    yield ("held-out loss", "", *("" if loss is None else number(loss) for loss in losses))
    for bench, key in _quoted(sweep):
        items = first.scores[bench][key].n
        yield (f"{bench} {key}", f"{items:,}", *(_said(one.scores.get(bench, {}).get(key)) for one in every))
    for bench in dict.fromkeys(bench for one in every for bench in one.beside_first):
        yield (f"{bench} beside {first.variant}", "", *(_flips(one.beside_first.get(bench)) for one in every))


def _quoted(sweep: Sweep) -> list[tuple[str, str]]:
    return [(bench, key) for bench, figures in sweep.variants[0].scores.items() for key in figures]


def _flips(flips: Flips | None) -> str:
    return f"+{flips.gained} -{flips.lost}, {p_value(flips.p)}" if flips else ""


def _said(figure: Figure | None) -> str:
    return f"{figure.value:.1f} [{figure.low:.0f}, {figure.high:.0f}]" if figure else ""


def _bars(sweep: Sweep, bench: str, key: str) -> tuple[Bar, ...]:
    found = ((one.variant, one.scores.get(bench, {}).get(key)) for one in sweep.variants)
    return tuple(Bar(label=name, value=f.value, text=f"{_said(f)}, n {f.n}") for name, f in found if f)
