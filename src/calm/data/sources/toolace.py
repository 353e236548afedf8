"""ToolACE: dialogues over API-like tools, with calls alone, in parallel and in turn, refusals and questions back.

The full set (Team-ACE/ToolACE, 11,300 dialogues, Apache-2.0) is read from a user's own copy: rows of `system` (text
that ends in the JSON list of tools) and `conversations`, calls written `[Name Of Tool(arg="v"), ...]`. Without one, 100
of its dialogues stand in (zaego123/ToolACE_data@5f6a01de, `sharegpt_func_fixed.json`), in which a converter cut the
names of calls to their last word and values at the first comma: names are repaired from the tool list and from the name
in the observation, what stays ambiguous is rejected, and so are cut values.
"""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from calm.conversation import Call, Conversation, Tool
from calm.data import Item, phrases_calls
from calm.data.part import Limit, PartRecipe, named
from calm.data.sources import sampled, wire
from calm.errors import DataError
from calm.files import either
from calm.hub.corpora import corpus

STAND_IN = "sharegpt_func_fixed.json"
HUB = "Team-ACE/ToolACE"
Wanted = tuple[str, dict[str, Any]]


def read_toolace(path: Path, limit: int | None = None, origin: str = "toolace") -> Iterator[Item]:
    """One conversation a dialogue, from a file of either form; observations are the recorded ones.

    Raises:
        DataError: the file is missing or corrupt, or a record has not the upstream shape.
    """
    return wire.items(sampled([path], wire.rows, limit), origin, _conversation)


def toolace_file(path: str | None) -> Path:
    """The file to read: a file, the only JSON list in a folder, a hub id, or the stand-in when nothing is named.

    Raises:
        DataError: a folder without a `data.json` or other JSON file.
        HubError: the stand-in is not at hand, or the hub data set cannot be fetched.
    """
    if path is None:
        return corpus("toolace_100") / STAND_IN
    folder = wire.fetched(path) if not Path(path).exists() and path.count("/") == 1 else Path(path)
    if not folder.is_dir():
        return folder
    found = sorted(folder.glob("data.json*")) or sorted(folder.glob("*.json*"))
    if not found:
        raise DataError(folder, "holds no data.json; name the file of ToolACE's rows")
    return found[0].with_name(found[0].name.removesuffix(".gz"))


def _conversation(value: dict[str, Any], name: str) -> Conversation:
    tools, originals = _tools(value["system"])
    talk = wire.Talk(tools)
    turns = value["conversations"]
    for place, turn in enumerate(turns):
        speaker, text = turn["from"], turn["value"]
        if speaker in ("human", "user"):
            wire.played(talk, text, (name, place))
        elif speaker in ("observation", "tool"):
            talk.observe(wire.observed(text, talk.open))
        elif (wanted := _wanted(speaker, text)) is not None:
            _act(talk, wanted, turns[place + 1 :], (name, place))
        else:
            talk.say(phrases_calls.replying(text, talk.results, talk.tools, (name, place)), text)
    return talk.conversation(**({"names": originals} if originals else {}))


def _act(talk: wire.Talk, wanted: list[Wanted], rest: Sequence[dict[str, str]], key: tuple[str, int]) -> None:
    seen = _seen(rest[0]["value"]) if rest and rest[0]["from"] in ("observation", "tool") else []
    names = [*seen, *[""] * len(wanted)]
    calls = []
    for (stated, arguments), observed in zip(wanted, names, strict=False):
        wire.uncut(arguments, talk.said)
        calls.append(_repaired(stated, arguments, talk.tools, observed))
    talk.act(phrases_calls.calling(calls, key), calls)


def _seen(text: str) -> list[str]:
    """The names that an observation gives its results."""
    return re.findall(r'\{"name": "([^"]+)", "results"', text)


def _tools(system: str) -> tuple[list[Tool], dict[str, str]]:
    """The tools, and the names that had to be written otherwise with what they were."""
    place = system.find("[{")
    try:
        listed = json.JSONDecoder().raw_decode(system[place:])[0] if place >= 0 else []
    except json.JSONDecodeError as error:
        raise wire.Unfit("tools cannot be read", f"{error}") from error
    tools = [wire.tool(one["name"], one.get("description", ""), one.get("parameters") or {}) for one in listed]
    pairs = zip(tools, listed, strict=True)
    return tools, {made.name: one["name"] for made, one in pairs if made.name != one["name"]}


