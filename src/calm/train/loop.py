"""The training loop: one process or many, one stage or several, stopped or not, the same weights at the end.

The loss of a step is the mean over all supervised tokens of its conversations, wherever they were computed. What a step
does is a function of the recipe's seed and its number, so a run that was killed and goes on from its checkpoint ends
bit for bit (on a processor) where it would have ended. A step that would spoil the weights is not made.
"""

import contextlib
import ctypes
import json
import math
import queue
import random
import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from itertools import groupby, islice
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import torch

from calm.errors import CalmError, DataError, UsageError
from calm.files import claimed, write_json, write_jsonl
from calm.format.tokens import Codec
from calm.hub import models
from calm.hub.wheels import Progress
from calm.recipe import digest, hashes, manifest, read_manifest
from calm.train import checkpoint, checks, crew, metrics, rows, save, shard
from calm.train.lanes import Lanes, fitting
from calm.train.model import LoraLlama, Source
from calm.train.recipe import TrainRecipe

Report = Callable[[dict[str, Any]], None]

FREE = {"save_every", "evaluate_every", "track", "checkpointing", "compile", "pack"}
"""Settings that may change between a run and its going on: they move no weight but by rounding."""


FULL = ("out of memory", "allocate memory", "not enough memory", "ALLOC_FAILED", "could not create a memory")
"""What PyTorch's allocators, CUDA's libraries and oneDNN say when there is no memory left."""


class Job(NamedTuple):
    """What the stages of a run share."""

    recipe: TrainRecipe
    found: models.Found
    codec: Codec
    data: rows.Rows
    held: list[rows.Row]
    crew: crew.Crew
    report: Report


def train(
    recipe: TrainRecipe, out: Path, report: Report = lambda event: None, progress: Progress | None = None
) -> Path:
    """Run a recipe into the folder `out`: adapter, tokenizer, templates, `metrics.jsonl`, `eval.json`, manifest.

    A finished folder of the same recipe and data is left as it is; an unfinished one goes on where it was. `report`
    hears one dict per event: `rows` (how many are read, now and then), `first` (the first row as trained), `stage`,
    `plan`, `resumed`, `damaged`, `eval`, each `step`, `untracked` (a tracker that failed), `stopping`, `saved`, `done`.
    Of torchrun's processes only the first has anything to tell.

    Raises:
        UsageError: `out` belongs to another recipe, other data or another process, or what is asked for cannot be.
        DataError: data that cannot be trained on, a loss that is not finite, or no checkpoint left that is whole.
        StorageError: the disk is full; the last checkpoint is kept.
    """
    found = models.find(recipe.base, progress)
    _possible(recipe, found)
    begun = found.adapter / save.ADAPTER if found.adapter else None
    inputs = hashes([p for p in (*recipe.files, begun) if p])
    identity = digest({"recipe": recipe.model_dump(mode="json", exclude=FREE), "inputs": sorted(inputs.values())})
    if _finished(out, identity):
        if crew.speaks():
            _clear(out)
            report({"event": "done", "reused": True, "folder": str(out)})
        return out
    with crew.here(wide=recipe.method == "full") as us, claimed(out) if us.first else contextlib.nullcontext():
        job = _job(recipe, found, us, report if us.first else lambda event: None)
        if us.first:
            write_json(out / "run.json", {"identity": identity})
            write_jsonl(out / "rejects.jsonl", job.data.rejects)
        _run(job, out, identity, inputs)
    return out


def _possible(recipe: TrainRecipe, found: models.Found) -> None:
    if found.adapter:
        save.resumable(found, recipe)
    if recipe.evaluate_every and recipe.held_out is None:
        raise UsageError(f"evaluate_every: {recipe.evaluate_every} needs held_out, the rows to judge on")


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


def _clear(out: Path) -> None:
    for folder in (out, *out.glob("stages/*")):
        checkpoint.clear(folder)


def _job(recipe: TrainRecipe, found: models.Found, us: crew.Crew, report: Report) -> Job:
    codec = Codec.load(found.base)
    checks.vocabulary(codec, found.base)
    learnt, judged = recipe.files

    def read(path: Path) -> rows.Rows:
        about = {"event": "rows", "file": path.name}
        return rows.load(path, codec, recipe, lambda done, of: report({**about, "done": done, "of": of}))

    data = read(learnt)
    held = read(judged).kept if judged else []
    row = data.kept[0]
    runs = groupby(zip(row.ids, row.learn, strict=True), key=lambda pair: bool(pair[1]))
    pieces = [(codec.tokenizer.decode([i for i, _ in run], skip_special_tokens=False), on) for on, run in runs]
    report({"event": "first", "id": row.id, "pieces": pieces, "tokens": len(row.ids), "learned": sum(row.learn)})
    return Job(recipe, found, codec, data, held, us, report)


