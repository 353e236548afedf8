"""The training model is transformers' Llama with PEFT's LoRA, to rounding, one conversation at a time or packed."""

import json
import shutil
import warnings

import pytest
import torch

from calm.data.sources.town import read_town
from calm.errors import MissingExtra, ModelError, UsageError
from calm.files import read_json
from calm.format.tokens import Codec, Encoded
from calm.policy.local.llama import Llama
from calm.train import attention
from calm.train.lora import TARGETS
from calm.train.model import LoraLlama
from calm.train.recipe import Lora, TrainRecipe


def made(folder, **settings):
    """A model in float32 whose adapters, if any, already say something."""
    torch.manual_seed(1)
    model = LoraLlama(folder, TrainRecipe(**settings), dtype=torch.float32)
    with torch.no_grad():
        for name, weight in model.trained():
            if "lora_B" in name:
                weight.normal_(0, 0.1)
    return model


def gradients(model, rows):
    """Loss of the rows together, and the gradient of everything that is trained."""
    model.zero_grad()
    loss, _ = model.loss(rows)
    loss.backward()
    return loss.item(), {name: weight.grad for name, weight in model.trained()}


def near(found, expected):
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max()), msg=name)


@pytest.fixture(scope="module")
def rows(tiny):
    codec = Codec.load(tiny)
    return [codec.row(c) for c in read_town(3, 5)]


@pytest.fixture(scope="module")
def theirs(tiny):
    from transformers import AutoModelForCausalLM

    return lambda: AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)


def their_loss(model, row):
    places = torch.tensor([i for i, learn in enumerate(row.learn) if learn])
    logits = model(input_ids=torch.tensor([row.ids])).logits[0]
    return torch.nn.functional.cross_entropy(logits[places - 1], torch.tensor(row.ids)[places], reduction="sum")


def with_peft(model, ours):
    """Transformers' model under PEFT, with our adapters."""
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict

    config = LoraConfig(r=16, lora_alpha=32, target_modules=list(TARGETS), task_type="CAUSAL_LM")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(model, config)
        left = set_peft_model_state_dict(model, dict(ours.trained()))
    assert not left.unexpected_keys
    return model


@pytest.fixture(scope="module")
def peft(tiny, theirs):
    return with_peft(theirs(), made(tiny))


def test_lora_loss_and_gradients_equal_peft(tiny, peft, rows):
    loss, found = gradients(made(tiny), rows[:1])
    expected = their_loss(peft, rows[0])
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    near(found, {n.replace(".default", ""): p.grad for n, p in peft.named_parameters() if p.requires_grad})


def test_full_loss_and_gradients_equal_transformers(tiny, theirs, rows):
    loss, found = gradients(made(tiny, method="full"), rows[:1])
    model = theirs()
    expected = their_loss(model, rows[0])
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    near(found, {name: p.grad for name, p in model.named_parameters()})


def test_the_loss_curve_is_that_of_a_plain_loop_over_peft(tiny, theirs, rows):
    ours = made(tiny)
    other = with_peft(theirs(), ours)
    curves = []
    for model, loss in ((ours, lambda row: ours.loss([row])[0]), (other, lambda row: their_loss(other, row))):
        optimiser, curve = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2), []
        for row in rows * 2:
            curve.append(loss(row) / sum(row.learn))
            optimiser.zero_grad()
            curve[-1].backward()
            optimiser.step()
        curves.append([value.item() for value in curve])
    assert curves[0][-1] < curves[0][2]
    assert curves[0] == pytest.approx(curves[1], rel=1e-3)


@pytest.mark.parametrize("attend", [attention.by_hand, attention.reference])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_packed_equals_alone_and_a_batch_equals_its_parts(tiny, rows, attend, method):
    model = made(tiny, method=method)
    alone = [gradients(model, [row]) for row in rows]
    model.shape.attend = attend
    loss, packed = gradients(model, rows)
    assert loss == pytest.approx(sum(own for own, _ in alone), rel=1e-5)
    near(packed, {name: sum(found[name] for _, found in alone) for name in packed})


def test_a_packed_conversation_does_not_see_its_neighbour(tiny, rows):
    model = made(tiny)
    other = Encoded([(i + 1) % 100 for i in rows[0].ids], rows[0].learn)
    hidden = [model.hidden(*model.laid([first, rows[1]])) for first in (rows[0], other)]
    seam = len(rows[0].ids)
    assert not torch.equal(hidden[0][:seam], hidden[1][:seam])
    assert torch.equal(hidden[0][seam:], hidden[1][seam:])


