"""An endpoint that is heard while it writes: the same steps, the same words, and streams that break in every way."""

import json
import threading

import pytest

from calm.agent import follow
from calm.agent.events import Writing
from calm.agent.sessions import Sessions
from calm.cli.chat_turns import Chat
from calm.conversation import Assistant, Call, Conversation, Garbled, Tool, User
from calm.errors import HubError
from calm.policy.endpoint import Endpoint, Unreachable
from calm.policy.endpoint_stream import lines
from calm.policy.local import Local
from calm.policy.local import engine as engines
from calm.policy.scripted import Scripted
from calm.serve import app
from calm.serve.run import background
from calm.world.town import Town
from tests.answering import in_turn

TOOLS = (Tool(name="find", description="Find it.", parameters={"type": "object", "properties": {"q": {}}}),)
ASK = Conversation(tools=TOOLS, messages=(User(content="hello"),))
TWO = tuple(Call(name="find", arguments={"q": f'"{i}" \\ 日本 😀'}, id=f"call_{i}") for i in range(2))
WORDS = 'He said: "it\'s <|im_end|>\n\tfine" 🙂\u2028\x85.'
STEPS = [
    Assistant(thought='The user says "café" <think>', calls=TWO),
    Assistant(text=WORDS, thought="done"),
    Assistant(text="let me look", calls=(Call(name="find", arguments={}),)),
    Assistant(thought="only thinking"),
    Assistant(text=""),
    Garbled(raw="<tool_call>{oops", why="call 0 is not closed"),
    Assistant(text="a lone surrogate \ud800 survives"),
]
SSE = {"content-type": "text/event-stream; charset=utf-8"}
HI = {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}
END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def sse(*chunks, **headers):
    """A reply that streams chunks, JSON ones as objects and others as they are."""
    told = [chunk if isinstance(chunk, str) else json.dumps(chunk, ensure_ascii=False) for chunk in chunks]
    return 200, SSE | headers, "".join(f"data: {chunk}\n\n" for chunk in told).encode()


def heard(endpoint):
    *pieces, step = endpoint.stream(ASK)
    return pieces, step


def spoken(pieces, part):
    return "".join(piece.text for piece in pieces if piece.part == part)


def test_a_server_that_streams_gives_the_steps_that_it_gives_at_once():
    with background(app(Scripted(STEPS, name="m"))) as url:
        endpoint = Endpoint("m", url)
        assert [heard(endpoint)[1] for _ in STEPS] == STEPS


def test_the_pieces_add_up_to_the_step_and_its_calls_are_json():
    with background(app(Scripted(STEPS[:2], name="m"))) as url:
        calls, _ = heard(Endpoint("m", url))
        words, _ = heard(Endpoint("m", url))
    decoder, told, found = json.JSONDecoder(), spoken(calls, "call"), []
    while told:
        value, end = decoder.raw_decode(told)
        found, told = [*found, value], told[end:]
    assert found == [{"name": call.name, "arguments": call.arguments} for call in TWO]
    assert (spoken(words, "thought"), spoken(words, "text")) == ("done", WORDS)


class Slow:
    """Writes two words, the second only when the first was heard."""

    name, heard = "m", threading.Event()

    def __call__(self, conversation):
        return Assistant(text="one two")

    def stream(self, conversation):
        yield "text", "one "
        assert self.heard.wait(60)
        yield "text", "two"
        yield self(conversation)


def test_words_are_shown_in_a_chat_while_the_server_still_writes():
    shown = []

    def show(event):
        shown.append(event)
        if isinstance(event, Writing):
            policy.heard.set()

    policy = Slow()
    with background(app(policy)) as url:
        chat = Chat(
            Endpoint("m", url), lambda conversation: Town(), Sessions().begin("s", Conversation()), show, live=True
        )
        chat.say("hello")
    assert [event.text for event in shown if isinstance(event, Writing)] == ["one ", "two"]
    assert chat.conversation.messages[-1] == Assistant(text="one two")


