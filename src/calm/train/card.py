"""The model card: `README.md` whose head tells the Hugging Face hub what the model was made from and on which terms.

What it says comes from the recipe, from the card of the dataset and from files of the run; nothing is guessed.
"""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from calm import __version__
from calm.files import read_json, read_text
from calm.train.recipe import TrainRecipe

TAGS = ("calm", "coalm", "tool-calling", "function-calling", "task-oriented-dialogue", "react")
LICENCES = {
    "HuggingFaceTB/SmolLM2": "apache-2.0",
    "meta-llama/Llama-3.1": "llama3.1",
    "meta-llama/Llama-3.3": "llama3.3",
}
"""Licences of bases by the beginning of their names, as their own cards say."""

FORMAT = """Thoughts stand in `<think>`, calls as JSON in `<tool_call>`, what a tool returned has the role `tool`
(`chat_template.jinja`, and `response_template` in `tokenizer_config.json`)."""
USE = """Meant for conversations that pursue a task with tools: it tracks what is wanted, calls functions, reports what
they returned. A call it writes is a proposal: check arguments, and ask the user before anything that cannot be undone.

It knows the kinds of tools and of requests that its dataset holds, in the languages that it holds, and can be wrong
about facts, invent arguments, or call a tool where none is needed. It was not trained to refuse harmful requests; what
its base does there may have changed."""
AS_ADAPTER = """    calm chat --model <this folder>

    from peft import AutoPeftModelForCausalLM
    model = AutoPeftModelForCausalLM.from_pretrained("<this folder>")"""
AS_MODEL = """    calm chat --model <this folder>

    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained("<this folder>")"""


class Trained(NamedTuple):
    """What a card is about: the base's name and the recipe; `merged` where an adapter was added to its base."""

    base: str
    recipe: TrainRecipe
    merged: bool = False

    @property
    def adapter(self) -> bool:
        """Whether the folder needs its base."""
        return self.recipe.method != "full" and not self.merged


def card(trained: Trained, out: Path) -> str:
    """The text of `README.md` for the run folder `out`, where `eval.json` may already stand."""
    data = _dataset(trained.recipe.data)
    what = "LoRA adapter on" if trained.adapter else "model from"
    sections = {
        "Use": [FORMAT, AS_ADAPTER if trained.adapter else AS_MODEL],
        "Training": [_training(trained.recipe)],
        "Data": [data.about],
        "Evaluation": [_evaluation(out)],
        "Intended use and limits": [USE],
        "Licence": [_licence(trained.base, data.licences)],
    }
    body = [f"## {title}\n\n" + "\n\n".join(texts) for title, texts in sections.items()]
    head = f"# A CALM {what} {trained.base}\n\nMade by `calm train` {__version__}; recipe, inputs by hash and versions"
    return "\n\n".join([_front(trained, data), head + " are in `manifest.json`.", *body]) + "\n"


def short(base: str, adapter: str) -> str:
    """A card for weights whose training is not known here: only what they were merged from."""
    head = {"library_name": "transformers", "pipeline_tag": "text-generation", "base_model": base}
    front = yaml.safe_dump(head | {"base_model_relation": "finetune"}, sort_keys=False)
    return f"---\n{front}---\n\n# {adapter} merged into {base}\n\nHow it was trained is said where the adapter is.\n"


def mean(base: str, adapters: list[str]) -> str:
    """A card for the mean of adapters: what they were, and that their own cards say the rest."""
    head = {"library_name": "peft", "base_model": base, "base_model_relation": "adapter", "tags": [*TAGS, "lora"]}
    front = yaml.safe_dump(head, sort_keys=False)
    rows = "\n".join(f"- `{adapter}`" for adapter in adapters)
    return (
        f"---\n{front}---\n\n# The mean of {len(adapters)} adapters on {base}\n\n{rows}\n\n{THEIRS}\n\n{AS_ADAPTER}\n"
    )


THEIRS = "Their own cards say what they learnt, on which terms; hashes are in `manifest.json`."


class Dataset(NamedTuple):
    """What the dataset's own card says: name, licences, and the section on sources."""

    name: str
    licences: list[str]
    about: str


