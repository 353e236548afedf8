"""The last rung: the same Llama in numpy, float32, for machines that have neither OpenVINO nor torch."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from calm.policy.local.engine import Kept
from calm.policy.local.weights import Array, Weights, heads_of, rope_frequencies

BLOCK = 256
"""Queries looked at together, so that scores of a long prompt stay small."""


class Plain(Kept):
    """Weights and one sequence's cache."""

    kind = "numpy f32"

    def __init__(self, base: Path, adapter: Path | None = None) -> None:
        weights = Weights(base, adapter)
        self.config, self.heads, self.rung = weights.config, heads_of(weights.config), ""
        self._eps = self.config["rms_norm_eps"]
        self._embedding = weights["model.embed_tokens.weight"]
        self._head = self._embedding if self.config.get("tie_word_embeddings") else weights["lm_head.weight"]
        self._norm = weights["model.norm.weight"]
        self._layers = [_layer(weights, i) for i in range(self.config["num_hidden_layers"])]
        self._frequencies = rope_frequencies(self.config)
        self.ids: list[int] = []
        self._cache = np.zeros((len(self._layers), 2, self.heads.keys, 0, self.heads.size), np.float32)

    def fork(self) -> "Plain":
        """Another sequence with the same tokens and a cache of its own."""
        other = object.__new__(Plain)
        other.__dict__ = {**self.__dict__, "ids": list(self.ids), "_cache": self._cache.copy()}
        return other

    def forward_many(self, parts: Sequence[tuple["Plain", Sequence[int]]]) -> Array:
        """Append tokens to several sequences, one after another."""
        return np.stack([sequence.forward(ids) for sequence, ids in parts])

    def forward(self, ids: Sequence[int]) -> Array:
        """Append at least one token; the logits [vocabulary] of what follows the last one."""
        start, end = len(self.ids), len(self.ids) + len(ids)
        if end > self._cache.shape[3]:
            more = [(0, 0)] * 3 + [(0, 2 * end - self._cache.shape[3]), (0, 0)]
            self._cache = np.pad(self._cache, more)
        angles = np.outer(np.arange(start, end, dtype=np.float32), self._frequencies)[:, None]
        turn = np.cos(angles), np.sin(angles)
        x = self._embedding[np.asarray(ids)]
        for cache, (norm1, qkv, out, norm2, gate_up, down) in zip(self._cache, self._layers, strict=True):
            x = x + self._attend(cache[:, :, :end], self._normed(x, norm1) @ qkv.T, turn) @ out.T
            gate, up = np.split(self._normed(x, norm2) @ gate_up.T, 2, -1)
            x = x + (gate / (1 + np.exp(-gate)) * up) @ down.T
        self.ids += ids
        return self._head @ self._normed(x[-1], self._norm)

    def _normed(self, x: Array, weight: Array) -> Array:
        return x / np.sqrt(np.square(x).mean(-1, keepdims=True) + self._eps) * weight

    def _attend(self, cache: Array, qkv: Array, turn: tuple[Array, Array]) -> Array:
        """Causal attention of new positions over one layer's cache [2, heads, tokens, size], which they enter."""
        queries, keys, size = self.heads
        new, end = len(qkv), cache.shape[2]
        q, k, v = np.split(qkv.reshape(new, -1, size), [queries, queries + keys], 1)
        cache[0, :, end - new :] = rotated(k, *turn).swapaxes(0, 1)
        cache[1, :, end - new :] = v.swapaxes(0, 1)
        q = rotated(q, *turn).reshape(new, keys, -1, size).transpose(1, 2, 0, 3)  # grouped by their key head
        mixed = [
            _mix(q[:, :, b : b + BLOCK], cache[:, :, : min(end - new + b + BLOCK, end)]) for b in range(0, new, BLOCK)
        ]
        return np.concatenate(mixed, 2).transpose(2, 0, 1, 3).reshape(new, -1)


def _mix(q: Array, cache: Array) -> Array:
    """Attention of queries [keys, group, new, size], the last of which stands at the end of the cache."""
    new, size = q.shape[2:]
    scores = q @ cache[0, :, None].swapaxes(-1, -2) / np.float32(math.sqrt(size))
    scores[..., -new:] += np.triu(np.full((new, new), -np.inf, np.float32), 1)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ cache[1, :, None]


def rotated(x: Array, cos: Array, sin: Array) -> Array:
    """Rotary embedding, halves layout: [n, heads, size] with tables [n, 1, size / 2]."""
    first, second = np.split(x, 2, -1)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], -1)


def _layer(weights: Weights, layer: int) -> tuple[Array, ...]:
    at = f"model.layers.{layer}."
    return (
        weights[at + "input_layernorm.weight"],
        weights.stack(*(at + f"self_attn.{x}_proj.weight" for x in "qkv")),
        weights[at + "self_attn.o_proj.weight"],
        weights[at + "post_attention_layernorm.weight"],
        weights.stack(at + "mlp.gate_proj.weight", at + "mlp.up_proj.weight"),
        weights[at + "mlp.down_proj.weight"],
    )
