"""A run in other trainers' words keeps its numbers, its mask and its way back."""

import json
from pathlib import Path

import pytest
import yaml

from calm import conversation
from calm.cli.export import export
from calm.conversation import to_row
from calm.data.sources.town import read_town
from calm.errors import DataError, RecipeError, UsageError
from calm.files import write_json
from calm.format.react import CHATML, LLAMA3
from calm.format.tokens import Codec
from calm.recipe import load
from calm.train.export import trainable_template
from calm.train.export.read import from_oumi
from calm.train.export.write import TARGETS, write
from calm.train.recipe import Lora, Optimiser, Stage, TrainRecipe

BASE = "meta-llama/Llama-3.1-8B-Instruct"
RECIPE = TrainRecipe(
    base=BASE, lora=Lora(rank=4, alpha=6), batch=32, lr=3e-5, epochs=2, optimiser=Optimiser(warmup=0.25, clip=3), seed=7
)


def written(tmp_path, to, recipe=RECIPE, devices=2):
    commands, lost = write(recipe, "mine", to, tmp_path / to, devices)
    files = {path.name: yaml.safe_load(path.read_text()) for path in (tmp_path / to).glob("*.yaml")}
    return files, commands, lost


@pytest.mark.parametrize("to", TARGETS)
def test_the_numbers_are_all_there(tmp_path, to):
    files, commands, _ = written(tmp_path, to)
    said = yaml.safe_dump(files)
    for value in (BASE, "3.0e-05", "0.25", "0.999", "1.0e-08", "3.0", "4096"):
        assert value in said, value
    assert commands[0].startswith("calm export out/data --to ")
    assert any(f"lora_{key}: 4" in said for key in ("r", "rank"))


@pytest.mark.parametrize("to", ["trl", "llamafactory"])
def test_the_step_holds_as_many_conversations(tmp_path, to):
    files, _, _ = written(tmp_path, to, RECIPE.model_copy(update={"batch": 96}))
    run = files["sft.yaml" if to == "trl" else "train.yaml"]
    assert run["per_device_train_batch_size"] * run["gradient_accumulation_steps"] * 2 == 96
    assert files["accelerate.yaml"]["num_processes"] == 2
    with pytest.raises(UsageError, match="batch 32 cannot be split over 3 devices"):
        written(tmp_path, to, devices=3)


@pytest.mark.parametrize("method", ["lora", "qlora", "full"])
def test_oumi_there_and_back_is_the_same_recipe(tmp_path, method):
    recipe = RECIPE.model_copy(update={"method": method, "checkpointing": "on"})
    written(tmp_path, "oumi", recipe)
    back, left = from_oumi(tmp_path / "oumi" / "train.yaml", recipe.data, devices=2)
    kept = {"lora": Lora()} if method == "full" else {}
    assert back == recipe.model_copy(update=kept)
    assert not [line for line in left if not line.startswith(("model.", "data.", "training.", "fsdp."))]


COALM = """
model: {model_name: meta-llama/Llama-3.1-8B-Instruct, model_max_length: 4096, enable_liger_kernel: true}
data: {train: {seed: 42, train_target: ALL_ASSISTANT_TURNS}}
training: {use_peft: true, per_device_train_batch_size: 16, learning_rate: 4.0e-05, warmup_steps: 24, eval_steps: 300}
"""


def test_a_file_of_the_released_shape_becomes_a_recipe_that_says_what_it_left(tmp_path, capsys):
    (tmp_path / "8b.yaml").write_text(COALM)
    out = tmp_path / "calm.yaml"
    export(tmp_path / "8b.yaml", to="calm", out=out, rows=1280)
    found = load(TrainRecipe, out)
    assert (found.batch, found.lr, found.lora.rank, found.epochs, found.optimiser.warmup) == (128, 4e-5, 8, 3, 0.8)
    for told in (capsys.readouterr().out, out.read_text()):
        assert "model.enable_liger_kernel: True has no counterpart here" in told
        assert "training.eval_steps: 300 set evaluate_every" in told
    with pytest.raises(UsageError, match="is there already"):
        export(tmp_path / "8b.yaml", to="calm", out=out)


