"""The routes: completions, responses, models, health, metrics, the page and its agent.

Whatever goes wrong leaves as an OpenAI error object, in a stream as its last event.
"""

import asyncio
import contextlib
import hmac
import html
import logging
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import Field

from calm.conversation import Noun
from calm.errors import CalmError, FormatError, HubError, MissingExtra, ModelError, UsageError
from calm.policy import Policy
from calm.serve import responses, spec, wire
from calm.serve.chunks import Completion
from calm.serve.deltas import Done, Said
from calm.serve.metrics import Metrics
from calm.serve.responses import Response as Items
from calm.serve.room import Room, Rooms
from calm.serve.wire import Asked, Can, Refusal
from calm.serve.worker import Worker
from calm.world import Toolbox

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import Response

CSP = (
    "default-src 'none'; img-src data:; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
GONE = 499
"""The status that nobody sees: the client hung up."""

PARTS = {"page.css": "text/css", **dict.fromkeys(("cards.js", "past.js", "page.js"), "text/javascript")}
"""Files of the page, by media type."""

T = TypeVar("T")
_log = logging.getLogger("calm.serve")


class Settings(Noun):
    """How a server behaves: the name it answers to, its key, the longest body in bytes, the line before the model.

    `origins` are web pages elsewhere that may ask (CORS); `hosts` the names it answers to (all where empty), which
    keeps a page that has pointed its own name at this machine from asking. `at_once` is for policies that
    are `concurrent`: behind HTTP, or decoding together. `patience` is how many seconds a client may take to send a
    request whole, or not read an answer; `connections` how many are held at once, idle ones too.
    """

    model: str = ""
    api_key: str | None = None
    body_limit: int = Field(default=1 << 20, ge=1)
    waiting: int = Field(default=16, ge=0)
    at_once: int = Field(default=8, ge=1)
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    patience: float = Field(default=60.0, gt=0)
    connections: int = Field(default=512, ge=1)


class Form(Protocol):
    """How an answer is written: whole, as events, or as the event of a stream that broke."""

    def whole(self, done: Done) -> dict[str, Any]:
        """The JSON object."""
        ...

    def events(self, item: Said | Done) -> Any:
        """Server-sent events for what is new."""
        ...

    def failed(self, error: dict[str, Any]) -> str:
        """The last event of a stream that broke."""
        ...


class Server:
    """A policy with an address, and tools for the page's agent; `app` is what an ASGI server runs."""

    def __init__(self, policy: Policy, settings: Settings, toolbox: Toolbox | None = None, origin: str = "") -> None:
        self.model = settings.model or policy.name
        self._settings, self._metrics = settings, Metrics()
        self._worker = Worker(policy, settings.waiting, settings.at_once)
        self._rooms = Rooms(self._worker, toolbox, origin, settings.waiting)
        self._spec: dict[str, Any] = {}

    def app(self) -> "Starlette":
        """The ASGI application.

        Raises:
            MissingExtra: starlette is not installed.
        """
        try:
            from starlette.applications import Starlette
            from starlette.exceptions import HTTPException
            from starlette.middleware import Middleware
            from starlette.middleware.cors import CORSMiddleware
            from starlette.requests import ClientDisconnect
            from starlette.routing import Route
        except ImportError as error:
            raise MissingExtra("calm serve", "serve", "starlette") from error
        posts: dict[str, Any] = {"/v1/chat/completions": self.chat, "/v1/responses": self.respond}
        posts |= {"/agent/say": self.say, "/agent/decide": self.decide, "/agent/undo": self.undo}
        gets: dict[str, Any] = {"/": self.page, "/health": self.health, "/metrics": self.metrics}
        gets |= {"/v1/models": self.models, "/agent": self.offer, "/agent/save": self.save, "/openapi.json": self.spec}
        gets |= {f"/{name}": self.part for name in PARTS}
        self._spec = spec.document(self.model, bool(self._settings.api_key), posts | gets)
        routes = [Route(path, answer, methods=["POST"]) for path, answer in posts.items()]
        routes += [Route(path, answer) for path, answer in gets.items()]
        middleware = [Middleware(Door, self._settings, self._metrics, frozenset([*posts, *gets]))]
        if self._settings.origins:
            exposed, sites = ["x-calm-ignored", "retry-after"], list(self._settings.origins)
            cors: Any = CORSMiddleware
            middleware.append(
                Middleware(cors, allow_origins=sites, allow_methods=["*"], allow_headers=["*"], expose_headers=exposed)
            )
        handlers: Any = {CalmError: _refuse, HTTPException: _astray, ClientDisconnect: _gone, Exception: _broken}
        made = Starlette(routes=routes, exception_handlers=handlers, lifespan=self._lifespan, middleware=middleware)
        made.state.stopping, made.state.settings = self._rooms.hush, self._settings
        return made

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: "Starlette") -> AsyncGenerator[None]:
        yield
        self._rooms.close()
        self._worker.close()

    async def chat(self, request: "Request") -> "Response":
        """POST /v1/chat/completions."""
        asked = await self._read(request, wire.read)
        return await self._answer(request, asked, Completion(self.model, asked.counted))

    async def respond(self, request: "Request") -> "Response":
        """POST /v1/responses."""
        asked = await self._read(request, responses.read)
        return await self._answer(request, asked, Items(self.model, asked))

    async def _read(self, request: "Request", read: Callable[[bytes, str, Can], Asked]) -> Asked:
        self._admit(request)
        body = await self._body(request)  # reading a long one takes seconds, in which others want their answers
        return await asyncio.to_thread(read, body, self.model, self._worker.can)

    async def _answer(self, request: "Request", asked: Asked, form: Form) -> "Response":
        headers = {"x-calm-ignored": ", ".join(asked.ignored)} if asked.ignored else {}
        items = self._worker.answer(asked)
        if not asked.stream:
            done = await unless_gone(request, _last(items))
            self._metrics.step(done.usage, done.ended)
            return _json(form.whole(done), 200, headers)
        try:  # what is wrong before the first token is still a status
            first = await unless_gone(request, anext(items))
        except BaseException:
            await items.aclose()
            raise
        return _stream(self._events(first, items, form), headers)

    async def _events(self, first: Said | Done, items: AsyncGenerator[Said | Done], form: Form) -> AsyncIterator[str]:
        async with contextlib.aclosing(items):
            try:
                async for item in _after(first, items):
                    for event in form.events(item):
                        yield event
                    await asyncio.sleep(0)  # many may be ready: the others' turn, and news of a client that has gone
                    if isinstance(item, Done):
                        self._metrics.step(item.usage, item.ended)
            except Exception as fault:  # noqa: BLE001  # the boundary: the stream has begun, so the error ends it
                yield form.failed(_said(fault))

    async def models(self, request: "Request") -> "Response":
        """GET /v1/models: the one model that is served."""
        self._admit(request)
        return _json(
            {"object": "list", "data": [{"id": self.model, "object": "model", "created": 0, "owned_by": "calm"}]}
        )

    async def health(self, request: "Request") -> "Response":
        """GET /health, open to all: the server answers, and how many requests wait or run."""
        return _json({"status": "ok", "pending": self._worker.pending})

    async def metrics(self, request: "Request") -> "Response":
        """GET /metrics, in Prometheus' text form."""
        from starlette.responses import Response

        self._admit(request)
        running = self._worker.running
        text = self._metrics.text(running, max(0, self._worker.pending - running))
        return Response(text, media_type="text/plain; version=0.0.4")

    async def spec(self, request: "Request") -> "Response":
        """GET /openapi.json, open to all: these routes in OpenAPI 3.1, the page's own left out."""
        return _json(self._spec)

    async def page(self, request: "Request") -> "Response":
        """GET /: the chat page, which holds no secret and asks for the key itself."""
        from starlette.responses import HTMLResponse

        page = _part("page.html").replace("{{model}}", html.escape(self.model, quote=True))
        return HTMLResponse(page, headers={"content-security-policy": CSP, **SAFE})

    async def part(self, request: "Request") -> "Response":
        """GET /page.css and the scripts."""
        from starlette.responses import Response

        name = request.url.path.rpartition("/")[2]
        return Response(_part(name), media_type=PARTS[name], headers={"cache-control": "no-cache", **SAFE})

    # --- the page's agent ------------------------------------------------------------------------------------------

    async def offer(self, request: "Request") -> "Response":
        """GET /agent: the tools that run here, and which of them change something; none where none were given."""
        self._admit(request)
        return _json(self._rooms.offer())

    async def say(self, request: "Request") -> "Response":
        """POST /agent/say {"session", "text"}: a turn, as events; a session that is left out is begun."""
        body = await self._told(request)
        text, name = body.get("text"), body.get("session")
        if not isinstance(text, str) or not text.strip():
            raise Refusal("`text` must be what the user says", param="text")
        room = self._rooms.begin() if name is None else self._rooms.find(name)
        events = self._rooms.say(room, text)
        return _stream(self._turn(await anext(events), events), {})

    async def _turn(self, first: dict[str, Any], events: AsyncGenerator[dict[str, Any]]) -> AsyncIterator[str]:
        async with contextlib.aclosing(events):
            yield f"data: {wire.encode(first)}\n\n"
            try:
                async for event in events:
                    yield f"data: {wire.encode(event)}\n\n"
            except Exception as fault:  # noqa: BLE001  # the boundary: the stream has begun, so the error ends it
                yield f"data: {wire.encode({'kind': 'error', **_said(fault)['error']})}\n\n"

    async def decide(self, request: "Request") -> "Response":
        """POST /agent/decide {"session", "run", "arguments"}: a person's word on the call that is asked about."""
        room, body = await self._room(request)
        room.decide(body.get("run") is True, body.get("arguments"))
        return _json({"ok": True})

    async def undo(self, request: "Request") -> "Response":
        """POST /agent/undo {"session"}: take the last turn back, with what the tools did where that can be."""
        room, _ = await self._room(request)
        return _json({"turns": room.undo()})

    async def save(self, request: "Request") -> "Response":
        """GET /agent/save?session=: the conversation as a row that `calm show` and any dataset reads."""
        self._admit(request)
        return _json(self._rooms.find(request.query_params.get("session")).row())

    async def _room(self, request: "Request") -> tuple[Room, dict[str, Any]]:
        body = await self._told(request)
        return self._rooms.find(body.get("session")), body

    async def _told(self, request: "Request") -> dict[str, Any]:
        self._admit(request)
        return wire.json_object(await self._body(request))

    # --- who may ask, and how much ---------------------------------------------------------------------------------

    def _admit(self, request: "Request") -> None:
        key = self._settings.api_key
        given = re.sub("^bearer +", "", request.headers.get("authorization", ""), flags=re.IGNORECASE)  # RFC 9110, 11.1
        if key and not hmac.compare_digest(given.encode("latin-1"), key.encode()):
            raise Refusal("missing or wrong key: send `Authorization: Bearer KEY`", 401, "invalid_api_key")

    async def _body(self, request: "Request") -> bytes:
        limit, body = self._settings.body_limit, bytearray()
        length = request.headers.get("content-length", "")
        too_long = length.isdigit() and int(length) > limit
        if not too_long:
            async for piece in request.stream():
                body += piece
                if too_long := len(body) > limit:
                    break
        if too_long:
            raise Refusal(f"the body is longer than {limit:,} bytes", 413, "body_too_large")
        return bytes(body)


