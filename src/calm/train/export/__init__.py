"""The same run in another trainer's words: configuration files for Oumi, TRL, LLaMA-Factory and Axolotl.

Each trainer is one file with a function from a Run to its files, by name; what it has no words for stands in its
`lost`. Field names were checked against the classes of the release named in each file. No torch here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from calm.errors import UsageError
from calm.files import read_json
from calm.format import template
from calm.format.react import CHATML, LLAMA3, Markers
from calm.hub import models, smollm
from calm.train.recipe import TrainRecipe

ROWS = "data"
"""The folder of rows beside the configuration, which `calm export DATASET` writes."""

TEMPLATE = "chat_template.jinja"
MOST = 16
"""Conversations that a device takes at once before gradients are accumulated."""

LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
PACK = "`pack`, `compile`: how conversations are laid out for speed"
LONG = "`max_length`: longer rows are cut there, here they are left out whole"
OURS = "the ReAct format: rows are written with the base's own chat template"


class Run(NamedTuple):
    """A recipe with its name and the number of devices that a step's conversations are split over.

    `start` is the folder of what it goes on from: an adapter named as base, or what the stage before wrote.
    """

    name: str
    recipe: TrainRecipe
    devices: int
    start: str = ""

    @property
    def weights(self) -> str:
        """Where whole weights are read: the base, or what the stage before made of it."""
        return self.start if self.start and self.recipe.method == "full" else self.base

    @property
    def adapter(self) -> str:
        """The adapter that is trained on, empty for a new one."""
        return self.start if self.recipe.method != "full" else ""

    @property
    def dataset(self) -> str:
        """The name that an exported dataset gives itself."""
        return self.recipe.data.name.split(".")[0]

    @property
    def base(self) -> str:
        """The base as other tools name it."""
        adapted = Path(self.recipe.base) / "adapter_config.json"
        if adapted.is_file():
            return str(read_json(adapted)["base_model_name_or_path"])
        return smollm.UPSTREAM if self.recipe.base == models.BASE else self.recipe.base

    @property
    def markers(self) -> Markers:
        """How the base's family writes turns."""
        return LLAMA3 if "llama" in self.base.lower().rpartition("/")[2] else CHATML

    @property
    def judged(self) -> bool:
        """Whether there are held-out rows, in the dataset's own folder."""
        return self.recipe.held_out == self.recipe.data

    @property
    def share(self) -> tuple[int, int]:
        """Conversations at once on a device, and how often gradients are accumulated for a step.

        Raises:
            UsageError: a step's conversations cannot be split evenly.
        """
        each, rest = divmod(self.recipe.batch, self.devices)
        if rest or not each:
            batch = self.recipe.batch
            raise UsageError(f"batch {batch} cannot be split over {self.devices} devices; choose --devices or batch=")
        at_once = max(n for n in range(1, MOST + 1) if each % n == 0)
        return at_once, each // at_once


Files = dict[str, Any]
"""Name -> settings (written as YAML) or text."""


class Target(NamedTuple):
    """A trainer: its files, the commands that run them, the dataset format it reads, what it cannot say.

    `stages` says whether it goes on training an adapter, which each stage but the first does.
    """

    tool: str
    rows: str
    files: Callable[[Run], Files]
    commands: Callable[[Run], list[str]]
    lost: tuple[str, ...]
    stages: bool = False


def settings(run: Run) -> dict[str, Any]:
    """What trainers built on transformers' `TrainingArguments` (5.x: a warm-up below 1 is a share) call the same."""
    recipe, (at_once, again) = run.recipe, run.share
    optimiser = recipe.optimiser
    constant = "constant_with_warmup" if optimiser.warmup else "constant"
    found = {
        "output_dir": f"output/{run.name}",
        "num_train_epochs": int(recipe.epochs) if recipe.epochs % 1 == 0 else recipe.epochs,
        "per_device_train_batch_size": at_once,
        "gradient_accumulation_steps": again,
        "learning_rate": recipe.lr,
        "lr_scheduler_type": constant if optimiser.schedule == "constant" else optimiser.schedule,
        "warmup_steps": optimiser.warmup,
        "optim": "adamw_torch_fused",
        "adam_beta1": optimiser.betas[0],
        "adam_beta2": optimiser.betas[1],
        "adam_epsilon": optimiser.eps,
        "weight_decay": optimiser.weight_decay,
        "max_grad_norm": optimiser.clip,
        "bf16": True,
        "gradient_checkpointing": recipe.checkpointing != "off",
        "save_steps": recipe.save_every,
        "logging_steps": 10,
        "seed": recipe.seed,
    }
    if run.judged:
        found |= judging(run)
    return found


def judging(run: Run) -> dict[str, Any]:
    """When held-out rows are judged: every so many steps, or after each pass."""
    every = run.recipe.evaluate_every
    return {"eval_strategy": "steps", "eval_steps": every} if every else {"eval_strategy": "epoch"}


def trainable_template(markers: Markers) -> str:
    """Our chat template with `{% generation %}` around what is trained: the assistant's words, the end of its turn."""
    text = template.chat_template(markers)
    begin, end = "{%- elif message.role == 'assistant' -%}", "{%- else -%}\n{{- safe(message.content) }}"
    close, stop, after = (_quoted(said) for said in (markers.close + markers.after, markers.close, markers.after))
    text = text.replace(begin, begin + "{%- generation -%}")
    text = text.replace(end, f"{{{{- {stop} }}}}{{%- endgeneration -%}}{{{{- {after} }}}}{end}")
    ours = "message.role == 'assistant' and message.garbled is not defined"
    return text.replace(
        f"{{{{- {close} }}}}\n{{%- endfor -%}}", f"{{{{- '' if {ours} else {close} }}}}\n{{%- endfor -%}}"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("\n", "\\n") + "'"


def accelerate(run: Run) -> dict[str, Any]:
    """FSDP2 over `run.devices` for `accelerate launch` (1.15)."""
    return {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "FSDP",
        "mixed_precision": "bf16",
        "num_machines": 1,
        "num_processes": run.devices,
        "fsdp_config": {
            "fsdp_version": 2,
            "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "fsdp_transformer_layer_cls_to_wrap": "LlamaDecoderLayer",
            "fsdp_state_dict_type": "FULL_STATE_DICT",
            "fsdp_cpu_ram_efficient_loading": run.recipe.method != "qlora",
        },
    }
