"""Training speed here: our step beside PEFT on transformers, same rows, same adapter, taking turns in one process.

    python benchmarks/train.py        about 2 minutes on 2 cores; --json for the raw figures

Both compute the loss at supervised positions only, in bf16, one conversation at a time, forward and backward.
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from calm.data.sources.town import read_town
from calm.format.tokens import Codec, Encoded
from calm.hub import models
from calm.train.model import FUSED, LoraLlama
from calm.train.recipe import Lora


def peft_loss(base: Path) -> Callable[[Encoded], Tensor]:
    """Summed loss of a row under transformers and PEFT, autocast to bf16."""
    warnings.simplefilter("ignore")
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    targets = [part for parts in FUSED.values() for part in parts]
    config = LoraConfig(r=16, lora_alpha=32, target_modules=targets, task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config)

    def loss(row: Encoded) -> Tensor:
        places = torch.tensor([i for i, learn in enumerate(row.learn) if learn])
        ids = torch.tensor([row.ids])
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(input_ids=ids, logits_to_keep=places - 1, use_cache=False).logits[0]
        return torch.nn.functional.cross_entropy(logits.float(), ids[0, places], reduction="sum")

    return loss


def gemm_peak() -> float:
    """GFLOP/s of a bf16 product the size of a feed-forward layer over 1,024 tokens, best of 20."""
    a, b = torch.randn(1024, 576).bfloat16(), torch.randn(576, 3072).bfloat16()
    best = min(timed(lambda: a @ b) for _ in range(20))
    return 2 * 1024 * 576 * 3072 / best / 1e9


def timed(act: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def main() -> None:
    """Measure in turns and print."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--rounds", type=int, default=4)
    flags.add_argument("--json", action="store_true")
    asked = flags.parse_args()
    base = models.find("calm-135m").base
    rows = [Codec.load(base).row(c) for c in read_town(4, 0, ("restaurant",))]
    ours = LoraLlama(base, Lora())
    sides = {"calm": lambda row: ours.loss(row)[0], "transformers + PEFT": peft_loss(base)}
    speeds: dict[str, list[float]] = {name: [] for name in sides}
    losses = {name: sum(loss(row).item() for row in rows) for name, loss in sides.items()}  # also warms both up
    for _ in range(asked.rounds):
        for name, loss in sides.items():
            seconds = timed(lambda loss=loss: [loss(row).backward() for row in rows])
            speeds[name].append(sum(len(row.ids) for row in rows) / seconds)
    medians = {name: statistics.median(found) for name, found in speeds.items()}
    result = {
        "tokens/s": medians,
        "loss": losses,
        "ratio": medians["calm"] / medians["transformers + PEFT"],
        "bf16 GFLOP/s": gemm_peak(),
    }
    if asked.json:
        print(json.dumps(result))
        return
    print("| side | tokens/s, median | loss before training |\n| --- | --- | --- |")
    for name in sides:
        print(f"| {name} | {medians[name]:.0f} | {losses[name]:.1f} |")
    print(f"\nratio {result['ratio']:.2f}; measured bf16 product peak {result['bf16 GFLOP/s']:.0f} GFLOP/s")


if __name__ == "__main__":
    main()
