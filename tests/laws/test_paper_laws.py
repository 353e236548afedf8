"""CoALM-IT rows: what is read is what `carried` says, and what was read writes the same row."""

import pytest
from hypothesis import given, settings

from calm.format import paper
from calm.format.paper_blocks import escape, guard, unescape, unguard
from tests.laws.strategies import actions, conversations, replies, same, texts

few = settings(max_examples=50, deadline=None)
PARTS = ("cra", "snips", "hammer", "toolace")


@pytest.mark.parametrize("part", PARTS)
@few
@given(conversation=conversations(actions | replies))
def test_a_row_is_read_as_what_it_carries(part, conversation):
    for place, row in zip(paper.places(conversation, part), paper.rows(conversation, part), strict=True):
        assert same(paper.read_row(row), paper.carried(conversation.upto(place + 1), part))


@pytest.mark.parametrize("part", PARTS)
@few
@given(conversation=conversations(actions | replies))
def test_what_was_read_writes_the_same_row(part, conversation):
    for row in paper.rows(conversation, part):
        assert paper.part_of(row) == part
        assert paper.rows(paper.read_row(row), part)[-1] == row


@few
@given(text=texts)
def test_escapes_of_labels_and_blocks_come_back(text):
    assert unescape(escape(text)) == text
    assert unguard(guard(text)) == text
    assert "[BEGIN OF" not in guard(text)
    assert not any(line.startswith(("User: ", "Action: ", "System: ")) for line in escape(text).split("\n"))
