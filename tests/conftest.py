"""Real small things that tests share: the corpora and the recorded verdicts, where they are at hand."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")  # laws are about truth, not speed, and machines are shared

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


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A Llama of two layers with random weights and a small ChatML tokenizer, as a model folder."""
    from tests.tiny import save_tiny

    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def embedded():
    """The real embedded model, converted once into the user's own cache; skips where it cannot be fetched."""
    from calm.errors import HubError
    from calm.hub.models import find

    try:
        return find("smollm2-135m").base
    except HubError as error:
        pytest.skip(f"the embedded model is not at hand: {error}")
