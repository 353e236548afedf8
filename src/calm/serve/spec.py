"""The OpenAPI document of the routes, made from models of what they read and write and from the options `wire` knows.

The models describe and do not read: `wire` does that, and says more about what is wrong. Tests hold them to each other.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.json_schema import models_json_schema

from calm.conversation import TOOL_NAME
from calm.serve import responses, wire

Count = Annotated[int, Field(ge=0)]
Tokens = Annotated[int, Field(ge=1)] | None


class Body(BaseModel):
    """An object that may hold more than is named here."""

    model_config = ConfigDict(extra="allow")


class Function(Body):
    """A tool as the model sees it."""

    name: str = Field(pattern=TOOL_NAME.pattern)
    description: str | None = None
    parameters: dict[str, JsonValue] | None = None


class Tool(Body):
    """OpenAI's wrapping of it."""

    type: Literal["function"]
    function: Function


class FlatTool(Function):
    """The form of `/v1/responses`."""

    type: Literal["function"]


class Part(Body):
    """Text in pieces."""

    type: Literal["text", "input_text", "output_text"]
    text: str


class Called(Body):
    """What a call calls; the arguments are a JSON object as text."""

    name: str
    arguments: str


class ToolCall(Body):
    """A call of the model."""

    id: str
    type: Literal["function"]
    function: Called


class Told(Body):
    """What the user or the developer says."""

    role: Literal["user", "system", "developer"]
    content: str | list[Part]


class Spoken(Body):
    """An earlier step of the model."""

    role: Literal["assistant"]
    content: str | list[Part] | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None


class Answered(Body):
    """What a tool gave back."""

    role: Literal["tool"]
    tool_call_id: str
    content: str | list[Part]


class Chosen(Body):
    """The one tool that must be called."""

    type: Literal["function"]
    function: dict[Literal["name"], str]


class ChosenFlat(Body):
    """The form of `/v1/responses`."""

    type: Literal["function"]
    name: str


class Asking(Body):
    """What both kinds of request share."""

    model: str
    stream: bool | None = None
    parallel_tool_calls: bool | None = None
    stop: str | Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=wire.STOPS)] | None = None


class ChatRequest(Asking):
    """POST /v1/chat/completions."""

    messages: list[Told | Spoken | Answered] = Field(min_length=1)
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | Chosen | None = None
    max_tokens: Tokens = None
    max_completion_tokens: Tokens = None
    stream_options: dict[str, JsonValue] | None = None


class Item(Body):
    """A message, a reasoning, a function_call or a function_call_output."""

    type: Literal["message", "reasoning", "function_call", "function_call_output"] | None = None


