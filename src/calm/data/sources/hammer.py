"""Hammer: one query, its calls or none, over masked tools (arXiv 2410.04587); xLAM's rows, or a stand-in for them.

Upstream (MadeAgents/Hammer@5e3ca28c) takes three copies of xlam-function-calling-60k and xlam-irrelevance-7.5k and
masks each row with probability 2/3 (`renaming.masked`). Whoever has these files names them in the recipe. Without them
the rows are a stand-in, and say so in their origin: the queries of Seal-Tools over the tool pool, and of every eighth
a second row without the tools it needs, which is xLAM's share of irrelevance (7.5 of 67.5 thousand).
"""

import heapq
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import Field, ValidationError

from calm.conversation import Assistant, Call, Conversation, Tool, User
from calm.data import Item, Reject, bucket, calls, phrase, phrases_calls, pool
from calm.data.part import Limit, PartRecipe, named
from calm.data.renaming import first_of_name
from calm.data.renaming import masked as mask
from calm.data.sources import wire
from calm.data.sources.wire import Unfit
from calm.errors import DataError, HubError, MissingExtra
from calm.files import dumps, read_json, read_jsonl
from calm.hub.corpora import corpus

XLAM, IRRELEVANCE = "xlam-function-calling-60k", "xlam-irrelevance-7.5k"
FULL = 60_000 + 7_500
"""Rows of both upstream files, of which each copy has all."""
WITHHELD = 7_500 / 60_000
"""Share of the queries that come a second time without the tools they need, where irrelevance rows are made."""
BLOCKS = 4
"""Pieces a copy is read in."""
FAR = 0.15
"""How close (`pool.closeness`) a tool may be to the missing one in a row that no tool must serve."""
SEAL = ("dev", "test_in_domain", "test_out_domain")


class Row(NamedTuple):
    """One query: tools in JSON Schema and as upstream words their types, and the calls that answer it, if any."""

    query: str
    tools: tuple[Tool, ...]
    stated: tuple[Tool, ...]
    calls: tuple[Call, ...]


class Source(NamedTuple):
    """A row that can be had: its name, where it is from, and how it is made (or why it cannot be: `Unfit`)."""

    name: str
    origin: str
    make: Callable[[], Row]


class Hammer(PartRecipe):
    """Masked single-turn calls: `copies` of each row, each masked with probability `masked`.

    `xlam` and `irrelevance` name a file (JSON, JSONL, Parquet), a folder with such files, or a data set of the hub;
    `limit` is the number of rows before copying, drawn by hash.
    """

    corpora: ClassVar[tuple[str, ...]] = ("seal_tools", "toucan")
    source: Literal["hammer"]
    xlam: str | None = None
    irrelevance: str | None = None
    copies: int = Field(default=3, ge=1)
    masked: float = Field(default=2 / 3, ge=0, le=1)
    limit: Limit = None

    @property
    def sources(self) -> tuple[str, ...]:
        """What is really read, as keys of `calm.data.corpora`: xLAM where the recipe names it."""
        given = {"xlam": self.xlam, "xlam_irrelevance": self.irrelevance}
        return (*(() if self.xlam else self.corpora), *(key for key, value in given.items() if value))

    @property
    def stands_in_for(self) -> str:
        """The upstream files that the recipe does not name."""
        missing = [name for name, given in ((XLAM, self.xlam), (IRRELEVANCE, self.irrelevance)) if not given]
        return " and ".join(missing)

    def files(self) -> dict[str, Path]:
        """The user's files, or those of Seal-Tools and the pool."""
        found: dict[str, Path] = {}
        for key, setting in (("xlam", self.xlam), ("xlam_irrelevance", self.irrelevance)):
            for path in data_files(setting) if setting else ():
                found |= named(key, path.parent, [path])
        if not self.xlam:
            root = corpus("seal_tools")
            found |= named("seal_tools", root, [root / f"{split}.jsonl" for split in SEAL]) | pool.files()
        return found

    def pieces(self) -> int:
        """Every copy in four."""
        return self.copies * BLOCKS

    def expected(self) -> int:
        """All copies of all rows: 202,500 for three."""
        return self.copies * FULL

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """Every fourth row of one copy."""
        copy, block = divmod(piece, BLOCKS)
        return (self._item(row, copy) for row in islice(self._sources(), block, None, BLOCKS))

    def _sources(self) -> Iterator[Source]:
        """Rows with calls, then those without."""
        found = self._all()
        return found if self.limit is None else iter(heapq.nsmallest(self.limit, found, key=lambda s: bucket(s.name)))

    def _all(self) -> Iterator[Source]:
        yield from xlam(self.xlam, "xlam") if self.xlam else seal_tools()
        if self.irrelevance:
            yield from xlam(self.irrelevance, "xlam-irrelevance")
        elif self.xlam:
            yield from withheld(xlam(self.xlam, "xlam"))
        else:
            yield from seal_tools(withheld=True)

    def _item(self, source: Source, copy: int) -> Item:
        name = f"hammer-{copy}-{source.name}"
        try:
            return self._conversation(name, source, source.make())
        except Unfit as unfit:
            return Reject(id=name, origin=source.origin, reason=unfit.reason, detail=unfit.detail)

    def _conversation(self, name: str, source: Source, row: Row) -> Conversation:
        """The row as it is asked for: for the paper in upstream's words, faults and all, else held to its schemas."""
        wanted = row.calls if self.paper else tuple(calls.fitted(call, first_of_name(row.tools)) for call in row.calls)
        fault = first_fault(wanted, row.tools)
        if fault and not self.paper:
            raise Unfit("call does not fit its tool", fault)
        step = Assistant(calls=wanted) if wanted else Assistant(text="")
        tools = row.stated if self.paper else first_of_name(row.tools)
        messages = (User(content=row.query), step)
        found = Conversation(id=name, tools=tools, messages=messages, origin=source.origin).renumbered()
        covered = bucket("masked", name) < self.masked * 2**64
        found = mask(found, name) if covered else found
        found = found.note(group=source.name, masked=covered, **({"fault": fault} if fault else {"checked": "schema"}))
        return found if self.paper else spoken(found)


