"""A Llama to be trained, in plain torch: the same model on a processor, on one GPU and sharded over many.

A processor takes one conversation at a time: no padding, bf16 products over a float32 residual stream, own attention
and norm with written-out backward passes, logits only at supervised positions. A GPU takes packs of
conversations, block-diagonal, compiled block by block. Loss and gradients equal transformers and PEFT in float32 up to
rounding (tests); speed beside TRL: `benchmarks/train.py`.
"""

import bisect
import contextlib
import importlib.util
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from calm.errors import ModelError, UsageError
from calm.files import read_json
from calm.format.tokens import Encoded
from calm.policy.local.llama import rope_frequencies
from calm.train import attention
from calm.train.attention import Heads, Pack
from calm.train.lora import PARTS, PEFT, Linear
from calm.train.recipe import TrainRecipe
from calm.train.step import Entropy, normed, swiglu

ROUND = 512
"""GPU packs are filled up to a multiple of this, so that few lengths are compiled."""


SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers")

PLAIN = {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False}
"""What makes a Llama; a model that differs would be computed wrongly, so it is refused."""


def heads_of(config: Mapping[str, Any]) -> Heads:
    """The heads that a `config.json` names."""
    heads = config["num_attention_heads"]
    shared = config.get("num_key_value_heads") or heads
    return Heads(heads, shared, config.get("head_dim") or config["hidden_size"] // heads)


class Shape:
    """The sizes of a Llama, the dtype of its products and of its residual stream."""

    def __init__(self, config: Mapping[str, Any], dtype: torch.dtype, device: torch.device) -> None:
        for key, value in PLAIN.items():
            if config.get(key, value) != value:
                raise ModelError(f"config.json: {key} is {config[key]!r}; only Llamas with {value!r} are trained here")
        self.hidden, self.inner, self.layers = (config[k] for k in SIZES)
        self.heads = heads_of(config)
        self.eps, self.dtype = config["rms_norm_eps"], dtype
        self.residual = torch.float32 if device.type == "cpu" else dtype
        self.attention, self.attend = attention.choose(device, dtype)

    def activations(self, tokens: int) -> int:
        """Bytes that one block keeps for its backward pass over one conversation of `tokens`."""
        heads, size = self.heads, self.dtype.itemsize
        row = 2 * self.residual.itemsize * self.hidden + size * (
            2 * self.hidden + 2 * (heads.query + heads.shared) * heads.size + 4 * self.inner
        )
        kept = heads.query * tokens // 2 * size if self.attend is attention.by_hand and tokens <= attention.KEEP else 0
        return tokens * (row + kept)


class Layer(nn.Module):
    """One decoder block on [n, hidden]."""

    norm1: nn.Parameter
    norm2: nn.Parameter
    qkv: Linear
    o: Linear
    gate_up: Linear
    down: Linear

    def __init__(
        self, take: Callable[[str], Tensor], place: int, recipe: TrainRecipe, shape: Shape, *, goes_on: bool
    ) -> None:
        super().__init__()
        self.at, self.shape = f"model.layers.{place}.", shape
        full = recipe.method == "full"
        for name, parts in PARTS.items():
            own = [take(f"{self.at}{part}.weight") for part in parts]
            begun = [[take(PEFT.format(self.at + part, which)) for part in parts] for which in "AB"] if goes_on else []
            setattr(self, name, Linear(own, recipe, shape.dtype, begun))
        self.norm1 = nn.Parameter(take(self.at + "input_layernorm.weight").float(), requires_grad=full)
        self.norm2 = nn.Parameter(take(self.at + "post_attention_layernorm.weight").float(), requires_grad=full)

    def forward(self, x: Tensor, pack: Pack, wanted: Tensor | None = None) -> Tensor:
        """The block's output, at the `wanted` positions or all; `pack` says where conversations begin."""
        shape = self.shape
        mixed = shape.attend(self.qkv(normed(x, self.norm1, shape.eps, shape.dtype)), pack, shape.heads)
        if wanted is not None:
            x, mixed = x[wanted], mixed[wanted]
        x = x + self.o(mixed)
        return x + self.down(swiglu(self.gate_up(normed(x, self.norm2, shape.eps, shape.dtype))))

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """What is trained here, by its saved name."""
        for name, parts in PARTS.items():
            yield from getattr(self, name).trained([self.at + part for part in parts])
        if self.norm1.requires_grad:
            yield self.at + "input_layernorm.weight", self.norm1
            yield self.at + "post_attention_layernorm.weight", self.norm2


class Source(NamedTuple):
    """Where a model comes from: its `config.json` and its tensors by name."""

    config: dict[str, Any]
    weights: Mapping[str, Tensor]

    @classmethod
    def of(cls, base: Path, adapter: Path | None = None) -> "Source":
        """A model folder, and the adapter folder from which its training goes on."""
        return cls(read_json(base / "config.json"), Stored(base, adapter))


class Stored(Mapping[str, Tensor]):
    """The tensors of a folder's `*.safetensors`, each read when asked for; a damaged file is a ModelError.

    Those of an `adapter` stand beside them, under the names that PEFT gives them.
    """

    def __init__(self, folder: Path, adapter: Path | None = None) -> None:
        self.folder, self.adapter, self.home = folder, adapter is not None, dict[str, Path]()
        for path in (p for home in (folder, adapter) if home for p in sorted(home.glob("*.safetensors"))):
            self.home.update(dict.fromkeys(self._open(path).keys(), path))

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.home:
            raise ModelError(f"{self.folder}: holds no tensor {name}; is it a Llama, saved whole?")
        path = self.home[name]
        try:
            return self._open(path).get_tensor(name)
        except SafetensorError as error:
            raise ModelError(f"{path}: cannot be read ({error}); fetch or save it again") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self.home)

    def __len__(self) -> int:
        return len(self.home)

    @staticmethod
    def _open(path: Path) -> Any:
        try:
            return safe_open(path, framework="pt")
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path}: cannot be read ({error}); fetch or save it again") from error


