"""ReAct text and its reading are inverse, whatever is said; a text only ever grows as the conversation does."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calm.conversation import Garbled
from calm.errors import FormatError
from calm.format import react, text_of
from calm.format.react import CHATML, LLAMA3
from tests.laws.strategies import conversations, garbled, same, steps, texts

both = pytest.mark.parametrize("markers", [CHATML, LLAMA3], ids=["chatml", "llama3"])
few = settings(max_examples=80, deadline=None)


@both
@few
@given(conversation=conversations())
def test_parsing_undoes_rendering(markers, conversation):
    assert same(react.parse(react.text(conversation, markers), markers), conversation.renumbered())


@few
@given(text=texts)
def test_unescape_undoes_escape_and_no_tag_survives_it(text):
    escaped = react.escape(text)
    assert react.unescape(escaped) == text
    assert not any(tag in escaped for tag in (*react.TAGS, "<|", "<tools>", "</tools>"))


@both
@few
@given(conversation=conversations())
def test_text_grows_by_whole_messages_and_each_prompt_is_a_prefix(markers, conversation):
    whole = react.text(conversation, markers)
    for count in range(1, len(conversation.messages) + 1):
        assert whole.startswith(react.text(conversation.upto(count), markers))
    for place in conversation.steps:
        assert whole.startswith(text_of(react.prompt(conversation.upto(place), markers)))


@few
@given(step=steps | garbled)
def test_a_step_read_alone_is_the_step(step):
    again = react.parse_step(text_of(react.step_spans(step)))
    if not isinstance(step, Garbled):
        step = step.model_copy(
            update={"calls": tuple(c.model_copy(update={"id": f"call_{i}"}) for i, c in enumerate(step.calls))}
        )
    assert again == step


@few
@given(raw=st.lists(texts | st.sampled_from(react.TAGS), max_size=6).map("".join))
def test_what_a_model_wrote_is_kept_as_it_was_read(raw):
    once = react.parse_step(raw)
    again = react.parse_step(text_of(react.step_spans(once)))
    assert again == once


@both
@few
@given(data=st.data())
def test_any_text_is_a_conversation_or_one_format_error(markers, data):
    roles = st.sampled_from(["system", "user", "assistant", "tool", "wizard"])
    block = react.TOOLS_HEAD + '{"name": "f"}' + react.TOOLS_TAIL
    turn = st.builds(
        "".join, st.tuples(roles.map(lambda r: markers.open + r + markers.mid + markers.gap), texts | st.just(block))
    )
    text = "".join(data.draw(st.lists(turn.map(lambda t: t + markers.close + markers.after) | texts, max_size=4)))
    with contextlib.suppress(FormatError):
        again = react.parse(text, markers)
        assert react.parse(react.text(again, markers), markers) == again
