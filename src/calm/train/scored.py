"""What a published model scored, in its card: the section for people and the `model-index` that the hub reads."""

import re
from pathlib import Path
from typing import Any

import yaml

from calm.recipe import read_manifest

NAMES = {"bfcl_v3": "BFCL V3", "api_bank": "API-Bank", "multiwoz": "MultiWOZ 2.4"}


def scored(text: str, folder: Path, table: list[dict[str, str]], results: dict[str, Any]) -> str:
    """A card with its section on evaluation and its head renewed; all else stays as it was written.

    Args:
        text: the card.
        folder: the model's, for its manifest.
        table: rows of benchmark, figure, tuned, base, n, protocol.
        results: `results.json`.
    """
    head, _, body = text.removeprefix("---\n").partition("\n---\n")
    fields = yaml.safe_load(head) | {"model-index": [{"name": folder.name, "results": _index(results)}]}
    section = f"## Evaluation\n\n{_loss(body)}{_table(table)}\n\n{_note(results)}\n\n{_cost(folder)}\n"
    body = re.sub(r"## Evaluation\n.*?(?=\n## )", lambda _: section, body, flags=re.DOTALL)
    return f"---\n{yaml.safe_dump(fields, sort_keys=False)}---\n{body}"


def _loss(body: str) -> str:
    """The line on held-out loss that `calm train` wrote."""
    found = re.search(r"^Mean loss a supervised token.*?`eval\.json`\)\.", body, flags=re.MULTILINE)
    return f"{found.group()}\n\n" if found else ""


def _table(rows: list[dict[str, str]]) -> str:
    lines = [
        "| benchmark | figure | tuned, 95 % | base, 95 % | items | protocol |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cells = (NAMES.get(row["benchmark"], row["benchmark"]), row["figure"], row["tuned"], row["base"])
        lines.append("| " + " | ".join((*cells, row["n"], row["protocol"])) + " |")
    return "\n".join(lines)


def _note(results: dict[str, Any]) -> str:
    parts = [
        f"{name}: {run['judged']:,} of {run['in_benchmark']:,} items, {run['protocol']}, "
        f"{'constrained' if run['constrained'] else 'unconstrained'}"
        for name, run in results["runs"].items()
    ]
    return (
        "Percent; greedy; samples are fixed and stratified by category. The model's own words are in "
        "`runs/*/*/answers.jsonl.gz`; `calm publish` on this folder judges them again and rewrites `results.json` and "
        "`results.html`, which has every category, control and ceiling. Runs: " + "; ".join(parts) + "."
    )


def _cost(folder: Path) -> str:
    run = read_manifest(folder) or {}
    minutes = run.get("seconds", 0) / 60
    return (
        f"Training took {minutes:.0f} minutes of a processor's cores ({run.get('steps', 0):,} steps); energy was not "
        "measured."
    )


def _index(results: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "task": {"type": "text-generation"},
            "dataset": {"name": NAMES.get(benchmark, benchmark), "type": benchmark},
            "metrics": [
                {"type": name, "value": value, "name": f"{name}, {results['about'][benchmark][name]['protocol']}"}
                for name, value in values.items()
            ],
        }
        for benchmark, values in results.items()
        if benchmark in NAMES
    ]
