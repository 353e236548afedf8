import re
from datetime import date, datetime
from random import Random
from typing import Any

import pytest

from calm.conversation import Conversation, Tool
from calm.data import calls
from calm.data.sources import grown_lists as lists
from calm.data.sources.grown import grown
from calm.data.sources.grown_extras import alike, enriched, wishing
from calm.data.sources.grown_formats import CODES, FORMATS, STATES, clock_words
from calm.data.sources.grown_formatted import families, formed, why
from calm.data.sources.grown_speech import drawn, request, speakable
from calm.data.sources.grown_wishes import DOING, LISTING, TELLING, TOPICAL, WORKING, flag, suited

WISHES = (*LISTING, *WORKING, *TELLING, *DOING, *(wish for _, wishes in TOPICAL for wish in wishes))


def of(kind, count=150):
    return [row for row in (grown(number, 3, (kind,)) for number in range(count)) if isinstance(row, Conversation)]


def tool(description="Find hotels in a city", optional=(), **properties):
    parameters = {"type": "object", "properties": properties, "required": [n for n in properties if n not in optional]}
    return speakable(Tool(name="makeIt", description=description, parameters=parameters), "test")


CITY = {"type": "string", "description": "The city, e.g. Rome, Oslo"}
DAY = {"type": "string", "description": "Day of the visit"}


def schema(tool: Tool) -> Any:
    return tool.parameters


def forms(family):
    return [(form, form.draw(Random(number))) for form in FORMATS[family] for number in range(80)]


# --- optional parameters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.name)
def test_a_wish_is_valid_and_said_as_a_sentence_or_at_the_end_of_one(wish):
    for number in range(40):
        value = wish.draw(Random(number))
        parameters = {"type": "object", "properties": {wish.name: wish.schema(Random(number))}}
        assert calls.wrong({wish.name: value.value}, parameters) is None
        assert "{" not in value.said
        assert re.fullmatch(r", .*[^.?!]|[A-Z\d].*[.?!]", value.said)
        assert value.note == ("true" if value.value is True else "false" if value.value is False else str(value.value))


def test_a_boolean_is_said_both_ways_and_never_in_the_same_words():
    for wish in (wish for wish in WISHES if wish.type == "boolean"):
        said = [(value.said, value.value) for value in (wish.draw(Random(number)) for number in range(80))]
        yes, no = ({text for text, value in said if value is way} for way in (True, False))
        assert yes
        assert no
        assert yes.isdisjoint(no)


def test_what_is_said_is_called_and_what_is_not_said_stays_out():
    for number in range(60):
        made = wishing(tool(city=CITY), Random(number), share=1)
        values = drawn(made, Random(number), extras=0.5)
        said = request(made, values, Random(number))
        for name in made.optional:
            heard = values[name].said.strip(" ,.").lower() in said.lower() if name in values else True
            assert heard
        assert schema(made.tool)["required"] == ["city"]
        assert schema(made.tool)["properties"].keys() == {"city", *made.optional}


def test_a_tool_gets_no_parameter_that_it_has_already():
    made = tool(city=CITY, maximum_price={"type": "number"}, optional=("maximum_price",))
    assert "max_price" in {wish.name for wish in suited(tool(city=CITY).tool)[0]}
    assert "max_price" not in {wish.name for wish in suited(made.tool)[0]}


def test_other_tools_get_parameters_of_ours_as_well():
    bare = [tool(city=CITY).tool] * 60
    more = [other for other in alike(bare, Random(1)) if schema(other)["properties"].keys() > {"city"}]
    assert 15 < len(more) < 45


def test_names_of_ours_follow_the_style_of_the_tool():
    limit = LISTING[0]
    assert "maxResults" in enriched(tool(homeCity=CITY), [limit], Random(1)).optional
    assert "max_results" in enriched(tool(home_city=CITY), [limit], Random(1)).optional


@pytest.mark.parametrize("kind", ["single", "choice"])
def test_about_half_of_the_single_calls_have_optional_arguments(corpora, kind):
    found = []
    for row in of(kind):
        (call,) = row.messages[-1].calls
        (used,) = [one for one in row.tools if one.name == call.name]
        found.append(len(call.arguments.keys() - set(schema(used).get("required", []))))
    assert 0.4 < sum(count > 0 for count in found) / len(found) < 0.65
    assert 0.2 < sum(count > 1 for count in found) / len(found) < 0.45


def test_a_flag_of_a_tool_is_said_by_its_name():
    assert flag("include_images", {"type": "string"}) is None
    assert flag("recursive", {"type": "boolean"}) is None
    for name in ("include_images", "exclude_images"):
        for number in range(30):
            value = flag(name, {"type": "boolean"}).draw(Random(number))
            without = bool(re.search("without|leave out|don't|skip|but not", value.said, re.IGNORECASE))
            assert value.value is (without if name.startswith("exclude") else not without)


