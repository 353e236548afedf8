"""Upstream's verdicts: every recorded one is met, whatever the text, in any order, and without a hang."""

import re
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calm.bench.api_bank import ceilings, tasks
from calm.bench.api_bank.due import is_search, material
from calm.bench.api_bank.official import arguments, find, judge
from calm.bench.api_bank.predictions import sample
from calm.files import read_jsonl

NAMES = {
    *("NO_API_CALL", "API_NAME_MISMATCH", "INVALID_INPUT_PARAMETER", "MISS_INPUT_ARGUMENT", "HAS_EXCEPTION", "CRASH"),
    *("OUTPUT_MISMATCH", "INPUT_MISMATCH", "KEY_ERROR", "MISMATCH", "TYPE_ERROR", "ASSERTION_ERROR"),
    *("INVALID_TOOL_NAME", "NEEDS_MODEL", "NEEDS_NETWORK", None),
}
PATTERN = r"\[(\w+)\((.*)\)\]"
PARAMETER = r"(\w+)\s*=\s*['\"](.+?)['\"]|(\w+)\s*=\s*(\[.*\])|(\w+)\s*=\s*(\w+)"
MANY = 20_000
HOSTILE = {
    "heads": "[a(" * MANY,
    "tails": "[F(" + ")]" * MANY,
    "word": f"[F({'a' * 10 * MANY})]",
    "names": f"[F({'a=' * MANY})]",
    "quotes": f"[F(a='{chr(39) * MANY})]",
    "lists": f"[F({'a=[' * MANY})]",
    "sum": f"[Calculator(formula='{'1+' * MANY}1')]",
    "products": f"[Calculator(formula='{'1+1*' * MANY}1')]",
    "brackets": f"[Calculator(formula='{'(' * MANY}1+1{')' * MANY}')]",
    "digits": f"[LikeCount(post_id='{'9' * MANY}')]",
    "NUL and surrogate": "[Wiki(keyword='\0\ud800')]",
}


@pytest.fixture
def data(corpora):
    return material(corpora / "api_bank")


def due(data, name):
    return next(item for item in data.due.values() if item.gold.api == name)


def test_every_recorded_verdict_is_met_with_its_error_type(data, reference):
    rows = [row for _, row in read_jsonl(reference / "api_bank" / "verdicts.jsonl") if row["evaluable"]]
    counts = Counter(row["level"] for row in rows)
    errors = [judge(data, data.due[sample(row)], row["output"]) for row in rows]
    assert counts == {1: 623, 2: 133, 3: 160}
    assert errors == [None if row["verdict"] else row["why"] for row in rows]


def test_what_only_a_network_or_a_model_can_tell_says_so(data, reference):
    rows = [row for _, row in read_jsonl(reference / "api_bank" / "verdicts.jsonl") if not row["evaluable"]]
    errors = {(row["name"], judge(data, data.due[sample(row)], row["output"])) for row in rows}
    network = {("Dictionary", "NEEDS_NETWORK"), ("Translate", "NEEDS_NETWORK")}
    assert errors == {("ToolSearcher", "NEEDS_MODEL"), *network}


def test_the_gold_ceilings_are_the_known_ones(corpora):
    found = ceilings.ceiling(corpora / "api_bank", "official")
    assert [round(found[level].share * found[level].samples) for level in (1, 2, 3)] == [338, 80, 121]
    assert [round(found[level].most * found[level].samples) for level in (1, 2, 3)] == [338, 95, 235]


def test_a_verdict_does_not_depend_on_those_before(data, corpora):
    golds = tasks.texts(corpora / "api_bank", tasks.FILES)
    forwards = {name: judge(data, data.due[name], text) for name, text in golds.items()}
    backwards = {name: judge(data, data.due[name], golds[name]) for name in reversed(golds)}
    assert forwards == backwards


def test_samples_of_the_dialogues_are_those_of_the_official_json(data, corpora):
    assert data.due.keys() == {task.id for task in tasks.read(corpora / "api_bank")}
    assert Counter(item.level for item in data.due.values() if item.again) == {1: 10, 2: 16}
    assert sum(map(is_search, data.due.values())) == 45 + 114


@given(st.text("[]()aF=,'\" \n", max_size=40))
@settings(max_examples=1000)
def test_a_call_is_found_where_the_greedy_pattern_finds_it(text):
    found = re.search(PATTERN, text)
    assert find(text) == (found and found.groups())


@given(st.text("[]()ab1=,'\"- ", max_size=40))
@settings(max_examples=1000)
def test_arguments_are_what_the_pattern_of_alternatives_reads(text):
    read = {}
    for m in re.finditer(PARAMETER, text):
        name = next(group for group in m.groups()[::2] if group)
        read[name] = m.groups()[m.groups().index(name) + 1] if m[1] is None else m[2]
    assert arguments(text) == read


@given(st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_gets_a_named_verdict(data, draws):
    item = draws.draw(st.sampled_from(list(data.due.values())))
    values = st.text(st.characters(), max_size=8) | st.sampled_from(["2023-01-01", "²", "[1]", " ", "1/0", "(1)2"])
    given_ = draws.draw(st.dictionaries(st.sampled_from([*item.gold.input, "x"]), values))
    inside = ", ".join(f"{name}='{value}'" for name, value in given_.items())
    assert judge(data, item, f"[{item.gold.api}({inside})]") in NAMES


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_gets_a_verdict(data, text):
    for item in {item.gold.api: item for item in data.due.values()}.values():
        assert judge(data, item, text) is not None


# --- deliberate differences ----------------------------------------------------------------------------------------


def test_a_formula_that_begins_with_a_sign_is_refused_where_upstream_never_returns(data):
    assert judge(data, due(data, "Calculator"), "[Calculator(formula='-3+5')]") == "HAS_EXCEPTION"


def test_a_translation_needs_the_network_whatever_the_language(data):
    assert judge(data, due(data, "Translate"), "[Translate(src='Hello', tgt_lang='42')]") == "NEEDS_NETWORK"


def test_level_3_begins_afresh_for_every_call(data):
    item = due(data, "HotelAvailability")
    inside = ", ".join(f"{name}='{value}'" for name, value in item.gold.input.items())
    assert [judge(data, item, f"[HotelAvailability({inside})]") for _ in range(2)] == [None, None]
