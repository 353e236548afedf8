"""An API as tools: every operation of an OpenAPI 3 document that can be called with JSON, a form or text.

A call is one HTTP request; GET and HEAD read, everything else counts as `writing`. Keys come from environment variables
named after the host they go to, so that no document can ask for another server's key, and they never leave that host:
redirects elsewhere are not followed, and a key that an answer repeats is blotted out.
"""

import json
import re
import time
import weakref
from collections.abc import Mapping, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

from calm.conversation import Call
from calm.errors import MissingExtra, UsageError
from calm.files import dumps
from calm.world.functions import LIMIT, as_json, cut, fault
from calm.world.openapi_document import READING, REPEATABLE, Described, Operation, read_document
from calm.world.openapi_request import blotted, missing, parts
from calm.world.schemas import coerced, wrong

if TYPE_CHECKING:
    import httpx

LARGEST = 2_000_000
"""Bytes of an answer that are read; what a model is shown of them is far less."""

TEXT = re.compile(r"json|^text|\bxml\b|yaml|javascript|www-form")
"""Media types whose bodies are shown; an `openxmlformats` one is a ZIP archive."""

REDIRECTS = 5
AGAIN = frozenset([408, 425, 429, 500, 502, 503, 504])
HINTS = {
    400: "mend the arguments",
    401: "the key is missing or wrong; tell the user",
    403: "the key does not allow this; tell the user",
    404: "nothing there by that name; check the arguments",
    409: "it is in the way of something that exists; look first",
    422: "mend the arguments",
    429: "too many requests; wait before the next one",
}


