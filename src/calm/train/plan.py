"""What a run will need, by arithmetic: parameters, memory by part, steps, operations, hours. No torch, no weights.

Shapes come from a model's `config.json` or, for the models of the paper, from the table here, so that a run on eight
devices can be planned on a laptop without a network. Operations are those that a step cannot do without: products of
frozen weights forward and backward (no gradient of the weights themselves), adapters, causal attention, the head at
supervised positions.
"""

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from calm.errors import ModelError, UsageError
from calm.files import read_object
from calm.format.tokens import Codec
from calm.hub import models, smollm
from calm.hub.wheels import Progress
from calm.train import rows
from calm.train.recipe import Stage, TrainRecipe

LLAMA = {"model_type": "llama", "vocab_size": 128256, "num_key_value_heads": 8, "tie_word_embeddings": False}
KNOWN: dict[str, dict[str, Any]] = {
    "meta-llama/Llama-3.1-8B-Instruct": {
        **LLAMA,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    },
    "meta-llama/Llama-3.3-70B-Instruct": {
        **LLAMA,
        "hidden_size": 8192,
        "intermediate_size": 28672,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
    },
    "meta-llama/Llama-3.1-405B-Instruct": {
        **LLAMA,
        "hidden_size": 16384,
        "intermediate_size": 53248,
        "num_hidden_layers": 126,
        "num_attention_heads": 128,
    },
}
"""Shapes of the paper's three bases as their `config.json` on the hub says them (Llama 3 paper, table 3)."""

CHUNK = 1024
"""Supervised positions whose logits exist together on an accelerator (`train.step.CHUNK`; a test holds them equal)."""

SUPERVISED = 0.25
"""Share of supervised tokens where rows are only assumed."""

NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Bytes of a weight in 4 bits: a byte of scale for each 64 weights, and a float32 for each 256 scales."""


@dataclass(frozen=True)
class Machine:
    """What is assumed of the hardware and, where the data are not at hand, of them.

    Attributes:
        devices: accelerators that share the model (FSDP) and each step's conversations.
        efficiency: the share of `peak` that the products reach.
        peak: TFLOP/s of one device in bf16; 989 is an H100's or H200's data sheet.
        link: GB/s at which one device receives the others' shards.
        rows: conversations of a pass, where the data are not at hand.
        tokens: mean tokens of a conversation, where the data are not at hand.
    """

    devices: int = 1
    efficiency: float = 0.40
    peak: float = 989.0
    link: float = 350.0
    rows: int | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no machine and no dataset has.

        Raises:
            UsageError: names the flag, its value and its bounds.
        """
        for name, value in asdict(self).items():
            most = 1 if name == "efficiency" else math.inf
            if value is not None and not (0 < value <= most and math.isfinite(value)):
                raise UsageError(f"--{name} {value}: must be above 0" + f" and at most {most}" * (most == 1))


