"""Inference speed here: our engine beside transformers, same prompt, bf16, taking turns in one process.

    python benchmarks/engine.py        about a minute on 2 cores; --json for the raw figures

Prefill of the same 1,000-token prompt and greedy decoding of 32 tokens after it, medians of the rounds.
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from calm.data.sources.town import read_town
from calm.format.tokens import Codec
from calm.hub import models
from calm.policy.local.llama import Llama

NEW = 32


def ours(base: Path) -> Callable[[list[int]], tuple[float, float]]:
    """Seconds of prefill and of decoding with our engine."""
    engine = Llama(base)

    def go(ids: list[int]) -> tuple[float, float]:
        engine.rewind(0)
        began = time.perf_counter()
        token = int(engine.forward(ids).argmax())
        middle = time.perf_counter()
        for _ in range(NEW):
            token = int(engine.forward([token]).argmax())
        return middle - began, time.perf_counter() - middle

    return go


def theirs(base: Path) -> Callable[[list[int]], tuple[float, float]]:
    """The same with transformers and a kept cache."""
    warnings.simplefilter("ignore")
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)

    @torch.inference_mode()
    def go(ids: list[int]) -> tuple[float, float]:
        began = time.perf_counter()
        out: Any = model(torch.tensor([ids]), use_cache=True, logits_to_keep=1)
        middle = time.perf_counter()
        for _ in range(NEW):
            out = model(out.logits[:, -1:].argmax(-1), past_key_values=out.past_key_values, use_cache=True)
        return middle - began, time.perf_counter() - middle

    return go


def main() -> None:
    """Measure in turns and print."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--rounds", type=int, default=5)
    flags.add_argument("--json", action="store_true")
    asked = flags.parse_args()
    base = models.find("calm-135m").base
    codec = Codec.load(base)
    ids = [i for c in read_town(4) for i in codec.row(c).ids][:1000]
    sides = {"calm": ours(base), "transformers": theirs(base)}
    for go in sides.values():
        go(ids)
    found = {name: [] for name in sides}
    for _ in range(asked.rounds):
        for name, go in sides.items():
            found[name].append(go(ids))
    result = {}
    for name, times in found.items():
        prefill, decode = (statistics.median(column) for column in zip(*times, strict=True))
        result[name] = {"prefill_tps": len(ids) / prefill, "decode_tps": NEW / decode}
    if asked.json:
        print(json.dumps(result))
        return
    print("| engine | prefill tokens/s | decode tokens/s |\n| --- | --- | --- |")
    for name, row in result.items():
        print(f"| {name} | {row['prefill_tps']:.0f} | {row['decode_tps']:.1f} |")


if __name__ == "__main__":
    main()
