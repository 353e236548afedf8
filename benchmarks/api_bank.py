"""API-Bank's official verdicts beside the recorded ones, verdicts a second, gold ceilings and what wrong answers get.

    CALM_DATA=... CALM_REFERENCE=... python benchmarks/api_bank.py          seconds

`CALM_REFERENCE` names the folder of recorded verdicts; without it the first two tables are left out.
"""

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calm.bench import Benchmark, Task
from calm.bench.api_bank import APIBank, Hammer, ceilings, fixed
from calm.bench.api_bank.due import is_search
from calm.bench.api_bank.predictions import sample
from calm.conversation import Conversation
from calm.files import read_jsonl
from calm.hub.corpora import corpus

ROUNDS = 5
LEVELS = (1, 2, 3)


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A Markdown table; shares with one digit behind the point, in percent."""
    print(f"\n{title}\n\n| {' | '.join(head)} |\n| --- {'| ---: ' * (len(head) - 1)}|")
    for row in rows:
        print(f"| {' | '.join(f'{100 * cell:.1f}' if isinstance(cell, float) else str(cell) for cell in row)} |")


def recorded(rows: Sequence[Mapping[str, Any]]) -> None:
    """Ours against recorded by level, and the speed."""
    data, judge = ceilings.judge_of(corpus("api_bank"), "official")
    counts: Counter[tuple[int, str]] = Counter()
    for row in rows:
        error, level = judge(data.due[sample(row)], row["output"]), row["level"]
        counts[level, "rows"] += 1
        counts[level, "evaluable"] += row["evaluable"]
        counts[level, "verdict"] += row["evaluable"] and (error is None) != row["verdict"]
        counts[level, "type"] += row["evaluable"] and error != (None if row["verdict"] else row["why"])
        counts[level, "says so"] += not row["evaluable"] and str(error).startswith("NEEDS_")
    kinds = ("rows", "evaluable", "verdict", "type", "says so")
    head = ("level", "rows", "evaluable", "verdicts that differ", "error types that differ", "others: NEEDS_...")
    table("Recorded verdicts", head, [(level, *(counts[level, kind] for kind in kinds)) for level in LEVELS])
    print()
    for protocol in ("official", "fixed"):
        data, judge = ceilings.judge_of(corpus("api_bank"), protocol)
        began = time.perf_counter()
        for row in (*rows,) * ROUNDS:
            judge(data.due[sample(row)], row["output"])
        print(f"{protocol}: {ROUNDS * len(rows) / (time.perf_counter() - began):,.0f} verdicts/s, one process")


def bounds() -> None:
    """Ceilings, and controls where calls are run."""
    rows = []
    for protocol in ("official", "fixed", "exact"):
        found = ceilings.ceiling(corpus("api_bank"), protocol)
        rows += [(protocol, level, most.samples, most.share, most.most) for level, most in found.items()]
    table("Ceilings", ("protocol", "level", "samples", "gold right, %", "at most, %"), rows)
    controls = {
        protocol: ceilings.executed(corpus("api_bank"), protocol) for protocol in ("official", "fixed", "exact")
    }
    kinds = controls["official"]
    cells = ([controls[protocol][kind][level] for protocol in controls for level in LEVELS] for kind in kinds)
    head = ("without searches, %", *(f"{protocol} {level}" for protocol in controls for level in LEVELS))
    table("Controls, calls", head, [(kind, *shares) for kind, shares in zip(kinds, cells, strict=True)])


def searches() -> None:
    """How often our search finds the gold tool by the gold keywords."""
    data, _ = ceilings.judge_of(corpus("api_bank"), "fixed")
    finders = fixed.finders(data, ceilings.described(corpus("api_bank")).values())
    print()
    for level in (2, 3):
        golds = [due.gold for due in data.due.values() if due.level == level and is_search(due)]
        hits = sum(finders[level].find(gold.input["keywords"]) == fixed.sought(gold) for gold in golds)
        print(f"search, level {level}: gold keywords find the gold tool {hits} times of {len(golds)}")


def texts() -> None:
    """Controls of the text metrics over Hammer's files."""
    bench = Hammer()
    keys = ("rouge-l", "rouge-1", "rouge-2", "bleu-4", "api_f1", "param_f1")
    head = ("answer, %", "Rouge-L", "Rouge-1", "Rouge-2", "BLEU-4", "API F1", "parameter F1")
    for level in LEVELS[:2]:
        tasks = [task for task in bench.tasks() if task.category == f"level-{level}"]
        said = {"gold": [bench.gold(task) for task in tasks], **bench.controls(tasks)}
        found = {kind: summary(bench, tasks, answers) for kind, answers in said.items()}
        rows = [(kind, *(scores[f"{key}.level-{level}"] for key in keys)) for kind, scores in found.items()]
        table(f"Controls, text, level {level} ({len(tasks)})", head, rows)


def native() -> None:
    """Controls of the native form that `calm bench api_bank` uses."""
    bench = APIBank()
    tasks = list(bench.tasks())
    keys = ("exact", "exact.level-1", "api_f1", "param_f1", "rouge-l")
    found = {kind: summary(bench, tasks, answers) for kind, answers in bench.controls(tasks).items()}
    rows = [(kind, *(scores[key] for key in keys)) for kind, scores in found.items()]
    table("Controls, native", ("answer, %", "exact", "exact, level 1", "API F1", "parameter F1", "Rouge-L"), rows)


def summary(bench: Benchmark, tasks: Sequence[Task], answers: Sequence[Conversation]) -> Mapping[str, float]:
    """The averages of some answers."""
    return bench.summary([bench.grade(task, said) for task, said in zip(tasks, answers, strict=True)])


def main() -> None:
    """Print all tables."""
    if folder := os.environ.get("CALM_REFERENCE"):
        recorded([row for _, row in read_jsonl(Path(folder) / "api_bank" / "verdicts.jsonl")])
    bounds()
    searches()
    native()
    texts()


if __name__ == "__main__":
    main()