class Leg(NamedTuple):
    """A stage resolved: its name ("" where a recipe has none), settings, rows and folder."""

    name: str
    recipe: TrainRecipe
    rows: list[rows.Row]
    out: Path


def _legs(job: Job, out: Path) -> list[Leg]:
    """The stages of a run, `stages/N-name` each; without any, the run itself in `out`."""
    if not job.recipe.stages:
        return [Leg("", job.recipe, job.data.kept, out)]
    found = []
    for place, stage in enumerate(job.recipe.stages, 1):
        chosen, own = rows.chosen(job.data.kept, stage), rows.settings(job.recipe, stage)
        found.append(Leg(stage.name, own, chosen, out / "stages" / rows.folder(place, stage)))
    return found


def _run(job: Job, out: Path, identity: str, inputs: dict[str, str]) -> None:
    """All stages, one after the other in one model, then the result of the last."""
    us, legs = job.crew, _legs(job, out)
    settings = job.recipe.model_dump(mode="json")
    trackers = metrics.trackers(job.recipe.track, out, settings, identity, job.report) if us.first else []
    with contextlib.ExitStack() as closing:
        for tracker in trackers:
            closing.callback(tracker.close)
        runs = _trained(job, legs, inputs, trackers)
    if us.first:
        _summed(job, runs, out)
    _keep(job, runs[-1], out, inputs, identity=identity, base=job.found.name, **_facts(job, runs))
    if us.first:
        _clear(out)
    job.report({"event": "done", "reused": False, "folder": str(out)})


def _trained(job: Job, legs: list[Leg], inputs: dict[str, str], trackers: Sequence[metrics.Tracker]) -> "list[Run]":
    """The stages, each run or found finished."""
    torch.manual_seed(job.recipe.seed)
    with _roomy(job):
        model = LoraLlama(
            Source.of(job.found.base, job.found.adapter), job.recipe, job.crew.device, spread=job.crew.shard
        )
        job.crew.shard(model)
        model.measure()
    runs: list[Run] = []
    for place, leg in enumerate(legs, 1):
        if leg.name:
            job.report({"event": "stage", "name": leg.name, "place": place, "of": len(legs)})
        runs.append(Run(job, leg, model, trackers, sum(run.total for run in runs)))
        runs[-1].go()
        if leg.name:
            _keep(job, runs[-1], leg.out, inputs, stage=leg.name, base=job.found.name, **runs[-1].facts())
    return runs


def _keep(job: Job, run: "Run", folder: Path, inputs: dict[str, str], **facts: Any) -> None:
    """The adapter, and last the manifest that says the folder is finished."""
    recipe = job.recipe if folder != run.out else run.recipe
    weights = job.crew.gather(run.model.trained())
    if job.crew.first:
        save.write(weights, job.found, job.codec, recipe, folder)
        manifest(folder, "calm train", recipe, inputs, **facts)
    job.crew.wait()


def _summed(job: Job, runs: "Sequence[Run]", out: Path) -> None:
    """Of several stages, the figures of all in one file, and the held-out loss before the first and after the last."""
    if runs[0].out != out:
        told = ((run, entry) for run in runs for entry in run.log.entries)
        lines = ({**entry, "step": run.before_steps + entry["step"], "stage": run.out.name} for run, entry in told)
        write_jsonl(out / metrics.FILE, lines)
    if job.held:
        after = {"held_out_loss_before": runs[0].before, "held_out_loss_after": runs[-1].after}
        write_json(out / "eval.json", after)


def _facts(job: Job, runs: "Sequence[Run]") -> dict[str, Any]:
    """What the manifest keeps of the whole run besides the recipe."""
    return {
        **runs[-1].facts(),
        "steps": sum(run.done for run in runs),
        "rows": len(job.data.kept),
        "rejected": len(job.data.rejects),
        "tokens_per_pass": job.data.tokens,
        "learned_per_pass": job.data.learned,
        "seconds": round(sum(run.seconds for run in runs), 1),
    }


