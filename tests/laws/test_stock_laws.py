"""Stock transformers renders our template as we do and reads answers by our response template (slow to import)."""

import pytest
from hypothesis import given, settings

from calm.conversation import Assistant, Conversation, User, message_to_wire, tool_to_wire
from calm.format import react, text_of
from calm.format.react import CHATML, LLAMA3
from calm.format.template import chat_template, response_template
from tests.laws.strategies import conversations, steps

both = pytest.mark.parametrize("markers", [CHATML, LLAMA3], ids=["chatml", "llama3"])
few = settings(max_examples=50, deadline=None)
stock = pytest.importorskip("transformers.utils.chat_template_utils")
parsing = pytest.importorskip("transformers.utils.chat_parsing", reason="transformers < 5.13")


@both
@few
@given(conversation=conversations())
def test_stock_transformers_renders_react_text(markers, conversation):
    (text,), _ = stock.render_jinja_template(
        [[message_to_wire(message) for message in conversation.messages]],
        tools=[tool_to_wire(tool) for tool in conversation.tools] or None,
        chat_template=chat_template(markers),
    )
    assert text == react.text(conversation, markers)


def _stock(step: Assistant) -> dict:
    """What transformers says of a step: texts trimmed and still escaped, empty ones left out."""
    calls = [{"type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in step.calls]
    said = {"thinking": react.escape(step.thought or "").strip(), "content": react.escape(step.text or "").strip()}
    return {key: value for key, value in {**said, "tool_calls": calls}.items() if value}


@both
@few
@given(step=steps)
def test_stock_transformers_reads_a_step_by_our_response_template(markers, step):
    prompt = text_of(react.prompt(Conversation(messages=(User(content="hi"),)), markers))
    answer = text_of(react.step_spans(step)) + markers.close
    assert parsing.parse_response(answer, response_template(markers), prefix=prompt) == _stock(step)
