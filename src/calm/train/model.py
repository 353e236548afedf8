"""A Llama for LoRA training in plain torch: frozen weights fused in bf16, adapters in float32, a sequence at a time.

What makes it fast on a processor, measured by `benchmarks/train.py` against PEFT on transformers: no padding, no casts
of frozen weights, q, k, v and gate, up as one product each, causal attention over blocks of queries, logits only at
supervised positions. Equal to transformers and PEFT in float32 up to rounding (a test), and saved in their format.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from calm.files import read_json
from calm.format.tokens import Encoded
from calm.policy.local.llama import read_weights, rope_frequencies, rotate
from calm.train.recipe import Lora

BLOCK = 256
"""Queries whose attention is computed together; keys after a block are never looked at."""

CHUNK = 128
"""Supervised positions whose logits exist at one time; they are computed again in the backward pass."""

FUSED = {
    "qkv": ("q_proj", "k_proj", "v_proj"),
    "o": ("o_proj",),
    "gate_up": ("gate_proj", "up_proj"),
    "down": ("down_proj",),
}
HOME = {"qkv": "self_attn", "o": "self_attn", "gate_up": "mlp", "down": "mlp"}


class Linear(nn.Module):
    """One or more linear layers of the same input as one product, each with its own adapter: x W' + s (x A') B'."""

    weight: Tensor

    def __init__(self, weights: list[Tensor], lora: Lora, dtype: torch.dtype) -> None:
        super().__init__()
        self.scale, self.dropout = lora.alpha / lora.rank, lora.dropout
        self.register_buffer("weight", torch.cat(weights).to(dtype).contiguous())
        self.a = nn.ParameterList(nn.Parameter(torch.empty(lora.rank, w.shape[1])) for w in weights)
        self.b = nn.ParameterList(nn.Parameter(torch.zeros(w.shape[0], lora.rank)) for w in weights)
        for a in self.a:
            nn.init.kaiming_uniform_(a, a=math.sqrt(5))  # as PEFT does

    def forward(self, x: Tensor) -> Tensor:
        """[n, in] -> [n, sum of outs]."""
        a = torch.cat(tuple(self.a)).to(x.dtype)
        b = (torch.block_diag(*self.b) * self.scale).to(x.dtype)
        inner = functional.linear(functional.dropout(x, self.dropout, self.training and self.dropout > 0), a)
        return torch.addmm(functional.linear(x, self.weight), inner, b.T)


class Layer(nn.Module):
    """One decoder block on [n, hidden]; the residual stream stays float32."""

    norm1: Tensor
    norm2: Tensor
    qkv: Linear
    o: Linear
    gate_up: Linear
    down: Linear

    def __init__(self, weights: dict[str, Tensor], place: int, lora: Lora, shape: "Shape") -> None:
        super().__init__()
        at, self.shape = f"model.layers.{place}.", shape
        for name, parts in FUSED.items():
            taken = [weights[f"{at}{HOME[name]}.{part}.weight"] for part in parts]
            setattr(self, name, Linear(taken, lora, shape.dtype))
        self.register_buffer("norm1", weights[at + "input_layernorm.weight"].float())
        self.register_buffer("norm2", weights[at + "post_attention_layernorm.weight"].float())

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """The block's output for positions 0..n of one sequence."""
        shape, n = self.shape, len(x)
        heads = self.qkv(shape.normed(x, self.norm1)).view(n, -1, shape.size).transpose(0, 1)
        q, k, v = heads.split([shape.heads, shape.kv_heads, shape.kv_heads])
        mixed = checkpoint(attend, rotate(q, cos, sin), rotate(k, cos, sin), v, use_reentrant=False)
        x = x + self.o(mixed.transpose(0, 1).reshape(n, -1))
        gate, up = self.gate_up(shape.normed(x, self.norm2)).chunk(2, -1)
        return x + self.down(functional.silu(gate) * up)


