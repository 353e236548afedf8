"""The tool pool: some 10,000 real tools, of Seal-Tools and of the MCP servers in Toucan, from which distractors come.

It is built from these two corpora alone and holds no benchmark's tools by design; what collides with one by chance is
found by the contamination check. Loading takes about a second and is done once a process, so workers derive it anew.
"""

import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from calm.conversation import TOOL_NAME, Tool
from calm.data import bucket, calls
from calm.data.part import named
from calm.errors import DataError, HubError
from calm.files import dumps, read_jsonl
from calm.hub.corpora import corpus, root

ARCHIVE = "toucan_mcp_schemas.zip"
TWIN = 0.5
"""Closeness (0 to 1) from which on two tools may serve the same request, so that neither distracts from the other."""
LONGEST = 4000
"""Characters of a tool as JSON; the few that are longer would fill a row by themselves."""


class Pooled(NamedTuple):
    """A tool and where it is from; `group` is the field (Seal-Tools) or the server (Toucan) it shares with others."""

    tool: Tool
    origin: Literal["seal_tools", "toucan"]
    group: str


class Loaded(NamedTuple):
    """The pool, the same by origin and name, its tools by group, and how many raw tools were left out and why."""

    tools: tuple[Pooled, ...]
    named: Mapping[tuple[str, str], Pooled]
    groups: Mapping[str, tuple[Tool, ...]]
    dropped: Mapping[str, int]


def pool() -> tuple[Pooled, ...]:
    """All tools, Seal-Tools first, each in the order of its files.

    Raises:
        HubError: one of the two corpora is not at hand; names it.
    """
    return load().tools


def load() -> Loaded:
    """The pool with the reasons of what was dropped; read once per process and folder of corpora."""
    return _load(corpus("seal_tools"), _archive())


def find(name: str, origin: str) -> Pooled | None:
    """The first tool of that exact name from one of the corpora; None where the pool holds none."""
    return load().named.get((origin, name))


def files() -> dict[str, Path]:
    """The two files that are read, for the manifest."""
    folder, archive = corpus("seal_tools"), _archive()
    return named("seal_tools", folder, [folder / "tool.jsonl"]) | named("toucan", archive.parent, [archive])


def _archive() -> Path:
    folder = root()
    if folder is None or not (folder / ARCHIVE).is_file():
        where = f"CALM_DATA={folder} has no {ARCHIVE}" if folder else "CALM_DATA is not set"
        raise HubError(f"tool pool: {where}; put the MCP schemas of TheAgentArk/Toucan there under that name")
    return folder / ARCHIVE


@lru_cache(maxsize=2)
def _load(seal: Path, toucan: Path) -> Loaded:
    kept: dict[str, Pooled] = {}
    dropped: Counter[str] = Counter()
    for found in (*_seal_tools(seal), *_toucan(toucan)):
        if isinstance(found, str):
            dropped[found] += 1
        elif (key := dumps([found.tool.name, found.tool.description])) in kept:
            dropped["name and description of an earlier tool"] += 1
        else:
            kept[key] = found
    groups: dict[str, tuple[Tool, ...]] = {}
    known: dict[tuple[str, str], Pooled] = {}
    for pooled in kept.values():
        groups[pooled.group] = (*groups.get(pooled.group, ()), pooled.tool)
        known.setdefault((pooled.origin, pooled.tool.name), pooled)
    return Loaded(tuple(kept.values()), known, groups, dict(dropped))


# --- the two corpora -------------------------------------------------------------------------------------------------


def _seal_tools(folder: Path) -> Iterator[Pooled | str]:
    for number, row in read_jsonl(folder / "tool.jsonl"):
        try:
            raw = (row["api_name"], row["api_description"], row["parameters"], row["required"])
            group = str(row["field"])
        except KeyError as error:
            raise DataError(folder / "tool.jsonl", f"has no {error}", number) from error
        tool = _tool(*raw)
        yield tool if isinstance(tool, str) else Pooled(tool, "seal_tools", group)


