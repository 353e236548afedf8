"""Corpora and benchmark data on disk, in the folder that `CALM_DATA` names; they never enter the package."""

import os
from pathlib import Path

from calm.errors import HubError


def root() -> Path | None:
    """The folder of corpora, or None when `CALM_DATA` is unset.

    Raises:
        HubError: `CALM_DATA` names something that is no folder.
    """
    named = os.environ.get("CALM_DATA")
    if not named:
        return None
    if not Path(named).is_dir():
        raise HubError(f"CALM_DATA={named}: no such folder; point it at the folder that holds the corpora")
    return Path(named)


def at_hand(name: str) -> bool:
    """Whether `corpus(name)` would succeed."""
    folder = root()
    return folder is not None and (folder / name).is_dir()


def corpus(name: str) -> Path:
    """The folder of one corpus, as upstream lays it out (`snips`, `sgd`, `multiwoz`, `api_bank`, ...).

    Raises:
        HubError: `CALM_DATA` is unset or lacks it; says what to set.
    """
    folder = root()
    if folder is None:
        raise HubError(f"corpus {name!r}: set CALM_DATA to the folder that holds {name}/")
    if not (folder / name).is_dir():
        raise HubError(f"corpus {name!r}: CALM_DATA={folder} has no folder {name}/; put the upstream files there")
    return folder / name
