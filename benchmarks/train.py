"""Training speed here: our step beside TRL's trainer, at its defaults and at its best, and a plain PEFT loop.

    python benchmarks/train.py --quick       two steps of each side, the second timed: a third of the whole
    python benchmarks/train.py               three steps, twice, and the loss of every step: half an hour
    python benchmarks/train.py --lanes       our step alone: one lane of all threads, and a lane for each thread
    python benchmarks/train.py --parts       what the written-out pieces of our step gain over PyTorch's: a minute

Every side is a process of its own and takes its turn: the same 8 conversations of 300 to 1,200 tokens a step in the
same order, the same adapters to begin with, AdamW at 1e-4, bf16, PyTorch's own threads and how they wait. **The first
step of every process is a warm-up, whose loss is shown and whose time is not counted.** Tokens are those of the
conversations, padding not counted. The table shows the losses of all sides, of which the plain PEFT loop is the
reference, and how much of the machine other programs took meanwhile; where that is much, `--processor-time` gives each
side one thread and counts its processor seconds. TRL (`pip install trl`) is no dependency of calm:
`--trl-python` names an interpreter that has it, if this one has not, and its two sides are left out, and said to be
missing, where neither has.
"""

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

BATCH = 8
RATE = 1e-4
TRL = {
    "TRL, default settings": {},
    "TRL, its best": {
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": BATCH,
        "gradient_checkpointing": False,
    },
}
"""Default: 8 padded to the longest, checkpointing on. Best on a processor: one at a time, checkpointing off."""

Rows = list[tuple[list[int], list[bool]]]


def ours(base: Path, rows: Rows, start: Path, count: int | None = None) -> Iterator[float]:
    """Our step; the loss of each. `count` conversations side by side, by default as a run does."""
    from calm.format.tokens import Encoded
    from calm.train.crew import deal
    from calm.train.lanes import Lanes, fitting
    from calm.train.model import LoraLlama
    from calm.train.recipe import TrainRecipe

    model = LoraLlama(base, TrainRecipe())
    first = torch.load(start, weights_only=True)
    with torch.no_grad():
        for name, weight in model.trained():
            weight.copy_(first[name])
    lanes = Lanes(model, count or fitting(model, max(len(ids) for ids, _ in rows), BATCH))

    def gradients(batch: Rows, learned: int) -> float:
        return lanes.gradients(deal([Encoded(ids, learn) for ids, learn in batch], 0, 1)[0], learned) / learned

    yield from loop(lanes.weights, rows, gradients)


def peft(base: Path, rows: Rows, start: Path) -> Iterator[float]:
    """A plain loop over transformers and PEFT: bf16 autocast, one conversation at a time, logits where they matter."""
    from peft import get_peft_model, set_peft_model_state_dict
    from transformers import AutoModelForCausalLM

    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapters())
    set_peft_model_state_dict(model, torch.load(start, weights_only=True))

    def loss(ids: list[int], learn: list[bool]) -> torch.Tensor:
        places, tokens = torch.tensor([i for i, own in enumerate(learn) if own]), torch.tensor([ids])
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(input_ids=tokens, logits_to_keep=places - 1, use_cache=False).logits[0]
        return torch.nn.functional.cross_entropy(logits.float(), tokens[0, places], reduction="sum")

    def gradients(batch: Rows, learned: int) -> float:
        total = 0.0
        for row in batch:
            own = loss(*row) / learned
            own.backward()
            total += own.item()
        return total

    yield from loop([w for w in model.parameters() if w.requires_grad], rows, gradients)


def loop(weights: list[Any], rows: Rows, gradients: Callable[[Rows, int], float]) -> Iterator[float]:
    """Steps of a plain loop: the mean loss over the supervised tokens of a batch, clipped, AdamW."""
    optimiser = torch.optim.AdamW(weights, lr=RATE, weight_decay=0, fused=True)
    for at in range(0, len(rows), BATCH):
        batch = rows[at : at + BATCH]
        total = gradients(batch, sum(sum(learn) for _, learn in batch))
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        yield total


