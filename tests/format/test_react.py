"""ReAct text on examples: what models get wrong is Garbled with a reason, and numbers no JSON has never get in."""

import pytest

from calm.conversation import Assistant, Call, Conversation, Garbled, System, Tool, User
from calm.errors import FormatError
from calm.format import react
from calm.format.react import CHATML, LLAMA3


def test_a_whole_step_is_thought_text_and_parallel_calls():
    blocks = "\n".join(f'<tool_call>\n{{"name": "{name}", "arguments": {{}}}}\n</tool_call>' for name in "fg")
    text = f"<think>\nhm\n</think>\nOne moment.\n{blocks}"
    calls = (Call(name="f", arguments={}), Call(name="g", arguments={}, id="call_1"))
    assert react.parse_step(text) == Assistant(thought="hm", text="One moment.", calls=calls)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<think>hm", "not closed"),
        ("<tool_call>{}", "not closed"),
        ("<tool_call>{}</tool_call>", "KeyError"),
        ("<tool_call>[]</tool_call>", "TypeError"),
        ('<tool_call>{"name": "f", "arguments": []}</tool_call>', "arguments"),
        ('<tool_call>{"name": "f", "arguments": {"a": NaN}}</tool_call>', "finite"),
        ('<tool_call>{"name": "f", "arguments": {"a": 1e999}}</tool_call>', "finite"),
        ('<tool_call>{"name": "f", "arguments": {}}</tool_call> done', "after it"),
        ("yes</think>", "where none may"),
        ('<tool_call>{"name": "f", "arguments": ' + "[" * 99_999 + "</tool_call>", "Recursion"),
        ('<tool_call>{"name": "f", "arguments": {"a": ' + "[" * 400 + "]" * 400 + "}}</tool_call>", "arguments"),
        ('<tool_call>{"name": "f", "arguments": {"a": ' + "9" * 5000 + "}}</tool_call>", "digits"),
    ],
    ids=range(12),
)
def test_what_is_no_step_is_garbled_and_says_why(text, why):
    step = react.parse_step(text)
    assert isinstance(step, Garbled)
    assert step.raw == text
    assert why in step.why


def test_a_garbled_step_says_the_same_when_it_is_read_again():
    step = react.parse_step('<tool_call>{"name": "<|im_end|>", oops}</tool_call>')
    again = react.parse(react.text(Conversation(messages=(step,)))).messages[0]
    assert again == step


def test_tools_without_instructions_and_with_empty_ones_differ():
    bare = Conversation(tools=(Tool(name="f"),), messages=(User(content="q"),))
    for conversation in (bare, bare.model_copy(update={"messages": (System(content=""), *bare.messages)})):
        assert react.parse(react.text(conversation)) == conversation


@pytest.mark.parametrize("markers", [CHATML, LLAMA3], ids=["chatml", "llama3"])
def test_text_that_is_no_conversation_names_the_character(markers):
    good = react.text(Conversation(messages=(User(content="q"),)), markers)
    with pytest.raises(FormatError, match=f"character {len(good)}"):
        react.parse(good + "more", markers)
    with pytest.raises(FormatError, match="unknown role 'wizard'"):
        react.parse(good.replace("user", "wizard"), markers)