class ResponseRequest(Asking):
    """POST /v1/responses."""

    input: str | Annotated[list[Item], Field(min_length=1)]
    instructions: str | None = None
    tools: list[FlatTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenFlat | None = None
    max_output_tokens: Tokens = None


class Say(Body):
    """POST /agent/say."""

    session: str | None = None
    text: str = Field(pattern=r"\S")


class Session(Body):
    """POST /agent/undo."""

    session: str


class Decide(Session):
    """POST /agent/decide."""

    run: bool
    arguments: dict[str, JsonValue] | None = None


# --- answers -------------------------------------------------------------------------------------------------------


class Usage(Body):
    """Tokens."""

    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count


class Choice(Body):
    """The only one."""

    index: Literal[0]
    message: Spoken
    finish_reason: Literal["stop", "length", "tool_calls"]


class ChatCompletion(Body):
    """A step of the model."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice] = Field(min_length=1, max_length=1)
    usage: Usage


class Response(Body):
    """A step of the model as items."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "incomplete"]
    model: str
    output: list[Item]
    usage: dict[str, JsonValue]


class Models(Body):
    """The one that is served."""

    object: Literal["list"]
    data: list[dict[str, JsonValue]] = Field(min_length=1, max_length=1)


class Health(Body):
    """Alive, and how busy."""

    status: Literal["ok"]
    pending: Count


class Offer(Body):
    """The tools that run here."""

    tools: list[Tool]
    writing: list[str]
    origin: str


class Left(Body):
    """Turns that can still be taken back."""

    turns: Count


class Noted(Body):
    """It was heard."""

    ok: Literal[True]


class Row(Body):
    """A conversation as it stands in a dataset."""

    id: str
    messages: list[dict[str, JsonValue]]
    tools: str


class Fault(Body):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(Body):
    """OpenAI's error object."""

    error: Fault


# --- the document --------------------------------------------------------------------------------------------------


class Operation(NamedTuple):
    """A route: what it reads and gives, other media it gives, statuses of its own, whether it asks for no key."""

    reads: type[Body] | None = None
    gives: type[Body] | None = None
    media: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    open: bool = False


EVENTS = ("text/event-stream",)
SESSION = {"name": "session", "in": "query", "required": True, "schema": {"type": "string"}}
OPERATIONS = {
    "/v1/chat/completions": Operation(ChatRequest, ChatCompletion, EVENTS, (404, 502)),
    "/v1/responses": Operation(ResponseRequest, Response, EVENTS, (404, 502)),
    "/v1/models": Operation(None, Models),
    "/health": Operation(None, Health, open=True),
    "/metrics": Operation(None, None, ("text/plain",)),
    "/agent": Operation(None, Offer),
    "/agent/say": Operation(Say, None, EVENTS, (404, 409, 502)),
    "/agent/decide": Operation(Decide, Noted, (), (404, 409)),
    "/agent/undo": Operation(Session, Left, (), (404, 409)),
    "/agent/save": Operation(None, Row, (), (404,)),
}
"""Every route for programs; the page and its parts are not among them."""

STATUSES = {
    400: "what was sent makes no sense here",
    401: "no key, or a wrong one",
    403: "a page or a host name that may not ask",
    404: "no such model or session",
    408: "the request took too long to arrive",
    409: "not now",
    413: "too long a body",
    500: "the server failed",
    502: "the model's own endpoint failed",
    503: "too many ask at once",
}


def document(model: str, locked: bool, answers: Mapping[str, Callable[..., Any]]) -> dict[str, Any]:
    """OpenAPI 3.1 of a server of `model`; `answers` are the functions behind the routes, whose docstrings it takes.

    `locked` says that a key is asked for.
    """
    shown = {path: operation for path, operation in OPERATIONS.items() if path in answers}
    used: list[Any] = [(kind, "validation") for o in shown.values() for kind in (o.reads, o.gives) if kind]
    _, schemas = models_json_schema([*used, (Error, "validation")], ref_template="#/components/schemas/{model}")
    components = {"schemas": _options(schemas["$defs"], model)}
    if locked:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "calm serve",
            "version": "1",
            "description": f"{model} behind OpenAI's routes, and its agent.",
        },
        "paths": {path: _path(path, answers[path], operation, locked) for path, operation in shown.items()},
        "components": components,
    }


def _options(schemas: dict[str, Any], model: str) -> dict[str, Any]:
    """The schemas with the one model there is, and with the options that have one value that is fine."""
    for name, fine in (("ChatRequest", wire.FINE), ("ResponseRequest", responses.FINE)):
        options = {option: {"enum": [value, None], "description": why} for option, (value, why) in fine.items()}
        schemas[name]["properties"] |= {"model": {"const": model}, **options}
    return schemas


def _path(path: str, answer: Callable[..., Any], operation: Operation, locked: bool) -> dict[str, Any]:
    closed = locked and not operation.open
    statuses = {
        400,
        403,
        408,
        500,
        503,
        *operation.statuses,
        *([401] if closed else []),
        *([413] if operation.reads else []),
    }
    said: dict[str, Any] = {
        "operationId": getattr(answer, "__name__", path),
        "summary": (answer.__doc__ or "").strip(),
        "responses": {"200": _given(operation)} | {str(status): _refused(status) for status in sorted(statuses)},
    }
    if path == "/agent/save":
        said["parameters"] = [SESSION]
    if operation.reads:
        said["requestBody"] = {"required": True, "content": _json(operation.reads)}
    if closed:
        said["security"] = [{"key": []}]
    return {"post" if operation.reads else "get": said}


def _given(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {media: {} for media in operation.media}
    return {"description": "done", "content": content | (_json(operation.gives) if operation.gives else {})}


def _refused(status: int) -> dict[str, Any]:
    return {"description": STATUSES[status], "content": _json(Error)}


def _json(kind: type[Body]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}
