"""The AST check, rule by rule, on items of our own making; golden verdicts are in test_bfcl_golden.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.bench.bfcl.grade import error_of, loose

PROPERTIES = {
    "city": {"type": "string"},
    "days": {"type": "integer"},
    "rate": {"type": "float"},
    "tags": {"type": "array", "items": {"type": "string"}},
    "spot": {"type": "tuple", "items": {"type": "float"}},
    "where": {"type": "dict"},
    "legs": {"type": "array", "items": {"type": "dict"}},
}
DOC = {"name": "trip.plan", "parameters": {"properties": PROPERTIES, "required": ["city"]}}


def check(given_, allowed, category="simple", name="trip.plan", **more):
    return error_of(category, [DOC], [{"trip.plan": allowed}], [{name: given_}], **more)


@pytest.mark.parametrize("said", ["São Tomé, ST", "são tomé st", "SÃO-TOMÉ/ST", "São_Tomé.ST"])
def test_strings_ignore_case_blanks_and_some_punctuation(said):
    assert check({"city": said}, {"city": ["São Tomé, ST"]}) is None


@pytest.mark.parametrize("said", ["Sao Tome ST", "São Tomé\tST", "São Tomé: ST", "São Tomé!ST"])
def test_other_characters_count(said):
    assert check({"city": said}, {"city": ["São Tomé, ST"]}) == "value_error:string"


@pytest.mark.parametrize(
    ("value", "allowed", "error"),
    [
        ({"days": 3}, [3], None),
        ({"days": 3.0}, [3], "type_error:simple"),
        ({"days": True}, [1], "type_error:simple"),
        ({"days": 4}, [3], "value_error:others"),
        ({"rate": 2}, [2.0], None),
        ({"days": "n"}, ["n"], None),
        ({"days": "N"}, ["n"], "value_error:others"),
        ({"tags": ["A b", "c"]}, [["ab", "C"]], None),
        ({"tags": ["c", "ab"]}, [["ab", "c"]], "value_error:list/tuple"),
        ({"tags": [1]}, [["a"]], "type_error:nested"),
        ({"tags": [1]}, ["", ["a"]], "value_error:list/tuple"),
        ({"tags": ("a",)}, [["a"]], "type_error:simple"),
        ({"tags": []}, [""], None),
        ({"spot": (1.5, 2.5)}, [[1.5, 2.5]], None),
        ({"spot": [1, 2]}, [[1.5, 2.5]], "type_error:nested"),
        ({"where": {"a": "X y", "b": 1}}, [{"a": ["xy"], "b": [1]}], None),
        ({"where": {"a": "x"}}, [{"a": ["x"], "b": [1]}], "value_error:dict_key"),
        ({"where": {"a": "x"}}, [{"a": ["x"], "b": [1, ""]}], None),
        ({"where": {"a": "z"}}, [{"a": ["x"], "b": [1]}], "value_error:dict_key"),
        ({"where": {"a": "z"}}, [{"a": ["x"]}], "value_error:dict_value"),
        ({"where": {"a": 1}}, [""], "dict_checker:unclear"),
        ({"legs": [{"a": 1}]}, [[{"a": [1]}]], None),
        ({"legs": [{"a": 1}]}, [[{"a": [1]}, {"a": [2]}]], "value_error:list_dict_count"),
        ({"legs": [{"a": 2}]}, [[{"a": [1]}]], "value_error:dict_value"),
    ],
)
def test_types_and_values(value, allowed, error):
    (parameter,) = value
    assert check({"city": "x", **value}, {"city": ["x"], parameter: allowed}) == error


@pytest.mark.parametrize(
    ("given_", "allowed", "error"),
    [
        ({}, {"city": ["x", ""]}, "missing_required"),
        ({"city": "x", "day": 1}, {"city": ["x"]}, "unexpected_param"),
        ({"city": "x", "days": 1}, {"city": ["x"]}, "unexpected_param"),
        ({"city": "x"}, {"city": ["x"], "days": [1]}, "missing_optional"),
    ],
)
def test_parameters_must_be_the_right_ones(given_, allowed, error):
    assert check(given_, allowed) == f"simple_function_checker:{error}"


def test_dots_become_underscores_only_for_models_that_were_shown_them():
    right, allowed = {"city": "x"}, {"city": ["x"]}
    assert check(right, allowed, name="trip_plan", underscores=True) is None
    wrong = "simple_function_checker:wrong_func_name"
    assert check(right, allowed, name="trip_plan") == check(right, allowed, underscores=True) == wrong


@pytest.mark.parametrize("category", ["simple", "live_multiple", "parallel", "live_parallel_multiple"])
def test_the_number_of_calls_must_be_right(category):
    truth = [{"trip.plan": {"city": ["x"]}}]
    rule = {"s": "simple_function_checker", "l": "multiple_function_checker", "p": "parallel_function_checker_no_order"}
    key = "p" if "parallel" in category else category[0]
    twice = [{"trip.plan": {"city": "x"}}] * 2
    assert error_of(category, [DOC], truth, twice) == error_of(category, [DOC], truth, []) == f"{rule[key]}:wrong_count"


def test_parallel_calls_match_greedily_and_in_any_order():
    truth = [{"trip.plan": {"city": ["a", "b"]}}, {"trip.plan": {"city": ["a"]}}]
    calls = [{"trip.plan": {"city": city}} for city in "ba"]
    assert error_of("parallel", [DOC], truth, calls) is None
    greedy = "parallel_function_checker_no_order:cannot_find_match"
    assert error_of("parallel", [DOC], truth, calls[::-1]) == greedy  # "a" is taken by the first truth; upstream too


@pytest.mark.parametrize("decoded", [None, [], "text", [{}], [{"f": 1}]])
def test_abstaining_is_whatever_holds_no_call(decoded):
    assert error_of("live_irrelevance", [], [], decoded) is None
    assert error_of("live_relevance", [], [], decoded) == "relevance_error:decoder_failed"


def test_any_call_is_relevant():
    call = [{"anything": {}}]
    assert error_of("irrelevance", [], [], call) == "irrelevance_error:decoder_success"
    assert error_of("live_relevance", [], [], call) is None


def test_undecodable_and_misshapen_output_are_told_apart():
    assert error_of("simple", [DOC], [], None) == "ast_decoder:decoder_failed"
    assert error_of("simple", [DOC], [], [{"f": [1]}]) == "ast_decoder:decoder_wrong_output_format"


def test_where_upstream_would_break_the_row_fails_by_name():
    assert check({"city": "x", "rate": 10**400}, {"city": ["x"], "rate": [1.0]}) == "ast_checker:raised"


@given(st.text(max_size=30))
def test_standardising_twice_changes_nothing_more(text):
    once = loose(text)
    assert loose(loose(once)) == loose(once)
    assert not set(once) & set(" ,./-_*^'")


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["city", *PROPERTIES, "other"]), JUNK), st.sampled_from(["simple", "parallel"]))
def test_any_arguments_get_a_verdict(arguments, category):
    allowed = {"city": ["x"], "tags": [["a"], ""], "where": [{"a": [1]}, ""], "legs": [[{"a": [1]}], ""]}
    error = check(arguments, allowed, category)
    assert error is None or ":" in error
