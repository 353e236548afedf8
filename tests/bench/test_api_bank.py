"""API-Bank: samples are read whole, gold is the ceiling, silence the floor, and near misses are told apart."""

import json

import pytest

from calm.bench.api_bank import APIBank, grade_predictions
from calm.bench.api_bank.grade import grade, plain
from calm.bench.api_bank.request import parse_request
from calm.bench.api_bank.tasks import read, task
from calm.bench.judge import controls
from calm.conversation import Assistant, Call, Garbled, Observation
from calm.errors import DataError
from calm.files import read_jsonl, write_jsonl
from calm.policy.scripted import Silent

API = {
    "name": "OpenDoor",
    "description": "",
    "input_parameters": {"door": {"type": "int"}, "names": {"type": "list(str)"}},
}


@pytest.fixture
def sample():
    said = "User: Open two.\nAPI-Request: [OpenDoor(door='1', names='['Al']')]->{'open': True}\nGenerate API Request:\n"
    gold = "API-Request: [OpenDoor(door='2', names='['Al', 'Bo']')]"
    text = f"Some words.\nAPI descriptions:\n{json.dumps(API)}"
    return task("level-1", {"file": "Door.jsonl", "id": 4, "instruction": text, "input": said, "expected_output": gold})


def call(name="OpenDoor", **arguments):
    return Assistant(calls=(Call(name=name, arguments=arguments),))


def verdict(sample, *answer):
    return grade(sample, sample.start.add(*answer))


def test_a_sample_becomes_typed_tools_and_messages(sample):
    request, result = sample.start.messages[2:]
    assert sample.id == "level-1/Door/4"
    assert request.calls[0].arguments == {"door": 1, "names": ["Al"]}
    assert result.content == '{"open": true}'
    assert sample.start.tools[0].parameters["properties"]["names"]["items"] == {"type": "string"}


def test_types_do_not_matter_but_values_do(sample):
    assert verdict(sample, call(door=2, names=["Al", "Bo"])).valid
    assert verdict(sample, call(door=" 2", names="['Al', 'Bo']")).valid
    assert verdict(sample, call(door=3, names=["Al", "Bo"])).error_type == "wrong_value"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Assistant(text="OpenDoor"), "no_call"),
        (Garbled(raw="<tool_call>{", why="cut"), "garbled"),
        (call("CloseDoor"), "wrong_api"),
        (call(door=2), "missing_argument"),
        (call(door=2, names=["Al", "Bo"], force=True), "unknown_argument"),
        (Assistant(calls=(Call(name="OpenDoor", arguments={}),) * 2), "several_calls"),
    ],
)
def test_every_way_to_be_wrong_has_a_name(sample, answer, error):
    assert verdict(sample, answer).error_type == error


def test_only_the_first_step_is_judged(sample):
    right = call(door=2, names=["Al", "Bo"])
    assert verdict(sample).error_type == "no_answer"
    assert not verdict(sample, Assistant(text="Let me see."), right).valid


def test_right_tool_without_arguments_earns_api_credit_only(sample):
    scores = APIBank().summary([verdict(sample, call())])
    assert (scores["exact"], scores["api_f1"], scores["param_f1"]) == (0, 1, 0)


def test_requests_are_read_with_apostrophes_and_either_quote():
    expected = Call(name="F", arguments={"who": "Dr. O'Neil", "b": "x, y", "n": "3"})
    assert parse_request("API-Request: [F(who='Dr. O'Neil', b=\"x, y\", n=3)]") == expected
    assert parse_request("F(a='b')") is None


def test_lists_compare_by_parts_and_scalars_as_text():
    assert plain("[{'a': 1}]") == plain([{"a": "1"}]) != plain([{"a": "2"}])


def test_all_official_samples_are_read_and_the_controls_hold(corpora):
    bench = APIBank()
    tasks = list(bench.tasks())
    assert [sum(t.id.startswith(f"level-{n}/") for t in tasks) for n in (1, 2, 3)] == [399, 135, 245]
    gold = bench.summary([bench.grade(t, bench.gold(t)) for t in tasks])
    silent = bench.summary([bench.grade(t, t.start.add(Assistant(text=""))) for t in tasks])
    assert (gold["exact"], gold["param_f1"], gold["rouge-l"]) == (1, 1, pytest.approx(1))
    assert (silent["exact"], silent["api_f1"], silent["rouge-l"]) == (0, 0, 0)