def test_positions_begin_again_at_each_conversation_of_a_pack(tiny, rows):
    _, pack = made(tiny).laid(rows)
    assert pack.seams == (0, *torch.tensor([len(row.ids) for row in rows]).cumsum(0).tolist())
    for begin in pack.seams[:-1]:
        assert pack.cos[begin].eq(1).all()
        assert pack.sin[begin].eq(0).all()


def test_no_token_sees_a_later_one(tiny, rows):
    model, row = made(tiny), rows[0]
    other = Encoded([*row.ids[:-1], (row.ids[-1] + 1) % 100], row.learn)
    before, after = (model.hidden(*model.laid([r])) for r in (row, other))
    torch.testing.assert_close(before[:-1], after[:-1])


def test_computing_blocks_twice_changes_no_bit_and_is_done_when_memory_asks(tiny, rows):
    kept, again, scarce = (made(tiny, checkpointing=how) for how in ("off", "on", "auto"))
    assert scarce.facts()["tokens_before_recompute"] > 10_000
    scarce.room = 1000
    assert scarce.facts()["tokens_before_recompute"] < 100
    _, expected = gradients(kept, rows[:1])
    for model in (again, scarce):
        _, found = gradients(model, rows[:1])
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_every_supervised_position_counts_once_and_the_first_token_never(tiny, rows):
    model, row = made(tiny), rows[0]
    places = [i for i, learn in enumerate(row.learn) if learn]
    one = [model.loss([Encoded(row.ids, [i == place for i in range(len(row.ids))])])[0].item() for place in places]
    loss, count = model.loss([Encoded(row.ids, [True, *row.learn[1:]])])
    assert count == len(places)
    assert loss.item() == pytest.approx(sum(one), rel=1e-5)


def test_a_fresh_adapter_changes_nothing(tiny, rows):
    fresh = LoraLlama(tiny, TrainRecipe(lora=Lora(rank=4, alpha=8)), dtype=torch.float32)
    hidden = fresh.hidden(*fresh.laid(rows[:1]))[-1]
    logits = torch.nn.functional.rms_norm(hidden, hidden.shape, fresh.norm, fresh.shape.eps) @ fresh.embedding.T
    expected = torch.as_tensor(Llama(tiny, dtype=torch.float32).forward(rows[0].ids))
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-3)


def test_the_inference_engine_merges_the_adapter_to_the_same_logits(tiny, peft, rows, tmp_path):
    peft.save_pretrained(tmp_path)
    logits = peft(input_ids=torch.tensor([rows[0].ids])).logits[0, -1]
    engine = Llama(tiny, tmp_path, torch.float32)
    torch.testing.assert_close(torch.as_tensor(engine.forward(rows[0].ids)), logits.detach(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_planned_shapes_are_the_real_ones(tiny, method):
    recipe = TrainRecipe(method=method, lora=Lora(rank=4))
    planned = LoraLlama.shapes(read_json(tiny / "config.json"), recipe)
    model = LoraLlama(tiny, recipe)
    trained = {name: tuple(weight.shape) for name, weight in model.trained()}
    assert trained.items() <= planned.items()
    assert sum(torch.Size(s).numel() for s in planned.values()) == sum(p.numel() for p in model.parameters())


def test_frozen_tensors_can_be_sharded_and_blocks_are_handed_out_as_they_are_read(tiny):
    blocks = []
    model = LoraLlama(tiny, TrainRecipe(), spread=blocks.append)
    assert blocks == list(model.layers)
    assert {name for name, _ in model.named_buffers()} == {"rope"}
    assert {p for p in model.parameters() if p.requires_grad} == {p for _, p in model.trained()}


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"attention_bias": True}, "attention_bias is True"), ({"num_hidden_layers": 3}, "holds no tensor")],
)
def test_what_is_no_such_llama_is_refused(tiny, tmp_path, settings, message):
    folder = shutil.copytree(tiny, tmp_path / "other")
    (folder / "config.json").write_text(json.dumps(read_json(tiny / "config.json") | settings))
    with pytest.raises(ModelError, match=message):
        LoraLlama(folder, TrainRecipe())


def test_compiling_is_refused_where_it_cannot_be_and_said_where_it_is_not(tiny):
    assert LoraLlama(tiny, TrainRecipe()).facts()["compiled"] is False
    with pytest.raises(UsageError, match="needs a GPU"):
        LoraLlama(tiny, TrainRecipe(compile="on"))


def test_four_bits_train_or_name_the_extra(tiny, rows):
    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtra, match="qlora"):
            made(tiny, method="qlora")
        return
    exact, _ = gradients(made(tiny), rows[:1])
    loss, found = gradients(made(tiny, method="qlora"), rows[:1])
    assert loss == pytest.approx(exact, rel=0.2)
    assert all(float(gradient.abs().sum()) > 0 for gradient in found.values())
