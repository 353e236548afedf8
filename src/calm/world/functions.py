"""Python functions as tools: the schema comes from signature and docstring, arguments are checked before anything runs.

Whatever goes wrong in a call comes back as `{"error": ...}` text that names the argument, the value and what is
allowed, because the model has to mend it; an exception must not end a conversation. Functions may be `async` and may
be generators, whose items come back as a list.
"""

import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, get_type_hints

import docstring_parser
from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import to_jsonable_python

from calm.conversation import TOOL_NAME, Call, Tool
from calm.errors import UsageError
from calm.files import dumps
from calm.world.background import Slow, shared, within

LIMIT = 4000
"""Longest observation in characters: about a thousand tokens, more than a small model's context can spare."""

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


class ToolError(Exception):
    """What a function raises to tell the model what to do differently; `details` become keys beside `error`."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details


def writes(function: F) -> F:
    """Mark a function that changes something, so that whoever runs it can ask for approval first."""
    return tool(writes=True)(function)


def tool(*, writes: bool = False, idempotent: bool = False, timeout: float | None = None) -> Callable[[F], F]:
    """Say of a function what its signature cannot: it stays the function it was.

    Args:
        writes: it changes something; whoever runs it can ask for approval first.
        idempotent: calling it twice does no more than calling it once, so a failed call may be repeated.
        timeout: seconds after which its answer is no longer waited for; an `async` one is cancelled then.
    """

    def mark(function: F) -> F:
        function.__dict__.update(writes=writes, idempotent=idempotent, timeout=timeout)
        return function

    return mark


class Functions:
    """A Toolbox of functions or bound methods, plain, `async` or generators.

    `writing` and `idempotent` name those marked so, `timed` those that keep a time limit of their own.

    Raises:
        UsageError: a function that cannot be a tool, or two of the same name.
    """

    def __init__(self, functions: Iterable[Function], limit: int = LIMIT) -> None:
        known = [_Known.of(function) for function in functions]
        self.tools = tuple(k.tool for k in known)
        self.writing = frozenset(k.tool.name for k in known if getattr(k.function, "writes", False))
        self.idempotent = frozenset(k.tool.name for k in known if getattr(k.function, "idempotent", False))
        self.timed = frozenset(k.tool.name for k in known if k.timeout is not None)
        self._known = {k.tool.name: k for k in known}
        self._limit = limit
        if len(self._known) < len(known):
            raise UsageError(f"two functions of one name among {', '.join(t.name for t in self.tools)}; rename one")

    def run(self, call: Call) -> str:
        """The function's result as JSON, cut after `limit` characters; every failure as `{"error": ...}`."""
        try:
            text = dumps(_jsonable(self._run(call)))
        except ToolError as error:
            text = _refusal(error)
        except Slow as error:
            text = fault(f"{call.name} failed: {error}", "timeout")
        except (Exception, SystemExit) as error:  # noqa: BLE001  # the boundary: a tool must not end the conversation
            text = fault(f"{call.name} failed: {type(error).__name__}: {_words(error)}", _kind(error))
        return cut(text, self._limit)

    def check(self, call: Call) -> str | None:
        """The observation of a call that cannot be run, None for one that can; nothing runs."""
        try:
            self._function(call).checked(call.arguments)
        except ToolError as error:
            return _refusal(error)
        return None

    def _function(self, call: Call) -> "_Known":
        if call.name not in self._known:
            raise ToolError(f"no function {call.name!r}; there are: {', '.join(self._known) or 'none'}")
        return self._known[call.name]

    def _run(self, call: Call) -> Any:
        known = self._function(call)
        arguments = known.checked(call.arguments)
        return within(known.timeout, lambda: self._settled(known.function(**arguments), known.timeout))

    def _settled(self, result: Any, timeout: float | None) -> Any:
        """What a function gave back once it is waited for, or listed until there is more than can be shown."""
        if inspect.isawaitable(result):
            return shared().wait(result, timeout)
        if isinstance(result, AsyncIterator):
            return shared().wait(_listed(result, self._limit), timeout)
        if isinstance(result, Iterator):
            return list(_until(result, self._limit))
        return result


