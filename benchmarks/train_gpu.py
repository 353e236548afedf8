"""Training speed on one GPU: LoRA of an 8B and of a 135M Llama with random weights, packed conversations, compiled.

    python benchmarks/train_gpu.py --json           both models, about 5 minutes, most of it compiling
    python benchmarks/train_gpu.py --model toy      a few layers, anywhere: shows that it runs, not how fast

Needs torch 2.11 or later, pydantic, safetensors and this package (`PYTHONPATH=src` will do); no network, no weights.
Conversations of 300 to 1,200 tokens, a quarter of them supervised, fill packs of `--pack` tokens. A step is forward,
backward, clipping and AdamW; padding is not counted. Model FLOPs are those of a frozen base (forward and the gradient
of inputs), causal attention within each conversation, the head at supervised positions; their share is of a bf16
product measured here. Targets: 13,000 tokens/s or 42 % for 8B, 250,000 tokens/s for 135M.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch

from calm.format.tokens import Encoded
from calm.train.model import LoraLlama, Source
from calm.train.recipe import TrainRecipe

COMMON = {"rms_norm_eps": 1e-5, "hidden_act": "silu", "attention_bias": False, "mlp_bias": False}


class Kind(NamedTuple):
    """A model's shape, the tokens of a pack, and what is aimed at."""

    config: dict[str, Any]
    pack: int
    target: int | None


KINDS = {
    "8b": Kind(
        {
            **COMMON,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 128256,
            "rope_theta": 5e5,
            "tie_word_embeddings": False,
        },
        8192,
        13_000,
    ),
    "135m": Kind(
        {
            **COMMON,
            "hidden_size": 576,
            "intermediate_size": 1536,
            "num_hidden_layers": 30,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "vocab_size": 49152,
            "rope_theta": 1e5,
            "tie_word_embeddings": True,
        },
        32768,
        250_000,
    ),
    "toy": Kind(
        {
            **COMMON,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": 500,
            "rope_theta": 1e4,
            "tie_word_embeddings": True,
        },
        4096,
        None,
    ),
}


