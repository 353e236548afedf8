"""Published answers: the model's side alone, judged as the transcripts are."""

import gzip

import pytest

from calm.agent import Limits, converse
from calm.bench import answers, named
from calm.bench.judge import grade_transcripts, judge, transcripts_of
from calm.bench.run import Plan, run, sample
from calm.bench.toy import Toy
from calm.conversation import Assistant, Garbled, User
from calm.errors import DataError
from calm.policy.scripted import Gold, Silent

TOY = Toy()


def test_answers_are_judged_as_the_transcripts_they_were_taken_from(tmp_path):
    run(TOY, Silent(), tmp_path / "run", Plan(limit=9))
    expected = judge(TOY, tmp_path / "run")
    (tmp_path / "published").mkdir()
    answers.write(TOY, transcripts_of(TOY, tmp_path / "run")[1], tmp_path / "published" / answers.ANSWERS)
    assert judge(TOY, tmp_path / "published") == expected
    assert (tmp_path / "run" / "verdicts.jsonl").read_text() == (tmp_path / "published" / "verdicts.jsonl").read_text()


@pytest.mark.parametrize(
    ("name", "protocol"), [("bfcl", None), ("bfcl", "v3-2025-02"), ("api_bank", "hammer"), ("multiwoz", None)]
)
def test_every_kind_of_episode_plays_again_message_for_message(tmp_path, corpora, name, protocol):
    benchmark = named(name, protocol)
    tasks = sample(benchmark.tasks(), 34)
    gold = [benchmark.gold(task).model_copy(update={"id": task.id}) for task in tasks]
    answers.write(benchmark, gold, tmp_path / answers.ANSWERS)
    again = list(answers.read(benchmark, tmp_path / answers.ANSWERS))
    assert grade_transcripts(benchmark, again) == grade_transcripts(benchmark, gold)
    assert "description" not in gzip.decompress((tmp_path / answers.ANSWERS).read_bytes()).decode()


def test_a_transcript_that_its_world_does_not_repeat_is_not_published(tmp_path):
    task = next(iter(TOY.tasks()))
    forged = task.start.add(Assistant(text="Hello."), User(content="never said")).model_copy(update={"id": task.id})
    with pytest.raises(DataError, match="answers otherwise when it is played again"):
        answers.write(TOY, [forged], tmp_path / answers.ANSWERS)


def test_garbled_steps_and_errors_survive(tmp_path):
    tasks = list(TOY.tasks())[:2]
    said = Gold(tasks[0].start.add(Garbled(raw="<tool_call>", why="cut off")))
    made = converse(said, TOY.world(tasks[0]), tasks[0].start.model_copy(update={"id": tasks[0].id}))
    failed = tasks[1].start.model_copy(update={"id": tasks[1].id}).note(error="ModelError: too long")
    answers.write(TOY, [made, failed], tmp_path / answers.ANSWERS)
    first, second = answers.read(TOY, tmp_path / answers.ANSWERS)
    assert (first.messages, second.meta["error"]) == (made.messages, "ModelError: too long")


def test_a_transcript_that_a_limit_cut_plays_again_up_to_there(tmp_path):
    task = next(iter(TOY.tasks()))
    start = task.start.model_copy(update={"id": task.id})
    whole = converse(Gold(TOY.gold(task)), TOY.world(task), start)
    cut = converse(Gold(TOY.gold(task)), TOY.world(task), start, Limits(steps=1))
    assert len(cut.steps) < len(whole.steps)
    answers.write(TOY, [cut], tmp_path / answers.ANSWERS)
    assert next(answers.read(TOY, tmp_path / answers.ANSWERS)).messages == cut.messages
