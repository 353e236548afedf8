"""Our own chat template says what ReAct text says, in our engine; `test_stock_laws.py` asks transformers."""

from functools import cache

import pytest
from hypothesis import given, settings

from calm.format import react, text_of
from calm.format.chat import ChatTemplate
from calm.format.react import CHATML, LLAMA3, TAGS, Markers
from calm.format.template import chat_template
from tests.laws.strategies import conversations

both = pytest.mark.parametrize("markers", [CHATML, LLAMA3], ids=["chatml", "llama3"])
few = settings(max_examples=50, deadline=None)


@cache
def own(markers: Markers) -> ChatTemplate:
    return ChatTemplate(chat_template(markers), controls=(*(m for m in markers if m.startswith("<")), *TAGS))


@both
@few
@given(conversation=conversations())
def test_our_chat_template_writes_react_text(markers, conversation):
    assert text_of(own(markers).render(conversation)) == react.text(conversation, markers)
    assert own(markers).prompt(conversation) == text_of(react.prompt(conversation, markers))


@both
@few
@given(conversation=conversations())
def test_its_spans_are_learned_and_control_where_those_of_react_are(markers, conversation):
    theirs, ours = own(markers).render(conversation), react.render(conversation, markers)
    for wanted in (lambda s: s.control, lambda s: s.part is not None, lambda s: s.part == "end"):
        assert [c for s in theirs for c in s.text if wanted(s)] == [c for s in ours for c in s.text if wanted(s)]
