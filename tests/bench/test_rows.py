"""Held-out rows of a dataset as a benchmark: what is due at each step, and what counts as right."""

import re

import pytest

from calm.bench import named
from calm.bench.figures import figures
from calm.bench.judge import judge
from calm.bench.rows import Rows
from calm.bench.run import run
from calm.conversation import Assistant, Call, Conversation, Garbled, Observation, Tool, User, write
from calm.errors import CalmError
from calm.policy.scripted import Scripted

ROOM, TAXI = Call(name="room", arguments={"day": "Monday"}), Call(name="taxi", arguments={"to": "home"}, id="call_1")
TOOLS = (Tool(name="room"), Tool(name="taxi"))
ROW = Conversation(
    id="a",
    tools=TOOLS,
    messages=(
        User(content="Hello"),
        Assistant(text="What may it be?"),
        User(content="A room on Monday and a taxi home, then another room"),
        Assistant(thought="Two.", calls=(ROOM, TAXI)),
        Observation(content="{}", name="room"),
        Observation(content="{}", call="call_1", name="taxi"),
        Assistant(calls=(ROOM,)),
        Observation(content="{}", name="room"),
        Assistant(text="All is booked."),
    ),
    state=({}, {"day": "Monday"}),
)


@pytest.fixture
def rows(tmp_path) -> Rows:
    (tmp_path / "mine").mkdir()
    write(tmp_path / "mine" / "held_out.jsonl", [ROW])
    return Rows(tmp_path / "mine")


def test_every_step_is_a_task_and_sees_only_what_came_before_it(rows):
    tasks = list(rows.tasks())
    assert [task.category for task in tasks] == ["text", "calls", "call", "answer"]
    assert [len(task.start.messages) for task in tasks] == [1, 3, 6, 8]
    assert [task.start.state for task in tasks] == [({},), *[ROW.state] * 3]
    assert all(rows.grade(task, rows.gold(task)).valid for task in tasks)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (Assistant(calls=(TAXI, ROOM)), None),
        (Assistant(text="Gladly."), "no_call"),
        (Assistant(calls=(ROOM,)), "wrong_count"),
        (Assistant(calls=(ROOM, ROOM)), "wrong_tool"),
        (Assistant(calls=(ROOM, TAXI.model_copy(update={"arguments": {"to": "work"}}))), "wrong_argument"),
        (Garbled(raw="{", why="cut"), "garbled"),
    ],
)
def test_calls_are_right_when_equal_in_any_order(rows, said, error):
    task = next(task for task in rows.tasks() if task.category == "calls")
    verdict = rows.grade(task, task.start.add(said))
    assert (verdict.error_type, verdict.scores["tool"]) == (error, float(error in (None, "wrong_argument")))


def test_a_call_where_the_row_has_a_text_is_wrong(rows):
    answer = list(rows.tasks())[-1]
    assert rows.grade(answer, answer.start.add(Assistant(calls=(ROOM,)))).error_type == "call_not_due"
    assert rows.grade(answer, answer.start.add(Assistant(text="Done."))).valid


def test_a_run_on_rows_is_judged_by_category(rows, tmp_path):
    run(rows, Scripted([Assistant(text="Hm.")] * 4, name="mute"), tmp_path / "run")
    scores = judge(rows, tmp_path / "run")
    assert (scores["name"], scores["summary"]["mean"], scores["summary"]["tool"]) == ("rows-mine", 0.5, 0.0)
    assert scores["ceiling"]["summary"]["mean"] == 1.0
    verdicts = [rows.grade(task, task.start.add(Assistant(text="Hm."))) for task in rows.tasks()]
    (mean,) = figures(rows, scores, verdicts, ()).items()
    assert (mean[0], mean[1].value, mean[1].n) == ("mean", 50.0, 4)


def test_a_dataset_is_named_by_its_path_and_what_cannot_be_judged_is_refused(rows, tmp_path):
    assert named(str(rows.path)).version == rows.version
    (tmp_path / "none").mkdir()
    write(tmp_path / "said.jsonl", [Conversation(messages=(User(content="Hi"),))])
    for name, words in (("none", "held_out.parquet nor"), ("said.jsonl", "no step to judge"), ("lost", "no benchmark")):
        with pytest.raises(CalmError, match=re.escape(words)):
            named(str(tmp_path / name))