class LoraLlama(nn.Module):
    """The whole model. Frozen tensors are parameters that ask for no gradient, so that they can be sharded.

    Args:
        base: a model folder (`config.json`, `*.safetensors`), or its parts; with an adapter's it goes on from there.
        recipe: method, adapters, `pack`, `checkpointing` and `compile` are read here.
        device: where it computes; anything but a processor takes packs of conversations.
        dtype: of the products and the frozen weights.
        spread: called with each block when it is loaded (`crew.shard`), so that no process need hold them all.

    Raises:
        ModelError: not a plain Llama, or a weight is damaged or missing.
        MissingExtra: `method: qlora` without bitsandbytes.
        UsageError: `compile: on` where that cannot be.
    """

    rope: Tensor

    def __init__(
        self,
        base: Path | Source,
        recipe: TrainRecipe,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.bfloat16,
        spread: Callable[[nn.Module], None] = lambda block: None,
    ) -> None:
        super().__init__()
        config, weights = Source.of(base) if isinstance(base, Path) else base
        self.recipe, self.device = recipe, torch.device(device)
        self.shape = Shape(config, dtype, self.device)
        full = recipe.method == "full"

        def take(name: str) -> Tensor:
            return weights[name].to(self.device)

        def whole(name: str) -> nn.Parameter:
            return nn.Parameter(take(name).to(torch.float32 if full else dtype), requires_grad=full)

        self.embedding = whole("model.embed_tokens.weight")
        self.head = None if config.get("tie_word_embeddings") else whole("lm_head.weight")
        self.norm = nn.Parameter(take("model.norm.weight").float(), requires_grad=full)
        self.register_buffer("rope", rope_frequencies(config).to(self.device), persistent=False)
        self.compiled = compiles(recipe, self.device)
        self.layers = nn.ModuleList()
        for i in range(self.shape.layers):
            layer = Layer(take, i, recipe, self.shape, goes_on=isinstance(weights, Stored) and weights.adapter)
            if self.compiled:
                layer.compile()
            spread(layer)
            self.layers.append(layer)
        self.measure()

    def measure(self) -> None:
        """Take stock of what a step may fill (`room`, bytes); again once all weights have been spread."""
        self.room = free_memory(self.device) - self.state

    @property
    def state(self) -> int:
        """Bytes of the gradients and of both moments that this process holds: of spread weights its own part."""
        return 12 * sum(_here(weight).numel() for weight in self.parameters() if weight.requires_grad)

    def loss(self, rows: Sequence[Encoded]) -> tuple[Tensor, int]:
        """Summed cross-entropy over the supervised tokens of rows that go through together, and their number.

        None of them sees another. A processor is fastest with one at a time, a GPU with `recipe.pack` tokens.
        """
        ids, pack = self.laid(rows)
        learnt = [[i for i, learn in enumerate(row.learn) if learn and i] for row in rows]
        places = [at + i for at, own in zip(pack.seams, learnt, strict=False) for i in own]
        targets = torch.tensor(places, device=self.device)
        hidden = normed(self.hidden(ids, pack, targets - 1), self.norm, self.shape.eps, self.shape.dtype)
        head = self.embedding if self.head is None else self.head
        return Entropy.apply(hidden, head, ids[targets], torch.is_grad_enabled()), len(places)

    def laid(self, rows: Sequence[Encoded]) -> tuple[Tensor, Pack]:
        """Ids of the rows end to end, positions restarted at each; on a GPU filled up to a multiple of `ROUND`."""
        lengths = [len(row.ids) for row in rows]
        if self.device.type != "cpu" and sum(lengths) % ROUND:
            lengths.append(ROUND - sum(lengths) % ROUND)
        seams = (0, *itertools.accumulate(lengths))
        ids = torch.zeros(seams[-1], dtype=torch.long)
        ids[: sum(len(row.ids) for row in rows)] = torch.tensor([i for row in rows for i in row.ids])
        places = torch.cat([torch.arange(n, dtype=torch.float32) for n in lengths]).to(self.device)
        angles = torch.outer(places, self.rope)
        cos, sin = angles.cos(), angles.sin()
        cos, sin = torch.cat((cos, cos), -1).to(self.shape.dtype), torch.cat((-sin, sin), -1).to(self.shape.dtype)
        bounds = torch.tensor(seams + seams[-1:] * (-len(seams) % 16), dtype=torch.int32, device=self.device)
        mask = attention.documents(bounds, len(ids)) if self.shape.attend is attention.flexible else None
        return ids.to(self.device), Pack(seams, cos, sin, bounds, -(-max(lengths) // ROUND) * ROUND, mask)

    def hidden(self, ids: Tensor, pack: Pack, wanted: Tensor | None = None) -> Tensor:
        """The residual stream after the last block, [n, hidden]; nothing else is computed there than what is wanted."""
        x = functional.embedding(ids, self.embedding).to(self.shape.residual)
        again = self._recomputes(len(ids)) and torch.is_grad_enabled()
        for i, layer in enumerate(self.layers, 1):
            places = wanted if i == len(self.layers) else None
            x = checkpoint(layer, x, pack, places, use_reentrant=False) if again else layer(x, pack, places)
        return x

    def _recomputes(self, tokens: int) -> bool:
        """Whether blocks keep only their input and compute the rest again in the backward pass."""
        if self.recipe.checkpointing == "auto":
            return self.shape.layers * self.shape.activations(tokens) > self.room
        return self.recipe.checkpointing == "on"

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """What is trained, under the names PEFT gives adapters, or the checkpoint's own (`method: full`)."""
        for layer in self.layers:
            yield from cast(Layer, layer).trained()
        if self.recipe.method == "full":
            yield "model.embed_tokens.weight", self.embedding
            yield "model.norm.weight", self.norm
            if self.head is not None:
                yield "lm_head.weight", self.head

    def facts(self) -> dict[str, Any]:
        """How the step is computed here, for the manifest and the terminal: nothing falls back in silence."""
        return {
            "method": self.recipe.method,
            "device": str(self.device),
            "dtype": str(self.shape.dtype).removeprefix("torch."),
            "attention": self.shape.attention,
            "compiled": self.compiled,
            "tokens_before_recompute": self._longest(),
        }

    def _longest(self) -> int | None:
        """The longest pack that goes through without computing blocks twice; None: any."""
        if self.recipe.checkpointing != "auto":
            return 0 if self.recipe.checkpointing == "on" else None
        return bisect.bisect(range(1 << 20), False, key=self._recomputes) - 1

    @staticmethod
    def shapes(config: Mapping[str, Any], recipe: TrainRecipe) -> dict[str, tuple[int, ...]]:
        """Every tensor by its saved name, frozen and trained, without making one: what a plan counts."""
        hidden, inner, vocabulary = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
        heads = heads_of(config)
        rows = {"q_proj": heads.query * heads.size, "k_proj": heads.shared * heads.size}
        outs = {
            **rows,
            "v_proj": rows["k_proj"],
            "o_proj": hidden,
            "gate_proj": inner,
            "up_proj": inner,
            "down_proj": hidden,
        }
        ins = dict.fromkeys(outs, hidden) | {"o_proj": rows["q_proj"], "down_proj": inner}
        found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, hidden)}
        for i, part in itertools.product(range(config["num_hidden_layers"]), itertools.chain(*PARTS.values())):
            at, short = f"model.layers.{i}.{part}", part.split(".")[1]
            found[f"{at}.weight"] = (outs[short], ins[short])
            if recipe.method != "full":
                found[f"base_model.model.{at}.lora_A.weight"] = (recipe.lora.rank, ins[short])
                found[f"base_model.model.{at}.lora_B.weight"] = (outs[short], recipe.lora.rank)
        norms = ("input_layernorm", "post_attention_layernorm")
        found |= {f"model.layers.{i}.{n}.weight": (hidden,) for i in range(config["num_hidden_layers"]) for n in norms}
        found["model.norm.weight"] = (hidden,)
        return found if config.get("tie_word_embeddings") else {**found, "lm_head.weight": (vocabulary, hidden)}


def _here(weight: Tensor) -> Tensor:
    return weight.to_local() if isinstance(weight, DTensor) else weight


def compiles(recipe: TrainRecipe, device: torch.device) -> bool:
    """Whether blocks go through `torch.compile`: on a GPU where Triton is, unless the recipe says otherwise.

    Raises:
        UsageError: asked for on a processor, whose loop over query blocks would be compiled for every length anew.
    """
    can = device.type == "cuda" and importlib.util.find_spec("triton") is not None
    if recipe.compile == "on" and not can:
        raise UsageError(f"compile: on needs a GPU and Triton, and this is {device}; say auto or off")
    return can and recipe.compile != "off"


def free_memory(device: torch.device) -> int:
    """Bytes that a step may fill: four fifths of what is free now on the GPU, or to this process on a processor."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] * 4 // 5
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    with contextlib.suppress(OSError, ValueError):  # no such file, or "max": no limit on the group of processes
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
        free = min(free, limit)
    return free * 4 // 5
