"""Backpressure on this machine alone: many clients, clients that hang up, a full line, other people's pages."""

import contextlib
import json
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from calm.conversation import Assistant, Call, Garbled, Tool
from calm.format.tokens import Codec
from calm.hub.models import Found
from calm.policy.local import Local
from calm.policy.local import engine as engines
from calm.policy.local.together import Together
from calm.policy.scripted import Scripted
from calm.serve import app
from calm.serve.http import Settings
from calm.serve.room import ROOMS, Room
from calm.serve.run import background
from calm.serve.worker import InLine, Worker
from calm.world.functions import Functions, writes

PATH = "/v1/chat/completions"


def asking(text, **options):
    return {"model": "m", "messages": [{"role": "user", "content": text}], **options}


class Letters:
    """Says back what it heard, letter by letter, `pause` seconds apart; notes how far it came."""

    name = "m"

    def __init__(self, pause=0.0):
        self.pause, self.written, self.closed = pause, 0, threading.Event()

    def __call__(self, conversation):
        return Assistant(text=conversation.messages[-1].content)

    def stream(self, conversation):
        try:
            for letter in conversation.messages[-1].content:
                time.sleep(self.pause)
                self.written += 1
                yield "text", letter
            yield self(conversation)
        finally:
            self.closed.set()


def text_of(lines):
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    return "".join(c["choices"][0]["delta"].get("content", "") for c in chunks)


def test_a_hundred_streams_at_once_are_answered_or_turned_away_and_never_mixed():
    settings = Settings(waiting=30)
    with background(app(Letters(0.0005), settings)) as url, httpx.Client(base_url=url, timeout=30) as client:

        def ask(number):
            text = f"client {number} " * 3
            with client.stream("POST", PATH, json=asking(text, stream=True)) as reply:
                lines = list(reply.iter_lines())
                right = reply.status_code == 200 and text_of(lines) == text and lines[-2] == "data: [DONE]"
                return "right" if right else (reply.status_code, reply.headers.get("retry-after"))

        with ThreadPoolExecutor(100) as pool:
            outcomes = list(pool.map(ask, range(100)))
        assert set(outcomes) <= {"right", (503, "2")}
        assert outcomes.count("right") >= 31
        assert client.get("/health").json()["pending"] == 0


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_hangs_up_stops_the_model_and_frees_its_place(stream):
    policy = Letters(0.01)
    with background(app(policy, Settings(waiting=0))) as url:
        host, port = url.removeprefix("http://").split(":")
        body = json.dumps(asking("x" * 2000, stream=stream)).encode()
        with socket.create_connection((host, int(port))) as line:
            head = f"POST {PATH} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\n\r\n"
            line.sendall(head.encode() + body)
            while policy.written < 3:
                time.sleep(0.005)
        assert policy.closed.wait(5)
        assert policy.written < 500
        assert httpx.post(url + PATH, json=asking("hi")).json()["choices"][0]["message"]["content"] == "hi"


def test_one_who_hangs_up_in_line_leaves_the_line():
    policy = Letters(0.01)
    with background(app(policy, Settings(waiting=1))) as url, ThreadPoolExecutor(2) as pool:
        first = pool.submit(httpx.post, url + PATH, json=asking("x" * 100), timeout=20)
        while not policy.written:
            time.sleep(0.005)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url + PATH, json=asking("never said"), timeout=0.2)
        after = httpx.post(url + PATH, json=asking("after"), timeout=20)
        assert first.result().status_code == after.status_code == 200
    assert policy.written == 100 + len("after")


def test_stopping_refuses_new_clients_and_finishes_the_stream_under_way():
    policy = Letters(0.02)
    with ThreadPoolExecutor(2) as pool:
        server = background(app(policy))
        url = server.__enter__()
        reply = pool.submit(httpx.post, url + PATH, json=asking("slowly said " * 4, stream=True), timeout=20)
        while not policy.written:
            time.sleep(0.005)
        stopping = pool.submit(server.__exit__, None, None, None)
        time.sleep(0.3)
        with pytest.raises(httpx.TransportError):
            httpx.post(url + PATH, json=asking("too late"), timeout=1).raise_for_status()
        assert text_of(reply.result().text.split("\n")) == "slowly said " * 4
        stopping.result()


