"""An adapter and its base as one model: full weights that load where no adapter can, as safetensors or as GGUF.

Tensor by tensor: a change is added in float32 and rounded once to bfloat16, and beside the adapter no more than one
tensor is in memory, so a model larger than memory can be merged.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from calm.errors import RecipeError, UsageError
from calm.files import read_json, write_json, write_text
from calm.format import template
from calm.format.tokens import Codec
from calm.hub.models import Found
from calm.hub.smollm import bf16
from calm.policy.local.weights import Array, Change, Place, read_change, tensors
from calm.recipe import check, manifest, read_manifest
from calm.train import card, save
from calm.train.recipe import TrainRecipe

Progress = Callable[[str, int, int], None]


class Merged(NamedTuple):
    """A base with what an adapter adds to it; nothing is computed before a tensor is asked for."""

    places: dict[str, Place]
    change: Change

    @classmethod
    def of(cls, found: Found) -> "Merged":
        """The model that was found, with its adapter if it has one.

        Raises:
            ModelError: the adapter is no plain LoRA, or one of another base.
        """
        places = tensors(found.base)
        return cls(places, read_change(found.adapter, places) if found.adapter else Change(0, {}))

    def shapes(self) -> dict[str, list[int]]:
        """The shape of every tensor, by name and in the order of the names."""
        return {name: self.places[name].shape for name in sorted(self.places)}

    def tensors(self, progress: Progress) -> Iterator[tuple[str, Array]]:
        """Every tensor in float32, in the same order."""
        for done, name in enumerate(sorted(self.places), 1):
            yield name, self.change.added(name, self.places[name].read())
            progress("merging", done, len(self.places))


def merge(found: Found, out: Path, progress: Progress = lambda what, done, total: None) -> None:
    """Write `model.safetensors` (bfloat16), tokenizer, chat template, card, `config.json`, and last the manifest.

    Raises:
        UsageError: there is no adapter, or `out` holds a model.
        ModelError: the adapter cannot be merged.
        StorageError: there is no room.
    """
    if not found.adapter:
        raise UsageError(f"{found.name}: is no adapter, so there is nothing to merge; name an adapter's folder")
    vacant(out)
    model = Merged.of(found)
    rounded = (bf16(value) for _, value in model.tensors(progress))
    save.stream(out / "model.safetensors", model.shapes(), rounded, "BF16")
    save.beside(found, out)
    write_text(out / save.TEMPLATE, template_of(found))
    base = read_json(found.adapter / "adapter_config.json")["base_model_name_or_path"]
    write_text(out / "README.md", _card(found.adapter, base))
    write_json(out / "config.json", {**read_json(found.base / "config.json"), "torch_dtype": "bfloat16"})
    manifest(out, "calm export", {"to": "merged"}, {}, base=base, adapter=str(found.adapter))


def vacant(out: Path) -> None:
    """Refuse a folder or file that is already there.

    Raises:
        UsageError: names it.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UsageError(f"{out}: is there already; choose another name or remove it")


def template_of(found: Found) -> str:
    """The chat template that the adapter was trained with, or ours for the base's family."""
    own = found.adapter and found.adapter / save.TEMPLATE
    return own.read_text() if own and own.is_file() else template.chat_template(Codec.load(found.base).markers)


def _card(adapter: Path, base: str) -> str:
    """The adapter's card for a whole model; a short one where the adapter is not of this version's `calm train`."""
    run = read_manifest(adapter) or {}
    try:
        recipe = check(TrainRecipe, run.get("recipe", {"base": None}), str(adapter))
    except RecipeError:
        return card.short(base, adapter.name)
    return card.card(card.Trained(base, recipe, merged=True), adapter)
