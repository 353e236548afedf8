"""What a call becomes on the wire: where each argument goes, how it is spelled there, and the keys that go with it."""

import os
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from calm.files import dumps
from calm.world.openapi_document import Key, Operation, Place

SECRET = 6
"""Characters from which on a key is long enough to be looked for in an answer."""


class Parts(NamedTuple):
    """A request: its address, its query and headers, and its body as bytes or as a form."""

    url: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    content: bytes | None
    form: dict[str, Any] | None


def parts(operation: Operation, arguments: Mapping[str, Any]) -> Parts:
    """The request of a call whose arguments fit.

    Raises:
        ValueError: an argument that cannot stand where it belongs.
    """
    path, query, cookies = operation.path, [], []
    headers = {"accept": "application/json, text/*;q=0.5"}
    for name, value in arguments.items():
        place = operation.places[name]
        pieces = _pieces(place, value)
        if place.place == "path":
            path = path.replace("{" + place.name + "}", _segment(place.name, pieces[0][1]))
        elif place.place == "query":
            query += pieces
        elif place.place == "header":
            headers[place.name] = _line(place.name, pieces[0][1])
        elif place.place == "cookie":
            cookies += [(key, quote(word)) for key, word in pieces]
    _add_keys(operation, query, headers, cookies)
    if cookies:
        headers["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies)
    content, form = _body(operation, arguments)
    if content is not None:
        headers["content-type"] = operation.media
    return Parts(operation.server.rstrip("/") + path, query, headers, content, form)


# --- values in a request ---------------------------------------------------------------------------------------------


def _pieces(place: Place, value: Any) -> list[tuple[str, str]]:
    """A parameter as name-value pairs, by its `style` and `explode` (OpenAPI 3.1, 4.8.12.3)."""
    if place.as_json:
        return [(place.name, dumps(value))]
    if isinstance(value, Mapping):
        return _object_pieces(place, value)
    if not isinstance(value, list):
        return [(place.name, _word(value))]
    words = [_word(item) for item in value]
    if place.explode and place.style == "form":
        return [(place.name, word) for word in words]
    return [(place.name, {"pipeDelimited": "|", "spaceDelimited": " "}.get(place.style, ",").join(words))]


def _object_pieces(place: Place, value: Mapping[str, Any]) -> list[tuple[str, str]]:
    words = [(key, _word(item)) for key, item in value.items()]
    if place.style == "deepObject":
        return [(f"{place.name}[{key}]", word) for key, word in words]
    if place.explode and place.style == "form":
        return words
    between = "=" if place.explode else ","
    return [(place.name, ",".join(f"{key}{between}{word}" for key, word in words))]


def _word(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON Schema counts 3.0 as an integer, a path does not
    return value if isinstance(value, str) else dumps(value)


def _segment(name: str, value: str) -> str:
    """A value as one segment of a path: whatever it holds, it cannot reach another path."""
    if value in ("", ".", ".."):
        raise ValueError(f"argument {name!r} is {value!r}, which is no name in a path")
    return quote(value, safe="")


def _line(name: str, value: str) -> str:
    """A value as one header: whatever it holds, it cannot begin another."""
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"argument {name!r} is {value!r}; a header holds one line of plain ASCII")
    return value


def _body(operation: Operation, arguments: Mapping[str, Any]) -> tuple[bytes | None, dict[str, Any] | None]:
    """The body as bytes or as a form: its keys together, or the one value that is all of it; neither without any.

    A body that must be there is sent empty when no argument goes into it.
    """
    held = {operation.places[name]: value for name, value in arguments.items()}
    whole = [value for place, value in held.items() if place.place == "whole"]
    keys = {place.name: value for place, value in held.items() if place.place == "body"}
    if not operation.media or not (whole or keys or operation.needs_body):
        return None, None
    value = whole[0] if whole else keys
    if "json" in operation.media:
        return dumps(value).encode(), None
    if "form" in operation.media and isinstance(value, Mapping):
        return None, {key: [_word(v) for v in w] if isinstance(w, list) else _word(w) for key, w in value.items()}
    return _word(value).encode(), None


# --- keys ------------------------------------------------------------------------------------------------------------


def key_name(url: str, scheme: str) -> str:
    """The environment variable that holds a key: `CALM_KEY_API_EXAMPLE_COM_TOKEN` for `Token` at `api.example.com`.

    The name holds the host (a `-` in it as `__`, so that no two hosts share one), never what a document calls itself.
    """
    host = urlsplit(url).netloc.rpartition("@")[2].upper().replace("-", "__")
    return re.sub(r"[^A-Z0-9_]", "_", f"CALM_KEY_{host}_{scheme.upper()}")


def missing(operation: Operation) -> list[str]:
    """The variables that are not set, of the alternative that lacks the fewest; none when one alternative is whole."""
    lacking = [
        [name for key in keys if not os.environ.get(name := key_name(operation.server, key.scheme))]
        for keys in operation.keys
    ]
    return min(lacking, key=len, default=[])


def _found(operation: Operation) -> list[tuple[Key, str]]:
    """The keys to send: of the first alternative, among those with most keys, for which every variable is set."""
    for keys in sorted(operation.keys, key=len, reverse=True):
        found = [(key, os.environ.get(key_name(operation.server, key.scheme), "")) for key in keys]
        if all(secret for _, secret in found):
            return found
    return []


def _add_keys(
    operation: Operation, query: list[tuple[str, str]], headers: dict[str, str], cookies: list[tuple[str, str]]
) -> None:
    for key, secret in _found(operation):
        if key.kind == "query":
            query.append((key.name, secret))
        elif key.kind == "cookie":
            cookies.append((key.name, secret))
        elif key.kind == "basic":
            headers["authorization"] = f"Basic {_basic(secret)}"
        else:
            headers["authorization" if key.kind == "bearer" else key.name] = (
                f"Bearer {secret}" if key.kind == "bearer" else secret
            )


def _basic(secret: str) -> str:
    return b64encode(secret.encode()).decode()


def blotted(operation: Operation, text: str) -> str:
    """The text without the keys that this operation sends, in case the server repeats them."""
    for _, secret in _found(operation):
        for spelling in (secret, _basic(secret)):
            text = text.replace(spelling, "***") if len(secret) >= SECRET else text
    return text
