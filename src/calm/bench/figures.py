"""The few figures of a run that a model card quotes, in percent, each with its interval, its items and its protocol."""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from calm import stats
from calm.bench import Benchmark, Verdict, score
from calm.conversation import Conversation, Noun

HAMMER = ("api_f1", "param_f1", "rouge-l")
"""What Hammer's harness reports on API-Bank: F1 of function names and of parameters, and text beside gold text."""

CARD = {
    "bfcl": {
        "non_live_ast": ("simple", "java", "javascript", "multiple", "parallel*"),
        "live": ("live_*",),
        "multi_turn": ("multi_turn_*",),
        "irrelevance": ("irrelevance", "live_irrelevance"),
        "relevance": ("live_relevance",),
        "simple": ("simple",),
        "overall": ("*",),
    },
    "api_bank": {f"{text}.level-{level}": (f"level-{level}",) for level in (1, 2) for text in HAMMER},
    "multiwoz": {"jga_helper": ("*",), "success": ("*",), "inform": ("*",)},
    "rows": {"mean": ("*",)},
}
"""What is quoted of a benchmark's own averages, and the categories that each is made of."""

KEYS = {
    "bfcl": "bfcl_v3",
    "jga_helper": "jga",
    **{f"{text}.level-{level}": f"l{level}_{text.replace('-', '_')}" for level in (1, 2) for text in HAMMER},
}
"""Names under which they are quoted, where these differ."""


Averages = Callable[[Sequence[Verdict]], Mapping[str, Any]]


class Figure(Noun):
    """A figure in percent; `low` to `high` is its 95 % interval, `n` the items that it was taken on."""

    value: float
    low: float
    high: float
    n: int
    protocol: str


def figures(
    benchmark: Benchmark, scores: dict[str, Any], verdicts: Sequence[Verdict], transcripts: Sequence[Conversation]
) -> dict[str, Figure]:
    """The figures of one run by name; an average of which a part was not run is left out."""
    if levels := getattr(benchmark, "levels", None):
        return {name: _mean(values, benchmark.protocol) for name, values in sorted(levels(transcripts).items())}
    summary = quoted(verdicts) if (quoted := getattr(benchmark, "quoted", None)) else scores["summary"]
    spans = _intervals(quoted, verdicts) if quoted else scores["intervals"]
    found = {}
    for name, patterns in CARD.get(benchmark.name.partition("-")[0], {}).items():
        own = [v for v in verdicts if any(fnmatchcase(v.category, pattern) for pattern in patterns)]
        if (value := summary.get(name, _share(own))) is not None and own:
            low, high = spans.get(name) or stats.wilson(round(value * len(own)), len(own))
            found[KEYS.get(name, name)] = _percent(value, low, high, len(own), benchmark.protocol)
    return found


def _intervals(quoted: Averages, verdicts: Sequence[Verdict]) -> dict[str, tuple[float, float]]:
    groups = score.by_category(sorted(verdicts, key=lambda verdict: verdict.id))
    return stats.bootstrap(list(groups.values()), quoted)


def _share(verdicts: Sequence[Verdict]) -> float | None:
    return score.tally(verdicts)["share"] if verdicts else None


def _mean(values: Sequence[float], protocol: str) -> Figure:
    mean = sum(values) / len(values)
    spans = stats.bootstrap([values], lambda drawn: {"mean": sum(drawn) / len(drawn)})
    low, high = spans.get("mean") or stats.wilson(round(mean * len(values)), len(values))
    return _percent(mean, low, high, len(values), protocol)


def _percent(value: float, low: float, high: float, n: int, protocol: str) -> Figure:
    value, low, high = (round(100 * share, 2) for share in (value, low, high))
    return Figure(value=value, low=low, high=high, n=n, protocol=protocol)
