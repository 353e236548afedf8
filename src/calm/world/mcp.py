"""The tools of an MCP server, by the official SDK: a program that is started (stdio), or a URL (streamable HTTP).

The SDK is asynchronous; its client lives on an event loop of its own and is opened and closed there in one task. When a
server dies it is started again once, and only a call that may be repeated is.
"""

import asyncio
import contextlib
import os
import re
import shlex
import tempfile
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import to_json

from calm.conversation import Call, Tool
from calm.errors import CalmError, HubError, MissingExtra, UsageError
from calm.world.background import Background, Slow
from calm.world.functions import LIMIT, as_json, cut, fault
from calm.world.openapi_request import key_name
from calm.world.schemas import BadSchema, Plain, callable_name, coerced, first_words, wrong

if TYPE_CHECKING:
    import mcp
    from mcp.types import CallToolResult
    from mcp.types import Tool as Offered

PAGES = 100
"""Pages of a tool list that are read: a server that never ends its list cannot hang us."""

GRACE = 10.0
"""Seconds a server has to end by itself."""


class Lost(Exception):
    """The connection is gone; whether the call was done is not known."""


class _Known(NamedTuple):
    """A tool under the name the model calls it by, and what its server calls it and says of it."""

    tool: Tool
    remote: str
    writes: bool
    repeatable: bool


class MCP:
    """A Toolbox of one server; `tools` follows the server's list as it changes, `skipped` says what is no tool.

    A tool counts as writing unless its server says `readOnlyHint`, and as idempotent when it says that or
    `idempotentHint`. These are the server's own words: use servers you trust.
    """

    def __init__(
        self, server: str, *, include: Sequence[str] = ("*",), timeout: float = 60.0, limit: int = LIMIT
    ) -> None:
        """Start the server, or connect to it, and ask for its tools.

        Args:
            server: a URL, or a command line. The program sees few variables of this environment; words `NAME=value`
                before it add one, `NAME=` hands one on. A URL's bearer token is read from `key_name(server, "mcp")`.
            include: patterns with `*` of the names of tools to offer.
            timeout: seconds that starting and each call may take.
            limit: characters of an observation.

        Raises:
            HubError: it does not start or does not speak MCP; quotes its last words.
            UsageError: it offers nothing that fits.
            MissingExtra: the SDK is not installed.
        """
        self._connection = _Connection(server, timeout)
        weakref.finalize(self, self._connection.close)
        self._server, self._include, self._limit = server, include, limit
        self._known: dict[str, _Known] = {}
        self.skipped: dict[str, str] = {}
        try:
            self._connection.open()
            self._load()
            if not self._known:
                raise UsageError(f"{server}: the MCP server offers no tool that fits {', '.join(include)}")
        except CalmError:
            self.close()
            raise

    def __deepcopy__(self, memo: dict[int, Any]) -> "MCP":
        """The same: what a server did stays done."""
        return self

    def __enter__(self) -> "MCP":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and the server where it was started here; twice is as good as once."""
        self._connection.close()

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What the server offers now; what it offered last where it is gone, and a call says so."""
        if self._connection.changed:
            with contextlib.suppress(HubError):
                self._load()
        return tuple(known.tool for known in self._known.values())

    @property
    def writing(self) -> frozenset[str]:
        """Tools that may change something."""
        return frozenset(name for name, known in self._known.items() if known.writes)

    @property
    def idempotent(self) -> frozenset[str]:
        """Tools that do no more when called twice."""
        return frozenset(name for name, known in self._known.items() if known.repeatable)

    @property
    def timed(self) -> frozenset[str]:
        """All of them keep the time limit given here."""
        return frozenset(self._known)

    def check(self, call: Call) -> str | None:
        """The observation of a call that cannot be made, None for one that can; the server is not asked."""
        if call.name not in self._known:
            return fault(f"no tool {call.name!r}; there are: {', '.join(self._known) or 'none'}", "unknown")
        tool = self._known[call.name].tool
        why = wrong(coerced(call.arguments, tool), tool)
        return fault(why, "argument") if why else None

    def run(self, call: Call) -> str:
        """The result's structured content, else its texts, as JSON; what the server calls an error as `{"error"}`."""
        if refused := self.check(call):
            return refused
        known = self._known[call.name]
        try:
            return cut(self._call(known, call), self._limit)
        except Slow as error:
            return fault(f"{call.name} failed: {error}", "timeout")
        except (Lost, HubError) as error:
            return fault(f"{call.name} failed: {error}", "unavailable")

    def _call(self, known: _Known, call: Call) -> str:
        arguments, opened = coerced(call.arguments, known.tool), self._connection.opened
        try:
            return _told(self._connection.call(known.remote, arguments))
        except Lost as error:
            self._connection.open_again(opened)
            if not known.repeatable:
                raise Lost(f"{error}; it is connected again, but whether the call was done is not known") from error
        return _told(self._connection.call(known.remote, arguments))

    def _load(self) -> None:
        self._connection.changed = False
        known: dict[str, _Known] = {}
        for offered in self._connection.offered():
            if not any(fnmatchcase(offered.name, pattern) for pattern in self._include):
                continue
            try:
                name = callable_name(offered.name, known)
                known[name] = _known(name, offered)
            except BadSchema as error:
                self.skipped[offered.name] = str(error)
        self._known = known