class Run:
    """One stage in progress: its rows, its optimiser and where it stands; the model is handed on."""

    def __init__(
        self, job: Job, leg: Leg, model: LoraLlama, trackers: Sequence[metrics.Tracker], before_steps: int
    ) -> None:
        self.job, self.recipe, self.data, self.out = job, leg.recipe, leg.rows, leg.out
        self.model, self.trackers, self.before_steps = model, trackers, before_steps
        self.crew, self.report = job.crew, job.report
        self.weights = [weight for _, weight in model.trained()]
        settings = leg.recipe.optimiser
        self.optimiser = torch.optim.AdamW(
            self.weights, leg.recipe.lr, settings.betas, settings.eps, settings.weight_decay, fused=True
        )
        longest = max(len(row.ids) for row in [*job.data.kept, *job.held])
        self.lanes = Lanes(model, fitting(model, longest, leg.recipe.batch))
        self.total = rows.steps(len(self.data), leg.recipe)
        self.done = 0
        self.damaged: set[int] = set()
        self.before: float | None = None
        self.after: float | None = None

    @property
    def seconds(self) -> float:
        """Time spent in steps, those before a kill included; only the first process keeps it."""
        return sum(entry["seconds"] for entry in self.log.entries) if self.crew.first else 0.0

    def facts(self) -> dict[str, Any]:
        """What a stage's manifest keeps."""
        trained = sum(weight.numel() for weight in self.weights)
        return {
            "steps": self.done,
            "rows": len(self.data),
            "trainable_parameters": trained,
            "seconds": self.seconds,
            "step": {**self.model.facts(), "lanes": self.lanes.count},
        }

    def go(self) -> None:
        """Run or resume to the end; a signal (Ctrl-C, SIGTERM) is heeded after the step, which is kept."""
        self._resume()
        self.report({"event": "plan", "steps": self.total, "done": self.done, "rows": len(self.data)})
        with _heeded(self.report) as asked, _roomy(self.job, self), contextlib.closing(self.lanes):
            if self.job.held and self.before is None:
                self.before = self.evaluate("before", asked)
            for chosen in islice(rows.order(len(self.data), self.recipe), self.done, self.total):
                self._one([self.data[i] for i in chosen], asked)
            if self.job.held:
                self.after = self.evaluate("after", asked)

    def _one(self, batch: list[rows.Row], asked: threading.Event) -> None:
        entry = self._step(batch)
        every = self.recipe.evaluate_every
        if every and self.done % every == 0 and self.done < self.total:
            entry["held_out_loss"] = self.evaluate("now", asked)
        if self.crew.first:
            self.log.add(entry)
            for tracker in self.trackers:
                tracker.log({k: v for k, v in entry.items() if k != "step"}, self.before_steps + self.done)
        self.report({"event": "step", "of": self.total, **entry})
        stop = self.crew.total(asked.is_set()) > 0
        if stop or self.done % self.recipe.save_every == 0 or self.done == self.total:
            self._save()
        if stop:
            raise KeyboardInterrupt

    def _step(self, batch: list[rows.Row]) -> dict[str, Any]:
        began = time.perf_counter()
        torch.manual_seed(random.Random(f"{self.recipe.seed}/{self.done}/{self.crew.rank}").getrandbits(63))
        rate = self.recipe.lr * share(self.done, self.total, self.recipe)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        learned = sum(sum(row.learn[1:]) for row in batch)
        total = self._gradients(batch, learned)
        norm = self.crew.norm(self.weights, self.recipe.optimiser.clip)
        if not (math.isfinite(total) and math.isfinite(norm)):
            self._refuse(batch, total)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        _give_back()
        self.done += 1
        seconds, tokens = time.perf_counter() - began, sum(len(row.ids) for row in batch)
        return {
            "step": self.done,
            "epoch": self.done * self.recipe.batch / len(self.data),
            "loss": total / learned,
            "lr": rate,
            "norm": norm,
            "tokens": tokens,
            "seconds": seconds,
            "tokens_per_second": tokens / seconds,
            "memory": metrics.memory(self.crew.device),
        }

    def _gradients(self, batch: list[rows.Row], learned: int) -> float:
        """The summed loss of a step, its gradient divided by `learned` left in the weights."""
        parts = self.crew.share([row.encoded for row in batch], self.recipe.pack)
        return self.crew.total(self.lanes.gradients(parts, learned))

    def _refuse(self, batch: list[rows.Row], total: float) -> None:
        """Say which rows spoil the step; the weights before it are kept."""
        self.optimiser.zero_grad(set_to_none=True)
        self._save()
        what = "gradient" if math.isfinite(total) else "loss"
        with torch.no_grad():
            alone = [(row.id, self.model.loss([row.encoded])[0].item()) for row in batch]
        ids = [name for name, loss in alone if not math.isfinite(loss)] or [name for name, _ in alone]
        raise DataError(
            self.out,
            f"step {self.done + 1}: the {what} is not finite, in rows {', '.join(map(repr, ids))}; the weights after "
            f"step {self.done} are kept; lower lr (now {self.recipe.lr:g}) or leave the rows out, in a new folder",
        )

    def evaluate(self, when: str, asked: threading.Event) -> float | None:
        """Mean loss over the supervised tokens of the held-out rows; None where it is not finite or was broken off."""
        self.model.train(False)
        parts = self.crew.share([row.encoded for row in self.job.held], self.recipe.pack)
        total, count = 0.0, 0
        for i, (loss, learned) in enumerate(self.lanes.losses(parts), 1):
            total, count = total + loss, count + learned
            self.report({"event": "eval", "when": when, "row": i, "of": len(parts), "loss": total / max(1, count)})
            if asked.is_set() and self.crew.size == 1:
                if when == "now":  # the step before it has figures to be kept first, then it stops
                    return None
                self._save()
                raise KeyboardInterrupt
        self.model.train()
        mean = self.crew.total(total) / self.crew.total(count)
        return mean if math.isfinite(mean) else None

    def _tensors(self) -> dict[str, torch.Tensor]:
        return shard.tensors(self.model.trained(), self.optimiser)

    def _save(self) -> None:
        there = (self.out / f"checkpoint-{self.done}").is_dir() and self.done not in self.damaged
        if self.crew.total(self.crew.first and not there):  # the first decides for all: they must write together
            facts = {"step": self.done, "before": self.before}
            checkpoint.write(self.out, self.done, self.crew, self._tensors(), facts)
        self.report({"event": "saved", "step": self.done, "of": self.total})

    def _resume(self) -> None:
        path = checkpoint.newest(self.out, self._tell) if self.crew.first else None
        step = int(self.crew.total(int(path.name.rpartition("-")[2]) + 1 if path else 0)) - 1
        if step < 0 and self.crew.first and metrics.last_step(self.out / metrics.FILE) > self.recipe.save_every:
            raise DataError(self.out, "its checkpoints are gone; remove the folder to start from the beginning")
        if step >= 0:
            facts = checkpoint.load(self.out / f"checkpoint-{step}", self.crew, self._tensors())
            self.done, self.before = facts["step"], facts["before"]
            self.report({"event": "resumed", "step": self.done, "of": self.total})
        if self.crew.first:
            self.log = metrics.Log(self.out / metrics.FILE, self.done)

    def _tell(self, event: dict[str, Any]) -> None:
        self.damaged.add(int(event["folder"].rpartition("-")[2]))
        self.report(event)


