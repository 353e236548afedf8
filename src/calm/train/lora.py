"""Linear layers that can be trained: one product for all layers of the same input, adapters or whole weights.

The base stays as it is under LoRA (`method: lora`), is kept in 4 bits (`qlora`, NF4 by bitsandbytes), or is itself
trained in float32 (`full`).
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from calm.errors import MissingExtra
from calm.train.recipe import Lora, TrainRecipe

PARTS = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "o": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}
"""Which layers of a block are computed as one product, by their names in a checkpoint."""

TARGETS = tuple(part.split(".")[1] for parts in PARTS.values() for part in parts)
"""The layers that carry adapters, as PEFT's `target_modules` names them."""

PEFT = "base_model.model.{}.lora_{}.weight"
"""What PEFT calls the two sides, A and B, of the adapter of a layer."""


class Adapted(Function):
    """x W' + s (x A') B' with the backward pass written out: in place, and no gradient for what is frozen.

    `factors` are the A of all parts, then the B; parts stand side by side in the columns of the output.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, scale: float, *factors: Tensor) -> Tensor:  # noqa: D102
        half = len(factors) // 2
        down = torch.cat(factors[:half]).to(x.dtype)
        up = [(b * scale).to(x.dtype) for b in factors[half:]]
        inner = x @ down.T
        out = x @ weight.T
        for own, columns, b in zip(inner.split(down.shape[0] // half, 1), _columns(out, up), up, strict=True):
            columns.addmm_(own, b.T)
        ctx.scale = scale
        ctx.save_for_backward(x, weight, inner, down, *up)
        return out

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102  # ty: ignore[incompatible-method-override]
        x, weight, inner, down, *up = ctx.saved_tensors
        rank = up[0].shape[1]
        back = torch.empty_like(inner)
        of_up = []
        parts = zip(back.split(rank, 1), inner.split(rank, 1), _columns(given, up), up, strict=True)
        for place, own, columns, b in parts:
            torch.mm(columns, b, out=place)
            of_up.append((columns.T @ own).float().mul_(ctx.scale))
        of_down = (back.T @ x).float().split(rank)
        of_x = (given @ weight).addmm_(back, down) if ctx.needs_input_grad[0] else None
        return of_x, None, None, *of_down, *of_up


def _columns(out: Tensor, up: list[Tensor]) -> tuple[Tensor, ...]:
    return out.split([b.shape[0] for b in up], 1)


class Packed(Function):
    """x W' where W is kept in 4 bits: it is unpacked for each product and never held."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, packed: Tensor, state: Any) -> Tensor:  # noqa: D102
        ctx.save_for_backward(packed)
        ctx.state = state
        return functional.linear(x, _unpacked(packed, state, x.dtype))

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102  # ty: ignore[incompatible-method-override]
        (packed,) = ctx.saved_tensors
        return given @ _unpacked(packed, ctx.state, given.dtype), None, None


def _unpacked(packed: Tensor, state: Any, dtype: torch.dtype) -> Tensor:
    return _bitsandbytes().dequantize_4bit(packed, state).to(dtype)


def _bitsandbytes() -> Any:
    try:
        from bitsandbytes import functional as bits  # ty: ignore[import-not-found]
    except ImportError as error:
        raise MissingExtra("method: qlora", "qlora", "bitsandbytes") from error
    return bits


class Linear(nn.Module):
    """The layers `parts` of one input, as one product [n, in] -> [n, sum of outs], trained as the recipe says.

    `begun` holds the two sides of adapters that were trained before, one matrix a part; without it they are fresh.
    """

    def __init__(
        self, weights: list[Tensor], recipe: TrainRecipe, dtype: torch.dtype, begun: Sequence[list[Tensor]] = ()
    ) -> None:
        super().__init__()
        self.method, self.scale, self.dropout = recipe.method, recipe.lora.alpha / recipe.lora.rank, recipe.lora.dropout
        self.state: Any = None
        if recipe.method == "full":
            self.weights = nn.ParameterList(nn.Parameter(w.float()) for w in weights)
            return
        weight = torch.cat(weights).to(dtype)
        if recipe.method == "qlora":
            weight, self.state = _bitsandbytes().quantize_4bit(
                weight, quant_type="nf4", compress_statistics=True, quant_storage=dtype
            )
        self.weight = nn.Parameter(weight, requires_grad=False)
        a, b = begun or _fresh(weights, recipe.lora)
        self.a, self.b = (nn.ParameterList(nn.Parameter(w.float()) for w in side) for side in (a, b))

    def forward(self, x: Tensor) -> Tensor:
        """The product, in the dtype of `x`."""
        if self.method == "full":
            return functional.linear(x, torch.cat(tuple(self.weights)).to(x.dtype))
        if self.method == "lora" and self.dropout == 0 and x.device.type == "cpu":
            return Adapted.apply(x, self.weight, self.scale, *self.a, *self.b)
        frozen = functional.linear(x, self.weight) if self.state is None else Packed.apply(x, self.weight, self.state)
        dropped = functional.dropout(x, self.dropout, self.training)
        inner = functional.linear(dropped, torch.cat(tuple(self.a)).to(x.dtype)).chunk(len(self.a), 1)
        adapted = [own @ (b * self.scale).to(x.dtype).T for own, b in zip(inner, self.b, strict=True)]
        return frozen + torch.cat(adapted, 1)

    def trained(self, names: list[str]) -> Iterator[tuple[str, nn.Parameter]]:
        """What is trained, under the names PEFT gives it, or the checkpoint's own; `names` are those of the parts."""
        for i, name in enumerate(names):
            if self.method == "full":
                yield f"{name}.weight", self.weights[i]
            else:
                yield PEFT.format(name, "A"), self.a[i]
                yield PEFT.format(name, "B"), self.b[i]


def _fresh(weights: list[Tensor], lora: Lora) -> tuple[list[Tensor], list[Tensor]]:
    """Adapters that change nothing yet."""
    down = [w.new_empty(lora.rank, w.shape[1], dtype=torch.float32) for w in weights]
    for a in down:
        nn.init.kaiming_uniform_(a, a=math.sqrt(5))  # as PEFT does
    return down, [w.new_zeros(len(w), lora.rank).float() for w in weights]
