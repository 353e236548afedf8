"""Causal attention of the training step: over one conversation on a processor, over a pack of them on a GPU.

On a processor PyTorch's own kernel gains nothing from bf16; products of query blocks over the keys before them do, with
the backward pass written out: `benchmarks/train.py --parts` has the figures. A pack is block-diagonal everywhere: no
token sees another conversation.
"""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

BLOCK = 128
"""Queries whose attention is computed together; keys after a block are never looked at."""

KEEP = 2048
"""Longest conversation whose attention weights are kept for the backward pass; of longer ones they are made again."""


class Heads(NamedTuple):
    """How a row of q, k and v is divided: query heads, key and value heads, the size of each."""

    query: int
    shared: int
    size: int


class Pack(NamedTuple):
    """Conversations laid end to end: where each begins (and the last ends), and rotary tables [n, size] per token."""

    seams: tuple[int, ...]
    cos: Tensor
    sin: Tensor
    bounds: Tensor
    """The seams as int32 on the device, the last repeated to a multiple of 16, so that few sizes are compiled."""
    longest: int
    """No conversation is longer; of few distinct values, as it is compiled in."""
    mask: Any = None
    """The block mask that `flexible` wants, made once for all layers."""


Attend = Callable[[Tensor, Pack, Heads], Tensor]


def turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding, halves layout, of [heads, n, size]; `sin` is negative in its first half (`-sin` turns back)."""
    return (x * cos).addcmul_(x.roll(x.shape[-1] // 2, -1), sin)


class Causal(Function):
    """Rotary embedding and causal attention of one conversation: [n, q + k + v] -> [n, q], on a processor."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, cos: Tensor, sin: Tensor, heads: Heads) -> Tensor:  # noqa: D102
        n = len(qkv)
        q, k, v = _parted(qkv, heads)
        q = turn(q, cos, sin).mul_(1 / math.sqrt(heads.size)).view(heads.shared, -1, n, heads.size)
        k, v = turn(k, cos, sin), v.contiguous()
        out = qkv.new_empty(n, heads.query, heads.size)
        mixed = out.view(n, heads.shared, -1, heads.size).permute(1, 2, 0, 3)
        kept = []
        for begin, end in _blocks(n):
            weights = _weights(q, k, begin, end)
            mixed[:, :, begin:end] = (weights @ v[:, :end]).view(heads.shared, -1, end - begin, heads.size)
            if n <= KEEP:
                kept.append(weights)
        ctx.heads = heads
        ctx.save_for_backward(q, k, v, cos, sin, *kept)
        return out.view(n, -1)

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102  # ty: ignore[incompatible-method-override]
        q, k, v, cos, sin, *kept = ctx.saved_tensors
        heads, n = ctx.heads, len(given)
        given = given.view(n, heads.shared, -1, heads.size).permute(1, 2, 0, 3)
        dq, dk, dv = (
            torch.empty_like(q),
            torch.zeros_like(k, dtype=torch.float32),
            torch.zeros_like(v, dtype=torch.float32),
        )
        for at, (begin, end) in enumerate(_blocks(n)):
            weights = kept[at] if kept else _weights(q, k, begin, end)
            own = given[:, :, begin:end].reshape(heads.shared, -1, heads.size)
            scores = torch._softmax_backward_data(own @ v[:, :end].transpose(1, 2), weights, -1, q.dtype)
            dq[:, :, begin:end] = (scores @ k[:, :end]).view(heads.shared, -1, end - begin, heads.size)
            dk[:, :end] += scores.transpose(1, 2) @ q[:, :, begin:end].flatten(1, 2)
            dv[:, :end] += weights.transpose(1, 2) @ own
        out = given.new_empty(n, heads.query + 2 * heads.shared, heads.size)
        to_q, to_k, to_v = _parted(out.view(n, -1), heads)
        dq = dq.view(heads.query, n, heads.size).mul_(1 / math.sqrt(heads.size))
        to_q.copy_(turn(dq, cos, -sin))
        to_k.copy_(turn(dk.to(q.dtype), cos, -sin))
        to_v.copy_(dv)
        return out.view(n, -1), None, None, None


def _parted(qkv: Tensor, heads: Heads) -> tuple[Tensor, ...]:
    """q, k and v as views [heads, n, size]."""
    return qkv.view(len(qkv), -1, heads.size).transpose(0, 1).split([heads.query, heads.shared, heads.shared])


def _blocks(n: int) -> list[tuple[int, int]]:
    return [(begin, min(begin + BLOCK, n)) for begin in range(0, n, BLOCK)]


