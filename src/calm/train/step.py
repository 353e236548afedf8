"""What the step computes besides products and attention: norm, SwiGLU, and the loss at supervised positions.

On a processor the norm's backward is written out over few passes through memory; the loss makes the gradient of its
logits while they are at hand, so they never exist for more than `CHUNK` positions and are never computed twice.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

CHUNK = {"cpu": 128, "cuda": 1024}
"""Supervised positions whose logits exist at one time."""

SLICE = 16
"""Of these, the rows whose softmax is taken at a time on a processor, so that they stay in its cache."""


class Norm(Function):
    """RMS norm of the residual stream [n, hidden] in float32, its result in `dtype`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype) -> Tensor:  # noqa: D102
        mean = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square_().div_(x.shape[-1])
        scale = mean.add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, scale)
        return (x * scale).mul_(weight).to(dtype)

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102  # ty: ignore[incompatible-method-override]
        x, weight, scale = ctx.saved_tensors
        own = (given * x).mul_(scale).sum(0) if ctx.needs_input_grad[1] else None
        scaled = given * weight
        share = torch.linalg.vecdot(scaled, x).unsqueeze(-1).mul_(scale**3).div_(x.shape[-1])
        return scaled.mul_(scale).addcmul_(x, share, value=-1), own, None, None


class Entropy(Function):
    """Summed cross-entropy of hidden states [n, hidden] against targets [n]; gradients are made in the forward pass."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, learns: bool) -> Tensor:  # noqa: D102
        total = hidden.new_zeros((), dtype=torch.float32)
        of_hidden = torch.empty_like(hidden) if learns else None
        of_head = torch.zeros_like(head, dtype=torch.float32) if learns and ctx.needs_input_grad[1] else None
        cast = head.to(hidden.dtype)
        chunk = CHUNK[hidden.device.type]
        for begin in range(0, len(hidden), chunk):
            at = slice(begin, begin + chunk)
            logits = hidden[at] @ cast.T
            total += _entropy(logits, targets[at])
            if of_hidden is not None:
                torch.mm(logits, cast, out=of_hidden[at])
            if of_head is not None:
                of_head += logits.T @ hidden[at]
        ctx.save_for_backward(of_hidden, of_head)
        return total

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102  # ty: ignore[incompatible-method-override]
        of_hidden, of_head = ctx.saved_tensors
        return of_hidden * given, None if of_head is None else of_head * given, None, None


def _entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Their summed cross-entropy; the logits become its gradient."""
    total = logits.new_zeros((), dtype=torch.float32)
    size = SLICE if logits.device.type == "cpu" else len(logits)
    for rows, wanted in zip(logits.split(size), targets.split(size), strict=True):
        chance = torch.log_softmax(rows, -1, dtype=torch.float32)
        total -= chance.gather(1, wanted.unsqueeze(1)).sum()
        rows.copy_(chance.exp_().scatter_add_(1, wanted.unsqueeze(1), chance.new_full((len(rows), 1), -1)))
    return total


def normed(x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype) -> Tensor:
    """RMS norm in float32, its result in `dtype`."""
    if x.device.type == "cpu":
        return Norm.apply(x, weight, eps, dtype)
    return functional.rms_norm(x.float(), (x.shape[-1],), weight.float(), eps).to(dtype)


def swiglu(both: Tensor) -> Tensor:
    """silu(gate) * up of [n, gate + up]; written out by hand it was no faster."""
    gate, up = both.chunk(2, -1)
    return functional.silu(gate) * up
