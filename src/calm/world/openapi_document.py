"""An OpenAPI 3 document as operations: one Tool each, and where every argument of it goes in the request."""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from calm.conversation import Tool
from calm.errors import DataError, HubError, MissingExtra
from calm.files import read_text
from calm.world.schemas import BadSchema, Plain, callable_name, first_words, followed, mapping

METHODS = ("get", "head", "options", "post", "put", "patch", "delete", "trace")
READING = frozenset(["get", "head", "options", "trace"])
REPEATABLE = READING | {"put", "delete"}
"""Methods that change nothing, and those that do no more the second time (RFC 9110, 9.2)."""

PLACES = ("path", "query", "header", "cookie")
DEFAULT_STYLE = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}
RESERVED = frozenset(["accept", "content-type", "authorization"])
"""Header parameters that OpenAPI tells to ignore: other parts of a document speak of them."""


class Place(NamedTuple):
    """Where an argument goes: `place` is one of PLACES, `body` (a key of the body) or `whole` (all of the body)."""

    place: str
    name: str
    style: str = ""
    explode: bool = False
    as_json: bool = False


class Key(NamedTuple):
    """A security scheme: `kind` is header, query, cookie, bearer or basic; `name` what carries an API key."""

    scheme: str
    kind: str
    name: str = ""


class Operation(NamedTuple):
    """What one tool sends, a body even without arguments where it `needs_body`.

    `keys` are alternatives, each a set of keys needed together, an empty one meaning none.
    """

    tool: Tool
    method: str
    path: str
    server: str
    places: dict[str, Place]
    media: str
    needs_body: bool
    keys: tuple[tuple[Key, ...], ...]


# --- reading ---------------------------------------------------------------------------------------------------------


def read_document(where: str, timeout: float = 30.0) -> dict[str, Any]:
    """The document of a file or URL, JSON or YAML.

    Raises:
        DataError: it is neither, or no OpenAPI 3 document.
        HubError: the URL does not answer with it.
    """
    text = _fetched(where, timeout) if where.startswith(("http://", "https://")) else read_text(Path(where))
    return _checked(_parsed(text, where), where)


def _fetched(url: str, timeout: float) -> str:
    try:
        import httpx
    except ImportError as error:
        raise MissingExtra("an OpenAPI document", "tools", "httpx") from error
    try:
        answer = httpx.get(url, timeout=timeout, follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise HubError(f"{url}: no answer ({error}); is the address right?") from error
    if answer.status_code != httpx.codes.OK:
        raise HubError(f"{url}: answers {answer.status_code}; is the address right?")
    return answer.text


def _parsed(text: str, where: str) -> Any:
    if text.lstrip()[:1] == "{":
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text)  # the same as YAML would be, in a fraction of the time
    try:
        return _yaml(text)
    except (ValueError, RecursionError) as error:
        raise DataError(where, f"is neither JSON nor YAML: {' '.join(str(error).split())[:200]}") from error


