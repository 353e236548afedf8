"""Real small things that tests share: the corpora and reference verdicts where they are at hand, a cache of their own."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def _beside(variable: str, name: str) -> Path:
    path = Path(os.environ.get(variable) or ROOT.parent / "shared" / name)
    if not path.is_dir():
        pytest.skip(f"{name} not at hand: set {variable} to its folder")
    return path


@pytest.fixture
def corpora(monkeypatch):
    """The folder of real corpora; the code under test sees it as CALM_DATA."""
    path = _beside("CALM_DATA", "data")
    monkeypatch.setenv("CALM_DATA", str(path))
    return path


@pytest.fixture
def reference():
    """The folder of verdicts recorded from the official scorers."""
    return _beside("CALM_REFERENCE", "reference")
