"""A Llama as an OpenVINO graph, built in memory from config and weights: flat tokens in, logits of chosen rows out.

Attention is the runtime's own paged attention (a private operation: the arguments below are those of 2026.4,
as `paged_attention_transformation` writes them). Weights enter as int8 per row or f16 constants, which
the CPU plugin fuses into its products.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

from calm.policy.local.engine import Precision
from calm.policy.local.weights import Array, Weights, heads_of

ATTENTION = "_PagedAttentionExtension"

PAST = ("past_lens", "subsequence_begins", "block_indices", "block_indices_begins")
"""Per sequence: tokens cached, where its new tokens begin, its blocks, where its blocks begin."""


class Graph:
    """The builder: one method per part of the network; `model` is the finished graph."""

    def __init__(self, weights: Weights, precision: Precision) -> None:
        self.weights, self.precision, self.config = weights, precision, weights.config
        self.heads = heads_of(weights.config)
        self.inputs = {name: parameter(ov.Type.i32, [-1], name) for name in ("input_ids", *PAST, "sampled")}
        self.inputs["max_context_len"] = parameter(ov.Type.i32, [], "max_context_len")
        for name in ("cos", "sin"):
            self.inputs[name] = parameter(ov.Type.f32, [-1, 1, self.heads.size // 2], name)
        self.model = self._model()

    def _model(self) -> ov.Model:
        matrix, scale = self._matrix("model.embed_tokens.weight")
        x = self._rows(matrix, scale, self.inputs["input_ids"])
        for layer in range(self.config["num_hidden_layers"]):
            x = self._block(x, layer)
        x = op.gather(x, self.inputs["sampled"], op.constant(np.int32(0)))
        x = self._norm(x, "model.norm.weight")
        if not self.config.get("tie_word_embeddings"):
            matrix, scale = self._matrix("lm_head.weight")
        logits: Any = op.matmul(x, widened(matrix, scale), False, True)
        return ov.Model([logits], [*self.inputs.values()], "llama")  # ty: ignore[no-matching-overload]  # its stubs

    def _block(self, x: Any, layer: int) -> Any:
        at = f"model.layers.{layer}."
        queries, keys, size = self.heads
        qkv = self._linear(
            self._norm(x, at + "input_layernorm.weight"), *(at + f"self_attn.{n}_proj.weight" for n in "qkv")
        )
        split = op.variadic_split(qkv, 1, [queries * size, keys * size, keys * size])
        q, k = self._rotated(split.output(0), queries), self._rotated(split.output(1), keys)
        mixed = self._attention(q, k, split.output(2), layer)
        x = op.add(x, self._linear(mixed, at + "self_attn.o_proj.weight"))
        inner = self._norm(x, at + "post_attention_layernorm.weight")
        both = op.variadic_split(
            self._linear(inner, at + "mlp.gate_proj.weight", at + "mlp.up_proj.weight"),
            1,
            [self.config["intermediate_size"]] * 2,
        )
        gated = op.multiply(op.swish(both.output(0)), both.output(1))
        return op.add(x, self._linear(gated, at + "mlp.down_proj.weight"))

    def _norm(self, x: Any, name: str) -> Any:
        square = op.reduce_mean(op.power(x, np.float32(2)), np.array([-1], np.int32), True)
        return op.multiply(
            op.multiply(x, op.divide(np.float32(1), op.sqrt(op.add(square, np.float32(self.config["rms_norm_eps"]))))),
            op.constant(self.weights[name]),
        )

    def _rotated(self, x: Any, heads: int) -> Any:
        """Rotary embedding, halves layout: [n, heads * size] in and out."""
        size = self.heads.size
        shaped = op.reshape(x, np.array([-1, heads, size], np.int32), False)
        halves = op.variadic_split(shaped, 2, [size // 2, size // 2])
        first, second, cos, sin = halves.output(0), halves.output(1), self.inputs["cos"], self.inputs["sin"]
        left = op.subtract(op.multiply(first, cos), op.multiply(second, sin))
        right = op.add(op.multiply(second, cos), op.multiply(first, sin))
        return op.reshape(op.concat([left, right], 2), np.array([-1, heads * size], np.int32), False)

    def _attention(self, q: Any, k: Any, v: Any, layer: int) -> Any:
        """Paged attention over this layer's cache; the caches' shape is chosen by the plugin."""
        queries, keys, size = self.heads
        for name in (f"key_cache.{layer}", f"value_cache.{layer}"):
            self.inputs[name] = parameter(ov.Type.dynamic, [-1, -1, -1, -1], name)
        no_int, no_float = op.constant(np.zeros(0, np.int32)), op.constant(np.zeros(0, np.float32))
        zero = op.constant(np.int32(0))
        arguments = [q, k, v, self.inputs[f"key_cache.{layer}"], self.inputs[f"value_cache.{layer}"]]
        arguments += [self.inputs[name] for name in PAST]
        arguments += [op.constant(np.float32(1 / math.sqrt(size))), zero, no_float, self.inputs["max_context_len"]]
        arguments += [no_int, no_int, no_int, no_float, no_float, zero, zero]
        arguments += [op.constant(np.zeros((0, 0, 0, 0), np.float32)), zero, no_int, no_int, no_int, no_int]
        arguments += [op.constant(np.zeros(0, np.uint8)), no_int]
        node = getattr(ov.op, ATTENTION)([as_output(a) for a in arguments])
        for key, value in (("k", keys), ("v", keys)):
            node.get_rt_info()[f"num_{key}_heads"] = value
            node.get_rt_info()[f"{key}_head_size"] = size
        return op.reshape(node.output(0), np.array([-1, queries * size], np.int32), False)

    def _linear(self, x: Any, *names: str) -> Any:
        return op.matmul(x, widened(*self._matrix(*names)), False, True)

    def _matrix(self, *names: str) -> tuple[Any, Any]:
        """The constant of stacked matrices and, for int8, of each row's scale."""
        value = self.weights.stack(*names)
        if self.precision == "int8":
            rows, scale = rounded(value)
            return op.constant(rows, shared_memory=True), op.constant(scale.astype(np.float16))
        return op.constant(value.astype(np.float16 if self.precision == "f16" else np.float32)), None

    def _rows(self, matrix: Any, scale: Any, ids: Any) -> Any:
        """Rows of a constant, widened after they are chosen."""
        zero = op.constant(np.int32(0))
        rows = op.convert(op.gather(matrix, ids, zero), ov.Type.f32)
        return op.multiply(rows, op.convert(op.gather(scale, ids, zero), ov.Type.f32)) if scale is not None else rows


