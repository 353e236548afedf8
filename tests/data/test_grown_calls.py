import json
import re
from collections import Counter
from random import Random

import pytest

from calm.conversation import Conversation, Tool
from calm.data.sources import grown_words as words
from calm.data.sources.grown import grown
from calm.data.sources.grown_code import EXTRAS, FOR_READING, FOR_WRITING, JAVA, JAVASCRIPT
from calm.data.sources.grown_numbers import Value, numeric
from calm.data.sources.grown_plans import given, plan
from calm.data.sources.grown_series import brief, crossed, series
from calm.data.sources.grown_speech import speakable


def of(kind, count=80):
    return [row for row in (grown(number, 3, (kind,)) for number in range(count)) if isinstance(row, Conversation)]


def last(row):
    return row.messages[-1]


@pytest.fixture
def fare():
    schema = {
        "city": {"type": "string"},
        "distance": {"type": "number", "description": "Distance in km"},
        "guests": {"type": "integer"},
    }
    parameters = {"type": "object", "properties": schema, "required": list(schema)}
    return speakable(Tool(name="getFare", description="Calculate the fare of a ride", parameters=parameters), "taxis")


# --- calls in parallel -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["same", "several"])
def test_a_plan_names_the_tool_of_each_call_and_mostly_how_many_there_are(corpora, kind):
    for row in of(kind):
        calls, thought = last(row).calls, last(row).thought
        counted = re.search(rf"\b({len(calls)}|{words.COUNT[len(calls)]})\b", thought, re.IGNORECASE)
        assert counted or thought.startswith(words.PLAN[0])
        found = [thought.rfind(call.name) for call in calls]
        assert min(found) >= 0
        named = Counter(call.name for call in calls)
        assert all(thought.count(name) >= times for name, times in named.items())


@pytest.mark.parametrize("kind", ["same", "several"])
def test_a_plan_has_the_values_of_the_calls_in_their_order(corpora, kind):
    for row in of(kind):
        place, thought = 0, last(row).thought
        for call in last(row).calls:
            for value in call.arguments.values():
                if isinstance(value, int | float):
                    place = thought.find(str(value).lower(), place)
                    assert place >= 0


def test_over_half_of_the_rows_for_one_tool_vary_several_values(corpora):
    varied = []
    for row in of("same", 200):
        sets = [call.arguments for call in last(row).calls]
        varied.append(sum(len({str(one.get(name)) for one in sets}) > 1 for name in sets[0]))
    assert 0.5 < sum(count > 1 for count in varied) / len(varied) < 0.7


def test_rows_for_several_tools_have_two_to_four_and_use_some_of_them_twice(corpora):
    shapes = Counter(tuple(sorted(Counter(c.name for c in last(row).calls).values())) for row in of("several", 300))
    assert {(1, 1), (1, 1, 1), (1, 1, 1, 1), (1, 2), (1, 3), (2, 2), (1, 1, 2)} == set(shapes)


def test_a_tool_may_be_asked_for_again_after_another(corpora):
    names = [[c.name for c in last(row).calls] for row in of("several", 300)]
    again = [row for row in names if row[0] == row[-1] and len(set(row)) > 1]
    assert len(again) > 0.03 * len(names)


def test_two_lists_of_values_are_crossed_and_each_pair_is_a_call(fare):
    found = [asked for asked in (crossed(fare, Random(number)) for number in range(60)) if asked]
    assert len(found) > 40
    for asked in found:
        said = {name: {values[name].said for _, values in asked.wanted} for name in ("city", "distance", "guests")}
        sizes = sorted(map(len, said.values()))
        assert sizes[0] == 1
        assert len(asked.wanted) == sizes[1] * sizes[2] >= 4
        assert all(value in asked.text for name in said for value in said[name])


def test_plans_leave_long_values_to_their_name_and_units_out(fare):
    values = {"city": Value("x" * 50, "x" * 50), "distance": Value(25, "25 km")}
    assert given(values) == [("city", ""), ("distance", "25")]
    for number in range(40):
        told = plan([("getFare", given(values))] * 2, ("test", number))
        assert "the city" in told
        assert told.count("25") == 2
        assert "km" not in told
        assert "{" not in told


def test_each_set_of_values_is_said(fare):
    asked = [series(fare, Random(number)) for number in range(60)]
    assert sum(found is not None for found in asked) > 50
    for found in filter(None, asked):
        assert 2 <= len(found.wanted) <= 4
        assert all(values["city"].said in found.text for _, values in found.wanted)
        assert all(values["distance"].said in found.text for _, values in found.wanted)


def test_a_set_in_few_words_begins_with_what_it_is_about(fare):
    values = {"city": Value("Oslo", "Oslo"), "distance": Value(3, "3 km"), "guests": Value(2, "two")}
    assert brief(fare, values) == "Oslo with distance 3 km and guests two"
    assert brief(fare, {"guests": Value(2, "two")}) == "guests two"


# --- values as code --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sort", "value", "written"),
    [
        ("whole", 25, {"25", "25L"}),
        ("real", 3.5, {"3.5", "3.5f"}),
        ("real", 4, {"4.0", "4.0f"}),
        ("truth", True, {"true"}),
        ("text", 'say "hi"', {'say "hi"'}),
        ("texts", ["a", 'b"c'], {r'new String[]{"a", "b\"c"}', r'new ArrayList<>(Arrays.asList("a", "b\"c"))'}),
        ("wholes", [1, 2], {"new int[]{1, 2}", "new ArrayList<>(Arrays.asList(1, 2))"}),
        ("pairs", {"k": "v"}, {'new HashMap<String, String>() {{ put("k", "v"); }}'}),
    ],
)
def test_java_is_written_as_in_source_code(sort, value, written):
    assert {form.write(value) for form in JAVA[sort]} == written


def test_javascript_reads_back_what_was_written():
    for extra in (*EXTRAS, *FOR_READING, *FOR_WRITING):
        value = extra.draw(Random(1))
        for form in JAVASCRIPT[extra.sort]:
            text = form.write(value)
            assert (text if extra.sort == "name" else json.loads(text)) == value


def test_typed_tools_take_strings_only_and_say_which_language(corpora):
    for row in of("typed"):
        (call,) = last(row).calls
        (schema,) = [tool.parameters for tool in row.tools if tool.name == call.name]
        assert {prop["type"] for prop in schema["properties"].values()} == {"string"}
        assert all(isinstance(value, str) for value in call.arguments.values())
        assert set(schema["required"]) <= call.arguments.keys() <= schema["properties"].keys()
        assert re.search(r"\bJava(Script)?\b", json.dumps(schema))
        assert re.search(r"\bJava(Script)?\b", last(row).thought)


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told", ["", "in km", "Price in USD", "in percent", "(minutes)", "in Celsius", "e.g., 10.5 km)"]
)
def test_a_number_said_with_its_unit_is_bare_in_the_call(told):
    found = numeric("price", {"type": "number", "description": told, "minimum": 1, "maximum": 2000})
    for number in range(60):
        value, said, *_ = found.draw(Random(number))
        digits = re.sub(r"[^\d.]", "", said)
        assert digits == str(value) if digits else said.split()[0] == words.COUNT.get(value, said.split()[0])


def test_years_stay_near_those_of_the_description():
    found = numeric("year", {"type": "integer", "description": "year (e.g., 2018, 2022)"})
    years = [int(found.draw(Random(number)).said) for number in range(50)]
    assert 1990 <= min(years) < max(years) <= 2025
