import json

import pytest

from calm.cli.report import report
from calm.cli.show import show
from calm.conversation import from_row, to_row, write
from calm.data.parquet import RowFile
from calm.errors import DataError, UsageError
from calm.files import dumps


def test_a_run_folder_opens_at_its_transcripts_and_says_so(bench_run, capsys):
    folder = bench_run("base", {"a": True, "b": False})
    show(folder, n=2)
    text = capsys.readouterr().out
    assert "transcripts.jsonl" in text
    assert text.index("✓ right") < text.index("✗ wrong")


def test_verdicts_open_what_they_judge(bench_run, capsys):
    show(bench_run("base", {"a": True}) / "verdicts.jsonl")
    assert "✓ right" in capsys.readouterr().out


def test_json_rows_read_back_as_the_same_conversation(talk, tmp_path, capsys):
    with RowFile(tmp_path / "train.parquet") as file:
        for name in (talk.id, "other"):
            file.add(dumps(to_row(talk.model_copy(update={"id": name}))).encode())
    show(tmp_path, start=1, json=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert from_row(json.loads(line)) == talk.model_copy(update={"id": "other"})


def test_a_page_is_written_with_its_masks(talk, codec, tmp_path, capsys):
    write(tmp_path / "rows.jsonl", [talk])
    codec.tokenizer.save(str(tmp_path / "tokenizer.json"))
    show(tmp_path / "rows.jsonl", html=tmp_path / "p.html", mask=True, model=str(tmp_path))
    assert "tokens learned" in (tmp_path / "p.html").read_text()


def test_the_mask_prints_below_the_dialogue(talk, tmp_path, capsys):
    write(tmp_path / "rows.jsonl", [talk])
    show(tmp_path / "rows.jsonl", mask=True)
    assert "⟦<think>" in capsys.readouterr().out


def test_what_cannot_be_shown_is_one_clear_error(talk, tmp_path):
    write(tmp_path / "transcripts.jsonl", [])
    with pytest.raises(DataError, match="holds no conversation"):
        show(tmp_path)
    write(tmp_path / "one.jsonl", [talk])
    with pytest.raises(UsageError, match="has 1 conversations, none from 5 on"):
        show(tmp_path / "one.jsonl", start=5)
    with pytest.raises(UsageError, match="n is at least 1"):
        show(tmp_path / "one.jsonl", n=0)
    with pytest.raises(DataError, match="no such file"):
        show(tmp_path / "absent.jsonl")


def test_report_prints_the_paired_counts_and_writes_the_page(bench_run, tmp_path, capsys):
    runs = bench_run("base", {"a": True, "b": False, "c": False}), bench_run("tuned", {"a": True, "b": True, "c": True})
    report(*runs, out=tmp_path / "r.html")
    text = " ".join(capsys.readouterr().out.split())
    assert "tuned against base on toy: +66.7 points [+0.0, +100.0], n = 3 (2 became right, 0 wrong, p = 0.50)" in text
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")


def test_report_as_json_holds_the_same_numbers(bench_run, capsys):
    report(bench_run("base", {"a": True, "b": False}), bench_run("tuned", {"a": False, "b": False}), json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["pairs"][0]["lost"] == ["a"]
    assert [row["score"] for row in found["scores"]] == [0.5, 0.5, 0.0, 0.0]


def test_report_of_nothing_is_a_usage_error():
    with pytest.raises(UsageError, match="at least one run folder"):
        report()
