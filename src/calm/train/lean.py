"""A trained adapter as it is given away: bfloat16, with what is needed to load it and what says how it was made."""

import json
import shutil
from pathlib import Path

from calm.errors import UsageError
from calm.files import read_json, sha256, write_json, write_text
from calm.hub.smollm import bf16
from calm.policy.local.weights import tensors
from calm.recipe import MANIFEST
from calm.train import save

CARD = "README.md"
"""Not among the hashed: figures and words are added to it later."""

BESIDE = (CARD, "adapter_config.json", "metrics.jsonl", "eval.json", save.TEMPLATE)
WEIGHTS = "adapter_model.safetensors"


def lean(adapter: Path, out: Path) -> None:
    """Write the adapter's weights rounded to bfloat16, half the size, and copy what else the folder needs.

    The manifest keeps the hash of what was rounded, as `rounded_from`.

    Raises:
        UsageError: no adapter that `calm train` finished.
        StorageError: no space.
    """
    for name in (WEIGHTS, "adapter_config.json", MANIFEST):
        if not (adapter / name).is_file():
            raise UsageError(f"{adapter}: has no {name}; name a folder that calm train has finished with an adapter")
    out.mkdir(parents=True, exist_ok=True)
    places = tensors(adapter)
    names = sorted(places)
    rounded = (bf16(places[name].read()) for name in names)
    save.stream(out / WEIGHTS, {name: list(places[name].shape) for name in names}, rounded, "BF16")
    for name in (*BESIDE, *save.TOKENIZER):
        if (adapter / name).is_file():
            shutil.copyfile(adapter / name, out / name)
    compact(out / save.TOKENIZER[0])
    made = read_json(adapter / MANIFEST)
    rounded_from = made["outputs"][WEIGHTS]
    outputs = {name: sha256(out / name) for name in made["outputs"] if name != CARD and (out / name).is_file()}
    write_json(out / MANIFEST, {**made, "outputs": outputs, "rounded_from": rounded_from})


def compact(path: Path) -> None:
    """Write a `tokenizer.json` anew without the spaces, and merges as `a b`, which is as well read: less than half."""
    found = read_json(path)
    if merges := found["model"].get("merges"):
        words = [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]
        found["model"]["merges"] = words if all(word.count(" ") == 1 for word in words) else merges
    write_text(path, json.dumps(found, ensure_ascii=False, separators=(",", ":")))