class Door:
    """ASGI around the routes: refuses strange hosts and other people's web pages, and counts what goes through."""

    def __init__(self, app: Any, settings: Settings, metrics: Metrics, routes: frozenset[str]) -> None:
        self._app, self._settings, self._metrics, self._routes = app, settings, metrics, routes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), GONE

        async def counted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await (self._turned_away(scope) or self._app)(scope, receive, counted)
        except Exception:
            status = 500
            raise
        finally:
            route = scope["path"] if scope["path"] in self._routes else "other"
            self._metrics.request(route, status, time.monotonic() - began)

    def _turned_away(self, scope: Any) -> "Response | None":
        """A refusal for a host that is not this one, or a request that a page of another site has made."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if self._settings.hosts and _site(f"//{host}").hostname not in self._settings.hosts:
            return _json(wire.error(f"this server does not answer to the name {host!r:.80}", 403), 403)
        allowed = origin is None or _site(origin).netloc == host or {origin, "*"} & {*self._settings.origins}
        if not allowed:
            return _json(wire.error(f"pages of {origin!r:.80} may not ask; start with --cors {origin:.80}", 403), 403)
        return None


def _site(address: str) -> SplitResult:
    """The parts of an address; none where it is not one."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


SAFE = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


async def unless_gone(request: "Request", work: Awaitable[T]) -> T:
    """What the work gives, unless the client hangs up before.

    Raises:
        ClientDisconnect: it did; the work is cancelled.
    """
    from starlette.requests import ClientDisconnect

    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_hung_up(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _hung_up(request: "Request") -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _after(first: T, rest: AsyncIterator[T]) -> AsyncIterator[T]:
    yield first
    async for item in rest:
        yield item


async def _last(items: AsyncGenerator[Said | Done]) -> Done:
    """The end of a step; all of the line is heard, so that the place in it is free when the client hears."""
    done: Said | Done | None = None
    async with contextlib.aclosing(items):
        async for item in items:
            done = item
    return done  # ty: ignore[invalid-explicit-return]  # a Done comes last


def _part(name: str) -> str:
    return (resources.files("calm.serve") / name).read_text("utf-8")


def _stream(events: AsyncIterator[str], headers: Mapping[str, str]) -> "Response":
    from starlette.responses import StreamingResponse

    always = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers={**always, **headers})


