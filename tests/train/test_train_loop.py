"""A run does what its recipe says: stages, schedule, held-out loss, one folder for one run."""

import gzip
import json
import math

import pytest
import torch
from safetensors.torch import load_file

from calm.cli import screen
from calm.cli.training import draw
from calm.conversation import to_row, write
from calm.data.sources.town import read_town
from calm.errors import DataError, RecipeError, UsageError
from calm.files import read_json, read_jsonl
from calm.format.tokens import Codec
from calm.hub import models
from calm.recipe import hashes, load, read_manifest
from calm.train import rows
from calm.train.loop import share, train
from calm.train.model import LoraLlama
from calm.train.recipe import Optimiser, Stage, TrainRecipe


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # two that wait for one another on a shared machine take ten times as long
    yield
    torch.set_num_threads(before)


@pytest.fixture
def recipe(tiny, tmp_path):
    origin = (c.model_copy(update={"origin": f"town/{i % 2}"}) for i, c in enumerate(read_town(8, 0)))
    write(tmp_path / "rows.jsonl", origin)
    write(tmp_path / "held.jsonl", read_town(2, 1))
    return TrainRecipe(
        base=str(tiny), data=tmp_path / "rows.jsonl", held_out=tmp_path / "held.jsonl", batch=2, lr=1e-2, save_every=2
    )


def told(folder):
    return [row for _, row in read_jsonl(folder / "metrics.jsonl")]


def test_held_out_loss_falls_and_every_step_is_logged(recipe, tmp_path):
    out = train(recipe.model_copy(update={"evaluate_every": 2}), tmp_path / "run")
    held, log = read_json(out / "eval.json"), told(out)
    assert held["held_out_loss_after"] < held["held_out_loss_before"]
    assert [row["step"] for row in log] == [1, 2, 3, 4]
    assert [row["epoch"] for row in log] == [0.25, 0.5, 0.75, 1.0]
    assert [round(row["lr"], 4) for row in log] == [0.01, 0.01, 0.0067, 0.0033]
    assert ["held_out_loss" in row for row in log] == [False, True, False, False]
    assert all(row["memory"] > 1e7 and row["tokens_per_second"] > 0 and row["norm"] > 0 for row in log)
    assert read_manifest(out)["steps"] == 4
    assert list(out.glob("*checkpoint*")) == []


def test_a_step_is_the_gradient_of_the_mean_over_all_its_supervised_tokens(recipe, tmp_path):
    first = told(train(recipe, tmp_path / "run"))[0]
    base = models.find(recipe.base).base
    kept = rows.load(recipe.data, Codec.load(base), recipe).kept
    batch = [kept[i].encoded for i in next(rows.order(len(kept), recipe))]
    torch.manual_seed(recipe.seed)
    model = LoraLlama(base, recipe)
    total, learned = (sum(part) for part in zip(*(model.loss([row]) for row in batch), strict=True))
    (total / learned).backward()
    norm = torch.stack([weight.grad.norm() for _, weight in model.trained()]).norm()
    assert first["loss"] == pytest.approx((total / learned).item(), rel=1e-4)
    assert first["norm"] == pytest.approx(norm.item(), rel=1e-3)


def test_a_stage_begins_where_the_one_before_ended(recipe, tmp_path):
    first = Stage(name="even", rows=("town/0",))
    both = recipe.model_copy(update={"stages": (first, Stage(name="odd ones", rows=("*/1",), epochs=2, lr=1e-3))})
    events = []
    out = train(both, tmp_path / "both", events.append)
    alone = train(recipe.model_copy(update={"stages": (first,)}), tmp_path / "alone")
    assert [e["rows"] for e in events if e["event"] == "plan"] == [4, 4]
    assert [row["step"] for row in told(out / "stages/1-even")] == [1, 2]
    assert [(row["stage"], row["step"]) for row in told(out)][1:3] == [("1-even", 2), ("2-odd-ones", 3)]
    assert max(row["lr"] for row in told(out / "stages/2-odd-ones")) == pytest.approx(1e-3)
    assert same(out / "stages/1-even", alone)
    assert not same(out / "stages/1-even", out)
    assert same(out / "stages/2-odd-ones", out)


def same(one, other):
    return (one / "adapter_model.safetensors").read_bytes() == (other / "adapter_model.safetensors").read_bytes()


def test_a_stage_without_rows_names_the_origins_there_are(recipe, tmp_path):
    lost = recipe.model_copy(update={"stages": (Stage(name="tod", rows=("town/*", "sgd/*")),)})
    with pytest.raises(RecipeError, match=r"tod: rows: 'sgd/\*' matches no row.*town/0 \(4 rows\), town/1"):
        train(lost, tmp_path / "run")