# --- what comes back -------------------------------------------------------------------------------------------------


def fault(message: str, type: str, **more: Any) -> str:
    """An error as the observation of a call: what went wrong, of which kind it is, and what may help (`hint`)."""
    return dumps(to_jsonable_python({"error": message, "type": type, **more}))


def _refusal(error: ToolError) -> str:
    """What a function said of a call; a detail that is no JSON is shown as Python shows it: the rest still helps."""
    return dumps({"error": str(error), **{key: _shown(value) for key, value in error.details.items()}})


def _shown(value: Any) -> Any:
    try:
        dumps(found := to_jsonable_python(value))
    except (ValueError, TypeError, RecursionError):
        return repr(value)
    return found


def cut(text: str, limit: int) -> str:
    """At most `limit` characters of an observation, and a note where more were left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]} ... (cut: {len(text)} characters, shown are the first {limit})"


def as_json(text: str) -> str:
    """Text from outside as JSON: as it is where it is JSON already, else as a string."""
    try:
        return dumps(json.loads(text))
    except (ValueError, RecursionError):
        return dumps(text)


def _words(error: BaseException) -> str:
    """What an error says, or that it cannot say it: its `__str__` is the tool's code too."""
    try:
        return str(error)
    except Exception as within:  # noqa: BLE001  # whatever the tool's code raises here says as little
        return f"(no message: its __str__ raised {type(within).__name__})"


def _kind(error: BaseException) -> str:
    """`timeout` and `unavailable` are worth another try; anything else is named as Python names it."""
    if isinstance(error, TimeoutError):
        return "timeout"
    return "unavailable" if isinstance(error, ConnectionError) else type(error).__name__


def _jsonable(value: Any) -> Any:
    _no_bytes(value)
    return to_jsonable_python(value)


def _no_bytes(value: Any) -> None:
    if isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"gave back {len(value)} bytes; give back text, or bytes encoded as text")
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str):
        for item in value:
            _no_bytes(item)


def _until(items: Iterable[Any], limit: int) -> Iterator[Any]:
    size = 0
    for item in items:
        yield item
        size += len(dumps(_jsonable(item))) + 2
        if size > limit:
            return


async def _listed(items: AsyncIterator[Any], limit: int) -> list[Any]:
    listed, size = [], 0
    async for item in items:
        listed.append(item)
        size += len(dumps(_jsonable(item))) + 2
        if size > limit:
            break
    return listed


# --- what goes in ----------------------------------------------------------------------------------------------------


def tool_of(function: Function) -> Tool:
    """The Tool a model sees: types, defaults and docstring (Google style) of a function as one flat JSON Schema.

    A parameter that defaults to None is optional and its schema says nothing of null; references are written out.

    Raises:
        UsageError: no usable name, `*args`, or a type that JSON cannot express; names the parameter.
    """
    return _Known.of(function).tool


class _Parameter(NamedTuple):
    adapter: TypeAdapter[Any]
    required: bool


