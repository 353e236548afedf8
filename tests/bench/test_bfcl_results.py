"""bfcl-eval's result files: written as its own handlers write them, read back, graded, and never mixed."""

import json

import pytest

from calm.bench.bfcl import BFCL, Official, board, ceilings, results, versions
from calm.bench.grade import board_of, export_results, grade_file
from calm.bench.run import Plan, run, sample
from calm.errors import DataError, HubError, UsageError
from calm.policy.scripted import Gold

V4, V3 = versions.named("v4"), versions.named("v3-2025-06")


@pytest.fixture(scope="module")
def written():
    """The truths of V4 as prediction rows."""
    try:
        made = ceilings.written("v4")
    except HubError as error:
        pytest.skip(str(error))
    return [{"category": item.category, "id": item.id, "output": output} for item, output in made]


def test_files_lie_and_are_named_as_upstream_has_them(written, tmp_path):
    files = {str(path.relative_to(tmp_path)) for path in results.write(tmp_path, written, V4)}
    assert len(files) == 17
    assert {
        "non_live/BFCL_v4_simple_python_result.json",
        "non_live/BFCL_v4_irrelevance_result.json",
        "live/BFCL_v4_live_relevance_result.json",
        "multi_turn/BFCL_v4_multi_turn_base_result.json",
    } <= files
    lines = (tmp_path / "non_live/BFCL_v4_simple_java_result.json").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [f"simple_java_{i}" for i in range(100)]


def test_v3_spells_names_its_own_way_and_has_one_folder(tmp_path):
    some = [{"category": "simple_python", "id": "simple_python_7", "output": "x"}]
    (path,) = results.write(tmp_path, some, V3)
    assert path == tmp_path / "BFCL_v3_simple_result.json"
    assert json.loads(path.read_text()) == {"id": "simple_7", "result": "x"}


def test_a_whole_result_folder_is_graded_to_the_official_ceiling(written, tmp_path):
    results.write(tmp_path, written, V4)
    verdicts = list(grade_file("bfcl", tmp_path, "v4-2026-03"))
    lines = {line["what"]: line["score"] for line in board(verdicts, "v4-2026-03")[1]}
    assert (len(verdicts), lines["= non_live"], lines["= multi_turn"]) == (4441, "98.42", "88.00")
    assert lines["= overall, not run as 0"] == "56.20"


def test_tool_calls_in_a_result_are_read_by_the_decoder_for_tool_calls(tmp_path):
    path = tmp_path / "BFCL_v4_multi_turn_base_result.json"
    steps = [[[{"cd": '{"folder": "document"}'}], "Done."]] * 4
    path.write_text(json.dumps({"id": "multi_turn_base_0", "result": steps}) + "\n")
    ((_, _, row),) = results.read(path, V4)
    assert (row["decoder"], row["category"]) == ("fc", "multi_turn_base")
    single = tmp_path / "BFCL_v4_multiple_result.json"
    single.write_text(json.dumps({"id": "multiple_0", "result": [{"f": "{}"}]}) + "\n")
    assert next(results.read(single, V4))[2]["decoder"] == "fc"


def test_results_of_another_version_are_refused(tmp_path):
    results.write(tmp_path, [{"category": "simple", "id": "simple_0", "output": "f()"}], V3)
    with pytest.raises(UsageError, match="was generated for v3; v4-2026-03 is v4; never mixed"):
        list(grade_file("bfcl", tmp_path, "v4-2026-03"))


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (['{"id": "multiple_0"}'], "row 1: needs an `id` and a `result`"),
        (['{"id": "multiple_0", "result": ""}'] * 2, "row 2: 'multiple_0' has been answered before"),
        (['{"id": "multiple_999", "result": ""}'], "row 1: this protocol has no item 'multiple_999'"),
        ([], "holds no row"),
    ],
)
def test_a_faulty_result_row_is_named(lines, why, tmp_path):
    path = tmp_path / "BFCL_v4_multiple_result.json"
    path.write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(DataError, match=why):
        list(grade_file("bfcl", tmp_path, "v4-2026-03"))


class Knowing:
    """Replays the gold transcript of whichever item it is asked, seen by its first message."""

    name = "knowing"

    def __init__(self, bench, tasks):
        self.steps = {task.id: Gold(bench.gold(task)) for task in tasks}

    def __call__(self, conversation):
        return self.steps[conversation.id](conversation)


@pytest.mark.parametrize(("make", "protocol"), [(Official, "v4-2026-03"), (BFCL, "native-v4-2026-03")])
def test_a_run_is_exported_and_gets_the_same_verdicts(make, protocol, written, tmp_path):
    bench, folder, plan = make("v4"), tmp_path / "run", Plan(limit=34)
    run(bench, Knowing(bench, sample(bench.tasks(), 34)), folder, plan)
    ours = list(grade_file("bfcl", folder / "transcripts.jsonl", protocol))
    export_results("bfcl", folder / "transcripts.jsonl", tmp_path / "result", protocol)
    theirs = {row["id"]: row["error_type"] for row in grade_file("bfcl", tmp_path / "result", "v4-2026-03")}
    assert {results.spelt(row["id"], V4): row["error_type"] for row in ours} == theirs
    assert sum(row["valid"] for row in ours) > 25
    title = board_of("bfcl", folder / "transcripts.jsonl", ours, protocol).title
    assert title == f"{bench.version}, {protocol}"
