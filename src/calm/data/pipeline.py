"""Pieces of a dataset, made by many processes at once: read, worked on, and written down with what the merge must know.

A piece is a file of lines `facts TAB rest of the row`, both JSON, and a last line that says how many they are; so the
merge (`data.merge`) never parses a row, and a piece that was not finished is seen to be none. A piece depends on the
recipe, the files and its own number only; so which process makes it, and when, changes nothing.
"""

import functools
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

from calm.conversation import Conversation, User, to_row
from calm.data import Item, Reject, contamination, similar, steps, wordings
from calm.data.export.coalm import samples
from calm.data.paraphrase import paraphrased
from calm.data.part import PaperForm, PartRecipe
from calm.data.parts import DataRecipe
from calm.data.vary import Vary, vary
from calm.errors import CalmError, FormatError
from calm.files import atomic, dumps
from calm.hub import corpora

ALONE = 1.0
"""Seconds for which pieces are made in this process before others are started, which costs about as much."""


class Unit(NamedTuple):
    """A piece of a part, both counted from 0, in the order in which the merge goes through them."""

    part: int
    piece: int

    def path(self, folder: Path) -> Path:
        """Where the finished piece lies."""
        return folder / f"{self.part + 1:04}-{self.piece + 1:04}.jsonl"


def units(recipe: DataRecipe) -> list[Unit]:
    """All work, in order."""
    return [Unit(number, piece) for number, part in enumerate(recipe.parts) for piece in range(part.pieces())]


def finished(items: Iterable[Item], part: PartRecipe, recipe: DataRecipe) -> Iterator[Item]:
    """What is done with the items of `part` between its source and the disk: Items in, Items out, nothing dropped.

    Varied, reworded, checked against the benchmarks, written in the paper's form; the last one changes how a row reads,
    so what is checked is the conversation behind it.
    """
    made = iter(items)
    if part.paper is None and part.vary and recipe.vary is not None:
        made = _varied(made, recipe.vary, recipe.seed)
    if part.paper is None and recipe.paraphrase is not None:
        made = paraphrased(made, recipe.paraphrase)
    if recipe.contamination:
        made = contamination.checked(made, _benchmarks(corpora.root()))
    yield from made if part.paper is None else _in_form(made, part.paper)


def _varied(items: Iterable[Item], settings: Vary, seed: int) -> Iterator[Item]:
    for item in items:
        yield from vary(item, settings, seed) if isinstance(item, Conversation) else (item,)


def _in_form(items: Iterable[Item], form: PaperForm) -> Iterator[Item]:
    """One row a sample; a conversation that the form has no words for goes, with the reason."""
    for item in items:
        if isinstance(item, Reject):
            yield item
            continue
        try:
            made = samples(item.note(group=item.meta.get("group", item.id)), form)
        except FormatError as error:
            yield steps.rejected(item, f"no row of {form} can say it", str(error))
        else:
            yield from made or [steps.rejected(item, f"no step that {form} can say", "")]


@functools.cache
def _benchmarks(folder: Path | None) -> contamination.Index:
    return contamination.index(folder)


def make(recipe: DataRecipe, folder: Path, unit: Unit) -> int:
    """Make one piece, whole or not at all; returns how many records it holds."""
    part, count = recipe.parts[unit.part], 0
    if part.max_characters:
        recipe = recipe.model_copy(update={"max_characters": part.max_characters})
    with atomic(unit.path(folder)) as stream, wordings(recipe.wordings):
        for item in finished(part.read(recipe.seed, unit.piece), part, recipe):
            stream.write(sealed(item, recipe))
            count += 1
        stream.write(_end(count))
    return count


# --- lines ---------------------------------------------------------------------------------------------------------