class _Known(NamedTuple):
    """A function with its Tool and one validator for each parameter."""

    function: Function
    tool: Tool
    parameters: dict[str, _Parameter]

    @property
    def timeout(self) -> float | None:
        return getattr(self.function, "timeout", None)

    @classmethod
    def of(cls, function: Function) -> "_Known":
        name = getattr(function, "__name__", "")
        if not TOOL_NAME.match(name):
            raise UsageError(f"{function!r} has no name that a model could call; give it one with def")
        doc = docstring_parser.parse(inspect.getdoc(function) or "", docstring_parser.DocstringStyle.GOOGLE)
        said = {p.arg_name: " ".join((p.description or "").split()) for p in doc.params}
        hints = _hints(name, function)
        parameters, properties = {}, {}
        for key, parameter in _signature(name, function).parameters.items():
            adapter = _adapter(name, parameter, hints.get(key, Any))
            parameters[key] = _Parameter(adapter, parameter.default is parameter.empty)
            properties[key] = _property(f"{name}: parameter {key!r}", adapter, parameter, said.get(key))
        schema: dict[str, Any] = {"type": "object", "properties": properties}
        if required := [key for key, p in parameters.items() if p.required]:
            schema["required"] = required
        tool = Tool(name=name, description=" ".join((doc.description or "").split()), parameters=schema)
        return cls(function, tool, parameters)

    def checked(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments as the function wants them; a ToolError that names the first wrong one."""
        takes = ", ".join(self.parameters) or "no arguments"
        for key in arguments:
            if key not in self.parameters:
                raise ToolError(f"{self.tool.name} has no argument {key!r} (got {arguments[key]!r}); it takes {takes}")
        for key, parameter in self.parameters.items():
            if parameter.required and key not in arguments:
                raise ToolError(f"{self.tool.name} needs the argument {key!r}; it takes {takes}")
        return {key: self._value(key, value) for key, value in arguments.items()}

    def _value(self, key: str, value: Any) -> Any:
        try:
            return self.parameters[key].adapter.validate_python(value)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join([key, *map(str, first["loc"])]) if len(error.errors()) == 1 else key
            raise ToolError(f"{self.tool.name}: argument {where!r} is {first['input']!r}; {first['msg']}") from error


def _hints(name: str, function: Function) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, SyntaxError, TypeError) as error:  # hints may be texts that were never run
        raise UsageError(f"{name}: a type hint names something that is not there: {error}") from error


def _signature(name: str, function: Function) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError as error:  # some builtins have none
        raise UsageError(f"{name}: its parameters are not known ({error}); wrap it in a def") from error


def _adapter(name: str, parameter: inspect.Parameter, hint: Any) -> TypeAdapter[Any]:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise UsageError(f"{name}: parameter {parameter.name!r} is {parameter.kind.description}; give each a name")
    optional = parameter.default is None and hint is not Any
    try:
        return TypeAdapter(hint | None if optional else hint)
    except (PydanticUserError, TypeError) as error:
        why = str(error).partition("\n")[0]
        raise UsageError(
            f"{name}: parameter {parameter.name!r} has a type that JSON cannot express: {hint!r}; {why}"
        ) from error


# --- schemas short enough for a small model --------------------------------------------------------------------------


def _property(where: str, adapter: TypeAdapter[Any], parameter: inspect.Parameter, said: str | None) -> dict[str, Any]:
    try:
        raw = adapter.json_schema()
    except PydanticUserError as error:
        why = str(error).partition("\n")[0]
        raise UsageError(f"{where} has a type that JSON cannot express; {why}") from error
    schema = _flat(raw, raw.pop("$defs", {}), where)
    if parameter.default is None:
        schema = _without_null(schema)
    elif parameter.default is not parameter.empty:
        schema["default"] = _default(where, parameter.default)
    if said:
        schema["description"] = said
    first = {key: schema[key] for key in ("type", "description") if key in schema}
    return {**first, **schema}


def _default(where: str, value: Any) -> Any:
    try:
        return json.loads(dumps(to_jsonable_python(value)))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{where} has a default that JSON cannot express: {value!r}; give it None") from error


def _flat(schema: Any, definitions: dict[str, Any], where: str, depth: int = 0, names: bool = False) -> Any:
    """The schema without titles and with every `$ref` written out; `names` says that its keys are a model's own."""
    if depth > 40:
        raise UsageError(f"{where} has a type that contains itself; a tool's schema must be flat")
    if isinstance(schema, list):
        return [_flat(item, definitions, where, depth + 1) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if names:
        return {key: _flat(value, definitions, where, depth + 1) for key, value in schema.items()}
    if isinstance(reference := schema.get("$ref"), str):
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**definitions[reference.rpartition("/")[2]], **rest}
    data = ("default", "enum", "const", "examples")  # values, not schemas: copied as they are
    return {
        key: value if key in data else _flat(value, definitions, where, depth + 1, key == "properties")
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    branches = [branch for branch in schema.get("anyOf", ()) if branch != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    if len(branches) == 1:
        return {**rest, **branches[0]}
    return {**rest, "anyOf": branches} if branches else rest
