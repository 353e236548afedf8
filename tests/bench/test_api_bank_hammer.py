"""The paper's prompt: Hammer's files are read whole, gold is the ceiling, soft metrics show how soft they are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.bench import named
from calm.bench.api_bank import ceilings, f1
from calm.bench.api_bank.controls import texts
from calm.bench.api_bank.hammer import AsText, error_of, said
from calm.bench.figures import figures
from calm.bench.judge import controls, replay
from calm.conversation import Assistant, Call, Garbled
from calm.policy.scripted import Gold, Silent

GOLD = '```\n[{"name": "F", "arguments": {"a": "1"}}]\n```'


@pytest.fixture(scope="module")
def bench():
    return named("api_bank", "hammer")


def test_all_rows_are_tasks_and_gold_is_the_ceiling(corpora, bench):
    tasks = list(bench.tasks())
    assert [sum(task.category == f"level-{level}" for task in tasks) for level in (1, 2)] == [399, 127]
    best = bench.summary(replay(bench, tasks, lambda task: Gold(bench.gold(task))))
    assert {best[f"{key}.level-1"] for key in ("exact", "rouge-l", "bleu-4", "api_f1")} == {1.0}
    assert all(value == 0 for value in bench.summary(replay(bench, tasks[:50], lambda task: Silent())).values())


def test_what_a_card_quotes_is_hammers_scores_by_level(corpora, bench):
    tasks = [task for task in bench.tasks() if task.category == "level-1"][:30]
    verdicts = replay(bench, tasks, lambda task: Gold(bench.gold(task)))
    found = figures(bench, {"summary": bench.summary(verdicts), "intervals": {}}, verdicts, [])
    assert {name: (one.value, one.n, one.protocol) for name, one in found.items()} == dict.fromkeys(
        ("l1_api_f1", "l1_param_f1", "l1_rouge_l"), (100.0, 30, "hammer")
    )


def test_a_policy_is_heard_as_text():
    call = Call(name="F", arguments={"a": "1"})
    assert json.loads(said(Assistant(calls=(call,)))) == [{"name": "F", "arguments": {"a": "1"}}]
    assert said(Garbled(raw="[", why="cut")) == "["
    assert AsText(Silent()).name == Silent().name


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ('[{"name": "F", "arguments": {"a": 1}}]', None),
        ('[{"name": "F", "arguments": {"a": "2"}}]', "wrong_value"),
        ('[{"name": "G", "arguments": {"a": "1"}}]', "wrong_api"),
        ("[]", "wrong_api"),
        ("F(a=1)", "no_list"),
        ("{}", "no_list"),
    ],
)
def test_answers_are_told_apart(answer, error):
    assert error_of(answer, GOLD) == error


def test_no_parameters_due_and_none_given_is_one_right_as_upstream_has_it():
    found = f1.counts('[{"name": "F", "arguments": {}}]', '[{"name": "F", "arguments": {}}]')
    assert (found["param_right"], found["param_due"]) == (1, 0)


def test_controls_show_how_soft_the_text_metrics_are(corpora, bench):
    tasks = [task for task in bench.tasks() if task.category == "level-1"]
    found = {kind: scores["summary"] for kind, scores in controls(bench, tasks).items()}
    assert list(found) == ["no arguments", "all X", "other's gold", "refusal"]
    assert found["all X"]["rouge-l.level-1"] > 0.85
    assert min(found[kind]["rouge-l.level-1"] for kind in ("no arguments", "other's gold")) > 0.6
    assert found["all X"]["param_f1.level-1"] < 0.02


def test_gold_that_is_no_list_of_calls_has_fewer_controls():
    assert list(texts([GOLD, GOLD])) == ["gold", "no arguments", "all X", "other's gold", "refusal"]
    assert list(texts([GOLD, "plain"])) == ["gold", "other's gold", "refusal"]
    assert texts([GOLD, "plain"])["other's gold"] == ["plain", GOLD]


def test_controls_get_nothing_where_calls_are_run(corpora):
    for protocol in ("official", "fixed", "exact"):
        found = ceilings.executed(corpora / "api_bank", protocol)
        wrong = [share for kind, levels in found.items() if kind != "gold" for share in levels.values()]
        assert max(wrong) < 0.02


JSON = st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(st.text() | JSON.map(json.dumps))
def test_any_text_is_counted(text):
    found = f1.counts(text, GOLD)
    assert set(found) == set(f1.COUNTS)
    assert found["param_right"] <= found["param_said"]
