"""Documents are true: their Python runs, links lead somewhere, verbs exist, the tree of errors is the tree."""

import inspect
import re
from pathlib import Path

import pytest

from calm import errors
from calm.cli import VERBS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?P<before>[^\n]*)\n```python\n(?P<code>.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_blocks_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CALM_DATA", raising=False)
    names = {"__name__": "page"}
    for block in BLOCK.finditer(page.read_text()):
        if "not run" not in block["before"]:
            code = compile(block["code"], str(page), "exec")
            vars(__import__("builtins"))["exec"](code, names)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_inside_the_repository_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_verb_spoken_of_exists(page):
    spoken = set(re.findall(r"(?:^    |`|\$ )calm ([a-z]+)", page.read_text(), re.MULTILINE))
    assert spoken <= set(VERBS)


def test_the_drawn_tree_of_errors_is_the_tree():
    drawn = dict(re.findall(r"(\w+Error|MissingExtra)\s+exit (\d)", errors.__doc__))
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.CalmError)]
    assert drawn == {c.__name__: str(c.exit_code) for c in classes}
