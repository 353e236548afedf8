"""The contamination check: no row that repeats a benchmark's text, tool or gold call gets into a dataset.

Three kinds of leak, each by marks that a copy keeps when it is dressed up (`contamination.marks`):

- `text`: 13 words in a row, or a whole utterance of 6 or more; case, punctuation and numbers do not count.
- `tool`: the words that describe a tool and its parameters, whatever they are called.
- `call`: a gold call by name and values, or by its values alone.

What several independent items of the benchmarks say ("is there anything else I can help you with"), and what consists
of words that very many of them use ("I am looking for a hotel"), is common speech: it tells nobody which item it is
from and is no leak; nor are calls of common values. `index.Weights` has the measure. A paraphrase is not promised to be
found.
"""

from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path

from calm import hub
from calm.conversation import Conversation
from calm.data import Item, Reject
from calm.data.contamination.benchmarks import READERS, inputs, materials
from calm.data.contamination.index import Index, Leak, gather, load, save
from calm.files import atomic, sha256
from calm.hub import corpora
from calm.recipe import digest

__all__ = ["Index", "Leak", "at_hand", "checked", "index", "sources"]

MODULES = ("contamination/benchmarks.py", "contamination/index.py", "contamination/marks.py", "shingles.py")


def at_hand(folder: Path | None = None) -> dict[str, bool]:
    """Which benchmarks the corpora folder (by default that of `CALM_DATA`) holds, so that the rest can be named."""
    return {name: bool(_present(folder, name)) for name in READERS}


def sources(folder: Path | None = None) -> dict[str, str]:
    """SHA-256 over the files of each benchmark at hand, for the manifest: what rows were checked against."""
    found = {name: _present(folder, name) for name in READERS}
    return {
        f"benchmark/{name}": digest([(path.name, sha256(path)) for path in paths])
        for name, paths in found.items()
        if paths
    }


def index(folder: Path | None = None) -> Index:
    """The index over all benchmarks at hand in the corpora folder; empty, so that nothing leaks, where there is none.

    Built once in some seconds and kept in the cache folder under the hashes of the files and of this code.

    Raises:
        DataError: a file of a benchmark is corrupt.
        HubError: `CALM_DATA` names no folder.
        StorageError: the cache folder cannot be written.
    """
    code = [sha256(Path(str(files("calm.data") / module))) for module in MODULES]
    path = hub.cache() / "contamination" / f"{digest([sources(folder), code])}.npz"
    if path.is_file():
        with path.open("rb") as stream:
            return load(stream)
    root = folder or corpora.root()
    present = [root / name for name, there in at_hand(folder).items() if there and root]
    made = gather((place.name, material) for place in present for material in materials(place))
    with atomic(path) as stream:
        save(made, stream)
    return made


def checked(items: Iterable[Item], index: Index) -> Iterator[Item]:
    """Items with each leaking conversation turned into a Reject that names the kind, the benchmark and the item."""
    for item in items:
        leaks = index.leaks(item) if isinstance(item, Conversation) else []
        if isinstance(item, Reject) or not leaks:
            yield item
        else:
            first, more = leaks[0], f" (and {len(leaks) - 1} more)" if len(leaks) > 1 else ""
            reason, detail = f"contaminated: {first.kind} of {first.benchmark}", f"{first.id}: {first.detail}{more}"
            yield Reject(id=item.id, origin=item.origin, reason=reason, detail=detail)


def _present(folder: Path | None, name: str) -> list[Path]:
    root = folder or corpora.root()
    return inputs(root / name) if root else []
