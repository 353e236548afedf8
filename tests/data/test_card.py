import pytest
import yaml

from calm.data.card import card
from calm.data.parquet import RowFile
from calm.data.parts import DataRecipe
from calm.data.tally import PartReport, Report
from calm.files import dumps


def recipe(*parts, **more):
    return DataRecipe.model_validate({"name": "mine", "parts": parts, **more})


def report(*counts, **more):
    return Report(parts=tuple(PartReport(part=f"p{i}", conversations=n, **more) for i, n in enumerate(counts)))


def head(text):
    return yaml.safe_load(text.split("---")[1])


def test_the_head_says_size_licences_and_files():
    found = head(card(recipe({"source": "snips"}, {"source": "town"}), report(900, 200, held_out=4)))
    assert found["size_categories"] == ["1K<n<10K"]
    assert found["license"] == ["apache-2.0", "cc0-1.0"]
    assert [entry["split"] for entry in found["configs"][0]["data_files"]] == ["train", "held_out"]


def test_a_split_without_rows_is_not_promised():
    found = head(card(recipe({"source": "town"}), report(5)))
    assert [entry["split"] for entry in found["configs"][0]["data_files"]] == ["train"]


def test_share_alike_is_said_where_a_source_asks_for_it_and_only_there():
    with_sgd = card(recipe({"source": "sgd"}), report(5))
    assert "**Share-alike**: rows made from Schema-Guided Dialogue (CC-BY-SA-4.0)" in with_sgd
    assert "Share-alike" not in card(recipe({"source": "snips"}), report(5))


def test_faults_are_on_record_for_the_papers_form_only():
    assert "rows of Hammer and ToolACE swapped" in card(recipe({"source": "snips", "paper": "snips"}), report(5))
    assert "swapped" not in card(recipe({"source": "snips"}), report(5))


def test_contamination_says_what_was_at_hand_and_what_was_kept_out():
    made = report(5, dropped={"contaminated: tool of bfcl_v3": 3, "duplicate": 2})
    text = card(recipe({"source": "town"}), made, {"bfcl_v3": True, "multiwoz": False})
    assert "Checked against bfcl_v3" in text
    assert "not checked against: multiwoz" in text
    assert "| p0 | tool of bfcl_v3 | 3 |" in text
    assert "Not checked against any benchmark" in card(recipe({"source": "town"}), made)


def test_a_part_that_stands_in_for_another_input_is_named():
    class Part(type(recipe({"source": "town"}).parts[0])):
        @property
        def stands_in_for(self):
            return "xlam-60k"

    plain = recipe({"source": "town"})
    changed = plain.model_copy(update={"parts": (Part(source="town"),)})
    assert "**p0** stands in for xlam-60k." in card(changed, report(5))
    assert "Stand-ins" not in card(plain, report(5))


def test_the_recipe_in_the_card_builds_the_same_again():
    settings = recipe({"source": "town", "count": 7}, {"source": "snips"}, seed=3, max_characters=900)
    text = card(settings, report(1, 1)).split("```yaml\n")[1].split("```")[0]
    assert DataRecipe.model_validate(yaml.safe_load(text)) == settings


@pytest.mark.parametrize("held_out", [0, 1])
def test_datasets_opens_the_folder_by_its_card(held_out, tmp_path):
    from datasets import load_dataset

    row = {"id": "a", "messages": [{"role": "user", "content": "hi"}], "tools": "[]", "origin": "town"}
    (tmp_path / "mine").mkdir()
    for name in ("train", "held_out"):
        with RowFile(tmp_path / "mine" / f"{name}.parquet") as file:
            file.add(dumps({**row, "state": "[]", "meta": "{}"}).encode())
    (tmp_path / "mine" / "README.md").write_text(card(recipe({"source": "town"}), report(2, held_out=held_out)))
    opened = load_dataset(str(tmp_path / "mine"), cache_dir=str(tmp_path / "cache"))
    assert set(opened) == ({"train", "held_out"} if held_out else {"train"})
    assert opened["train"][0]["messages"][0]["content"] == "hi"