def _known(name: str, offered: "Offered") -> _Known:
    schema = {"type": "object", "properties": {}, **Plain(offered.input_schema, False)(offered.input_schema)}
    tool = Tool(name=name, description=first_words(offered.description or offered.title), parameters=schema)
    said = offered.annotations
    reads = bool(said and said.read_only_hint)
    return _Known(tool, offered.name, not reads, reads or bool(said and said.idempotent_hint))


def _told(result: "CallToolResult") -> str:
    """A result as JSON text."""
    if result.structured_content is not None and not result.is_error:
        return as_json(to_json(result.structured_content, inf_nan_mode="strings").decode())  # a server may send NaN
    text = "\n".join(_block(block) for block in result.content)
    return fault(text or "the tool failed and did not say why", "tool") if result.is_error else as_json(text)


def _block(block: Any) -> str:
    """A content block as text; what is no text is named, not shown."""
    if block.type == "text":
        return block.text
    if block.type == "resource_link":
        return f"[{block.name}: {block.uri}]"
    if block.type == "resource":
        return getattr(block.resource, "text", None) or f"[{block.resource.uri} is not shown]"
    return f"[{block.type} of type {getattr(block, 'mime_type', 'unknown')} is not shown]"


# --- the connection --------------------------------------------------------------------------------------------------


