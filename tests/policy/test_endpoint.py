"""The Endpoint over a real server: the wire changes nothing, and trouble is tried again or told in one line."""

import json
import threading

import pytest

from calm.agent import converse
from calm.conversation import Assistant, Call, Conversation, Garbled, Observation, Tool, User
from calm.errors import HubError, UsageError
from calm.policy import ground
from calm.policy.endpoint import Endpoint, Unreachable, base, retry_after
from calm.policy.pace import Pace
from calm.policy.scripted import Scripted
from calm.serve import app
from calm.serve.run import background
from tests.answering import in_turn

TOOLS = (Tool(name="find", description="Find it.", parameters={"type": "object", "properties": {"q": {}}}),)
ASK = Conversation(tools=TOOLS, messages=(User(content="hello"),))
STEPS = [
    Assistant(thought='The user says "café" <think>', calls=(Call(name="find", arguments={"q": ["é", None, 1.5]}),)),
    Assistant(calls=tuple(Call(name="find", arguments={"q": f'"{i}" \\ 日本 😀'}, id=f"call_{i}") for i in range(3))),
    Assistant(text='He said: "it\'s <|im_end|>\n\tfine" 🙂', thought="done"),
    Assistant(text="let me look", calls=(Call(name="find", arguments={}),)),
    Assistant(thought="only thinking"),
    Assistant(text=""),
    Garbled(raw="<tool_call>{oops", why="call 0 is not closed"),
    Assistant(text="a lone surrogate \ud800 survives"),
]


def said(text="hi", **message):
    return 200, {}, json.dumps({"choices": [{"message": {"role": "assistant", "content": text, **message}}]}).encode()


def test_a_policy_behind_the_server_gives_the_same_steps_as_the_policy_itself():
    with background(app(Scripted(STEPS, name="m"))) as url:
        endpoint = Endpoint.named(f"openai:m@{url}")
        assert [endpoint(ASK) for _ in STEPS] == STEPS


def test_a_whole_episode_over_http_equals_the_local_one():
    def world(conversation, step):
        return [Observation(content="[]", call=c.id, name=c.name) for c in step.calls]

    steps = [STEPS[1], STEPS[0], STEPS[2]]
    with background(app(Scripted(steps, name="m"))) as url:
        far = converse(Endpoint.named(f"openai:m@{url}/v1"), world, ASK)
    assert far == converse(Scripted(steps), world, ASK).renumbered()  # a server gives every call an id of its own


def test_thoughts_tools_and_limit_go_out_on_the_wire():
    with in_turn(said()) as (url, seen):
        Endpoint("m", url, max_tokens=7)(ASK.add(Assistant(thought="hm", text="yes"), User(content="so?")))
    path, _, body = seen[0]
    sent = json.loads(body)
    assert (path, sent["max_tokens"], sent["tools"][0]["function"]["name"]) == ("/v1/chat/completions", 7, "find")
    assert sent["messages"][1]["reasoning_content"] == "hm"


def test_the_key_comes_from_the_environment(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("CALM_API_KEY", "secret")
    with in_turn(said()) as (url, seen):
        Endpoint("m", url)(ASK)
    assert seen[0][1]["Authorization"] == "Bearer secret"


def test_broken_json_in_a_call_is_garbled_not_an_exception():
    call = {"id": "x", "type": "function", "function": {"name": "find", "arguments": '{"q": '}}
    with in_turn(said(None, tool_calls=[call])) as (url, _):
        step = Endpoint("m", url)(ASK)
    assert isinstance(step, Garbled)
    assert '{\\"q\\": ' in step.raw


@pytest.mark.parametrize("ids", [["x", "x"], [None, None]])
def test_calls_that_their_ids_do_not_tell_apart_get_ids_of_their_own(ids):
    calls = [{"id": name, "function": {"name": "find", "arguments": "{}"}} for name in ids]
    with in_turn(said(None, tool_calls=calls)) as (url, _):
        assert [call.id for call in Endpoint("m", url)(ASK).calls] == ["call_0", "call_1"]


def test_usage_is_what_the_server_counted():
    status, headers, body = said()
    counts = {"prompt_tokens": 11, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 5}}
    with in_turn((status, headers, json.dumps({**json.loads(body), "usage": counts}).encode())) as (url, _):
        endpoint = Endpoint("m", url)
        endpoint(ASK)
    assert endpoint.usage[:3] == (11, 5, 3)
    assert endpoint.usage.seconds > 0


def test_counts_that_are_no_numbers_count_nothing():
    answer = {"choices": [{"message": {"content": "Hi"}}]}
    for odd in ({"prompt_tokens": "11", "prompt_tokens_details": []}, [3], {"completion_tokens": {}}):
        with in_turn((200, {}, json.dumps({**answer, "usage": odd}).encode())) as (url, _):
            endpoint = Endpoint("m", url)
            assert endpoint(ASK) == Assistant(text="Hi")
        assert endpoint.spent() == 0


def test_a_body_that_is_not_packed_as_it_says_is_one_line():
    with in_turn((200, {"content-encoding": "gzip"}, b"hello")) as (url, _), pytest.raises(HubError, match=url) as told:
        Endpoint("m", url, retries=0)(ASK)
    assert "\n" not in str(told.value)