class Far(Letters):
    """Like a model behind HTTP: several steps at once; none ends before four have begun."""

    concurrent = True
    four = threading.Barrier(4)

    def stream(self, conversation):
        self.four.wait(20)
        yield from super().stream(conversation)


def test_a_concurrent_policy_answers_together():
    with background(app(Far(), Settings(at_once=4))) as url, ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: httpx.post(url + PATH, json=asking("x" * 30), timeout=40), range(4)))
    assert {r.status_code for r in replies} == {200}


LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
def together(tiny):
    local = Local("m", engines.load(Found("tiny", tiny), "openvino", "f32"), Codec.load(tiny), max_tokens=60)
    with contextlib.closing(Together(local, 8)) as made:
        yield made


def test_a_local_model_answers_requests_together_each_by_its_own_rules(together):
    def ask(number):
        forced = number % 2 == 0
        body = asking(f"{number} " * 9, stream=number % 3 == 0, max_tokens=30 + number)
        body |= {"tools": [LOOK], "tool_choice": "required" if forced else "none"}
        reply = httpx.post(url + PATH, json=body, timeout=60)
        return reply.status_code, ("tool_calls" in reply.text) is forced

    with background(app(together, Settings(waiting=8))) as url, ThreadPoolExecutor(12) as pool:
        assert set(pool.map(ask, range(12))) == {(200, True)}


def test_a_streamed_answer_is_the_whole_one_and_its_usage_is_its_own(together):
    with background(app(together)) as url, ThreadPoolExecutor(6) as pool:
        whole = [httpx.post(url + PATH, json=asking(f"{n}", max_tokens=20 + n), timeout=60).json() for n in range(6)]
        bodies = [asking(f"{n}", max_tokens=20 + n, stream=True) for n in range(6)]
        streams = list(pool.map(lambda body: httpx.post(url + PATH, json=body, timeout=60).text, bodies))
    for number, (reply, stream) in enumerate(zip(whole, streams, strict=True)):
        assert text_of(stream.split("\n")) == reply["choices"][0]["message"]["content"]
        assert 10 < reply["usage"]["completion_tokens"] <= 20 + number


def test_a_client_that_hangs_up_leaves_the_others_decoding(together):
    with background(app(together, Settings(waiting=0))) as url, ThreadPoolExecutor(1) as pool:
        other = pool.submit(httpx.post, url + PATH, json=asking("stay"), timeout=60)
        with httpx.stream("POST", url + PATH, json=asking("leave", stream=True), timeout=60) as reply:
            next(reply.iter_lines())
        assert other.result().status_code == 200
        while httpx.get(url + "/health").json()["pending"]:
            time.sleep(0.01)


def test_metrics_count_requests_tokens_and_refusals():
    with background(app(Scripted([Assistant(text="x")], name="m"))) as url, httpx.Client(base_url=url) as client:
        client.post(PATH, json=asking("x"))
        client.post(PATH, json={})
        client.get("/no/such/place")
        lines = client.get("/metrics").text.split("\n")
    assert f'calm_requests_total{{route="{PATH}",status="200"}} 1' in lines
    assert f'calm_requests_total{{route="{PATH}",status="400"}} 1' in lines
    assert 'calm_requests_total{route="other",status="404"} 1' in lines
    assert ("calm_request_seconds_count 3" in lines, "calm_steps_waiting 0" in lines) == (True, True)