class _Connection:
    """One server at a time, its client held open by one task on a loop in a thread; all methods are synchronous."""

    def __init__(self, server: str, timeout: float) -> None:
        try:
            import mcp  # the first thing that fails should say what to install
        except ImportError as error:
            raise MissingExtra("an MCP server", "tools", error.name or "mcp") from error
        self.changed, self.opened = False, 0
        self._server, self._timeout = server, timeout
        self._opening = threading.Lock()
        self._program = None if re.match("https?://", server) else _program(server)
        self._words: Any = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  # closed in `close`
        self._background = Background()
        self._closed = False
        self._ended = threading.Event()
        self._ended.set()
        self._stop = asyncio.Event()
        self._client: mcp.Client | None = None
        self._holding: Future[None] = Future()

    def open(self) -> None:
        """Connect, after ending what was connected before."""
        if self._closed:
            raise HubError(f"{self._server}: the connection was closed; make another")
        self._end()
        ready: Future[mcp.Client] = Future()
        self._stop, self._ended = asyncio.Event(), threading.Event()
        self._holding = self._background.start(self._hold(ready, self._stop, self._ended))
        try:
            self._client = ready.result(self._timeout)
            self.opened += 1
        except TimeoutError:
            self._holding.cancel()  # it waits for an answer and would not hear of `stop`; a program is ended
            raise HubError(f"{self._server}: the MCP server did not answer within {self._timeout:g} s") from None
        except Exception as error:
            raise HubError(f"{self._server}: no MCP server there: {_innermost(error)}{self._last_words()}") from error

    def open_again(self, lost: int) -> None:
        """Connect once more after the connection that was the `lost`th; one thread does it for all that lost it."""
        with self._opening:
            if self.opened == lost:
                self.open()
                self.changed = True

    def call(self, name: str, arguments: dict[str, Any]) -> "CallToolResult":
        """Call a tool; a refusal by the server's protocol is an error result, as a refusal by the tool is."""
        from mcp import MCPError
        from mcp.types import CallToolResult, TextContent

        try:
            return self._asked(lambda client: client.call_tool(name, arguments))
        except MCPError as error:
            return CallToolResult(content=[TextContent(type="text", text=str(error))], is_error=True)

    def offered(self) -> "list[Offered]":
        """All tools the server lists."""
        from mcp import MCPError

        async def pages(client: "mcp.Client") -> "list[Offered]":
            found = await client.list_tools()
            tools = list(found.tools)
            for _ in range(PAGES):
                if found.next_cursor is None:
                    break
                found = await client.list_tools(cursor=found.next_cursor)
                tools += found.tools
            return tools

        try:
            return self._asked(pages)
        except (Slow, Lost, MCPError) as error:
            raise HubError(f"{self._server}: the MCP server lists no tools: {error}{self._last_words()}") from error

    def close(self) -> None:
        """End everything."""
        if not self._closed:
            self._closed = True
            self._end()
            self._background.close()
            self._words.close()

    def _asked(self, question: Any) -> Any:
        """What the client gets for a question.

        Raises:
            Slow: no answer in time.
            Lost: the server is gone.
            MCPError: the server refused, or answered what MCP does not know.
        """
        import anyio
        import httpx2
        from mcp import MCPError
        from mcp.types import CONNECTION_CLOSED, INVALID_REQUEST, REQUEST_TIMEOUT

        if self._closed or self._client is None:
            raise Lost(f"{self._server} is not connected")
        try:
            return self._background.wait(question(self._client), self._timeout)
        except MCPError as error:
            if error.code == REQUEST_TIMEOUT:
                raise Slow(self._timeout) from error
            if error.code == CONNECTION_CLOSED or "Session terminated" in str(error):
                raise Lost(f"the server is gone ({error})") from error
            raise
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise MCPError(INVALID_REQUEST, f"its answer is none of MCP: {where}: {first['msg']}") from error
        except (OSError, RuntimeError, httpx2.HTTPError, anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            raise Lost(f"the server is gone ({type(error).__name__}: {error})") from error

    async def _hold(self, ready: "Future[mcp.Client]", stop: asyncio.Event, ended: threading.Event) -> None:
        """Keep a client open until `stop`; everything of it happens in this task."""
        import mcp

        try:
            async with AsyncExitStack() as stack:
                server = await self._target(stack)
                client = mcp.Client(server, read_timeout_seconds=self._timeout, message_handler=self._heard, cache=None)
                await stack.enter_async_context(client)
                watching = asyncio.create_task(self._watch(client))
                ready.set_result(client)
                await stop.wait()
                watching.cancel()
        except BaseException as error:  # noqa: BLE001  # handed on to the thread that waits
            if not ready.done():
                ready.set_exception(error)
        finally:
            ended.set()

    async def _target(self, stack: AsyncExitStack) -> Any:
        if self._program is not None:
            from mcp.client.stdio import stdio_client

            return stdio_client(self._program, errlog=self._words)
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        key = os.environ.get(key_name(self._server, "mcp"))
        headers = {"authorization": f"Bearer {key}"} if key else {}
        limits = httpx2.Timeout(min(30.0, self._timeout), read=None)  # a stream may be silent for long
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=limits))
        return streamable_http_client(self._server, http_client=http)

    async def _heard(self, message: Any) -> None:
        """Notifications of servers before 2026-07-28."""
        self.changed |= getattr(message, "method", "") == "notifications/tools/list_changed"

    async def _watch(self, client: "mcp.Client") -> None:
        """From 2026-07-28 on a client that wants to hear of changes says so."""
        from mcp import MCPError
        from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost

        try:
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self.changed = True
        except (MCPError, ListenNotSupportedError, SubscriptionLost, TimeoutError):
            return  # its tools stay as they are listed

    def _end(self) -> None:
        if not self._ended.is_set():
            self._background.wait(_set(self._stop))
            self._ended.wait(GRACE)
        self._client = None

    def _last_words(self) -> str:
        size = os.fstat(self._words.fileno()).st_size
        said = os.pread(self._words.fileno(), 400, max(0, size - 400)).decode(errors="replace")
        return f"; its last words: {' '.join(said.split())}" if said.strip() else ""


async def _set(event: asyncio.Event) -> None:
    event.set()


def _program(line: str) -> Any:
    """`NAME=value NAME= command argument ...` as the SDK's parameters."""
    from mcp import StdioServerParameters

    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{line!r} is no command line: {error}") from error
    variables: dict[str, str] = {}
    while words and (found := re.fullmatch(r"([A-Za-z_]\w*)=(.*)", words[0], re.DOTALL)):
        variables[found[1]] = found[2] or os.environ.get(found[1], "")
        words.pop(0)
    if not words:
        raise UsageError(f"{line!r} names no program to start, nor a URL")
    return StdioServerParameters(command=words[0], args=words[1:], env=variables)


def _innermost(error: BaseException) -> str:
    """The first real cause inside the groups that task groups wrap errors in."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
