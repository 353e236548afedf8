"""The OpenVINO engine: sequences over one compiled graph and one pool of cache blocks that they share.

A block holds keys and values of `BLOCK` tokens. Forks share blocks and copy one only before writing into it, so many
dialogues over the same tools hold their common start once; rewinding gives blocks back.
"""

import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from calm.errors import ModelError
from calm.policy.local.engine import Precision, Unfit
from calm.policy.local.openvino_graph import Graph
from calm.policy.local.weights import Array, Weights, heads_of, rope_frequencies

BLOCK = 32
"""Tokens in a block; the CPU plugin's own number."""

GROUP = 256
"""Numbers of an activation that may share a scale when it meets int8 weights: fewer are exacter and slower."""


def group(config: dict[str, Any]) -> int:
    """The most numbers up to `GROUP` that divide every row an int8 product reads, so that no product is left out."""
    queries, _, size = heads_of(config)
    common = math.gcd(config["hidden_size"], config["intermediate_size"], queries * size)
    return next(size for size in range(GROUP, 0, -1) if common % size == 0)


class Pool:
    """A compiled model, its cache blocks and who uses them; one call at a time."""

    def __init__(self, weights: Weights, precision: Precision) -> None:
        self.limit = int(weights.config.get("max_position_embeddings", 2048))
        self._vocabulary = int(weights.config["vocab_size"])
        self._frequencies = rope_frequencies(weights.config)
        exact = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
        core = ov.Core()
        wide = core.get_property("CPU", "INFERENCE_PRECISION_HINT") == ov.Type.bf16
        settings = {"KV_CACHE_PRECISION": "bf16"} if wide and precision != "f32" else exact
        if precision == "int8":
            settings = {**settings, "DYNAMIC_QUANTIZATION_GROUP_SIZE": group(weights.config)}
        self._model = core.compile_model(Graph(weights, precision).model, "CPU", settings)
        self._request = self._model.create_infer_request()
        self._caches: list[ov.Tensor] = []
        self._free: list[int] = []
        self._users: list[int] = []
        self._lock = threading.RLock()
        self._grow(64)

    def _grow(self, blocks: int) -> None:
        """Make room for `blocks` blocks, keeping what is there; memory is touched only when written to."""
        ports = [port for port in self._model.inputs if "_cache." in port.any_name]
        before = self._caches or [None] * len(ports)
        self._caches = []
        for port, old in zip(ports, before, strict=True):
            shape = [blocks, *(size.get_length() for size in list(port.partial_shape)[1:])]
            if shape[2] != BLOCK:
                raise Unfit(f"openvino {ov.__version__} has cache blocks of {shape[2]} tokens, not {BLOCK}")
            cache = ov.Tensor(port.element_type, shape)
            if old is not None:
                cache.data[: len(self._users)] = old.data
            self._caches.append(cache)
            self._request.set_tensor(port, cache)
        self._free += range(blocks - 1, len(self._users) - 1, -1)
        self._users += [0] * (blocks - len(self._users))

    def take(self) -> int:
        """A free block."""
        if not self._free:
            self._grow(2 * len(self._users))
        block = self._free.pop()
        self._users[block] = 1
        return block

    def share(self, blocks: Sequence[int]) -> None:
        """Count one more user of each."""
        with self._lock:
            for block in blocks:
                self._users[block] += 1

    def give(self, blocks: Sequence[int]) -> None:
        """Count one user less; blocks without any are free."""
        with self._lock:
            for block in blocks:
                self._users[block] -= 1
                if not self._users[block]:
                    self._free.append(block)

    def own(self, block: int) -> int:
        """The block itself if it has one user, else a copy of it."""
        if self._users[block] == 1:
            return block
        copy = self.take()
        for cache in self._caches:
            cache.data[copy] = cache.data[block]
        self.give([block])
        return copy

    def run(self, parts: Sequence[tuple["OpenVINO", Sequence[int]]]) -> Array:
        """Append tokens to sequences, at least one to each; logits after each one's last, [sequences, vocabulary]."""
        with self._lock:
            for sequence, ids in parts:
                self._check(sequence, ids)
                sequence.reserve(len(sequence.ids) + len(ids))
            for name, value in self._inputs(parts).items():
                self._request.set_tensor(name, ov.Tensor(value))
            self._request.infer()
            for sequence, ids in parts:
                sequence.ids += ids
            return self._request.get_output_tensor(0).data.copy()

    def _check(self, sequence: "OpenVINO", ids: Sequence[int]) -> None:
        if not ids or min(ids) < 0 or max(ids) >= self._vocabulary:
            raise ModelError(
                f"tokens must be at least one, each from 0 to {self._vocabulary - 1}: adapter of another base?"
            )

    def _inputs(self, parts: Sequence[tuple["OpenVINO", Sequence[int]]]) -> dict[str, Any]:
        past = [len(sequence.ids) for sequence, _ in parts]
        new = [len(ids) for _, ids in parts]
        ends = np.cumsum(new)
        places = np.concatenate([np.arange(p, p + n, dtype=np.float32) for p, n in zip(past, new, strict=True)])
        angles = np.outer(places, self._frequencies)[:, None]
        blocks = [sequence.blocks for sequence, _ in parts]
        return {
            "input_ids": np.concatenate([np.asarray(ids, np.int32) for _, ids in parts]),
            "past_lens": np.array(past, np.int32),
            "subsequence_begins": np.array([0, *ends], np.int32),
            "block_indices": np.array([b for held in blocks for b in held], np.int32),
            "block_indices_begins": np.cumsum([0, *map(len, blocks)]).astype(np.int32),
            "max_context_len": np.array(max(p + n for p, n in zip(past, new, strict=True)), np.int32),
            "sampled": (ends - 1).astype(np.int32),
            "cos": np.cos(angles),
            "sin": np.sin(angles),
        }


