"""Paraphrase: words change, calls and values do not; what a model gets wrong stays as it was and is counted."""

import json
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.conversation import Assistant, Call, Conversation, Observation, Tool, User
from calm.data import Reject
from calm.data.paraphrase import Paraphrase, fault, locked, paraphrased
from calm.errors import HubError, RecipeError
from calm.recipe import check
from tests.answering import Reply, answering

ASKED = "Please book a table for 4 at Harbour House on Friday."
ROW: Any = Conversation(
    id="row-1",
    tools=(Tool(name="book"),),
    messages=(
        User(content=ASKED),
        Assistant(thought="Book it.", calls=(Call(name="book", arguments={"place": "harbour house", "people": 4}),)),
        Observation(content='{"reference": "QX7", "time": "19:30"}', name="book"),
        Assistant(thought="Done.", text="Your table is booked for 19:30, the reference is QX7. Anything else?"),
    ),
    state=({"place": "harbour house", "day": "Friday"},),
)


@contextmanager
def rewording(change):
    """A chat server that answers turns with `change(turn)` (None: refuses); its address and the turns it was asked."""
    asked = []

    def reply(request):
        turn = json.loads(request.body)["messages"][-1]["content"].partition("Turn: ")[2]
        asked.append(turn)
        message = {"role": "assistant", "content": change and change(turn)}
        return Reply(200 if change else 404, {}, json.dumps({"choices": [{"message": message}]}).encode())

    with answering(reply) as (url, _):
        yield f"openai:m@{url}", asked


def run(items, recipe) -> list[Any]:
    return list(paraphrased(items, recipe))


def kindly(turn):
    return f"Kindly note: {turn}"


def texts(conversation):
    return [conversation.messages[0].content, conversation.messages[-1].text]


def test_words_change_and_nothing_else_does(tmp_path):
    with rewording(kindly) as (model, _):
        (row,) = run([ROW], Paraphrase(model=model, cache=tmp_path))
    assert texts(row) == [kindly(text) for text in texts(ROW)]
    assert row.messages[1:3] == ROW.messages[1:3]
    assert (row.id, row.tools, row.state, row.messages[-1].thought) == ("row-1", ROW.tools, ROW.state, "Done.")
    assert row.meta == {"paraphrase": {"reworded": 2}}


def test_a_turn_that_loses_a_value_stays_and_is_counted(tmp_path):
    with rewording(lambda turn: kindly(turn).replace("Harbour House", "the harbour")) as (model, _):
        (row,) = run([ROW], Paraphrase(model=model, cache=tmp_path))
    assert texts(row) == [ASKED, kindly(texts(ROW)[1])]
    assert row.meta["paraphrase"] == {"kept: value lost": 1, "reworded": 1}


def test_a_model_that_does_not_answer_in_words_changes_nothing(tmp_path):
    with rewording(lambda turn: None) as (model, _):
        (row,) = run([ROW], Paraphrase(model=model, cache=tmp_path))
    assert texts(row) == texts(ROW)
    assert sum(row.meta["paraphrase"].values()) == 2
    assert "reworded" not in row.meta["paraphrase"]


def test_a_second_run_asks_nothing_and_gives_the_same_rows(tmp_path):
    rows = [ROW.model_copy(update={"id": f"row-{n}"}) for n in range(5)]
    with rewording(kindly) as (model, asked):
        recipe = Paraphrase(model=model, cache=tmp_path, threads=1)
        first = run(rows, recipe)
        assert len(asked) == 2
    assert run(rows, recipe) == first  # the server is gone


def test_order_is_kept_with_many_threads_and_rejects_pass(tmp_path):
    turns = [Conversation(id=str(n), messages=(User(content=f"Turn {n}, the words of it."),)) for n in range(40)]
    reject = Reject(id="r", origin="o", reason="old")
    with rewording(kindly) as (model, _):
        found = list(
            paraphrased([*turns[:20], reject, *turns[20:]], Paraphrase(model=model, cache=tmp_path, threads=8))
        )
    assert [item.id for item in found] == [*(str(n) for n in range(20)), "r", *(str(n) for n in range(20, 40))]
    assert found[20] is reject


def test_a_share_takes_the_same_rows_whatever_their_order(tmp_path):
    rows = [ROW.model_copy(update={"id": f"row-{n}"}) for n in range(40)]
    with rewording(kindly) as (model, _):
        recipe = Paraphrase(model=model, cache=tmp_path, share=0.5, replies=False)
        chosen, again = ({r.id for r in run(order, recipe) if r.meta} for order in (rows, rows[::-1]))
    assert chosen == again
    assert 8 < len(chosen) < 32


def test_a_server_that_refuses_is_told_and_no_turn_is_taken_as_answered(tmp_path):
    with rewording(None) as (model, _), pytest.raises(HubError, match="no model 'm' there"):
        run([ROW], Paraphrase(model=model, cache=tmp_path))
    assert list(tmp_path.rglob("*.json")) == []


def test_a_model_of_another_shape_is_a_recipe_error():
    with pytest.raises(RecipeError, match="model"):
        check(Paraphrase, {"model": "gpt-x"}, "r.yaml")


def test_locked_are_the_values_a_turn_says_as_it_spells_them():
    assert locked(ROW, ASKED) == ["Harbour House", "Friday"]
    assert locked(ROW, texts(ROW)[1]) == ["19:30", "QX7"]
    assert locked(ROW, "Fridays at the harbour houses") == []


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("  ", "empty"),
        (ASKED, "unchanged"),
        ("Please book a table for 4 at the house on Friday.", "value lost"),
        ("Please book a table for four at Harbour House on Friday.", "number changed"),
        ("<tool_call> a table for 4 at Harbour House on Friday.", "marker"),
        ("Assistant: a table for 4 at Harbour House on Friday.", "marker"),
        ("Harbour House, Friday, 4. " * 1 + "And so on " * 20, "length"),
        ("A table for 4, please.\nHarbour House, on Friday.", "line break"),
        ("A table for 4 at Harbour House on Friday, please.", None),
    ],
)
def test_each_fault_has_its_name(said, reason):
    assert fault(ASKED, said, ["Harbour House", "Friday"]) == reason


def test_a_question_stays_one():
    assert fault("Which day is it for?", "Tell me the day it is for.", []) == "question lost"
    assert fault("Which day is it for?", "For which day is it?", []) is None


@given(st.text(), st.text(), st.lists(st.text(min_size=1), max_size=3))
def test_what_is_accepted_holds_every_value(original, said, values):
    if fault(original, said, values) is None:
        assert all(value in said for value in values)
        assert said.strip()
