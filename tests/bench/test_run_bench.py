"""Running and judging: resume, refusal to mix, errors that count, files that can be judged again."""

import json

import pytest

from calm.bench.grade import grade_file
from calm.bench.judge import bounds, grade_transcripts, judge
from calm.bench.run import Plan, run, sample
from calm.bench.toy import Toy
from calm.conversation import Garbled, read
from calm.errors import DataError, ModelError, StorageError, UsageError
from calm.policy.scripted import Gold, Silent

TOY = Toy()
TASKS = list(TOY.tasks())


class Knowing:
    """Replays the gold transcript of whichever toy task it is asked."""

    name = "knowing"

    def __call__(self, conversation):
        return Gold(TOY.gold(next(t for t in TASKS if t.id == conversation.id)))(conversation)


class Failing:
    """Knows the answers, but its model breaks on some tasks."""

    name = "knowing"

    def __init__(self, *broken):
        self.broken = broken

    def __call__(self, conversation):
        if not self.broken or conversation.id in self.broken:
            raise ModelError("no answer: the context is full")
        return Knowing()(conversation)


def test_a_run_leaves_one_transcript_a_task_and_scores_with_bounds(tmp_path):
    assert run(TOY, Knowing(), tmp_path) == (24, 0, 24, 0, False)
    scores = judge(TOY, tmp_path)
    assert [scores[key]["all"]["valid"] for key in ("ceiling", "floor")] == [24, 4]
    assert (scores["all"]["valid"], scores["policy"], scores["tasks"]["judged"]) == (24, "knowing", 24)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "manifest.json", "scores.json", "transcripts.jsonl", "verdicts.jsonl"
    ]  # fmt: skip


def test_a_run_resumes_where_a_kill_left_it_and_says_what_it_dropped(tmp_path):
    run(TOY, Knowing(), tmp_path / "whole")
    run(TOY, Knowing(), tmp_path / "cut", Plan(limit=9))
    path = tmp_path / "cut" / "transcripts.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    assert run(TOY, Knowing(), tmp_path / "cut") == (24, 8, 16, 0, True)
    judge(TOY, tmp_path / "whole"), judge(TOY, tmp_path / "cut")
    left, right = (json.loads((tmp_path / name / "scores.json").read_text()) for name in ("whole", "cut"))
    assert left == right


def test_a_last_row_that_lacks_only_its_line_break_is_kept(tmp_path):
    run(TOY, Knowing(), tmp_path, Plan(limit=4))
    path = tmp_path / "transcripts.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    assert run(TOY, Knowing(), tmp_path, Plan(limit=5)) == (5, 4, 1, 0, False)
    assert judge(TOY, tmp_path)["all"]["valid"] == 5


@pytest.mark.parametrize("plan", [Plan(sample_seed=1), Plan(model={"max_tokens": 9}), Plan(limits={"steps": 3})])
def test_a_folder_holds_one_run_only(tmp_path, plan):
    run(TOY, Silent(), tmp_path, Plan(limit=2))
    before = (tmp_path / "transcripts.jsonl").read_bytes()
    with pytest.raises(UsageError, match="choose another folder"):
        run(TOY, Silent(), tmp_path, plan)
    with pytest.raises(UsageError, match=r"policy silent.*not of.*policy knowing"):
        run(TOY, Knowing(), tmp_path)
    assert (tmp_path / "transcripts.jsonl").read_bytes() == before


def test_an_error_of_the_policy_counts_as_failed_and_is_tried_again_on_resume(tmp_path):
    assert run(TOY, Failing("simple_1", "choice_0"), tmp_path).errors == 2
    scores = judge(TOY, tmp_path)
    assert (scores["all"]["n"], scores["all"]["valid"], scores["errors"]) == (24, 22, {"error": 2})
    assert run(TOY, Failing("simple_1"), tmp_path) == (24, 22, 2, 1, False)
    assert judge(TOY, tmp_path)["all"]["valid"] == 23
    assert sum("error" in t.meta for t in read(tmp_path / "transcripts.jsonl")) == 3


