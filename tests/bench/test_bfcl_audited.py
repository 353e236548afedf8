"""The audited reading: each repair does what its reason says, and nothing else moves."""

import pytest

from calm.bench.bfcl import audited, entries, grade, predictions, tasks, versions
from calm.bench.bfcl.averages import DROPPED
from calm.bench.grade import grade_file
from calm.errors import HubError
from calm.files import read_jsonl, write_jsonl

DOC = {
    "name": "move",
    "description": "Moves.",
    "parameters": {"properties": {"by": {"type": "integer"}, "on": {"type": "boolean"}}, "required": ["by"]},
}


def item(by, category="simple", **more):
    allowed = {"by": [by], "on": ["", *more.get("on", ())]}
    return tasks.Item("simple_0", category, [], [DOC], [{"move": allowed}])


@pytest.fixture(scope="module")
def found():
    try:
        return {**tasks.items("v4"), **entries.entries("v4")}
    except HubError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("output", "right"),
    [("[move(by=+5)]", 5), ("[move(by=~5)]", -6), ("[move(by=-5)]", -5), ("move(by=+5)", 5), ("[move(by=- -5)]", 5)],
)
@pytest.mark.parametrize("rules", ["v3", "v4"])
def test_signs_mean_what_they_mean(output, right, rules):
    assert audited.error_of(item(right), output, rules) is None


def test_officially_a_plus_is_a_minus():
    assert grade.judged(item(5), "[move(by=+5)]", "v4") == "value_error:others"
    assert audited.error_of(item(1, on=(False,)), "[move(by=1, on=not True)]", "v4") is None


@pytest.mark.parametrize(
    "output", ["[move(by=1", "move(by=1); stop()", "Sure: move(by=1)", '{"name": "move", "arguments": {', "[go(a=b.c)]"]
)
def test_a_call_that_cannot_be_read_is_no_refusal(output):
    refused = tasks.Item("irrelevance_0", "irrelevance", [], [DOC], [])
    assert grade.judged(refused, output, "v4") is None
    assert audited.error_of(refused, output, "v4") == audited.UNREADABLE_CALL


@pytest.mark.parametrize("output", ["None of the functions fits.", "I cannot move (yet).", "", "Remove it yourself."])
def test_words_are_a_refusal_in_both_readings(output):
    refused = tasks.Item("irrelevance_0", "irrelevance", [], [DOC], [])
    assert grade.judged(refused, output, "v4") is audited.error_of(refused, output, "v4") is None


def test_items_without_an_honest_answer_are_left_out_with_a_reason(found):
    for name in ("live_simple_106-63-0", "live_multiple_862-181-3", "java_36"):
        assert audited.error_of(found[name], "[f()]", "v4") == DROPPED
        assert audited.listed("v4")[name]
    assert "parallel_multiple_141" in audited.listed("v3")
    assert "parallel_multiple_141" not in audited.listed("v4")


def test_positional_arguments_of_multi_turn_calls_count(found):
    entry = found["multi_turn_base_0"]
    output = [[f"[{call}]" for call in turn] for turn in entry.truth]
    v4 = versions.named("v4")
    assert predictions.official(entry, output, v4) == "multi_turn:execution_response_mismatch"
    assert predictions.official(entry, output, v4, repaired=True) is None


def test_no_code_is_run_by_the_repairs_either(found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entry = found["multi_turn_base_0"]
    hostile = (
        "open('marker', 'w')",
        "folder=[__import__('os').mkdir('marker')]",
        "*a, **b",
        "(lambda: open('marker'))()",
    )
    for text in (f"[cd({given})]" for given in hostile):
        assert "multi_turn:" in (audited.error_of(entry, [[text] for _ in entry.truth], "v4") or "")
        audited.error_of(item(1), f"[move(by=+{text})]", "v4")
    assert list(tmp_path.iterdir()) == []


def test_of_the_recorded_outputs_only_those_change_that_a_repair_speaks_of(found, reference, tmp_path):
    records = [row for _, row in read_jsonl(reference / "bfcl" / "bfcl_ast_verdicts.jsonl") if row["mode"] == "prompt"]
    rows = [{"category": r["category"], "id": r["id"], "output": r["raw"]} for r in records]
    write_jsonl(tmp_path / "p.jsonl", rows)
    one, two = (list(grade_file("bfcl", tmp_path / "p.jsonl", name)) for name in ("v4-2026-03", "v4-2026-03-audited"))
    changed = [r for r, a, b in zip(records, one, two, strict=True) if a["error_type"] != b["error_type"]]
    kinds = ("java", "irrelevance")
    spoken = [r for r in changed if any(k in r["category"] for k in kinds) or tasks.plain(r["id"]) in audited.UNMET]
    signs = [r for r in changed if r not in spoken]
    assert all(any(sign in r["raw"] for sign in ("+", "~", "not ", "--", "-(")) for r in signs)
    assert 0 < len(changed) < len(records) / 10


def test_every_repair_has_a_reason():
    assert {"truths", "signs", "abstention", "positions"} <= set(audited.REPAIRS)
    assert all(len(why) > 40 for why in audited.REPAIRS.values())