def _dataset(data: Path) -> Dataset:
    """From the README beside the rows; without one, that it says nothing."""
    folder = data if data.is_dir() else data.parent
    path = folder / "README.md"
    if not path.is_file():
        return Dataset(data.stem, [], f"`{data.name}`, which brought no card: its sources and licences are not known.")
    text = read_text(path)
    front = _fields(text)
    _, _, after = text.partition("## Sources and licences\n")
    name = str(front.get("pretty_name", folder.name))
    licences = front.get("license", [])
    about = [f"`{name}`; as its card says:", after.partition("\n## ")[0].strip()]
    return Dataset(name, licences if isinstance(licences, list) else [licences], "\n\n".join(filter(None, about)))


def _fields(text: str) -> dict[str, Any]:
    """The YAML head of a card."""
    if not text.startswith("---\n"):
        return {}
    try:
        found = yaml.safe_load(text[4:].partition("\n---")[0])
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def _front(trained: Trained, data: Dataset) -> str:
    head: dict[str, Any] = {
        "library_name": "peft" if trained.adapter else "transformers",
        "pipeline_tag": "text-generation",
        "base_model": trained.base,
        "base_model_relation": "adapter" if trained.adapter else "finetune",
        "datasets": [data.name],
        "tags": [*TAGS, *(["lora"] if trained.recipe.method != "full" else [])],
    }
    known = sorted({*data.licences, *filter(None, [_of_base(trained.base)])})
    if known:
        head["license"] = known if len(known) > 1 else known[0]
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---"


def _of_base(base: str) -> str | None:
    return next((licence for name, licence in LICENCES.items() if base.startswith(name)), None)


def _licence(base: str, licences: list[str]) -> str:
    said = _of_base(base) or "not known here: see its own card"
    rows = ", ".join(licences) if licences else "not known"
    return f"Base: {said}. Rows it was trained on: {rows}. What both ask for holds for this model."


def _training(recipe: TrainRecipe) -> str:
    """The settings as a table."""
    optimiser, lora = recipe.optimiser, recipe.lora
    method = "every weight" if recipe.method == "full" else f"rank {lora.rank}, alpha {lora.alpha}, all linear layers"
    stages = ", then ".join(f"{stage.name} ({', '.join(stage.rows)})" for stage in recipe.stages)
    begun = (Path(recipe.base) / "adapter_config.json").is_file()
    rows = {
        **({"goes on from": f"the adapter `{recipe.base}`, whose own card says what it saw"} if begun else {}),
        "method": f"{recipe.method}: {method}",
        "stages": stages or "one pass order, all rows interleaved",
        "passes": f"{recipe.epochs:g}",
        "conversations a step": f"{recipe.batch}",
        "learning rate": f"{recipe.lr:g}, {optimiser.schedule}, {optimiser.warmup:g} of the steps to warm up",
        "AdamW": f"betas {optimiser.betas[0]:g}, {optimiser.betas[1]:g}; eps {optimiser.eps:g}; "
        f"weight decay {optimiser.weight_decay:g}; gradient norm at most {optimiser.clip:g}",
        "longest conversation": f"{recipe.max_length:,} tokens",
        "trained on": f"the assistant's {', '.join(recipe.learn)} and the end of its turns",
        "seed": f"{recipe.seed}",
    }
    return "| setting | value |\n| --- | --- |\n" + "\n".join(f"| {key} | {value} |" for key, value in rows.items())


def _evaluation(out: Path) -> str:
    """What `eval.json` holds, or that nothing was held out."""
    path = out / "eval.json"
    if not path.is_file():
        return "No rows were held out. Loss per step is in `metrics.jsonl`."
    found = read_json(path)
    before, after = found.get("held_out_loss_before"), found.get("held_out_loss_after")
    if before is None or after is None:
        return "Held-out loss is in `eval.json`, loss per step in `metrics.jsonl`."
    losses = f"Mean loss a supervised token on held-out rows: {before:.4f} before, {after:.4f} after (`eval.json`)."
    return f"{losses} Loss per step is in `metrics.jsonl`. Loss is no benchmark: `calm bench` makes those."
