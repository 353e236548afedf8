"""Conversations side by side give the step that one after the other give, to the bit."""

import os
import signal

import pytest
import torch

from calm.conversation import write
from calm.data.sources.town import read_town
from calm.files import read_jsonl, sha256
from calm.format.tokens import Codec, Encoded
from calm.recipe import read_manifest
from calm.train import checkpoint
from calm.train.crew import Part, alone
from calm.train.lanes import Lanes, fitting
from calm.train.loop import train
from calm.train.model import LoraLlama
from calm.train.recipe import Lora, TrainRecipe


@pytest.fixture(autouse=True)
def threads():
    """Two lanes of a thread each where this is 2, one lane of one thread where it is 1; bits depend on a lane's."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model(tiny):
    torch.manual_seed(0)
    made = LoraLlama(tiny, TrainRecipe())
    for name, weight in made.trained():
        if "lora_B" in name:  # zero at first, and with it the gradient of every A
            torch.nn.init.normal_(weight, std=0.1)
    return made


@pytest.fixture(scope="module")
def parts(tiny):
    codec = Codec.load(tiny)
    return alone().share([codec.row(conversation) for conversation in read_town(5, 0)])


def summed(model, count, parts, learned=100):
    """Loss and gradients of a step by so many lanes."""
    lanes = Lanes(model, count)
    model.zero_grad(set_to_none=True)
    loss = lanes.gradients(parts, learned)
    lanes.close()
    return loss, [weight.grad.clone() for _, weight in model.trained()]


class Listening:
    """A model that notes how long the conversations are that it is given."""

    def __init__(self, model):
        self.model, self.heard, self.trained = model, [], model.trained

    def loss(self, rows):
        self.heard.append(sum(len(row.ids) for row in rows))
        return self.model.loss(rows)


def test_the_longest_conversations_of_a_step_go_first(model, parts):
    listening, shortest_first = Listening(model), sorted(parts, key=lambda part: len(part.rows[0].ids))
    Lanes(listening, 1).gradients(shortest_first, 100)
    assert listening.heard == [len(part.rows[0].ids) for part in reversed(shortest_first)]


def test_two_lanes_give_the_gradients_of_one_to_the_bit(model, parts, threads):
    loss, side_by_side = summed(model, 2, parts)
    threads(1)
    expected, in_turn = summed(model, 1, parts)
    assert loss == pytest.approx(expected, rel=1e-6)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(side_by_side, in_turn, strict=True))
    assert all(gradient.abs().max() > 0 for gradient in in_turn)


def test_lanes_give_what_backward_gives_for_the_whole_step(model, parts):
    parts = [*parts, parts[0]._replace(weight=0.0)]
    _, found = summed(model, 2, parts)
    model.zero_grad(set_to_none=True)
    whole = sum(model.loss(part.rows)[0] * part.weight for part in parts)
    (whole / 100).backward()
    for ours, (_, weight) in zip(found, model.trained(), strict=True):
        torch.testing.assert_close(ours, weight.grad, rtol=1e-4, atol=1e-6)


def test_gradients_are_added_to_those_that_are_there(model, parts):
    _, once = summed(model, 2, parts)
    lanes = Lanes(model, 2)
    lanes.gradients(parts, 100)
    lanes.close()
    for one, (_, weight) in zip(once, model.trained(), strict=True):
        torch.testing.assert_close(weight.grad, 2 * one)


def test_losses_come_in_the_order_of_the_parts(model, parts):
    found = [list(Lanes(model, count).losses(parts)) for count in (2, 1)]
    assert [learned for _, learned in found[0]] == [sum(part.rows[0].learn[1:]) for part in parts]
    assert [loss for loss, _ in found[0]] == pytest.approx([loss for loss, _ in found[1]], rel=1e-5)


def test_what_goes_wrong_in_a_lane_reaches_the_caller(model, parts):
    lanes = Lanes(model, 2)
    beyond = Part([Encoded([1, 10**6, 2], [False, True, True])])
    with pytest.raises(IndexError):
        lanes.gradients([*parts, beyond], 100)
    with pytest.raises(IndexError):
        list(lanes.losses([beyond]))
    lanes.close()


def test_as_many_lanes_as_cores_conversations_and_memory_allow(model, tiny, monkeypatch, threads):
    threads(4)
    each = model.shape.layers * model.shape.activations(500)
    monkeypatch.setattr(model, "room", 100 * each)
    assert [fitting(model, 500, batch) for batch in (8, 3, 1)] == [4, 3, 1]
    for room, lanes in ((3.5 * each, 3), (1.5 * each, 1), (0, 1), (-each, 1)):
        monkeypatch.setattr(model, "room", room)
        assert fitting(model, 500, 8) == lanes
    assert fitting(LoraLlama(tiny, TrainRecipe(lora=Lora(dropout=0.1))), 500, 8) == 1


@pytest.fixture
def recipe(tiny, tmp_path):
    write(tmp_path / "rows.jsonl", read_town(10, 0))
    write(tmp_path / "held.jsonl", read_town(4, 1))
    rows = {"data": tmp_path / "rows.jsonl", "held_out": tmp_path / "held.jsonl"}
    return TrainRecipe(base=str(tiny), **rows, batch=2, lr=1e-2, evaluate_every=2)


def ended(folder):
    return read_manifest(folder)["step"]["lanes"], sha256(folder / "adapter_model.safetensors")


def test_a_run_ends_with_the_same_bytes_however_many_lanes(recipe, tmp_path, threads):
    lanes, digest = ended(train(recipe, tmp_path / "two"))
    threads(1)
    assert (lanes, *ended(train(recipe, tmp_path / "one"))) == (2, 1, digest)


@pytest.mark.parametrize(("when", "step"), [("before", 0), ("now", 2), ("after", 5)])
def test_stopped_while_it_judges_it_keeps_the_steps_and_their_figures(recipe, tmp_path, when, step):
    def stop(event):
        if event["event"] == "eval" and event["when"] == when:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", stop)
    assert checkpoint.newest(tmp_path / "run", print).name == f"checkpoint-{step}"
    assert [row["step"] for _, row in read_jsonl(tmp_path / "run/metrics.jsonl")] == [*range(1, step + 1)]
    assert ended(train(recipe, tmp_path / "run")) == ended(train(recipe, tmp_path / "whole"))
