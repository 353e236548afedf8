"""Weights without torch: matrices read one by one from safetensors files, a PEFT adapter added on the way.

Nothing is kept, so building a model takes little more memory than the model; bfloat16, which numpy lacks, is the upper
half of a float32.
"""

import json
import math
from collections.abc import Container
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calm.errors import ModelError
from calm.files import read_json

Array = NDArray[np.float32]

DTYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16, "F64": np.float64}


class Place(NamedTuple):
    """Where a tensor lies: file, offset in bytes, safetensors' name of its dtype, shape."""

    path: Path
    offset: int
    dtype: str
    shape: list[int]

    def read(self) -> Array:
        """The tensor as float32, in memory of its own."""
        values = np.fromfile(self.path, DTYPES[self.dtype], math.prod(self.shape), offset=self.offset)
        if self.dtype == "BF16":
            wide = values.astype(np.uint32)
            wide <<= 16
            values = wide.view(np.float32)
        return values.astype(np.float32, copy=False).reshape(self.shape)


class Change(NamedTuple):
    """What a LoRA adapter adds to a model: scale * B A for each of its matrices, computed when asked for."""

    scale: float
    lora: dict[str, Place]
    turned: bool = False
    """Whether the products are transposed first (`fan_in_fan_out`)."""

    def added(self, name: str, weight: Array) -> Array:
        """A tensor of the base by its name, with the change if it has one, in float32."""
        stem = "base_model.model." + name.removesuffix("weight")
        if f"{stem}lora_A.weight" not in self.lora:
            return weight
        down, up = (self.lora[f"{stem}lora_{side}.weight"].read() for side in "AB")
        product = self.scale * (up @ down)
        return weight + (product.T if self.turned else product)


class Weights:
    """A model folder's tensors by name, an adapter's change added, in float32; read anew each time."""

    def __init__(self, base: Path, adapter: Path | None = None) -> None:
        self.config: dict[str, Any] = read_json(base / "config.json")
        self._base, self._places = base, tensors(base)
        self._change = read_change(adapter, self._places) if adapter else Change(0, {})

    def __getitem__(self, name: str) -> Array:
        """A tensor as the model with its adapter has it.

        Raises:
            ModelError: the folder has no such tensor.
        """
        if name not in self._places:
            raise ModelError(f"{self._base}: its safetensors hold no {name}; fetch or save the model again")
        return self._change.added(name, self._places[name].read())

    def stack(self, *names: str) -> Array:
        """Several matrices of the same inputs as one, rows after rows."""
        return np.concatenate([self[name] for name in names]) if len(names) > 1 else self[names[0]]


def read_change(adapter: Path, base: Container[str]) -> Change:
    """The change of a PEFT adapter folder to a base with tensors of these names.

    Raises:
        ModelError: it is no plain LoRA with one rank for all, or changes what the base does not have.
    """
    settings = read_json(adapter / "adapter_config.json")
    kind = "DoRA" if settings.get("use_dora") else settings.get("peft_type")
    if kind != "LORA":
        raise ModelError(f"{adapter}: is {kind}, only plain LoRA adapters are merged here")
    if settings.get("rank_pattern") or settings.get("alpha_pattern"):
        raise ModelError(f"{adapter}: ranks differ (rank_pattern, alpha_pattern); merge it with PEFT first")
    lora = tensors(adapter)
    for name in lora:
        target = name.removeprefix("base_model.model.")
        plain = target.replace(".lora_A.", ".").replace(".lora_B.", ".")
        if plain == target:
            raise ModelError(f"{adapter}: {name} is no LoRA matrix; only plain LoRA adapters are merged here")
        if plain not in base:
            raise ModelError(f"{adapter}: changes {plain}, which the base model does not have: another base?")
    rank = settings["r"]
    scale = settings["lora_alpha"] / (math.sqrt(rank) if settings.get("use_rslora") else rank)
    return Change(scale, lora, bool(settings.get("fan_in_fan_out")))


def tensors(folder: Path) -> dict[str, Place]:
    """Where all tensors of a folder's `*.safetensors` lie.

    Raises:
        ModelError: no such file, or a damaged one.
    """
    found: dict[str, Place] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            found.update(_places(path))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: cannot be read ({error}); fetch or save it again") from error
    if not found:
        raise ModelError(f"{folder}: has no *.safetensors file with tensors; fetch or save the model again")
    return found


def _places(path: Path) -> dict[str, Place]:
    """Format: a length (u64, little endian), a JSON header of that many bytes, the data (safetensors' README)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        if start > size:
            raise ValueError("its header is cut off")
        header = json.loads(file.read(start - 8))
    header.pop("__metadata__", None)
    found = {}
    for name, about in header.items():
        begin, end = about["data_offsets"]
        kind, shape = DTYPES.get(about["dtype"]), about["shape"]
        if kind is None or start + end > size or end - begin != math.prod(shape) * np.dtype(kind).itemsize:
            raise ValueError(f"{name} is cut off or of a dtype other than {', '.join(DTYPES)}")
        found[name] = Place(path, start + begin, about["dtype"], shape)
    return found


class Heads(NamedTuple):
    """Query heads, key and value heads, numbers per head."""

    queries: int
    keys: int
    size: int


def heads_of(config: dict[str, Any]) -> Heads:
    """The heads that a `config.json` names."""
    queries = config["num_attention_heads"]
    keys = config.get("num_key_value_heads") or queries
    return Heads(queries, keys, config.get("head_dim") or config["hidden_size"] // queries)


def rope_frequencies(config: dict[str, Any]) -> Array:
    """Inverse frequencies [size / 2]; types `default`, `linear` and `llama3` (transformers, modeling_rope_utils).

    Raises:
        ModelError: another rope type.
    """
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    theta = rope.get("rope_theta") or config.get("rope_theta") or 10000.0
    size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    frequencies = 1.0 / theta ** (np.arange(0, size, 2, dtype=np.float32) / size)
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind == "default":
        return frequencies.astype(np.float32)
    if kind == "linear":
        return (frequencies / rope["factor"]).astype(np.float32)
    if kind != "llama3":
        raise ModelError(f"config.json: rope type {kind!r} is not known; known are default, linear, llama3")
    low, high, old = rope["low_freq_factor"], rope["high_freq_factor"], rope["original_max_position_embeddings"]
    blend = ((old * frequencies / (2 * math.pi) - low) / (high - low)).clip(0, 1)
    return ((1 - blend) * frequencies / rope["factor"] + blend * frequencies).astype(np.float32)