def _weights(q: Tensor, k: Tensor, begin: int, end: int) -> Tensor:
    """Softmax of the scores of queries begin..end: [kv heads, group * queries, end]."""
    scores = q[:, :, begin:end].flatten(1, 2) @ k[:, :end].transpose(1, 2)
    future = _future(end - begin, q.dtype)
    scores.view(len(k), -1, end - begin, end)[..., begin:].add_(future)
    return scores.softmax(-1)


@functools.lru_cache(maxsize=256)
def _future(n: int, dtype: torch.dtype) -> Tensor:
    return torch.full((n, n), -torch.inf, dtype=dtype).triu(1)


def by_hand(qkv: Tensor, pack: Pack, heads: Heads) -> Tensor:
    """Attention of a pack on a processor: each conversation for itself."""
    if len(pack.seams) == 2:
        return Causal.apply(qkv, pack.cos, pack.sin, heads)
    pieces = zip(pack.seams, pack.seams[1:], strict=False)
    return torch.cat([Causal.apply(qkv[a:b], pack.cos[a:b], pack.sin[a:b], heads) for a, b in pieces])


def varlen() -> Attend:
    """Attention of a pack by the FlashAttention kernels inside PyTorch (CUDA, 16 bits), as this release calls them.

    PyTorch 2.10 says `is_causal`, 2.11 `window_size` without `enable_gqa`, 2.12 has both `window_size` and it.
    """
    from torch.nn.attention.varlen import varlen_attn

    known = inspect.signature(varlen_attn).parameters
    options: dict[str, Any] = {"window_size": (-1, 0)} if "window_size" in known else {"is_causal": True}
    grouped = "enable_gqa" in known

    def attend(qkv: Tensor, pack: Pack, heads: Heads) -> Tensor:
        q, k, v = _turned(qkv, pack, heads)
        same = heads.query == heads.shared
        if not (same or grouped):
            k, v = (x.repeat_interleave(heads.query // heads.shared, 1) for x in (k, v))
        more = {"enable_gqa": True} if grouped and not same else {}
        out: Any = varlen_attn(q, k, v, pack.bounds, pack.bounds, pack.longest, pack.longest, **options, **more)
        return out.flatten(1)

    return attend


def flexible(qkv: Tensor, pack: Pack, heads: Heads) -> Tensor:
    """Attention of a pack by `flex_attention`, for GPUs without FlashAttention and for float32; no CPU backward."""
    from torch.nn.attention.flex_attention import flex_attention

    q, k, v = (x.transpose(0, 1).unsqueeze(0) for x in _turned(qkv, pack, heads))
    mask = documents(pack.bounds, len(qkv)) if pack.mask is None else pack.mask
    mixed = flex_attention(q, k, v, block_mask=mask, enable_gqa=heads.query != heads.shared)
    return mixed.squeeze(0).transpose(0, 1).flatten(1)


def documents(bounds: Tensor, n: int) -> Any:
    """The block mask of a pack: each token sees what is before it in its own conversation."""
    from torch.nn.attention.flex_attention import create_block_mask

    document = torch.bucketize(torch.arange(n, device=bounds.device), bounds[1:-1], right=True)

    def same(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (query >= key) & (document[query] == document[key])

    return create_block_mask(same, None, None, n, n, device=str(bounds.device))


def _turned(qkv: Tensor, pack: Pack, heads: Heads) -> list[Tensor]:
    """q, k and v as [n, heads, size], rotary embedding applied, for autograd and the compiler."""
    q, k, v = qkv.view(len(qkv), -1, heads.size).split([heads.query, heads.shared, heads.shared], 1)
    cos, sin = pack.cos.unsqueeze(1), pack.sin.unsqueeze(1)
    return [x * cos + x.roll(heads.size // 2, -1) * sin for x in (q, k)] + [v]


def reference(qkv: Tensor, pack: Pack, heads: Heads) -> Tensor:
    """The same by PyTorch's own attention under a dense mask; slow, and what tests hold the others to."""
    q, k, v = (x.transpose(0, 1) for x in _turned(qkv, pack, heads))
    document = torch.bucketize(torch.arange(len(qkv), device=qkv.device), pack.bounds[1:-1], right=True)
    mask = (document[:, None] == document).tril()
    k, v = (x.repeat_interleave(heads.query // heads.shared, 0) for x in (k, v))
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(0, 1).flatten(1)


def choose(device: torch.device, dtype: torch.dtype) -> tuple[str, Attend]:
    """By hand on a processor, `varlen` on a GPU of compute capability 8 in 16 bits, else `flex`; and its name."""
    if device.type == "cpu":
        return "by hand", by_hand
    if dtype.itemsize == 2 and torch.cuda.get_device_capability(device) >= (8, 0):
        return "varlen", varlen()
    return "flex", flexible
