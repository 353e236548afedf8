"""The routes: models, health, chat completions, the page. Whatever goes wrong leaves as an OpenAI error object."""

import contextlib
import hmac
import html
from collections.abc import AsyncGenerator, Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from pydantic import Field

from calm.conversation import Noun
from calm.errors import CalmError, FormatError, HubError, MissingExtra, ModelError, UsageError
from calm.format import openai
from calm.policy import Policy
from calm.serve import wire
from calm.serve.wire import Refusal
from calm.serve.worker import Worker

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import Response

CSP = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'"


class Settings(Noun):
    """How a server behaves: the name it answers to, its key, the longest body in bytes, the line before the model."""

    model: str = ""
    api_key: str | None = None
    body_limit: int = Field(default=1 << 20, ge=1)
    waiting: int = Field(default=16, ge=0)


class Server:
    """A policy with an address; `app` is what an ASGI server runs."""

    def __init__(self, policy: Policy, settings: Settings) -> None:
        self.model = settings.model or policy.name
        self._settings = settings
        self._worker = Worker(policy, settings.waiting)

    def app(self) -> "Starlette":
        """The ASGI application.

        Raises:
            MissingExtra: starlette is not installed.
        """
        try:
            from starlette.applications import Starlette
            from starlette.exceptions import HTTPException
            from starlette.requests import ClientDisconnect
            from starlette.routing import Route
        except ImportError as error:
            raise MissingExtra("calm serve", "serve", "starlette") from error
        routes = [
            Route("/", self.page),
            Route("/health", self.health),
            Route("/v1/models", self.models),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
        ]
        handlers: Any = {CalmError: _refuse, HTTPException: _astray, ClientDisconnect: _gone, Exception: _broken}
        return Starlette(routes=routes, exception_handlers=handlers, lifespan=self._lifespan)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: "Starlette") -> AsyncGenerator[None]:
        yield
        self._worker.close()

    async def chat(self, request: "Request") -> "Response":
        """POST /v1/chat/completions."""
        from starlette.responses import StreamingResponse

        self._admit(request)
        asked = wire.read(await self._body(request), self.model, self._worker.forces)
        step, usage = await self._worker.step(asked)
        answer = openai.response(step, self.model, usage)
        headers = {"x-calm-ignored": ", ".join(asked.ignored)} if asked.ignored else {}
        if not asked.stream:
            return _json(answer, 200, headers)
        events = wire.chunks(answer, asked.counted)
        return StreamingResponse(
            events, media_type="text/event-stream", headers={"cache-control": "no-store", **headers}
        )

    async def models(self, request: "Request") -> "Response":
        """GET /v1/models: the one model that is served."""
        self._admit(request)
        return _json(
            {"object": "list", "data": [{"id": self.model, "object": "model", "created": 0, "owned_by": "calm"}]}
        )

    async def health(self, request: "Request") -> "Response":
        """GET /health, open to all: the server answers, and how many requests wait or run."""
        return _json({"status": "ok", "pending": self._worker.pending})

    async def page(self, request: "Request") -> "Response":
        """GET /: the chat page, which holds no secret and asks for the key itself."""
        from starlette.responses import HTMLResponse

        text = (resources.files("calm.serve") / "page.html").read_text("utf-8")
        page = text.replace("{{model}}", html.escape(self.model, quote=True))
        return HTMLResponse(page, headers={"content-security-policy": CSP, "x-content-type-options": "nosniff"})

    def _admit(self, request: "Request") -> None:
        key = self._settings.api_key
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
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


def _json(value: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> "Response":
    from starlette.responses import Response

    return Response(wire.encode(value), status, headers, "application/json")


async def _refuse(request: "Request", fault: CalmError) -> "Response":
    """4xx for what the caller did wrong (too long a conversation is a ModelError), 502 for a model out of reach."""
    if isinstance(fault, Refusal):
        headers = {503: {"retry-after": "2"}, 401: {"www-authenticate": "Bearer"}}.get(fault.status)
        return _json(wire.error(str(fault), fault.status, fault.code, fault.param), fault.status, headers)
    status = (
        400 if isinstance(fault, UsageError | FormatError | ModelError) else 502 if isinstance(fault, HubError) else 500
    )
    return _json(wire.error(str(fault), status), status)


async def _astray(request: "Request", fault: "HTTPException") -> "Response":
    message = f"{request.method} {request.url.path}: {fault.detail}"
    return _json(wire.error(message, fault.status_code), fault.status_code, fault.headers)


async def _gone(request: "Request", fault: Exception) -> "Response":
    return _json(wire.error("the client went away", 400), 400)


async def _broken(request: "Request", fault: Exception) -> "Response":
    return _json(wire.error("the server failed on this request; its log says why", 500, "internal_error"), 500)
