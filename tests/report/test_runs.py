import json

import pytest

from calm.errors import DataError
from calm.files import write_json, write_jsonl
from calm.report import Average, BarSection, Facts, LossSection, TableSection
from calm.report.html import page
from calm.report.runs import alike, differences, load, pairs, scores, sections, unpaired

FIRST = {"a": True, "b": False, "c": False, "d": False, "e": True, "f": False}
MEAN = Average(name="mean", first=0.25, second=0.5, difference=0.25, low=0.125, high=0.375)
SECOND = {"a": True, "b": True, "c": True, "d": True, "e": False, "f": False}


def test_paired_counts_are_those_by_hand(bench_run):
    (pair,) = pairs(load([bench_run("base", FIRST), bench_run("tuned", SECOND)]))
    assert (pair.gained, pair.lost, pair.n) == (("b", "c", "d"), ("e",), 6)
    assert pair.difference == pytest.approx(2 / 6)
    assert pair.p == pytest.approx(2 * (1 + 4) / 16)


def test_items_of_one_run_only_are_left_out_and_said(bench_run):
    (pair,) = pairs(load([bench_run("base", FIRST), bench_run("tuned", {"a": False, "z": True})]))
    assert (pair.gained, pair.lost, pair.n) == ((), ("a",), 1)
    assert pair.note == "6 items judged in one run only are left out."


def test_a_difference_has_its_interval_and_the_averages_it_was_given(bench_run):
    asked = []
    runs = load([bench_run("base", FIRST), bench_run("tuned", SECOND)])
    (pair,) = pairs(runs, lambda first, second: asked.append((first.name, second.name)) or [MEAN])
    assert asked == [("base", "tuned")]
    assert pair.averages == (MEAN,)
    assert pair.low < pair.difference < pair.high
    assert "+0.250" in page(sections(runs, [pair]))


def test_kinds_of_error_are_drawn_as_shares_the_most_frequent_first(bench_run):
    folder = bench_run("base", FIRST)
    found = json.loads((folder / "scores.json").read_text())
    kinds = {"often": 20, **{f"rare {n:02}": 1 for n in range(14)}}
    write_json(folder / "scores.json", {**found, "tasks": {"judged": 100}, "errors": kinds})
    (bars,) = (s for s in sections(load([folder])) if isinstance(s, BarSection) and "wrong" in s.title)
    ((_, drawn),) = bars.groups.items()
    assert [(bar.label, bar.text) for bar in (drawn[0], drawn[-1])] == [
        ("often", "20 of 100, 20.0 %"),
        ("3 other kinds", "3 of 100, 3.0 %"),
    ]


def test_runs_judged_otherwise_are_not_paired_and_it_is_said(bench_run):
    folders = bench_run("base", FIRST), bench_run("tuned", SECOND), bench_run("other", {"z": True})
    scores = json.loads((folders[1] / "scores.json").read_text())
    write_json(folders[1] / "scores.json", {**scores, "protocol": "strict", "version": "2"})
    assert pairs(load(folders)) == []
    assert unpaired(load(folders)) == [
        "base and tuned are not paired: judged by unnamed and by strict, 2",
        "base and other are not paired: no item was judged in both",
    ]


def test_scores_come_from_the_file_and_absent_ones_stay_absent(bench_run):
    rows = scores(load([bench_run("base", FIRST)]))
    assert [(r.category, r.n, r.score, r.floor, r.ceiling) for r in rows] == [
        ("all", 6, pytest.approx(1 / 3), 0.0, None),
        ("only", 6, pytest.approx(1 / 3), 0.0, None),
    ]


def test_the_older_names_of_the_keys_are_read_too(tmp_path):
    tally = {"n": 4, "valid": 1, "share": 0.25, "low": 0.05, "high": 0.7}
    write_json(tmp_path / "scores.json", {"benchmark": "bfcl", "model": "m", "categories": {"simple": tally}})
    (row,) = scores(load([tmp_path]))
    assert (row.benchmark, row.model, row.score) == ("bfcl", "m", 0.25)


def test_only_what_differs_is_listed(bench_run):
    runs = load(
        [bench_run("base", FIRST, model="x", lora={"rank": 8}), bench_run("big", SECOND, model="x", lora={"rank": 16})]
    )
    assert differences(runs) == [("recipe.lora.rank", "8", "16")]
    assert list(alike(runs)) == ["toy"]


def test_a_folder_of_runs_stands_for_all_of_them(bench_run, tmp_path):
    bench_run("base", FIRST)
    bench_run("tuned", SECOND)
    assert [run.name for run in load([tmp_path])] == ["base", "tuned"]


def test_runs_of_one_name_and_model_are_told_apart(bench_run):
    runs = load([bench_run("x/toy", FIRST), bench_run("y/toy", SECOND)])
    assert [run.name for run in runs] == ["x/toy", "y/toy"]
    same = [run._replace(label="") for run in runs]
    assert len({run.name for run in same}) == 2


def test_a_training_run_shows_its_loss(tmp_path):
    rows = [{"step": i, "loss": 3 / i, "tokens": 9, "seconds": 1.0, "lr": 1e-4} for i in (1, 2, 3)]
    write_jsonl(tmp_path / "metrics.jsonl", rows)
    write_json(tmp_path / "eval.json", {"held_out_loss_before": 3.0, "held_out_loss_after": None})
    (loss,) = [s for s in sections(load([tmp_path])) if isinstance(s, LossSection)]
    assert (loss.points, loss.before, loss.after) == (((1, 3.0), (2, 1.5), (3, 1.0)), 3.0, None)


def test_a_data_run_shows_its_facts(tmp_path):
    write_json(tmp_path / "manifest.json", {"command": "calm build", "recipe": {"seed": 0}, "versions": {"calm": "1"}})
    (facts,) = [s for s in sections(load([tmp_path])) if isinstance(s, Facts)]
    assert facts.groups == {"run": {"command": "calm build"}, "recipe": {"seed": "0"}, "versions": {"calm": "1"}}


def test_the_page_of_two_runs_shows_a_right_and_a_wrong_one(bench_run):
    found = sections(load([bench_run("base", FIRST, seed=1), bench_run("tuned", SECOND, seed=2)]))
    titles = [s.title for s in found]
    assert titles[-6:-2] == ["a by base", "b by base", "a by tuned", "e by tuned"]
    assert [s.rows for s in found if isinstance(s, TableSection)][-1] == (("recipe.seed", "1", "2"),)
    assert "3 became right" in page(found)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("scores.json", "{", "is not JSON"),
        ("scores.json", "[]", "holds list, not an object"),
        ("scores.json", "{}", "neither `all` nor `categories`"),
        ("scores.json", json.dumps({"name": "t", "categories": {"x": {"n": 3}}}), "categories.x: lacks n or share"),
        ("notes.txt", "hello", "holds no run"),
    ],
)
def test_a_folder_that_is_no_run_is_a_data_error(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=says):
        sections(load([tmp_path]))
    with pytest.raises(DataError, match="no such folder"):
        load([tmp_path / "absent"])