def test_full_training_moves_every_weight_and_lora_none_but_its_own(recipe, tmp_path):
    seen = {}
    for method in ("lora", "full"):
        out = train(recipe.model_copy(update={"method": method, "epochs": 0.25}), tmp_path / method)
        seen[method] = {name for path in out.glob("*.safetensors") for name in load_file(path)}
    assert all("lora_" in name for name in seen["lora"])
    assert not any("lora_" in name for name in seen["full"])


def test_a_step_of_eight_is_the_mean_over_the_tokens_of_two_steps_of_four(recipe, tiny, tmp_path):
    kept = rows.load(recipe.data, Codec.load(tiny), recipe).kept
    still = recipe.model_copy(update={"batch": 4, "lr": 1e-12})
    learned = [
        sum(sum(kept[i].learn) for i in chosen) for _, chosen in zip(range(2), rows.order(8, still), strict=False)
    ]
    halves = told(train(still, tmp_path / "4"))
    (whole,) = told(train(still.model_copy(update={"batch": 8}), tmp_path / "8"))
    mean = sum(n * row["loss"] for n, row in zip(learned, halves, strict=True)) / sum(learned)
    assert whole["loss"] == pytest.approx(mean, rel=1e-5)


@pytest.mark.parametrize(
    ("schedule", "warmup", "shares"),
    [
        ("linear", 0.25, [1.0, 1.0, 2 / 3, 1 / 3]),
        ("linear", 0.0, [1.0, 0.75, 0.5, 0.25]),
        ("cosine", 0.5, [0.5, 1.0, 1.0, 0.5]),
        ("constant", 0.5, [0.5, 1.0, 1.0, 1.0]),
    ],
)
def test_the_learning_rate_follows_the_schedule(schedule, warmup, shares):
    recipe = TrainRecipe(optimiser=Optimiser(schedule=schedule, warmup=warmup))
    assert [share(done, 4, recipe) for done in range(4)] == pytest.approx(shares)


def test_clip_zero_clips_nothing(recipe, tmp_path):
    def moved(clip):
        small = {"epochs": 0.25, "optimiser": Optimiser(clip=clip, eps=1e3, weight_decay=0)}
        out = train(recipe.model_copy(update=small), tmp_path / str(clip))
        return load_file(out / "adapter_model.safetensors"), told(out)[0]["norm"]

    (free, norm), (held, _) = moved(0), moved(1e-3)
    names = [name for name in free if "lora_B" in name]  # with a huge eps AdamW's step is the gradient over eps
    ratio = math.sqrt(sum((free[n] ** 2).sum() for n in names)) / math.sqrt(sum((held[n] ** 2).sum() for n in names))
    assert ratio == pytest.approx(norm / 1e-3, rel=0.05)


def test_a_finished_run_is_not_run_again_and_another_is_refused(recipe, tmp_path):
    out = train(recipe, tmp_path / "run")
    events = []
    train(recipe.model_copy(update={"save_every": 1, "checkpointing": "on"}), out, events.append)
    assert events == [{"event": "done", "reused": True, "folder": str(out)}]
    with pytest.raises(UsageError, match="another run"):
        train(recipe.model_copy(update={"lr": 1e-3}), out)


def test_only_the_first_of_torchruns_processes_says_that_a_run_is_finished(recipe, tmp_path, monkeypatch):
    out, said = train(recipe.model_copy(update={"epochs": 0.25}), tmp_path / "run"), [[], []]
    for rank, events in enumerate(said):
        for name, value in {"LOCAL_RANK": rank, "RANK": rank, "WORLD_SIZE": 2}.items():
            monkeypatch.setenv(name, str(value))
        train(recipe.model_copy(update={"epochs": 0.25}), out, events.append)
    assert said == [[{"event": "done", "reused": True, "folder": str(out)}], []]


def test_what_cannot_be_is_refused_before_anything_is_loaded(recipe, tmp_path):
    with pytest.raises(UsageError, match="evaluate_every: 3 needs held_out"):
        train(recipe.model_copy(update={"held_out": None, "evaluate_every": 3}), tmp_path / "run")


