"""What public boards say of other models, by size, to draw a small model's own scores beside them."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from calm.report import Bar, BarSection


class Listed(NamedTuple):
    """A model of a public board: its parameters in billions and its figures in percent, by our names for them."""

    name: str
    billions: float
    figures: Mapping[str, float]


def _v3(name: str, billions: float, *values: float) -> Listed:
    names = ("overall", "non_live_ast", "live", "multi_turn", "relevance", "irrelevance")
    return Listed(name, billions, dict(zip(names, values, strict=True)))


BFCL_V3 = (
    _v3("Qwen3-0.6B (FC)", 0.6, 47.33, 71.81, 65.66, 1.88, 66.67, 82.41),
    _v3("xLAM-2-1b-fc-r", 1.0, 58.23, 76.17, 59.17, 42.75, 94.44, 56.17),
    _v3("Hammer2.1-1.5b", 1.5, 54.94, 82.79, 70.64, 10.62, 77.78, 79.27),
    _v3("Qwen3-1.7B (FC)", 1.7, 54.70, 83.27, 72.95, 8.62, 61.11, 76.13),
    _v3("xLAM-2-3b-fc-r", 3.0, 64.81, 82.75, 58.91, 56.25, 88.89, 57.71),
    _v3("CoALM-8B", 8.0, 54.52, 85.25, 72.95, 4.50, 83.33, 85.49),
    _v3("Llama-3.1-8B (Prompt)", 8.0, 49.57, 84.21, 61.08, 9.25, 77.78, 48.82),
)
"""BFCL's board of V3, its last state, by its own prompts; model cards add the two below."""

CARDS = (
    Listed("FunctionGemma-270M (its card)", 0.27, {"simple": 61.6}),
    Listed("Granite 4.0 350M (its maker)", 0.35, {"overall": 39.3}),
)

SHOWN = ("overall", "non_live_ast", "live", "simple", "multi_turn", "irrelevance", "relevance")
NOTE = (
    "Boards prompt and decode by BFCL's own protocol, over all items; ours are from the native protocol and, where n "
    "says so, from a sample, so the bars show the order of magnitude and no rank. Smallest model first."
)


def section(name: str, billions: float, figures: Mapping[str, float], base: Mapping[str, float]) -> BarSection:
    """A model's BFCL V3 figures, and those of its base, among the listed ones, in percent."""
    ours = [Listed(name, billions, figures), Listed(f"{name}, base untuned", billions, base)]
    every = sorted([*ours, *CARDS, *BFCL_V3], key=lambda listed: listed.billions)
    groups = {key: tuple(_bars(every, key)) for key in SHOWN if key in figures}
    return BarSection(title="BFCL V3 beside public boards, by model size", groups=groups, full=100.0, note=NOTE)


def _bars(every: list[Listed], key: str) -> Iterator[Bar]:
    for listed in every:
        if key in listed.figures:
            value = listed.figures[key]
            yield Bar(label=f"{listed.name}, {listed.billions:g} B", value=value, text=f"{value:.1f}")
