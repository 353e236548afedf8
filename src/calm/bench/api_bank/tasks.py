"""API-Bank's official call samples as Tasks: the dialogue so far, the APIs described, and the one request due next.

Upstream (AlibabaResearch/DAMO-ConvAI, api-bank/test-data) gives each sample as text: APIs as JSON lines, the dialogue
as `User: `, `AI: ` and `API-Request: [Name(key='value')]->result` lines. Here they become tools and messages.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from calm.bench import Task
from calm.bench.api_bank.request import literal, parse_request
from calm.conversation import Assistant, Conversation, Message, Observation, System, Tool, User, by_name, numbered
from calm.errors import DataError
from calm.files import dumps, read_json

FILES = {"level-1": "level-1-api.json", "level-2": "level-2-api.json", "level-3": "level-3-batch-inf.json"}
"""Levels in the order of tasks: APIs given; APIs to be searched first; searching and several calls for one demand."""

REPLIES = {
    "level-1": "level-1-response.json",
    "level-2": "level-2-response.json",
    "level-3": "level-3-batch-inf-response.json",
}
"""The samples in which a reply to the user is due: 375 + 103 + 50."""

SEARCH = "ToolSearcher"
ENVELOPE = {"api_name", "input", "output", "exception"}
TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}
LEAD = "Make the call that is due next."
"""Every sample is one in which a request is due, and upstream's prompt says so (\"Generate an API request\")."""
YEAR = " The current year is 2023."
"""What upstream's prompts of level 1 and 2 say, too."""


def read(folder: Path) -> Iterator[Task]:
    """All call samples of the three levels (399 + 135 + 245), in upstream's order.

    Raises:
        DataError: a file is missing or a row is not in the official form; names file and row.
    """
    for level, name in FILES.items():
        path = folder / "test-data" / name
        for number, row in enumerate(read_json(path), 1):
            try:
                yield task(level, row)
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                raise DataError(path, f"is not an official API-Bank call sample ({error!r})", number) from error


@lru_cache(maxsize=1)
def known(folder: Path) -> Mapping[str, Task]:
    """All call samples by id, read once."""
    return {task.id: task for task in read(folder)}


def texts(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """What is due in the samples of `FILES` or `REPLIES`, as upstream writes it, by sample id.

    Raises:
        DataError: as `read` does.
    """
    found = {}
    for level, name in files.items():
        path = folder / "test-data" / name
        for number, row in enumerate(read_json(path), 1):
            try:
                found[sample_id(level, row)] = _due(row)
            except (KeyError, TypeError, AttributeError) as error:
                raise DataError(path, f"is not an official API-Bank sample ({error!r})", number) from error
    return found


def _due(row: dict[str, Any]) -> str:
    return row["expected_output"] if "expected_output" in row else row["output"]


def task(level: str, row: dict[str, Any]) -> Task:
    """One row of the official JSON; a search for tools is a category of its own, because its keywords are free."""
    identity = sample_id(level, row)
    head, lines = row["instruction"].partition("API descriptions:\n")[2], row["input"].split("\n")
    described = [line for line in [*head.split("\n"), *lines] if line.startswith("{")]
    tools = [tool(literal(line)) for line in described]
    messages = list(_messages([line for line in lines if line not in described], tools))
    gold = parse_request(_due(row))
    if gold is None:
        raise ValueError("the expected output holds no API request")
    lead = System(content=LEAD + ("" if level == "level-3" else YEAR))
    start = Conversation(
        id=identity,
        tools=tuple(by_name(tools).values()),
        messages=tuple(numbered([lead, *messages])),
        origin=f"api_bank/{level}",
    )
    category = f"{level}-search" if gold.name == SEARCH else level
    return Task(id=identity, category=category, start=start, gold=gold.model_dump(include={"name", "arguments"}))


def sample_id(level: str, row: dict[str, Any]) -> str:
    """`level/file/place`, with level 3's `sample_id` and `api_id` in place of file and place."""
    file, place = (row["sample_id"], row["api_id"]) if level == "level-3" else (row["file"], row["id"])
    return f"{level}/{str(file).removesuffix('.jsonl')}/{place}"


def tool(described: Any) -> Tool:
    """A tool from an API description. Nothing is required: upstream does not say which parameters may be left out."""
    parameters = described.get("input_parameters", described.get("parameters"))
    schema: dict[str, JsonValue] = {
        key: _schema(str(of.get("type")), str(of.get("description", ""))) for key, of in parameters.items()
    }
    return Tool(
        name=described.get("name") or described["apiCode"],
        description=described.get("description", ""),
        parameters={"type": "object", "properties": schema},
    )


def _schema(kind: str, description: str) -> dict[str, JsonValue]:
    base, _, inner = kind.partition("(")
    schema: dict[str, JsonValue] = {"type": TYPES.get(base, "string"), "description": description}
    return schema | {"items": {"type": TYPES[inner.rstrip(")")]}} if inner else schema


def spaced(name: str) -> str:
    """A name with its words apart, as upstream cuts `QueryMeeting` before it searches."""
    return "".join(f" {letter}" if letter.isupper() else letter for letter in name).strip()


def _messages(lines: Iterable[str], tools: list[Tool]) -> Iterator[Message]:
    """The dialogue; tools that a search has found are added to `tools` as they come up."""
    for line in lines:
        speaker, _, said = line.partition(": ")
        if speaker == "User":
            yield User(content=said)
        elif speaker == "AI":
            yield Assistant(text=said)
        elif speaker == "API-Request":
            yield from _request(said, tools)
        elif line.strip() not in ("", "Generate API Request:"):
            raise ValueError(f"line {line!r:.60} of the dialogue")


def _request(said: str, tools: list[Tool]) -> Iterator[Message]:
    written, arrow, result = said.partition(")]->")
    call = parse_request(f"{written})]")
    if call is None or not arrow:
        raise ValueError(f"API request {said!r:.60}")
    declared: Any = by_name(tools).get(call.name, Tool(name=call.name)).parameters["properties"]
    typed = {key: _typed(said, declared.get(key, {}).get("type")) for key, said in call.arguments.items()}
    yield Assistant(calls=(call.model_copy(update={"arguments": typed}),))
    read = literal(result)
    yield Observation(content=result if read is None else dumps(_bare(read)))
    if call.name == SEARCH:
        tools += map(tool, _found(read))


def _bare(result: Any) -> Any:
    """What a tool returned, without the envelope of level 3, which says the call again; or why it returned nothing."""
    if not (isinstance(result, dict) and result.keys() == ENVELOPE):
        return result
    return result["output"] if result["exception"] is None else {"exception": result["exception"]}


def _typed(said: JsonValue, kind: str | None) -> JsonValue:
    """A quoted number or truth value as its declared type, so that the history obeys the schema it is shown with."""
    if kind == "integer" and isinstance(said, str) and said.isdecimal():
        return int(said)
    return said == "True" if kind == "boolean" and said in ("True", "False") else said


def _found(result: Any) -> list[Any]:
    """The API descriptions in what a search returned: one or several, in level 3 inside an envelope."""
    inner = result.get("output", result) if isinstance(result, dict) else result
    several = inner if isinstance(inner, list) else [inner]
    return [one for one in several if isinstance(one, dict) and "name" in one]
