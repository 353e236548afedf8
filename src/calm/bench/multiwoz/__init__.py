"""MultiWOZ 2.4: does the model pass every wish of the user to the right tool, and say what the user asked for?

A run of ours: `native` and `offline` are the two protocols (`room` what they share), `tasks` reads the dialogues, `db`
the database, `world` and `offline_api` the tools and the recorded user, `offline_text` what is written there, `delex`
and `spelling` the placeholders, `played` the verdict. Prediction files of others: `predictions` reads them; `jga`
compares states (`values`, `fuzzy`, `fnctod`); `lexical` looks for right values in words; `mwzeval` is the public
measure, made of `goals`, `replies` (`moses`), `venues`, `inform` and `text`. `archive` reads the data, `controls` is
what stands beside scores. README.md says what each protocol is.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from calm.bench.multiwoz import jga, lexical, mwzeval
from calm.bench.multiwoz.db import Database
from calm.bench.multiwoz.native import MultiWOZ
from calm.bench.multiwoz.offline import Offline
from calm.bench.multiwoz.room import Room
from calm.bench.multiwoz.world import Desk
from calm.conversation import read
from calm.errors import UsageError
from calm.hub.corpora import corpus

__all__ = [
    "GENERATES",
    "PROTOCOLS",
    "MultiWOZ",
    "Offline",
    "board",
    "desk",
    "export",
    "generating",
    "grade_predictions",
]

GENERATES = (Offline.protocol,)
"""Protocols by which a model can be run, beside `native`."""

OWN = (MultiWOZ.protocol, *GENERATES)
GRADERS = {protocol: module for module in (mwzeval, jga, lexical) for protocol in module.PROTOCOLS}
PROTOCOLS = (*GRADERS, *OWN)
"""What `calm grade` knows; those in `OWN` judge transcripts of `calm bench` and no prediction files."""


def generating(protocol: str) -> Offline:
    """The benchmark of one of `GENERATES`."""
    return Offline()


def export(benchmark: Room, transcripts: Path, folder: Path) -> list[Path]:
    """Write the transcripts of a run as a prediction file for mwzeval and multiwoz-helper; returns the file.

    Dialogues that ended in an error are left out, so that `calm grade` counts them as missing.
    """
    return benchmark.export(read(transcripts), folder)


def grade_predictions(path: Path, protocol: str) -> Iterator[dict[str, Any]]:
    """Verdict rows for an mwzeval prediction file, one a dialogue, and a last `{"total": {...}}`.

    Args:
        path: one JSON object `{dialogue: [{"response", "state", ...}, ...]}`, `.gz` or not.
        protocol: one of `GRADERS`; `helper`, `trade` and `fnctod` are JGA alone and need no replies, `lexical` judges
            replies in words and needs no states.

    Raises:
        UsageError: no such protocol.
        DataError: a file that is not of this form, or lacks what the protocol judges; names file, row and dialogue.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"multiwoz: no protocol {protocol!r}; there are: {', '.join(PROTOCOLS)}")
    if protocol in OWN:
        raise UsageError(f"{path}: holds no transcripts; {protocol} judges those of calm bench multiwoz")
    return GRADERS[protocol].grade(path, protocol)


def board(rows: Sequence[dict[str, Any]], protocol: str) -> tuple[str, list[dict[str, Any]]]:
    """A title and a table of what the rows came to, the controls below the scores."""
    total = rows[-1]["total"]
    title = f"{protocol}: {total['dialogues']} of {total['of']} dialogues scored, {total['missing']} missing"
    plain = {key: value for key, value in total.items() if isinstance(value, (int, float))}
    table = [{"measure": key, "value": value} for key, value in plain.items()]
    for control, scores in total.get("controls", {}).items():
        table += [{"measure": f"control {control}: {key}", "value": value} for key, value in scores.items()]
    return title, table


def desk() -> Desk:
    """The eight tools over the real database as a Toolbox, outside the benchmark: for a chat or a simulated user.

    Raises:
        HubError: the corpus is not at hand; says what to set.
    """
    return Desk(Database(corpus("multiwoz") / "db"))
