"""Where bytes come from: models, corpora and wheels, pinned by hash, resumable, cached, usable offline afterwards."""

import os
from pathlib import Path


def cache() -> Path:
    """The cache folder: `CALM_CACHE`, else `$XDG_CACHE_HOME/calm`, else `~/.cache/calm`."""
    if named := os.environ.get("CALM_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "calm"
