"""Causal attention for processors: batched bf16 products over blocks of queries, keys after a block never looked at.

PyTorch's own kernel for CPUs gains almost nothing from bf16; plain products do. Registered under a name of its own in
transformers' `AttentionInterface`; equal to `sdpa` up to rounding (a test), for one unpadded sequence at a time.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface

NAME = "calm_blocks"
BLOCK = 256


def attend(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    """Attention [1, heads, n, size] over [1, kv heads, n, size]; gives [1, n, heads, size].

    Raises:
        ValueError: a mask or a batch, which this form does not know.
    """
    if attention_mask is not None or query.shape[0] != 1:
        raise ValueError("calm_blocks attends within one unmasked sequence at a time")
    heads, length, size = query.shape[1:]
    kv_heads = key.shape[1]
    grouped = query[0].view(kv_heads, heads // kv_heads, length, size) * settings["scaling"]
    ahead = torch.full((BLOCK, BLOCK), -torch.inf, dtype=query.dtype).triu(1)
    blocks = []
    for begin in range(0, length, BLOCK):
        end = min(begin + BLOCK, length)
        scores = grouped[:, :, begin:end].flatten(1, 2) @ key[0, :, :end].transpose(1, 2)
        scores = scores.view(kv_heads, -1, end - begin, end)
        future = torch.nn.functional.pad(ahead[: end - begin, : end - begin], (begin, 0))
        weights = (scores + future).softmax(-1).to(value.dtype).view(kv_heads, -1, end)
        blocks.append((weights @ value[0, :, :end]).view(heads, end - begin, size))
    return torch.cat(blocks, 1).transpose(0, 1).unsqueeze(0), None


def register() -> str:
    """Make the attention known to transformers and give its name."""
    AttentionInterface.register(NAME, attend)
    return NAME
