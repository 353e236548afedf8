"""The toy benchmark: its ceiling, its floor, and that each way of being wrong is seen."""

import json

import pytest

from calm.agent import converse
from calm.bench.grade import grade_file
from calm.bench.judge import bounds, replay
from calm.bench.toy import Toy
from calm.bench.toy.tasks import turns_of
from calm.bench.toy.world import TOOLS, act
from calm.conversation import Assistant, Call, Conversation, Garbled
from calm.errors import DataError
from calm.policy.scripted import Scripted

TOY = Toy()
TASKS = {task.id: task for task in TOY.tasks()}


def play(name, *steps):
    task = TASKS[name]
    return TOY.grade(task, converse(Scripted(steps), TOY.world(task), task.start))


def call(name, **arguments):
    return Assistant(calls=(Call(name=name, arguments=arguments),))


def test_gold_scores_everything_and_silence_the_four_irrelevant_tasks():
    both = bounds(TOY, list(TASKS.values()))
    assert (len(TASKS), both["ceiling"]["all"]["valid"], both["floor"]["all"]["valid"]) == (24, 24, 4)
    assert both["floor"]["categories"]["irrelevance"]["share"] == 1.0


def test_ids_are_unique_and_tasks_are_the_same_every_time():
    assert list(TOY.tasks()) == list(TASKS.values())
    assert len({task.id for task in TOY.tasks()}) == 24


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ([call("set_alarm", hour=7, minute=30)], None),
        ([call("set_alarm", hour=7, minute=3)], "wrong_call"),
        ([call("set_alarm", hour=7, minute=30)] * 2, "wrong_count"),
        ([Assistant(text="Done.")], "wrong_count"),
        ([Garbled(raw="<tool_call>", why="cut")], "garbled"),
    ],
)
def test_each_way_of_being_wrong_has_its_name(steps, error):
    assert play("simple_0", *steps).error_type == error


def test_parallel_calls_count_in_any_order():
    right = turns_of(TASKS["parallel_0"])[0]["calls"]
    flipped = Assistant(calls=tuple(Call(id=f"call_{i}", **made) for i, made in enumerate(right[::-1])))
    assert play("parallel_0", flipped).valid


def test_the_second_turn_needs_what_the_first_one_observed():
    asked = call("opening_hour", place="museum", day="Saturday")
    done = Assistant(text="At ten.")
    assert play("two_turn_0", asked, done, call("set_alarm", hour=10, minute=0)).valid
    assert play("two_turn_0", asked, done, call("set_alarm", hour=9, minute=0)).error_type == "wrong_call"
    assert not play("two_turn_0", asked, done).valid


def test_every_gold_call_is_answered_by_its_tool():
    said = [m.content for task in TASKS.values() for m in TOY.gold(task).messages if m.role == "tool"]
    assert len(said) == 29
    assert not any("error" in json.loads(content) for content in said)


@pytest.mark.parametrize("arguments", [{}, {"miles": "x"}, {"miles": None}, {"km": 1}, {"miles": [1]}])
def test_a_tool_answers_nonsense_with_an_error(arguments):
    assert "error" in json.loads(act(Call(name="kilometres", arguments=arguments)))
    assert "error" in json.loads(act(Call(name="no_such_tool", arguments=arguments)))


def test_a_task_offers_the_tools_it_needs():
    for task in TASKS.values():
        wanted = {c["name"] for turn in turns_of(task) for c in turn["calls"]}
        assert wanted <= {tool.name for tool in task.start.tools} <= {tool.name for tool in TOOLS}


def test_predictions_are_played_and_graded_in_their_order(tmp_path):
    path = tmp_path / "predictions.jsonl"
    right = '<tool_call>\n{"name": "multiply", "arguments": {"a": 17, "b": 23}}\n</tool_call>'
    rows = [{"id": "simple_4", "outputs": [right]}, {"id": "irrelevance_0", "outputs": [right]}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [row["valid"] for row in grade_file("toy", path)] == [True, False]


def test_a_prediction_for_no_task_names_its_row(tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_text('{"id": "simple_99", "outputs": []}\n')
    with pytest.raises(DataError, match="row 1: needs a known `id`"):
        list(grade_file("toy", path))


def test_grading_is_the_same_in_any_order_and_any_number_of_times():
    tasks = list(TASKS.values())
    right = {v.id: v for v in replay(TOY, tasks, lambda task: Scripted(()))}
    assert {v.id: v for v in replay(TOY, tasks[::-1], lambda task: Scripted(()))} == right
    assert isinstance(TOY.gold(tasks[0]), Conversation)


def test_a_transcript_that_is_no_conversation_is_named_by_file_and_row(tmp_path):
    row = '{"messages": [{"role": "user", "content": "hi"}], "meta": {"run": {}, "a": NaN}}'
    (tmp_path / "rows.jsonl").write_text(row + "\n")
    with pytest.raises(DataError, match=r"rows\.jsonl: row 1: .*meta\.a"):
        list(grade_file("toy", tmp_path / "rows.jsonl"))
