"""What a run tells while it goes: a line of `metrics.jsonl` for every step, and the same to the trackers asked for."""

import importlib
import json
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch

from calm.errors import CalmError, MissingExtra, StorageError
from calm.files import dumps, write_jsonl

FILE = "metrics.jsonl"
Figures = dict[str, float]
Report = Callable[[dict[str, Any]], None]


class Tracker(NamedTuple):
    """Where figures go besides the file: told of each step's, and when there will be no more."""

    log: Callable[[Figures, int], Any]
    close: Callable[[], Any]


class Log:
    """The figures of a run so far, each on disk as soon as it is known; lines after step `done` are written anew."""

    def __init__(self, path: Path, done: int = 0) -> None:
        self.path = path
        self.entries = [entry for entry in _read(path) if entry.get("step", done + 1) <= done]
        write_jsonl(path, self.entries)

    def add(self, entry: dict[str, Any]) -> None:
        """Keep one step's figures.

        Raises:
            StorageError: the disk is full.
        """
        self.entries.append(entry)
        try:
            with self.path.open("ab") as file:
                file.write((dumps(entry) + "\n").encode())
        except OSError as error:
            why = f"cannot be written ({error.strerror}); free some space, then the same command goes on"
            raise StorageError(f"{self.path}: {why}") from error


def _read(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file whose last one a kill may have cut."""
    lines = path.read_text(errors="replace").split("\n")[:-1] if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("}") and line.startswith("{")]


def last_step(path: Path) -> int:
    """The last step that a file of figures tells of; 0 for none."""
    return max((entry.get("step", 0) for entry in _read(path)), default=0)


def memory(device: torch.device) -> int:
    """Peak bytes: of the GPU's tensors, or on a processor of the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


# --- trackers ------------------------------------------------------------------------------------------------------


def trackers(
    names: Sequence[str], out: Path, settings: dict[str, Any], identity: str, report: Report = lambda event: None
) -> list[Tracker]:
    """The trackers of a run, opened; the same `identity` goes on in the same run of each.

    One that fails then or later is reported once (`untracked`, with `name` and `why`) and left out from there on: the
    figures are in the file, and no server is worth a run.

    Raises:
        MissingExtra: one whose package is not installed, before anything is trained.
    """
    return [_opened(_Guard(name, report), out, settings, identity) for name in names]


class _Guard:
    """Calls a tracker until it fails, then says so and calls it no more."""

    def __init__(self, name: str, report: Report) -> None:
        self.name, self.report, self.lost = name, report, False

    def do(self, act: Callable[..., Any], *given: Any) -> Any:
        """What `act` returns; None from the first failure on."""
        try:
            return None if self.lost else act(*given)
        except CalmError:  # ours: the package is not there
            raise
        except Exception as error:  # noqa: BLE001  # the boundary: every package has errors of its own
            self.lost = True
            why = " ".join(str(error).split())[:200] or type(error).__name__
            self.report({"event": "untracked", "name": self.name, "why": why})


def _opened(guard: _Guard, out: Path, settings: dict[str, Any], identity: str) -> Tracker:
    tracker: Tracker | None = guard.do(OPEN[guard.name], out, settings, identity)
    if tracker is None:
        return Tracker(lambda figures, step: None, lambda: None)
    return Tracker(lambda figures, step: guard.do(tracker.log, figures, step), lambda: guard.do(tracker.close))


def _package(tracker: str, module: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(f"track: {tracker}", tracker, package) from error


def _tensorboard(out: Path, settings: dict[str, Any], identity: str) -> Tracker:
    """Event files in `OUT/tensorboard`; `tensorboard --logdir OUT`."""
    writer = _package("tensorboard", "torch.utils.tensorboard", "tensorboard").SummaryWriter(out / "tensorboard")
    writer.add_text("recipe", f"```\n{json.dumps(settings, indent=2)}\n```")

    def log(figures: Figures, step: int) -> None:
        for name, value in figures.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    return Tracker(log, writer.close)


def _wandb(out: Path, settings: dict[str, Any], identity: str) -> Tracker:
    """Weights & Biases, project `calm`; offline where WANDB_MODE says so."""
    wandb = _package("wandb", "wandb", "wandb")
    run = wandb.init(project="calm", name=out.name, id=identity, resume="allow", config=settings, dir=str(out))
    return Tracker(lambda figures, step: run.log(figures, step=step), run.finish)


def _mlflow(out: Path, settings: dict[str, Any], identity: str) -> Tracker:
    """MLflow, experiment `calm`, at the server that MLFLOW_TRACKING_URI names or in its local default."""
    mlflow = _package("mlflow", "mlflow", "mlflow")
    mlflow.set_experiment("calm")
    before = mlflow.search_runs(filter_string=f"tags.calm_run = '{identity}'", output_format="list")
    known = before[0].info.run_id if before else None
    mlflow.start_run(run_id=known, run_name=out.name, tags={"calm_run": identity})
    mlflow.log_dict(settings, "recipe.json")
    return Tracker(lambda figures, step: mlflow.log_metrics(figures, step=step), mlflow.end_run)


def _trackio(out: Path, settings: dict[str, Any], identity: str) -> Tracker:
    """Trackio, project `calm`; `trackio show` draws it."""
    trackio = _package("trackio", "trackio", "trackio")
    run = trackio.init(project="calm", name=f"{out.name}-{identity}", config=settings, resume="allow")
    return Tracker(lambda figures, step: run.log(figures, step=step), trackio.finish)


OPEN: dict[str, Callable[[Path, dict[str, Any], str], Tracker]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
    "trackio": _trackio,
}
