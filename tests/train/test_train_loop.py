"""A run ends the same whether or not it was stopped on the way, and never mixes with another."""

import signal
import subprocess
import sys

import pytest

from calm.conversation import Conversation, User, write
from calm.data.sources.town import read_town
from calm.errors import DataError, UsageError
from calm.files import read_json, read_jsonl
from calm.format.tokens import Codec
from calm.recipe import load, read_manifest
from calm.train import rows
from calm.train.loop import train
from calm.train.recipe import TrainRecipe


@pytest.fixture
def recipe(tiny, tmp_path):
    write(tmp_path / "rows.jsonl", read_town(8, 0))
    write(tmp_path / "held.jsonl", read_town(2, 1))
    return TrainRecipe(
        base=str(tiny), data=tmp_path / "rows.jsonl", held_out=tmp_path / "held.jsonl", batch=2, lr=1e-2, save_every=2
    )


def weights(folder):
    return (folder / "adapter_model.safetensors").read_bytes()


def test_held_out_loss_falls_and_every_step_is_logged(recipe, tmp_path):
    out = train(recipe, tmp_path / "run")
    held = read_json(out / "eval.json")
    log = [row for _, row in read_jsonl(out / "log.jsonl")]
    assert held["held_out_loss_after"] < held["held_out_loss_before"]
    assert [row["step"] for row in log] == [1, 2, 3, 4]
    assert read_manifest(out)["steps"] == 4


def test_stopped_and_resumed_equals_not_stopped(recipe, tmp_path):
    def stop(event):
        if event["event"] == "step" and event["step"] == 3:
            raise KeyboardInterrupt

    whole = train(recipe, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "halves", stop)
    events = []
    halves = train(recipe, tmp_path / "halves", events.append)
    assert {"event": "resumed", "step": 3, "of": 4} in events
    assert weights(whole) == weights(halves)


KILLED = """
import os, signal
from calm.recipe import load
from calm.train.loop import train
from calm.train.recipe import TrainRecipe
def die(event):
    if event["event"] == "step" and event["step"] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
train(TrainRecipe.model_validate_json({recipe!r}), {out!r}, die)
"""


def test_killed_and_resumed_equals_not_killed(recipe, tmp_path):
    code = KILLED.replace("{recipe!r}", repr(recipe.model_dump_json())).replace(
        "{out!r}", "__import__('pathlib').Path(OUT)"
    )
    code = f"OUT = {str(tmp_path / 'killed')!r}\n{code}"
    died = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert weights(train(recipe, tmp_path / "killed")) == weights(train(recipe, tmp_path / "whole"))


def test_a_finished_run_is_not_run_again_and_another_is_refused(recipe, tmp_path):
    out = train(recipe, tmp_path / "run")
    events = []
    train(recipe, out, events.append)
    assert events == [{"event": "done", "reused": True, "folder": str(out)}]
    with pytest.raises(UsageError, match="another run"):
        train(recipe.model_copy(update={"lr": 1e-3}), out)


def test_rows_that_cannot_be_trained_on_are_refused_with_the_reason(recipe, tiny, tmp_path):
    silent = Conversation(id="only-user", messages=(User(content="hello"),))
    write(recipe.data, [*read_town(2, 0), silent])
    found = rows.load(recipe.data, Codec.load(tiny), recipe)
    assert len(found.kept) == 2
    assert found.rejects[0]["id"] == "only-user"
    with pytest.raises(DataError, match="holds no row to train on"):
        rows.load(recipe.data, Codec.load(tiny), recipe.model_copy(update={"max_length": 20}))


def test_the_end_of_every_turn_is_supervised(tiny):
    codec = Codec.load(tiny)
    conversation = next(read_town(1, 3))
    row = codec.row(conversation)
    ends = [learn for token, learn in zip(row.ids, row.learn, strict=True) if token == codec.stop]
    assert sum(ends) == len(conversation.steps) < len(ends)


def test_every_pass_sees_every_row_once_whatever_the_batch(recipe):
    taken = rows.order(8, recipe.model_copy(update={"batch": 3}))
    first = [place for _ in range(8) for place in next(taken)]
    assert sorted(first[:8]) == sorted(first[8:16]) == list(range(8))
    assert first[:8] != first[8:16]


def test_recipe_numbers_in_exponent_form_are_numbers(tmp_path):
    (tmp_path / "r.yaml").write_text("lr: 1e-4\nlora: {rank: 8}\n")
    found = load(TrainRecipe, tmp_path / "r.yaml", ["lora.alpha=64", "optimiser.warmup=5e-2"])
    assert (found.lr, found.lora.rank, found.lora.alpha, found.optimiser.warmup) == (1e-4, 8, 64, 0.05)
