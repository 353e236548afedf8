"""A training plan as lines on a screen; `calm train --dry-run` prints them."""

from collections.abc import Iterator
from typing import Any

GIGA, HUGE = 1e9, 1e15


def lines(plan: dict[str, Any]) -> Iterator[dict[str, str]]:
    """The plan as rows of two columns, what and how much."""
    for what, how_much in (*_model(plan), *_memory(plan), *_work(plan)):
        yield {"": what, " ": how_much}


def _model(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "base", f"{plan['base']}, shapes from {plan['shapes from']}"
    yield "parameters", f"{plan['parameters']:,}"
    yield "trainable", f"{plan['trainable']:,} ({plan['share']:.2%}), {plan['method']}"


def _memory(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    devices = plan["assumed"]["devices"]
    yield "memory of a device", f"{devices} device{'s' * (devices > 1)}, {plan['tokens at once']:,} tokens at once"
    for part, size in plan["memory of a device"].items():
        if size:
            yield f"  {part}", f"{size / GIGA:.3f} GB"


def _work(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    work, assumed = plan["work"], plan["assumed"]
    if not work:
        yield "steps", plan["why"]
        return
    for stage in plan["stages"]:
        said = f"{stage['rows']:,} rows, {stage['steps']:,} steps, longest row {stage['longest']:,} tokens"
        yield f"stage {stage['name']}", said
    yield "steps", f"{work['steps']:,}"
    yield "tokens", f"{work['tokens']:,}, supervised {work['supervised']:,}" + f" ({plan['why']})" * bool(plan["why"])
    parts = ", ".join(f"{part} {n / work['operations']:.0%}" for part, n in work["operations by part"].items())
    yield "operations", f"{work['operations'] / HUGE:,.3f} PFLOP ({parts})"
    yield (
        "assumed",
        f"{assumed['efficiency']:.0%} of {assumed['peak']:g} TFLOP/s a device: {work['tokens/s']:,.0f} tokens/s",
    )
    yield "hours", f"{work['hours']:.2f}; with checkpointing {work['hours, checkpointing']:.2f}"
    if assumed["devices"] > 1:
        travel = f"{work['hours that weights travel']:.2f} at {assumed['link']:g} GB/s, beside or on top of the above"
        yield "hours weights travel", travel
