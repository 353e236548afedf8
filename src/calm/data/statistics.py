"""What a dataset is made of, in one pass over its rows: counts and histograms by origin, that of the paper beside them.

A `Statistics` grows row by row and adds up with others, so that every worker can keep its own. It holds no row: memory
grows with the number of different lengths and thought patterns, not with rows. Tokens are counted by a function that is
handed in, since this room knows no tokenizer; without one lengths are characters of messages and tools as JSON.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from calm.conversation import Assistant, Conversation, User, to_row
from calm.files import dumps

Count = Callable[[Conversation], int]
Patterns = Callable[[Conversation], Iterable[str]]

EDGES: dict[str, tuple[int, ...]] = {
    "length": tuple(int(a * 10**k) for k in range(1, 6) for a in (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8)),
    "tools": (*range(13), 16, 24, 32, 48),
    "calls": tuple(range(9)),
    "turns": (*range(13), 16, 20, 30),
    "words": tuple(range(0, 65, 5)),
}
"""Where the bars of each histogram begin; the last has no end."""


class Measures(NamedTuple):
    """How rows are measured: tokens of a conversation, patterns of its thoughts, the name it is counted under."""

    count: Count | None = None
    patterns: Patterns | None = None
    of: Callable[[Conversation], str] = lambda conversation: conversation.origin or "unknown"


class Tally:
    """The counts of one group of rows; `add` takes a row, `+=` another tally."""

    def __init__(self) -> None:
        self.numbers: Counter[str] = Counter()
        self.histograms: dict[str, Counter[int]] = {name: Counter() for name in EDGES}
        self.kinds: dict[str, Counter[str]] = {name: Counter() for name in ("checked", "varied", "patterns")}

    def add(self, conversation: Conversation, measures: Measures) -> None:
        """Count a row: its tools and user turns, the calls of each step that calls, the words of each thought."""
        steps = [message for message in conversation.messages if isinstance(message, Assistant)]
        calls = [len(step.calls) for step in steps if step.calls]
        thoughts = [len(step.thought.split()) for step in steps if step.thought]
        size = _characters(conversation)
        length = measures.count(conversation) if measures.count else size
        self.numbers.update(samples=1, steps=len(steps), calls=sum(calls), thoughts=len(thoughts))
        self.numbers.update(characters=size, length=length)
        self.histograms["length"][length] += 1
        self.histograms["tools"][len(conversation.tools)] += 1
        self.histograms["turns"][sum(isinstance(message, User) for message in conversation.messages)] += 1
        self.histograms["calls"].update(calls)
        self.histograms["words"].update(thoughts)
        self.kinds["checked"].update({str(conversation.meta.get("checked") or "unchecked"): sum(calls)})
        self.kinds["varied"].update(_varied(conversation))
        if measures.patterns:
            self.kinds["patterns"].update(measures.patterns(conversation))

    def __iadd__(self, other: "Tally") -> "Tally":
        self.numbers.update(other.numbers)
        for name, counter in other.histograms.items():
            self.histograms[name].update(counter)
        for name, kinds in other.kinds.items():
            self.kinds[name].update(kinds)
        return self

    def summary(self) -> dict[str, Any]:
        """The numbers, the mean length, shares of kinds, and the pattern that most thoughts have."""
        samples = self.numbers["samples"]
        return {
            **{key: self.numbers[key] for key in ("samples", "steps", "calls", "thoughts", "characters", "length")},
            "mean": self.numbers["length"] / samples if samples else 0.0,
            "checked": {kind: n for kind, n in sorted(self.kinds["checked"].items()) if n},
            "varied": dict(sorted(self.kinds["varied"].items())),
            "top_pattern": _top(self.kinds["patterns"]),
        }


class Statistics:
    """Tallies by name (`measures.of`) and, for rows in the paper's form, by that form."""

    def __init__(self, measures: Measures | None = None) -> None:
        self.measures = measures or Measures()
        self.groups: dict[str, Tally] = {}
        self.forms: dict[str, Counter[str]] = {}

    def add(self, conversation: Conversation) -> None:
        """Count one row."""
        tally = self.groups.setdefault(self.measures.of(conversation), Tally())
        before = tally.numbers["length"]
        tally.add(conversation, self.measures)
        if form := conversation.meta.get("paper"):
            length = tally.numbers["length"] - before
            self.forms.setdefault(str(form), Counter()).update(samples=1, length=length)

    def __iadd__(self, other: "Statistics") -> "Statistics":
        for name, tally in other.groups.items():
            self.groups.setdefault(name, Tally()).__iadd__(tally)
        for form, counter in other.forms.items():
            self.forms.setdefault(form, Counter()).update(counter)
        return self

    def summary(self) -> dict[str, Any]:
        """Everything as plain JSON: groups in order of name, their total, both means, histograms on common bins.

        `mean` is the true mean length; `mean_of_means` the plain mean over groups, which is what the paper prints.
        """
        names, total = sorted(self.groups), Tally()
        for name in names:
            total += self.groups[name]
        groups = {name: self.groups[name].summary() for name in names}
        return {
            "unit": "tokens" if self.measures.count else "characters",
            "groups": groups,
            "total": total.summary(),
            "mean_of_means": sum(group["mean"] for group in groups.values()) / len(groups) if groups else 0.0,
            "histograms": {what: _histogram(what, {n: self.groups[n] for n in names}) for what in EDGES},
            "forms": {
                form: {**numbers, "mean": numbers["length"] / numbers["samples"]} for form, numbers in self._forms()
            },
            "paper": [row._asdict() for row in PAPER],
            "faults": list(FAULTS),
        }

    def _forms(self) -> Iterable[tuple[str, dict[str, int]]]:
        return ((form, dict(numbers)) for form, numbers in sorted(self.forms.items()))


