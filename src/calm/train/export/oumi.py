"""Oumi 0.9: `oumi train -c train.yaml`, `oumi infer -i -c infer.yaml`, the keys of the released CoALM files."""

from typing import Any

from calm.errors import UsageError
from calm.format.react import LLAMA3
from calm.train.export import LINEARS, LONG, OURS, PACK, ROWS, Files, Run, Target, judging, settings

SAME = (
    "output_dir",
    "num_train_epochs",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "learning_rate",
    "lr_scheduler_type",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "weight_decay",
    "max_grad_norm",
    "save_steps",
    "logging_steps",
    "seed",
)


def files(run: Run) -> Files:
    """`train.yaml` and `infer.yaml`.

    Raises:
        UsageError: a part of a pass, which Oumi cannot be told.
    """
    if run.recipe.epochs % 1:
        raise UsageError(f"epochs: {run.recipe.epochs:g}: Oumi takes whole passes only")
    train: dict[str, Any] = {"model": _model(run) | {"model_max_length": run.recipe.max_length}}
    train["data"] = {"train": _rows(run, "train") | {"seed": run.recipe.seed}}
    if run.judged:
        train["data"]["validation"] = _rows(run, "held_out")
    train["training"] = _training(run)
    if run.recipe.method != "full":
        train["peft"] = _peft(run)
    if run.devices > 1:
        train["fsdp"] = {
            "enable_fsdp": True,
            "forward_prefetch": True,
            "use_orig_params": True,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "transformer_layer_cls": "LlamaDecoderLayer",
        }
    return {"train.yaml": train, "infer.yaml": _infer(run)}


def _model(run: Run) -> dict[str, Any]:
    pad = {"tokenizer_pad_token": "<|finetune_right_pad_id|>"} if run.markers == LLAMA3 else {}
    return {"model_name": run.base, "torch_dtype_str": "bfloat16", "attn_implementation": "sdpa", **pad}


def _rows(run: Run, split: str) -> dict[str, Any]:
    path = f"{ROWS}/{split}.jsonl"
    shuffled = {"shuffle": True, "seed": run.recipe.seed} if split == "train" else {}
    return {
        "datasets": [{"dataset_name": "text_sft_jsonl", "dataset_path": path, **shuffled}],
        "collator_name": "text_completions_only_with_padding",
        "train_target": "ALL_ASSISTANT_TURNS",
    }


def _training(run: Run) -> dict[str, Any]:
    common = settings(run)
    return {
        "trainer_type": "TRL_SFT",
        "use_peft": run.recipe.method != "full",
        **{key: common[key] for key in SAME},
        "warmup_ratio": run.recipe.optimiser.warmup,
        "optimizer": common["optim"],
        "enable_gradient_checkpointing": common["gradient_checkpointing"],
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "ddp_find_unused_parameters": False,
        **(judging(run) if run.judged else {}),
    }


def _peft(run: Run) -> dict[str, Any]:
    lora = run.recipe.lora
    adapters = {
        "lora_r": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "lora_target_modules": [*LINEARS],
    }
    if run.recipe.method == "lora":
        return adapters
    packed = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_quant_storage": "bfloat16", "bnb_4bit_compute_dtype": "bfloat16"}
    return {"q_lora": True, **packed, "use_bnb_nested_quant": True, **adapters}


def _infer(run: Run) -> dict[str, Any]:
    adapter = {} if run.recipe.method == "full" else {"adapter_model": f"output/{run.name}"}
    name = {"model_name": f"output/{run.name}"} if run.recipe.method == "full" else {}
    model = {**_model(run), **name, **adapter, "model_max_length": run.recipe.max_length}
    return {"model": model, "generation": {"max_new_tokens": 2048}, "engine": "NATIVE"}


def commands(run: Run) -> list[str]:
    """Train on all devices of the machine, then talk."""
    start = "oumi distributed torchrun -m oumi" if run.devices > 1 else "oumi"
    return [f"{start} train -c train.yaml", "oumi infer -i -c infer.yaml"]


OUMI = Target("Oumi", "oumi", files, commands, (OURS, PACK, LONG))