def test_training_goes_on_from_an_adapter_that_is_named_as_base(recipe, tmp_path):
    begun = train(recipe.model_copy(update={"epochs": 0.25}), tmp_path / "begun")
    more = recipe.model_copy(update={"base": str(begun), "epochs": 0.25, "lr": 1e-9})
    again = train(more, tmp_path / "more")
    names = ("adapter_config.json", "adapter_model.safetensors")
    (config, weights), (config_again, weights_again) = ([home / name for name in names] for home in (begun, again))
    assert config.read_text() == config_again.read_text()
    for name, weight in load_file(weights).items():
        torch.testing.assert_close(load_file(weights_again)[name], weight, atol=1e-7, rtol=0)
    assert f"| goes on from | the adapter `{begun}`" in (again / "README.md").read_text()
    assert hashes([weights]).items() <= read_manifest(again)["inputs"].items()


@pytest.mark.parametrize(
    ("changed", "said"), [({"lora": {"rank": 2}}, "its r is"), ({"method": "full"}, "trains a whole model")]
)
def test_an_adapter_of_another_kind_is_refused(recipe, tmp_path, changed, said):
    begun = train(recipe.model_copy(update={"epochs": 0.25}), tmp_path / "begun")
    more = TrainRecipe.model_validate({**recipe.model_dump(), "base": str(begun), **changed})
    with pytest.raises(UsageError, match=said):
        train(more, tmp_path / "more")


def test_rows_too_long_are_left_out_with_the_reason(recipe, tiny):
    codec = Codec.load(tiny)
    lengths = sorted(len(row.ids) for row in rows.load(recipe.data, codec, recipe).kept)
    found = rows.load(recipe.data, codec, recipe.model_copy(update={"max_length": lengths[-1] - 1}))
    assert found.rejects[0]["reason"] == f"{lengths[-1]} tokens, max_length is {lengths[-1] - 1}"
    assert len(found.kept) + len(found.rejects) == 8
    with pytest.raises(DataError, match="holds no row to train on"):
        rows.load(recipe.data, codec, recipe.model_copy(update={"max_length": 20}))


@pytest.mark.parametrize(("ending", "of"), [("jsonl", 8), ("jsonl.gz", 0), ("parquet", 8)])
def test_reading_says_how_far_it_is(recipe, tiny, tmp_path, monkeypatch, ending, of):
    path, read = tmp_path / f"other.{ending}", [to_row(conversation) for conversation in read_town(8, 0)]
    if ending == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pytest.importorskip("pyarrow").Table.from_pylist(read), path)
    else:
        with (gzip.open if ending.endswith("gz") else open)(path, "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in read)
    told = []
    for each in (3, 9):
        monkeypatch.setattr(rows, "EACH", each)
        rows.load(path, Codec.load(tiny), recipe, lambda done, of: told.append((done, of)))
    assert told == [(3, of), (6, of), (8, of)]


def test_reading_is_shown_before_the_first_row(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(rows, "EACH", 4)
    events = []
    train(recipe.model_copy(update={"epochs": 0.25}), tmp_path / "run", events.append)
    names = [event["event"] for event in events]
    assert events[0] == {"event": "rows", "file": "rows.jsonl", "done": 4, "of": 8}
    assert names[: names.index("first")] == ["rows"] * 3
    with screen.progress() as tick:
        draw(events[0], tick)
    assert capsys.readouterr().err == "reading rows.jsonl: 4 of 8\n"


def test_the_first_row_is_shown_with_its_mask(recipe, tmp_path):
    events = []
    train(recipe.model_copy(update={"epochs": 0.25}), tmp_path / "run", events.append)
    first = events[0]
    item = next(read_town(1, 0))
    assert (first["event"], first["id"]) == ("first", item.id)
    learned = "".join(said for said, on in first["pieces"] if on)
    assert learned.count("<|im_end|>") == len(item.steps)
    assert item.messages[item.steps[-1]].text in learned


def test_every_pass_sees_every_row_once_whatever_the_batch(recipe):
    taken = rows.order(8, recipe.model_copy(update={"batch": 3}))
    first = [place for _ in range(8) for place in next(taken)]
    assert sorted(first[:8]) == sorted(first[8:16]) == list(range(8))
    assert first[:8] != first[8:16]


def test_recipe_numbers_in_exponent_form_are_numbers(tmp_path):
    (tmp_path / "r.yaml").write_text("lr: 1e-4\nlora: {rank: 8}\n")
    found = load(TrainRecipe, tmp_path / "r.yaml", ["lora.alpha=64", "optimiser.warmup=5e-2"])
    assert (found.lr, found.lora.rank, found.lora.alpha, found.optimiser.warmup) == (1e-4, 8, 64, 0.05)
