"""Prediction files: verdicts in the file's order, a table with ceilings, and errors that name file and row."""

import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calm.bench.api_bank import PROTOCOLS, board, ceilings, grade_predictions
from calm.bench.grade import board_of, grade_file
from calm.errors import DataError, UsageError
from calm.files import read_jsonl, write_jsonl

RIGHT = "[GetUserToken(username='JaneSmith', password='password')]"
ROW = {"level": 1, "file": "AddAgenda-AddAlarm-GetUserToken-level-2-1.jsonl", "id": 0, "output": RIGHT}


@pytest.fixture
def graded(tmp_path):
    def grade(rows, protocol):
        write_jsonl(tmp_path / "p.jsonl", rows)
        return list(grade_file("api_bank", tmp_path / "p.jsonl", protocol))

    return grade


def test_official_rows_are_the_recorded_verdicts_in_the_order_of_the_file(corpora, reference):
    path = reference / "api_bank" / "verdicts.jsonl"
    verdicts = [row["valid"] for row in grade_file("api_bank", path, "official")]
    assert verdicts == [row["verdict"] for _, row in read_jsonl(path)]


def test_the_protocols_that_run_calls_tell_right_from_wrong(corpora, graded):
    rows = [ROW, ROW | {"output": RIGHT.replace("Jane", "Joan")}]
    assert [row["error_type"] for row in graded(rows, "official")] == [None, "HAS_EXCEPTION"]
    assert [row["error_type"] for row in graded(rows, "fixed")] == [None, "HAS_EXCEPTION"]
    assert [row["error_type"] for row in graded(rows, "exact")] == [None, "wrong_value"]


def test_two_requests_are_two_for_exact(corpora, graded):
    found = graded([ROW | {"output": RIGHT + RIGHT}], "exact")
    assert found[0]["error_type"] == "several_calls"
    assert (board(found, "exact")[1][0]["api_f1"], board(found, "exact")[1][0]["param_f1"]) == (2 / 3, 2 / 3)


def test_the_board_has_the_ceiling_beside_the_share(corpora, graded):
    title, rows = board(graded([ROW], "official"), "official")
    assert "ceiling" in title
    assert (rows[0]["share"], rows[0]["of"], round(rows[0]["ceiling"], 3)) == (1, 399, 0.847)
    assert [row["level"] for row in rows[1:]] == ["1: no arguments", "1: all X", "1: other's gold", "1: refusal"]
    assert max(row["share"] for row in rows[1:]) < 0.02


def test_a_demand_of_level_3_is_met_by_all_its_calls(corpora, graded):
    golds = ceilings.ceiling(corpora / "api_bank", "fixed")[3].names
    rows = [{"level": 3, "sample": int(n.split("/")[1]), "api_id": int(n.split("/")[2]), "output": ""} for n in golds]
    empty = board(graded(rows, "fixed"), "fixed")[1][1]
    assert (empty["of"], empty["right"], empty["ceiling"]) == (50, 0, 1)
    right = [{"id": name, "valid": name != golds[0]} for name in golds]
    assert board(right, "fixed")[1][1]["right"] == 49


def test_a_call_due_twice_is_marked_and_left_out_of_the_fixed_board(corpora, graded):
    twice = {"level": 1, "file": "AddReminder-level-1-2.jsonl", "id": 2, "output": ""}
    found = graded([ROW, twice], "fixed")
    assert found[1]["again"]
    assert board(found, "fixed")[1][0]["rows"] == 1


def test_replies_are_compared_with_the_official_ones(corpora, graded):
    reply = ROW | {"id": 1, "output": "nothing alike"}
    third = {"level": 3, "sample": 0, "api_id": 4, "output": "AI: For the meeting query of John"}
    scores = [row["rouge-l"] for row in graded([reply, third], "response")]
    assert scores[0] < 0.1 < scores[1]


def test_parameter_f1_counts_what_hammer_counts(graded, tmp_path):
    gold = '```\n[{"name": "F", "arguments": {"a": "1", "b": ""}}]\n```'
    found = graded(
        [{"pred": '[{"name": "F", "arguments": {"a": 1, "c": "2"}}]', "gold": gold}, {"pred": "x", "gold": gold}],
        "hammer",
    )
    shown, *beside = board_of("api_bank", tmp_path / "p.jsonl", found, "hammer").rows
    assert (shown["api_precision"], shown["api_recall"]) == (0.5, 0.5)
    assert (shown["param_precision"], shown["param_recall"]) == (0.5, 0.5)
    assert [row["answers"] for row in beside] == ["gold", "no arguments", "all X", "other's gold", "refusal"]
    assert [row["api_f1"] for row in beside] == [1, 1, 1, 1, 0]


@pytest.mark.parametrize(
    "bad",
    [
        {},
        ROW | {"file": "absent.jsonl"},
        ROW | {"id": 1},
        ROW | {"level": 4},
        ROW | {"output": None},
        ROW | {"output": ["[F()]"]},
        {"level": 3, "sample": 0, "output": ""},
        {"level": 3, "sample": [], "api_id": {}, "output": ""},
    ],
)
@pytest.mark.parametrize("protocol", ["official", "fixed", "exact"])
def test_a_row_that_answers_no_sample_is_named(corpora, graded, bad, protocol):
    with pytest.raises(DataError, match=r"p.jsonl: row 2: names no API-Bank sample"):
        graded([ROW, bad], protocol)


LINE = b'{"pred": "a", "gold": "a"}\n'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (LINE + b"\xff\xfe\n", "row 2: is not UTF-8"),
        (LINE + b"[1]\n", "row 2: is list"),
        (LINE + b'{"level": \n', "row 2: is not JSON"),
        (gzip.compress(LINE * 99)[:-9], "row 100: cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_that_names_file_and_row(tmp_path, content, why):
    path = tmp_path / ("p.jsonl.gz" if content[:2] == b"\x1f\x8b" else "p.jsonl")
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"p\.jsonl(\.gz)?: {why}"):
        list(grade_predictions(path, "lf-text"))


ODD = st.none() | st.booleans() | st.integers() | st.text("[]F(a='x')1", max_size=20) | st.lists(st.integers())
KEYS = st.sampled_from(["level", "file", "id", "sample", "api_id", "output", "pred", "gold"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS, ODD), st.booleans(), st.sampled_from(PROTOCOLS))
def test_any_row_gets_a_verdict_or_is_named(corpora, graded, odd, known, protocol):
    try:
        found = graded([(ROW | odd) if known else odd], protocol)
    except DataError as error:
        found = [{"refused": error.row}]
    assert found[0].get("refused") == 1 or found[0].keys() & {"valid", "rouge-l"}


def test_an_unknown_protocol_lists_those_there_are(tmp_path):
    with pytest.raises(UsageError, match=", ".join(PROTOCOLS)):
        grade_predictions(tmp_path / "absent.jsonl", "bfcl")