# --- forms -----------------------------------------------------------------------------------------------------------


def test_days_are_the_same_in_words_and_in_their_form():
    patterns = {"YYYY": "%Y", "MM": "%m", "DD": "%d"}
    for form, value in forms("date"):
        pattern = "%Y-%m-%d" if "ISO" in form.name else form.name.removeprefix("as ")
        for mark, code in patterns.items():
            pattern = pattern.replace(mark, code)
        day = datetime.strptime(value.value, pattern).date()
        month = next(n for n, name in enumerate(lists.MONTHS, 1) if name in value.said)
        first, *_ = re.findall(r"\b\d{1,2}\b|\d{1,2}(?=st|nd|rd|th)", value.said)
        assert day == date(int(value.said[-4:]), month, int(first))


@pytest.mark.parametrize(
    ("hour", "minute", "words"),
    [
        (15, 0, "3 in the afternoon"),
        (12, 0, "noon"),
        (9, 30, "half past 9 in the morning"),
        (19, 45, "a quarter to 8 in the evening"),
        (12, 45, "a quarter to 1 in the afternoon"),
        (12, 15, "12:15 pm"),
        (11, 15, "a quarter past 11 in the morning"),
    ],
)
def test_times_of_day_are_said_on_the_clock_of_twelve_hours(hour, minute, words):
    assert words in clock_words(hour, minute)
    assert hour != 11 or not any("quarter to" in text for text in clock_words(hour, 45))


def test_clocks_of_both_kinds_agree_with_what_is_said():
    for form, value in forms("time"):
        digits = re.sub(r"\D", "", value.value)
        hour = int(digits[:2]) % 12 + (12 if "PM" in value.value else 0) if "AM/PM" in form.name else int(digits[:2])
        assert value.said in clock_words(hour, int(digits[2:4]))


def test_shares_are_hundredths_of_what_is_said():
    for _, value in forms("share"):
        assert value.value == pytest.approx(float(re.match(r"[\d.]+", value.said)[0]) / 100)
        assert 0 < value.value < 1


def test_cities_have_their_own_state_or_country():
    known = {city.replace("_", " "): (code, name) for code, (name, cities) in STATES.items() for city in cities.split()}
    assert len(known) == sum(len(cities.split()) for _, cities in STATES.values())
    for _, value in forms("city"):
        city, where = value.value.split(", ")
        home = {lists.HOME.get(city), *CODES.get(lists.HOME.get(city, ""), ())[:1], *known.get(city, ())}
        assert where in home
        assert value.said.startswith(city)


def test_phone_numbers_keep_their_digits():
    for form, value in forms("phone"):
        assert re.sub(r"\D", "", value.value) == re.sub(r"\D", "", value.said)
        assert value.value != value.said
        assert len(re.sub(r"\D", "", value.value)) == (11 if "+1" in value.value or "E.164" in form.name else 10)


def test_lengths_of_time_are_the_same_in_every_unit():
    for number in range(60):
        minutes, seconds, iso = (FORMATS[name][0].draw(Random(number)) for name in ("minutes", "seconds", "length"))
        if minutes.said == seconds.said == iso.said:
            hours, rest = (int(part or 0) for part in re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?", iso.value).groups())
            assert minutes.value * 60 == seconds.value == (hours * 60 + rest) * 60


def test_a_start_in_any_form_is_not_after_its_end():
    plain = tool("Get the sales", start_date=DAY, end_date=DAY)
    for number in range(80):
        wanted = formed(plain, Random(number))
        first, last = drawn(wanted.tool, Random(number)).values()
        assert int(first.said[-4:]) <= int(last.said[-4:])


def test_the_form_stands_in_the_description_with_an_example_and_in_the_thought():
    plain = tool(city=CITY, visit_date=DAY)
    assert families(plain) == {"city", "date"}
    for number in range(60):
        wanted = formed(plain, Random(number))
        values = drawn(wanted.tool, Random(number))
        for name, prop in schema(wanted.tool.tool)["properties"].items():
            assert wanted.forms[name] in prop["description"]
            assert "e.g. Rome, Oslo" not in prop["description"]
        thought = why(wanted, values, "ARGS", ("test", number))
        other = [value for value in values.values() if value.note != value.said]
        assert all(value.note in thought and value.said.lower() in thought.lower() for value in other)


def test_calls_have_the_form_and_the_user_has_the_words(corpora):
    for row in of("format"):
        (call,) = row.messages[-1].calls
        assert calls.fault(call, row.tools) is None
        assert row.state[0] == {f"{call.name}.{name}": value for name, value in call.arguments.items()}
        assert "{" not in row.messages[0].content + row.messages[-1].thought
