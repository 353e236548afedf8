"""TRL 1.16: `trl sft --config sft.yaml` with our own chat template, which says what is trained."""

from calm.train.export import LINEARS, LONG, PACK, ROWS, TEMPLATE, Files, Run, Target, accelerate, settings
from calm.train.export import trainable_template as template


def files(run: Run) -> Files:
    """`sft.yaml`, the chat template, and for several devices `accelerate.yaml`."""
    recipe = run.recipe
    sft = {
        "model_name_or_path": run.base,
        "dtype": "float32" if recipe.method == "full" else "bfloat16",
        "attn_implementation": "sdpa",
        "dataset_name": ROWS,
        "chat_template_path": TEMPLATE,
        "assistant_only_loss": True,
        "max_length": recipe.max_length,
        **settings(run),
    }
    if run.judged:
        sft["dataset_test_split"] = "held_out"
    if recipe.method != "full":
        lora = recipe.lora
        sft |= {"use_peft": True, "lora_r": lora.rank, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout}
        sft["lora_target_modules"] = [*LINEARS]
    if recipe.method == "qlora":
        sft |= {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "use_bnb_nested_quant": True}
        sft["bnb_4bit_quant_storage"] = "bfloat16"
    found: Files = {"sft.yaml": sft, TEMPLATE: template(run.markers)}
    return found | ({"accelerate.yaml": accelerate(run)} if run.devices > 1 else {})


def commands(run: Run) -> list[str]:
    """One command."""
    return ["trl sft --config sft.yaml" + " --accelerate_config accelerate.yaml" * (run.devices > 1)]


TRL = Target("TRL", "trl", files, commands, (PACK, LONG))
