"""Clients that mean harm: half requests, answers nobody reads, hostile tools; a status for each, and no traceback."""

import contextlib
import json
import logging
import socket
import time

import httpx
import pytest

from calm.conversation import Assistant
from calm.format.tokens import Codec
from calm.hub.models import Found
from calm.policy.local import Local
from calm.policy.local import engine as engines
from calm.policy.local.together import Together
from calm.serve import app
from calm.serve.http import Settings
from calm.serve.run import background

PATH = "/v1/chat/completions"
HEAD = f"POST {PATH} HTTP/1.1\r\nhost: x\r\n".encode()


class Echo:
    """Says back what it heard, a thousand times over."""

    name = "m"

    def __call__(self, conversation):
        return Assistant(text=conversation.messages[-1].content * 1000)

    def stream(self, conversation):
        for _ in range(1000):
            yield "text", conversation.messages[-1].content
        yield self(conversation)


@pytest.fixture
def url(caplog):
    """A server that waits half a second for its clients; whatever happens, nothing worse than a warning is logged."""
    with background(app(Echo(), Settings(patience=0.5))) as address:
        yield address
    assert [r.getMessage() for r in caplog.records if r.levelno > logging.WARNING] == []


@contextlib.contextmanager
def line(url, small=False):
    """A bare connection to the server."""
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as made:
        made.settimeout(20)
        if small:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.connect((host, int(port)))
        yield made


def heard(made):
    """All that comes until the server closes."""
    pieces = []
    with contextlib.suppress(ConnectionError):
        while piece := made.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def post(url, body, path=PATH):
    return httpx.post(url + path, content=json.dumps(body).encode(), timeout=60)


def asking(text="hi", **options):
    return {"model": "m", "messages": [{"role": "user", "content": text}], **options}


