"""The plan's arithmetic is that of the models themselves, and of the figures that others published."""

import json
import math
import warnings

import pytest
import torch

from calm.cli.train import train as verb
from calm.conversation import write
from calm.data.sources.town import read_town
from calm.errors import ModelError, UsageError
from calm.files import read_json, write_json
from calm.format.tokens import Codec
from calm.train import model as trained
from calm.train import rows, step
from calm.train.attention import KEEP
from calm.train.plan import CHUNK, KNOWN, Machine, Shape, base, memory, operations, passes, plan, saved, trainable
from calm.train.recipe import TrainRecipe

EIGHT = "meta-llama/Llama-3.1-8B-Instruct"


@pytest.fixture
def recipe(tiny, tmp_path):
    write(tmp_path / "rows.jsonl", read_town(6, 0))
    return TrainRecipe(base=str(tiny), data=tmp_path / "rows.jsonl", batch=2, epochs=3)


def on_meta(config, rank):
    """Parameters and trained parameters that transformers and PEFT count, nothing allocated."""
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")
        from peft import LoraConfig, get_peft_model
        from transformers import LlamaConfig, LlamaForCausalLM

        made = get_peft_model(LlamaForCausalLM(LlamaConfig(**config)), LoraConfig(r=rank, target_modules="all-linear"))
    return made.get_nb_trainable_parameters()[::-1]


@pytest.mark.parametrize("name", [*KNOWN, "tiny"])
def test_parameters_are_those_of_the_model_on_the_meta_device(name, tiny):
    config = read_json(tiny / "config.json") if name == "tiny" else KNOWN[name]
    shape, recipe = Shape.of(config), TrainRecipe()
    learnt = trainable(shape, recipe)
    assert (shape.parameters + learnt, learnt) == on_meta(config, recipe.lora.rank)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_parameters_and_activations_are_those_of_the_training_model(method, tiny):
    config, recipe = read_json(tiny / "config.json"), TrainRecipe(method=method)
    shape, tensors = Shape.of(config), trained.LoraLlama.shapes(config, recipe)
    adapters = trainable(shape, recipe) if method == "lora" else 0
    assert shape.parameters + adapters == sum(math.prod(sizes) for sizes in tensors.values())
    here = trained.Shape(config, torch.bfloat16, torch.device("cpu"))  # its residual stream is float32, twice a block
    assert here.activations(KEEP + 1) == (KEEP + 1) * (saved(shape) + 2 * 2 * shape.hidden)


def test_full_training_changes_every_weight():
    assert trainable(Shape.of(KNOWN[EIGHT]), TrainRecipe(method="full")) == 8_030_261_248


def test_the_logits_that_are_counted_are_those_that_exist():
    assert step.CHUNK["cuda"] == CHUNK


def test_operations_of_a_token_are_the_products_it_goes_through():
    """8B, 900 tokens, 24.3 % supervised: frozen 2 x 2 x 6.98e9, head and attention beside them: 29.5 GFLOP."""
    found = operations(Shape.of(KNOWN[EIGHT]), TrainRecipe(), passes("", [(900, 219)], 1, 1))
    assert found["forward"] / 900 == 2 * 6_979_321_856
    assert sum(found.values()) / 900 == pytest.approx(29.5e9, rel=0.005)


def test_full_training_costs_half_as_much_again_in_the_blocks():
    shape, work = Shape.of(KNOWN[EIGHT]), passes("", [(100, 10)], 1, 1)
    lora, full = (operations(shape, TrainRecipe(method=method), work) for method in ("lora", "full"))
    assert (full["forward"] + full["backward"]) == 1.5 * (lora["forward"] + lora["backward"])


def test_memory_is_shared_out_and_4_bits_need_a_quarter():
    shape, recipe = Shape.of(KNOWN[EIGHT]), TrainRecipe()
    alone, eight = (memory(shape, recipe, devices) for devices in (1, 8))
    assert alone["weights"] == pytest.approx(2 * shape.parameters, rel=1e-3)
    assert alone["weights"] == pytest.approx(8 * eight["weights"], rel=1e-6)
    packed = memory(shape, TrainRecipe(method="qlora"), 1)["weights"] - 2 * shape.tables
    assert packed == pytest.approx(shape.layers * shape.block * 0.5159, rel=1e-3)


def test_steps_and_tokens_are_those_of_the_rows(recipe, tiny):
    found = plan(recipe, Machine())
    learnt = rows.load(recipe.data, Codec.load(tiny), recipe)
    assert found["work"]["tokens"] == 3 * learnt.tokens
    assert found["work"]["supervised"] == 3 * learnt.learned
    assert found["work"]["steps"] == rows.steps(6, recipe) == 9


def test_a_stage_counts_its_own_rows_and_passes(recipe):
    stages = [{"name": "one", "rows": ["town"], "epochs": 1}, {"name": "all", "epochs": 2}]
    found = plan(TrainRecipe.model_validate(recipe.model_dump() | {"stages": stages}), Machine())
    assert [(s["name"], s["steps"]) for s in found["stages"]] == [("one", 3), ("all", 6)]


def test_a_model_that_is_not_at_hand_is_planned_from_the_table(capsys, tmp_path):
    (tmp_path / "r.yaml").write_text(f"base: {EIGHT}\nepochs: 3\n")
    verb(tmp_path / "r.yaml", dry_run=True, machine=Machine(devices=8, rows=1000, tokens=678), json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] == 8_072_204_288
    assert found["work"]["steps"] == 375
    verb(tmp_path / "r.yaml", f"data={tmp_path / 'none'}", dry_run=True)
    assert "not there yet; `calm build` makes it" in " ".join(capsys.readouterr().out.split())


def test_a_dry_run_says_how_far_it_has_read(recipe, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(rows, "EACH", 2)
    write_json(tmp_path / "r.yaml", {"base": recipe.base, "data": str(recipe.data)})
    verb(tmp_path / "r.yaml", dry_run=True)
    said = capsys.readouterr()
    assert said.err.splitlines() == [f"reading rows.jsonl: {n} of 6" for n in (2, 4, 6)]
    assert "operations" in said.out


def test_a_model_that_nobody_knows_is_not_fetched():
    with pytest.raises(ModelError, match=r"did you mean meta-llama/Llama-3.1-8B-Instruct"):
        base("meta-llama/Llama-3.1-8B")


@pytest.mark.parametrize(("flag", "value"), [("devices", 0), ("rows", -5), ("efficiency", 2.0), ("peak", math.nan)])
def test_what_no_machine_has_is_refused(flag, value):
    with pytest.raises(UsageError, match=f"^--{flag} {value}: must be above 0"):
        Machine(**{flag: value})


@pytest.mark.parametrize("name", ["/nope", "a b/c", "one/two/three"])
def test_a_name_that_no_hub_could_have_is_not_looked_up(name):
    with pytest.raises(ModelError, match="its shapes are not at hand"):
        base(name)