def test_metrics_tell_how_steps_came_to_their_end():
    steps = [Assistant(text="x"), Garbled(raw="<", why="not closed"), Assistant(text="and more")]
    with background(app(Scripted(steps, name="m"))) as url, httpx.Client(base_url=url) as client:
        for more in ({}, {}, {"stop": "more", "stream": True}):
            client.post(PATH, json=asking("x") | more)
        lines = client.get("/metrics").text.split("\n")
    ended = {"itself": 1, "garbled": 1, "left": 1, "hurried": 0, "repeated": 0}
    assert {f'calm_steps_total{{ended="{how}"}} {count}' for how, count in ended.items()} <= set(lines)


def test_other_sites_may_ask_only_when_named():
    site, other = {"origin": "https://my.site"}, {"origin": "https://evil.site"}
    with background(app(Scripted([], name="m"))) as url:
        assert httpx.post(url + PATH, json=asking("x"), headers=site).status_code == 403
        assert httpx.post(url + PATH, json=asking("x"), headers={"origin": url}).status_code == 200
    with background(app(Scripted([], name="m"), Settings(origins=("https://my.site",)))) as url:
        reply = httpx.post(url + PATH, json=asking("x"), headers=site)
        assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (200, "https://my.site")
        assert httpx.post(url + PATH, json=asking("x"), headers=other).status_code == 403
        asked = {**site, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        assert httpx.options(url + PATH, headers=asked).status_code == 200


def test_a_strange_host_name_is_turned_away_where_hosts_are_named():
    with background(app(Scripted([], name="m"), Settings(hosts=("127.0.0.1",)))) as url:
        assert httpx.get(url + "/health").status_code == 200
        assert httpx.get(url + "/health", headers={"host": "rebound.site"}).status_code == 403


# --- the agent behind the page ---------------------------------------------------------------------------------------


def told(client, text, session=None):
    """The events of a turn."""
    with client.stream("POST", "/agent/say", json={"session": session, "text": text}) as reply:
        yield reply.status_code
        for line in reply.iter_lines():
            if line:
                yield json.loads(line.removeprefix("data: "))


class Bookings:
    """A tool that changes something."""

    def __init__(self):
        self.made = []

    @writes
    def book(self, hotel: str) -> str:
        """Book a hotel."""
        self.made.append(hotel)
        return "done"


BOOK = Assistant(calls=(Call(name="book", arguments={"hotel": "Elm"}),))


@pytest.fixture
def agent():
    policy = Scripted([BOOK, Assistant(text="Booked."), BOOK, Assistant(text="Again.")], name="m")
    with (
        background(app(policy, None, Functions([Bookings().book]), "mine")) as url,
        httpx.Client(base_url=url) as client,
    ):
        yield client


def kinds(events):
    return [e["kind"] for e in events if isinstance(e, dict) and e["kind"] != "writing"]


@pytest.mark.parametrize(("run", "words"), [(True, '"done"'), (False, "said no")])
def test_a_writing_tool_runs_only_after_a_yes(agent, run, words):
    events = told(agent, "book it")
    heard = []
    for event in events:
        heard.append(event)
        if isinstance(event, dict) and event["kind"] == "ask":
            answer = {"session": heard[1]["session"], "run": run}
            assert agent.post("/agent/decide", json=answer).status_code == 200
    assert kinds(heard) == ["session", "action", "ask", "observation", "response", "state", "finished"]
    assert words in next(e["content"] for e in heard[1:] if e["kind"] == "observation")


def test_an_agent_turn_under_way_keeps_others_out_of_its_conversation(agent):
    events = told(agent, "book it")
    assert next(events) == 200
    session = next(events)["session"]
    next(e for e in events if e["kind"] == "ask")
    assert next(told(agent, "me too", session)) == 409
    assert agent.post("/agent/undo", json={"session": session}).status_code == 409
    agent.post("/agent/decide", json={"session": session, "run": True})
    assert kinds(events)[-1] == "finished"
    assert agent.post("/agent/decide", json={"session": session, "run": True}).status_code == 409
    assert agent.post("/agent/undo", json={"session": session}).json() == {"turns": 0}


def test_a_question_that_waits_is_not_forgotten_for_new_conversations():
    policy = Scripted([BOOK, *[Assistant(text="hi")] * ROOMS, Assistant(text="Booked.")], name="m")
    with background(app(policy, None, Functions([Bookings().book]))) as url, httpx.Client(base_url=url) as client:
        events = told(client, "book it")
        assert next(events) == 200
        session = next(events)["session"]
        next(e for e in events if e["kind"] == "ask")
        assert {client.post("/agent/say", json={}).status_code for _ in range(ROOMS)} == {400}
        assert [kinds(told(client, "hello"))[-1] for _ in range(ROOMS)] == ["finished"] * ROOMS
        assert client.post("/agent/decide", json={"session": session, "run": True}).status_code == 200
        assert kinds(events) == ["observation", "response", "state", "finished"]


def test_a_stopping_server_takes_no_for_an_answer_and_lets_the_turn_finish():
    policy = Scripted([BOOK, Assistant(text="As you like.")], name="m")
    server = background(app(policy, None, Functions([Bookings().book])))
    with httpx.Client(base_url=server.__enter__(), timeout=20) as client, ThreadPoolExecutor(1) as pool:
        events = told(client, "book it")
        next(e for e in events if isinstance(e, dict) and e["kind"] == "ask")
        stopping = pool.submit(server.__exit__, None, None, None)
        assert kinds(events) == ["observation", "response", "state", "finished"]
        stopping.result(10)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("say", {"text": ""}, 400),
        ("say", {"text": 5}, 400),
        ("say", {"text": "x", "session": "gone"}, 404),
        ("undo", {}, 404),
        ("decide", {"session": ["x"]}, 404),
        ("say", [], 400),
    ],
)
def test_the_agent_refuses_what_makes_no_sense(agent, path, body, status):
    assert agent.post(f"/agent/{path}", json=body).status_code == status


