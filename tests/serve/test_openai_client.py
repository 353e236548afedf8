"""The official OpenAI client against our server, unchanged: whole answers, streams, tools, responses, errors."""

import json
import threading

import pytest

from calm.conversation import Assistant, Call, Garbled
from calm.policy import Usage
from calm.policy.scripted import Scripted
from calm.serve import app
from calm.serve.http import Settings
from calm.serve.run import background

openai = pytest.importorskip("openai", reason="the official client is not installed: pip install openai")

FIND = {
    "type": "object",
    "properties": {"area": {"type": "string"}, "stars": {"type": "integer"}},
    "required": ["area"],
}
TOOL = {"type": "function", "function": {"name": "find", "description": "Find a hotel.", "parameters": FIND}}
FLAT = {"type": "function", "name": "find", "description": "Find a hotel.", "parameters": FIND}
HELLO = [{"role": "user", "content": "hello"}]
CALLS = Assistant(
    thought="two places",
    calls=(Call(name="find", arguments={"area": "é{}\"'"}), Call(name="find", arguments={"stars": 4, "area": "b"})),
)


class Slow:
    """Writes a step letter by letter; each letter after the first waits until the listener lets it go."""

    name, choice, constrained, max_tokens, usage = "m", "auto", True, 99, Usage(7, 2, 5, 0.1)

    def __init__(self, step, end=None):
        self.step, self.end = step, end or step
        self.go, self.written = threading.Semaphore(0), 0

    def __call__(self, conversation):
        return self.end

    def stream(self, conversation):
        parts = [("thought", self.step.thought or ""), ("text", self.step.text or "")]
        parts += [("call", json.dumps({"name": c.name, "arguments": c.arguments})) for c in self.step.calls]
        for part, text in parts:
            for letter in text:
                if self.written:
                    self.go.acquire(timeout=5)
                self.written += 1
                yield part, letter
        yield self.end


@pytest.fixture
def served():
    """Serve a policy, and give the client for it."""
    open_ones = []

    def serve(policy, **settings):
        server = background(app(policy, Settings(**settings)))
        client = openai.OpenAI(base_url=server.__enter__() + "/v1", api_key="k", max_retries=0, timeout=20)
        open_ones.extend([client.close, lambda: server.__exit__(None, None, None)])
        return client

    yield serve
    for close in open_ones:
        close()


def free(policy):
    policy.go.release(10_000)
    return policy


def test_a_whole_answer_has_thought_calls_and_usage(served):
    client = served(free(Slow(CALLS)))
    answer = client.chat.completions.create(model="m", messages=HELLO, tools=[TOOL])
    message = answer.choices[0].message
    assert [json.loads(c.function.arguments) for c in message.tool_calls] == [c.arguments for c in CALLS.calls]
    assert (message.reasoning, answer.choices[0].finish_reason) == ("two places", "tool_calls")
    assert (answer.usage.total_tokens, answer.usage.prompt_tokens_details.cached_tokens) == (12, 2)


def test_a_stream_is_heard_while_the_model_still_writes(served):
    policy = Slow(Assistant(text="abc"))
    stream = served(policy).chat.completions.create(model="m", messages=HELLO, stream=True)
    deltas = (c.choices[0].delta.content for c in stream)
    assert [next(deltas), next(deltas), policy.written] == [None, "a", 1]
    policy.go.release(9)
    assert [text for text in deltas if text] == ["b", "c"]


def test_streamed_calls_come_piece_by_piece_and_add_up(served):
    stream = served(free(Slow(CALLS))).chat.completions.create(
        model="m", messages=HELLO, tools=[TOOL], stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)
    pieces = [c for chunk in chunks for c in chunk.choices[0].delta.tool_calls or ()]
    texts = ["".join(p.function.arguments for p in pieces if p.index == index) for index in (0, 1)]
    assert [json.loads(text) for text in texts] == [c.arguments for c in CALLS.calls]
    assert [(p.index, p.id) for p in pieces if p.id] == [(0, "call_0"), (1, "call_1")]
    assert len(pieces) > 20
    assert (last.usage.completion_tokens, chunks[-1].choices[0].finish_reason) == (5, "tool_calls")


def test_the_clients_own_stream_helper_builds_the_same_message(served):
    with served(free(Slow(CALLS))).chat.completions.stream(model="m", messages=HELLO, tools=[TOOL]) as stream:
        message = stream.get_final_completion().choices[0].message
    assert [json.loads(c.function.arguments) for c in message.tool_calls] == [c.arguments for c in CALLS.calls]


def test_results_go_back_and_new_calls_get_new_ids(served):
    client = served(free(Slow(CALLS)))
    said = client.chat.completions.create(model="m", messages=HELLO, tools=[TOOL]).choices[0].message
    results = [{"role": "tool", "tool_call_id": call.id, "content": "[]"} for call in said.tool_calls]
    again = client.chat.completions.create(model="m", messages=[*HELLO, said, *results], tools=[TOOL])
    assert [c.id for c in again.choices[0].message.tool_calls] == ["call_2", "call_3"]


@pytest.mark.parametrize("stream", [False, True])
def test_stop_words_cut_the_text_and_the_model_short(served, stream):
    policy = free(Slow(Assistant(text="one STOP two")))
    answer = served(policy).chat.completions.create(model="m", messages=HELLO, stop=["STOP", "x"], stream=stream)
    text = "".join(c.choices[0].delta.content or "" for c in answer) if stream else answer.choices[0].message.content
    assert (text, policy.written) == ("one ", 8)


