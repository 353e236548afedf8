"""The mean of adapters that went on from one another: one that knows what the last learnt and forgot less on the way.

The average of weights along one run (model soups, arXiv 2203.05482; WiSE-FT, arXiv 2109.01903). Factors are averaged
one by one, which is near the mean of what they add only where the adapters descend from one another.
"""

import shutil
from collections.abc import Iterator, Sequence
from math import sqrt
from pathlib import Path

import numpy as np

from calm.errors import UsageError
from calm.files import read_json, write_text
from calm.hub.models import Found
from calm.policy.local.weights import Array, Place, tensors
from calm.recipe import hashes, manifest
from calm.train import card, save
from calm.train.merge import Progress, template_of, vacant

KIN = 0.5
"""Cosine of two adapters' factors below which they began apart: two seeds are near 0, an hour's run stays above 0.9."""


def average(
    adapters: Sequence[Found], out: Path, progress: Progress = lambda what, done, total: None
) -> dict[str, float]:
    """Write the mean of all factors (float32) as an adapter of the same base, and last the manifest.

    Returns:
        The cosine of each adapter's factors with the first one's.

    Raises:
        UsageError: fewer than two adapters, of different settings or bases, or not one from another; or `out` is there.
        ModelError: the weights cannot be read.
        StorageError: there is no room.
    """
    vacant(out)
    homes = _homes(adapters)
    places = [tensors(home) for home in homes]
    near = {str(home): _cosine(places[0], other) for home, other in zip(homes, places, strict=True)}
    apart = min(near, key=lambda home: near[home])
    if not near[apart] > KIN:
        raise UsageError(
            f"{apart}: did not go on from {homes[0]} nor that from it (cosine of the weights {near[apart]:.2f}); the "
            "mean of adapters that began apart is neither of them; train one on from the other (base: FOLDER)"
        )
    out.mkdir(parents=True, exist_ok=True)
    shapes = {name: places[0][name].shape for name in sorted(places[0])}
    save.stream(out / save.ADAPTER, shapes, _means(places, progress), "F32")
    save.beside(adapters[-1], out)
    shutil.copyfile(homes[-1] / "adapter_config.json", out / "adapter_config.json")
    write_text(out / save.TEMPLATE, template_of(adapters[-1]))
    write_text(out / "README.md", card.mean(save.upstream(adapters[-1]), [str(home) for home in homes]))
    inputs = hashes(home / save.ADAPTER for home in homes)
    manifest(out, "calm average", {"adapters": [str(home) for home in homes]}, inputs, cosine=near)
    return near


def _homes(adapters: Sequence[Found]) -> list[Path]:
    """The folders, of adapters of one kind only."""
    homes = [found.adapter for found in adapters if found.adapter]
    if plain := next((found.name for found in adapters if not found.adapter), None):
        raise UsageError(f"{plain}: is no adapter; name folders that calm train wrote")
    if len(homes) < 2:
        raise UsageError("one adapter is its own mean; name two or more")
    first = read_json(homes[0] / "adapter_config.json")
    for home in homes[1:]:
        there = read_json(home / "adapter_config.json")
        for key in ("base_model_name_or_path", "peft_type", "r", "lora_alpha", "target_modules", "use_rslora"):
            if _plain(there.get(key)) != _plain(first.get(key)):
                raise UsageError(f"{home}: its {key} is {there.get(key)!r}, that of {homes[0]} {first.get(key)!r}")
    return homes


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, list) else value


def _cosine(ours: dict[str, Place], theirs: dict[str, Place]) -> float:
    """Of all factors as one vector; 0 where names or shapes differ."""
    if {name: place.shape for name, place in ours.items()} != {name: place.shape for name, place in theirs.items()}:
        return 0.0
    across, mine, other = (_dot(*pair) for pair in ((ours, theirs), (ours, ours), (theirs, theirs)))
    return across / sqrt(mine * other) if mine * other > 0 else 0.0


def _dot(ours: dict[str, Place], theirs: dict[str, Place]) -> float:
    return sum(float(np.vdot(ours[name].read(), theirs[name].read())) for name in ours)


def _means(places: list[dict[str, Place]], progress: Progress) -> Iterator[memoryview]:
    for done, name in enumerate(sorted(places[0]), 1):
        mean: Array = np.stack([one[name].read() for one in places]).mean(axis=0, dtype=np.float32)
        yield mean.data.cast("B")
        progress("averaging", done, len(places[0]))
