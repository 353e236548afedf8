"""The two recipes end to end: sizes, the paper's form, variation, and leaks that must not get through a build."""

import json

import pytest

from calm.conversation import Assistant, User, by_name, read
from calm.data.build import build
from calm.data.calls import fault
from calm.data.counting import counts, rows, total
from calm.data.export.coalm import row
from calm.data.parts import DataRecipe
from calm.files import read_json, read_jsonl, write_jsonl
from calm.format.paper import Row, part_of, read_row
from calm.recipe import check, load

SLICE = {"sgd": 20, "star": 20, "taskmaster": 20, "snips": 20, "hammerbench": 15, "seal_tools": 20}


def recipe(*parts, **settings):
    return check(DataRecipe, {"name": "test", "parts": list(parts), **settings}, "test")


@pytest.fixture
def calm_slice(corpora, pytestconfig, tmp_path):
    """A few rows of every kind that recipes/data/calm.yaml makes, varied as it says."""
    shipped = load(DataRecipe, pytestconfig.rootpath / "recipes" / "data" / "calm.yaml")
    parts = [{"source": source, "limit": limit} for source, limit in SLICE.items()]
    parts += [{"source": "grown", "count": 60, "dialogues": 0}, {"source": "town", "count": 20}]
    build(recipe(*parts, vary=shipped.vary, duplicates="near", held_out=0.2), tmp_path / "out", workers=1)
    return [c for name in ("train", "held_out") for c in read(tmp_path / "out" / f"{name}.parquet")]


def test_the_papers_parts_add_up_to_the_rows_it_released(pytestconfig):
    paper = load(DataRecipe, pytestconfig.rootpath / "recipes" / "data" / "paper.yaml")
    assert total(counts(paper)) == 311_639
    assert rows(counts(paper))[-1]["samples from full inputs"] == "311,639"
    assert [c.part for c in counts(paper) if c.stands_in_for] == ["hammer", "toolace"]


def test_a_copy_of_ones_own_stands_in_for_nothing():
    own = recipe({"source": "hammer", "paper": "hammer", "xlam": "a/b", "irrelevance": "c/d"})
    assert [c.stands_in_for for c in counts(own)] == [""]
    assert total(counts(recipe({"source": "hammer", "paper": "hammer", "copies": 1}))) == 67_500


@pytest.mark.parametrize("form", ["cra", "snips", "hammer", "toolace"])
def test_a_part_in_the_papers_form_is_rows_that_read_back(form, tmp_path):
    build(recipe({"source": "sample", "paper": form}, held_out=0, duplicates="keep"), tmp_path / "out")
    made = list(read(tmp_path / "out" / "train.parquet"))
    assert len(made) > 40
    for sample in made:
        texts = Row(**row(sample))
        assert part_of(texts) == form == sample.meta["paper"]
        assert isinstance(read_row(texts).messages[-1], Assistant)


def test_samples_of_one_conversation_are_held_out_together(tmp_path):
    build(recipe({"source": "sample", "paper": "cra"}, held_out=0.4), tmp_path / "out")
    groups = [{c.meta["group"] for c in read(tmp_path / "out" / f"{n}.parquet")} for n in ("train", "held_out")]
    assert all(groups)
    assert not groups[0] & groups[1]


def test_every_call_of_every_part_fits_a_tool_that_its_row_offers(calm_slice):
    made = [(c, call) for c in calm_slice for m in c.messages if isinstance(m, Assistant) for call in m.calls]
    assert [fault(call, c.tools) for c, call in made if fault(call, c.tools)] == []
    assert len(made) > 200


def test_every_row_of_ours_has_thoughts_states_by_turn_and_distinct_tools(calm_slice):
    for talk in calm_slice:
        assert all(isinstance(m, Assistant) and m.thought for i in talk.steps for m in [talk.messages[i]])
        assert len(talk.state) in (0, sum(isinstance(m, User) for m in talk.messages))
        assert len(by_name(talk.tools)) == len(talk.tools)


def test_variation_takes_place_and_additions_stay_with_their_original(calm_slice):
    kinds = {kind for c in calm_slice for kind in c.meta.get("varied", ())}
    assert {"distractors", "renamed"} <= kinds
    additions = [c for c in calm_slice if "~" in c.id]
    assert all(c.meta["varied"] for c in additions if not c.id.rpartition("~")[2].isdigit())


def planted(corpora):
    """A question of BFCL, one of its functions under other names, and one of its gold calls, in three rows of ours."""
    question = next(r for _, r in read_jsonl(corpora / "bfcl_v3" / "BFCL_v3_live_multiple.json") if long(r))
    simple = [r for _, r in read_jsonl(corpora / "bfcl_v3" / "BFCL_v3_multiple.json")]
    doc = simple[0]["function"][0]
    properties = {f"p{i}": {**v, "type": "string"} for i, v in enumerate(doc["parameters"]["properties"].values())}
    hidden = {
        "name": "x1",
        "description": doc["description"],
        "parameters": {"type": "object", "properties": properties},
    }
    said = [
        {"role": "user", "content": "Tell me about the town we live in."},
        {"role": "assistant", "content": "It is old."},
    ]
    text = {"role": "user", "content": question["question"][0][0]["content"]}
    return {"text": {"messages": [text, said[1]]}, "tool": {"messages": said, "tools": json.dumps([hidden])}}


def long(record):
    return len(record["question"][0][0]["content"].split()) > 15


@pytest.mark.parametrize("kind", ["text", "tool"])
def test_a_planted_leak_does_not_get_through_a_build(kind, corpora, tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", [planted(corpora)[kind]])
    report = build(recipe({"source": "rows", "path": str(tmp_path / "rows.jsonl")}), tmp_path / "out")
    assert report.parts[0].conversations == 0
    assert list(report.parts[0].dropped) == [f"contaminated: {kind} of bfcl_v3"]
    assert f"{kind} of bfcl_v3" in (tmp_path / "out" / "README.md").read_text()


def test_without_the_check_the_same_row_stays_and_the_card_says_that_nothing_was_checked(corpora, tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", [planted(corpora)["text"]])
    made = recipe({"source": "rows", "path": str(tmp_path / "rows.jsonl")}, contamination=False)
    assert build(made, tmp_path / "out").parts[0].conversations == 1
    assert "Not checked against any benchmark." in (tmp_path / "out" / "README.md").read_text()
    assert not any(name.startswith("benchmark/") for name in read_json(tmp_path / "out" / "manifest.json")["inputs"])


def test_one_wording_changes_how_the_assistant_thinks_and_nothing_else(corpora, tmp_path):
    part = {"source": "grown", "kinds": ["single", "same", "near"], "count": 40, "dialogues": 0}
    for most in (None, 1):
        build(recipe(part, wordings=most, held_out=0, contamination=False), tmp_path / str(most), workers=1)
    many, one = ({c.id: c for c in read(tmp_path / most / "train.parquet")} for most in ("None", "1"))
    assert len(many) == len(one) > 30
    for name, plain in one.items():
        assert (plain.tools, plain.messages[0]) == (many[name].tools, many[name].messages[0])
        assert plain.messages[1].calls == many[name].messages[1].calls
    openings = [{c.messages[1].thought[:12] for c in rows.values()} for rows in (many, one)]
    assert len(openings[0]) > 12 > 3 >= len(openings[1])
