"""A finished adapter as files that everyone reads: PEFT safetensors, tokenizer, both templates, a model card."""

import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save

from calm.files import atomic, read_json, write_json, write_text
from calm.format import template
from calm.format.tokens import Codec
from calm.hub import models, smollm
from calm.hub.models import Found
from calm.train.model import FUSED, LoraLlama
from calm.train.recipe import TrainRecipe

TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json")


def adapter(model: LoraLlama, found: Found, codec: Codec, recipe: TrainRecipe, out: Path) -> None:
    """Write the adapter folder; `PeftModel.from_pretrained(base, out)` and `calm chat --model out` load it."""
    with atomic(out / "adapter_model.safetensors") as file:
        file.write(save({name: weight.detach().float() for name, weight in model.adapters()}, {"format": "pt"}))
    write_json(out / "adapter_config.json", config(found, recipe))
    for name in TOKENIZER:
        if (found.base / name).is_file():
            shutil.copyfile(found.base / name, out / name)
    write_text(out / "chat_template.jinja", template.chat_template(codec.markers))
    _response_template(out / "tokenizer_config.json", codec)
    write_text(out / "README.md", card(found, recipe))


def config(found: Found, recipe: TrainRecipe) -> dict[str, Any]:
    """PEFT's `adapter_config.json`; adapters on the embedded model name its hub id, which `hub.models` knows too."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": smollm.UPSTREAM if found.name == models.EMBEDDED else found.name,
        "r": recipe.lora.rank,
        "lora_alpha": recipe.lora.alpha,
        "lora_dropout": recipe.lora.dropout,
        "target_modules": sorted(part for parts in FUSED.values() for part in parts),
        "bias": "none",
        "fan_in_fan_out": False,
        "use_rslora": False,
        "use_dora": False,
        "inference_mode": True,
    }


def _response_template(path: Path, codec: Codec) -> None:
    """Our chat template replaces the base's; what parses the answers stands beside it."""
    settings = read_json(path) if path.is_file() else {}
    settings.pop("chat_template", None)
    write_json(path, {**settings, "response_template": template.response_template(codec.markers)})


def card(found: Found, recipe: TrainRecipe) -> str:
    """The model card: what it is, how it was made, how to load it; figures stand in the files it names."""
    return f"""---
library_name: peft
base_model: {found.name}
pipeline_tag: text-generation
tags: [calm, coalm, tool-calling, task-oriented-dialogue, lora]
---

# A CALM adapter on {found.name}

LoRA r {recipe.lora.rank}, alpha {recipe.lora.alpha} on all linear layers, trained by `calm train` on
`{recipe.data.name}`: {recipe.epochs:g} passes, {recipe.batch} conversations a step, learning rate {recipe.lr:g}.
Supervised: {", ".join(recipe.learn)}.
Loss per step is in `log.jsonl`, held-out loss before and after in `eval.json`, settings, inputs and versions in
`manifest.json`.

    calm chat --model <this folder>

    from peft import PeftModel
    model = PeftModel.from_pretrained(base_model, "<this folder>")

The format (`chat_template.jinja`, `response_template` in `tokenizer_config.json`): thoughts in `<think>`, calls as
JSON in `<tool_call>`, observations as role `tool`.
"""
