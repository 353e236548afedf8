"""The training loop: one conversation at a time (no padding), the head only at supervised positions, bf16 arithmetic.

The loss of a step is the mean over all supervised tokens of its conversations, so accumulation changes nothing. After
every step the log gains a line; every `save_every` steps, and on Ctrl-C, a checkpoint holds adapter, optimiser
and step, and a killed run that is started again ends with the same weights as one that was not.
"""

import contextlib
import ctypes
import json
import math
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from calm.errors import DataError, UsageError
from calm.files import atomic, dumps, write_json, write_jsonl
from calm.format.tokens import Codec, Encoded
from calm.hub import models
from calm.hub.wheels import Progress
from calm.recipe import digest, hashes, manifest, read_manifest
from calm.train import rows, save
from calm.train.model import LoraLlama
from calm.train.recipe import TrainRecipe

Report = Callable[[dict[str, Any]], None]


def train(
    recipe: TrainRecipe, out: Path, report: Report = lambda event: None, progress: Progress | None = None
) -> Path:
    """Run a recipe into the folder `out`: adapter, tokenizer, templates, `log.jsonl`, `eval.json`, manifest.

    A finished folder of the same recipe and data is left as it is; an unfinished one goes on where it was. `report`
    hears one dict per event: `plan`, each `step`, `resumed`, `eval`, `done`.

    Raises:
        UsageError: `out` belongs to another recipe or other data.
        DataError: data that cannot be trained on.
    """
    found = models.find(recipe.base, progress)
    learnt, judged = recipe.files
    inputs = hashes([p for p in (learnt, judged) if p])
    identity = digest({"recipe": recipe.model_dump(mode="json"), "inputs": sorted(inputs.values())})
    if _finished(out, identity):
        report({"event": "done", "reused": True, "folder": str(out)})
        return out
    codec = Codec.load(found.base)
    data = rows.load(learnt, codec, recipe)
    held = rows.load(judged, codec, recipe).kept if judged else []
    write_json(out / "run.json", {"identity": identity})
    write_jsonl(out / "rejects.jsonl", data.rejects)
    run = Run(recipe, found.base, data.kept, held, out, report)
    run.go()
    save.adapter(run.model, found, codec, recipe, out)
    manifest(out, "calm train", recipe, inputs, identity=identity, base=found.name, **run.facts(data))
    (out / "checkpoint.pt").unlink(missing_ok=True)
    report({"event": "done", "reused": False, "folder": str(out)})
    return out


def _finished(out: Path, identity: str) -> bool:
    """Whether `out` already holds this run; a folder of something else is refused, not overwritten."""
    done = read_manifest(out)
    if done is not None:
        if done.get("identity") != identity:
            raise UsageError(f"{out}: holds another run (recipe or data differ); choose another folder or remove it")
        return True
    if (out / "run.json").is_file() and json.loads((out / "run.json").read_text())["identity"] != identity:
        raise UsageError(f"{out}: holds an unfinished run of another recipe; choose another folder or remove it")
    return False


def _give_back() -> None:
    """Return freed memory to the system: rows of many lengths leave holes in glibc's heap, soon a gigabyte."""
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such function and no such trouble
        ctypes.CDLL("libc.so.6").malloc_trim(0)


