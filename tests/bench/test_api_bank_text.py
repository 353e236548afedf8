"""The text metrics equal the recorded values of the original packages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.bench.api_bank.text import bleu4, call_scores, lcs, reply_rouge_l, words
from calm.files import read_jsonl


def recorded(reference, metric):
    rows = [row for _, row in read_jsonl(reference / "api_bank" / "text_metrics.jsonl") if row["metric"] == metric]
    return [row for row in rows if "error" not in row["value"]]


def test_call_metrics_equal_every_recorded_value(reference):
    rows = recorded(reference, "call")
    assert len(rows) > 500
    assert all(call_scores(r["pred"], r["gold"]) == pytest.approx(r["value"], abs=1e-4) for r in rows)


def test_reply_rouge_l_equals_every_recorded_value(reference):
    rows = recorded(reference, "resp")
    assert len(rows) > 400
    assert all(reply_rouge_l(r["pred"], r["gold"]) == pytest.approx(r["value"]["rouge-l"], abs=1e-6) for r in rows)


def test_words_are_cut_as_jieba_cuts_ascii():
    assert words("{'t': 3.5%, a_b}") == ["{", "'", "t", "'", ":", "3.5%", ",", "a", "_", "b", "}"]


def test_repeating_the_answer_costs_the_l_but_not_the_sets():
    scores = call_scores("find hotel north find hotel north", "find hotel north")
    assert scores["rouge-1"] == 100
    assert scores["rouge-l"] == pytest.approx(66.6667)


def test_a_full_stop_ends_a_sentence_in_reply_rouge():
    assert reply_rouge_l("b. a.", "a. b.") == pytest.approx(1)
    assert reply_rouge_l("b a", "a b") == pytest.approx(0.5)


def test_texts_without_a_word_score_nothing():
    assert call_scores("", "x") == {"rouge-1": 0, "rouge-2": 0, "rouge-l": 0, "bleu-4": 0}
    assert reply_rouge_l(".", "a") == 0


@given(st.text("ab."), st.text("ab."))
def test_scores_lie_between_nothing_and_all(left, right):
    assert 0 <= bleu4(left, right) <= 1 + 1e-9
    assert 0 <= reply_rouge_l(left, right) <= 1
    assert len(lcs(left, right)) == len(lcs(right, left)) <= min(len(left), len(right))


@given(st.text(min_size=4).filter(lambda text: text.strip()))
def test_a_text_agrees_with_itself(text):
    assert call_scores(text, text)["bleu-4"] == pytest.approx(100)
    assert call_scores(text, text)["rouge-l"] == pytest.approx(100)
