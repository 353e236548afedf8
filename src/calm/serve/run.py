"""Opening the port: in the foreground until a signal, or in a thread for notebooks, tests and the demo."""

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from calm.errors import CalmError, MissingExtra, UsageError
from calm.serve.http import Settings

if TYPE_CHECKING:
    import uvicorn

GRACE = 30
"""Seconds a step under way may take to finish after the stop signal."""


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

        from calm.serve.connection import impatient
    except ImportError as error:
        raise MissingExtra("calm serve", "serve", "uvicorn") from error
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
            http=impatient(getattr(state, "settings", Settings())),
            log_level="warning",
            access_log=False,
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
    )
