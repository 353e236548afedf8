"""Reports: what people see of a run. A page is a list of sections, plain data that any room above can fill in.

`terminal` prints a conversation or its loss mask, `html` writes sections as one self-contained page, `runs` reads run
folders and sets them side by side. Nothing here knows how a number came about: shares are 0 to 1, None is "not known",
and what is not known is left out, never guessed.
"""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, JsonValue

from calm.conversation import Conversation, Noun
from calm.format import Part

Verdict = dict[str, JsonValue]
"""A row of `verdicts.jsonl` as it stands on disk: id, category, valid, error_type, scores."""


class Figure(Noun):
    """One number worth a tile at the top: what it is, its value as text, and a few words about it."""

    label: str
    value: str
    note: str = ""


class Title(Noun):
    """The head of the page; the first section of a page should be one."""

    kind: Literal["title"] = "title"
    title: str
    lead: str = ""
    figures: tuple[Figure, ...] = ()


class DialogueSection(Noun):
    """One conversation with thoughts, calls, observations and, beside each user turn, the dialogue state."""

    kind: Literal["dialogue"] = "dialogue"
    title: str
    conversation: Conversation
    note: str = ""
    verdict: Verdict | None = None


class Piece(Noun):
    """A stretch of rendered text of one part, all of it learned or none; `size` in the unit of its mask."""

    text: str
    part: Part | None = None
    learn: bool = False
    size: int = 0


class MaskSection(Noun):
    """What of a conversation is trained on; `calm.report.mask.mask` makes one from a conversation."""

    kind: Literal["mask"] = "mask"
    title: str = "Loss mask"
    pieces: tuple[Piece, ...]
    unit: Literal["tokens", "characters"] = "tokens"
    note: str = ""

    @property
    def total(self) -> int:
        """Size of the whole text."""
        return sum(piece.size for piece in self.pieces)

    @property
    def learned(self) -> int:
        """Size of what is trained on."""
        return sum(piece.size for piece in self.pieces if piece.learn)

    @property
    def parts(self) -> dict[Part, int]:
        """Learned size of each part that is trained on at all, in the order thought, call, text, end."""
        sizes = {p: sum(x.size for x in self.pieces if x.learn and x.part == p) for p in PARTS}
        return {part: size for part, size in sizes.items() if size}


PARTS: tuple[Part, ...] = ("thought", "call", "text", "end")


class LossSection(Noun):
    """Training loss by step, as pairs (step, loss), and the loss on held-out rows before and after."""

    kind: Literal["loss"] = "loss"
    title: str = "Loss"
    points: tuple[tuple[FiniteFloat, FiniteFloat], ...] = ()
    before: FiniteFloat | None = None
    after: FiniteFloat | None = None
    note: str = ""


class Score(Noun):
    """A share of items solved with its interval, and what silence (floor) and the gold answer (ceiling) score."""

    benchmark: str
    category: str
    model: str
    n: int
    score: float
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    ceiling: float | None = None


class ScoreSection(Noun):
    """Scores drawn as bars with intervals; rows of equal benchmark and category stand together for comparison."""

    kind: Literal["scores"] = "scores"
    title: str = "Scores"
    rows: tuple[Score, ...]
    note: str = ""


class Average(Noun):
    """One average of two runs on the same items, second less first, and the interval of that paired difference."""

    name: str
    first: float
    second: float
    difference: float
    low: float
    high: float


class Pair(Noun):
    """Two runs on the same items: which became right (`gained`) and which wrong (`lost`) from `first` to `second`.

    `low` to `high` is the interval of the difference; `averages` are those that the benchmark itself makes.
    """

    benchmark: str
    first: str
    second: str
    n: int
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    p: float
    low: float | None = None
    high: float | None = None
    averages: tuple[Average, ...] = ()
    note: str = ""

    @property
    def difference(self) -> float:
        """Share of `second` minus share of `first`."""
        return (len(self.gained) - len(self.lost)) / self.n


class PairSection(Noun):
    """Paired differences, each with its exact sign test and the items that flipped."""

    kind: Literal["pairs"] = "pairs"
    title: str = "Paired differences"
    pairs: tuple[Pair, ...]
    note: str = ""


class TableSection(Noun):
    """A plain table; the first column names the row, cells that look like numbers are set right."""

    kind: Literal["table"] = "table"
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


class Bar(Noun):
    """One bar: its length in any unit and the words at its end."""

    label: str
    value: float
    text: str


class BarSection(Noun):
    """Bars on one scale, in groups with a heading each; a group named "" has none.

    `full` is the value that fills the width, by default the largest.
    """

    kind: Literal["bars"] = "bars"
    title: str
    groups: dict[str, tuple[Bar, ...]]
    full: float | None = None
    note: str = ""

    @property
    def width(self) -> float:
        """The value that fills the width; 1 where every bar is empty."""
        return self.full or max((bar.value for bars in self.groups.values() for bar in bars), default=0.0) or 1.0


class HistogramSection(Noun):
    """How often each bin occurs, a panel for each series, as shares of that series; `axis` says what is binned."""

    kind: Literal["histogram"] = "histogram"
    title: str
    axis: str
    bins: tuple[str, ...]
    series: dict[str, tuple[int, ...]]
    note: str = ""


class Facts(Noun):
    """Where the numbers come from: groups (versions, recipe, manifest) of names and values, folded on the page."""

    kind: Literal["facts"] = "facts"
    title: str = "Facts"
    groups: dict[str, dict[str, JsonValue]]
    note: str = ""


Section = Annotated[
    Title
    | DialogueSection
    | MaskSection
    | LossSection
    | ScoreSection
    | PairSection
    | TableSection
    | BarSection
    | HistogramSection
    | Facts,
    Field(discriminator="kind"),
]