class Run:
    """One run in progress: model, optimiser and where it stands."""

    def __init__(
        self, recipe: TrainRecipe, base: Path, data: list[Encoded], held: list[Encoded], out: Path, report: Report
    ) -> None:
        self.recipe, self.data, self.held, self.out, self.report = recipe, data, held, out, report
        torch.manual_seed(recipe.seed)
        self.model = LoraLlama(base, recipe.lora)
        self.weights = list(self.model.parameters())
        self.optimiser = torch.optim.AdamW(
            self.weights, lr=recipe.lr, weight_decay=recipe.optimiser.weight_decay, fused=True
        )
        self.total = rows.steps(len(data), recipe)
        self.done = 0
        self.before: float | None = None
        self.log: list[dict[str, Any]] = []

    def go(self) -> None:
        """Run or resume to the end; Ctrl-C saves first."""
        self._resume()
        self.report({"event": "plan", "steps": self.total, "done": self.done, "rows": len(self.data)})
        if self.held and self.before is None:
            self.before = self.evaluate("before")
        try:
            for chosen in islice(rows.order(len(self.data), self.recipe), self.done, self.total):
                self._step([self.data[i] for i in chosen])
                if self.done % self.recipe.save_every == 0:
                    self._checkpoint()
        except KeyboardInterrupt:
            self._checkpoint()
            raise
        self._write_log()
        if self.held:
            after = self.evaluate("after")
            write_json(self.out / "eval.json", {"held_out_loss_before": self.before, "held_out_loss_after": after})

    def _step(self, batch: list[Encoded]) -> None:
        began = time.perf_counter()
        rate = self.recipe.lr * self._schedule()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        learned = sum(sum(row.learn[1:]) for row in batch)
        total = 0.0
        for row in batch:
            loss, _ = self.model.loss(row)
            (loss / learned).backward()
            total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(self.weights, 1.0).item()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        _give_back()
        if not math.isfinite(total):
            raise DataError(self.out, f"step {self.done + 1}: the loss is not finite; lower lr or look at the rows")
        self.done += 1
        seconds = time.perf_counter() - began
        tokens = sum(len(row.ids) for row in batch)
        entry = {
            "step": self.done,
            "loss": total / learned,
            "tokens": tokens,
            "seconds": seconds,
            "lr": rate,
            "norm": norm,
        }
        self.log.append(entry)
        self.report({"event": "step", "of": self.total, **entry})

    def _schedule(self) -> float:
        """Share of the full learning rate at this step: up over the warm-up, then straight down to zero."""
        warm = max(1, round(self.recipe.optimiser.warmup * self.total))
        return (self.done + 1) / warm if self.done < warm else (self.total - self.done) / max(1, self.total - warm)

    @torch.no_grad()
    def evaluate(self, when: str) -> float:
        """Mean loss over the supervised tokens of the held-out rows."""
        self.model.train(False)
        total, count = 0.0, 0
        for i, row in enumerate(self.held, 1):
            loss, n = self.model.loss(row)
            total, count = total + loss.item(), count + n
            self.report({"event": "eval", "when": when, "row": i, "of": len(self.held), "loss": total / count})
        self.model.train()
        return total / count

    def _checkpoint(self) -> None:
        state = {
            "adapter": dict(self.model.adapters()),
            "optimiser": self.optimiser.state_dict(),
            "done": self.done,
            "before": self.before,
            "rng": torch.get_rng_state(),
        }
        with atomic(self.out / "checkpoint.pt") as file:
            torch.save(state, file)
        self._write_log()

    def _write_log(self) -> None:
        with atomic(self.out / "log.jsonl") as file:
            file.writelines((dumps(entry) + "\n").encode() for entry in self.log)

    def _resume(self) -> None:
        path = self.out / "checkpoint.pt"
        if not path.is_file():
            return
        state = torch.load(path, weights_only=True)
        for name, weight in self.model.adapters():
            weight.data.copy_(state["adapter"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["rng"])
        self.done, self.before = state["done"], state["before"]
        self.log = [json.loads(line) for line in (self.out / "log.jsonl").read_text().splitlines()][: self.done]
        self.report({"event": "resumed", "step": self.done, "of": self.total})

    def facts(self, data: rows.Rows) -> dict[str, Any]:
        """What the manifest keeps of the run besides the recipe."""
        return {
            "steps": self.done,
            "rows": len(data.kept),
            "rejected": len(data.rejects),
            "tokens_per_pass": data.tokens,
            "learned_per_pass": data.learned,
            "trainable_parameters": sum(p.numel() for p in self.weights),
            "seconds": round(sum(entry["seconds"] for entry in self.log), 1),
        }
