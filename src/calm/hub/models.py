"""From a model's name to its folder: a path, a hub id, `calm-135m` or `smollm2-135m`; adapters come with their base."""

from pathlib import Path
from typing import NamedTuple

from calm.errors import HubError, MissingExtra, ModelError
from calm.files import read_object
from calm.hub import smollm
from calm.hub.wheels import Progress

BASE = "smollm2-135m"
"""The untuned model that needs no hub, which `calm-135m` is an adapter on."""

PUBLISHED = "calm-135m"
"""The adapter that comes with calm."""


class Found(NamedTuple):
    """Where a model lies: `base` holds config, weights and tokenizer, `adapter` a PEFT adapter to add, if any."""

    name: str
    base: Path
    adapter: Path | None = None

    @property
    def tokenizer(self) -> Path:
        """The folder whose tokenizer files count: the adapter's own where it brings them."""
        return self.adapter if self.adapter and (self.adapter / "tokenizer.json").is_file() else self.base


def find(name: str, progress: Progress | None = None) -> Found:
    """The folder or folders of a model.

    Args:
        name: a model folder, a PEFT adapter folder, `calm-135m`, its base `smollm2-135m`, or a hub id `owner/name`.
        progress: told of bytes fetched and tensors converted.

    Raises:
        ModelError: a folder that lacks config or weights, an architecture other than Llama, or no such model.
        HubError: it could not be fetched.
    """
    folder = Path(name)
    if folder.is_dir():
        if (folder / "adapter_config.json").is_file():
            return Found(name, _base_of(folder, progress), folder)
        return Found(name, checked(folder))
    if name in (BASE, smollm.UPSTREAM):
        return Found(BASE, smollm.folder(progress))
    if name == PUBLISHED:
        return Found(PUBLISHED, smollm.folder(progress), _published())
    if name.count("/") == 1 and not name.startswith((".", "/")):
        return Found(name, checked(_from_hub(name)))
    raise ModelError(
        f"{name}: no such folder and no hub id; name a folder, owner/name, {PUBLISHED} or openai:MODEL@URL"
    )


def _published() -> Path:
    """The folder of `calm-135m`: inside an installed package, in a checkout below `models`."""
    inside, beside = Path(__file__).parents[1] / "published", Path(__file__).parents[3] / "models"
    for home in (inside / PUBLISHED, beside / PUBLISHED):
        if (home / "adapter_model.safetensors").is_file():
            return home
    raise ModelError(f"{PUBLISHED}: is not part of this installation; install calm again, or use {BASE}, its base")


def checked(folder: Path) -> Path:
    """The folder itself when it holds a Llama model with weights and a tokenizer; a ModelError says what it lacks."""
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder}: has no config.json; a model folder holds config.json, *.safetensors, tokenizer.json"
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"{folder}: has no weights (*.safetensors); save the model with save_pretrained")
    if not (folder / "tokenizer.json").is_file():
        raise ModelError(f"{folder}: has no tokenizer.json; save the fast tokenizer beside the weights")
    kind = read_object(folder / "config.json").get("model_type")
    if kind != "llama":
        raise ModelError(f"{folder}: config.json says model_type {kind!r}; only Llama-architecture models are read")
    return folder


def _base_of(adapter: Path, progress: Progress | None) -> Path:
    if not (adapter / "adapter_model.safetensors").is_file():
        raise ModelError(f"{adapter}: has adapter_config.json but no adapter_model.safetensors; train again or copy it")
    base = read_object(adapter / "adapter_config.json").get("base_model_name_or_path")
    if not base:
        raise ModelError(f"{adapter}/adapter_config.json: base_model_name_or_path is empty; name the base model there")
    return find(base, progress).base


def _from_hub(name: str) -> Path:
    """Fetch a hub repository's weights, config and tokenizer through huggingface_hub, which caches and resumes."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingExtra(f"fetching {name}", "train", "huggingface_hub") from error
    try:
        return Path(snapshot_download(name, allow_patterns=["*.safetensors", "*.json", "*.jinja", "tokenizer*"]))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        reason = str(error).strip().splitlines()[0][:160]
        raise HubError(
            f"{name}: not in the cache and cannot be fetched ({reason}); give a local folder instead"
        ) from error
