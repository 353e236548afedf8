"""The index of marks: gathered from the benchmarks in one pass, a few megabytes, looked up a whole row at a time."""

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple

from calm.conversation import Assistant, Conversation, System, Tool, User
from calm.data.contamination import marks
from calm.data.contamination.benchmarks import OMITTED, Material
from calm.data.shingles import numpy, windows

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["text", "tool", "call"]
MOST_READINGS = 64
"""Right answers of one gold call that are marked, where several values of several arguments count as right."""


class Leak(NamedTuple):
    """What of a row is in a benchmark: the item's id there, and in `detail` the words, tool or call of the row."""

    kind: Kind
    benchmark: str
    id: str
    detail: str


class Table(NamedTuple):
    """Sorted marks (uint64) and for each the number (uint32) of the benchmark item that it was first seen in."""

    marks: "np.ndarray"
    owners: "np.ndarray"

    def find(self, wanted: "np.ndarray") -> list[tuple[int, int]]:
        """(place in `wanted`, owner) of each mark that is known."""
        if not len(self.marks) or not len(wanted):
            return []
        places = self.marks.searchsorted(wanted)
        places[places == len(self.marks)] = 0
        (hits,) = (self.marks[places] == wanted).nonzero()
        return [(int(hit), int(self.owners[places[hit]])) for hit in hits]


class Index:
    """The marks of all benchmarks at hand; `names` are the (benchmark, id) of their items."""

    def __init__(self, tables: dict[str, Table], names: Sequence[tuple[str, str]]) -> None:
        self.tables, self.names = tables, names

    def leaks(self, conversation: Conversation) -> list[Leak]:
        """Everything in a conversation that a benchmark holds, each kind and item once, texts first.

        Read are the system's, the user's and the assistant's words, the tools offered and the calls made; thoughts and
        observations are not.
        """
        found = itertools.chain(self._texts(conversation), self._tools(conversation.tools), self._calls(conversation))
        return list({leak[:3]: leak for leak in reversed(list(found))}.values())[::-1]

    def tool_leak(self, tool: Tool) -> Leak | None:
        """The benchmark's tool that this one copies, or None: for sifting a pool before rows are made of it."""
        return next(self._tools([tool]), None)

    def _texts(self, conversation: Conversation) -> Iterator[Leak]:
        spoken = [said for text in _texts(conversation) if len(said := marks.spoken(text)) >= marks.SHORTEST]
        for place, owner in self.tables["whole"].find(_array(map(marks.utterance, spoken))):
            yield self._leak("text", owner, f'"{" ".join(spoken[place])}"')
        hashes, texts = windows(spoken, marks.GRAM)
        for place, owner in self.tables["gram"].find(hashes):
            start = place - int(texts.searchsorted(texts[place]))
            words = spoken[int(texts[place])][start : start + marks.GRAM]
            yield self._leak("text", owner, f'"... {" ".join(words)} ..."')

    def _tools(self, tools: Sequence[Tool]) -> Iterator[Leak]:
        found = [(mark, tool.name) for tool in tools for mark in marks.tool_marks(tool.description, tool.parameters)]
        for place, owner in self.tables["tool"].find(_array(mark for mark, _ in found)):
            yield self._leak("tool", owner, found[place][1])

    def _calls(self, conversation: Conversation) -> Iterator[Leak]:
        steps = (message for message in conversation.messages if isinstance(message, Assistant))
        calls = [call for step in steps for call in step.calls]
        for mark in (lambda call: marks.call_mark(call.name, call.arguments), _values_mark):
            for place, owner in self.tables["call"].find(_array(map(mark, calls))):
                call = calls[place]
                yield self._leak("call", owner, f"{call.name} with {', '.join(marks.leaves(call.arguments))}")

    def _leak(self, kind: Kind, owner: int, detail: str) -> Leak:
        return Leak(kind, *self.names[owner], detail)


def _values_mark(call: Any) -> int:
    return marks.values_mark(call.arguments)


def _texts(conversation: Conversation) -> Iterator[str]:
    for message in conversation.messages:
        if isinstance(message, User | System):
            yield message.content
        elif isinstance(message, Assistant) and message.text:
            yield message.text


def _array(values: Iterable[int]) -> "np.ndarray":
    np = numpy()
    return np.fromiter(values, dtype=np.uint64)


# --- gathering -----------------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """An item of a benchmark with the numbers of its key and of itself, and its texts in normal form."""

    key: int
    owner: int
    item: Material
    spoken: list[list[str]]


class Weights(NamedTuple):
    """Bits that a word says about which item it is from, and how many are taken for proof.

    A word heard in n of N items says log2(N / n) bits. log2(N) would be enough to name one item, were words
    independent; they are not ("have a great day"), so twice as much is asked for.
    """

    bits: dict[str, float]
    needed: float

    @classmethod
    def of(cls, heard: Iterable[tuple[int, Iterable[str]]]) -> "Weights":
        """Counted over pairs of the number of a key and words."""
        keys: dict[str, set[int]] = {}
        for key, spoken in heard:
            for word in spoken:
                keys.setdefault(word, set()).add(key)
        whole = math.log2(len(set().union(*keys.values())) or 1)
        return cls({word: whole - math.log2(len(found)) for word, found in keys.items()}, 2 * whole)

    def tell(self, spoken: Iterable[str], share: float = 1) -> bool:
        """Whether the words, each counted once, say `share` of what is needed."""
        return sum(self.bits[word] for word in set(spoken)) >= share * self.needed