def _repaired(stated: str, arguments: dict[str, Any], tools: Sequence[Tool], observed: str) -> Call:
    """The call under its full name: as stated, else the only tool with that last word, else the one that answered."""
    stated, observed = wire.writable(stated), wire.writable(observed)
    ending = re.compile(rf"(^|[\W_]){re.escape(stated)}$")
    found = [t for t in tools if t.name == stated] or [t for t in tools if ending.search(t.name)]
    if len(found) > 1:
        found = [t for t in found if t.name == observed] or [t for t in found if _takes(t, arguments)]
    if len(found) > 1:
        raise wire.Unfit("call of a tool whose name was cut", f"{stated} may be {found[0].name} or {found[1].name}")
    return wire.call(found[0].name if found else stated, arguments, tools)


def _takes(tool: Tool, arguments: dict[str, Any]) -> bool:
    try:
        wire.call(tool.name, arguments, [tool])
    except wire.Unfit:
        return False
    return True


# --- calls as text -------------------------------------------------------------------------------------------------

_HEAD = re.compile(r"\s*,?\s*([\w][^()\[\]\"'=]*?)\s*\(")
_NAMES = {"true": True, "false": False, "null": None, "none": None}


def _wanted(speaker: str, text: str) -> list[Wanted] | None:
    """The calls of an assistant turn, None when it is a reply in words.

    Raises:
        Unfit: it looks like calls but cannot be read.
    """
    if speaker == "function_call":
        listed = json.loads(text)
        found = [(one["name"], one["arguments"]) for one in (listed if isinstance(listed, list) else [listed])]
        if not found:
            raise wire.Unfit("calls cannot be read", f"{text!r:.60}")
        return found
    body = text.strip()
    return _written(body[1:-1]) if body.startswith("[") and body.endswith(")]") and _HEAD.match(body[1:]) else None


def _written(body: str) -> list[Wanted]:
    """Calls written as `Name Of Tool(arg="v"), Other(...)`: names by pattern, arguments as Python or JSON literals."""
    wanted: list[Wanted] = []
    while body.strip():
        head = _HEAD.match(body)
        if not head:
            raise wire.Unfit("calls cannot be read", f"{body!r:.60}")
        inside, body = _closed(body[head.end() :])
        wanted.append((head[1], inside))
    return wanted


def _closed(body: str) -> tuple[dict[str, Any], str]:
    """The arguments up to the first bracket at which they parse, and what comes after it."""
    for found in re.finditer(r"\)", body):
        try:
            parsed = ast.parse(f"f({body[: found.start()]})", mode="eval").body
            return _arguments(parsed), body[found.end() :]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    raise wire.Unfit("calls cannot be read", f"{body!r:.60}")


def _arguments(parsed: ast.expr) -> dict[str, Any]:
    if not isinstance(parsed, ast.Call) or parsed.args or any(word.arg is None for word in parsed.keywords):
        raise wire.Unfit("calls cannot be read", "arguments without names")
    return {str(word.arg): ast.literal_eval(_Plain().visit(word.value)) for word in parsed.keywords}


class _Plain(ast.NodeTransformer):
    """JSON's true, false and null as the constants they mean."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(_NAMES[node.id]) if node.id in _NAMES else node


# --- the part ------------------------------------------------------------------------------------------------------


class ToolAce(PartRecipe):
    """ToolACE from `path` (a file, a folder or the hub id Team-ACE/ToolACE), without it 100 dialogues as stand-in."""

    corpora: ClassVar[tuple[str, ...]] = ("toolace", "toolace_full")
    source: Literal["toolace"]
    path: str | None = None
    limit: Limit = None

    @property
    def stands_in_for(self) -> str:
        """The full set, while no path is given."""
        return "" if self.path else f"{HUB} (11,300 dialogues)"

    def files(self) -> dict[str, Path]:
        """The one file."""
        path = toolace_file(self.path)
        return {f"toolace/{path.name}": either(path)} if self.path else named("toolace_100", path.parent, [path])

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """One item a dialogue."""
        return read_toolace(toolace_file(self.path), self.limit)

    def expected(self) -> int | None:
        """Assistant turns that call or close, as many as the paper's data set holds; unknown in our own form."""
        return 13_819 if self.paper == "toolace" else None
