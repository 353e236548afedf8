"""Disk, wire and call texts: every reader undoes its writer."""

from hypothesis import given, settings
from hypothesis import strategies as st

from calm.conversation import from_row, to_row
from calm.files import dumps
from calm.format import calls as call_text
from calm.format import openai
from tests.laws.strategies import calls, conversations, garbled, keys, names, same, steps, stored

few = settings(max_examples=80, deadline=None)


def _counted(listed):
    return tuple(call.model_copy(update={"id": f"call_{place}"}) for place, call in enumerate(listed))


@few
@given(conversation=stored())
def test_a_row_on_disk_loses_nothing(conversation):
    assert same(from_row(to_row(conversation)), conversation)


@few
@given(conversation=conversations())
def test_a_request_keeps_messages_and_tools(conversation):
    assert same(openai.read_request(openai.request(conversation, "m", temperature=0)), conversation)


@few
@given(step=steps | garbled)
def test_a_response_is_the_step(step):
    assert openai.read_response(openai.response(step, "m")) == step


@few
@given(listed=st.lists(calls, max_size=3))
def test_python_calls_come_back(listed):
    text = call_text.render_python(listed)
    assert "\n" not in text
    assert dumps([c.model_dump() for c in call_text.parse_python(text)]) == dumps(
        [c.model_dump() for c in _counted(listed)]
    )


@few
@given(listed=st.lists(calls, max_size=3))
def test_json_calls_come_back(listed):
    assert call_text.parse_json(call_text.render_json(listed)) == _counted(listed)


@few
@given(name=names, listed=st.lists(keys, max_size=3))
def test_signatures_come_back(name, listed):
    assert call_text.parse_signature(call_text.signature(name, listed)) == (name, tuple(listed))
