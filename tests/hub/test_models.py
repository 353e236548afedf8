"""Names become folders, and a folder that lacks something says what."""

import json
import shutil

import pytest

from calm.errors import DataError, HubError, ModelError
from calm.files import read_json
from calm.format.tokens import Codec
from calm.hub.models import find
from calm.hub.smollm import bf16


def test_a_model_folder_is_found_and_an_adapter_brings_its_base(tiny, tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(tiny)}))
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    found = find(str(tmp_path))
    assert (find(str(tiny)).base, found.base, found.adapter, found.tokenizer) == (tiny, tiny, tmp_path, tiny)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_folder_without_a_part_names_it(tiny, tmp_path, missing):
    for file in tiny.iterdir():
        if file.name != missing:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match=missing.replace("model.safetensors", "no weights")):
        find(str(tmp_path))


def test_another_architecture_is_refused(tiny, tmp_path):
    for file in tiny.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_text('{"model_type": "mamba"}')
    with pytest.raises(ModelError, match="'mamba'"):
        find(str(tmp_path))


def test_no_folder_and_no_hub_name_lists_what_is_accepted():
    with pytest.raises(ModelError, match="calm-135m or openai:MODEL@URL"):
        find("nonsense")


def test_damaged_weights_are_named(tiny, tmp_path):
    from calm.policy.local.llama import Llama

    for file in tiny.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"garbage")
    with pytest.raises(ModelError, match=r"model\.safetensors: cannot be read"):
        Llama(tmp_path)


def test_bfloat16_rounds_to_nearest_even():
    import numpy as np
    import torch

    values = np.array([1.0, -2.5, 3.14159, 1e-30, 65504.0, 0.0078125, 1.00390625], np.float32)
    expected = torch.from_numpy(values).bfloat16().view(torch.int16).numpy().tobytes()
    assert bf16(values) == expected


@pytest.mark.model
def test_the_embedded_tokenizer_splits_digits_and_ends_turns(embedded):
    codec = Codec.load(embedded)
    pieces = codec.tokenizer.encode("a\n\n1 23  45", add_special_tokens=False).tokens
    assert pieces == ["a", "ĊĊ", "1", "Ġ", "2", "3", "ĠĠ", "4", "5"]
    assert codec.tokenizer.id_to_token(codec.stop) == "<|im_end|>"
    assert read_json(embedded / "config.json")["eos_token_id"] == codec.stop == 2


@pytest.mark.model
def test_the_embedded_tokenizer_gives_every_text_back(embedded):
    codec = Codec.load(embedded)
    for text in ("naïve café 12:30\n\n  two\tspaces", "日本語 🙂 «x» <|im_end|> <think>", "a\r\nb\u00a0c", " "):
        ids = codec.tokenizer.encode(text, add_special_tokens=False).ids
        assert codec.stop not in ids
        assert codec.tokenizer.decode(ids, skip_special_tokens=False) == text


@pytest.mark.model
def test_the_embedded_model_knows_the_capital_of_france(embedded):
    from calm.conversation import Conversation, User
    from calm.policy import load

    step = load("smollm2-135m", max_tokens=30)(Conversation(messages=(User(content="What is the capital of France?"),)))
    assert "Paris" in step.text


def test_unset_or_wrong_calm_data_says_what_to_set(monkeypatch, tmp_path):
    from calm.hub.corpora import corpus

    monkeypatch.delenv("CALM_DATA", raising=False)
    with pytest.raises(HubError, match="set CALM_DATA to the folder that holds sgd/"):
        corpus("sgd")
    monkeypatch.setenv("CALM_DATA", str(tmp_path))
    with pytest.raises(HubError, match="has no folder sgd/"):
        corpus("sgd")
    assert DataError("x", "y").exit_code == 4


@pytest.mark.parametrize("name", ["config.json", "adapter_config.json"])
def test_settings_that_are_no_object_are_named(tiny, tmp_path, name):
    folder = shutil.copytree(tiny, tmp_path / "model")
    (folder / name).write_text("[]")
    (folder / "adapter_model.safetensors").touch()
    with pytest.raises(DataError, match=rf"{name}: is list, not an object"):
        find(str(folder))