def test_a_real_model_behind_calm_serve_says_what_it_says_here(tiny):
    from calm.format.tokens import Codec
    from calm.hub.models import Found

    local = Local("tiny", engines.load(Found("tiny", tiny), "torch", "f32"), Codec.load(tiny), max_tokens=40)
    *pieces, here, _ = follow(local, lambda conversation, step: (), ASK, live=True)
    with background(app(local)) as url:
        far, step = heard(Endpoint("tiny", url))
    assert (step, spoken(far, "text")) == (here, spoken(pieces, "text"))


def test_who_stops_listening_hangs_up_and_the_server_stops_writing():
    stopped = threading.Event()

    class Endless(Slow):
        def stream(self, conversation):
            try:
                while True:
                    yield "text", "on "
            finally:
                stopped.set()

    with background(app(Endless())) as url:
        words = Endpoint("m", url).stream(ASK)
        assert next(words) == ("text", "on ")
        words.close()
        assert stopped.wait(60)


def test_usage_comes_with_the_stream():
    counts = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 3}}
    with in_turn(sse(HI, END, counts, "[DONE]")) as (url, seen):
        endpoint = Endpoint("m", url)
        heard(endpoint)
    assert json.loads(seen[0].body)["stream_options"] == {"include_usage": True}
    assert (endpoint.usage[:2], endpoint.usage.written, endpoint.spent()) == ((11, 0), 3, 14)