def test_a_model_that_is_not_there_at_all_ends_the_run(tmp_path):
    with pytest.raises(ModelError, match="context is full"):
        run(TOY, Failing(), tmp_path)
    assert len(list(read(tmp_path / "transcripts.jsonl"))) == 5


def test_progress_is_told_after_each_task(tmp_path):
    heard = []
    run(TOY, Silent(), tmp_path, Plan(limit=3), lambda done, total, transcript: heard.append((done, total)))
    run(TOY, Silent(), tmp_path, Plan(limit=4), lambda done, total, transcript: heard.append((done, total)))
    assert heard == [(1, 3), (2, 3), (3, 3), (4, 4)]


def test_samples_nest_are_stratified_and_keep_the_order():
    for limit in range(1, 24):
        picked = sample(TASKS, limit)
        assert len(picked) == limit
        assert {t.id for t in picked} <= {t.id for t in sample(TASKS, limit + 1)}
    five = sample(TASKS, 5)
    assert [t.category for t in five] == ["simple", "choice", "parallel", "irrelevance", "two_turn"]
    assert {t.id for t in sample(TASKS[::-1], 5)} == {t.id for t in five} != {t.id for t in sample(TASKS, 5, seed=1)}


def test_verdicts_depend_neither_on_order_nor_on_repetition(tmp_path):
    run(TOY, Failing("simple_1"), tmp_path)
    transcripts = list(read(tmp_path / "transcripts.jsonl"))
    verdicts = grade_transcripts(TOY, transcripts)
    assert grade_transcripts(TOY, transcripts) == verdicts
    assert grade_transcripts(TOY, transcripts[::-1]) == verdicts[::-1]


def test_garbled_output_survives_the_file_and_is_counted(tmp_path):
    class Mumbling:
        name = "mumbling"

        def __call__(self, conversation):
            return Garbled(raw="<tool_call>\ud800", why="not closed")

    run(TOY, Mumbling(), tmp_path, Plan(limit=5))
    assert judge(TOY, tmp_path)["errors"] == {"garbled": 5}


def test_grade_reads_our_own_transcripts(tmp_path):
    run(TOY, Knowing(), tmp_path, Plan(limit=5))
    judge(TOY, tmp_path)
    rows = list(grade_file("toy", tmp_path / "transcripts.jsonl"))
    assert rows == [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]


def test_unknown_names_are_answered_with_the_known_ones(tmp_path):
    with pytest.raises(UsageError, match=r"no benchmark 'bfc'.*toy, bfcl"):
        grade_file("bfc", tmp_path)
    with pytest.raises(UsageError, match=r"no protocol 'v5'.*there are: toy"):
        grade_file("toy", tmp_path, "v5")


def test_judging_refuses_an_empty_folder_and_strange_transcripts(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        judge(TOY, tmp_path)
    (tmp_path / "transcripts.jsonl").write_text('{"id": "x", "messages": []}\n')
    with pytest.raises(UsageError, match="mixes 1 runs"):
        judge(TOY, tmp_path)


def test_bounds_are_taken_on_the_tasks_that_were_judged(tmp_path):
    run(TOY, Silent(), tmp_path, Plan(limit=5))
    assert judge(TOY, tmp_path)["floor"]["all"] == bounds(TOY, sample(TASKS, 5))["floor"]["all"]


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        run(TOY, Silent(), tmp_path / "file" / "run", Plan(limit=1))


def test_categories_can_be_run_one_after_the_other_into_the_same_folder(tmp_path):
    first, *others = dict.fromkeys(task.category for task in TASKS)
    run(TOY, Silent(), tmp_path, Plan(only=(first,)))
    assert {t.meta["category"] for t in read(tmp_path / "transcripts.jsonl")} == {first}
    assert run(TOY, Silent(), tmp_path, Plan(only=(f"{others[0][:-1]}*",), limit=2)).new == 2
    assert set(judge(TOY, tmp_path)["categories"]) == {first, others[0]}
    with pytest.raises(UsageError, match=r"no category 'live_\*'; there are: "):
        run(TOY, Silent(), tmp_path, Plan(only=("live_*",)))
