"""The averages of each version's leaderboard, as trees over categories, and what is missing from each.

After `generate_leaderboard_csv` in `bfcl_eval/eval_checker/eval_runner_helper.py`: b1bacde5 with the executable
categories (`v3-exec`), 2025.6.8 without them (`v3`), 6ea5797 (`v4`). Upstream counts a category that was not run as 0
in every overall; here an average without all its parts is None, and the other figure stands beside it under its name.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Union

from calm.bench import Verdict

Counts = Mapping[str, tuple[int, int]]
"""Category (in V3's spelling) -> rows that are valid, rows in all."""
MULTI_TURN = tuple(f"multi_turn_{kind}" for kind in ("base", "miss_func", "miss_param", "long_context"))


class Average(NamedTuple):
    """A mean of categories and other averages: each part the same, by `weights`, or (`rows`) by their rows.

    Rows are those that a category has, also where only a sample of it was run: a sample stands for its category.
    """

    name: str
    parts: tuple[Union["Average", str], ...]
    weights: tuple[int, ...] = ()
    rows: bool = False


class Score(NamedTuple):
    """An average twice: None while parts are missing, and as upstream has it, where these count as 0."""

    name: str
    honest: float | None
    as_zero: float
    rows: int


_SIMPLE = Average("simple_ast", ("simple", "java", "javascript"))
_AST = Average("non_live_ast", (_SIMPLE, "multiple", "parallel", "parallel_multiple"))
_RUN = Average("simple_exec", ("exec_simple", "rest"))
_EXEC = Average("non_live_exec", (_RUN, "exec_multiple", "exec_parallel", "exec_parallel_multiple"))
_LIVE_AST = Average("live_ast", ("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple"), rows=True)
_LIVE_V3 = Average("live", (*_LIVE_AST.parts, "live_irrelevance", "live_relevance"), rows=True)
_LIVE_V4 = Average("live", _LIVE_AST.parts, rows=True)
_IRRELEVANCE = Average("irrelevance", ("irrelevance", "live_irrelevance"))
_RELEVANCE = Average("relevance", ("live_relevance",))
_TURNS = Average("multi_turn", MULTI_TURN)
_WEB = Average("web_search", ("web_search_base", "web_search_no_snippet"))
_MEMORY = Average("memory", ("memory_kv", "memory_vector", "memory_rec_sum"))
_AGENTIC = Average("agentic", (_WEB, _MEMORY))


def _v3(*aside: Average) -> tuple[Average, ...]:
    """The board of V3; the last of the averages `aside` gives its parts to Non-Live."""
    parts = [part for average in (_AST, *aside[-1:]) for part in average.parts]
    non_live = Average("non_live", (*parts, "irrelevance"))
    overall = Average("overall", (_LIVE_V3, non_live, _TURNS))
    return (_SIMPLE, _AST, *aside, non_live, _LIVE_AST, _LIVE_V3, _IRRELEVANCE, _RELEVANCE, _TURNS, overall)


_NON_LIVE_V4 = Average("non_live", _AST.parts)
_OVERALL_V4 = Average("overall", (_NON_LIVE_V4, _LIVE_V4, _IRRELEVANCE, _TURNS, _AGENTIC), (10, 10, 10, 30, 40))
BOARDS: dict[str, tuple[Average, ...]] = {
    "v3-exec": _v3(_RUN, _EXEC),
    "v3": _v3(),
    "v4": (_SIMPLE, _NON_LIVE_V4, _LIVE_V4, _IRRELEVANCE, _RELEVANCE, _TURNS, _WEB, _MEMORY, _AGENTIC, _OVERALL_V4),
}
"""Board of a version -> its averages, the overall one last."""

SIZES = {
    **dict.fromkeys(("multiple", "parallel", "parallel_multiple", *MULTI_TURN), 200),
    **{"simple": 400, "java": 100, "javascript": 50, "irrelevance": 240},
    **{"exec_simple": 100, "exec_multiple": 50, "exec_parallel": 50, "exec_parallel_multiple": 40, "rest": 70},
    **{"live_simple": 258, "live_multiple": 1053, "live_parallel": 16, "live_parallel_multiple": 24},
    **{"live_irrelevance": 882, "live_relevance": 18},
    **dict.fromkeys(("web_search_base", "web_search_no_snippet"), 100),
    **dict.fromkeys(("memory_kv", "memory_vector", "memory_rec_sum"), 155),
}
"""Rows of each category in V3: what it weighs in a mean by rows."""
SIZES_V4 = {**SIZES, "live_irrelevance": 884, "live_relevance": 16}


def sizes(board: str) -> dict[str, int]:
    """Rows of every category of a board."""
    known = SIZES_V4 if board == "v4" else SIZES
    return {name: known[name] for name in dict.fromkeys(_categories(BOARDS[board]))}


def _categories(parts: Iterable[Average | str]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        else:
            yield from _categories(part.parts)


def scores(board: str, counts: Counts) -> list[Score]:
    """Every average of a board, the overall one last."""
    return [_score(average, counts, sizes(board)) for average in BOARDS[board]]


def _score(part: Average | str, counts: Counts, known: Mapping[str, int]) -> Score:
    if isinstance(part, str):
        valid, rows = counts.get(part, (0, 0))
        return Score(part, valid / rows, valid / rows, known[part]) if rows else Score(part, None, 0.0, known[part])
    found = [_score(inner, counts, known) for inner in part.parts]
    weights = [score.rows for score in found] if part.rows else part.weights or (1,) * len(found)
    mean = sum(score.as_zero * weight for score, weight in zip(found, weights, strict=True)) / sum(weights)
    whole = all(score.honest is not None for score in found)
    return Score(part.name, mean if whole else None, mean, sum(score.rows for score in found))


def counted(verdicts: Iterable[Verdict]) -> dict[str, tuple[int, int]]:
    """Valid rows and rows of each category; a verdict whose error type is `DROPPED` is in no denominator."""
    found: dict[str, tuple[int, int]] = {}
    for verdict in verdicts:
        if verdict.error_type != DROPPED:
            valid, rows = found.get(verdict.category, (0, 0))
            found[verdict.category] = valid + verdict.valid, rows + 1
    return found


DROPPED = "audited:truth_cannot_be_met"
"""Error type of a row that the audited reading leaves out; see `audited`."""


def summary(board: str, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The averages by name (None while parts are missing), the official overall, and what is missing.

    `not_run` are categories without a row, `partly_run` those of which only a sample was run.
    """
    counts, known = counted(verdicts), sizes(board)
    made = scores(board, counts)
    dropped = sum(verdict.error_type == DROPPED for verdict in verdicts)
    seen = Counter(verdict.category for verdict in verdicts)
    return {
        **{score.name: score.honest for score in made},
        "overall_not_run_as_zero": made[-1].as_zero,
        "garbled": sum(verdict.error_type == "garbled" for verdict in verdicts),
        "dropped": dropped,
        "not_run": [name for name in known if name not in counts],
        "partly_run": [name for name in counts if seen[name] < known.get(name, seen[name])],
    }