def test_a_server_that_does_not_stream_is_heard_at_once():
    call = {"id": "x", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    message = {"role": "assistant", "content": "Look:", "tool_calls": [call]}
    with in_turn((200, {}, json.dumps({"choices": [{"message": message}]}).encode())) as (url, _):
        pieces, step = heard(Endpoint("m", url))
    assert pieces == [("text", "Look:"), ("call", '{"name": "find", "arguments": {}}')]
    assert step == Assistant(text="Look:", calls=(Call(name="find", arguments={}, id="x"),))


def test_a_finished_answer_needs_no_done_and_comments_are_passed_over():
    status, headers, body = sse(HI, END)
    with in_turn((status, headers, b": keep-alive\r\n\r\nevent: x\r\n" + body)) as (url, _):
        assert heard(Endpoint("m", url))[1] == Assistant(text="Hi")


BROKEN = {
    "ended without": sse(HI),
    "connection lost": sse(HI, **{"content-length": "9999"}),
    "no JSON object": sse(HI, '{"choices": [{'),
    "no event": (200, SSE, sse(HI)[2] + b"<html>Bad gateway\n"),
    "no chunk": sse(HI, {"choices": [{"delta": {"content": 5}}]}),
    "out of memory": sse(HI, {"error": {"message": "out of\nmemory", "code": 500}}),
}


@pytest.mark.parametrize("why", BROKEN)
def test_a_stream_that_breaks_after_its_first_word_is_not_asked_again_and_told(why):
    with in_turn(BROKEN[why]) as (url, seen):
        words = Endpoint("m", url, pause=0.01).stream(ASK)
        assert next(words) == ("text", "Hi")
        with pytest.raises(HubError, match=f"{url}/v1: the answer broke off: .*{why}.*; ask again") as caught:
            list(words)
    assert (len(seen), "\n" in str(caught.value)) == (1, False)


EARLY = {
    "lost": (200, SSE | {"content-length": "9999"}, b""),
    "not done": sse({"choices": [{"delta": {"role": "assistant", "content": ""}}]}),
    "nothing said": sse("[DONE]"),
    "busy": sse({"error": {"message": "full", "code": 503}}),
    "failed": sse({"error": {"message": "oops", "type": "server_error", "code": None}}),
}


@pytest.mark.parametrize("why", EARLY)
def test_a_stream_that_breaks_before_its_first_word_is_asked_again(why):
    with in_turn(EARLY[why], sse(HI, END, "[DONE]")) as (url, seen):
        assert heard(Endpoint("m", url, pause=0.01))[1] == Assistant(text="Hi")
    assert len(seen) == 2


def test_a_stream_that_never_says_a_word_is_given_up():
    gone = pytest.raises(Unreachable, match=r"/v1: no answer: .* \(3 tries\); is the server running")
    with in_turn(EARLY["not done"]) as (url, seen), gone:
        heard(Endpoint("m", url, retries=4, pause=0.01))
    assert len(seen) == 3


def test_what_is_no_stream_of_ours_is_told_at_once():
    refused = {"error": {"message": "no such tool", "code": 400, "type": "invalid_request_error"}}
    for reply, words in ((sse(refused), "no such tool"), ((200, SSE, b"hello\n"), "no event")):
        with in_turn(reply) as (url, seen), pytest.raises(HubError, match=f"{url}.*{words}.*compatible"):
            heard(Endpoint("m", url, pause=0.01))
        assert len(seen) == 1


def test_a_busy_or_closed_server_is_met_as_without_a_stream():
    with in_turn((503, SSE, b""), (429, {}, b""), sse(HI, "[DONE]")) as (url, seen):
        assert heard(Endpoint("m", url, pause=0.01))[1] == Assistant(text="Hi")
    assert len(seen) == 3
    with in_turn((401, {}, b"{}")) as (url, _), pytest.raises(Unreachable, match="key was refused"):
        heard(Endpoint("m", url))


def test_calls_come_piece_by_piece_and_in_parallel():
    def part(index, arguments, **named):
        return {
            "choices": [{"delta": {"tool_calls": [{"index": index, "function": {"arguments": arguments} | named}]}}]
        }

    chunks = [part(0, "", name="find"), part(0, '{"q"'), part(0, ": 1}"), part(1, "", name="find"), END, "[DONE]"]
    with in_turn(sse(*chunks)) as (url, _):
        pieces, step = heard(Endpoint("m", url))
    assert [call.arguments for call in step.calls] == [{"q": 1}, {}]
    assert spoken(pieces, "call").startswith('{"name": "find", "arguments": {"q": 1}}{"name": "find"')


def test_whole_calls_that_are_all_numbered_0_are_told_apart_by_their_ids():
    calls = [{"index": 0, "id": f"c{i}", "function": {"name": "find", "arguments": f'{{"q": {i}}}'}} for i in (1, 2)]
    with in_turn(sse(*({"choices": [{"delta": {"tool_calls": [call]}}]} for call in calls), END, "[DONE]")) as (url, _):
        pieces, step = heard(Endpoint("m", url))
    assert [(call.id, call.arguments) for call in step.calls] == [("c1", {"q": 1}), ("c2", {"q": 2})]
    assert spoken(pieces, "call").count('{"name": "find"') == 2


@pytest.mark.parametrize("numbers", [(1, 2), (7, 3), (-1, 0)])
def test_calls_may_be_numbered_from_anything(numbers):
    made = [{"index": n, "id": f"c{n}", "function": {"name": "find", "arguments": f'{{"q": {n}'}} for n in numbers]
    ends = [{"index": n, "function": {"arguments": "}"}} for n in numbers]
    with in_turn(sse(*({"choices": [{"delta": {"tool_calls": [c]}}]} for c in made + ends), END, "[DONE]")) as (url, _):
        _, step = heard(Endpoint("m", url))
    assert [(call.id, call.arguments["q"]) for call in step.calls] == [(f"c{n}", n) for n in numbers]


def test_a_whole_message_as_one_event_is_heard_and_empty_events_are_passed_over():
    whole = {"choices": [{"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
    with in_turn(sse("", whole, "[DONE]", **{"content-type": "Text/Event-Stream"})) as (url, _):
        assert heard(Endpoint("m", url))[1] == Assistant(text="Hi")


def test_lines_are_the_same_however_their_bytes_arrive():
    raw = "data: a\u2028b\x85\r\n\r\ndata: é\n: c\rcut".encode()
    whole = [line for line in lines([raw]) if line]
    assert whole == ["data: a\u2028b\x85", "data: é", ": c"]
    for size in (1, 2, 3, 7):
        assert [line for line in lines(raw[i : i + size] for i in range(0, len(raw), size)) if line] == whole
