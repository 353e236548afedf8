"""Read Oumi's training configurations, such as the released CoALM ones, as recipes."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from calm.errors import RecipeError
from calm.files import read_text
from calm.recipe import check
from calm.train.export import LINEARS
from calm.train.recipe import TrainRecipe

DEFAULTS = {
    "training.num_train_epochs": 3,
    "training.learning_rate": 5e-5,
    "training.weight_decay": 0.0,
    "training.max_grad_norm": 1.0,
    "training.per_device_train_batch_size": 8,
    "training.gradient_accumulation_steps": 1,
    "training.save_steps": 500,
    "training.warmup_ratio": 0.0,
    "training.enable_gradient_checkpointing": False,
    "peft.lora_r": 8,
    "peft.lora_alpha": 8,
}
"""What Oumi takes where a key is absent and a recipe here would take something else (0.9, and at commit d8ed077)."""


class Imported(NamedTuple):
    """A recipe, and a line for each key of the source that it does not carry: what the key said and why."""

    recipe: TrainRecipe
    left: list[str]


def _same(value: Any) -> Any:
    return value


def _checkpointing(value: Any) -> str:
    return "on" if value else "off"


KEYS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "model.model_name": ("base", _same),
    "model.model_max_length": ("max_length", _same),
    "data.train.seed": ("seed", _same),
    "training.num_train_epochs": ("epochs", float),
    "training.learning_rate": ("lr", float),
    "training.lr_scheduler_type": ("optimiser.schedule", _same),
    "training.warmup_ratio": ("optimiser.warmup", float),
    "training.adam_beta1": ("optimiser.betas.0", float),
    "training.adam_beta2": ("optimiser.betas.1", float),
    "training.adam_epsilon": ("optimiser.eps", float),
    "training.weight_decay": ("optimiser.weight_decay", float),
    "training.max_grad_norm": ("optimiser.clip", float),
    "training.enable_gradient_checkpointing": ("checkpointing", _checkpointing),
    "training.save_steps": ("save_every", _same),
    "peft.lora_r": ("lora.rank", _same),
    "peft.lora_alpha": ("lora.alpha", _same),
    "peft.lora_dropout": ("lora.dropout", float),
}
"""Oumi's key -> ours, and how its value is said here."""

EACH = ("training.per_device_train_batch_size", "training.gradient_accumulation_steps")
"""Their product is what one device takes in a step."""

USED = {
    *EACH,
    "training.warmup_steps",
    "training.eval_steps",
    "training.use_peft",
    "peft.q_lora",
}
"""Keys that need more than a new name; `_settle` reads them."""

MEANT = {
    "model.torch_dtype_str": ("bfloat16",),
    "training.optimizer": ("adamw_torch", "adamw_torch_fused"),
    "training.trainer_type": ("TRL_SFT", "trl_sft"),
    "data.train.train_target": ("ALL_ASSISTANT_TURNS", "all_assistant_turns"),
    "data.train.collator_name": ("text_completions_only_with_padding",),
    "model.load_pretrained_weights": (True,),
    "peft.bnb_4bit_quant_type": ("nf4",),
    "peft.bnb_4bit_quant_storage": ("bfloat16",),
    "peft.bnb_4bit_compute_dtype": ("bfloat16",),
    "peft.use_bnb_nested_quant": (True,),
}
"""Values that are what every run here does, so that nothing is lost."""


def from_oumi(path: Path, data: Path, devices: int = 8, rows: int | None = None) -> Imported:
    """An Oumi training YAML as a recipe on `data`.

    Args:
        path: the YAML; keys as in `configs/projects/coalm` of oumi-ai/oumi (commit d8ed077).
        data: a folder of `calm build`; the source's own path is another format's.
        devices: a step's conversations are those of one device times this.
        rows: conversations of a pass, without which a warm-up in steps cannot become a share.

    Raises:
        RecipeError: not such a YAML, or a value that no recipe can have.
    """
    try:
        tree = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict) or not {"model", "training"} <= tree.keys():
        raise RecipeError(f"{path}: has no `model` and `training` as Oumi's training configurations have")
    said = _flat(tree)
    found = DEFAULTS | {key: value for key, value in said.items() if value is not None}
    settings: dict[str, Any] = {"data": str(data)}
    for key, (ours, say) in KEYS.items():
        if key in found:
            _put(settings, ours, _understood(path, key, found[key], say))
    for key in (*EACH, "training.warmup_steps"):
        if key in found:
            found[key] = _understood(path, key, found[key], int)
    _settle(settings, found, devices, rows)
    recipe = check(TrainRecipe, settings, str(path))
    return Imported(recipe, [f"{key}: {value!r} {why}" for key, value, why in _left(said, settings, rows)])


def _understood(path: Path, key: str, value: Any, say: Callable[[Any], Any]) -> Any:
    try:
        return say(value)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{path}: {key}: must be a number (got {value!r:.80}); mend it there") from error


def _flat(tree: dict[str, Any], at: str = "") -> dict[str, Any]:
    """Dotted keys; lists stay whole."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= _flat(value, f"{at}{key}.") if isinstance(value, dict) else {f"{at}{key}": value}
    return found


def _put(settings: dict[str, Any], dotted: str, value: Any) -> None:
    *path, last = dotted.split(".")
    if path[-1:] == ["betas"]:
        betas = settings.setdefault("optimiser", {}).setdefault("betas", [0.9, 0.999])
        betas[int(last)] = value
        return
    for key in path:
        settings = settings.setdefault(key, {})
    settings[last] = value


def _settle(settings: dict[str, Any], found: dict[str, Any], devices: int, rows: int | None) -> None:
    """What is said in one key there and in another way here: method, batch, warm-up."""
    if not found.get("training.use_peft"):
        settings["method"] = "full"
        del settings["lora"]
    elif found.get("peft.q_lora"):
        settings["method"] = "qlora"
    settings["batch"] = math.prod(found[key] for key in EACH) * devices
    if "training.warmup_steps" in found and rows:
        steps = -(-rows // settings["batch"]) * settings["epochs"]
        settings["optimiser"]["warmup"] = round(found["training.warmup_steps"] / steps, 6)


def _left(found: dict[str, Any], settings: dict[str, Any], rows: int | None) -> list[tuple[str, Any, str]]:
    left = [
        (key, value, "has no counterpart here")
        for key, value in found.items()
        if key not in KEYS and key not in USED and value not in MEANT.get(key, ()) and not _layers(key, value)
    ]
    if found.get("training.warmup_steps") is not None and not rows:
        left.append(("training.warmup_steps", found["training.warmup_steps"], "steps; give --rows to make it a share"))
    if "training.eval_steps" in found:
        left.append(("training.eval_steps", found["training.eval_steps"], "set evaluate_every with held_out"))
    if settings.get("method") != "full" and "peft.lora_target_modules" not in found:
        left.append(("peft.lora_target_modules", None, "PEFT's own choice there, every linear layer here"))
    return left


def _layers(key: str, value: Any) -> bool:
    return key == "peft.lora_target_modules" and isinstance(value, list) and sorted(map(str, value)) == sorted(LINEARS)
