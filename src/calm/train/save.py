"""What a run learnt as files that everyone reads: PEFT or full safetensors, tokenizer, both templates, a model card."""

import math
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calm.errors import UsageError
from calm.files import atomic, dumps, read_json, write_json, write_text
from calm.format import template
from calm.format.tokens import Codec
from calm.hub import models, smollm
from calm.hub.models import Found
from calm.train import card
from calm.train.lora import TARGETS
from calm.train.recipe import TrainRecipe

TEMPLATE, ADAPTER = "chat_template.jinja", "adapter_model.safetensors"
KINDS = {torch.bfloat16: "BF16", torch.float32: "F32"}
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json")


def write(weights: Mapping[str, Tensor], found: Found, codec: Codec, recipe: TrainRecipe, out: Path) -> None:
    """Write the folder of a run; `calm chat --model out` loads it, as do PEFT and transformers.

    Args:
        weights: whole tensors by the names of `LoraLlama.trained` (`crew.gather`). Adapters are written in float32, so
            that nothing is rounded twice when they are merged; a fully trained model in bfloat16, as it computes.
        found: the base.
        codec: its tokenizer, whose markers the templates use.
        recipe: what was run; `method` decides between an adapter and a whole model.
        out: the folder.
    """
    out.mkdir(parents=True, exist_ok=True)
    beside(found, out)
    write_text(out / TEMPLATE, template.chat_template(codec.markers))
    _response_template(out / "tokenizer_config.json", codec)
    if recipe.method == "full":
        _tensors(weights, torch.bfloat16, out / "model.safetensors")
        write_json(out / "config.json", {**read_json(found.base / "config.json"), "torch_dtype": "bfloat16"})
    else:
        _tensors(weights, torch.float32, out / ADAPTER)
        write_json(out / "adapter_config.json", config(found, recipe))
    write_text(out / "README.md", card.card(card.Trained(upstream(found), recipe), out))


def _tensors(weights: Mapping[str, Tensor], dtype: torch.dtype, path: Path) -> None:
    """All weights in one dtype, as one file."""
    shapes = {name: list(weight.shape) for name, weight in sorted(weights.items())}
    cast = (weights[name].detach().to("cpu", dtype).contiguous() for name in shapes)
    stream(path, shapes, (weight.view(torch.uint8).numpy().data for weight in cast), KINDS[dtype])


def stream(path: Path, shapes: Mapping[str, list[int]], tensors: Iterable[bytes | memoryview], kind: str) -> None:
    """Write safetensors one tensor at a time, in the order of `shapes`; the file appears whole or not at all.

    The format is eight bytes of length, a JSON head of names, shapes and places, then the tensors' bytes. `kind` is
    BF16 or F32.
    """
    tree: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    size, end = {"BF16": 2, "F32": 4}[kind], 0
    for name, shape in shapes.items():
        begin, end = end, end + size * math.prod(shape)
        tree[name] = {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}
    head = dumps(tree).encode()
    head += b" " * (-len(head) % 8)
    with atomic(path) as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for tensor in tensors:
            file.write(tensor)


def beside(found: Found, out: Path) -> None:
    """Copy the tokenizer and the generation settings, those of the adapter where it brings its own."""
    for name in TOKENIZER:
        source = next((home / name for home in (found.tokenizer, found.base) if (home / name).is_file()), None)
        if source:
            shutil.copyfile(source, out / name)


def upstream(found: Found) -> str:
    """The base's name on the hub or its folder; the embedded model is known by its hub id, which `hub.models` knows.

    An adapter that is trained on stays one of its own base.
    """
    if found.adapter:
        return str(read_json(found.adapter / "adapter_config.json")["base_model_name_or_path"])
    return smollm.UPSTREAM if found.name == models.BASE else found.name


def config(found: Found, recipe: TrainRecipe) -> dict[str, Any]:
    """PEFT's `adapter_config.json`."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": upstream(found),
        "r": recipe.lora.rank,
        "lora_alpha": recipe.lora.alpha,
        "lora_dropout": recipe.lora.dropout,
        "target_modules": sorted(TARGETS),
        "bias": "none",
        "fan_in_fan_out": False,
        "use_rslora": False,
        "use_dora": False,
        "inference_mode": True,
    }


def resumable(found: Found, recipe: TrainRecipe) -> None:
    """Refuse to go on from an adapter that is not of the recipe's kind.

    Raises:
        UsageError: names the setting, both values and the remedy.
    """
    if recipe.method == "full":
        raise UsageError(f"base: {found.name} is an adapter; method: full trains a whole model, so merge it first")
    ours, theirs = config(found, recipe), read_json((found.adapter or found.base) / "adapter_config.json")
    for key in ("peft_type", "r", "lora_alpha", "target_modules", "use_rslora", "use_dora"):
        there = theirs.get(key, False)
        if (sorted(there) if isinstance(there, list) else there) != ours[key]:
            raise UsageError(f"base: {found.name}: its {key} is {there!r}, the recipe's {ours[key]!r}; {LIKE_IT}")


LIKE_IT = "set lora to what the adapter has, or merge it (calm export --to merged) and train on the result"


def _response_template(path: Path, codec: Codec) -> None:
    """Our chat template replaces the base's; what parses the answers stands beside it."""
    settings = read_json(path) if path.is_file() else {}
    settings.pop("chat_template", None)
    write_json(path, {**settings, "response_template": template.response_template(codec.markers)})