class Leaves:
    """A policy that exits at the first request, as a panic in Rust would end its thread."""

    name, asked = "m", 0

    def __call__(self, conversation):
        self.asked += 1
        return sys.exit(3) if self.asked == 1 else Assistant(text="Still here.")


def test_a_model_that_exits_ends_its_own_turn_in_a_room_and_nothing_else():
    with background(app(Leaves(), None, Functions([]))) as url, httpx.Client(base_url=url, timeout=10) as client:
        assert next(e for e in told(client, "go") if isinstance(e, dict) and e["kind"] == "error")
        assert kinds(told(client, "there?"))[-1] == "finished"


def test_a_model_that_exits_is_an_error_to_its_client_and_gives_its_place_back():
    with background(app(Leaves(), Settings(waiting=0))) as url, httpx.Client(base_url=url, timeout=10) as client:
        assert client.post(PATH, json=asking("x")).status_code == 500
        assert client.post(PATH, json=asking("x")).json()["choices"][0]["message"]["content"] == "Still here."


def test_a_late_stop_of_an_earlier_turn_leaves_the_next_one_alone():
    room = Room("abc", InLine(Worker(Scripted([], name="m"), 1)), Functions([]), "mine")
    first = room.enter()
    room.leave()
    second = room.enter()
    room.stop(first)
    assert not second.is_set()
    room.stop(second)
    assert second.is_set()


def test_two_conversations_do_not_share_what_their_tools_did():
    call = Assistant(calls=(Call(name="add", arguments={"item": "Elm"}),))
    policy = Scripted([call, Assistant(text="one"), call, Assistant(text="two")], name="m")
    with background(app(policy, None, Basket())) as url, httpx.Client(base_url=url) as client:
        sessions = [[*told(client, "add it")][1]["session"] for _ in range(2)]
        rows = [client.get("/agent/save", params={"session": s}).json() for s in sessions]
    assert [row["messages"][2]["content"] for row in rows] == ['["Elm"]'] * 2


class Basket:
    """A toolbox with something in it."""

    def __init__(self):
        self.items = []
        self.tools = (Tool(name="add"),)

    def run(self, call):
        self.items.append(call.arguments["item"])
        return json.dumps(self.items)
