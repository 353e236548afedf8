"""ToolRL's RLLA rows: one next step each, with a thought, over tools of ToolACE, masked Hammer and xLAM.

Files as upstream ships them (qiancheng0/ToolRL@8cee13ec, Apache-2.0): `rlla_4k_raw/rlla_sft.json` (400 rows, thoughts
by a reasoning model), `rlla_4k/test.parquet` (80 rows, a stock thought). The prompt holds the tools and the dialogue so
far as marked text; here it becomes turns again. A long thought keeps its opening and the sentence that names the tool;
a stock thought is replaced by one made by rule.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from calm.conversation import Conversation, Tool
from calm.data import Item, phrases_calls
from calm.data.part import Limit, PartRecipe, named
from calm.data.sources import sampled, wire
from calm.errors import DataError, MissingExtra
from calm.files import read_bytes
from calm.hub.corpora import corpus

FILES = ("rlla_4k_raw/rlla_sft.json", "rlla_4k/test.parquet")
STOCK = re.compile(r"I should (use the appropriate tool with proper parameters|directly respond) .*user's need")

_TOOL = re.compile(
    r"^\d+\. Name: ([^\n]*)\nDescription: (.*?)\nParameters: (.*?)(?=\n\d+\. Name: |\Z)", re.DOTALL | re.M
)
_MARKED = re.compile(r"<(user|think|tool_call|obs|response)>(.*?)</\1>", re.DOTALL)


def read_toolrl(folder: Path, limit: int | None = None, origin: str = "toolrl") -> Iterator[Item]:
    """One conversation a row: the dialogue so far and the step that the row teaches.

    Raises:
        DataError: a file is missing or corrupt, or a row has not the upstream shape.
        MissingExtra: pyarrow is not installed.
    """
    for record in sampled([folder / name for name in FILES], _rows, limit):
        yield from wire.items([record], f"{origin}/{record.path.stem.replace('rlla_', '')}", _conversation)


def _rows(path: Path) -> list[Any]:
    if path.suffix == ".json":
        return wire.rows(path)
    try:
        from pyarrow import ArrowInvalid, BufferReader
        from pyarrow.parquet import read_table
    except ImportError as error:
        raise MissingExtra("reading Parquet", "data", "pyarrow") from error
    try:
        return [row["extra_info"] for row in read_table(BufferReader(read_bytes(path))).to_pylist()]
    except (ArrowInvalid, KeyError) as error:
        raise DataError(path, f"is no Parquet file of RLLA rows ({error})") from error


def _conversation(value: dict[str, Any], name: str) -> Conversation:
    thought, _, step = value["output"].rpartition("</think>")
    ending = [(kind, text) for kind, text in _MARKED.findall(step) if kind in ("tool_call", "response")]
    if not ending:
        raise wire.Unfit("step cannot be read", f"{value['output'][-60:]!r}")
    turns = [*_MARKED.findall(value["input"]), ("think", thought.rpartition("<think>")[2]), *ending[:1]]
    talk = wire.Talk(_tools(value["instruction"], turns))
    _Teller(talk, name).tell(turns)
    return talk.conversation()


class _Teller:
    """Speaks the marked turns of a row into a Talk; a thought is held until the step that it belongs to."""

    def __init__(self, talk: wire.Talk, name: str) -> None:
        self.talk, self.name, self.thought = talk, name, ""

    def tell(self, turns: list[tuple[str, str]]) -> None:
        """All turns, in order."""
        for place, (kind, text) in enumerate(turns):
            getattr(self, f"_{kind}")(text.strip(), (self.name, place))

    def _user(self, text: str, key: tuple[str, int]) -> None:
        wire.played(self.talk, text, key)

    def _think(self, text: str, key: tuple[str, int]) -> None:
        self.thought = "" if STOCK.search(text) else text

    def _tool_call(self, text: str, key: tuple[str, int]) -> None:
        wanted = []
        for stated, arguments in _stated(text):
            wire.uncut(arguments, self.talk.said)
            wanted.append(wire.call(wire.writable(stated), arguments, self.talk.tools))
        own = wire.kept(self.thought, [call.name for call in wanted])
        self.talk.act(own or phrases_calls.calling(wanted, key), wanted)

    def _obs(self, text: str, key: tuple[str, int]) -> None:
        self.talk.observe(wire.observed(text, self.talk.open))

    def _response(self, text: str, key: tuple[str, int]) -> None:
        own = wire.kept(self.thought, ())
        self.talk.say(own or phrases_calls.replying(text, self.talk.results, self.talk.tools, key), text)


def _stated(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The calls of a block, one a line.

    Raises:
        Unfit: a line is no call.
    """
    try:
        lines = text.replace(r"\\u", r"\u").splitlines()  # some letters were escaped twice
        read = [json.loads(line) for line in lines if line.strip()]
        return [(one["name"], dict(one["parameters"])) for one in read]
    except (ValueError, KeyError, TypeError) as error:
        raise wire.Unfit("calls cannot be read", f"{text!r:.60}") from error


def _tools(instruction: str, turns: list[tuple[str, str]]) -> list[Tool]:
    """The tools of the prompt.

    Which parameters are required was lost on the way: a parameter is, unless its type says optional, it has a default
    or some call of the row does without it.
    """
    listing = instruction.partition("**Steps for Each Turn**")[0].strip()
    found = [(name, description, json.loads(text)) for name, description, text in _TOOL.findall(listing)]
    stated = [call for kind, text in turns if kind == "tool_call" for call in _stated(text)]
    tools = []
    for name, description, known in found:
        given = [arguments for called, arguments in stated if called == name]
        needed = [
            key for key, raw in known.items() if not _optional(raw) and all(key in arguments for arguments in given)
        ]
        tools.append(wire.tool(name, description, known, needed))
    return tools


def _optional(raw: dict[str, Any]) -> bool:
    return "optional" in str(raw.get("type")) or raw.get("default") not in (None, "")


# --- the part ------------------------------------------------------------------------------------------------------


class ToolRl(PartRecipe):
    """The 480 RLLA rows of ToolRL from the corpora folder; `limit` in equal shares of the two files."""

    corpora: ClassVar[tuple[str, ...]] = ("toolrl",)
    source: Literal["toolrl"]
    limit: Limit = None

    def files(self) -> dict[str, Path]:
        """The two files."""
        root = corpus("toolrl_rlla")
        return named("toolrl_rlla", root, [root / name for name in FILES])

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """One item a row."""
        return read_toolrl(corpus("toolrl_rlla"), self.limit)
