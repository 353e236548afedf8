"""The pieces of a dataset made into one: in order, without twins, shuffled, and never all in memory.

Rows go through twice. First every piece in order: a row that says what an earlier one said is rejected, an id that is
taken gets a suffix, and each row's bytes go into one of several bucket files by the leading bits of a hash of (seed,
id). Then bucket by bucket: sorted by that hash in memory, and written. So the order depends on seed and ids alone.

Memory: some 400 bytes a row (fingerprint, id), 1.6 kB more where near duplicates are looked for, and one bucket,
`BUCKET` bytes on average, three times over while it is sorted and parsed. Disk: pieces, buckets and result together, up
to 2.2 times the rows as JSON.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from calm.data import bucket, pipeline, steps
from calm.data.parquet import RowFile
from calm.data.parts import DataRecipe
from calm.data.pipeline import Unit
from calm.data.similar import Seen
from calm.data.tally import Report, Tally
from calm.files import dumps, write_jsonl

TRAIN, HELD_OUT, REJECTS = "train.parquet", "held_out.parquet", "rejects.jsonl"
BUCKET, MOST_BUCKETS = 32 << 20, 256
HELD, KEPT = b"h", b"t"
Heard = Callable[[str, int, int], None]


class Merge:
    """One pass over all pieces in order: what stays goes into buckets, what goes comes out of `rejects`."""

    def __init__(self, recipe: DataRecipe, buckets: Sequence[IO[bytes]]) -> None:
        self.seed, self.share = recipe.seed, recipe.held_out
        self.duplicates, self.buckets = recipe.duplicates, buckets
        self.near = Seen()
        self.tallies = [Tally(label) for label in labels(recipe)]
        self.said: dict[bytes, str] = {}
        self.ids: Counter[str] = Counter()

    def rejects(self, pieces: Path, wanted: Sequence[Unit], heard: Heard) -> Iterator[dict[str, str]]:
        """Distribute the rows of all pieces; yields the rows of `rejects.jsonl` on the way."""
        in_all = len(wanted) + len(self.buckets)
        for done, unit in enumerate(wanted, 1):
            tally = self.tallies[unit.part]
            for facts, rest in pipeline.lines(unit.path(pieces)):
                reject = facts.get("reject") or self._twin(facts)
                if reject is None:
                    self._keep(facts, rest, tally)
                else:
                    tally.drop(reject["reason"])
                    yield {"part": tally.part, **reject}
            heard("merging", done, in_all)

    def _twin(self, facts: dict[str, Any]) -> dict[str, str] | None:
        """The reject of a row that an earlier one makes superfluous; else None, and its id is one of its own."""
        said = bytes.fromhex(facts["said"])
        row = {"id": facts["id"], "origin": facts["origin"]}
        if self.duplicates != "keep" and (twin := self.said.get(said)) is not None:
            return {**row, "reason": "duplicate", "detail": f"says what {twin} says"}
        facts["id"] = self._unique(facts["id"])
        near = facts.get("near")
        if near and (twin := self.near.seen(bytes.fromhex(near), facts["id"])) is not None:
            return {**row, "reason": "near duplicate", "detail": f"does what {twin} does and says nearly the same"}
        self.said[said] = facts["id"]
        return None

    def _unique(self, name: str) -> str:
        """`name`, or where it is taken `name~2`, `name~3`: twins of one record, held out together or not at all."""
        self.ids[name] += 1
        return name if self.ids[name] == 1 else self._unique(f"{name}~{self.ids[name]}")

    def _keep(self, facts: dict[str, Any], rest: bytes, tally: Tally) -> None:
        held_out = steps.held_out(facts["group"], self.share)
        tally.keep(facts, held_out)
        order = bucket("order", self.seed, facts["id"])
        row = b'{"id": %s, %s' % (dumps(facts["id"]).encode(), rest)
        self.buckets[order * len(self.buckets) >> 64].write(b"%016x%s%s\n" % (order, HELD if held_out else KEPT, row))


def merge(recipe: DataRecipe, pieces: Path, folder: Path, heard: Heard) -> tuple[Report, dict[str, str]]:
    """Write the three files into `folder`; returns the counts and the content digest of each file of rows.

    Args:
        recipe: what is built.
        pieces: the folder of its pieces, all of them there.
        folder: where the files go, beside what is there.
        heard: told (what is done, done, in all).
    """
    wanted = pipeline.units(recipe)
    paths = _buckets(folder, sum(unit.path(pieces).stat().st_size for unit in wanted))
    with ExitStack() as opened:
        work = Merge(recipe, [opened.enter_context(path.open("wb")) for path in paths])
        write_jsonl(folder / REJECTS, work.rejects(pieces, wanted, heard))
    content = _write(paths, folder, heard, len(wanted))
    return Report(parts=tuple(tally.report() for tally in work.tallies), pieces=len(wanted)), content


def labels(recipe: DataRecipe) -> list[str]:
    """What each part is called: its label, numbered where several have the same."""
    names = [part.label for part in recipe.parts]
    return [f"{name} #{number}" if names.count(name) > 1 else name for number, name in enumerate(names, 1)]


def _buckets(folder: Path, size: int) -> list[Path]:
    """Paths of empty buckets for `size` bytes; how many there are changes no order, as they split the hash evenly."""
    count = min(MOST_BUCKETS, size // BUCKET + 1)
    return [folder / f"bucket-{number:03}" for number in range(count)]


def _write(paths: Sequence[Path], folder: Path, heard: Heard, before: int) -> dict[str, str]:
    """Sort each bucket and write its rows; the bucket is gone after that."""
    with RowFile(folder / TRAIN) as train, RowFile(folder / HELD_OUT) as held_out:
        for done, path in enumerate(paths, 1):
            for line in sorted(path.read_bytes().split(b"\n")[:-1]):
                (held_out if line[16:17] == HELD else train).add(line[17:])
            path.unlink()
            heard("merging", before + done, before + len(paths))
    return {TRAIN: train.content, HELD_OUT: held_out.content}