def test_each_thread_has_its_own_usage_and_the_sum_is_kept():
    status, headers, body = said()
    body = json.dumps({**json.loads(body), "usage": {"prompt_tokens": 11, "completion_tokens": 3}}).encode()
    with in_turn((status, headers, body)) as (url, _):
        endpoint = Endpoint("m", url)
        thread = threading.Thread(target=endpoint, args=(ASK,))
        thread.start()
        thread.join()
        assert (endpoint.usage, endpoint.spent()) == ((0, 0, 0, 0.0), 14)
        endpoint(ASK)
    assert (endpoint.usage[:3], endpoint.spent()) == ((11, 0, 3), 28)


def test_a_busy_answer_holds_back_all_who_share_the_pace():
    slept = []
    pace = Pace(0.0, lambda: sum(slept), slept.append)
    with in_turn((429, {"Retry-After": "7"}, b""), said()) as (url, _):
        Endpoint("m", url, pause=0.5, pace=pace)(ASK)
    assert 7 <= sum(slept) <= 7.5


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(status):
    with in_turn((status, {}, b"busy"), (status, {"Retry-After": "0"}, b""), said("at last")) as (url, seen):
        assert Endpoint("m", url, pause=0.01)(ASK) == Assistant(text="at last")
    assert len(seen) == 3


def test_retry_after_is_honoured_and_counts_into_the_time():
    with in_turn((429, {"Retry-After": "1"}, b""), said()) as (url, _):
        endpoint = Endpoint("m", url, pause=0.001)
        endpoint(ASK)
    assert 1.0 <= endpoint.usage.seconds < 10


def test_retries_are_bounded_and_the_last_word_is_told():
    full = (503, {}, b'{"error": {"message": "line\\nfull"}}')
    with in_turn(full) as (url, seen), pytest.raises(HubError, match=r"\(503\): line full"):
        Endpoint("m", url, retries=2, pause=0.01)(ASK)
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("status", "words", "away"),
    [(401, "key was refused", True), (404, "no model 'm' there", True), (400, "refused the request", False)],
)
def test_what_cannot_get_better_is_told_at_once(status, words, away):
    reply = (status, {}, b'{"error": {"message": "because"}}')
    with in_turn(reply) as (url, seen), pytest.raises(HubError, match=f"{words}.*because") as caught:
        Endpoint("m", url)(ASK)
    assert (len(seen), isinstance(caught.value, Unreachable)) == (1, away)


def test_a_server_that_has_moved_or_answers_with_an_error_says_so():
    with in_turn((308, {"location": "https://new/v1"}, b"")) as (url, _), pytest.raises(HubError, match="https://new"):
        Endpoint("m", url)(ASK)
    with (
        in_turn((200, {}, b'{"error": {"message": "no credit"}}')) as (url, _),
        pytest.raises(HubError, match="no credit"),
    ):
        Endpoint("m", url)(ASK)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{"message": null}]}']
)
def test_an_answer_that_is_no_completion_is_one_line(body):
    with in_turn((200, {}, body)) as (url, _), pytest.raises(HubError) as caught:
        Endpoint("m", url)(ASK)
    assert str(caught.value).startswith(url)
    assert "\n" not in str(caught.value)


def test_a_refused_connection_is_one_line_that_names_the_address():
    with in_turn(said()) as (url, _):
        pass
    with pytest.raises(HubError, match=f"{url}/v1: no connection .* is the server running"):
        Endpoint("m", url, retries=1, pause=0.01)(ASK)


def test_a_silent_server_times_out():
    silent = threading.Event()

    class Slow(Scripted):
        def __call__(self, conversation):
            silent.wait(5)
            return Assistant(text="late")

    with background(app(Slow([], name="m"))) as url:
        with pytest.raises(HubError, match="no answer in time"):
            Endpoint("m", url, timeout=0.2, retries=0)(ASK)
        silent.set()


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("http://h:1", "http://h:1/v1"),
        ("http://h:1/", "http://h:1/v1"),
        ("http://h:1/v1/", "http://h:1/v1"),
        ("http://h/a/v3", "http://h/a/v3"),
        ("http://h/v1/chat/completions", "http://h/v1"),
    ],
)
def test_an_address_works_with_and_without_its_path(url, whole):
    assert base(url) == whole


def test_a_model_name_may_hold_slashes_colons_and_at():
    endpoint = Endpoint.named("openai:org/m:8b@q4@http://h:1")
    assert (endpoint.model, endpoint.url) == ("org/m:8b@q4", "http://h:1/v1")


@pytest.mark.parametrize(
    "name",
    [
        "openai:m",
        "openai:@http://h",
        "openai:m@h:1",
        "openai:m@ftp://h",
        "openai:m@http://h#x",
        "openai:m@http://h?form=react",
    ],
)
def test_a_name_of_another_shape_says_how_to_write_it(name):
    with pytest.raises(UsageError, match="openai:MODEL@URL"):
        Endpoint.named(name)


def test_retry_after_reads_seconds_and_dates_and_nothing_else():
    assert retry_after("7") == 7.0
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert [retry_after(x) for x in ("", "soon", "-1", "1.5.2", f"Wed, 21 Oct 2015 07:28:00 +{'9' * 20}")] == [None] * 5


def test_grounding_is_refused_where_values_are_decoded_elsewhere():
    with pytest.raises(UsageError, match=r"grounded: 2 needs a local model"):
        ground(Endpoint.named("openai:any@http://127.0.0.1:1"), 2)
    assert isinstance(ground(Endpoint.named("openai:any@http://127.0.0.1:1"), 0), Endpoint)