class Drawn(Mapping[str, torch.Tensor]):
    """Weights drawn on the device when asked for, so that no host memory holds the model."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], device: torch.device) -> None:
        self.shapes, self.device = {n: s for n, s in shapes.items() if "lora" not in n}, device

    def __getitem__(self, name: str) -> torch.Tensor:
        shape = self.shapes[name]
        if len(shape) == 1:
            return torch.ones(shape, device=self.device)
        return torch.randn(shape, device=self.device, dtype=torch.bfloat16) * 0.02

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)


def packs(count: int, pack: int, vocabulary: int) -> list[list[Encoded]]:
    """`count` packs of conversations, each filled until the next conversation would not fit."""
    rng = random.Random(0)
    found: list[list[Encoded]] = []
    for _ in range(count):
        rows, left, n = [], pack, rng.randint(300, 1200)
        while n <= left:
            rows.append(Encoded([rng.randrange(vocabulary) for _ in range(n)], [i % 200 >= 150 for i in range(n)]))
            left, n = left - n, rng.randint(300, 1200)
        found.append(rows)
    return found


def work(config: dict[str, Any], rows: list[Encoded]) -> float:
    """Floating-point operations a pack needs at least."""
    shapes = LoraLlama.shapes(config, TrainRecipe())
    linear = sum(torch.Size(s).numel() for n, s in shapes.items() if n.startswith("model.layers") and "proj" in n)
    size = config["hidden_size"] // config["num_attention_heads"] * config["num_attention_heads"]
    attention = config["num_hidden_layers"] * 3 * 4 * size * sum(len(row.ids) ** 2 for row in rows) / 2
    head = 4 * config["hidden_size"] * config["vocab_size"] * sum(sum(row.learn) for row in rows)
    return 4 * linear * sum(len(row.ids) for row in rows) + attention + head


def timed(act: Callable[[], object], device: torch.device) -> float:
    """Seconds until the device has finished."""
    began = time.perf_counter()
    act()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def product_peak(device: torch.device) -> float:
    """FLOP/s of a bf16 product of square matrices, best of 20."""
    side = 8192 if device.type == "cuda" else 512
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * side**3 / min(timed(lambda: a @ b, device) for _ in range(20))


def measure(name: str, asked: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Build one model, train some steps, and say how fast."""
    kind = KINDS[name]
    config = {**kind.config, "num_hidden_layers": asked.layers or kind.config["num_hidden_layers"]}
    pack = asked.pack or kind.pack
    recipe = TrainRecipe(pack=pack, compile="off" if asked.eager else "auto", checkpointing=asked.checkpointing)
    torch.manual_seed(0)
    model = LoraLlama(Source(config, Drawn(LoraLlama.shapes(config, recipe), device)), recipe, device)
    weights = [weight for _, weight in model.trained()]
    optimiser = torch.optim.AdamW(weights, lr=1e-4, fused=True)
    data = packs(asked.steps + asked.warm, pack, config["vocab_size"])
    losses: list[float] = []

    def step(rows: list[Encoded]) -> None:
        loss, learned = model.loss(rows)
        (loss / learned).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(loss.item() / learned)

    warm = [timed(lambda rows=rows: step(rows), device) for rows in data[: asked.warm]]
    seconds = [timed(lambda rows=rows: step(rows), device) for rows in data[asked.warm :]]
    tokens = [sum(len(row.ids) for row in rows) for rows in data[asked.warm :]]
    speed = statistics.median(n / s for n, s in zip(tokens, seconds, strict=True))
    flops = statistics.median(work(config, r) / s for r, s in zip(data[asked.warm :], seconds, strict=True))
    return {
        "model": name,
        "layers": config["num_hidden_layers"],
        "layers_cut": config["num_hidden_layers"] != kind.config["num_hidden_layers"],
        "pack": pack,
        "tokens_per_second": round(speed, 1),
        "target": kind.target,
        "tflops": round(flops / 1e12, 3),
        "share_of_peak": round(flops / product_peak(device), 3),
        "warm_up_seconds": round(sum(warm), 1),
        "peak_gb": round(torch.cuda.max_memory_allocated(device) / 1e9, 2) if device.type == "cuda" else None,
        "packed_equals_alone": together(model, data[0]),
        "losses": [round(loss, 4) for loss in (losses[0], losses[-1])],
        **model.facts(),
    }


@torch.no_grad()
def together(model: LoraLlama, rows: list[Encoded]) -> float:
    """Relative difference of a pack's loss from the sum of its conversations', in bf16: rounding, if all is well."""
    alone = sum(model.loss([row])[0].item() for row in rows[:3])
    return abs(model.loss(rows[:3])[0].item() / alone - 1)


def main() -> None:
    """Measure and print."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--model", nargs="+", choices=[*KINDS], default=["135m", "8b"])
    flags.add_argument("--layers", type=int, help="cut the model to so many layers (said in the output)")
    flags.add_argument("--pack", type=int, help="tokens that go through at once")
    flags.add_argument("--steps", type=int, default=10)
    flags.add_argument("--warm", type=int, default=4, help="steps before the clock runs: they compile")
    flags.add_argument("--checkpointing", choices=["auto", "on", "off"], default="auto")
    flags.add_argument("--eager", action="store_true", help="nothing compiled")
    flags.add_argument("--json", action="store_true", help="the last line is one JSON object")
    asked = flags.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found = []
    for name in asked.model:
        found.append(measure(name, asked, device))
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "a processor: NOT RUN ON A GPU"
    print(f"{where}, torch {torch.__version__}, bf16 product peak {product_peak(device) / 1e12:.2f} TFLOP/s\n")
    print("| model | layers | tokens/s | target | TFLOP/s | of the peak | memory, GB | attention | compiled |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in found:
        layers = f"{row['layers']}{' (cut)' if row['layers_cut'] else ''}"
        print(
            f"| {row['model']} | {layers} | {row['tokens_per_second']:.0f} | {row['target']} | {row['tflops']} "
            f"| {row['share_of_peak']:.0%} | {row['peak_gb']} | {row['attention']} | {row['compiled']} |"
        )
    if asked.json:
        print(json.dumps({"device": where, "gpu": device.type == "cuda", "torch": torch.__version__, "models": found}))


if __name__ == "__main__":
    main()
