"""`calm grade`: verdicts for stored predictions; no model, no network, no clock."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from calm.cli import screen
from calm.errors import DataError
from calm.files import dumps


def grade(
    benchmark: str,
    predictions: Path,
    *,
    protocol: str | None = None,
    results: Path | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Score stored predictions or transcripts.

    Args:
        benchmark: toy, bfcl, api_bank or multiwoz.
        predictions: a JSONL file (or .gz) in the benchmark's prediction form, transcripts.jsonl of `calm bench`, or
            (bfcl) a result file or folder of bfcl-eval.
        protocol: which scoring rules; the benchmark's first by default. A wrong name lists them.
        results: also write a run's transcripts there as result files of the benchmark's own harness (bfcl, multiwoz).
        json: one JSON verdict a line on stdout, in the file's order, instead of the counts.
    """
    from calm.bench.grade import board_of, export_results, grade_file

    if results:
        written = export_results(benchmark, predictions, results, protocol)
        screen.err().print(f"{results}: {len(written)} result files", markup=False)
    rows = grade_file(benchmark, predictions, protocol)
    if json:
        for row in rows:
            sys.stdout.write(dumps(row) + "\n")
        return
    verdicts = list(rows)
    counts: dict[str, int] = {}
    judged = [row for row in verdicts if "total" not in row]  # the last row of some protocols sums up the others
    if not judged:
        raise DataError(predictions, "holds no row to judge")
    for row in judged:
        kind = "valid" if row.get("valid") else str(row.get("error_type") or "graded")
        counts[kind] = counts.get(kind, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    screen.print_rows([{"verdict": kind, "rows": n, "share": n / len(judged)} for kind, n in ordered])
    if board := board_of(benchmark, predictions, verdicts, protocol):
        screen.print_rows(board.rows, title=f"\n{board.title}")
        if board.controls:
            screen.print_rows(board.controls, title="\nControls on the same items")
