import json
from pathlib import Path

import pytest

from calm.conversation import Conversation, from_row, read, to_row
from calm.data import build as rooms
from calm.data.build import FILES, DataRecipe, build, table
from calm.errors import DataError, HubError, RecipeError, StorageError, UsageError
from calm.files import read_jsonl
from calm.recipe import check, load

RECIPES = Path(__file__).parents[2] / "recipes" / "data"


def recipe(*parts, **settings):
    return check(DataRecipe, {"name": "test", "parts": list(parts) or [{"source": "sample"}], **settings}, "test")


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_same_recipe_gives_the_same_bytes(tmp_path):
    made = recipe({"source": "sample"}, {"source": "town", "count": 5}, held_out=0.2)
    build(made, tmp_path / "a")
    build(made, tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert set(contents(tmp_path / "a")) == set(FILES)


def test_rows_survive_the_disk_and_are_train_or_held_out(tmp_path):
    report = build(recipe(held_out=0.3), tmp_path / "out")
    train, held = (list(read(tmp_path / "out" / name)) for name in ("train.jsonl", "held_out.jsonl"))
    assert (len(train) + len(held), len(held)) == (57, report.parts[0].held_out)
    assert len({c.id for c in train + held}) == 57
    assert all(from_row(to_row(c)) == c for c in train + held)


def test_a_finished_dataset_is_reused_and_says_so(tmp_path):
    first = build(recipe(), tmp_path / "out")
    before = (tmp_path / "out" / "train.jsonl").stat().st_mtime_ns
    again = build(recipe(), tmp_path / "out")
    assert (first.reused, again.reused, again.parts) == (False, True, first.parts)
    assert (tmp_path / "out" / "train.jsonl").stat().st_mtime_ns == before


def test_another_dataset_is_replaced_only_when_asked(tmp_path):
    build(recipe(), tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds another dataset"):
        build(recipe(seed=1), tmp_path / "out")
    assert not build(recipe(seed=1), tmp_path / "out", replace=True).reused
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_files_that_no_build_wrote_are_never_overwritten(tmp_path):
    (tmp_path / "train.jsonl").write_text("precious")
    with pytest.raises(StorageError, match=r"train.jsonl: is not as `calm build` wrote it"):
        build(recipe(), tmp_path, replace=True)
    assert (tmp_path / "train.jsonl").read_text() == "precious"


def test_a_dataset_edited_by_hand_is_not_overwritten(tmp_path):
    build(recipe(), tmp_path / "out")
    with (tmp_path / "out" / "held_out.jsonl").open("a") as stream:
        stream.write("{}\n")
    with pytest.raises(StorageError, match=r"held_out.jsonl"):
        build(recipe(), tmp_path / "out", replace=True)


def test_a_changed_input_is_noticed(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('{"messages": [{"role": "user", "content": "hi"}]}\n')
    made = recipe({"source": "rows", "path": str(source)})
    build(made, tmp_path / "out")
    source.write_text('{"messages": [{"role": "user", "content": "bye"}]}\n')
    with pytest.raises(UsageError, match="inputs or code have changed"):
        build(made, tmp_path / "out")


def test_a_killed_build_leaves_no_file_and_the_next_one_succeeds(tmp_path):
    def killed(part, done):
        if done == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(recipe(), tmp_path / "out", killed)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".out.building").mkdir()
    (tmp_path / ".out.building" / "train.jsonl").write_text("left by kill -9")
    assert build(recipe(), tmp_path / "out").parts[0].conversations == 57


def test_what_was_read_is_what_was_kept_and_what_was_rejected(tmp_path):
    heard = []
    made = recipe({"source": "sample"}, {"source": "sample"}, max_characters=6500)
    report = build(made, tmp_path / "out", lambda part, done: heard.append((part, done)))
    assert {part for part, _ in heard} == {"sample #1", "sample #2"}
    assert [p.conversations + sum(p.dropped.values()) for p in report.parts] == [57, 57]
    assert set(report.parts[1].dropped) == {
        "duplicate",
        "too long",
    }  # the cap comes first, so long rows are no duplicates
    rejects = [row for _, row in read_jsonl(tmp_path / "out" / "rejects.jsonl")]
    assert len(rejects) == sum(sum(p.dropped.values()) for p in report.parts)
    assert all(row["reason"] and row["detail"] and row["part"] for row in rejects)


def test_the_table_names_parts_totals_and_reasons(tmp_path):
    report = build(recipe({"source": "sample"}, {"source": "sample"}), tmp_path / "out")
    lines = table(report).splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["part", "sample", "sample", "total"]
    assert lines[-1] == "dropped from sample #2: 57 duplicate"


def test_a_bad_row_of_a_jsonl_part_names_file_and_row_and_nothing_is_written(tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"messages": []}\n{"messages": [{"role": "alien"}]}\n')
    with pytest.raises(DataError, match=r"bad.jsonl: row 2: messages.0: role 'alien'"):
        build(recipe({"source": "rows", "path": str(bad)}), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.jsonl"]


def test_a_missing_corpus_says_what_to_set(tmp_path, monkeypatch):
    monkeypatch.delenv("CALM_DATA", raising=False)
    with pytest.raises(HubError, match="set CALM_DATA"):
        build(recipe({"source": "sgd"}), tmp_path / "out")


def test_the_test_split_is_no_setting():
    with pytest.raises(RecipeError, match=r"split.*got 'test'"):
        recipe({"source": "sgd", "split": "test"})


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda p: p.name)
def test_a_shipped_recipe_opens_with_its_command_and_loads(path):
    assert f"calm build recipes/data/{path.name}" in path.read_text().splitlines()[0]
    assert load(DataRecipe, path).name == path.stem


def test_the_real_slice_reads_train_files_only(tmp_path, corpora):
    made = load(DataRecipe, RECIPES / "first.yaml", ["parts.0.limit=70", "parts.1.limit=40", "parts.2.count=5"])
    report = build(made, tmp_path / "out")
    inputs = json.loads((tmp_path / "out" / "manifest.json").read_text())["inputs"]
    assert not [name for name in inputs if "validate" in name or "test/" in name or "dev/" in name]
    assert sum(p.conversations + sum(p.dropped.values()) for p in report.parts) == 115
    assert all(isinstance(c, Conversation) for c in read(tmp_path / "out" / "train.jsonl"))


def test_the_sample_is_small_enough_to_ship():
    folder = Path(rooms.__file__).parent / "sample"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 150_000