def _characters(conversation: Conversation) -> int:
    """Length of messages and tools as JSON, as the build counts it."""
    row = to_row(conversation)
    return len(dumps(row["messages"])) + len(row["tools"])


def _varied(conversation: Conversation) -> list[str]:
    found = conversation.meta.get("varied") or []
    return [str(kind) for kind in (found if isinstance(found, list) else [found])]


def _top(patterns: Counter[str]) -> dict[str, Any] | None:
    """The commonest pattern and its share, of equal ones the first in order of the alphabet; None without patterns."""
    if not patterns:
        return None
    pattern, number = min(patterns.items(), key=lambda item: (-item[1], item[0]))
    return {"pattern": pattern, "share": number / patterns.total(), "different": len(patterns)}


def _histogram(what: str, tallies: Mapping[str, Tally]) -> dict[str, Any]:
    """Counts of every group over the bins that any of them needs."""
    edges = EDGES[what]
    binned = {name: _binned(tally.histograms[what], edges) for name, tally in tallies.items()}
    used = [place for counts in binned.values() for place, count in enumerate(counts) if count]
    first, last = (min(used), max(used)) if used else (0, -1)
    return {
        "bins": [_label(edges, place) for place in range(first, last + 1)],
        "counts": {name: counts[first : last + 1] for name, counts in binned.items()},
    }


def _binned(values: Counter[int], edges: tuple[int, ...]) -> list[int]:
    counts = [0] * len(edges)
    for value, number in values.items():
        counts[max(bisect_right(edges, value) - 1, 0)] += number
    return counts


def _label(edges: tuple[int, ...], place: int) -> str:
    """`3`, `10-14` or, for the last, `65+`."""
    if place + 1 == len(edges):
        return f"{edges[place]:,}+"
    last = edges[place + 1] - 1
    return f"{edges[place]:,}" if last == edges[place] else f"{edges[place]:,}-{last:,}"


# --- the paper's table -----------------------------------------------------------------------------------------------


class PaperRow(NamedTuple):
    """A row of Table 1 of arXiv 2502.08820 as printed; `released` is the count that the published dataset must have."""

    form: str
    name: str
    domain: str
    turns: str
    samples: int
    tokens: int
    mean: float
    released: int


PAPER = (
    PaperRow("snips", "SNIPS", "TOD", "single-turn", 13_028, 12_278_780, 942.49, 13_084),
    PaperRow("hammer", "Hammer", "LA", "single-turn", 13_819, 10_199_147, 738.05, 202_500),
    PaperRow("toolace", "ToolACE", "LA", "multi-turn", 202_500, 129_001_612, 637.04, 13_819),
    PaperRow("cra", "SGD", "CRA", "multi-turn", 82_236, 59_704_782, 726.02, 82_236),
)
PRINTED_MEAN = 760.90
"""What Table 1 gives as the average of the whole: the mean of its four means. Tokens by samples are 677.8."""

FAULTS = (
    "Table 1 has the rows of Hammer and ToolACE swapped: Hammer's code makes 3 x 67,500 = 202,500 samples, and public "
    "ToolACE has about 11,000 dialogues.",
    "Its average of 760.90 tokens is the mean of the four means; the mean over samples is 677.8.",
    "It has 13,028 SNIPS samples, the text 24,542; the published 311,639 rows need 13,084.",
    "Thoughts stand in the input of the SGD samples, never in the output: nothing teaches the model to think.",
    "Three syntaxes of a call are taught at once: a JSON list, bracketed Python calls and Action lines.",
)
"""What is on record against the paper's composition; a dataset in its form has these faults too."""