def gather(found: Iterable[tuple[str, Material]]) -> Index:
    """The index of (benchmark, material) pairs; texts of several keys, and words and values of many, drop out."""
    numbers: dict[str, int] = {}
    entries: list[Entry] = []
    names: list[tuple[str, str]] = []
    for benchmark, item in found:
        key = numbers.setdefault(f"{benchmark} {item.key}", len(numbers))
        entries.append(Entry(key, len(entries), item, [marks.spoken(text) for text in item.texts]))
        names.append((benchmark, item.id))
    weights = Weights.of((entry.key, said) for entry in entries for said in entry.spoken)
    tables = {
        "whole": _table(_wholes(entries, weights), alone=True),
        "gram": _gram_table(entries, weights),
        "tool": _table((mark, e) for e in entries for tool in e.item.tools for mark in marks.tool_marks(*tool)),
        "call": _table(_call_marks(entries)),
    }
    return Index(tables, names)


def _wholes(entries: Sequence[Entry], weights: Weights) -> Iterator[tuple[int, Entry]]:
    """Utterances that identify their item; of the first, which in most is the whole question, half is enough."""
    for entry in entries:
        for turn, said in enumerate(entry.spoken):
            if len(said) >= marks.SHORTEST and weights.tell(said, share=1 if turn else 0.5):
                yield marks.utterance(said), entry


def _table(found: Iterable[tuple[int, Entry]], alone: bool = False) -> Table:
    """First owner of each mark; with `alone`, marks found under several keys are left out."""
    first: dict[int, Entry] = {}
    shared = set()
    for mark, entry in found:
        if first.setdefault(mark, entry).key != entry.key and alone:
            shared.add(mark)
    kept = sorted((mark, entry.owner) for mark, entry in first.items() if mark not in shared)
    return Table(_array(mark for mark, _ in kept), _array(owner for _, owner in kept).astype("uint32"))


def _gram_table(entries: Sequence[Entry], weights: Weights) -> Table:
    """As `_table(alone=True)`, in numpy because there are half a million."""
    np = numpy()
    none = (_array([]), np.zeros(0, np.int64), np.zeros(0, np.uint32))
    parts = [none, *(_grams(entry, weights) for entry in entries if entry.spoken)]
    hashes, keys, owners = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not len(hashes):
        return Table(hashes, owners)
    order = np.lexsort((owners, hashes))
    hashes, keys, owners = hashes[order], keys[order], owners[order]
    (starts,) = np.concatenate([[True], hashes[1:] != hashes[:-1]]).nonzero()
    alone = np.minimum.reduceat(keys, starts) == np.maximum.reduceat(keys, starts)
    return Table(hashes[starts][alone], owners[starts][alone])


def _grams(entry: Entry, weights: Weights) -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """Hashes of all windows that say enough, with key and owner beside each."""
    np = numpy()
    spoken = [said for said in entry.spoken if len(said) >= marks.GRAM]
    hashes, _ = windows(spoken, marks.GRAM)
    sums = [np.cumsum([0.0, *map(weights.bits.__getitem__, said)]) for said in spoken]
    told = np.concatenate([np.zeros(0), *(total[marks.GRAM :] - total[: -marks.GRAM] for total in sums)])
    hashes = hashes[told >= weights.needed]
    return hashes, np.full(len(hashes), entry.key, np.int64), np.full(len(hashes), entry.owner, np.uint32)


# --- gold calls ----------------------------------------------------------------------------------------------------


def _call_marks(entries: Sequence[Entry]) -> Iterator[tuple[int, Entry]]:
    """By name and values where together they say enough, by values alone where two long ones do.

    Weighed as words are, with the names and the values of gold calls for words: what many calls use tells little.
    """
    weights = Weights.of(
        (entry.key, [name, *marks.leaves(allowed)]) for entry in entries for name, allowed in entry.item.calls
    )
    for entry in entries:
        for name, allowed in entry.item.calls:
            for arguments in _readings(allowed):
                values = set(marks.leaves(arguments))
                if values and weights.tell({name, *values}):
                    yield marks.call_mark(name, arguments), entry
                if sum(map(marks.long, values)) >= 2 and weights.tell(values):
                    yield marks.values_mark(arguments), entry


def _readings(allowed: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """The argument objects that count as right, the first `MOST_READINGS` of them."""
    choices = [[(name, value) for value in values] for name, values in allowed.items() if values]
    for chosen in itertools.islice(itertools.product(*choices), MOST_READINGS):
        yield {name: value for name, value in chosen if value != OMITTED}


# --- on disk -------------------------------------------------------------------------------------------------------


def save(index: Index, stream: IO[bytes]) -> None:
    """Write the index as an uncompressed npz; nothing in it is code."""
    np = numpy()
    named = np.frombuffer(json.dumps(index.names).encode(), dtype=np.uint8)
    columns = {f"{kind}.{field}": column for kind, t in index.tables.items() for field, column in t._asdict().items()}
    np.savez(stream, names=named, **columns)


def load(stream: IO[bytes]) -> Index:
    """The index that `save` wrote."""
    with numpy().load(stream, allow_pickle=False) as stored:
        names = [(benchmark, id) for benchmark, id in json.loads(stored["names"].tobytes())]
        kinds = [name.removesuffix(".marks") for name in stored.files if name.endswith(".marks")]
        tables = {kind: Table(stored[f"{kind}.marks"], stored[f"{kind}.owners"]) for kind in kinds}
    return Index(tables, names)
