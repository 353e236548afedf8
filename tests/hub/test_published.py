"""The model that comes with calm: its figures are those of its answers, and everyone's libraries load it."""

import json
from pathlib import Path

import pytest

from calm.bench.publish import RESULTS, rows, runs
from calm.hub.models import PUBLISHED, find

FOLDER = Path(__file__).parents[2] / "models" / PUBLISHED


def test_every_quoted_figure_has_its_protocol_items_and_interval():
    results = json.loads((FOLDER / RESULTS).read_text())
    wanted = {"bfcl_v3": 7, "api_bank": 13, "multiwoz": 3}
    for where, about in ((results, results["about"]), (results["base"], results["about"]["base"])):
        assert {name: len(where[name]) for name in wanted} == wanted
        for name, values in ((n, where[n]) for n in wanted):
            assert all(about[name][k]["low"] <= v <= about[name][k]["high"] for k, v in values.items())
            assert all(about[name][k]["n"] > 0 and about[name][k]["protocol"] for k in values)


def test_the_card_repeats_the_figures_and_the_runs_hold_no_prompts():
    card, results = (FOLDER / "README.md").read_text(), json.loads((FOLDER / RESULTS).read_text())
    for row in rows(results):
        assert row["tuned"] in card
        assert row["base"] in card
    assert {run.name for run in runs(FOLDER)} >= {"bfcl-native", "api_bank-exact", "multiwoz-native"}
    assert {path.name for path in (FOLDER / "runs").rglob("*") if path.is_file()} == {
        "answers.jsonl.gz", "verdicts.jsonl", "scores.json", "manifest.json"
    }  # fmt: skip


@pytest.mark.model
@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft asks transformers by an old name
def test_peft_loads_it_and_computes_what_our_engine_computes(embedded):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from calm.policy.local.engine import load

    theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(embedded, dtype=torch.float32), FOLDER)
    ids = [1, 9690, 198, 2683, 359, 253]
    with torch.no_grad():
        expected = theirs(torch.tensor([ids])).logits[0, -1]
    found = torch.tensor(load(find(PUBLISHED), "torch", "f32").forward(ids))
    assert torch.allclose(found, expected, atol=2e-3)
    assert int(found.argmax()) == int(expected.argmax())
