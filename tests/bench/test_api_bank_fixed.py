"""The protocol without upstream's faults: gold is all right, near misses are not, and its reading takes any text."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calm.bench.api_bank import ceilings
from calm.bench.api_bank.due import is_search
from calm.bench.api_bank.fixed import before, sought
from calm.bench.api_bank.request import parse_request, parse_requests
from calm.conversation import Call

MANY = 20_000


@pytest.fixture
def judged(corpora):
    return ceilings.judge_of(corpora / "api_bank", "fixed")


def due(data, name, **known):
    fits = lambda gold: gold.api == name and known.items() <= gold.input.items()  # noqa: E731
    return next(item for item in data.due.values() if fits(item.gold))


def written(item, **changed):
    inside = ", ".join(f"{name}='{value}'" for name, value in {**item.gold.input, **changed}.items())
    return f"[{item.gold.api}({inside})]"


def test_every_gold_call_is_right_and_those_due_twice_count_once(corpora):
    found = ceilings.ceiling(corpora / "api_bank", "fixed")
    assert {level: most.share for level, most in found.items()} == {1: 1, 2: 1, 3: 1}
    assert [most.samples for most in found.values()] == [389, 119, 245]


def test_lists_are_read_and_compared(judged):
    data, judge = judged
    item = due(data, "QueryMeeting", meeting_topic="Sales Meeting")
    assert judge(item, written(item)) is None
    assert judge(item, written(item, attendees=["Nobody"])) == "INPUT_MISMATCH"
    record = due(data, "RecordHealthData")
    other = [{"name": "weight", "value": "1"}]
    assert judge(record, written(record, health_data=other)) == "INPUT_MISMATCH"


def test_renamed_parameters_are_taken_under_either_name(judged):
    data, judge = judged
    item = due(data, "TimedSwitch")
    assert judge(item, written(item)) is None
    assert judge(item, written(item).replace("device_id", "name")) is None
    assert judge(item, written(item).replace("device_id", "label")) == "INVALID_INPUT_PARAMETER"


def test_earlier_calls_of_the_dialogue_have_happened(judged):
    data, judge = judged
    item = due(data, "ForgotPassword", status="Verification Code")
    assert item.earlier
    assert judge(item, written(item)) is None
    assert judge(item, written(item, verification_code="111111")) == "HAS_EXCEPTION"
    assert before(data, item)["forgetful"]


def test_online_look_ups_are_judged_by_their_request(judged):
    data, judge = judged
    item = due(data, "Translate")
    assert judge(item, written(item, tgt_lang=item.gold.input["tgt_lang"].upper())) is None
    assert judge(item, written(item, src="Something else")) == "INPUT_MISMATCH"


def test_a_search_is_judged_by_the_tool_it_finds(judged):
    data, judge = judged
    item = next(item for item in data.due.values() if is_search(item) and sought(item.gold) == "QueryMeeting")
    assert judge(item, "[ToolSearcher(keywords='query a meeting')]") is None
    assert judge(item, "[ToolSearcher(keywords='dictionary')]") == "NOT_FOUND"


def test_a_second_request_is_a_second_request():
    assert [call.arguments for call in parse_requests("[F(a='1')], [F(a='2')]")] == [{"a": "1"}, {"a": "2"}]
    assert [call.name for call in parse_requests("[F(a='1'), G(a='2')]")] == ["F", "G"]


def test_text_after_a_request_is_no_part_of_it():
    assert parse_request("[F(a='1', b=2)] Done (see above)]") == Call(name="F", arguments={"a": "1", "b": "2"})
    assert parse_request("[F(a='[x (y)] z')] done (really)") == Call(name="F", arguments={"a": "[x (y)] z"})


@given(
    st.dictionaries(st.from_regex(r"[a-z_]{1,6}", fullmatch=True), st.text(st.characters(exclude_characters="'[{)](")))
)
def test_what_is_written_is_read_back(arguments):
    text = ", ".join(f"{name}='{value}'" for name, value in arguments.items() if "=" not in value)
    kept = {name: value for name, value in arguments.items() if "=" not in value}
    assert parse_request(f"[F({text})]") == Call(name="F", arguments=kept)


@given(st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_gets_a_verdict(judged, draws):
    data, judge = judged
    item = draws.draw(st.sampled_from(list(data.due.values())))
    odd = st.text(max_size=6) | st.sampled_from(["[]", "[1]", "[{}]", "{}", "[{'name': []}]", "²"])
    text = written(item, **draws.draw(st.dictionaries(st.sampled_from([*item.gold.input, "x"]), odd)))
    assert judge(item, text) is None or judge(item, text).isupper()


HOSTILE = {
    "heads": "[a(" * MANY,
    "quotes": "[F(" + "a='b" * MANY + ")]",
    "word": f"[F({'a' * MANY})]",
    "names": f"[F({'a=b ' * MANY}')]",
    "brackets": f"[F(a='{'[' * MANY}')]",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_read_to_its_end(judged, text):
    data, judge = judged
    assert judge(due(data, "Wiki"), text.replace("F(", "Wiki(")) is not None