def test_what_is_no_training_file_of_oumi_is_refused(tmp_path):
    (tmp_path / "x.yaml").write_text("base: smollm2-135m\n")
    with pytest.raises(RecipeError, match="no `model` and `training`"):
        from_oumi(tmp_path / "x.yaml", tmp_path)
    with pytest.raises(UsageError, match="oumi, trl, llamafactory, axolotl"):
        export(tmp_path / "x.yaml", to="verl", out=tmp_path / "out")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", "fast"),
        ("num_train_epochs", [3]),
        ("per_device_train_batch_size", "two"),
        ("warmup_steps", "few"),
    ],
)
def test_a_value_that_is_no_number_is_named(tmp_path, key, value):
    (tmp_path / "x.yaml").write_text(json.dumps({"model": {"model_name": "m"}, "training": {key: value}}))
    with pytest.raises(RecipeError, match=rf"x\.yaml: training\.{key}: must be a number \(got"):
        from_oumi(tmp_path / "x.yaml", tmp_path, rows=100)


def test_what_the_trainer_has_no_words_for_is_said(tmp_path):
    _, _, lost = written(tmp_path, "trl", RECIPE.model_copy(update={"learn": ("call",)}))
    assert any(line.startswith("`learn: [call]`") for line in lost)
    assert all(line in (tmp_path / "trl" / "README.md").read_text() for line in lost)
    with pytest.raises(UsageError, match="whole passes only"):
        written(tmp_path, "oumi", RECIPE.model_copy(update={"epochs": 0.5}))


STAGES = (Stage(name="first ones", rows=("town/0",)), Stage(name="last", rows=("*/1",), lr=1e-5, epochs=1))


@pytest.fixture
def staged(tmp_path):
    """A recipe of two stages on a dataset of eight rows, half for each, and two held out."""
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    data = tmp_path / "set"
    data.mkdir()
    (data / "README.md").write_text("Ours.")
    for split, count in (("train", 8), ("held_out", 2)):
        origin = (c.model_copy(update={"origin": f"town/{i % 2}"}) for i, c in enumerate(read_town(count, 0)))
        parquet.write_table(pyarrow.Table.from_pylist([to_row(c) for c in origin]), data / f"{split}.parquet")
    return RECIPE.model_copy(update={"stages": STAGES, "data": data, "held_out": data})


@pytest.mark.parametrize(
    ("to", "file", "adapter"),
    [("llamafactory", "train", "adapter_name_or_path"), ("axolotl", "config", "lora_model_dir")],
)
def test_each_stage_is_a_run_on_its_rows_that_starts_where_the_one_before_ended(tmp_path, staged, to, file, adapter):
    commands, _ = write(staged, "mine", to, tmp_path / "out")
    stages = [tmp_path / "out" / name for name in ("stage-1-first-ones", "stage-2-last")]
    texts = [(stage / f"{file}.yaml").read_text() for stage in stages]
    first, last = map(yaml.safe_load, texts)
    assert adapter not in first
    assert (stages[1] / last[adapter]).resolve() == (stages[0] / first["output_dir"]).resolve()
    assert [told["learning_rate"] for told in (first, last)] == [3e-5, 1e-5]
    assert texts[1].startswith("# stage 2 of 2, last: rows/ holds its rows, whose origin is like */1\n")
    assert "2. last: rows whose origin is like */1" in (tmp_path / "out/README.md").read_text()
    assert [len(commands), commands[2].split()[2]] == [4, str(stages[1] / "rows")]