def rounded(value: Array) -> tuple[NDArray[np.int8], Array]:
    """A matrix as int8 and a scale [rows, 1]: each row's largest number becomes 127."""
    rows = np.empty(value.shape, np.int8)
    scale = np.empty((len(value), 1), np.float32)
    step = max(1, (1 << 18) // value.shape[1])  # pieces that stay in the processor's cache: twice as fast
    for begin in range(0, len(value), step):
        piece = value[begin : begin + step]
        most = np.maximum(piece.max(1, keepdims=True), -piece.min(1, keepdims=True)) / 127
        kept = np.maximum(most, np.float32(1e-7)).astype(np.float16).astype(np.float32)  # as it will be stored
        scale[begin : begin + step] = kept
        turned = piece * (1 / kept)
        rows[begin : begin + step] = np.rint(turned, out=turned).clip(-127, 127, out=turned)
    return rows, scale


def widened(matrix: Any, scale: Any) -> Any:
    """A stored matrix as float32 in the graph; the plugin fuses this into the product."""
    if scale is None:
        return matrix if matrix.get_element_type() == ov.Type.f32 else op.convert(matrix, ov.Type.f32)
    return op.convert(op.multiply(op.convert(matrix, ov.Type.f16), scale), ov.Type.f32)


def parameter(kind: ov.Type, shape: Sequence[int], name: str) -> Any:
    """A named input."""
    made = op.parameter(ov.PartialShape(list(shape)), kind, name=name)
    made.output(0).get_tensor().set_names({name})
    return made


def as_output(value: Any) -> Any:
    """A node's only output; outputs stay as they are."""
    return value if isinstance(value, ov.Output) else value.output(0)
