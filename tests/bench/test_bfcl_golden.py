"""BFCL on its real data: every verdict recorded from the official code, known ceiling and floor, and `calm grade`."""

import json

import pytest

from calm.bench import named
from calm.bench.bfcl import BFCL, averages, decode, tasks
from calm.bench.bfcl.grade import error_of
from calm.bench.grade import grade_file
from calm.bench.judge import bounds, judge, replay
from calm.bench.run import Plan, run
from calm.conversation import Assistant, Garbled
from calm.errors import DataError, HubError, UsageError
from calm.files import read_jsonl, write_jsonl
from calm.policy.scripted import Gold, Scripted, Silent

UNREACHABLE = {"live_simple_106-63-0", "live_simple_112-68-0", "live_multiple_862-181-3", "live_multiple_964-207-0"}


@pytest.fixture(params=["v3", "v4"])
def version(request):
    """A version whose wheel is at hand or can be fetched."""
    try:
        tasks.items(request.param)
    except HubError as error:
        pytest.skip(str(error))
    return request.param


@pytest.fixture
def v4():
    try:
        return tasks.items("v4")
    except HubError as error:
        pytest.skip(str(error))


@pytest.fixture
def records(reference):
    """Every recorded single-turn verdict."""
    return [row for _, row in read_jsonl(reference / "bfcl" / "bfcl_ast_verdicts.jsonl")]


def predicted(path, records):
    rows = ({"category": r["category"], "id": r["id"], "output": r["raw"], "decoder": r["mode"]} for r in records)
    write_jsonl(path, rows)
    return path


def test_every_recorded_v4_verdict_and_error_type_is_the_same(records, v4, tmp_path):
    path = predicted(tmp_path / "p.jsonl", records)
    found = list(grade_file("bfcl", path, "v4-2026-03"))
    assert found == [{"id": r["id"], "valid": r["valid"], "error_type": r["error_type"]} for r in records]
    assert len(found) >= 8881
    assert sum(r["mode"] in decode.RETURN_FORMATS for r in records) >= 175


def test_every_recorded_v3_verdict_of_the_v3_code_on_v4_data_is_the_same(records, v4):
    prompted = [r for r in records if r["mode"] == "prompt"]
    for r in prompted:
        item = v4[tasks.plain(r["id"])]
        decoded = decode.decode(r["raw"], "prompt", "v3", item.category)
        error = error_of(item.category, item.docs, item.truth, decoded)
        assert error == r.get("v3", r)["error_type"], r
    assert len(prompted) >= 7279


def test_on_its_own_data_v3_differs_from_that_only_where_a_truth_was_mended_later(records, v4, tmp_path):
    prompted = [r for r in records if r["mode"] == "prompt"]
    found = grade_file("bfcl", predicted(tmp_path / "p.jsonl", prompted), "v3-2025-02")
    pairs = zip(found, prompted, strict=True)
    assert {r["id"] for f, r in pairs if f["error_type"] != r.get("v3", r)["error_type"]} == {"parallel_multiple_141"}


def test_decoded_values_are_the_recorded_ones(records):
    def plain(value):
        return json.loads(json.dumps(value, default=str))

    simple = [r for r in records if r["decoded"] is not None and '"$' not in json.dumps(r["decoded"])]
    for r in simple:
        assert plain(decode.decode(r["raw"], r["mode"], language=tasks.plain(r["category"]))) == r["decoded"], r
    assert len(simple) > 5000


def test_gold_fails_only_on_truths_that_reject_any_answer(version):
    bench = BFCL(version)
    verdicts = replay(bench, bench.tasks(), lambda task: Gold(bench.gold(task)))
    assert len(verdicts) >= 4291
    assert {v.id for v in verdicts if not v.valid and v.category not in ("java", "javascript")} == UNREACHABLE


def test_silence_scores_the_irrelevance_rows_and_nothing_else(version):
    bench = BFCL(version)
    floor = replay(bench, bench.tasks(), lambda task: Silent())
    assert sum(v.valid for v in floor) == {"v3": 240 + 882, "v4": 240 + 884}[version]
    assert all(v.valid == ("irrelevance" in v.category) for v in floor)


def test_tools_are_json_schema_and_ids_unique(version):
    made = list(BFCL(version).tasks())
    types = {found for task in made for tool in task.start.tools for found in types_in(tool.parameters)}
    assert types == {"object", "string", "number", "integer", "boolean", "array"}
    assert len({task.id for task in made}) == len(made) >= 4291