class Shape:
    """The sizes of a Llama, and its norm."""

    def __init__(self, config: dict[str, Any], dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.heads = config["num_attention_heads"]
        self.kv_heads = config.get("num_key_value_heads") or self.heads
        self.size = config.get("head_dim") or config["hidden_size"] // self.heads
        self.layers, self.eps = config["num_hidden_layers"], config["rms_norm_eps"]

    def normed(self, x: Tensor, weight: Tensor) -> Tensor:
        """RMS norm in float32, result in the dtype of the products."""
        return functional.rms_norm(x, (x.shape[-1],), weight, self.eps).to(self.dtype)


class LoraLlama(nn.Module):
    """The whole model; only the adapters are parameters."""

    embedding: Tensor
    head: Tensor
    norm: Tensor
    rope: Tensor

    def __init__(self, base: Path, lora: Lora, dtype: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        config, weights = read_json(base / "config.json"), read_weights(base)
        self.shape, self.lora = Shape(config, dtype), lora
        embedding = weights["model.embed_tokens.weight"]
        head = embedding if config.get("tie_word_embeddings") else weights["lm_head.weight"]
        self.register_buffer("embedding", embedding)
        self.register_buffer("head", head.to(dtype))
        self.register_buffer("norm", weights["model.norm.weight"].float())
        self.register_buffer("rope", rope_frequencies(config))
        self.layers = nn.ModuleList(Layer(weights, i, lora, self.shape) for i in range(self.shape.layers))

    def loss(self, row: Encoded) -> tuple[Tensor, int]:
        """Summed cross-entropy over the supervised tokens of one conversation, and their number."""
        ids = torch.tensor(row.ids, device=self.head.device)
        targets = torch.tensor([i for i, learn in enumerate(row.learn) if learn and i], device=ids.device)
        hidden = self.shape.normed(self.hidden(ids)[targets - 1], self.norm)
        pieces = zip(hidden.split(CHUNK), ids[targets].split(CHUNK), strict=True)
        return sum(checkpoint(self._entropy, h, t, use_reentrant=False) for h, t in pieces), len(targets)

    def _entropy(self, hidden: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(functional.linear(hidden, self.head).float(), targets, reduction="sum")

    def hidden(self, ids: Tensor) -> Tensor:
        """The residual stream after the last block, [n, hidden]."""
        angles = torch.outer(torch.arange(len(ids), device=ids.device, dtype=torch.float32), self.rope)
        angles = torch.cat((angles, angles), -1)
        cos, sin = angles.cos().to(self.shape.dtype), angles.sin().to(self.shape.dtype)
        x = self.embedding[ids].float()
        for layer in self.layers:
            x = layer(x, cos, sin)
        return x

    def adapters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Parameters under the names PEFT gives them in `adapter_model.safetensors`."""
        for place, layer in enumerate(self.layers):
            for name, parts in FUSED.items():
                linear = getattr(layer, name)
                for i, part in enumerate(parts):
                    at = f"base_model.model.model.layers.{place}.{HOME[name]}.{part}"
                    yield f"{at}.lora_A.weight", linear.a[i]
                    yield f"{at}.lora_B.weight", linear.b[i]


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention of one sequence, [heads, n, size] over [kv heads, n, size]."""
    heads, n, size = q.shape
    q = (q * (1 / math.sqrt(size))).view(len(k), -1, n, size)
    future = torch.full((BLOCK, BLOCK), -torch.inf, dtype=q.dtype, device=q.device).triu(1)
    blocks = []
    for begin in range(0, n, BLOCK):
        end = min(begin + BLOCK, n)
        scores = q[:, :, begin:end].flatten(1, 2) @ k[:, :end].transpose(1, 2)
        ahead = functional.pad(future[: end - begin, : end - begin], (begin, 0))
        weights = (scores.view(heads, end - begin, end) + ahead).softmax(-1).view(len(k), -1, end)
        blocks.append((weights @ v[:, :end]).view(heads, end - begin, size))
    return torch.cat(blocks, 1)
