"""Sections as one HTML file that needs nothing else: no script, no font, no address; light, dark, narrow, printed.

Every text is escaped by the template engine and a content policy in the page forbids scripts and any fetch, so
that what a model or a data file says stays text.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from calm.files import write_text
from calm.report import Score, ScoreSection, Section, Title, words
from calm.report.charts import loss_chart, panels
from calm.report.dialogue import turns

OPEN_LINES = 6
"""Observations of at most so many lines are not folded."""


def write_page(path: Path, sections: Iterable[Section]) -> None:
    """Write the sections, in order, as one self-contained page, all of it or nothing.

    Raises:
        StorageError: the file cannot be written.
    """
    write_text(path, page(tuple(sections)))


def page(sections: Sequence[Section]) -> str:
    """The page as text; its title is that of the first Title section, `calm report` without one."""
    title = next((section.title for section in sections if isinstance(section, Title)), "calm report")
    return _environment().get_template("page.jinja").render(title=title, sections=sections, **_helpers())


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("calm.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    spelling = (
        words.visible,
        words.pretty,
        words.percent,
        words.points,
        words.signed,
        words.span,
        words.p_value,
        words.number,
        words.value,
    )
    environment.filters.update({function.__name__: function for function in spelling})
    return environment


def _helpers() -> dict[str, Any]:
    reading = (words.arguments, words.cut, words.interval, words.is_error, words.middle)
    return {function.__name__: function for function in (*reading, short, grouped, turns, loss_chart, panels)}


def short(text: str) -> bool:
    """Whether an observation may stand unfolded."""
    return len(text) <= 100 * OPEN_LINES and text.count("\n") < OPEN_LINES


def grouped(section: ScoreSection) -> list[tuple[str, list[tuple[str, list[Score]]]]]:
    """Rows by benchmark and, within, by category, both in order of appearance."""
    found: dict[str, dict[str, list[Score]]] = {}
    for row in section.rows:
        found.setdefault(row.benchmark, {}).setdefault(row.category, []).append(row)
    return [(benchmark, list(categories.items())) for benchmark, categories in found.items()]