def _yaml(text: str) -> Any:
    """YAML with the scalars of version 1.2, which OpenAPI means: `no` and `10:30` are words, `2024-01-01` no date."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    known = {
        first: [(tag, pattern) for tag, pattern in found if not tag.endswith((":timestamp", ":bool", ":int", ":float"))]
        for first, found in base.yaml_implicit_resolvers.items()
    }
    loader = type("Loader", (base,), {"yaml_implicit_resolvers": known})
    for kind, (pattern, firsts) in SCALARS.items():
        loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(f"(?:{pattern})$"), firsts)
    loader.add_constructor("tag:yaml.org,2002:int", lambda _, node: _integer(node.value))
    try:
        return yaml.load(text, loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _integer(text: str) -> int:
    return int(text, 0 if text[:2] in ("0o", "0x") else 10)


SCALARS = {
    "bool": ("true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": ("[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
}
"""Scalars that are no text in YAML 1.2 (10.3.2), with the letters they begin with; an earlier entry wins."""


def _checked(document: Any, where: str) -> dict[str, Any]:
    if isinstance(document, dict) and "swagger" in document:
        raise DataError(where, f"is Swagger {document['swagger']}; convert it to OpenAPI 3 first")
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        raise DataError(where, "is no OpenAPI 3 document: it lacks `openapi: 3.x`")
    if not isinstance(document.get("paths"), dict):
        raise DataError(where, "has no `paths`, so there is nothing to call")
    return document


# --- operations ------------------------------------------------------------------------------------------------------


class Described:
    """A document's operations by tool name; `skipped` says which others were wanted and why they are no tools.

    `names` holds the tool names of all operations, wanted or not.
    """

    def __init__(
        self, document: Mapping[str, Any], server: str = "", where: str = "", include: Sequence[str] = ("*",)
    ) -> None:
        """Read the operations whose name or `METHOD /path` fits a pattern of `include`.

        `server` replaces every server of the document, `where` is what relative ones add to.
        """
        self._document, self._server, self._where = document, server, where
        self.operations: dict[str, Operation] = {}
        self.skipped: dict[str, str] = {}
        self.names: dict[str, str] = {}
        for method, path, item, operation in _listed(document):
            what = f"{method.upper()} {path}"
            name = callable_name(str(operation.get("operationId") or f"{method}_{path.strip('/')}"), self.names)
            self.names[name] = what
            if not any(fnmatchcase(name, pattern) or fnmatchcase(what, pattern) for pattern in include):
                continue
            try:
                self.operations[name] = self._operation(name, (method, path), item, operation)
            except BadSchema as error:
                self.skipped[what] = str(error)

    def _operation(
        self, name: str, what: tuple[str, str], item: Mapping[str, Any], operation: Mapping[str, Any]
    ) -> Operation:
        method, path = what
        arguments = _Arguments(self._document, path)
        arguments.take_parameters(item.get("parameters"), operation.get("parameters"))
        arguments.take_body(operation.get("requestBody"))
        if lost := set(re.findall(r"{([^{}]+)}", path)) - {
            p.name for p in arguments.places.values() if p.place == "path"
        }:
            raise BadSchema(f"its path needs {sorted(lost)[0]!r}, which no parameter describes")
        said = first_words(operation.get("summary"), operation.get("description")) or f"{method.upper()} {path}"
        return Operation(
            tool=Tool(name=name, description=said, parameters=arguments.schema()),
            method=method,
            path=path,
            server=self._server or self._served(operation, item),
            places=arguments.places,
            media=arguments.media,
            needs_body=arguments.needs_body,
            keys=self._keys(operation.get("security", self._document.get("security"))),
        )

    def _served(self, *holders: Mapping[str, Any]) -> str:
        """The address of the nearest `servers` entry, its variables at their defaults."""
        found = next((h["servers"] for h in (*holders, self._document) if h.get("servers")), None)
        server = mapping(found[0] if isinstance(found, list) else None)
        url = str(server.get("url", "/"))
        for name, variable in mapping(server.get("variables")).items():
            url = url.replace("{" + str(name) + "}", str(mapping(variable).get("default", "")))
        try:
            url = urljoin(self._where, url) if self._where.startswith(("http://", "https://")) else url
            known = urlsplit(url).scheme in ("http", "https")
        except ValueError:  # a host in brackets that is none
            known = False
        if not known:
            raise BadSchema(f"its server is {url!r}, which is no address; say which: SPEC@https://HOST/...")
        return url

    def _keys(self, security: Any) -> tuple[tuple[Key, ...], ...]:
        alternatives = [entry for entry in security if isinstance(entry, Mapping)] if isinstance(security, list) else []
        return tuple(tuple(self._key(str(name)) for name in alternative) for alternative in alternatives)

    def _key(self, name: str) -> Key:
        schemes = mapping(mapping(self._document.get("components")).get("securitySchemes"))
        scheme = mapping(followed(self._document, schemes.get(name)))
        kind, http = scheme.get("type"), str(scheme.get("scheme", "")).lower()
        if kind == "apiKey" and str(scheme.get("in")) in ("header", "query", "cookie") and scheme.get("name"):
            return Key(name, str(scheme["in"]), str(scheme["name"]))
        if kind in ("oauth2", "openIdConnect") or (kind == "http" and http == "bearer"):
            return Key(name, "bearer")
        if kind == "http" and http == "basic":
            return Key(name, "basic")
        raise BadSchema(f"its security scheme {name!r} ({kind} {http}) is not supported")


def _listed(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
    """Method, path, path item and operation of everything the document offers."""
    for path, item in mapping(document.get("paths")).items():
        try:
            target = followed(document, item)
        except BadSchema:
            continue
        for method in METHODS if isinstance(target, Mapping) else ():
            if isinstance(operation := target.get(method), Mapping):
                yield method, str(path), target, operation


# --- arguments -------------------------------------------------------------------------------------------------------


class _Arguments:
    """Parameters and body gathered into one flat object; the later of two equal names gets its place before it."""

    def __init__(self, document: Mapping[str, Any], path: str) -> None:
        self._document, self._path, self._plain = document, path, Plain(document)
        self.places: dict[str, Place] = {}
        self.media, self.needs_body = "", False
        self._properties: dict[str, Any] = {}
        self._required: list[str] = []

    def schema(self) -> dict[str, Any]:
        required = {"required": self._required} if self._required else {}
        return {"type": "object", "properties": self._properties, **required, "additionalProperties": False}

    def take_parameters(self, *lists: Any) -> None:
        """Parameters of path item and operation, the operation's replacing those of the same name and place."""
        listed = [followed(self._document, p) for found in lists if isinstance(found, list) for p in found]
        known = {(str(p.get("in")), str(p["name"])): p for p in listed if isinstance(p, Mapping) and "name" in p}
        for place in PLACES:
            for (where, name), parameter in known.items():
                if where == place and self._meant(place, name):
                    self._take_parameter(place, name, parameter)

    def _meant(self, place: str, name: str) -> bool:
        if place == "path":
            return "{" + name + "}" in self._path
        return not (place == "header" and name.lower() in RESERVED)

    def _take_parameter(self, place: str, name: str, parameter: Mapping[str, Any]) -> None:
        content = parameter.get("content")
        held = mapping(next(iter(content.values()), None)) if isinstance(content, Mapping) else parameter
        schema = self._plain(held.get("schema"))
        if description := first_words(parameter.get("description"), limit=200):
            schema = {**schema, "description": description.removesuffix(".")}
        usual = DEFAULT_STYLE[place]  # the only one of several values that a segment or a header can hold is `simple`
        style = usual if usual == "simple" else str(parameter.get("style") or usual)
        explode = parameter.get("explode", style == "form") is True
        required = parameter.get("required") is True or place == "path"
        self._take(Place(place, name, style, explode, held is not parameter), schema, required)

    def take_body(self, body: Any) -> None:
        """The request body: the keys of an object become arguments, anything else is the one argument `body`."""
        body = followed(self._document, body)
        if not isinstance(body, Mapping) or not isinstance(body.get("content"), Mapping):
            return
        self.media, content = _media(body["content"])
        schema, needed = self._plain(content.get("schema")), body.get("required") is True
        self.needs_body = needed
        if schema.get("type") != "object" or not schema.get("properties") or "text" in self.media:
            self._take(Place("whole", "body"), schema, needed)
            return
        for name, inner in schema["properties"].items():
            self._take(Place("body", name), inner, needed and name in schema.get("required", ()))

    def _take(self, place: Place, schema: dict[str, Any], required: bool) -> None:
        name = place.name
        while name in self.places:
            name = f"{'body' if place.place == 'whole' else place.place}_{name}"
        self.places[name], self._properties[name] = place, schema
        if required:
            self._required.append(name)


def _media(content: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The media type to send and what is said of it: JSON where the server takes it, else a form, else text.

    Raises:
        BadSchema: nothing of these.
    """
    for wanted in ("json", "application/x-www-form-urlencoded", "text/", "*/*"):
        for media, held in content.items():
            if wanted in str(media).lower():
                return ("application/json" if "*" in str(media) else str(media)), mapping(held)
    raise BadSchema(f"its body is {', '.join(map(str, content)) or 'of no type'}, which cannot be sent")
