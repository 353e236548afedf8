"""A version of BFCL: data, simulators, decoder and averaging of one date, which belong together and are never mixed.

Upstream changes all four inside one package without a data version, so a score says little without this name beside it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from calm.errors import DataError, UsageError
from calm.files import read_text
from calm.hub import corpora, wheels

PACKAGE = "bfcl-eval"


class Version(NamedTuple):
    """One date of the benchmark.

    `rules` names decoder and prompts (`v3` or `v4`) and the file names; `release` is the bfcl-eval wheel that brings
    data and simulators; with `papers`, the data of February 2025 replace the wheel's where `CALM_DATA` holds them;
    `board` is the averaging; `results` the role under which a local model is given tool results.
    """

    name: str
    rules: str
    release: str
    papers: bool
    board: str
    results: str

    @property
    def folder(self) -> Path | None:
        """The paper's own data, where this version asks for them and the user has them; raises as `corpora` does."""
        return corpora.corpus("bfcl_v3") if self.papers and corpora.at_hand("bfcl_v3") else None

    @property
    def source(self) -> str:
        """Which data the items come from, as printed with every score."""
        if self.folder is not None:
            return "20 Feb 2025"
        return f"bfcl-eval {self.release}" + (", not the data of 20 Feb 2025" if self.papers else "")

    def text(self, file: str) -> str:
        """A file of the wheel as text.

        Raises:
            HubError: the wheel cannot be had.
            DataError: it cannot be read.
        """
        with wheels.member(wheels.wheel(PACKAGE, self.release), f"bfcl_eval/{file}") as stream:
            return stream.read().decode("utf-8")

    def rows(self, file: str) -> Iterator[dict[str, Any]]:
        """The rows of one file of upstream's `data/`; raises as `text` does, or DataError for a row."""
        folder = self.folder
        text = read_text(folder / file) if folder is not None else self.text(f"data/{file}")
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                try:
                    yield json.loads(line)
                except json.JSONDecodeError as error:
                    where = folder or wheels.cached(PACKAGE, self.release)
                    raise DataError(where, f"{file}: is not JSON: {error}", number) from error

    @property
    def label(self) -> str:
        """What is printed with every score: the name, and the data."""
        return f"bfcl-{self.name} ({self.source})"


VERSIONS = {
    version.name: version
    for version in (
        Version("v4-2026-03", "v4", "2026.3.23", False, "v4", "ipython"),
        Version("v3-2025-02", "v3", "2025.6.8", True, "v3-exec", "tool"),
        Version("v3-2025-06", "v3", "2025.6.8", False, "v3", "ipython"),
    )
}
SHORT = {"v3": "v3-2025-02", "v4": "v4-2026-03"}
"""What `v3` (the paper's) and `v4` mean."""


def named(name: str) -> Version:
    """The version of that name, or of the short name `v3` or `v4`.

    Raises:
        UsageError: no such version; lists those there are.
    """
    found = VERSIONS.get(SHORT.get(name, name))
    if found is None:
        raise UsageError(f"bfcl: no version {name!r}; there are: {', '.join((*SHORT, *VERSIONS))}")
    return found


AUDITED = "-audited"


def reading(protocol: str) -> tuple[Version, bool]:
    """The version that a protocol name means, and whether it is read with the repairs of `audited`."""
    return named(protocol.removesuffix(AUDITED)), protocol.endswith(AUDITED)
