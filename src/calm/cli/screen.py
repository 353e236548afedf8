"""What several verbs draw: tables that are also JSON, and a progress bar for bytes, rows and steps."""

import json
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

Tick = Callable[[str, int, int], None]
"""Told (what, done, in all); a new `what` starts a new bar."""


class Piped(Console):
    """A console that leaves a reader's going away (`| head`) to `calm.cli.main`: rich ends with 1, as if it failed."""

    def on_broken_pipe(self) -> None:
        """Let the error be."""
        raise BrokenPipeError


def out() -> Console:
    """The console for results: stdout."""
    return Piped(highlight=False, soft_wrap=True)


def err() -> Console:
    """The console for progress and remarks: stderr."""
    return Piped(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON value on stdout, for `--json`."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def print_rows(rows: Sequence[dict[str, Any]], title: str = "") -> None:
    """Rows as a table, columns in the order of the first row's keys; numbers to the right."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for key, value in rows[0].items() if rows else ():
        table.add_column(key, justify="right" if isinstance(value, int | float) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    out().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


@contextmanager
def progress(*more: ProgressColumn) -> Generator[Tick]:
    """A bar per thing on stderr; where stderr is no terminal, a line now and then, so that logs show life too.

    `more` are columns that a verb adds at the right.
    """
    if not err().is_terminal:
        yield _lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), *more)
    with Progress(*columns, console=err(), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def tick(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total or None)
            bars.update(tasks[what], completed=done, total=total or None)

        yield tick


def _lines() -> Tick:
    """A tick that writes at each tenth of the way."""
    said: dict[str, int] = {}

    def tick(what: str, done: int, total: int) -> None:
        tenth = 10 * done // total if total else 0
        if said.get(what, -1) < tenth:
            said[what] = tenth
            err().print(f"{what}: {done:,} of {total:,}" if total else what, markup=False)

    return tick