def _toucan(path: Path) -> Iterator[Pooled | str]:
    """The tools that the servers themselves listed when asked; those merely crawled from pages have no schema."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                answer = json.loads(archive.read(name))["metadata"]["remote_server_response"] or {}
                group = Path(name).stem.partition(".")[2].removesuffix("_labeled")
                for raw in answer.get("tools") or ():
                    given = raw["input_schema"] or {}
                    tool = _tool(raw["name"], raw["description"] or "", given.get("properties") or {}, given)
                    yield tool if isinstance(tool, str) else Pooled(tool, "toucan", group)
    except (zipfile.BadZipFile, KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(path, f"is no archive of MCP schemas as Toucan ships them ({error!r:.120})") from error


def _tool(name: str, text: str, properties: Mapping[str, Any], rest: Any) -> Tool | str:
    """The tool, or why there is none; `rest` is the list of required names or the whole schema around them."""
    description = calls.short(_SECTION.split(text)[0])
    if not TOOL_NAME.match(name):
        return "name is no tool name"
    if not description:
        return "no description"
    if any(not re.fullmatch(r"[^\s\"'`<>{}\[\]]{1,64}", key) for key in properties):
        return "parameter without a usable name"
    if any(not isinstance(value, dict) for value in properties.values()):
        return "parameter without a schema"
    whole = rest if isinstance(rest, dict) else {"required": rest}
    try:
        found = calls.schema({**whole, "type": "object", "properties": _described(properties, text)})
    except ValueError:
        return "parameter type that cannot be read"
    found = {key: found[key] for key in ("type", "properties", "required") if key in found}
    written = dumps(found)
    if not (english(description) and _latin(written)):
        return "not in English"
    tool = Tool(name=name, description=description, parameters=found)
    return tool if len(written) <= LONGEST else f"longer than {LONGEST} characters"


_SECTION = re.compile(r"(?:^|\s)(?:Args|Arguments|Parameters|Params|Returns?|Raises|Examples?|Usage)\s*:")


def _described(properties: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Properties, those without a description taking the line that the tool's docstring has on them."""
    found = dict(properties)
    for key, value in properties.items():
        if isinstance(value, dict) and not value.get("description"):
            line = re.search(
                rf"^[ \t*\-]*`?{re.escape(key)}`?[ \t]*(?:\([^)\n]*\))?[ \t]*[:\-][ \t]*(\S.*)$", text, re.M
            )
            found[key] = {**value, "description": line[1]} if line else value
    return found


_SMALL = "the a an of to for and in with by from on or is are this that all get list your using"
_FOREIGN_SMALL = """de la el los las del para una um uma em dos les des du pour une avec sur und der die das mit für ein
eine il di per con che och att ett na nie dla jest yang untuk dan"""
_ENGLISH, _FOREIGN = frozenset(_SMALL.split()), frozenset(_FOREIGN_SMALL.split())


def english(text: str) -> bool:
    """Whether a text reads as English: Latin letters, and not more function words of its neighbours than of English."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    foreign = sum(word in _FOREIGN for word in words)
    return _latin(text) and (foreign < 2 or foreign <= sum(word in _ENGLISH for word in words))


def _latin(text: str) -> bool:
    """Whether a text has letters and at most one in twenty of them is of another script."""
    if text.isascii():
        return any(map(str.isalpha, text))
    letters = [letter for letter in text if letter.isalpha()]
    return bool(letters) and sum(letter > "\u024f" for letter in letters) <= len(letters) / 20


# --- distractors -----------------------------------------------------------------------------------------------------


def unrelated(tools: Sequence[Tool], count: int, *key: str | int, under: float = TWIN) -> tuple[Tool, ...]:
    """`count` distractors drawn from the whole pool by hash of `key`: none shares a name with, or is close to, `tools`.

    `under` is the closeness that is still allowed; an irrelevance row, which nothing may serve, asks for less.
    """
    found = pool()
    places = (bucket("unrelated", *key, turn) % len(found) for turn in range(40 + 20 * count))
    return _fitting((found[place].tool for place in places), tools, count, under)


def siblings(group: str, tools: Sequence[Tool], count: int, *key: str | int, under: float = TWIN) -> tuple[Tool, ...]:
    """At most `count` distractors from one field or server, drawn by hash of `key`, with the same care as `unrelated`.

    Small groups give fewer, unknown ones none.
    """
    near = sorted(load().groups.get(group, ()), key=lambda tool: bucket("sibling", *key, tool.name))
    return _fitting(near, tools, count, under)


def _fitting(candidates: Iterable[Tool], tools: Sequence[Tool], count: int, under: float) -> tuple[Tool, ...]:
    chosen: list[Tool] = []
    names = {spelled(tool.name) for tool in tools}
    for candidate in candidates:
        if len(chosen) >= count:
            break
        if spelled(candidate.name) in names or any(closeness(candidate, tool) >= under for tool in tools):
            continue
        names.add(spelled(candidate.name))
        chosen.append(candidate)
    return tuple(chosen)


def spelled(name: str) -> str:
    """A name without case, blanks and marks: `get_user`, `getUser` and `Get User` are one."""
    return re.sub(r"[\W_]+", "", name).lower()


def closeness(one: Tool, other: Tool) -> float:
    """How much two tools are about the same, 0 to 1: the share of words common to their names or their descriptions.

    Words that say little (get, list, the, of) are not counted; 1 for equal names in any spelling.
    """
    names = _common(_name_words(one.name), _name_words(other.name))
    return max(names, _common(_words(one.description), _words(other.description)))


def _common(one: frozenset[str], other: frozenset[str]) -> float:
    either = one | other
    return len(one & other) / len(either) if either else 0.0


_SAYS_LITTLE = """fetch retrieve search find create add update delete remove set show calculate analyze check make tool
api data information info details detail given specific provided returns return based it its be can as at into"""
_PLAIN = _ENGLISH | frozenset(_SAYS_LITTLE.split())


@lru_cache(maxsize=1 << 15)
def _name_words(name: str) -> frozenset[str]:
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    found = frozenset(part.lower().rstrip("s") for part in parts)
    return found - _PLAIN or found


@lru_cache(maxsize=1 << 15)
def _words(text: str) -> frozenset[str]:
    return frozenset(word.rstrip("s") for word in re.findall(r"[a-z]{2,}", text.lower())) - _PLAIN