def test_right_api_without_arguments_shows_how_soft_rouge_is(corpora):
    bench = APIBank()
    tasks = [t for t in bench.tasks() if t.category == "level-1"]
    scores = {kind: found["summary"] for kind, found in controls(bench, tasks).items()}
    assert list(scores) == ["no arguments", "all X", "other's gold", "refusal", "first API"]
    assert (scores["no arguments"]["api_f1"], scores["no arguments"]["param_recall"]) == (1, 0)
    assert max(found["exact"] for found in scores.values()) < 0.05
    assert min(scores[kind]["rouge-l"] for kind in scores if kind != "refusal") > 0.5


def test_one_sample_alone_has_no_other_gold(sample):
    assert "other's gold" not in APIBank().controls([sample])
    assert "other's gold" in APIBank().controls([sample, sample])


def test_exact_agrees_with_recorded_gold_outputs(corpora, reference, tmp_path):
    rows = [row for _, row in read_jsonl(reference / "api_bank" / "verdicts.jsonl") if row["kind"] == "gold"]
    write_jsonl(tmp_path / "p.jsonl", rows)
    assert all(row["valid"] for row in grade_predictions(tmp_path / "p.jsonl", "exact"))


def test_prediction_files_are_refused_by_row(corpora, tmp_path):
    path = tmp_path / "p.jsonl"
    write_jsonl(path, [{"pred": "a", "gold": "a"}, {"pred": "a"}])
    with pytest.raises(DataError, match="row 2"):
        list(grade_predictions(path, "lf-text"))
    with pytest.raises(DataError, match="row 1: names no API-Bank sample"):
        list(grade_predictions(path, "exact"))


def test_a_bad_sample_is_named(tmp_path):
    folder = tmp_path / "test-data"
    folder.mkdir()
    (folder / "level-1-api.json").write_text('[{"file": "x"}]')
    with pytest.raises(DataError, match=r"level-1-api.json: row 1: .*'id'"):
        list(read(tmp_path))


def test_a_call_is_asked_for_and_the_policy_is_left_as_it_was(sample):
    class Choosing(Silent):
        choice = "auto"

        def __call__(self, conversation):
            return Assistant(text=self.choice)

    policy = Choosing()
    assert APIBank().speaker(policy)(sample.start) == Assistant(text="required")
    assert policy.choice == "auto"
    assert "call that is due" in sample.start.messages[0].content
    assert APIBank().speaker(Silent())(sample.start) == Silent()(sample.start)


def test_results_of_level_3_stand_without_their_envelope():
    said = [
        {"api_name": "OpenDoor", "input": {"door": 1}, "output": {"open": True}, "exception": None},
        {"api_name": "OpenDoor", "input": {}, "output": None, "exception": "no such door"},
        {"output": 3},
    ]
    lines = [f"API-Request: [OpenDoor(door='1')]->{result}" for result in said]
    row = {"sample_id": 1, "api_id": 2, "instruction": f"API descriptions:\n{json.dumps(API)}"}
    start = task("level-3", row | {"input": "\n".join(lines), "output": "API-Request: [OpenDoor(door='2')]"}).start
    shown = [message.content for message in start.messages if isinstance(message, Observation)]
    assert shown == ['{"open": true}', '{"exception": "no such door"}', '{"output": 3}']


def test_levels_2_and_3_are_told_without_their_searches_too(corpora):
    bench = APIBank()
    tasks = [task for task in bench.tasks() if task.category.startswith("level-2")][:60]
    found = bench.levels([bench.gold(task) for task in tasks])
    searches = sum(task.category.endswith("-search") for task in tasks)
    assert 0 < searches < 60 == len(found["l2_exact"])
    assert found["l2_exact_without_search"] == [1.0] * (60 - searches)
    assert len(found["l2_rouge_l_without_search"]) == 60 - searches