def types_in(schema):
    yield from [schema["type"]] if "type" in schema else []
    for inner in [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        yield from types_in(inner)


def test_an_unreadable_step_is_wrong_everywhere_and_counted(version):
    bench = BFCL(version)
    few = [task for task in bench.tasks() if task.category == "irrelevance"][:3]
    verdicts = replay(bench, few, lambda task: Scripted([Garbled(raw="<tool_call>", why="cut")]))
    assert {v.error_type for v in verdicts} == {"garbled"}
    assert bench.summary(verdicts)["garbled"] == 3


def test_averages_are_none_without_all_their_parts_and_name_what_was_not_run(version):
    bench = BFCL(version)
    some = [task for task in bench.tasks() if task.category in ("irrelevance", "live_irrelevance", "simple")]
    summary = bench.summary(replay(bench, some, lambda task: Silent()))
    assert (summary["irrelevance"], summary["non_live"], summary["overall"]) == (1.0, None, None)
    assert {"multiple", "java", "javascript", "multi_turn_base"} <= set(summary["not_run"])


def test_a_slice_runs_resumes_and_is_judged(version, tmp_path):
    bench = BFCL(version)
    kinds = [*tasks.CATEGORIES, *averages.MULTI_TURN]
    run(bench, Silent(), tmp_path, Plan(limit=6))
    assert run(bench, Silent(), tmp_path, Plan(limit=len(kinds))) == (len(kinds), 6, len(kinds) - 6, 0, False)
    scores = judge(bench, tmp_path)
    assert {c: s["n"] for c, s in scores["categories"].items()} == dict.fromkeys(kinds, 1)
    assert (scores["all"]["valid"], scores["version"]) == (2, bench.version)


def test_the_papers_data_give_the_same_v3_items(corpora, monkeypatch):
    papers = BFCL("v3")
    assert papers.version == "bfcl-v3-2025-02 (20 Feb 2025)"
    gold = bounds(papers, [t for t in papers.tasks() if t.category == "live_simple"])["ceiling"]["all"]
    assert (gold["n"], gold["valid"]) == (258, 256)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (
            {"category": "sql", "id": "sql_1", "output": ""},
            "'sql' is not covered; covered: simple",
        ),
        ({"category": "simple", "id": "simple_400", "output": ""}, "no item 'simple_400' in category 'simple'"),
        ({"category": "multiple", "id": "simple_1", "output": ""}, "no item 'simple_1' in category 'multiple'"),
        (
            {"category": "simple", "id": "simple_1", "output": "", "decoder": "x"},
            "unknown decoder 'x'; there are: prompt",
        ),
        ({"category": "simple", "id": "simple_1"}, "has no `output`"),
        ({"output": ""}, "category None is not covered"),
    ],
)
def test_a_faulty_prediction_row_is_named(v4, tmp_path, row, why):
    write_jsonl(tmp_path / "p.jsonl", [{"category": "simple", "id": "simple_0", "output": "f()"}, row])
    with pytest.raises(DataError, match=f"row 2: .*{why}"):
        list(grade_file("bfcl", tmp_path / "p.jsonl", "v4-2026-03"))


def test_both_spellings_of_simple_and_our_own_text_are_read(v4, tmp_path):
    call = '<tool_call>\n{"name": "calculate_triangle_area", "arguments": {"base": 10, "height": 5}}\n</tool_call>'
    rows = [{"category": c, "id": f"{c}_0", "output": "no"} for c in ("simple", "simple_python")]
    write_jsonl(tmp_path / "p.jsonl", [{**row, "output": call} for row in rows])
    assert [row["valid"] for row in grade_file("bfcl", tmp_path / "p.jsonl", "native")] == [True, True]


def test_names_lead_to_the_benchmark_and_strange_versions_do_not():
    assert (named("bfcl").name, named("bfcl").protocol) == ("bfcl", "native")
    with pytest.raises(UsageError, match="no version 'v5'; there are: v3, v4, v4-2026-03"):
        BFCL("v5")


def test_earlier_replies_in_a_question_are_not_taken_for_the_answer(version):
    bench = BFCL(version)
    chatty = [t for t in bench.tasks() if t.start.steps]
    assert chatty
    verdicts = replay(bench, chatty, lambda task: Gold(bench.gold(task)))
    assert {v.id for v in verdicts if not v.valid} <= UNREACHABLE
    assert all(isinstance(bench.gold(t).messages[-1], Assistant) for t in chatty)