def trl(base: Path, rows: Rows, start: Path, settings: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Seconds and losses of the steps of TRL's trainer; only order, rate and what `settings` says are not its own."""
    from datasets import Dataset
    from peft import set_peft_model_state_dict
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer  # ty: ignore[import-not-found]

    marks: list[float] = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            marks.append(clock())

        on_step_end = on_step_begin

    columns = [{"input_ids": i, "labels": [t if own else -100 for t, own in zip(i, m, strict=True)]} for i, m in rows]
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            **{"output_dir": folder, "max_steps": len(rows) // BATCH, "max_length": None, "learning_rate": RATE},
            **{"lr_scheduler_type": "constant", "train_sampling_strategy": "sequential", "logging_steps": 1},
            **{"report_to": [], "save_strategy": "no", "use_cpu": True, "disable_tqdm": True, **settings},
        )
        data = Dataset.from_list(columns)
        trainer = SFTTrainer(str(base), args=config, train_dataset=data, peft_config=adapters(), callbacks=[Clock()])
        set_peft_model_state_dict(trainer.model, torch.load(start, weights_only=True))
        trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return [end - begin for begin, end in zip(marks[::2], marks[1::2], strict=True)], losses


def adapters() -> Any:
    """The card's LoRA as PEFT is told of it."""
    from peft import LoraConfig

    return LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")


Loop = Callable[[Path, Rows, Path], Iterator[float]]
LOOPS: dict[str, Loop] = {"calm": ours, "transformers + PEFT": peft}
LANES: dict[str, Loop] = {"one lane of all threads": partial(ours, count=1), "a lane for each thread": ours}


def clock() -> float:
    """Seconds: of the wall, or of this process where it was given one thread."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def run(side: str, folder: Path) -> dict[str, Any]:
    """One side in this process: seconds and loss of every step, and the most memory it held, in bytes."""
    warnings.simplefilter("ignore")
    said = json.loads((folder / "rows.json").read_text())
    base, rows, start = Path(said["base"]), said["rows"], folder / "start.pt"
    before = others()
    if side in TRL:
        seconds, losses = trl(base, rows, start, TRL[side])
    else:
        seconds, losses, began = [], [], clock()
        for loss in (LOOPS | LANES)[side](base, rows, start):
            seconds.append(clock() - began)
            losses.append(loss)
            began = clock()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    share = [after - first for first, after in zip(before, others(), strict=True)]
    return {"seconds": seconds, "losses": losses, "peak": peak, "others": round(share[0] / share[1], 3)}


def others() -> tuple[float, float]:
    """Processor seconds since the start that were not this program's, and all that there were; Linux only, else NaN."""
    file = Path("/proc/stat")
    if not file.exists():
        return math.nan, math.nan
    ticks = [int(x) / os.sysconf("SC_CLK_TCK") for x in file.read_text().splitlines()[0].split()[1:8]]
    return sum(ticks) - sum(ticks[3:5]) - time.process_time(), sum(ticks)


def prepare(folder: Path, steps: int) -> list[int]:
    """Write the rows and the first adapters; the tokens of each step."""
    from calm.data.sources.town import read_town
    from calm.format.tokens import Codec
    from calm.hub import models
    from calm.train.model import LoraLlama
    from calm.train.recipe import TrainRecipe

    base = models.find("smollm2-135m").base
    codec = Codec.load(base)
    rows = [codec.row(conversation) for conversation in read_town(2 * BATCH * steps)]
    rows = [row for row in rows if 300 <= len(row.ids) <= 1200][: BATCH * steps]
    torch.manual_seed(0)
    torch.save(dict(LoraLlama(base, TrainRecipe()).trained()), folder / "start.pt")
    (folder / "rows.json").write_text(json.dumps({"base": str(base), "rows": rows}))
    return [sum(len(row.ids) for row in rows[at : at + BATCH]) for at in range(0, len(rows), BATCH)]


def turns(folder: Path, asked: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Every side in its own process, one after the other, as many rounds as asked."""
    python, rounds = asked.trl_python, 1 if asked.quick else asked.rounds
    environment = dict(os.environ)
    if asked.processor_time:
        environment["OMP_NUM_THREADS"] = "1"
    sides = dict.fromkeys(LANES if asked.lanes else LOOPS, sys.executable)
    if python and not asked.lanes:
        sides |= dict.fromkeys(TRL, python)
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for turn in range(rounds):
        for side, interpreter in sides.items():
            print(f"round {turn + 1} of {rounds}: {side}", file=sys.stderr)
            command = [interpreter, __file__, "--side", side, "--folder", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            if done.returncode:
                sys.exit(f"{side}: failed\n{done.stderr[-2000:]}")
            found[side].append(json.loads(done.stdout.splitlines()[-1]))
    return found


def work(tokens: int, length: float, learned: float) -> float:
    """Floating-point operations that `tokens` need at least: frozen base, so forward and the gradient of inputs only.

    Per token twice 2 N of the linear layers, causal attention over half of `length` (three times its forward), and the
    head at the supervised share `learned`; the figures of SmolLM2-135M.
    """
    layers, hidden, vocabulary, linear = 30, 576, 49152, 106_168_320
    return tokens * (4 * linear + layers * 3 * 4 * hidden * length / 2 + 4 * hidden * vocabulary * learned)


def product_peak() -> float:
    """FLOP/s of a bf16 product the size of a feed-forward layer over 1,024 tokens, best of 20."""
    a, b = torch.randn(1024, 576).bfloat16(), torch.randn(576, 3072).bfloat16()
    return 2 * 1024 * 576 * 3072 / min(timed(lambda: a @ b) for _ in range(20))


def timed(act: Callable[[], object]) -> float:
    """Seconds."""
    began = clock()
    act()
    return clock() - began


def figures(found: dict[str, list[dict[str, Any]]], tokens: list[int]) -> dict[str, Any]:
    """Of each side the median over the timed steps of all rounds, the most memory and the losses of the first round."""
    return {
        "tokens_per_second": {
            side: round(statistics.median(n / s for turn in turns for n, s in timed_steps(tokens, turn["seconds"])), 1)
            for side, turns in found.items()
        },
        "peak_gb": {side: round(max(turn["peak"] for turn in turns) / 1e9, 3) for side, turns in found.items()},
        "losses": {side: turns[0]["losses"] for side, turns in found.items()},
        "others": {side: max(turn["others"] for turn in turns) for side, turns in found.items()},
        "threads": torch.get_num_threads(),
        "timed_steps": sum(len(timed_steps(tokens, turn["seconds"])) for turn in next(iter(found.values()))),
    }


def timed_steps(tokens: list[int], seconds: list[float]) -> list[tuple[int, float]]:
    """Tokens and seconds of the steps after the first, which warms up; of a single step its own."""
    return list(zip(tokens, seconds, strict=True))[1 if len(tokens) > 1 else 0 :]


def gap(losses: list[float], reference: list[float]) -> float:
    """The largest share by which a step's loss differs from the reference's."""
    return round(max(abs(a / b - 1) for a, b in zip(losses, reference, strict=True)), 6)


def side_by_side(found: dict[str, list[dict[str, Any]]], tokens: list[int]) -> dict[str, Any]:
    """What lanes gain and cost: speed and memory of a lane for each thread over those of one lane."""
    measured = figures(found, tokens)
    one, each = LANES
    ratios = {
        key: round(measured[of][each] / measured[of][one], 3)
        for key, of in (("ratio_lanes", "tokens_per_second"), ("memory_ratio_lanes", "peak_gb"))
    }
    return {**ratios, "loss_gap": {each: gap(measured["losses"][each], measured["losses"][one])}, **measured}


def summary(found: dict[str, list[dict[str, Any]]], tokens: list[int], folder: Path) -> dict[str, Any]:
    """What was measured, ratios, and the share of the product peak that our step reaches."""
    measured = figures(found, tokens)
    speeds, peaks, losses = (measured[key] for key in ("tokens_per_second", "peak_gb", "losses"))
    default, best = TRL

    def ratio(of: dict[str, Any], side: str) -> float | None:
        return round(of["calm"] / of[side], 3) if side in of else None

    rows = json.loads((folder / "rows.json").read_text())["rows"]
    length = math.fsum(len(i) ** 2 for i, _ in rows) / sum(len(i) for i, _ in rows)
    learned = sum(sum(m) for _, m in rows) / sum(len(m) for _, m in rows)
    peak = product_peak()
    return {
        "ratio_trl_default": ratio(speeds, default),
        "ratio_trl_best": ratio(speeds, best),
        "memory_ratio": ratio(peaks, default),
        "ratio_peft": ratio(speeds, "transformers + PEFT"),
        "loss_gap": {side: gap(own, losses["transformers + PEFT"]) for side, own in losses.items()},
        **measured,
        "product_peak_gflops": round(peak / 1e9),
        "share_of_peak": round(speeds["calm"] * work(1, length, learned) / peak, 3),
        "missing": []
        if default in found
        else ["TRL: pip install trl, or --trl-python with an interpreter that has it"],
    }


def parts() -> dict[str, dict[str, float]]:
    """Milliseconds of one processor, forward and backward, of our pieces and of what PyTorch offers, 907 tokens."""
    from torch.nn import functional

    from calm.train import attention, step
    from calm.train.attention import Heads, Pack

    n, heads, angles = 907, Heads(9, 3, 64), torch.rand(907, 64)
    pack = Pack((0, n), angles.cos().bfloat16(), angles.sin().bfloat16(), torch.tensor([0, n], dtype=torch.int32), n)

    def sdpa(qkv: torch.Tensor) -> torch.Tensor:
        q, k, v = (x.transpose(0, 1).unsqueeze(0) for x in attention._turned(qkv, pack, heads))
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

    weight, head, targets = torch.rand(576), (torch.randn(49152, 576) / 24).bfloat16(), torch.randint(49152, (256,))
    pairs = {
        "attention": (lambda x: attention.by_hand(x, pack, heads), sdpa, torch.randn(n, 960).bfloat16()),
        "norm": (
            lambda x: step.Norm.apply(x, weight, 1e-5, torch.bfloat16),
            lambda x: functional.rms_norm(x, (576,), weight, 1e-5).bfloat16(),
            torch.randn(n, 576),
        ),
        "head and loss, 256 positions": (
            lambda x: step.Entropy.apply(x, head, targets, True),
            lambda x: functional.cross_entropy((x @ head.T).float(), targets, reduction="sum"),
            torch.randn(256, 576).bfloat16(),
        ),
    }
    torch.set_num_threads(1)
    return {
        name: {"by hand": spent(mine, leaf), "PyTorch": spent(theirs, leaf)}
        for name, (mine, theirs, leaf) in pairs.items()
    }


def spent(act: Callable[[torch.Tensor], torch.Tensor], leaf: torch.Tensor) -> float:
    """Median milliseconds of processor time of forward and backward: another program's share does not count."""
    leaf.requires_grad_()
    found = []
    for _ in range(12):
        began = time.process_time()
        out = act(leaf)
        out.backward(torch.ones_like(out))
        found.append((time.process_time() - began) * 1000)
    return round(statistics.median(found[2:]), 2)


def table(result: dict[str, Any]) -> None:
    """Print the summary."""
    print(f"timed steps of a side: {result['timed_steps']}; the first of each process is a warm-up and is not timed")
    print("| side | tokens/s, median | peak memory, GB | loss of the first steps | other programs |")
    print("| --- | --- | --- | --- | --- |")
    for side, speed in result["tokens_per_second"].items():
        losses = ", ".join(f"{loss:.4f}" for loss in result["losses"][side])
        print(f"| {side} | {speed:.0f} | {result['peak_gb'][side]:.2f} | {losses} | {result['others'][side]:.0%} |")
    for name in (key for key in result if "ratio" in key):
        print(f"{name}: {result[name] if result[name] is not None else 'not measured'}")
    reference = next(iter(LANES)) if "ratio_lanes" in result else "transformers + PEFT"
    gaps = ", ".join(f"{side} {share:.2%}" for side, share in result["loss_gap"].items() if side != reference)
    print(f"losses beside those of {reference}, largest difference: {gaps}")
    print(f"{result['threads']} threads" + (", processor time" if result["threads"] == 1 else ""))
    if "share_of_peak" in result:
        print(f"bf16 product peak {result['product_peak_gflops']} GFLOP/s, our share {result['share_of_peak']:.0%}")
    for line in result.get("missing", ()):
        print(f"missing: {line}")


def main() -> None:
    """Measure in turns and print."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--quick", action="store_true", help="two steps, one round")
    flags.add_argument("--steps", type=int, default=3)
    flags.add_argument("--rounds", type=int, default=2)
    which = flags.add_mutually_exclusive_group()
    which.add_argument("--processor-time", action="store_true", help="one thread each, its processor seconds")
    which.add_argument("--lanes", action="store_true", help="our step with one lane and with as many as threads")
    which.add_argument("--parts", action="store_true", help="the pieces of the step instead")
    flags.add_argument("--trl-python", default=sys.executable if find_spec("trl") else None)
    flags.add_argument("--json", action="store_true", help="the last line is one JSON object")
    flags.add_argument("--side", help=argparse.SUPPRESS)
    flags.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = flags.parse_args()
    if asked.side or asked.parts:
        print(json.dumps(run(asked.side, asked.folder) if asked.side else parts()))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if asked.processor_time:
            torch.set_num_threads(1)
        tokens = prepare(folder, 2 if asked.quick else asked.steps)
        found = turns(folder, asked)
        result = side_by_side(found, tokens) if asked.lanes else summary(found, tokens, folder)
    table(result)
    if asked.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
