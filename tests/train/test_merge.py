"""A merged model is what PEFT merges, a GGUF is what it was made from, and both say what was trained."""

import shutil
import warnings

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from calm.data.sources.town import read_town
from calm.errors import ModelError, UsageError
from calm.files import read_json, write_json
from calm.format.tokens import Codec
from calm.hub import models, smollm
from calm.hub.models import Found
from calm.recipe import manifest
from calm.train import merge, save
from calm.train.gguf import factors, gguf
from calm.train.model import LoraLlama
from calm.train.recipe import Lora, TrainRecipe


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    data = tmp_path_factory.mktemp("mine")
    (data / "README.md").write_text("---\npretty_name: mine\nlicense:\n- mit\n---\n## Sources and licences\n\nOurs.\n")
    return TrainRecipe(data=data, lora=Lora(rank=4, alpha=6))


@pytest.fixture(scope="module")
def found(tiny, recipe, tmp_path_factory):
    torch.manual_seed(2)
    model, out = LoraLlama(tiny, recipe), tmp_path_factory.mktemp("adapter")
    with torch.no_grad():
        for _, weight in model.trained():
            weight.normal_(0, 0.1)
    save.write(dict(model.trained()), Found(str(tiny), tiny), Codec.load(tiny), recipe, out)
    manifest(out, "calm train", recipe, {})
    return models.find(str(out))


@pytest.fixture(scope="module")
def merged(found, tmp_path_factory):
    out = tmp_path_factory.mktemp("there") / "merged"
    merge.merge(found, out)
    return out


def peft_merge(found):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        base = AutoModelForCausalLM.from_pretrained(found.base, dtype=torch.float32)
        return PeftModel.from_pretrained(base, str(found.adapter)).merge_and_unload()


def test_the_weights_are_those_that_peft_merges(found, merged):
    theirs = peft_merge(found).state_dict()
    ours = load_file(merged / "model.safetensors")
    assert set(ours) == set(theirs) - {"lm_head.weight"}  # tied to the embedding
    for name, weight in ours.items():
        torch.testing.assert_close(weight, theirs[name].bfloat16(), rtol=0.01, atol=1e-6)


def test_transformers_loads_it_and_says_the_same(found, merged, tiny):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ids = torch.tensor([Codec.load(tiny).row(next(read_town(1, 5))).ids[:60]])
    whole = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32)
    expected = peft_merge(found).bfloat16().float()(ids).logits
    assert (whole(ids).logits - expected).abs().mean() < 0.005 * expected.abs().mean()
    assert "<tool_call>" in str(AutoTokenizer.from_pretrained(merged).chat_template)


def test_it_is_a_base_like_any_other(merged):
    again = models.find(str(merged))
    assert again.adapter is None
    with pytest.raises(UsageError, match="nothing to merge"):
        merge.merge(again, merged.parent / "twice")
    with pytest.raises(UsageError, match="is there already"):
        merge.vacant(merged)


def test_the_cards_name_base_data_licences_and_what_they_are(found, merged):
    heads = [yaml.safe_load((folder / "README.md").read_text().split("---")[1]) for folder in (found.adapter, merged)]
    assert [head["library_name"] for head in heads] == ["peft", "transformers"]
    assert [head["base_model_relation"] for head in heads] == ["adapter", "finetune"]
    assert [head["base_model"] for head in heads] == [str(found.base)] * 2
    assert heads[0]["datasets"] == ["mine"]
    assert heads[0]["license"] == "mit"
    assert "| method | lora: rank 4, alpha 6, all linear layers |" in (found.adapter / "README.md").read_text()


def test_an_adapter_of_another_kind_or_base_is_refused(found, tiny, tmp_path):
    config = read_json(found.adapter / "adapter_config.json")
    for change, message in (({"use_dora": True}, "is DoRA"), ({}, "another base")):
        folder = tmp_path / message.split()[0]
        folder.mkdir()
        weights = {"base_model.model.model.layers.9.mlp.up_proj.lora_A.weight": torch.ones(4, 32)}
        save_file(weights, folder / "adapter_model.safetensors")
        write_json(folder / "adapter_config.json", config | change)
        with pytest.raises(ModelError, match=message):
            merge.merge(Found("x", tiny, folder), tmp_path / "out")


def test_a_model_trained_whole_is_saved_as_a_model(tiny, recipe, tmp_path):
    full = recipe.model_copy(update={"method": "full"})
    trained = dict(LoraLlama(tiny, full).trained())
    save.write(trained, Found(str(tiny), tiny), Codec.load(tiny), full, tmp_path)
    base = load_file(tiny / "model.safetensors")
    saved = load_file(models.find(str(tmp_path)).base / "model.safetensors")
    assert set(saved) == set(base)
    for name, weight in saved.items():
        torch.testing.assert_close(weight, base[name].bfloat16())


def test_a_gguf_read_back_is_the_merged_model(found, merged, tmp_path):
    gguf(found, tmp_path / "model.gguf")
    smollm.convert(tmp_path / "model.gguf", tmp_path)
    back, ours = (load_file(folder / "model.safetensors") for folder in (tmp_path, merged))
    assert {n: w.shape for n, w in back.items()} == {n: w.shape for n, w in ours.items()}
    for name, weight in ours.items():
        torch.testing.assert_close(back[name], weight, rtol=0, atol=0)
    tokens = Codec.load(tmp_path).tokenizer
    assert tokens.get_vocab() == Codec.load(found.base).tokenizer.get_vocab()
    assert tokens.decode(tokens.encode("at 10:30, table for two").ids) == "at 10:30, table for two"


def test_the_long_rope_of_llama_3_goes_along(tiny):
    rope = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0}
    rope |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
    config = {**read_json(tiny / "config.json"), "head_dim": 128, "rope_parameters": rope}
    found = factors(config)
    assert found is not None
    assert (found[0], found[-1]) == (1, 8)
    assert factors(read_json(tiny / "config.json")) is None
    with pytest.raises(ModelError, match="rope type 'yarn'"):
        factors({**config, "rope_parameters": {**rope, "rope_type": "yarn"}})


def test_an_adapter_of_another_maker_is_merged_with_a_short_card(found, tmp_path):
    strange = tmp_path / "strange"
    shutil.copytree(found.adapter, strange)
    write_json(strange / "manifest.json", {"command": "calm train", "recipe": {"warm": 1}})
    merge.merge(Found("x", found.base, strange), tmp_path / "out")
    assert f"# strange merged into {found.base}" in (tmp_path / "out" / "README.md").read_text()
