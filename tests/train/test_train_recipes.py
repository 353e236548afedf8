"""Each recipe says what its source says, and stages take every row of the dataset they are for, once."""

from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from torch.distributed.run import get_args_parser

from calm.recipe import load
from calm.train.plan import KNOWN
from calm.train.recipe import TrainRecipe

FOLDER = Path(__file__).parents[2] / "recipes" / "train"
RECIPES = sorted(FOLDER.glob("*.yaml"))
PAPER = ("snips/train", "stand-in/seal_tools", "toolace", "sgd/train")
CALM = (
    *("sgd/train", "star", "taskmaster_4", "snips/train", "town", "toolace", "seal_tools/dev", "toolrl/sft"),
    *("hammerbench/IS", "llamafactory/glaive", "grown/sgd", "grown/chat", "grown/steps"),
)


def read(name):
    return load(TrainRecipe, FOLDER / f"{name}.yaml")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_it_opens_with_its_command(path):
    first = path.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert f"calm train recipes/train/{path.name}" in first
    load(TrainRecipe, path)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_machines_that_are_to_work_together_are_told_where_they_meet(path):
    first = path.read_text().splitlines()[0]
    if "torchrun" not in first:
        pytest.skip("starts one process")
    asked = get_args_parser().parse_args(first.partition("torchrun ")[2].split())
    assert asked.nnodes == "1:1" or (asked.rdzv_backend, bool(asked.rdzv_endpoint)) == ("c10d", True)
    assert (asked.nproc_per_node, asked.training_script) == ("8", "calm")


@pytest.mark.parametrize("name", ["calm-135m", "calm-8b", "calm-8b-stages", "calm-135m-stages"])
def test_the_card_is_followed(name):
    found = read(name)
    assert (found.method, found.lora.rank, found.lora.alpha) == ("lora", 16, 32)
    assert (found.lr, found.batch, found.optimiser.warmup) == (1e-4, 8, 0.1)
    assert (found.optimiser.betas, found.optimiser.eps) == ((0.9, 0.999), 1e-8)


@pytest.mark.parametrize(
    ("name", "method", "batch", "lr", "save"),
    [("8b-oumi", "lora", 16 * 8, 4e-5, 300), ("70b", "full", 7 * 8, 4e-5, 688), ("405b", "qlora", 2 * 8, 1e-4, 500)],
)
def test_the_released_files_are_followed(name, method, batch, lr, save):
    found = read(f"calm-{name}")
    assert (found.method, found.batch, found.lr, found.save_every) == (method, batch, lr, save)
    assert (found.epochs, found.optimiser.clip, found.optimiser.weight_decay) == (1, 10, 0.01)
    assert found.base in KNOWN


@pytest.mark.parametrize(("name", "rows"), [("calm-8b", 311_639 / 128), ("calm-70b", 311_639 / 56)])
def test_a_warm_up_of_24_steps_is_said_as_a_share(name, rows):
    share = read("calm-8b-oumi" if name == "calm-8b" else name).optimiser.warmup
    assert round(share * rows) == 24


@pytest.mark.parametrize(("name", "origins"), [("calm-8b-stages", PAPER), ("calm-135m-stages", CALM)])
def test_every_row_is_in_one_stage(name, origins):
    for origin in origins:
        taken = [s.name for s in read(name).stages if any(fnmatchcase(origin, pattern) for pattern in s.rows)]
        assert len(taken) == 1, origin


@pytest.mark.parametrize("name", ["calm-8b", "calm-135m"])
def test_stages_change_nothing_else(name):
    whole, staged = read(name), read(f"{name}-stages")
    assert staged.model_copy(update={"stages": ()}) == whole
