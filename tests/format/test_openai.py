"""The wire: what clients really send is understood, what nobody can read is refused or Garbled, never a traceback."""

import pytest

from calm.conversation import Assistant, Call, Conversation, Garbled, Observation, User
from calm.errors import FormatError
from calm.format import openai

CALLS = [
    {"id": name, "type": "function", "function": {"name": "look", "arguments": '{"at": "' + name + '"}'}}
    for name in "ab"
]


def test_a_request_without_tools_has_no_key_for_them():
    body = openai.request(Conversation(messages=(User(content="hi"),)), "m", temperature=0)
    assert body == {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}


def test_results_of_parallel_calls_may_come_in_any_order():
    answers = [{"role": "tool", "tool_call_id": name, "content": name} for name in "ba"]
    read = openai.read_request({"messages": [{"role": "assistant", "tool_calls": CALLS}, *answers]})
    assert [m.content for m in read.messages if isinstance(m, Observation)] == ["a", "b"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": "hi"},
        {"messages": ["hi"]},
        {"messages": [{"role": "wizard", "content": ""}]},
        {"messages": [{"role": "user", "content": 5}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]},
        {"messages": [{"role": "assistant", "tool_calls": 5}]},
        {"messages": [{"role": "assistant", "tool_calls": ["f"]}]},
        {
            "messages": [
                {"role": "assistant", "tool_calls": CALLS},
                {"role": "tool", "tool_call_id": "c", "content": ""},
            ]
        },
        {"messages": [], "tools": 5},
        {"messages": [], "tools": ["f"]},
        {"messages": [], "tools": [{"function": "f"}]},
        {"messages": [], "tools": [{"function": {"name": "f(", "parameters": {}}}]},
        {"messages": [], "tools": "{"},
    ],
)
def test_a_request_that_cannot_be_read_is_one_line(body):
    with pytest.raises(FormatError) as caught:
        openai.read_request(body)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("arguments", ["{", "[]", '{"a": NaN}', "[" * 100_000, "1" * 5000, None, 5])
def test_a_call_with_broken_arguments_is_garbled_and_keeps_what_came(arguments):
    message = {"content": None, "tool_calls": [{"id": "x", "function": {"name": "look", "arguments": arguments}}]}
    step = openai.read_response({"choices": [{"message": message}]})
    assert isinstance(step, Garbled)
    assert "look" in step.raw
    assert "\n" not in step.why


def test_no_words_at_all_are_no_arguments():
    calls = [{"id": "x", "function": {"name": "look", "arguments": ""}}]
    said = {"role": "assistant", "content": None, "tool_calls": calls}
    assert openai.read_response({"choices": [{"message": said}]}).calls[0].arguments == {}
    assert openai.read_request({"messages": [said]}).messages[0].calls[0].arguments == {}


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"choices": [{"message": None}]}, {"error": {"message": "no"}}])
def test_what_is_no_completion_is_the_servers_fault(body):
    with pytest.raises(FormatError, match=r"choices\.0\.message"):
        openai.read_response(body)


def test_the_finish_reason_says_whether_calls_wait():
    called = openai.response(Assistant(calls=(Call(name="f", arguments={}),)), "m")
    assert called["choices"][0]["finish_reason"] == "tool_calls"
    assert openai.response(Assistant(text="hi"), "m")["choices"][0]["finish_reason"] == "stop"


def test_every_answer_has_its_own_id_and_its_usage():
    one, two = (openai.response(Assistant(text="hi"), "m", {"total_tokens": 3}) for _ in range(2))
    assert one["id"] != two["id"]
    assert one["usage"] == {"total_tokens": 3}