def spoken(conversation: Conversation) -> Conversation:
    """The row with a thought and, where nothing is called, with words that say so."""
    user, step = conversation.messages
    key = (conversation.id,)
    if isinstance(step, Assistant) and step.calls:
        told = step.model_copy(update={"thought": phrases_calls.calling(step.calls, key)})
    else:
        text = f"{phrase(CANNOT, *key, 'cannot')} {phrase(OFFER, *key, 'offer')}"
        told = Assistant(thought=phrases_calls.refusing(conversation.tools, key), text=text)
    return conversation.model_copy(update={"messages": (user, told)})


def first_fault(wanted: Sequence[Call], tools: Sequence[Tool]) -> str | None:
    """What is wrong with the first faulty call, None where all fit; of tools with one name the first counts."""
    known = first_of_name(tools)
    return next(filter(None, (calls.fault(call, known) for call in wanted)), None)


CANNOT = (
    "I'm sorry, none of the functions I have can do this.",
    "I can't do that with the functions I was given.",
    "That is beyond what my functions can do.",
    "There is no function here for that.",
    "Sorry, I have nothing that does this.",
    "I'm afraid none of my functions fits your request.",
    "The functions at hand don't cover this.",
    "I lack a function for what you ask.",
    "Unfortunately no function I can call serves this request.",
    "For this I would need another function than those I have.",
)
OFFER = (
    "Is there anything else?",
    "If there is another task, I'm glad to try.",
    "Let me know if I can help with something else.",
    "I'd rather say so than call the wrong one.",
    "So I have to leave this open.",
    "Perhaps there is something else I can do.",
    "Please ask me again if other functions become available.",
    "I won't guess at an answer.",
    "What else can I do for you?",
    "You may want to try another service for it.",
)


# --- xLAM, from a user's copy ----------------------------------------------------------------------------------------


def data_files(setting: str) -> list[Path]:
    """The data files that a setting names: a file, those of a folder, or a data set of the hub.

    Raises:
        HubError: neither a path nor a hub id, a folder without data, or a data set that cannot be fetched.
    """
    path = Path(setting)
    if path.is_file():
        return [path]
    if not path.is_dir():
        if setting.count("/") != 1 or setting.startswith((".", "/")):
            raise HubError(f"{setting}: no such file or folder, and no hub id; name a path or owner/name")
        path = wire.fetched(setting)
    for kind in (".parquet", ".jsonl", ".json"):
        found = [p for p in sorted(path.rglob("*")) if p.name.removesuffix(".gz").endswith(kind)]
        if found := [p for p in found if not p.name.startswith("dataset_info")]:
            return found
    raise HubError(f"{path}: holds no .json, .jsonl or .parquet file; put the rows of {setting} there")


