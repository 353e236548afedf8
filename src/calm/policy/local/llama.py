"""The torch engine: a lean Llama, weights from safetensors, adapter merged at load, one KV cache that can be rewound.

For small models the overhead of each call decides the speed, so q, k, v and gate, up are fused and nothing is looked up
in modules; `benchmarks/engine.py` compares it with the other engines on the same prompts.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from calm.policy.local import weights as files
from calm.policy.local.engine import Kept
from calm.policy.local.weights import Array, Weights

BLOCK = 128
"""Queries looked at together in a prefill: small enough that scores stay in the processor's cache."""


class Llama(Kept):
    """Weights and one sequence's cache; `forward` appends tokens, `rewind` takes them back."""

    def __init__(self, base: Path, adapter: Path | None = None, dtype: torch.dtype = torch.bfloat16) -> None:
        weights = Weights(base, adapter)
        self.config, self.dtype, self.rung = weights.config, dtype, ""
        self.kind = f"torch {str(dtype).removeprefix('torch.')}"
        self._assemble(weights)
        self._rope = rope_frequencies(self.config)
        self.ids: list[int] = []
        self._grow(1024)

    def _assemble(self, weights: Weights) -> None:
        def take(*names: str) -> Tensor:
            return torch.from_numpy(weights.stack(*names)).to(self.dtype)

        config = self.config
        self.heads, self.kv_heads, self.size = files.heads_of(config)
        self.eps = config["rms_norm_eps"]
        self.embedding = take("model.embed_tokens.weight")
        self.head = self.embedding if config.get("tie_word_embeddings") else take("lm_head.weight")
        self.norm = take("model.norm.weight")
        self.layers = []
        for i in range(config["num_hidden_layers"]):
            at = f"model.layers.{i}."
            attention, mlp = at + "self_attn.{}_proj.weight", at + "mlp.{}_proj.weight"
            self.layers.append(
                (
                    take(at + "input_layernorm.weight"),
                    take(*(attention.format(x) for x in "qkv")),
                    take(attention.format("o")),
                    take(at + "post_attention_layernorm.weight"),
                    take(mlp.format("gate"), mlp.format("up")),
                    take(mlp.format("down")),
                )
            )

    def fork(self) -> "Llama":
        """Another sequence with the same tokens and a cache of its own."""
        other = object.__new__(Llama)
        other.__dict__ = {**self.__dict__, "ids": list(self.ids)}
        other._keys, other._values = self._keys.clone(), self._values.clone()
        return other

    def forward_many(self, parts: Sequence[tuple["Llama", Sequence[int]]]) -> Array:
        """Append tokens to several sequences, one after another; logits [sequences, vocabulary]."""
        return np.stack([sequence.forward(ids) for sequence, ids in parts])

    @torch.inference_mode()
    def forward(self, ids: Sequence[int]) -> Array:
        """Append tokens; the float32 logits [vocabulary] of what follows the last one."""
        start, end = len(self.ids), len(self.ids) + len(ids)
        if end > self._capacity:
            self._grow(max(2 * self._capacity, end))
        cos, sin = self._cos[start:end], self._sin[start:end]
        x = self.embedding[torch.tensor(list(ids))]
        for layer, (norm1, qkv, out, norm2, gate_up, down) in enumerate(self.layers):
            x = x + self._attend(layer, self._normed(x, norm1) @ qkv.T, start, (cos, sin)) @ out.T
            gate, up = (self._normed(x, norm2) @ gate_up.T).chunk(2, -1)
            x = x + (functional.silu(gate) * up) @ down.T
        self.ids += ids
        return functional.linear(self._normed(x[-1], self.norm), self.head).float().numpy()

    def _normed(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), weight, self.eps)

    def _attend(self, layer: int, qkv: Tensor, start: int, rope: tuple[Tensor, Tensor]) -> Tensor:
        """Causal attention of new positions over the cache; [new, (heads + 2 kv) * size] -> [new, heads * size]."""
        new, end = qkv.shape[0], start + qkv.shape[0]
        q, k, v = qkv.view(new, -1, self.size).transpose(0, 1).split([self.heads, self.kv_heads, self.kv_heads])
        keys, values = self._keys[layer], self._values[layer]
        keys[:, start:end] = rotate(k, *rope)
        values[:, start:end] = v
        q = rotate(q, *rope).view(self.kv_heads, -1, new, self.size)  # query heads grouped by their kv head
        blocks = [slice(b, min(b + BLOCK, new)) for b in range(0, new, BLOCK)]
        mixed = [
            torch.cat([self._mix(q[h, :, b], keys[h], values[h], start + b.stop) for b in blocks], 1)
            for h in range(self.kv_heads)
        ]
        return torch.cat(mixed).transpose(0, 1).reshape(new, -1)

    def _mix(self, q: Tensor, keys: Tensor, values: Tensor, end: int) -> Tensor:
        """Attention of a block of queries [group, n, size] that ends at `end`, over one head's cache.

        Plain matrices per head and block: a batched product would copy the whole cache at every step, and keys after
        the block need not be looked at.
        """
        group, new = q.shape[:2]
        scores = (q.reshape(-1, self.size) @ keys[:end].T).mul_(1 / math.sqrt(self.size))
        if new > 1:
            ahead = torch.ones(new, new, dtype=torch.bool).triu(1)
            scores.view(group, new, end)[:, :, end - new :].masked_fill_(ahead, -torch.inf)
        weights = scores.softmax(-1, dtype=torch.float32).to(self.dtype)
        return (weights @ values[:end]).view(group, new, self.size)

    def _grow(self, capacity: int) -> None:
        """Make room for `capacity` tokens, keeping what is there."""
        shape = (len(self.layers), self.kv_heads, capacity, self.size)
        keys, values = torch.zeros(shape, dtype=self.dtype), torch.zeros(shape, dtype=self.dtype)
        if self.ids:
            keys[:, :, : len(self.ids)] = self._keys[:, :, : len(self.ids)]
            values[:, :, : len(self.ids)] = self._values[:, :, : len(self.ids)]
        self._keys, self._values, self._capacity = keys, values, capacity
        angles = torch.outer(torch.arange(capacity, dtype=torch.float32), self._rope)
        angles = torch.cat((angles, angles), -1)
        self._cos, self._sin = angles.cos().to(self.dtype), angles.sin().to(self.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding, halves layout: [heads, n, size] with tables [n, size]."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


def rope_frequencies(config: dict[str, Any]) -> Tensor:
    """Inverse frequencies [size / 2] as a tensor; see `weights.rope_frequencies`."""
    return torch.from_numpy(files.rope_frequencies(config))