def _json(value: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> "Response":
    from starlette.responses import Response

    return Response(wire.encode(value), status, headers, "application/json")


def _status(fault: CalmError) -> int:
    """4xx for what the caller did wrong (too long a conversation is a ModelError), 502 for a model out of reach."""
    if isinstance(fault, Refusal):
        return fault.status
    wrong = isinstance(fault, UsageError | FormatError | ModelError)
    return 400 if wrong else 502 if isinstance(fault, HubError) else 500


def _said(fault: Exception) -> dict[str, Any]:
    """The error object of any fault; what is not a CalmError goes to the log alone."""
    if isinstance(fault, Refusal):
        return wire.error(str(fault), fault.status, fault.code, fault.param)
    if isinstance(fault, CalmError):
        return wire.error(str(fault), _status(fault))
    _log.error("a stream broke", exc_info=fault)
    return wire.error(FAILED, 500, "internal_error")


FAILED = "the server failed on this request; its log says why"


async def _refuse(request: "Request", fault: CalmError) -> "Response":
    status = _status(fault)
    headers = {503: {"retry-after": "2"}, 401: {"www-authenticate": "Bearer"}}.get(status)
    return _json(_said(fault), status, headers)


async def _astray(request: "Request", fault: "HTTPException") -> "Response":
    message = f"{request.method} {request.url.path}: {fault.detail}"
    return _json(wire.error(message, fault.status_code), fault.status_code, fault.headers)


async def _gone(request: "Request", fault: Exception) -> "Response":
    return _json(wire.error("the client went away", GONE), GONE)


async def _broken(request: "Request", fault: Exception) -> "Response":
    ends = {"connection": "close"}  # the server ends it after a fault: a client that knows does not ask on it again
    return _json(wire.error(FAILED, 500, "internal_error"), 500, ends)