def xlam(setting: str, kind: str) -> Iterator[Source]:
    """The rows of xLAM's shape, `query` with `tools` and `answers` as lists or as JSON of lists; named by place.

    Raises:
        DataError: a row without one of the three; names it.
    """
    place = 0
    for path in data_files(setting):
        for number, value in enumerate(_rows(path), 1):
            place += 1
            if not isinstance(value, dict) or not {"query", "tools", "answers"} <= value.keys():
                raise DataError(path, "has not the keys query, tools and answers", number)
            yield Source(f"{kind}-{place}", kind, partial(_xlam_row, value))


def withheld(sources: Iterator[Source]) -> Iterator[Source]:
    """Every eighth row once more without the tools that it calls, a stand-in for the irrelevance rows."""
    for source in sources:
        if bucket("withheld", source.name) < WITHHELD * 2**64:
            yield Source(f"{source.name}-withheld", f"stand-in/{source.origin}", partial(_without_called, source.make))


def _without_called(make: Callable[[], Row]) -> Row:
    row = make()
    called = {call.name for call in row.calls}
    tools, stated = (tuple(t for t in listed if t.name not in called) for listed in (row.tools, row.stated))
    if not tools or not called:
        raise Unfit("no tool is left, or none was called", f"{len(row.tools)} tools, {len(row.calls)} calls")
    return Row(row.query, tools, stated, ())


def _rows(path: Path) -> Iterator[Any]:
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        yield from _parquet(path)
    elif name.endswith(".jsonl"):
        yield from (value for _, value in read_jsonl(path))
    else:
        found = read_json(path)
        if not isinstance(found, list):
            raise DataError(path, f"holds {type(found).__name__}, not a list of rows")
        yield from found


def _parquet(path: Path) -> Iterator[Any]:
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise MissingExtra(f"reading {path.name}", "data", "pyarrow") from error
    try:
        for batch in ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    except (ArrowInvalid, OSError) as error:
        raise DataError(path, f"is no Parquet file that can be read ({error})") from error


def _xlam_row(value: Mapping[str, Any]) -> Row:
    listed, answers = _listed(value["tools"], "tools"), _listed(value["answers"], "answers")
    try:
        stated = tuple(_stated(tool) for tool in listed)
        wanted = tuple(Call(name=a["name"], arguments=a["arguments"]) for a in answers)
    except (KeyError, TypeError, AttributeError, ValidationError) as error:
        raise Unfit("tool or answer of another shape", " ".join(str(error).split())[:120]) from error
    try:
        tools = tuple(_schema(tool) for tool in stated)
    except ValueError as error:
        raise Unfit("tool with a type that cannot be read", str(error)) from error
    return Row(str(value["query"]), tools, stated, wanted)


def _listed(value: Any, what: str) -> list[Any]:
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError) as error:
        raise Unfit(f"{what} are no JSON", str(error)) from error
    if not isinstance(found, list):
        raise Unfit(f"{what} are no list", repr(found)[:60])
    return found


def _stated(raw: Mapping[str, Any]) -> Tool:
    """A tool in upstream's own words; the irrelevance file may write its parameters as a JSON Schema."""
    given = raw.get("parameters") or {}
    inside = given["properties"] if isinstance(given.get("properties"), dict) and "type" in given else given
    schema = {"type": "object", "properties": dict(inside)}
    required = given.get("required")
    schema |= {"required": required} if inside is not given and isinstance(required, list) else {}
    return Tool(name=raw["name"], description=raw.get("description") or "", parameters=schema)


def _schema(stated: Tool) -> Tool:
    given: Any = stated.parameters
    found = calls.parameters(given["properties"], given.get("required"))
    return Tool(name=stated.name, description=calls.short(stated.description), parameters=found)


# --- the stand-in: Seal-Tools' queries over the pool -----------------------------------------------------------------


def seal_tools(withheld: bool = False) -> Iterator[Source]:
    """The queries of Seal-Tools (fairyshine/Seal-Tools@ce753ecd), or every eighth of them without their tools."""
    folder = corpus("seal_tools")
    for split in SEAL:
        path = folder / f"{split}.jsonl"
        for number, value in read_jsonl(path):
            if not {"id", "query", "calling"} <= value.keys():
                raise DataError(path, "has not the keys id, query and calling", number)
            name = f"seal-{value['id']}"
            if not withheld:
                yield Source(name, "stand-in/seal_tools", partial(_seal_row, value))
            elif bucket("withheld", name) < WITHHELD * 2**64:
                yield Source(f"{name}-withheld", "stand-in/seal_tools", partial(_seal_withheld, value))


