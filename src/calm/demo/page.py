"""The demo's report: what a person should see of the run, in the order in which it happened."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from calm.conversation import Conversation
from calm.files import read_json, read_jsonl
from calm.format.tokens import Codec
from calm.recipe import read_manifest, versions
from calm.report import DialogueSection, Facts, Figure, LossSection, PairSection, ScoreSection, Title
from calm.report.html import write_page
from calm.report.mask import mask
from calm.report.runs import load, pairs, scores


class Shown(NamedTuple):
    """What the page is made of: first conversations, how many booked, the row, where adapter and scores lie."""

    talks: Sequence[tuple[str, Conversation]]
    booked: str
    row: Conversation
    adapter: Path
    judged: Sequence[Path]
    seconds: dict[str, float]
    missing: Sequence[str]


LEAD = (
    "SmolLM2-135M-Instruct before and after a short LoRA run on the shipped sample. The slices are samples to show "
    "the way, far too small for a claim: look at the intervals."
)


def write(path: Path, shown: Shown) -> None:
    """Lay out dialogue, mask, loss and scores, with everything needed to trace a number."""
    log = [entry for _, entry in read_jsonl(shown.adapter / "metrics.jsonl")]
    held, made = read_json(shown.adapter / "eval.json"), read_manifest(shown.adapter) or {}
    before, after = held["held_out_loss_before"], held["held_out_loss_after"]
    runs, row = load(shown.judged), mask(shown.row, Codec.load(shown.adapter), title="A training row and its loss mask")
    note = "Per step over supervised tokens; before and after on held-out rows."
    points = tuple((entry["step"], entry["loss"]) for entry in log)
    sections = [
        Title(title="CALM demo", lead=LEAD, figures=_figures(shown, made, before, after)),
        *(DialogueSection(title=title, conversation=said) for title, said in shown.talks),
        row,
        LossSection(title="Loss", points=points, before=before, after=after, note=note),
        ScoreSection(rows=tuple(scores(runs)), note="; ".join(shown.missing)),
        PairSection(pairs=tuple(pairs(runs))),
        Facts(title="How it was made", groups=_facts(made, shown.seconds)),
    ]
    write_page(path, sections)


def _figures(shown: Shown, made: dict[str, Any], before: float, after: float) -> tuple[Figure, ...]:
    speed = made["seconds"] and made["tokens_per_pass"] / made["seconds"]
    return (
        Figure(label="tables booked", value=shown.booked, note="base → tuned here → calm-135m, rule-based user"),
        Figure(label="held-out loss", value=f"{before:.2f} → {after:.2f}", note=f"{made['rows']} training rows"),
        Figure(
            label="training", value=f"{made['seconds']:.0f} s", note=f"{made['steps']} steps, {speed:,.0f} tokens/s"
        ),
    )


def _facts(made: dict[str, Any], seconds: dict[str, float]) -> dict[str, Any]:
    return {
        "seconds per stage": {stage: round(value, 1) for stage, value in seconds.items()},
        "training recipe": made["recipe"],
        "versions": versions(),
        "written": {"at": time.strftime("%Y-%m-%d %H:%M")},
    }