def test_max_tokens_reaches_the_policy_and_a_cut_answer_says_length(served):
    policy = free(Slow(Assistant(text="half a"), Garbled(raw="half a", why="not finished after 3 tokens")))
    client = served(policy)
    choice = client.chat.completions.create(model="m", messages=HELLO, max_tokens=3).choices[0]
    assert (choice.finish_reason, choice.message.content, policy.max_tokens) == ("length", "half a", 3)
    client.chat.completions.create(model="m", messages=HELLO, max_completion_tokens=500)
    assert policy.max_tokens == 99


def test_a_step_that_was_brought_to_an_early_end_says_length(served):
    policy = free(Slow(CALLS))
    policy.hurried = True
    client = served(policy)
    assert client.chat.completions.create(model="m", messages=HELLO, tools=[TOOL]).choices[0].finish_reason == "length"
    answer = client.responses.create(model="m", input="hello", tools=[FLAT])
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_one_call_at_a_time_stops_after_the_first(served):
    policy = free(Slow(CALLS))
    answer = served(policy).chat.completions.create(model="m", messages=HELLO, tools=[TOOL], parallel_tool_calls=False)
    assert [c.id for c in answer.choices[0].message.tool_calls] == ["call_0"]
    assert policy.written < 70


def test_a_response_has_items_for_thought_text_and_calls(served):
    step = CALLS.model_copy(update={"text": "so"})
    answer = served(free(Slow(step))).responses.create(model="m", input="hello", instructions="be brief", tools=[FLAT])
    assert [item.type for item in answer.output] == ["reasoning", "message", "function_call", "function_call"]
    assert (answer.output_text, answer.status, answer.usage.total_tokens) == ("so", "completed", 12)
    assert json.loads(answer.output[3].arguments) == {"stars": 4, "area": "b"}


def test_a_response_streams_events_whose_last_holds_what_they_add_up_to(served):
    step = CALLS.model_copy(update={"text": "so"})
    events = list(served(free(Slow(step))).responses.create(model="m", input="hello", tools=[FLAT], stream=True))
    final = events[-1].response
    said = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    asked = "".join(
        e.delta for e in events if e.type == "response.function_call_arguments.delta" and e.output_index == 3
    )
    assert (events[0].type, events[-1].type, said) == ("response.created", "response.completed", final.output_text)
    assert json.loads(asked) == json.loads(final.output[3].arguments)
    assert [e.sequence_number for e in events] == list(range(len(events)))


class Heard(Scripted):
    """Keeps the conversation it answered."""

    def __call__(self, conversation):
        self.heard = conversation
        return super().__call__(conversation)


def test_items_of_a_response_come_back_as_the_step_they_were(served):
    policy = Heard([CALLS, Assistant(text="done")], name="m")
    client = served(policy)
    first = client.responses.create(model="m", input="hello", tools=[FLAT])
    calls = [item for item in first.output if item.type == "function_call"]
    results = [{"type": "function_call_output", "call_id": c.call_id, "output": c.call_id} for c in reversed(calls)]
    client.responses.create(model="m", input=[*HELLO, *first.output, *results], tools=[FLAT])
    assert policy.heard.messages[1].model_copy(update={"calls": ()}) == Assistant(thought="two places")
    assert [c.arguments for c in policy.heard.messages[1].calls] == [c.arguments for c in CALLS.calls]
    assert [m.content for m in policy.heard.messages[2:]] == ["call_0", "call_1"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"previous_response_id": "resp_1"}, "nothing is stored"),
        ({"tools": [{"type": "web_search"}]}, "only functions"),
        ({"text": {"format": {"type": "json_object"}}}, "only plain text"),
        ({"input": [{"type": "image"}]}, "'image' are not read"),
        ({"input": []}, "`input`"),
    ],
)
def test_a_response_that_cannot_be_given_is_refused_with_the_reason(served, options, words):
    with pytest.raises(openai.BadRequestError, match=words):
        served(Scripted([], name="m")).responses.create(**{"model": "m", "input": "hello", **options})


def test_a_picture_is_refused_and_not_overlooked(served):
    parts = [{"type": "image_url", "image_url": {"url": "data:,"}}]
    with pytest.raises(openai.BadRequestError, match="only text"):
        served(Scripted([], name="m")).chat.completions.create(model="m", messages=[{"role": "user", "content": parts}])


class Breaks:
    """Says a word and fails."""

    name = "m"

    def __call__(self, conversation):
        raise ZeroDivisionError

    def stream(self, conversation):
        yield "text", "so "
        raise ZeroDivisionError("secret")


def test_a_stream_that_breaks_says_so_to_the_client_without_details(served):
    client = served(Breaks())
    with pytest.raises(openai.APIError, match="its log says why"):
        list(client.chat.completions.create(model="m", messages=HELLO, stream=True))
    last = list(client.responses.create(model="m", input="x", stream=True))[-1]
    assert (last.type, last.code, "secret" in last.message) == ("error", "internal_error", False)


def test_keys_and_models_are_the_clients_own_errors(served):
    client = served(Scripted([], name="m"), api_key="another")
    with pytest.raises(openai.AuthenticationError):
        client.models.list()
    with pytest.raises(openai.NotFoundError):
        served(Scripted([], name="m")).chat.completions.create(model="gpt", messages=HELLO)
    assert [m.id for m in served(Scripted([], name="m")).models.list()] == ["m"]