def sealed(item: Item, recipe: DataRecipe) -> bytes:
    """The line of an item, each value turned into JSON once; a row over `max_characters` becomes a Reject.

    So does one with half of a surrogate pair, which is no Unicode: Parquet holds UTF-8 and cannot store it.
    """
    if isinstance(item, Reject):
        return _line({"reject": item.model_dump()}, "")
    row, most = to_row(item), recipe.max_characters
    columns = {name: dumps(value) for name, value in row.items() if name != "id"}
    characters = len(columns["messages"]) + len(row["tools"])
    if most is not None and characters > most:
        return sealed(steps.rejected(item, "too long", f"{characters} characters, at most {most}"), recipe)
    known = {"characters": characters, **facts(item, row["messages"])}
    if recipe.duplicates == "near":
        known["near"] = similar.signature(item).hex()
    rest = ", ".join(f'"{name}": {value}' for name, value in columns.items()) + "}"
    try:
        return _line(known, rest)
    except UnicodeEncodeError as error:
        detail = f"U+{ord(error.object[error.start]):04X}, half of a surrogate pair, is no Unicode character"
        return sealed(steps.rejected(item, "lone surrogate", detail), recipe)


def facts(item: Conversation, messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the merge and the counts must know of a row; `calls` holds one number per assistant step."""
    return {
        "id": item.id,
        "group": str(item.meta.get("group", item.id)),
        "origin": item.origin,
        "said": steps.fingerprint(messages),
        "calls": [len(m.get("tool_calls", ())) for m in messages if m["role"] == "assistant"],
        "tools": len(item.tools),
        "turns": sum(isinstance(m, User) for m in item.messages),
        "checked": str(item.meta.get("checked", "")),
    }


def _line(head: dict[str, Any], rest: str) -> bytes:
    errors = "surrogatepass" if "reject" in head else "strict"
    return f"{dumps(head)}\t{rest}\n".encode("utf-8", errors)


def _end(count: int) -> bytes:
    return _line({"records": count}, "")


def lines(path: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Facts and the JSON of the row after its id, for each record of a piece."""
    with path.open("rb") as stream:
        for line in stream:
            head, _, rest = line.rstrip(b"\n").partition(b"\t")
            found = json.loads(head.decode("utf-8", "surrogatepass"))
            if "records" not in found:
                yield found, rest


def whole(path: Path) -> bool:
    """Whether a piece is there to its end, which it is unless the machine itself went down."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 100))
        last = stream.read()
    return last.endswith(b"}\t\n") and b'{"records": ' in last


# --- processes -----------------------------------------------------------------------------------------------------


def run(
    recipe: DataRecipe, folder: Path, wanted: Sequence[Unit], workers: int | None, heard: Callable[[int], None]
) -> None:
    """Make the pieces `wanted`; `heard` is told of each how many records it holds.

    Args:
        recipe: what is built.
        folder: where pieces go.
        wanted: which pieces.
        workers: processes; 1 is this one alone. None: one per core, unless all is done within a second.
        heard: called in this process after each piece.

    Raises:
        CalmError: whatever a source raises, or a process that was killed.
    """
    left = list(wanted)
    began = time.monotonic()
    while left and (workers == 1 or (workers is None and time.monotonic() - began < ALONE) or len(left) == 1):
        heard(make(recipe, folder, left.pop(0)))
    if left:
        _together(recipe, folder, left, min(workers or os.cpu_count() or 1, len(left)), heard)


def _together(
    recipe: DataRecipe, folder: Path, wanted: Sequence[Unit], workers: int, heard: Callable[[int], None]
) -> None:
    context = multiprocessing.get_context("spawn")  # a fork would copy locks that the progress bar's thread holds
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, context, _follow)
    try:
        for done in as_completed([pool.submit(make, recipe, folder, unit) for unit in wanted]):
            heard(done.result())
        pool.shutdown()
    except BrokenProcessPool as error:
        raise CalmError(
            f"{folder.parent}: a worker process ended too soon: out of memory, killed, or started by a script without"
            " `if __name__ == '__main__':`; the same command goes on, fewer workers need less memory"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()


def _follow() -> None:
    """Make a worker leave Ctrl-C to its parent, and end with it even when the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