def share(done: int, total: int, recipe: TrainRecipe) -> float:
    """Share of the full learning rate at the step after `done`: up over the warm-up, then down as `schedule` says."""
    settings = recipe.optimiser
    warm = max(1, round(settings.warmup * total)) if settings.warmup else 0
    if done < warm:
        return (done + 1) / warm
    left = (total - done) / max(1, total - warm)
    return {"linear": left, "cosine": (1 - math.cos(math.pi * left)) / 2, "constant": 1.0}[settings.schedule]


def _give_back() -> None:
    """Return freed memory to the system: rows of many lengths leave holes in glibc's heap, soon a gigabyte."""
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such function and no such trouble
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@contextlib.contextmanager
def _heeded(report: Report) -> Generator[threading.Event]:
    """SIGINT and SIGTERM are noted, for the loop to heed between two steps; the second one ends at once, unsaved."""
    asked, heard = threading.Event(), queue.SimpleQueue[bool]()

    def note(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        heard.put(True)

    def tell() -> None:  # not the handler: it may have broken into a report, and no report can begin inside another
        if heard.get():
            report({"event": "stopping"})

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    teller = threading.Thread(target=tell, name="calm-stopping", daemon=True)
    teller.start()
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        heard.put(False)
        teller.join()


@contextlib.contextmanager
def _roomy(job: Job, run: Run | None = None) -> Generator[None]:
    """Out of memory becomes one line that says what to lower, with what it is now."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(sign in str(error) for sign in FULL):
            raise
        raise CalmError(_advice(job, run)) from error


def _advice(job: Job, run: Run | None) -> str:
    recipe = job.recipe
    longest = max(len(row.ids) for row in job.data.kept)
    gpu = f"pack (now {recipe.pack}), " if job.crew.device.type == "cuda" else ""
    cheaper = "checkpointing=on, " if recipe.checkpointing != "on" else ""
    smaller = "or use method=qlora" if recipe.method != "qlora" else "or use a smaller base"
    where = f"at step {run.done + 1}" if run else f"while loading {recipe.base}"
    return (
        f"out of memory {where}: lower {gpu}max_length (now {recipe.max_length}, the longest row has {longest} "
        f"tokens), set {cheaper}{smaller} (now {recipe.method}); batch (now {recipe.batch}) does not matter"
    )