def test_the_rows_of_a_stage_are_those_it_trains_on_here(tmp_path, staged):
    commands, _ = write(staged, "mine", "llamafactory", tmp_path / "out")
    for place, command in enumerate(commands[::2]):
        _, _, source, _, to, _, out = command.split()
        picked = [c.origin for c in conversation.read(Path(source) / "train.jsonl")]
        assert picked == [f"town/{place}"] * 4
        export(Path(source), to=to, out=Path(out))
        told = yaml.safe_load((Path(out).parent / "train.yaml").read_text())
        assert {told["dataset"], told["eval_dataset"]} <= json.loads(
            (Path(out) / "dataset_info.json").read_text()
        ).keys()
        assert (Path(out) / "SOURCES.md").read_text() == "Ours."


def test_stages_without_their_data_are_refused(tmp_path, staged):
    with pytest.raises(DataError, match=r"not there yet, and the rows of a stage are picked from it; `calm build`"):
        write(staged.model_copy(update={"data": tmp_path / "none"}), "mine", "llamafactory", tmp_path / "out")


def test_full_training_goes_on_from_the_whole_model(tmp_path, staged):
    write(staged.model_copy(update={"method": "full"}), "mine", "llamafactory", tmp_path / "out")
    told = yaml.safe_load((tmp_path / "out/stage-2-last/train.yaml").read_text())
    assert told["model_name_or_path"] == "../stage-1-first-ones/output/mine-1-first-ones"
    assert "adapter_name_or_path" not in told


@pytest.mark.parametrize("to", ["trl", "oumi"])
def test_a_trainer_that_goes_on_with_no_adapter_gets_no_stages(tmp_path, staged, to):
    with pytest.raises(UsageError, match=r"cannot go on training an adapter.* to one of llamafactory, axolotl, or"):
        write(staged, "mine", to, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("to", "goes_on"), [("axolotl", True), ("oumi", False)])
def test_an_adapter_named_as_base_is_trained_on_or_refused(tmp_path, staged, to, goes_on):
    write_json(tmp_path / "begun/adapter_config.json", {"base_model_name_or_path": "meta-llama/Llama-3.1-8B"})
    more = staged.model_copy(update={"stages": (), "base": str(tmp_path / "begun")})
    if goes_on:
        write(more, "mine", to, tmp_path / "out")
        told = yaml.safe_load((tmp_path / "out/config.yaml").read_text())
        assert (told["base_model"], told["lora_model_dir"]) == ("meta-llama/Llama-3.1-8B", str(tmp_path / "begun"))
    else:
        with pytest.raises(UsageError, match=r"is an adapter, which Oumi cannot go on training.*--to merged"):
            write(more, "mine", to, tmp_path / "out")


def test_a_stage_that_no_row_is_for_is_refused_before_anything_is_written(tmp_path, staged):
    lost = staged.model_copy(update={"stages": (STAGES[0], Stage(name="tod", rows=("sgd/*",)))})
    with pytest.raises(RecipeError, match=r"tod: rows: 'sgd/\*' matches no row's origin; there are town/0"):
        write(lost, "mine", "llamafactory", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    write_json(tmp_path / "trl" / "precious.json", {})
    with pytest.raises(UsageError, match="holds files that no export wrote"):
        written(tmp_path, "trl")


@pytest.mark.parametrize("number", range(4))
def test_the_template_for_trl_supervises_what_we_supervise(tiny, number):
    from transformers import PreTrainedTokenizerFast

    row = next(c for i, c in enumerate(read_town(number + 1, 11)) if i == number)
    ours, wire = Codec.load(tiny).row(row), to_row(row)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(tiny / "tokenizer.json"))
    tokenizer.chat_template = trainable_template(CHATML)
    theirs = tokenizer.apply_chat_template(
        wire["messages"], tools=json.loads(wire["tools"]), return_dict=True, return_assistant_tokens_mask=True
    )
    assert tokenizer.decode(theirs["input_ids"]) == tokenizer.decode(ours.ids)
    told = [
        tokenizer.decode([i for i, m in zip(ids, mask, strict=True) if m])
        for ids, mask in ((theirs["input_ids"], theirs["assistant_masks"]), (ours.ids, ours.learn))
    ]
    assert told[0] == told[1]
    assert "generation" in trainable_template(LLAMA3)