class OpenAPI:
    """A Toolbox over HTTP; `writing` and `idempotent` go by method, `skipped` says which operations are no tools."""

    def __init__(
        self,
        document: Mapping[str, Any],
        *,
        server: str = "",
        include: Sequence[str] = ("*",),
        where: str = "",
        timeout: float = 30.0,
        limit: int = LIMIT,
    ) -> None:
        """Take the operations in; nothing is sent before the first call.

        Args:
            document: a parsed OpenAPI 3.0 or 3.1 document.
            server: the address to use instead of the document's.
            include: patterns with `*` of tool names or of `METHOD /path`; only what fits one becomes a tool.
            where: the URL the document came from; relative servers add to it.
            timeout: seconds a call may take in all.
            limit: characters of an observation.

        Raises:
            UsageError: nothing fits, or nothing that fits can be called; says why.
            MissingExtra: httpx or jsonschema is not installed.
        """
        self._httpx = _httpx()
        described = Described(document, server, where, include)
        self._operations, self.skipped = described.operations, described.skipped
        if not self._operations:
            raise UsageError(_nothing(where, include, described))
        self.tools = tuple(operation.tool for operation in self._operations.values())
        self.writing = frozenset(name for name, op in self._operations.items() if op.method not in READING)
        self.idempotent = frozenset(name for name, op in self._operations.items() if op.method in REPEATABLE)
        self.timed = frozenset(self._operations)
        self._timeout, self._limit = timeout, limit
        nobodys: Any = CookieJar(DefaultCookiePolicy(allowed_domains=()))  # one conversation's login is not another's
        limits = self._httpx.Timeout(timeout, connect=min(10.0, timeout))
        self._client = self._httpx.Client(timeout=limits, cookies=nobodys)
        weakref.finalize(self, self._client.close)

    @classmethod
    def at(cls, where: str, **options: Any) -> "OpenAPI":
        """The API that `SPEC` or `SPEC@SERVER` names: a file or URL, and the address to use instead of its own."""
        found = re.fullmatch(r"(?P<spec>.+?)@(?P<server>https?://[^@]+)", where)
        spec, server = (found["spec"], found["server"]) if found else (where, "")
        return cls(read_document(spec), server=server, where=spec, **options)

    def __deepcopy__(self, memo: dict[int, Any]) -> "OpenAPI":
        """The same: what an API did stays done."""
        return self

    @property
    def missing(self) -> tuple[str, ...]:
        """Environment variables that are not set and without which some operation cannot be called."""
        lost = (missing(operation) for operation in self._operations.values())
        return tuple(dict.fromkeys(name for names in lost for name in names))

    def check(self, call: Call) -> str | None:
        """The observation of a call that cannot be sent, None for one that can; nothing is sent."""
        if call.name not in self._operations:
            return fault(f"no operation {call.name!r}; there are: {', '.join(self._operations)}", "unknown")
        tool = self._operations[call.name].tool
        why = wrong(coerced(call.arguments, tool), tool)
        return fault(why, "argument") if why else None

    def run(self, call: Call) -> str:
        """The answer's body as JSON; a status of 400 or above, or no answer, as `{"error": ..., "status": ...}`."""
        if refused := self.check(call):
            return refused
        operation = self._operations[call.name]
        if lost := missing(operation):
            return fault(f"{call.name} needs a key: the variable {lost[0]} is not set", "auth", hint="tell the user")
        try:
            text = self._answer(self._request(operation, call.arguments), operation)
        except self._httpx.TimeoutException as error:
            text = fault(f"{_what(operation)} did not answer in time ({type(error).__name__})", "timeout")
        except (self._httpx.HTTPError, self._httpx.InvalidURL) as error:
            text = fault(f"{_what(operation)} could not be reached: {error}", "unavailable")
        except (ValueError, TypeError) as error:
            text = fault(f"{call.name}: {error}", "argument")
        return cut(blotted(operation, text), self._limit)

    def _request(self, operation: Operation, arguments: Mapping[str, Any]) -> "httpx.Request":
        url, query, headers, content, form = parts(operation, coerced(arguments, operation.tool))
        return self._client.build_request(
            operation.method.upper(), url, params=query or None, headers=headers, content=content, data=form
        )

    # --- in ----------------------------------------------------------------------------------------------------------

    def _answer(self, request: "httpx.Request", operation: Operation) -> str:
        deadline = time.monotonic() + self._timeout
        for _ in range(REDIRECTS):
            response = self._client.send(request, stream=True)
            try:
                following = response.next_request
                if following is None:
                    return self._told(response, self._body(response, deadline), operation)
            finally:
                response.close()
            if _origin(following.url) != _origin(request.url):
                return fault(
                    f"{_what(operation)} redirects to {following.url.host}, which is not followed: "
                    f"only {request.url.host} may be asked",
                    "redirect",
                )
            request = following
        return fault(f"{_what(operation)} redirects more than {REDIRECTS} times", "redirect")

    def _body(self, response: "httpx.Response", deadline: float) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > LARGEST:
                break
            if time.monotonic() > deadline:
                raise self._httpx.ReadTimeout(f"more than {self._timeout:g} s")
        return bytes(body[:LARGEST])

    def _told(self, response: "httpx.Response", body: bytes, operation: Operation) -> str:
        kind = response.headers.get("content-type", "").partition(";")[0].lower()
        shown = as_json(_decoded(body, response.charset_encoding or "utf-8"))
        if response.status_code >= self._httpx.codes.BAD_REQUEST:
            return _refusal(response, shown, operation)
        if not body:
            return dumps({"status": response.status_code})
        if kind and not TEXT.search(kind):
            return dumps({"status": response.status_code, "note": f"{len(body)} bytes of {kind} are not shown"})
        return shown


def _httpx() -> Any:
    try:
        import httpx
        import jsonschema  # noqa: F401  # what checks the arguments of a call
    except ImportError as error:
        raise MissingExtra("an OpenAPI document", "tools", error.name or "httpx") from error
    return httpx


def _decoded(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset, "replace")
    except (LookupError, ValueError):  # a server may name any charset, even one that there is not
        return body.decode(errors="replace")


def _refusal(response: "httpx.Response", shown: str, operation: Operation) -> str:
    status = response.status_code
    kind = "unavailable" if status in AGAIN else "status"
    said = f"{_what(operation)} answered {status} {response.reason_phrase}".strip()
    more = {"hint": HINTS[status]} if status in HINTS else {}
    body = json.loads(shown) if len(shown) <= LIMIT // 2 else shown[: LIMIT // 2] + " ..."
    return fault(said, kind, status=status, **({"body": body} if body else {}), **more)


def _what(operation: Operation) -> str:
    return f"{operation.method.upper()} {operation.path}"


def _nothing(where: str, include: Sequence[str], described: Described) -> str:
    place = where or "the OpenAPI document"
    if described.skipped or not described.names:
        whys = "; ".join(f"{what}: {why}" for what, why in list(described.skipped.items())[:3])
        return f"{place}: no operation can be called ({whys or 'it lists none'})"
    return f"{place}: no operation fits {', '.join(include)}; there are: {', '.join(list(described.names)[:10])}"


def _origin(url: "httpx.URL") -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
