"""The training model is transformers' Llama with PEFT's LoRA, to rounding, and its files are theirs."""

import warnings

import pytest
import torch

from calm.data.sources.town import read_town
from calm.format.tokens import Codec
from calm.hub.models import Found
from calm.policy.local.llama import Llama
from calm.train import save
from calm.train.model import LoraLlama, attend
from calm.train.recipe import Lora, TrainRecipe


@pytest.fixture(scope="module")
def model(tiny):
    torch.manual_seed(1)
    made = LoraLlama(tiny, Lora(), torch.float32)
    with torch.no_grad():
        for name, weight in made.adapters():
            if "lora_B" in name:
                weight.normal_(0, 0.1)
    return made


@pytest.fixture(scope="module")
def row(tiny):
    return Codec.load(tiny).row(next(read_town(1, 5)))


@pytest.fixture(scope="module")
def peft(tiny, model, tmp_path_factory):
    out = tmp_path_factory.mktemp("adapter")
    save.adapter(model, Found("tiny", tiny), Codec.load(tiny), TrainRecipe(), out)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        base = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
        return PeftModel.from_pretrained(base, str(out), is_trainable=True), out


def loss_of(peft, row):
    places = torch.tensor([i for i, learn in enumerate(row.learn) if learn])
    logits = peft(input_ids=torch.tensor([row.ids])).logits[0]
    return torch.nn.functional.cross_entropy(logits[places - 1], torch.tensor(row.ids)[places], reduction="sum")


def test_loss_and_gradients_equal_peft(model, peft, row):
    ours, count = model.loss(row)
    theirs = loss_of(peft[0], row)
    ours.backward()
    theirs.backward()
    assert count == sum(row.learn)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    gradients = {n.replace(".default", ""): p.grad for n, p in peft[0].named_parameters() if p.requires_grad}
    assert len(gradients) == sum(1 for _ in model.adapters())
    for name, weight in model.adapters():
        torch.testing.assert_close(weight.grad, gradients[name], rtol=1e-2, atol=1e-3)


def test_the_inference_engine_merges_the_adapter_to_the_same_logits(tiny, peft, row):
    engine = Llama(tiny, peft[1], torch.float32)
    theirs = peft[0](input_ids=torch.tensor([row.ids])).logits[0, -1]
    torch.testing.assert_close(engine.forward(row.ids), theirs.detach(), rtol=1e-3, atol=1e-3)


def test_a_fresh_adapter_changes_nothing(tiny, row):
    fresh = LoraLlama(tiny, Lora(rank=4, alpha=8), torch.float32)
    x = fresh.hidden(torch.tensor(row.ids))[-1]
    logits = fresh.shape.normed(x, fresh.norm) @ fresh.head.T
    torch.testing.assert_close(logits, Llama(tiny, dtype=torch.float32).forward(row.ids), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("length", [1, 255, 256, 600])
def test_attention_in_blocks_is_causal_attention(length):
    q, k, v = (torch.randn(heads, length, 8) for heads in (4, 2, 2))
    expected = torch.nn.functional.scaled_dot_product_attention(
        q, k.repeat_interleave(2, 0), v.repeat_interleave(2, 0), is_causal=True
    )
    torch.testing.assert_close(attend(q, k, v), expected, rtol=1e-4, atol=1e-5)


def test_no_token_before_a_supervised_one_sees_it(model, row):
    ids = torch.tensor(row.ids)
    changed = ids.clone()
    changed[-1] = (ids[-1] + 1) % 100
    before, after = model.hidden(ids)[:-1], model.hidden(changed)[:-1]
    torch.testing.assert_close(before, after)
