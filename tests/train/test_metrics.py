"""Figures reach the file and every tracker asked for; a tracker that is not installed is named before the run."""

import importlib.util
import json

import pytest
import torch

from calm.conversation import Assistant, Conversation, User, write
from calm.errors import MissingExtra
from calm.files import read_jsonl
from calm.train import metrics
from calm.train.loop import train
from calm.train.recipe import Stage, TrainRecipe


@pytest.fixture
def recipe(tiny, tmp_path):
    said = (User(content="2 and 2?"), Assistant(text="4."))
    write(tmp_path / "rows.jsonl", (Conversation(id=str(i), messages=said) for i in range(6)))
    return TrainRecipe(base=str(tiny), data=tmp_path / "rows.jsonl", batch=2)


def steps(path):
    return [row["step"] for _, row in read_jsonl(path)]


def test_a_line_cut_by_a_kill_and_steps_after_the_checkpoint_are_written_anew(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps({"step": i}) + "\n" for i in (1, 2, 3)) + '{"step": 4, "lo')
    assert metrics.last_step(path) == 3
    log = metrics.Log(path, 2)
    assert [entry["step"] for entry in log.entries] == steps(path) == [1, 2]
    log.add({"step": 3, "loss": 0.5})
    assert steps(path) == [1, 2, 3]


@pytest.mark.parametrize("tracker", metrics.OPEN)
def test_a_tracker_that_is_not_installed_is_named_before_anything_is_trained(recipe, tmp_path, tracker):
    if importlib.util.find_spec(tracker):
        pytest.skip(f"{tracker} is installed")
    events = []
    with pytest.raises(MissingExtra, match=rf"track: {tracker} needs `{tracker}`.*calm-lm\[{tracker}\]"):
        train(recipe.model_copy(update={"track": (tracker,)}), tmp_path / "run", events.append)
    assert [event["event"] for event in events] == ["first"]


def test_tensorboard_holds_every_step_of_every_stage(recipe, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    staged = recipe.model_copy(update={"track": ("tensorboard",), "stages": (Stage(name="a"), Stage(name="b"))})
    out = train(staged, tmp_path / "run")
    found = EventAccumulator(str(out / "tensorboard")).Reload()
    assert [event.step for event in found.Scalars("loss")] == [1, 2, 3, 4, 5, 6]
    assert [event.value for event in found.Scalars("loss")] == pytest.approx(
        [row["loss"] for _, row in read_jsonl(out / "metrics.jsonl")]
    )
    assert "lr" in found.Tags()["scalars"]


def test_memory_is_that_of_this_process():
    held = torch.zeros(50_000_000)
    assert metrics.memory(torch.device("cpu")) > held.numel() * 4