@pytest.mark.parametrize(
    "sent",
    [b"POST", HEAD, HEAD + b"content-length: 9\r\n\r\n{", HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n{"],
    ids=["a-word", "half-a-head", "half-a-body", "half-a-chunk"],
)
def test_a_request_that_never_ends_is_given_up(url, sent):
    with line(url) as made:
        made.sendall(sent)
        answer = heard(made)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert "did not arrive within 0.5 seconds" in json.loads(answer.split(b"\r\n\r\n")[1])["error"]["message"]


def test_a_connection_on_which_nothing_is_asked_is_closed_without_a_word(url):
    with line(url) as made:
        assert heard(made) == b""


def test_a_client_that_trickles_is_given_up_although_it_never_stops(url):
    with line(url) as made, contextlib.suppress(ConnectionError):
        made.sendall(HEAD)
        for _ in range(1000):
            made.sendall(b"x-more: x\r\n")
            time.sleep(0.02)
        pytest.fail("twenty seconds of headers were read")


def test_the_second_request_of_a_connection_is_not_waited_for_longer_than_the_first(url):
    body = json.dumps(asking()).encode()
    with line(url) as made:
        made.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        assert made.recv(65536).startswith(b"HTTP/1.1 200 ")
        made.sendall(HEAD)
        assert b"HTTP/1.1 408 " in heard(made)


def test_an_answer_that_nobody_reads_is_dropped_and_others_are_served(url):
    body = json.dumps(asking("x" * 20_000, stream=True)).encode()
    with line(url, small=True) as made:
        made.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        while f'calm_requests_total{{route="{PATH}"' not in httpx.get(url + "/metrics").text:
            time.sleep(0.1)
        assert post(url, asking()).json()["choices"][0]["message"]["content"][:4] == "hihi"
        assert b"[DONE]" not in heard(made)


def test_a_slow_reader_gets_all_of_it(url):
    body = json.dumps(asking("x" * 1000, stream=True)).encode()
    with line(url, small=True) as made:
        made.sendall(HEAD + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
        got = b""
        while piece := made.recv(8192):
            got += piece
            time.sleep(0.005)
    assert (got.count(b"x" * 1000), b"[DONE]" in got) == (1000, True)


def test_fifty_megabytes_are_refused_with_a_length_and_without(url):
    piece = b"x" * (1 << 20)
    assert httpx.post(url + PATH, content=piece * 50, timeout=60).status_code == 413
    assert httpx.post(url + PATH, content=(piece for _ in range(50)), timeout=60).status_code == 413


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (HEAD + b"content-length: -1\r\n\r\n", 400),
        (HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\n", 400),
        (HEAD + b"x: " + b"y" * 200_000, 400),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nz\r\n", 400),
        (b"GET /health HTTP/1.1\r\nhost: [::1\r\norigin: http://x\r\n\r\n", 403),
        (b"GET /health HTTP/1.1\r\nhost: x\r\norigin: http://[\r\n\r\n", 403),
        (b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"GET /%ff%00%0a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 404),
        (HEAD + b"content-length: 2000000\r\n\r\n" + b"x" * 100, 413),
    ],
)
def test_what_is_no_request_is_refused_as_an_error_object(url, sent, status):
    with line(url) as made, contextlib.suppress(ConnectionError):
        made.sendall(sent)
        head, _, body = heard(made).partition(b"\r\n\r\n")
    assert (head[:13], set(json.loads(body))) == (f"HTTP/1.1 {status} ".encode(), {"error"})


def test_nonsense_after_a_refused_body_ends_the_connection_quietly(url):
    with line(url) as made:
        made.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n%x\r\n" % 2_000_000 + b"x" * 2_000_000)
        assert made.recv(65536).startswith(b"HTTP/1.1 413 ")
        made.sendall(b"\r\nno chunk\r\n")
        heard(made)
    assert httpx.get(url + "/health").status_code == 200


def test_a_crowd_is_kept_out_and_forgotten_when_it_leaves():
    with background(app(Echo(), Settings(connections=20))) as url:
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(line(url)) for _ in range(21)]
            assert heard(crowd[-1]).startswith(b"HTTP/1.1 503 ")
        while httpx.get(url + "/health").status_code != 200:
            time.sleep(0.05)


# --- tools that mean harm ------------------------------------------------------------------------------------------


def tool(name="f", **parameters):
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


@pytest.fixture(scope="module")
def held(tiny):
    """A server whose model decodes under the grammar of the request's tools."""
    local = Local("m", engines.load(Found("tiny", tiny), "openvino", "f32"), Codec.load(tiny), max_tokens=20)
    with contextlib.closing(Together(local, 2)) as together, background(app(together)) as address:
        yield address


LOOP = {"$ref": "#/$defs/a"}
SCHEMAS = {
    "itself": {"$ref": "#"},
    "a-loop": {"properties": {"a": LOOP}, "$defs": {"a": {"anyOf": [LOOP]}}},
    "nowhere": {"$ref": "#/nowhere"},
    "elsewhere": {"$ref": "http://127.0.0.1:9/schema"},
    "unknown-type": {"type": "wizard"},
    "broken-pattern": {"properties": {"a": {"type": "string", "pattern": "(a+)+$("}}},
    "greedy-pattern": {"properties": {"a": {"type": "string", "pattern": "(x{1000}){1000}"}}, "required": ["a"]},
    "endless-text": {"properties": {"a": {"type": "string", "minLength": 10**9}}, "required": ["a"]},
    "endless-list": {"properties": {"a": {"type": "array", "minItems": 10**7}}, "required": ["a"]},
    "properties-no-object": {"properties": 5},
    "required-no-list": {"required": {"a": 1}},
    "deep": json.loads('{"properties": {"a": ' * 90 + "{}" + "}}" * 90),
}


@pytest.mark.parametrize("path", [PATH, "/v1/responses"])
@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_hostile_schema_is_refused_or_kept_to_and_never_an_error_of_the_server(held, schema, path):
    flat = {"type": "function", "name": "f", "parameters": schema}
    body = asking(tools=[tool(**schema)]) if path == PATH else {"model": "m", "input": "hi", "tools": [flat]}
    reply = post(held, body | {"tool_choice": "required"}, path)
    assert reply.status_code in (200, 400), reply.text
    assert len(reply.content) < 20_000


@pytest.mark.parametrize(
    "name", ["a\nb", "</tool_call>", "x" * 10_000, "", "\u202ea", "\ud800", "a\0", "a\n", '"', 5, None]
)
def test_a_hostile_tool_name_is_refused(held, name):
    reply = post(held, asking(tools=[tool(name)]))
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "messages")
    assert len(reply.content) < 2000


def test_a_name_in_another_script_is_a_name(held):
    reply = post(held, asking(tools=[tool("søk_温度")], tool_choice="required", max_tokens=20))
    assert reply.status_code == 200
