"""BFCL's averages: each board's own arithmetic, the official check value, and what is said of missing parts."""

import pytest

from calm.bench import Verdict
from calm.bench.bfcl import averages, board, ceilings, predictions, tasks, versions
from calm.errors import HubError, UsageError


def counts(name, share=1.0):
    return {category: (round(share * rows), rows) for category, rows in averages.sizes(name).items()}


def value(name, found, average):
    return next(score for score in averages.scores(name, found) if score.name == average)


@pytest.fixture(scope="module", params=[(name, audited) for name in versions.VERSIONS for audited in (False, True)])
def reading(request):
    """A version, how it is read, and its truths fed back as answers: category -> (valid, rows)."""
    name, audited = request.param
    try:
        written = ceilings.written(name)
    except HubError as error:
        pytest.skip(str(error))
    version = versions.named(name)
    verdicts = [
        Verdict(id=item.id, category=item.category, valid=error is None, error_type=error)
        for item, output in written
        for error in [predictions.official(item, output, version, repaired=audited)]
    ]
    return version, audited, averages.counted(verdicts)


def test_truths_fed_as_answers_give_the_ceiling_that_is_printed(reading):
    version, audited, found = reading
    assert found == ceilings.CEILINGS[version.name, audited]


def test_v4_truths_give_the_overall_of_the_official_command():
    found = ceilings.CEILINGS["v4-2026-03", False]
    board = {score.name: round(100 * score.as_zero, 2) for score in averages.scores("v4", found)}
    assert (board["non_live"], board["live"], board["irrelevance"]) == (98.42, 99.63, 100)
    assert (board["multi_turn"], board["agentic"], board["overall"]) == (88.00, 0, 56.20)


def test_the_non_live_average_has_nine_parts_in_february_five_in_june_and_four_in_v4():
    for name, parts in (("v3-exec", 9), ("v3", 5), ("v4", 4)):
        one = {**counts(name, 0), "multiple": (200, 200)}
        assert value(name, one, "non_live").honest == pytest.approx(1 / parts)


def test_live_is_weighed_by_rows_and_holds_irrelevance_in_v3_only():
    for name, share in (("v3", 882 / 2251), ("v4", 0)):
        found = {**counts(name, 0), "live_irrelevance": (1, 1) if name == "v4" else (882, 882)}
        assert value(name, found, "live").honest == pytest.approx(share)


def test_simple_is_the_plain_mean_of_three_languages():
    found = {**counts("v4", 0), "javascript": (50, 50)}
    assert value("v4", found, "simple_ast").honest == pytest.approx(1 / 3)


def test_an_average_with_a_part_missing_is_none_and_beside_it_stands_the_official_zero():
    found = {name: rows for name, rows in counts("v4").items() if name not in ("java", "memory_kv")}
    assert value("v4", found, "non_live")[1:3] == (None, pytest.approx((2 / 3 + 3) / 4))
    assert value("v4", found, "overall")[1:3] == (None, pytest.approx(0.1 * 11 / 12 + 0.5 + 0.4 * 5 / 6))


def test_a_whole_board_of_right_answers_is_one_on_every_average():
    for name in averages.BOARDS:
        assert {score.honest for score in averages.scores(name, counts(name))} == {1.0}


def test_the_summary_names_what_was_not_run_and_what_only_in_part():
    said = averages.summary("v4", [Verdict(id="x", category="multiple", valid=True)])
    assert "multiple" not in said["not_run"]
    assert {"simple", "java", "multi_turn_base", "web_search_base"} <= set(said["not_run"])
    assert (said["partly_run"], said["overall"], said["overall_not_run_as_zero"]) == (["multiple"], None, 0.025)


def test_a_row_whose_truth_cannot_be_met_is_in_no_denominator():
    rows = [
        Verdict(id="a", category="multiple", valid=True),
        Verdict(id="b", category="multiple", valid=False, error_type=averages.DROPPED),
    ]
    assert averages.counted(rows) == {"multiple": (1, 1)}
    assert averages.summary("v4", rows)["dropped"] == 1


def test_the_printed_board_has_scores_counts_and_ceilings_under_the_versions_name():
    row = {"id": "simple_python_0", "valid": True, "error_type": None}
    title, lines = board([row], "v4-2026-03")
    table = {line["what"]: line for line in lines}
    assert title == "bfcl-v4-2026-03 (bfcl-eval 2026.3.23), official reading"
    assert (table["simple"]["n"], table["simple"]["score"], table["multiple"]["score"]) == (
        "1 of 400",
        "100.00",
        "not run",
    )
    assert (table["= overall"]["score"], table["= overall, not run as 0"]["score"]) == ("incomplete", "0.83")
    tops = [table["= multi_turn"][name] for name in predictions.TOPS]
    assert (tops, table["= overall"]["ceiling"]) == (["88.00", "100.00"], "")


def test_sizes_are_those_of_the_data(corpora):
    for version in versions.VERSIONS.values():
        try:
            items = tasks.items(version.name)
        except HubError as error:
            pytest.skip(str(error))
        found = {name: sum(item.category == name for item in items.values()) for name in tasks.CATEGORIES}
        assert found == {name: averages.sizes(version.board)[name] for name in tasks.CATEGORIES}


def test_a_version_says_which_data_it_uses(corpora, monkeypatch):
    assert versions.named("v3").label == "bfcl-v3-2025-02 (20 Feb 2025)"
    assert versions.named("v3-2025-06").label == "bfcl-v3-2025-06 (bfcl-eval 2025.6.8)"
    monkeypatch.delenv("CALM_DATA")
    assert versions.named("v3").label == "bfcl-v3-2025-02 (bfcl-eval 2025.6.8, not the data of 20 Feb 2025)"
    with pytest.raises(UsageError, match="no version 'v2'; there are: v3, v4, v4-2026-03"):
        versions.named("v2")
