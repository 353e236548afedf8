"""LLaMA-Factory 0.9.5: `llamafactory-cli train train.yaml` on the rows that `--to sharegpt` writes."""

from calm.format.react import LLAMA3
from calm.train.export import LONG, PACK, ROWS, Files, Run, Target, accelerate, settings


def files(run: Run) -> Files:
    """`train.yaml`, and for several devices `accelerate.yaml`."""
    recipe = run.recipe
    train = {
        "model_name_or_path": run.weights,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "full" if recipe.method == "full" else "lora",
        "template": "llama3" if run.markers == LLAMA3 else "smollm2",
        "dataset_dir": ROWS,
        "dataset": f"{run.dataset}_train",
        "cutoff_len": recipe.max_length,
        "flash_attn": "sdpa",
        **settings(run),
    }
    if run.judged:
        train["eval_dataset"] = f"{run.dataset}_held_out"
    train["disable_gradient_checkpointing"] = not train.pop("gradient_checkpointing")
    if recipe.method != "full":
        lora = recipe.lora
        train |= {"lora_rank": lora.rank, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout, "lora_target": "all"}
    if run.adapter:
        train["adapter_name_or_path"] = run.adapter
    if recipe.method == "qlora":
        train |= {"quantization_bit": 4, "quantization_type": "nf4", "double_quantization": True}
    return {"train.yaml": train} | ({"accelerate.yaml": accelerate(run)} if run.devices > 1 else {})


def commands(run: Run) -> list[str]:
    """One command; needs transformers 5 for a warm-up in shares."""
    if run.devices > 1:
        return ["accelerate launch --config_file accelerate.yaml -m llamafactory.launcher train.yaml"]
    return ["llamafactory-cli train train.yaml"]


LLAMAFACTORY = Target(
    "LLaMA-Factory",
    "sharegpt",
    files,
    commands,
    ("the ReAct format: rows are written with LLaMA-Factory's own template of the family", PACK, LONG),
    stages=True,
)
