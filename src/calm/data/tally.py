"""What a build counted: per part what was kept, how it was proven and shaped, what was dropped and why."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from calm.conversation import Noun

HEAD = ("part", "conversations", "held out", "steps", "calls", "characters", "checked", "executed", "dropped")


class PartReport(Noun):
    """What one part gave: conversations (of which held out), assistant steps, calls, characters; drops by reason.

    `checked` counts calls by how they were proven (`meta.checked`: executed, replayed or schema). `tools_per_row`,
    `turns_per_row` (of the user) and `calls_per_step` are histograms: value -> how often.
    """

    part: str
    conversations: int = 0
    held_out: int = 0
    steps: int = 0
    calls: int = 0
    characters: int = 0
    checked: dict[str, int] = Field(default_factory=dict)
    tools_per_row: dict[int, int] = Field(default_factory=dict)
    turns_per_row: dict[int, int] = Field(default_factory=dict)
    calls_per_step: dict[int, int] = Field(default_factory=dict)
    dropped: dict[str, int] = Field(default_factory=dict)


class Report(Noun):
    """The counts of a build; `resumed` of its `pieces` were left by a stopped one, or the whole dataset was `reused`.

    The last two are not stored in the manifest: it must not tell how often a build was stopped.
    """

    parts: tuple[PartReport, ...]
    pieces: int = 0
    resumed: int = 0
    reused: bool = False


class Tally:
    """The counts of a part while they grow, fed with the facts that travel beside each row."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.numbers: Counter[str] = Counter()
        self.counts: dict[str, Counter[Any]] = {
            name: Counter() for name in ("checked", "tools_per_row", "turns_per_row", "calls_per_step", "dropped")
        }

    def keep(self, facts: dict[str, Any], held_out: bool) -> None:
        """Count a row that stays; `facts` are those of `data.pipeline.facts`."""
        calls = sum(facts["calls"])
        row = {"conversations": 1, "held_out": int(held_out), "steps": len(facts["calls"]), "calls": calls}
        self.numbers.update(row, characters=facts["characters"])
        self.counts["checked"][facts["checked"]] += calls
        self.counts["tools_per_row"][facts["tools"]] += 1
        self.counts["turns_per_row"][facts["turns"]] += 1
        self.counts["calls_per_step"].update(facts["calls"])

    def drop(self, reason: str) -> None:
        """Count a row that goes."""
        self.counts["dropped"][reason] += 1

    def report(self) -> PartReport:
        """The counts so far, dictionaries in order, calls that nobody checked left out."""
        counts = {name: {k: n for k, n in sorted(c.items()) if n} for name, c in self.counts.items()}
        counts["checked"].pop("", None)
        return PartReport.model_validate({"part": self.part, **self.numbers, **counts})


def table(report: Report) -> str:
    """The counts as an aligned plain-text table, one line a part, then one line a reason for what was dropped.

    `checked` is the share of calls proven in any way, `executed` the share run against a backend.
    """
    lines = [HEAD, *(_cells(part) for part in report.parts)]
    if len(report.parts) > 1:
        lines.append(_cells(_total(report.parts)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    reasons = [f"dropped from {p.part}: {n} {reason}" for p in report.parts for reason, n in p.dropped.items()]
    return "\n".join([*_aligned(lines, widths), *reasons])


def _aligned(lines: Sequence[tuple[str, ...]], widths: Sequence[int]) -> Iterator[str]:
    for line in lines:
        cells = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        yield "  ".join([line[0].ljust(widths[0]), *cells])


def _cells(part: PartReport) -> tuple[str, ...]:
    numbers = (part.conversations, part.held_out, part.steps, part.calls, part.characters)
    shares = (_share(sum(part.checked.values()), part.calls), _share(part.checked.get("executed", 0), part.calls))
    return (part.part, *(f"{number:,}" for number in numbers), *shares, f"{sum(part.dropped.values()):,}")


def _share(some: int, of: int) -> str:
    return f"{100 * some / of:.1f} %" if of else "-"


def _total(parts: Sequence[PartReport]) -> PartReport:
    numbers: Counter[str] = Counter()
    checked: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for part in parts:
        numbers.update(part.model_dump(include={"conversations", "held_out", "steps", "calls", "characters"}))
        checked.update(part.checked)
        dropped.update(part.dropped)
    return PartReport.model_validate({"part": "total", "checked": checked, "dropped": dropped, **numbers})