class OpenVINO:
    """One sequence in a pool."""

    def __init__(self, pool: Pool, kind: str) -> None:
        self.pool, self.kind, self.rung = pool, kind, ""
        self.ids: list[int] = []
        self.blocks: list[int] = []

    @classmethod
    def load(cls, base: Path, adapter: Path | None = None, precision: Precision = "int8") -> "OpenVINO":
        """An empty sequence of a model folder, an adapter merged while the graph is built.

        Raises:
            ModelError: the folder lacks something.
            Unfit: this OpenVINO or this processor cannot run the graph.
        """
        weights = Weights(base, adapter)
        try:
            made = cls(Pool(weights, precision), f"openvino {precision}")
            works = bool(np.isfinite(made.forward([0])).all())  # the plugin packs weights at the first call
        except (RuntimeError, TypeError, AttributeError) as error:  # what a changed private operation raises
            raise Unfit(f"openvino {ov.__version__}: {str(error).strip().splitlines()[-1]:.200}") from error
        if not works:
            raise Unfit(f"openvino {ov.__version__}: computes no finite numbers on this processor")
        made.rewind(0)
        return made

    @property
    def limit(self) -> int:
        """The longest sequence the model was made for, in tokens."""
        return self.pool.limit

    def forward(self, ids: Sequence[int]) -> Array:
        """Append at least one token; the logits [vocabulary] of what follows the last one."""
        return self.pool.run([(self, ids)])[0]

    def forward_many(self, parts: Sequence[tuple["OpenVINO", Sequence[int]]]) -> Array:
        """Append tokens to several sequences of one pool in one call; logits [sequences, vocabulary]."""
        return self.pool.run(parts)

    def rewind(self, length: int) -> None:
        """Forget all tokens after the first `length`."""
        keep = -(-length // BLOCK)
        self.pool.give(self.blocks[keep:])
        del self.blocks[keep:], self.ids[length:]

    def fork(self) -> "OpenVINO":
        """Another sequence with the same tokens, sharing their blocks."""
        other = OpenVINO(self.pool, self.kind)
        other.rung, other.ids, other.blocks = self.rung, list(self.ids), list(self.blocks)
        self.pool.share(other.blocks)
        return other

    def reserve(self, length: int) -> None:
        """Blocks for `length` tokens; the one written to next is this sequence's own."""
        if len(self.ids) % BLOCK:
            self.blocks[-1] = self.pool.own(self.blocks[-1])
        while len(self.blocks) * BLOCK < length:
            self.blocks.append(self.pool.take())

    def __del__(self) -> None:
        self.pool.give(self.blocks)  # not `rewind`: at the interpreter's end the module's names are gone
