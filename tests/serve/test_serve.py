"""The server over a real port: OpenAI's shapes when all is well, OpenAI's error objects and statuses when it is not."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from calm.cli.serve import called, greeting
from calm.conversation import Assistant, Call, Garbled, User
from calm.errors import ModelError, UsageError
from calm.policy.endpoint import Usage
from calm.policy.scripted import Scripted
from calm.serve import app
from calm.serve.http import Settings
from calm.serve.run import background

HELLO = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
FIND = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
TURN = {"type": "function", "function": {"name": "turn"}}
TWO = Assistant(
    thought="two \n things",
    text="ok",
    calls=(Call(name="find", arguments={"a": '"é"'}, id="call_0"), Call(name="find", arguments={}, id="call_1")),
)


class Echo:
    """Says what it heard last, counts as it goes, and can be held to calling."""

    name, choice, constrained = "m", "auto", True
    usage = Usage(12, 4, 3, 0.5)

    def __call__(self, conversation):
        self.heard, last = conversation, conversation.messages[-1]
        return Assistant(text=last.text if isinstance(last, Assistant) else last.content)


@pytest.fixture(scope="module")
def echo():
    """A server of an Echo, with a body limit of 20 kB."""
    policy = Echo()
    with background(app(policy, Settings(body_limit=20_000))) as url, httpx.Client(base_url=url) as client:
        yield client, policy


def post(client, body):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/v1/chat/completions", content=raw)


def once(step, body, **options):
    with background(app(Scripted([step], name="m"), Settings(**options))) as url:
        return httpx.post(f"{url}/v1/chat/completions", json=body)


def test_a_completion_has_openais_shape(echo):
    answer = post(echo[0], HELLO).json()
    assert (answer["object"], answer["model"], answer["id"][:9]) == ("chat.completion", "m", "chatcmpl-")
    assert answer["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
    ]
    assert answer["usage"]["total_tokens"] == 15
    assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 4}


def test_a_policy_that_does_not_count_says_so_without_nulls():
    usage = once(Assistant(text="x"), HELLO).json()["usage"]
    assert usage == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "counted": False}


def test_stream_chunks_add_up_to_the_answer_and_end_with_usage_and_done():
    body = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
    reply = once(TWO, {**body, "tools": [FIND]})
    *events, done, rest = reply.text.split("\n\n")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    deltas = [c["choices"][0]["delta"] for c in chunks[:-1]]
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert (done, rest, deltas[0]) == ("data: [DONE]", "", {"role": "assistant"})
    assert [deltas[1]["reasoning_content"], deltas[2]["content"]] == ["two \n things", "ok"]
    calls = [d["tool_calls"][0] for d in deltas if "tool_calls" in d]
    assert [(c["index"], c.get("id"), c["function"].get("name")) for c in calls[::2]] == [
        (0, "call_0", "find"),
        (1, "call_1", "find"),
    ]
    assert [c["function"]["arguments"] for c in calls] == ["", '{"a": "\\"é\\""}', "", "{}"]
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == 0


def test_a_stream_without_stream_options_has_no_usage_chunk(echo):
    assert '"usage"' not in post(echo[0], {**HELLO, "stream": True}).text


def test_tool_choice_none_keeps_tools_from_the_model_and_calls_from_the_client(echo):
    post(echo[0], {**HELLO, "tools": [FIND], "tool_choice": "none"})
    assert echo[1].heard.tools == ()
    message = once(TWO, {**HELLO, "tools": [FIND], "tool_choice": "none"}).json()["choices"][0]["message"]
    assert message.keys() == {"role", "content", "reasoning", "reasoning_content"}
    assert (message["content"], message["reasoning"]) == ("ok", "two \n things")


def test_required_and_named_choices_reach_a_policy_that_can_be_held_to_them(echo):
    client, policy = echo
    named = {"type": "function", "function": {"name": "turn"}}
    assert post(client, {**HELLO, "tools": [FIND, TURN], "tool_choice": named}).status_code == 200
    assert (policy.choice, [t.name for t in policy.heard.tools]) == ("required", ["turn"])
    post(client, {**HELLO, "tools": [FIND, TURN]})
    assert (policy.choice, len(policy.heard.tools)) == ("auto", 2)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "find"}}, "perhaps", 7])
def test_a_tool_choice_the_policy_cannot_keep_is_refused(choice):
    reply = once(TWO, {**HELLO, "tools": [FIND], "tool_choice": choice})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "tool_choice")


def test_parallel_calls_can_be_switched_off():
    message = once(TWO, {**HELLO, "tools": [FIND], "parallel_tool_calls": False}).json()["choices"][0]["message"]
    assert [call["id"] for call in message["tool_calls"]] == ["call_0"]


def test_what_could_not_be_read_goes_out_as_text_with_its_reason():
    message = once(Garbled(raw="<tool_call>", why="not closed"), HELLO).json()["choices"][0]["message"]
    assert (message["content"], message["garbled"]) == ("<tool_call>", "not closed")


def test_options_without_effect_are_named_in_a_header(echo):
    reply = post(echo[0], {**HELLO, "temperature": 0.7, "max_tokens": 5, "a\r\nb": 1, "ü": 2, "seed": None})
    assert reply.headers["x-calm-ignored"] == "max_tokens, temperature"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b"[" * 9000, 400, "not JSON"),
        (b"[]", 400, "is list"),
        ({"messages": HELLO["messages"]}, 400, "`model`"),
        ({**HELLO, "model": "gpt"}, 404, "'m' is served"),
        ({"model": "m"}, 400, "`messages`"),
        ({"model": "m", "messages": []}, 400, "`messages`"),
        ({"model": "m", "messages": [{"role": "wizard", "content": "x"}]}, 400, "messages.0: role 'wizard'"),
        ({"model": "m", "messages": [{"role": "user", "content": 5}]}, 400, "messages.0"),
        ({"model": "m", "messages": [{"role": "tool", "content": "x", "tool_call_id": "z"}]}, 400, "no waiting call"),
        ({**HELLO, "tools": [{"type": "function", "function": {"name": "a(b"}}]}, 400, "tool: name"),
        ({**HELLO, "tools": 5}, 400, "cannot be read"),
        ({**HELLO, "n": 2}, 400, "n: one choice"),
        ({**HELLO, "response_format": {"type": "json_object"}}, 400, "response_format"),
        (b"x" * 20_001, 413, "20,000 bytes"),
    ],
)
def test_a_bad_body_gets_an_error_object_that_says_what_is_wrong(echo, body, status, words):
    reply = post(echo[0], body)
    error = reply.json()["error"]
    assert (reply.status_code, set(error)) == (status, {"message", "type", "param", "code"})
    assert words in error["message"]


NAMES = ["role", "content", "function", "name", "id", "tool_calls"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "function", "name", "id", "tool_calls"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)
KEYS = ["tools", "tool_choice", "stream", "stream_options", "parallel_tool_calls", "n", "response_format"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(JSON, max_size=3), st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3))
def test_no_body_whatever_is_a_server_error(echo, messages, options):
    reply = post(echo[0], {"model": "m", "messages": messages, **options})
    assert reply.status_code in (200, 400), reply.text


ITEMS = ["type", "role", "content", "call_id", "name", "arguments", "output", "summary", "text"]
KINDS = st.sampled_from(["message", "function_call", "function_call_output", "reasoning"])
ITEM = st.dictionaries(st.sampled_from(ITEMS), JSON | KINDS, max_size=5)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(ITEM | JSON, max_size=3),
    st.dictionaries(st.sampled_from([*KEYS, "instructions", "text"]), JSON, max_size=3),
)
@example([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}], {})
def test_no_items_whatever_are_a_server_error(echo, items, options):
    body = json.dumps({"model": "m", "input": items, **options}).encode()
    reply = echo[0].post("/v1/responses", content=body)
    assert reply.status_code in (200, 400), reply.text


@pytest.mark.parametrize("parts", [5, "deep", {"text": "deep"}])
def test_a_thought_that_is_no_list_of_parts_is_refused(echo, parts):
    items = [{"role": "user", "content": "hi"}, {"type": "reasoning", "summary": parts}]
    reply = echo[0].post("/v1/responses", json={"model": "m", "input": items})
    assert (reply.status_code, "input.1" in reply.json()["error"]["message"]) == (400, True)


def test_a_body_without_a_length_is_cut_off_at_the_limit(echo):
    reply = echo[0].post("/v1/chat/completions", content=(b"x" * 1000 for _ in range(30)))
    assert reply.status_code == 413


@pytest.mark.parametrize(("path", "status"), [("/v1/nothing", 404), ("/v1/chat/completions", 405)])
def test_a_wrong_path_or_method_gets_an_error_object(echo, path, status):
    reply = echo[0].get(path)
    assert (reply.status_code, path in reply.json()["error"]["message"]) == (status, True)


def test_the_key_guards_the_api_but_not_health_and_page():
    with (
        background(app(Scripted([], name="m"), Settings(api_key="söcret"))) as url,
        httpx.Client(base_url=url) as client,
    ):
        given = (b"Bearer wrong", "Bearer söcret".encode(), "bearer söcret".encode())
        keys = [{}, *({"authorization": key} for key in given)]
        replies = [client.get("/v1/models", headers=h) for h in keys]
        assert [r.status_code for r in replies] == [401, 401, 200, 200]
        assert replies[0].json()["error"]["code"] == "invalid_api_key"
        assert post(client, HELLO).status_code == 401
        assert [client.get(path).status_code for path in ("/health", "/")] == [200, 200]


def test_clients_call_a_model_as_its_user_typed_it(tmp_path):
    adapter = tmp_path / "first-adapter"
    adapter.mkdir()
    assert called("calm-135m", "smollm2-135m+780c26a3") == "calm-135m"
    assert called(f"{adapter}/", "smollm2-135m+0a1b2c3d") == "first-adapter"
    assert called("openai:gpt@http://127.0.0.1:1/v1", "gpt") == "gpt"


def test_models_lists_the_served_model(echo):
    assert [m["id"] for m in echo[0].get("/v1/models").json()["data"]] == ["m"]


class Held(Scripted):
    """Waits for `go` before every step."""

    def __init__(self, steps):
        super().__init__(steps, name="m")
        self.go, self.begun = threading.Event(), threading.Event()

    def __call__(self, conversation):
        self.begun.set()
        self.go.wait(20)
        return super().__call__(conversation)


def test_a_full_line_is_503_with_retry_after_and_those_in_line_are_served():
    policy = Held([Assistant(text=str(i)) for i in range(2)])
    with background(app(policy, Settings(waiting=1))) as url, ThreadPoolExecutor(2) as pool:
        client = httpx.Client(base_url=url, timeout=20)
        served = [pool.submit(post, client, HELLO) for _ in range(2)]
        while client.get("/health").json()["pending"] < 2:
            time.sleep(0.01)
        refused = post(client, HELLO)
        policy.go.set()
        answers = {s.result().json()["choices"][0]["message"]["content"] for s in served}
        client.close()
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert answers == {"0", "1"}


def test_many_clients_at_once_each_get_their_own_answer():
    with background(app(Echo(), Settings(waiting=99))) as url, httpx.Client(base_url=url, timeout=30) as client:

        def ask(i):
            body = {"model": "m", "messages": [{"role": "user", "content": f"client {i}"}]}
            return post(client, body).json()["choices"][0]["message"]["content"]

        with ThreadPoolExecutor(20) as pool:
            assert list(pool.map(ask, range(80))) == [f"client {i}" for i in range(80)]


def test_stopping_lets_the_request_under_way_finish():
    policy = Held([Assistant(text="done")])
    with ThreadPoolExecutor(1) as pool:
        with background(app(policy)) as url:
            reply = pool.submit(httpx.post, f"{url}/v1/chat/completions", json=HELLO, timeout=20)
            policy.begun.wait(10)
            threading.Timer(0.3, policy.go.set).start()
        assert reply.result().json()["choices"][0]["message"]["content"] == "done"


class Broken:
    name = "m"

    def __init__(self, error):
        self.error = error

    def __call__(self, conversation):
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (ModelError("4,000 tokens are too many"), 400, "too many"),
        (ZeroDivisionError("secret"), 500, "its log says why"),
    ],
)
def test_a_policy_that_raises_leaves_no_traceback_and_a_living_server(error, status, words):
    with background(app(Broken(error))) as url:
        replies = [httpx.post(f"{url}/v1/chat/completions", json=HELLO) for _ in range(2)]
    assert [r.status_code for r in replies] == [status] * 2
    assert words in replies[1].json()["error"]["message"]
    assert "secret" not in replies[1].text


def test_a_taken_port_is_one_line():
    with background(app(Scripted([], name="m"))) as url:
        taken = background(app(Scripted([])), port=int(url.rsplit(":", 1)[1]))
        with pytest.raises(UsageError, match="choose another --port"), taken:
            pass


SCRIPT = """
import sys
from calm.policy.scripted import Scripted
from calm.serve import app
from calm.serve.run import run
run(app(Scripted([], name="m")), "127.0.0.1", 0, lambda url: print(url, flush=True))
"""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_quietly(sign):
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    url = process.stdout.readline().strip()
    while httpx.get(f"{url}/health").status_code != 200:
        time.sleep(0.05)
    process.send_signal(sign)
    out, trouble = process.communicate(timeout=20)
    assert (process.returncode, out, trouble) == (0, "", "")


def test_the_curl_line_of_the_greeting_works_as_it_stands():
    with background(app(Scripted([Assistant(text="hi there")], name="it's m"))) as url:
        line = greeting(url, "it's m", locked=False).split("try: ")[1]
        out = subprocess.run(line.replace("curl", "curl -s", 1), shell=True, capture_output=True, text=True, timeout=20)
    assert json.loads(out.stdout)["choices"][0]["message"]["content"] == "hi there"


def test_history_of_a_client_reaches_the_policy_in_order(echo):
    client, policy = echo
    call = {"id": "a", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    said = {"role": "assistant", "content": None, "tool_calls": [call, {**call, "id": "b"}]}
    answers = [{"role": "tool", "tool_call_id": i, "content": i} for i in ("b", "a")]
    post(client, {**HELLO, "messages": [*HELLO["messages"], said, *answers]})
    assert [m.content for m in policy.heard.messages[2:]] == ["a", "b"]
    assert policy.heard.messages[0] == User(content="hello")
