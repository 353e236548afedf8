"""The written-out backward passes are those that autograd finds."""

import warnings

import pytest
import torch
from torch.nn import functional

from calm.train import attention, step
from calm.train.attention import Heads, Pack
from calm.train.lora import Linear
from calm.train.recipe import Lora, TrainRecipe

HEADS = Heads(query=4, shared=2, size=8)


def both(ours, theirs, *inputs):
    """Outputs and gradients of two functions of the same inputs, under the same random weight."""
    found = []
    for function in (ours, theirs):
        leaves = [x.clone().requires_grad_() for x in inputs]
        out = function(*leaves)
        seed = torch.randn(out.shape, generator=torch.Generator().manual_seed(3)).to(out.dtype)
        found.append((out.detach(), *torch.autograd.grad((out * seed).sum(), leaves)))
    return zip(*found, strict=True)


def laid(*lengths):
    angles = torch.cat([torch.outer(torch.arange(n), torch.tensor([1.0, 0.3, 0.1, 0.03])) for n in lengths])
    cos, sin = angles.cos(), angles.sin()
    seams = (0, *torch.tensor(lengths).cumsum(0).tolist())
    tables = torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1)
    return Pack(seams, *tables, torch.tensor(seams, dtype=torch.int32), max(lengths))


@pytest.mark.parametrize("lengths", [(1,), (127,), (128,), (300,), (5, 200, 130)])
def test_attention_in_blocks_is_causal_attention_of_each_conversation(lengths):
    pack = laid(*lengths)
    qkv = torch.randn(sum(lengths), 8 * 8)
    pairs = both(lambda x: attention.by_hand(x, pack, HEADS), lambda x: attention.reference(x, pack, HEADS), qkv)
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_flex_attention_sees_each_conversation_alone():
    pack, qkv = laid(5, 200, 130), torch.randn(335, 8 * 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not compiled: no compiler may be at hand, and a GPU compiles it
        found = attention.flexible(qkv, pack, HEADS)
    torch.testing.assert_close(found, attention.reference(qkv, pack, HEADS), rtol=1e-4, atol=1e-5)


def test_weights_made_again_for_a_long_conversation_are_the_ones_not_kept(monkeypatch):
    pack, qkv = laid(300), torch.randn(300, 8 * 8)
    kept = [*both(*[lambda x: attention.by_hand(x, pack, HEADS)] * 2, qkv)]
    monkeypatch.setattr(attention, "KEEP", 100)
    again = [*both(*[lambda x: attention.by_hand(x, pack, HEADS)] * 2, qkv)]
    assert all(torch.equal(a[0], b[0]) for a, b in zip(kept, again, strict=True))


@pytest.mark.parametrize("shared", [2, 4])
def test_the_varlen_kernel_of_this_torch_takes_what_it_is_given(shared):
    pack = Pack(*(x.to("meta") if isinstance(x, torch.Tensor) else x for x in laid(5, 200, 130)))
    qkv = torch.empty(335, (4 + 2 * shared) * 8, dtype=torch.bfloat16, device="meta")
    assert attention.varlen()(qkv, pack, Heads(4, shared, 8)).shape == (335, 4 * 8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_norm_is_rms_norm(dtype):
    x, weight = torch.randn(7, 32), torch.randn(32)
    pairs = both(
        lambda x, w: step.Norm.apply(x, w, 1e-5, dtype),
        lambda x, w: functional.rms_norm(x, (32,), w, 1e-5).to(dtype),
        x,
        weight,
    )
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("count", [1, 16, 300])
def test_the_loss_and_both_its_gradients_are_cross_entropy(count):
    hidden, head, targets = torch.randn(count, 16), torch.randn(50, 16), torch.randint(50, (count,))
    pairs = both(
        lambda h, w: step.Entropy.apply(h, w, targets, True),
        lambda h, w: functional.cross_entropy(h @ w.T, targets, reduction="sum"),
        hidden,
        head,
    )
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_loss_in_bfloat16_is_the_exact_one_to_a_thousandth():
    hidden, head, targets = torch.randn(300, 64), torch.randn(500, 64) * 0.2, torch.randint(500, (300,))
    exact = functional.cross_entropy(hidden @ head.T, targets, reduction="sum")
    found = step.Entropy.apply(hidden.bfloat16(), head.bfloat16(), targets, False)
    assert found.item() == pytest.approx(exact.item(), rel=1e-3)


def test_the_product_with_adapters_is_the_sum_that_lora_says():
    recipe = TrainRecipe(lora=Lora(rank=3, alpha=6))
    linear = Linear([torch.randn(5, 8), torch.randn(7, 8)], recipe, torch.float32)
    for b in linear.b:
        torch.nn.init.normal_(b)
    x = torch.randn(11, 8, requires_grad=True)

    def plain():
        parts = zip(linear.weight.split([5, 7]), linear.a, linear.b, strict=True)
        return torch.cat([x @ w.T + 2 * (x @ a.T) @ b.T for w, a, b in parts], 1)

    leaves = [x, *linear.a, *linear.b]
    found, expected = (torch.autograd.grad((out() ** 2).sum(), leaves) for out in (lambda: linear(x), plain))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_dropout_falls_on_the_adapter_alone_and_only_in_training():
    recipe = TrainRecipe(lora=Lora(rank=3, alpha=6, dropout=0.5))
    linear, x = Linear([torch.randn(5, 8)], recipe, torch.float32), torch.randn(11, 8)
    torch.testing.assert_close(linear(x), x @ linear.weight.T)
    torch.nn.init.normal_(linear.b[0])
    assert not torch.equal(linear(x), linear(x))
    linear.eval()
    torch.testing.assert_close(linear(x), x @ (linear.weight + 2 * linear.b[0] @ linear.a[0]).T)
