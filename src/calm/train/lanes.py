"""Conversations of one step side by side on a processor: each on its own core, so that none waits for another.

A step's operations are too small to be worth dividing: two cores that each take a conversation do a fifth more than two
that share every operation, and lose less to other programs (`benchmarks/train.py --lanes`). Gradients are summed in one
order, whichever is ready first, so the same step gives the same bits.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from calm.train.crew import Part
from calm.train.model import LoraLlama

T = TypeVar("T")


class Lanes:
    """The loss and the gradient of parts of a step; `count` at once, 1 for one after the other."""

    def __init__(self, model: LoraLlama, count: int) -> None:
        self.model, self.count = model, count
        self.weights = [weight for _, weight in model.trained()]
        each = max(1, torch.get_num_threads() // count)
        self.pool = ThreadPoolExecutor(count, "lane", torch.set_num_threads, (each,)) if count > 1 else None

    def gradients(self, parts: Sequence[Part], learned: int) -> float:
        """The summed loss of a step; its gradient divided by `learned` is added to what the weights have.

        The longest go first, so that no core is left alone with one at the end.
        """
        parts = sorted(parts, key=lambda part: -sum(len(row.ids) for row in part.rows))
        if self.pool is None:
            losses = [self._backward(part, learned) for part in parts]
            return float(torch.stack(losses).sum()) if losses else 0.0
        total = 0.0
        for loss, own in self._each(lambda part: self._own(part, learned), parts):
            total += loss
            for weight, gradient in zip(self.weights, own, strict=True):
                weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)
        return total

    def losses(self, parts: Sequence[Part]) -> Iterator[tuple[float, int]]:
        """Summed loss and number of supervised tokens of each part in turn, without gradients."""
        return self._each(self._alone, parts)

    def close(self) -> None:
        """Let the threads go; what waits is not begun."""
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def _each(self, act: Callable[[Part], T], parts: Iterable[Part]) -> Iterator[T]:
        return map(act, parts) if self.pool is None else self.pool.map(act, parts)

    def _backward(self, part: Part, learned: int) -> Tensor:
        loss, _ = self.model.loss(part.rows)
        (loss * (part.weight / learned)).backward()
        return loss.detach() * part.weight

    def _own(self, part: Part, learned: int) -> tuple[float, tuple[Tensor, ...]]:
        loss, _ = self.model.loss(part.rows)
        return loss.item() * part.weight, torch.autograd.grad(loss * (part.weight / learned), self.weights)

    @torch.no_grad()
    def _alone(self, part: Part) -> tuple[float, int]:
        loss, learned = self.model.loss(part.rows)
        return loss.item() * part.weight, learned * bool(part.weight)


def fitting(model: LoraLlama, longest: int, batch: int) -> int:
    """How many conversations go side by side: one a core, as far as memory holds their activations.

    One where a process is not alone with its weights, and under dropout, whose random numbers would be drawn in the
    order in which threads happen to come.
    """
    spread = torch.distributed.is_available() and torch.distributed.is_initialized()
    if model.device.type != "cpu" or spread or model.recipe.lora.dropout:
        return 1
    held = model.shape.layers * model.shape.activations(longest)
    return max(1, min(torch.get_num_threads(), batch, int(model.room // held)))
