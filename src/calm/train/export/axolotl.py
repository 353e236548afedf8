"""Axolotl 0.19: `axolotl train config.yaml` with our chat template."""

from typing import Any

from calm.format import template
from calm.train.export import ROWS, TEMPLATE, Files, Run, Target, settings

PACK = "`pack`: `sample_packing` would make a step hold another number of conversations"
RENAMED = {
    "output_dir": "output_dir",
    "num_train_epochs": "num_epochs",
    "per_device_train_batch_size": "micro_batch_size",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
    "learning_rate": "learning_rate",
    "lr_scheduler_type": "lr_scheduler",
    "warmup_steps": "warmup_ratio",
    "optim": "optimizer",
    "adam_beta1": "adam_beta1",
    "adam_beta2": "adam_beta2",
    "adam_epsilon": "adam_epsilon",
    "weight_decay": "weight_decay",
    "max_grad_norm": "max_grad_norm",
    "bf16": "bf16",
    "gradient_checkpointing": "gradient_checkpointing",
    "save_steps": "save_steps",
    "eval_strategy": "eval_strategy",
    "eval_steps": "eval_steps",
    "logging_steps": "logging_steps",
    "seed": "seed",
}
FSDP = {
    "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
    "transformer_layer_cls_to_wrap": "LlamaDecoderLayer",
    "state_dict_type": "FULL_STATE_DICT",
    "reshard_after_forward": True,
}


def files(run: Run) -> Files:
    """`config.yaml` and the chat template; `datasets` are the lines of the dataset's own `dataset.yaml`."""
    recipe = run.recipe
    config: dict[str, Any] = {
        "base_model": run.weights,
        "sequence_len": recipe.max_length,
        "excess_length_strategy": "drop",
        "sample_packing": False,
        "train_on_inputs": False,
        "chat_template": "jinja",
        "chat_template_jinja": TEMPLATE,
        "attn_implementation": "sdpa",
        **{RENAMED[key]: value for key, value in settings(run).items()},
    }
    if recipe.method != "full":
        lora = recipe.lora
        config |= {"adapter": recipe.method, "lora_r": lora.rank, "lora_alpha": lora.alpha}
        config |= {"lora_dropout": lora.dropout, "lora_target_linear": True}
    if run.adapter:
        config["lora_model_dir"] = run.adapter
    if recipe.method == "qlora":
        config["load_in_4bit"] = True
    if run.devices > 1:
        config |= {"fsdp_version": 2, "fsdp_config": FSDP}
    return {"config.yaml": config, TEMPLATE: template.chat_template(run.markers)}


def commands(run: Run) -> list[str]:
    """The rows' own settings are appended: roles and columns are theirs to say, the template is ours."""
    joined = f"sed -e 's#path: #path: {ROWS}/#' -e /tokenizer_default/d {ROWS}/dataset.yaml >> config.yaml"
    return [joined, f"axolotl train config.yaml{f' --num-processes {run.devices}' if run.devices > 1 else ''}"]


AXOLOTL = Target("Axolotl", "axolotl", files, commands, (PACK,), stages=True)
