"""The mean of adapters: of their factors to the bit, and refused where one did not go on from the other."""

import pytest
import torch
from safetensors.torch import load_file

from calm.errors import UsageError
from calm.files import read_json
from calm.format.tokens import Codec
from calm.hub import models
from calm.hub.models import Found
from calm.train import save
from calm.train.average import average
from calm.train.model import LoraLlama
from calm.train.recipe import Lora, TrainRecipe


@pytest.fixture
def adapter(tiny, tmp_path):
    def made(name, seed, further=0.0, rank=4):
        """An adapter of `seed`, and how far it went from there."""
        torch.manual_seed(seed)
        recipe = TrainRecipe(lora=Lora(rank=rank, alpha=6))
        model = LoraLlama(tiny, recipe)
        with torch.no_grad():
            for _, weight in model.trained():
                weight.normal_(0, 0.1)
                weight += further * torch.randn_like(weight)
        save.write(dict(model.trained()), Found(str(tiny), tiny), Codec.load(tiny), recipe, tmp_path / name)
        return models.find(str(tmp_path / name))

    return made


def test_the_mean_is_that_of_the_factors_and_loads(adapter, tmp_path):
    first, second, out = adapter("first", 1), adapter("second", 1, 0.03), tmp_path / "mean"
    near = average([first, second], out)
    ours, theirs, mean = (load_file(home / save.ADAPTER) for home in (first.adapter, second.adapter, out))
    assert all(torch.equal(mean[name], (ours[name] + theirs[name]) / 2) for name in ours)
    assert models.find(str(out)).adapter == out
    assert 0.9 < min(near.values()) < 1
    assert len(read_json(out / "manifest.json")["inputs"]) == 2


@pytest.mark.parametrize(
    ("other", "said"),
    [({"seed": 2}, r"second: did not go on from .*first nor that from it"), ({"seed": 1, "rank": 8}, "its r is 8")],
)
def test_adapters_that_are_no_kin_are_refused(adapter, tmp_path, other, said):
    with pytest.raises(UsageError, match=said):
        average([adapter("first", 1), adapter("second", **other)], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


def test_one_adapter_or_a_base_has_no_mean(adapter, tiny, tmp_path):
    with pytest.raises(UsageError, match="name two or more"):
        average([adapter("first", 1)], tmp_path / "mean")
    with pytest.raises(UsageError, match="is no adapter; name folders that calm train wrote"):
        average([adapter("other", 1), models.find(str(tiny))], tmp_path / "mean")
