"""Figures reach the file and every tracker asked for; a tracker that is not installed is named before the run."""

import importlib.util
import json
import shutil

import pytest
import torch

from calm.cli.training import draw
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


def disk(folder, settings, identity):
    """A tracker that keeps each step in a file of its own, in a folder that somebody may take away."""
    if not folder.is_dir():
        raise OSError("no such\nserver")
    at = folder / "tracked"
    at.mkdir()
    return metrics.Tracker(
        lambda figures, step: (at / f"{step}").write_text(str(figures)), lambda: (at / "end").touch()
    )


@pytest.fixture
def tracked(recipe, monkeypatch):
    monkeypatch.setitem(metrics.OPEN, "disk", disk)
    return recipe.model_copy(update={"track": ("disk",)})


def test_a_tracker_is_told_of_each_step_and_of_the_end(tracked, tmp_path):
    out = train(tracked, tmp_path / "run")
    assert sorted(path.name for path in (out / "tracked").iterdir()) == ["1", "2", "3", "end"]


def test_a_tracker_that_fails_is_said_once_and_the_run_goes_on(tracked, tmp_path, capsys):
    events = []

    def hear(event):
        events.append(event)
        if event["event"] == "step" and event["step"] == 1:
            shutil.rmtree(tmp_path / "run/tracked")

    out = train(tracked, tmp_path / "run", hear)
    (lost,) = [event for event in events if event["event"] == "untracked"]
    assert lost["name"] == "disk"
    assert "No such file or directory" in lost["why"]
    assert steps(out / "metrics.jsonl") == [1, 2, 3]
    draw(lost, lambda what, done, of: None)
    assert capsys.readouterr().err.startswith("track: disk failed ([Errno 2]")


def test_a_tracker_that_cannot_be_opened_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setitem(metrics.OPEN, "disk", disk)
    events = []
    (tracker,) = metrics.trackers(["disk"], tmp_path / "none", {}, "", events.append)
    tracker.log({"loss": 1.0}, 1)
    tracker.close()
    assert events == [{"event": "untracked", "name": "disk", "why": "no such server"}]


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
