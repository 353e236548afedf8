"""A published model: weights in half the size, answers without the benchmark's words, figures judged from those."""

import json
import re
from shutil import copytree

import pytest
import yaml
from safetensors.torch import load_file
from tokenizers import Tokenizer

from calm.bench import named
from calm.bench.figures import figures
from calm.bench.judge import grade_transcripts, judge, totals
from calm.bench.publish import results
from calm.bench.run import Plan, run, sample
from calm.bench.score import intervals
from calm.bench.toy import Toy
from calm.cli.publish import publish
from calm.conversation import write
from calm.data.sources.town import read_town
from calm.errors import DataError, UsageError
from calm.files import sha256
from calm.policy.scripted import Silent
from calm.recipe import read_manifest
from calm.train.loop import train
from calm.train.recipe import TrainRecipe

TOY = Toy()


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    write(folder / "rows.jsonl", read_town(2, 0))
    train(TrainRecipe(base=str(tiny), data=folder / "rows.jsonl", held_out=folder / "rows.jsonl"), folder / "adapter")
    for group in ("tuned", "base"):
        run(TOY, Silent(), folder / group / "toy", Plan(limit=8))
        judge(TOY, folder / group / "toy")
    publish(folder / "model", adapter=folder / "adapter", tuned=(folder / "tuned",), base=(folder / "base",))
    return folder


def test_the_weights_are_rounded_once_and_load_as_an_adapter(made):
    whole, lean = (load_file(made / name / "adapter_model.safetensors") for name in ("adapter", "model"))
    assert {str(w.dtype) for w in lean.values()} == {"torch.bfloat16"}
    assert all(lean[name].equal(weight.bfloat16()) for name, weight in whole.items())
    assert {"adapter_config.json", "tokenizer.json", "chat_template.jinja"} <= {
        p.name for p in (made / "model").iterdir()
    }


def test_every_hash_of_the_manifest_is_of_what_lies_there(made):
    outputs = read_manifest(made / "model")["outputs"]
    assert {"adapter_model.safetensors", "tokenizer.json"} <= outputs.keys()
    assert outputs == {name: sha256(made / "model" / name) for name in outputs}


def test_the_tokenizer_is_written_shorter_and_gives_the_same_ids(made):
    whole, lean = (made / name / "tokenizer.json" for name in ("adapter", "model"))
    assert lean.stat().st_size < whole.stat().st_size / 2
    read = [Tokenizer.from_file(str(path)) for path in (whole, lean)]
    for conversation in read_town(3, 5):
        text = " ".join(str(message) for message in conversation.messages)
        assert read[0].encode(text).ids == read[1].encode(text).ids
    assert read[0].to_str() == read[1].to_str()


def test_publishing_again_judges_the_stored_answers_and_changes_no_byte(made):
    files = [made / "model" / name for name in ("results.json", "README.md", "runs/tuned/toy-toy/scores.json")]
    before = [path.read_bytes() for path in files]
    publish(made / "model")
    assert [path.read_bytes() for path in files] == before
    assert json.loads(before[0])["runs"]["tuned/toy-toy"]["judged"] == 8
    page = (made / "model" / "results.html").read_text()
    assert all(words in page for words in ("tuned/toy-toy", "base/toy-toy", "Loss of ", "what went wrong"))


def test_every_run_that_led_to_the_model_is_drawn(made, tmp_path):
    model = copytree(made / "model", tmp_path / "model")
    for home in (model / "before", model / "before" / "before"):
        copytree(made / "adapter", home)
    publish(model)
    page = (model / "results.html").read_text()
    titles = set(re.findall(r"Loss of ([^<]+)<", page))
    assert {title.count("before") for title in titles} == {0, 1, 2}, titles


def test_a_mean_on_the_way_has_no_curve_and_the_runs_beyond_it_stand_once(made, tmp_path):
    model = copytree(made / "model", tmp_path / "model")
    copytree(made / "adapter", model / "before" / "before")
    (model / "before" / "manifest.json").write_text('{"command": "calm average"}')
    publish(model)
    titles = re.findall(r"<h2[^>]*>Loss of ([^<]+)<", (model / "results.html").read_text())
    assert titles == ["model", "before"]


def test_the_card_says_what_was_judged_and_keeps_the_rest(made):
    text, original = ((made / name / "README.md").read_text() for name in ("model", "adapter"))
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["model-index"][0]["name"] == "model"
    assert "tuned/toy-toy: 8 of 24 items, toy, constrained" in text
    kept = original.split("## Intended use")[1]
    assert text.endswith(kept)


def test_figures_come_from_the_answers_that_lie_there_and_from_nothing_else(made, tmp_path):
    folder = copytree(made / "model", tmp_path / "model")
    (folder / "runs" / "tuned" / "toy-toy" / "answers.jsonl.gz").unlink()
    assert list(results(folder)["runs"]) == ["base/toy-toy"]
    (folder / "runs" / "base" / "toy-toy" / "answers.jsonl.gz").unlink()
    with pytest.raises(DataError, match="publish some with calm publish"):
        results(folder)


def test_what_is_no_adapter_or_no_run_is_refused_by_name(made, tmp_path):
    with pytest.raises(UsageError, match=r"has no adapter_model\.safetensors"):
        publish(tmp_path / "new", adapter=tmp_path)
    with pytest.raises(UsageError, match="holds no run"):
        publish(made / "model", tuned=(tmp_path,))
    with pytest.raises(UsageError, match="no such folder"):
        publish(tmp_path / "absent")


def test_the_figures_of_gold_answers_are_the_ceilings(corpora):
    benchmark = named("api_bank")
    gold = [benchmark.gold(t).model_copy(update={"id": t.id}) for t in sample(benchmark.tasks(), 100)]
    verdicts = grade_transcripts(benchmark, gold)
    scores = {**totals(benchmark, verdicts), "intervals": intervals(benchmark, verdicts)}
    found = figures(benchmark, scores, verdicts, gold)
    assert (found["l1_exact"].value, found["l2_rouge_l"].value, found["l3_exact"].value) == (100, 100, 100)
    assert 60 < found["l1_official"].value < 100


def test_a_sweep_stands_on_the_page_and_a_wrong_file_names_what_is_wrong(made, tmp_path):
    score = {"toy": {"valid": {"value": 25.0, "low": 7.1, "high": 59.1, "n": 8, "protocol": "native"}}}
    plain = {"variant": "plain", "steps": 3, "held_out_loss_after": 0.5, "scores": score}
    other = {**plain, "variant": "<rank 64>", "beside_first": {"toy": {"gained": 2, "lost": 1, "p": 1.0}}}
    told = {"file": "recipes/sweep/settings.yaml", "tokens": 900, "variants": [plain, other]}
    (tmp_path / "told.json").write_text(json.dumps(told))
    publish(made / "model", sweep=(tmp_path / "told.json",))
    page = (made / "model" / "results.html").read_text()
    assert all(
        said in page
        for said in ("Sweep settings", "25.0 [7, 59]", "&lt;rank 64&gt;", "toy beside plain", "+2 -1, p = 1.00", "n 8")
    )
    (tmp_path / "told.json").write_text(json.dumps({**told, "variants": []}))
    with pytest.raises(DataError, match=r"told\.json: variants: .*benchmarks/sweep\.py --json"):
        publish(made / "model", sweep=(tmp_path / "told.json",))
