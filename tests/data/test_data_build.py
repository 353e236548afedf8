import hashlib
import json
from pathlib import Path

import pytest

from calm.conversation import Conversation, from_row, read, to_row, write
from calm.data import build as rooms
from calm.data import merge as merging
from calm.data.build import FILES, HELD_OUT, TRAIN, DataRecipe, build, table
from calm.data.sources.town import read_town
from calm.errors import DataError, HubError, RecipeError, StorageError, UsageError
from calm.files import dumps, read_jsonl
from calm.recipe import check, load, read_manifest

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
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_the_content_digests_are_those_of_the_rows_read_back_and_written_as_json(tmp_path):
    build(recipe(held_out=0.3), tmp_path / "out")
    for name, digest in (read_manifest(tmp_path / "out") or {})["content"].items():
        rows = "".join(dumps(to_row(c)) + "\n" for c in read(tmp_path / "out" / name))
        assert hashlib.sha256(rows.encode()).hexdigest() == digest


def test_the_seed_decides_the_order_of_rows_and_nothing_else(tmp_path):
    for seed in (0, 1):
        build(recipe(seed=seed), tmp_path / str(seed))
    one, other = ([c.id for c in read(tmp_path / seed / TRAIN)] for seed in ("0", "1"))
    assert one != other
    assert sorted(one) == sorted(other)
    assert one != sorted(one)


def test_the_order_of_rows_does_not_depend_on_how_many_buckets_they_went_through(tmp_path, monkeypatch):
    build(recipe(), tmp_path / "few")
    monkeypatch.setattr(merging, "BUCKET", 10_000)
    build(recipe(), tmp_path / "many")
    assert contents(tmp_path / "few") == contents(tmp_path / "many")


