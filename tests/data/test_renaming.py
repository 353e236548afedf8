"""Renaming changes names and nothing else, and can be undone; Hammer's masking keeps the gold call good."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.conversation import TOOL_NAME, Assistant, Call, Conversation, Observation, System, Tool, User
from calm.data import calls, renaming
from calm.data.renaming import masked, random_names, rename, renamed, restyled
from calm.data.sources.sample import Sample
from calm.files import dumps
from tests.laws.strategies import conversations, same

SHAPE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]{4,14}")
INNER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]{3,9}")
words = st.sampled_from(
    ["get_weather", "findHotels", "a.b.c", "search", "Payment", "Get Suggestion", "user-info", "x1"]
)
slots = st.sampled_from(["city", "check_in_date", "numResults", "q", "user_id"])


def keys(tool) -> dict[str, Any]:
    return tool.parameters["properties"]


def tool(name, properties, text="") -> Tool:
    return Tool(name=name, description=text, parameters=calls.parameters(properties))


@st.composite
def tasks(draw) -> Conversation:
    """Tools, calls that fit them, and thoughts, notes and errors that speak of both."""
    tools = [
        tool(
            name, {slot: {"type": "str"} for slot in draw(st.sets(slots, min_size=1))}, f"Not {draw(words)}, but this."
        )
        for name in draw(st.sets(words, min_size=1))
    ]
    messages: list[Any] = [System(content=f"Prefer {draw(words)}."), User(content=f"Please use {draw(words)} now.")]
    for chosen in draw(st.lists(st.sampled_from(tools), max_size=3)):
        call = Call(name=chosen.name, arguments=dict.fromkeys(keys(chosen), draw(words)))
        messages.append(Assistant(thought=f"I call {chosen.name} ({next(iter(keys(chosen)))}).", calls=(call,)))
        messages.append(
            Observation(content=dumps({"error": f"{chosen.name}: {draw(slots)} is wrong"}), name=chosen.name)
        )
    return Conversation(tools=tuple(tools), messages=tuple(messages), state=({"search": "q"},))


@given(conversations() | tasks(), st.integers())
def test_renaming_is_a_bijection_that_can_be_undone(conversation, key):
    names = random_names(conversation, key)
    new = [*names.tools.values(), *{name for inside in names.parameters.values() for name in inside.values()}]
    assert len(set(new)) == len(new)
    assert set(names.tools) == {tool.name for tool in conversation.tools}
    assert all(SHAPE.fullmatch(name) and TOOL_NAME.match(name) for name in names.tools.values())
    assert all(INNER.fullmatch(name) for inside in names.parameters.values() for name in inside.values())
    assert same(rename(rename(conversation, names), names.inverse), conversation)


@given(tasks(), st.integers())
def test_gold_calls_fit_after_renaming_and_user_values_and_state_stay(conversation, key):
    for other in (renamed(conversation, key), restyled(conversation, key)):
        before = [m.calls[0] for m in conversation.messages if isinstance(m, Assistant)]
        after = [m.calls[0] for m in other.messages if isinstance(m, Assistant)]
        assert [calls.fault(call, other.tools) for call in after] == [None] * len(before)
        assert [list(call.arguments.values()) for call in after] == [list(call.arguments.values()) for call in before]
        assert (other.messages[1], other.state) == (conversation.messages[1], conversation.state)


@given(tasks(), st.integers())
def test_no_original_name_is_left_where_tools_are_spoken_of(conversation, key):
    other: Any = renamed(conversation, key)
    for old in (tool.name for tool in conversation.tools):
        word = re.compile(rf"(?<![\w.]){re.escape(old)}(?![\w.])")
        for message in other.messages:
            if isinstance(message, Assistant):
                assert old not in [call.name for call in message.calls]
                assert len(old) < 4 or not word.search(message.thought or "")
            elif isinstance(message, Observation):
                assert message.name != old
                assert not word.search(message.content)
        if not renaming._wordlike(old):
            assert not word.search(other.messages[0].content)
            assert not any(word.search(tool.description) for tool in other.tools)
        assert old not in [tool.name for tool in other.tools]


def test_names_depend_on_the_key_alone():
    one = Conversation(tools=(tool("findHotels", {"city": {"type": "str"}}),))
    assert renamed(one, "k", 1) == renamed(one, "k", 1) != renamed(one, "k", 2)
    assert list(keys(renamed(one, 1, parameters=False).tools[0])) == ["city"]
    assert len({renamed(one, key).tools[0].name for key in range(200)}) == 200


def test_an_ordinary_word_is_replaced_only_where_a_tool_is_meant():
    said = (
        System(content="Use search for this. Do not search twice."),
        User(content="search it"),
        Assistant(thought="Time for search.", text="I search the web."),
    )
    given_tool = tool("search", {"q": {"type": "str", "description": "What to search"}}, "Full search of the web")
    other: Any = renamed(Conversation(tools=(given_tool,), messages=said), 0)
    new = other.tools[0].name
    assert other.messages[0].content == f"Use {new} for this. Do not search twice."
    assert other.messages[1].content == "search it"
    assert (other.messages[2].thought, other.messages[2].text) == (f"Time for {new}.", "I search the web.")
    assert other.tools[0].description == "Full search of the web"


def test_a_name_inside_a_longer_name_is_another_name():
    tools = (tool("find", {}), tool("find.hotels", {}), tool("find_hotels", {}))
    said = Assistant(thought="Not find_hotels_now but find.hotels, then find_hotels; find.pdf is a file.")
    names = random_names(Conversation(tools=tools), 0).tools
    other: Any = renamed(Conversation(tools=tools, messages=(said,)), 0)
    expected = f"Not find_hotels_now but {names['find.hotels']}, then {names['find_hotels']}; find.pdf is a file."
    assert other.messages[0].thought == expected


def test_an_error_speaks_of_the_new_names():
    given_tool = tool("book_table", {"day": {"type": "str"}})
    seen = Observation(content='{"error": "book_table needs the argument \'day\'"}', name="book_table")
    call = Assistant(calls=(Call(name="book_table", arguments={}),))
    names = random_names(Conversation(tools=(given_tool,), messages=(call, seen)), 0)
    other: Any = renamed(Conversation(tools=(given_tool,), messages=(call, seen)), 0)
    new = names.parameters["book_table"]["day"]
    assert other.messages[1].content == f'{{"error": "{names.tools["book_table"]} needs the argument \'{new}\'"}}'


def test_styles_are_the_usual_ones_and_a_clash_leaves_names_alone():
    tools = (tool("getUserInfo", {"userId": {"type": "str"}}), tool("list_all", {"page": {"type": "int"}}))
    seen = {tuple(t.name for t in restyled(Conversation(tools=tools), key).tools) for key in range(60)}
    assert seen == {
        ("get_user_info", "list_all"),
        ("getUserInfo", "listAll"),
        ("GetUserInfo", "ListAll"),
        ("get.user_info", "list.all"),
        ("get-user-info", "list-all"),
    }
    twins = Conversation(tools=(tool("get_user", {}), tool("getUser", {})))
    assert all(restyled(twins, key).tools == twins.tools for key in range(20))


def test_the_sample_survives_renaming_and_back():
    for item in Sample(source="sample").read(0):
        assert isinstance(item, Conversation)
        names = random_names(item, item.id)
        assert same(rename(rename(item, names), names.inverse), item)
        assert all(
            t.name not in dumps([m.thought for m in renamed(item, 1).messages if isinstance(m, Assistant)])
            for t in item.tools
        )


# --- Hammer's masking ------------------------------------------------------------------------------------------------


def asked(query, arguments, **properties) -> Conversation:
    """One query over one tool and its twin, answered by one call."""
    one = tool("rates", properties, "Rates of a day")
    answer = Assistant(calls=(Call(name="rates", arguments=arguments),))
    return Conversation(tools=(one, one, tool("other", {"n": {"type": "int"}})), messages=(User(content=query), answer))


def parts(conversation) -> tuple[Any, str, dict[str, Any]]:
    """The called tool, the query, and the arguments by the description of their parameter."""
    call = conversation.messages[1].calls[0]
    called = next(tool for tool in conversation.tools if tool.name == call.name)
    named = {keys(called)[key]["description"].partition(" ")[0]: value for key, value in call.arguments.items()}
    return called, conversation.messages[0].content, named


def test_a_default_that_the_answer_uses_changes_everywhere():
    base = {"type": "str", "default": "EUR", "description": "base currency, EUR if not given"}
    for key in range(20):
        called, query, values = parts(masked(asked("Rates in eur today?", {"base": "EUR"}, base=base), key))
        new = values["base"]
        assert new != "EUR"
        assert query == f"Rates in {new} today?"
        assert next(iter(keys(called).values())) == {
            **calls.schema(base),
            "default": new,
            "description": f"base currency, {new} if not given",
        }


@pytest.mark.parametrize(
    ("query", "arguments", "spec"),
    [
        ("Rates for EURO zone", {"base": "EUR"}, {"type": "str", "default": "EUR"}),
        ("Two days", {"base": 2}, {"type": "int", "default": 2}),
        ("Rates", {"base": True}, {"type": "bool", "default": True}),
        ("Rates", {"base": "a"}, {"type": "str", "default": "a", "enum": ["a", "b"]}),
        ("Rates", {"base": "USD"}, {"type": "str", "default": "EUR"}),
        ("From EUR", {"base": "EUR", "to": "EUR"}, {"type": "str", "default": "EUR"}),
        ("Rates of 12.5", {"base": 12}, {"type": "int", "default": 12}),
    ],
)
def test_a_default_stays_where_the_query_could_not_follow(query, arguments, spec):
    conversation = asked(
        query, arguments, base={**spec, "description": "base"}, to={"type": "str", "description": "to"}
    )
    for key in range(5):
        called, said, values = parts(masked(conversation, key))
        assert (said, values) == (query, arguments)
        assert spec["default"] in [value.get("default") for value in keys(called).values()]


@given(st.integers(), st.sampled_from([3, 2.5, "EUR", "New York"]), st.booleans())
def test_the_masked_gold_call_fits_its_tool_and_tools_are_unique(key, value, given_in_query):
    kind = {int: "int", float: "float", str: "str"}[type(value)]
    conversation = asked(
        f"Rates for {value}." if given_in_query else "Rates.",
        {"base": value, "day": "Monday"},
        base={"type": kind, "default": value, "description": "base"},
        day={"type": "str", "description": "day"},
    )
    other: Any = masked(conversation, key)
    assert len({tool.name for tool in other.tools}) == len(other.tools) == 2
    assert calls.fault(other.messages[1].calls[0], other.tools) is None
    assert not {"rates", "other", "base", "day"} & {
        *re.findall(r"\w+", json.dumps([[t.name, *keys(t)] for t in other.tools]))
    }
    _, query, values = parts(other)
    assert values["day"] == "Monday"
    assert (str(values["base"]) in query) == given_in_query


def test_masking_shuffles_tools_by_key():
    many = Conversation(tools=tuple(tool(f"tool{i}", {}, f"does {i}") for i in range(6)), messages=(User(content="x"),))
    orders = {tuple(t.description for t in masked(many, key).tools) for key in range(50)}
    assert len(orders) > 40
    assert masked(many, 1) == masked(many, 1)
