"""Opening the port: in the foreground until a signal, or in a thread for notebooks, tests and the demo."""

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from calm.errors import CalmError, MissingExtra, UsageError
from calm.serve.wire import encode, error

if TYPE_CHECKING:
    import asyncio

    import uvicorn

GRACE = 30
"""Seconds a step under way may take to finish after the stop signal."""

CROWD = 512
"""Connections at once; who comes after them is told so and cut off."""


def run(app: Any, host: str, port: int, ready: Callable[[str], object]) -> None:
    """Serve until SIGINT or SIGTERM, then let the request under way finish; `ready` hears the address once.

    Raises:
        MissingExtra: uvicorn is not installed.
        UsageError: the address cannot be had; says why.
    """
    server = _server(app)
    with bound(host, port) as listener:
        ready(address(listener))
        # uvicorn raises the signal again when it is done; by then it has had its effect
        before = signal.signal(signal.SIGTERM, lambda *_: None)
        try:
            with contextlib.suppress(KeyboardInterrupt):
                server.run(sockets=[listener])
        finally:
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def background(app: Any, host: str = "127.0.0.1", port: int = 0) -> Generator[str]:
    """Serve in a thread while the block runs; gives the address, on a free port by default.

    Raises:
        MissingExtra: uvicorn is not installed.
        UsageError: the address cannot be had; says why.
    """
    server = _server(app)
    with bound(host, port) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="calm-serve")
        thread.start()
        try:
            while not server.started:
                if not thread.is_alive():
                    raise CalmError(f"{address(listener)}: the server did not start; its log says why")
                time.sleep(0.01)
            yield address(listener)
        finally:
            server.should_exit = True
            thread.join()


@contextlib.contextmanager
def bound(host: str, port: int) -> Generator[socket.socket]:
    """A listening socket; port 0 takes a free one.

    Raises:
        UsageError: the port is taken, the host is not this machine's, or the like.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise UsageError(f"{host}:{port}: cannot listen there ({error}); choose another --port or --host") from error
    with listener:
        yield listener


def address(listener: socket.socket) -> str:
    """The URL at which a listening socket is reached from this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server(app: Any) -> "uvicorn.Server":
    try:
        import uvicorn
    except ImportError as missing:
        raise MissingExtra("calm serve", "serve", "uvicorn") from missing
    state = getattr(app, "state", None)
    stopping: Callable[[], object] = getattr(state, "stopping", lambda: None)

    class Polite(uvicorn.Server):
        """Tells the application that it is about to stop, so that nothing waits for people any more."""

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            stopping()
            await super().shutdown(sockets)

    return Polite(
        uvicorn.Config(
            app,
            http=_protocol(getattr(state, "patience", 60.0)),
            log_level="warning",
            access_log=False,
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
    )


def _protocol(patience: float) -> "type[asyncio.Protocol]":
    """uvicorn's HTTP/1.1 for clients that mean harm: none keeps a connection by dawdling, and they are so many at most.

    uvicorn alone waits forever for the rest of a request and for a reader that does not read.
    """
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Impatient(H11Protocol):
        """Ends a connection whose client owes the rest of a request, or to read on, for longer than `patience`."""

        _owed: "asyncio.TimerHandle | None" = None
        _unread: "asyncio.TimerHandle | None" = None

        def connection_made(self, transport: "asyncio.Transport") -> None:  # ty: ignore[invalid-method-override]
            super().connection_made(transport)
            if len(self.connections) > CROWD:
                self._refuse(503, "too many connections; try again")
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._watch()
            self.resume_writing()

        def _watch(self) -> None:
            owes = self.conn.their_state in (h11.IDLE, h11.SEND_BODY) and not self.transport.is_closing()
            if self._owed and not owes:
                self._owed.cancel()
                self._owed = None
            elif owes and not self._owed:
                why = f"the request did not arrive within {patience:g} seconds"
                self._owed = self.loop.call_later(patience, self._refuse, 408, why)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._unread = self.loop.call_later(patience, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._unread:
                self._unread.cancel()

        def timeout_keep_alive_handler(self) -> None:
            super().timeout_keep_alive_handler()
            self.loop.call_later(patience, self.transport.abort)  # closing waits for a reader too

        def send_400_response(self, msg: str) -> None:
            self._refuse(400, msg)

        def _refuse(self, status: int, why: str) -> None:
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):  # else an answer is under way or out
                body = encode(error(why, status)).encode()
                head = [("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close")]
                for event in (h11.Response(status_code=status, headers=head), h11.Data(data=body), h11.EndOfMessage()):
                    self.transport.write(self.conn.send(event) or b"")
            self.transport.close()
            self._watch()

    return Impatient