def test_an_id_that_is_taken_gets_a_suffix_and_stays_on_its_side(tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        talks = (c.model_copy(update={"id": f"talk {place}"}) for place, c in enumerate(read_town(30, seed)))
        write(tmp_path / f"{name}.jsonl", talks)
    parts = [{"source": "rows", "path": str(tmp_path / f"{name}.jsonl")} for name in "ab"]
    build(recipe(*parts, held_out=0.4), tmp_path / "out")
    train, held = ({c.id for c in read(tmp_path / "out" / name)} for name in (TRAIN, HELD_OUT))
    assert len(train | held) == 60
    assert {name.removesuffix("~2") for name in train}.isdisjoint(name.removesuffix("~2") for name in held)


def test_a_stop_while_files_were_moved_is_mended_by_the_next_build(tmp_path):
    (tmp_path / "out").mkdir()
    build(recipe(), tmp_path / "whole")
    build(recipe(seed=1), tmp_path / "out")
    staged = rooms._staging(tmp_path / "out", recipe(), rooms._inputs(recipe())) / "dataset"
    staged.parent.mkdir()
    (tmp_path / "whole").rename(staged)
    before = contents(staged)
    (staged / TRAIN).replace(tmp_path / "out" / TRAIN)  # and here the power went
    build(recipe(), tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_rows_survive_the_disk_and_are_train_or_held_out(tmp_path):
    report = build(recipe(held_out=0.3), tmp_path / "out")
    train, held = (list(read(tmp_path / "out" / name)) for name in ("train.parquet", "held_out.parquet"))
    assert (len(train) + len(held), len(held)) == (57, report.parts[0].held_out)
    assert len({c.id for c in train + held}) == 57
    assert all(from_row(to_row(c)) == c for c in train + held)


def test_a_finished_dataset_is_reused_and_says_so(tmp_path):
    first = build(recipe(), tmp_path / "out")
    before = (tmp_path / "out" / "train.parquet").stat().st_mtime_ns
    again = build(recipe(), tmp_path / "out")
    assert (first.reused, again.reused, again.parts) == (False, True, first.parts)
    assert (tmp_path / "out" / "train.parquet").stat().st_mtime_ns == before


def test_another_dataset_is_replaced_only_when_asked(tmp_path):
    build(recipe(), tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds another dataset"):
        build(recipe(seed=1), tmp_path / "out")
    assert not build(recipe(seed=1), tmp_path / "out", replace=True).reused
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_files_that_no_build_wrote_are_never_overwritten(tmp_path):
    (tmp_path / "train.parquet").write_text("precious")
    with pytest.raises(StorageError, match=r"train.parquet: is not as `calm build` wrote it"):
        build(recipe(), tmp_path, replace=True)
    assert (tmp_path / "train.parquet").read_text() == "precious"


def test_a_dataset_edited_by_hand_is_not_overwritten(tmp_path):
    build(recipe(), tmp_path / "out")
    with (tmp_path / "out" / "held_out.parquet").open("a") as stream:
        stream.write("{}\n")
    with pytest.raises(StorageError, match=r"held_out.parquet"):
        build(recipe(), tmp_path / "out", replace=True)


def test_a_changed_input_is_noticed(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('{"messages": [{"role": "user", "content": "hi"}]}\n')
    made = recipe({"source": "rows", "path": str(source)})
    build(made, tmp_path / "out")
    source.write_text('{"messages": [{"role": "user", "content": "bye"}]}\n')
    with pytest.raises(UsageError, match="inputs or code have changed"):
        build(made, tmp_path / "out")


def test_a_stopped_build_leaves_nothing_in_sight_and_the_next_goes_on(tmp_path):
    made = recipe({"source": "town", "count": 500})

    def stop(what, done, of, records):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(made, tmp_path / "out", stop, workers=1)
    assert [path.suffix for path in tmp_path.iterdir()] == [".building"]
    report = build(made, tmp_path / "out")
    build(made, tmp_path / "whole")
    assert (report.resumed, report.pieces) == (2, 5)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_another_recipe_never_takes_the_pieces_of_a_stopped_one(tmp_path):
    def stop(what, done, of, records):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(recipe({"source": "town", "count": 150}), tmp_path / "out", stop, workers=1)
    report = build(recipe({"source": "town", "count": 150}, seed=1), tmp_path / "out")
    assert report.resumed == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_part_may_have_a_length_limit_of_its_own(tmp_path):
    made = recipe({"source": "sample"}, {"source": "sample", "max_characters": 1500}, duplicates="keep")
    report = build(made, tmp_path / "out")
    whole, part = report.parts
    assert "too long" not in whole.dropped
    assert part.dropped["too long"] == whole.conversations - part.conversations > 0
    assert "In sample, those over 1,500 are not." in (tmp_path / "out" / "README.md").read_text()


def test_what_was_read_is_what_was_kept_and_what_was_rejected(tmp_path):
    heard = []
    made = recipe({"source": "sample"}, {"source": "sample"}, max_characters=6500)
    report = build(made, tmp_path / "out", lambda *told: heard.append(told))
    assert heard[:3] == [("reading", 0, 2, 0), ("reading", 1, 2, 57), ("reading", 2, 2, 114)]
    assert [p.part for p in report.parts] == ["sample #1", "sample #2"]
    assert [p.conversations + sum(p.dropped.values()) for p in report.parts] == [57, 57]
    assert set(report.parts[1].dropped) == {
        "duplicate",
        "too long",
    }  # the cap comes first, so long rows are no duplicates
    rejects = [row for _, row in read_jsonl(tmp_path / "out" / "rejects.jsonl")]
    assert len(rejects) == sum(sum(p.dropped.values()) for p in report.parts)
    assert all(row["reason"] and row["detail"] and row["part"] for row in rejects)


def test_near_duplicates_go_or_all_copies_stay_as_the_recipe_says(tmp_path):
    said = ["Please find me a quiet table for four people near the old harbour tonight", "PLEASE FIND ME a quiet table"]
    said[1] += " for four people near the old harbour tonight!"
    rows = [{"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "ok"}]} for text in said]
    (tmp_path / "in.jsonl").write_text("".join(dumps(row) + "\n" for row in [*rows, rows[0]]))
    kept = {}
    for duplicates in ("near", "exact", "keep"):
        made = recipe({"source": "rows", "path": str(tmp_path / "in.jsonl")}, duplicates=duplicates)
        kept[duplicates] = build(made, tmp_path / duplicates).parts[0]
    assert [part.conversations for part in kept.values()] == [1, 2, 3]
    assert kept["near"].dropped == {"duplicate": 1, "near duplicate": 1}


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
    assert all(isinstance(c, Conversation) for c in read(tmp_path / "out" / "train.parquet"))


def test_the_sample_is_small_enough_to_ship():
    folder = Path(rooms.__file__).parent / "sample"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 150_000
