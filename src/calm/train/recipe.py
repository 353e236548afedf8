"""The settings of a training run; defaults are the model card's (r 16, alpha 32, lr 1e-4, linear with 10 % warm-up)."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from calm.recipe import Recipe


class Lora(Recipe):
    """Low-rank adapters on every linear layer of the blocks; `alpha / rank` scales what they add."""

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)


class Stage(Recipe):
    """A run of its own inside a recipe, on part of the rows: the next stage starts from its adapter.

    `rows` are patterns on a row's `origin` (`sgd/*`); what a stage does not set it takes from the recipe.
    """

    name: str
    rows: tuple[str, ...] = ("*",)
    epochs: float | None = Field(default=None, gt=0)
    lr: float | None = Field(default=None, gt=0)


class Optimiser(Recipe):
    """AdamW and its schedule; `warmup` is a share of the steps, `clip` the largest gradient norm (0: never clipped)."""

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.1, ge=0, le=1)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    clip: float = Field(default=1.0, ge=0)


class TrainRecipe(Recipe):
    """One run: which base, which rows, how long and how fast.

    `batch` counts conversations per optimiser step; `max_length` tokens per conversation, longer rows are refused into
    the run's `rejects.jsonl`, never cut. `learn` names the parts of the model's speech that are trained on. `data` and
    `held_out` are files of rows or folders that `calm build` wrote, of which each means its own file. `pack` counts the
    tokens, of several conversations, that go through a GPU at once (a processor takes one conversation at a time).
    """

    base: str = "smollm2-135m"
    data: Path = Path("out/data")
    held_out: Path | None = None
    method: Literal["lora", "qlora", "full"] = "lora"
    lora: Lora = Lora()
    learn: tuple[Literal["thought", "call", "text"], ...] = Field(default=("thought", "call", "text"), min_length=1)
    stages: tuple[Stage, ...] = ()
    epochs: float = Field(default=1.0, gt=0)
    batch: int = Field(default=8, ge=1)
    lr: float = Field(default=1e-4, gt=0)
    optimiser: Optimiser = Optimiser()
    max_length: int = Field(default=4096, ge=16)
    pack: int = Field(default=8192, ge=16)
    checkpointing: Literal["auto", "on", "off"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    evaluate_every: int | None = Field(default=None, ge=1)
    save_every: int = Field(default=25, ge=1)
    track: tuple[Literal["tensorboard", "wandb", "mlflow", "trackio"], ...] = ()
    seed: int = 0

    @field_validator("checkpointing", "compile", mode="before")
    @classmethod
    def _spoken(cls, value: Any) -> Any:
        """YAML 1.1 reads on and off as booleans."""
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else value

    @property
    def files(self) -> tuple[Path, Path | None]:
        """The file that is trained on and the one that is only judged, if any."""
        held_out = self.held_out
        if held_out is not None and held_out.is_dir():
            held_out = held_out / "held_out.parquet"
        return (self.data / "train.parquet" if self.data.is_dir() else self.data), held_out