class Shape(NamedTuple):
    """The sizes of a Llama; `queries` and `keys` are heads times head size."""

    hidden: int
    inner: int
    layers: int
    queries: int
    keys: int
    vocabulary: int
    tied: bool

    @classmethod
    def of(cls, config: dict[str, Any]) -> "Shape":
        """From the keys of a `config.json`."""
        heads, hidden = config["num_attention_heads"], config["hidden_size"]
        size = config.get("head_dim") or hidden // heads
        keys = size * (config.get("num_key_value_heads") or heads)
        tied = bool(config.get("tie_word_embeddings"))
        sizes = config["intermediate_size"], config["num_hidden_layers"], heads * size, keys, config["vocab_size"]
        return cls(hidden, *sizes, tied)

    @property
    def linears(self) -> list[tuple[int, int]]:
        """(out, in) of the seven linear layers of a block: q, k, v, o, gate, up, down."""
        h, f, q, k = self.hidden, self.inner, self.queries, self.keys
        return [(q, h), (k, h), (k, h), (h, q), (f, h), (f, h), (h, f)]

    @property
    def block(self) -> int:
        """Weights in the linear layers of one block."""
        return sum(out * into for out, into in self.linears)

    @property
    def tables(self) -> int:
        """Weights of the embedding and, where it is not the same, the head."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def norms(self) -> int:
        """Weights of all norms."""
        return (2 * self.layers + 1) * self.hidden

    @property
    def parameters(self) -> int:
        """All weights of the base."""
        return self.layers * self.block + self.tables + self.norms

    def adapters(self, rank: int) -> int:
        """Weights of low-rank adapters on every linear layer of the blocks."""
        return self.layers * rank * sum(out + into for out, into in self.linears)


class Pass(NamedTuple):
    """One stage, or the whole run: rows and steps, and over all its steps tokens, supervised ones, sum of lengths²."""

    name: str
    rows: int
    steps: int
    tokens: int
    supervised: int
    squares: int
    longest: int


def passes(name: str, lengths: Iterable[tuple[int, int]], epochs: float, batch: int) -> Pass:
    """A stage over conversations of (tokens, supervised tokens)."""
    all_ = list(lengths)
    tokens, supervised = (round(epochs * sum(row[i] for row in all_)) for i in (0, 1))
    squares = round(epochs * sum(n * n for n, _ in all_))
    longest = max((n for n, _ in all_), default=0)
    return Pass(name, len(all_), max(1, round(len(all_) * epochs / batch)), tokens, supervised, squares, longest)


def trainable(shape: Shape, recipe: TrainRecipe) -> int:
    """Weights that a run changes."""
    return shape.parameters if recipe.method == "full" else shape.adapters(recipe.lora.rank)


def at_once(recipe: TrainRecipe, devices: int) -> int:
    """Tokens that go through a device together at most: a pack, or its share of a step's longest conversations."""
    return min(max(recipe.pack, recipe.max_length), -(-recipe.batch // devices) * recipe.max_length)


def memory(shape: Shape, recipe: TrainRecipe, devices: int) -> dict[str, int]:
    """Bytes on one accelerator by part; weights, gradients and optimiser are shared out among `devices`.

    `gathered` is what FSDP has whole at one time: two blocks, the embedding and the head. `unpacked` is the largest
    product's weights in bf16, where they are kept otherwise. Activations are those of `at_once` tokens, kept for all
    blocks, and with checkpointing: the input of each block and all of one.
    """
    learnt, tokens = trainable(shape, recipe), at_once(recipe, devices)
    blocks, tables = _weights(shape, recipe)
    own = 0 if recipe.method == "full" else 4 * learnt
    parts = {
        "weights": (blocks + tables) / devices,
        "adapters": own / devices,
        "gradients": 4 * learnt / devices,
        "optimiser": 8 * learnt / devices,
        "gathered": 2 * (blocks + own) / shape.layers + tables if devices > 1 else 0,
        "unpacked": 0 if recipe.method == "lora" else 2 * 2 * shape.inner * shape.hidden,
        "logits": CHUNK * shape.vocabulary * (2 + 4 + 4),
    }
    fixed, kept = sum(parts.values()), saved(shape)
    whole, thin = tokens * shape.layers * kept, tokens * (shape.layers * 2 * shape.hidden + kept)
    parts |= {
        "activations": whole,
        "activations, checkpointing": thin,
        "in all": fixed + whole,
        "in all, checkpointing": fixed + thin,
    }
    return {part: round(size) for part, size in parts.items()}


def _weights(shape: Shape, recipe: TrainRecipe) -> tuple[float, int]:
    """Bytes of the blocks and of the tables: bf16 or nf4 where frozen, float32 where trained; norms are float32."""
    each = {"lora": 2, "qlora": NF4, "full": 4}[recipe.method]
    return each * shape.layers * shape.block + 4 * shape.norms, (4 if recipe.method == "full" else 2) * shape.tables


def saved(shape: Shape) -> int:
    """Bytes that one block keeps of one token for its backward pass, all in bf16 (`train.model.Shape.activations`).

    What each norm got and gave, q, k, v and the attention's result, gate, its silu, up and their product.
    """
    return 2 * (2 * shape.hidden + 2 * shape.hidden + 2 * (shape.queries + shape.keys) + 4 * shape.inner)


def operations(shape: Shape, recipe: TrainRecipe, work: Pass) -> dict[str, float]:
    """Floating-point operations of a stage by part; a multiplication and an addition are two.

    Attention counts 2.5 forwards for its backward, since scores are computed again there rather than kept.
    """
    blocks = 2.0 * shape.layers * shape.block * work.tokens
    head = 2.0 * shape.vocabulary * shape.hidden * work.supervised
    attention = 2.0 * shape.queries * shape.layers * work.squares
    if recipe.method == "full":
        return {"forward": blocks, "backward": 2 * blocks, "attention": 3.5 * attention, "head": 3 * head}
    adapters = 6.0 * trainable(shape, recipe) * work.tokens
    parts = {"forward": blocks, "backward": blocks, "adapters": adapters}
    return parts | {"attention": 3.5 * attention, "head": 2 * head}


def gathering(shape: Shape, recipe: TrainRecipe, steps: int, machine: Machine) -> float:
    """Seconds in which weights travel: each step fetches the others' shards for the forward and the backward pass."""
    fetched = 2 * sum(_weights(shape, recipe)) * (machine.devices - 1) / machine.devices
    return steps * fetched / (machine.link * 1e9)


def time(shape: Shape, recipe: TrainRecipe, work: Sequence[Pass], machine: Machine) -> dict[str, Any]:
    """Steps, tokens, operations and hours of a whole run on a machine."""
    steps, tokens, supervised = (sum(getattr(w, key) for w in work) for key in ("steps", "tokens", "supervised"))
    found = [operations(shape, recipe, w) for w in work]
    parts = {part: sum(each[part] for each in found) for part in found[0]}
    again = 2.0 * shape.layers * shape.block * tokens
    speed = machine.devices * machine.peak * 1e12 * machine.efficiency
    total = sum(parts.values())
    return {
        "steps": steps,
        "tokens": tokens,
        "supervised": supervised,
        "operations": total,
        "operations by part": parts,
        "operations a token": total / tokens,
        "tokens/s": speed * tokens / total,
        "hours": total / speed / 3600,
        "hours, checkpointing": (total + again) / speed / 3600,
        "hours that weights travel": gathering(shape, recipe, steps, machine) / 3600,
    }


# --- a recipe's plan -----------------------------------------------------------------------------------------------


def plan(recipe: TrainRecipe, machine: Machine, progress: Progress | None = None) -> dict[str, Any]:
    """What a run of `recipe` on `machine` needs; without data or a tokenizer, its model part and why there is no more.

    `progress` hears of the embedded model's conversion and of how many rows have been read.

    Raises:
        ModelError: the base's shapes are not known here.
        DataError: data that cannot be read.
    """
    config, folder = base(recipe.base, progress)
    shape = Shape.of(config)
    learnt = trainable(shape, recipe)
    whole = shape.parameters + (0 if recipe.method == "full" else learnt)
    found = {
        "base": recipe.base,
        "shapes from": str(folder / "config.json") if folder else "the table in calm.train.plan",
        "method": recipe.method,
        "parameters": whole,
        "trainable": learnt,
        "share": learnt / whole,
        "assumed": asdict(machine),
        "tokens at once": at_once(recipe, machine.devices),
        "memory of a device": memory(shape, recipe, machine.devices),
    }
    work, why = _work(recipe, machine, folder, progress)
    if not work:
        return found | {"stages": [], "work": None, "why": why}
    return found | {"stages": [w._asdict() for w in work], "work": time(shape, recipe, work, machine), "why": why}


def base(name: str, progress: Progress | None = None) -> tuple[dict[str, Any], Path | None]:
    """A base's `config.json` and its folder; a hub id that was never fetched has none and is looked up in KNOWN.

    Raises:
        ModelError: a hub id that is neither at hand nor in the table.
    """
    if Path(name).is_dir() or name in (models.BASE, smollm.UPSTREAM):
        folder: Path | None = models.find(name, progress).base
    else:
        folder = _cached(name)
    if folder:
        return read_object(folder / "config.json"), folder
    if name in KNOWN:
        return KNOWN[name], None
    near = difflib.get_close_matches(name, [*KNOWN, models.BASE], 1)
    hint = f"did you mean {near[0]}?" if near else f"name a folder or one of: {', '.join(KNOWN)}"
    raise ModelError(f"{name}: its shapes are not at hand and planning fetches nothing; {hint}")


def _cached(name: str) -> Path | None:
    """The folder of a hub id that was fetched before; nothing is fetched."""
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return None
    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None  # no name that a hub could have
    return Path(found).parent if isinstance(found, str) else None


def _work(
    recipe: TrainRecipe, machine: Machine, folder: Path | None, progress: Progress | None
) -> tuple[list[Pass], str]:
    """The stages' passes, counted or from what was assumed, and what to know about these numbers."""
    data = recipe.files[0]
    if machine.rows and machine.tokens:
        row = (machine.tokens, round(machine.tokens * SUPERVISED))
        told = f"{machine.rows:,} rows of {machine.tokens:,} tokens were given, {SUPERVISED:.0%} of them supervised"
        return [passes("all", [row] * machine.rows, recipe.epochs, recipe.batch)], told
    if not data.is_file():
        return [], f"{data}: not there yet; `calm build` makes it, or give --rows and --tokens (a mean) to plan without"
    if not folder or not (folder / "tokenizer.json").is_file():
        return [], f"{recipe.base}: its tokenizer is not at hand; give --rows and --tokens (a mean) to plan without"
    tell = progress or (lambda what, done, of: None)
    learnt = rows.load(data, Codec.load(folder), recipe, lambda done, of: tell(f"reading {data.name}", done, of))
    stages = recipe.stages or (Stage(name="all"),)
    refused = f"{len(learnt.rejects):,} rows longer than max_length are left out" if learnt.rejects else ""
    return [_stage(stage, rows.chosen(learnt.kept, stage), recipe) for stage in stages], refused


def _stage(stage: Stage, chosen: Sequence[rows.Row], recipe: TrainRecipe) -> Pass:
    lengths = ((len(row.ids), sum(row.learn[1:])) for row in chosen)
    return passes(stage.name, lengths, stage.epochs or recipe.epochs, recipe.batch)
