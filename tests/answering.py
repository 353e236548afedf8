"""A real HTTP server on a free port that answers as a test says, for what talks to servers."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Request(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class Reply(NamedTuple):
    """A `content-length` in the headers replaces the true one: a body that falls short of it is a lost connection."""

    status: int
    headers: dict[str, str]
    body: bytes


@contextmanager
def answering(reply: Callable[[Request], Reply]) -> Generator[tuple[str, list[Request]]]:
    """The address of a server that answers each POST with `reply`, and the requests it has seen."""
    seen: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["content-length"])
            seen.append(Request(self.path, dict(self.headers), self.rfile.read(length)))
            status, headers, body = reply(seen[-1])
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def in_turn(*replies: tuple[int, dict[str, str], bytes]) -> Generator[tuple[str, list[Request]]]:
    """The same for replies (status, headers, body) that are known beforehand, the last one for ever."""
    left = [Reply(*reply) for reply in replies]
    with answering(lambda request: left.pop(0) if len(left) > 1 else left[0]) as served:
        yield served