def _seal_row(value: Mapping[str, Any]) -> Row:
    """The query with its calls, over their tools and up to four others, half of them of the same fields."""
    needed = _needed(value)
    key = (str(value["id"]), "beside")
    wanted = tuple(
        wire.call(call["api"], call["parameters"], [pooled.tool for pooled in needed]) for call in value["calling"]
    )
    for call in wanted:
        _grounded(call, str(value["query"]))
    return _over(value, [pooled.tool for pooled in needed], _beside(needed, 1 + bucket(*key) % 4, key), wanted)


def _seal_withheld(value: Mapping[str, Any]) -> Row:
    """The query over tools that are far from all it needs."""
    key = (str(value["id"]), "instead")
    return _over(value, [], _beside(_needed(value), 1 + bucket(*key) % 6, key, FAR), ())


def _needed(value: Mapping[str, Any]) -> list[pool.Pooled]:
    """The tools that a query calls."""
    if "API_call_" in dumps([call["parameters"] for call in value["calling"]]):
        raise Unfit("call needs the result of another", str(value["id"]))
    names = list(dict.fromkeys(call["api"] for call in value["calling"]))
    found = [pool.find(name, "seal_tools") for name in names]
    if None in found:
        raise Unfit("call of a tool that the pool lacks", names[found.index(None)])
    return [pooled for pooled in found if pooled]


def _beside(
    needed: Sequence[pool.Pooled], count: int, key: Sequence[str], under: float = pool.TWIN
) -> tuple[Tool, ...]:
    """Distractors: from the first tool's field as far as half of them go, the rest from anywhere."""
    tools = [pooled.tool for pooled in needed]
    near = pool.siblings(needed[0].group, tools, count // 2, *key, under=under)
    return (*near, *pool.unrelated([*tools, *near], count - len(near), *key, under=under))


def _over(value: Mapping[str, Any], needed: Sequence[Tool], others: Sequence[Tool], wanted: tuple[Call, ...]) -> Row:
    tools = tuple(sorted((*needed, *others), key=lambda tool: bucket(str(value["id"]), "order", tool.name)))
    return Row(str(value["query"]), tools, tuple(_in_words(tool) for tool in tools), wanted)


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def _grounded(call: Call, query: str) -> None:
    """Refuse a call with a value of which the query says less than half: some of Seal-Tools' are invented.

    Raises:
        Unfit: names the argument.
    """
    heard = _tokens(query)
    for key, value in call.arguments.items():
        said = [_said(token, heard) for token in _tokens(str(value))]
        if not isinstance(value, bool) and sum(said) * 2 < len(said):
            raise Unfit("argument that the query does not give", f"{call.name}.{key} = {value!r:.60}")


def _tokens(text: str) -> list[str]:
    """Words and numbers apart, `1,000` as one number."""
    return re.findall(r"\d+|[^\W\d_]+", re.sub(r"(?<=\d),(?=\d{3})", "", text.lower()))


def _said(token: str, heard: Sequence[str]) -> bool:
    """Whether a word is among those heard: the same, of the same stem, the same number, or the name of a month."""
    if not token.isdecimal():
        return any(other == token or (len(token) > 3 and other[:4] == token[:4]) for other in heard)
    number = int(token)
    month = _MONTHS[number - 1] if 1 <= number <= 12 else None
    return any((other.isdecimal() and int(other) == number) or (month and other[:3] == month) for other in heard)


# --- types in xLAM's words -------------------------------------------------------------------------------------------

_WORDS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "List", "object": "dict"}


def _in_words(tool: Tool) -> Tool:
    """The tool as xLAM would write it: parameters with a description, a type in Python's words, perhaps a default."""
    schema: Any = tool.parameters
    needed = schema.get("required", ())
    properties = {
        key: {
            "description": value.get("description", ""),
            "type": _word(value) + ("" if key in needed else ", optional"),
            **({"default": value["default"]} if "default" in value else {}),
        }
        for key, value in schema.get("properties", {}).items()
    }
    return tool.model_copy(update={"parameters": {"type": "object", "properties": properties}})


def _word(schema: Mapping[str, Any]) -> str:
    if schema.get("anyOf"):
        return f"Union[{', '.join(_word(branch) for branch in schema['anyOf'])}]"
    word = _WORDS.get(schema.get("type", ""), "Any")
    return (
        f"{word}[{_word(schema['items'])}]" if word == "List" and schema.get("items") else word.replace("List", "list")
    )
