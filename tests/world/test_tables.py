import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.conversation import Assistant, Call, Conversation, Observation, Tool, User
from calm.world.tables import Recorded, Recording, Tables, observation

FIND = Tool(
    name="find",
    parameters={
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "food": {"type": "string", "enum": ["thai", "greek"]},
            "seats": {"type": "integer", "default": 2},
            "note": {"type": "string"},
        },
        "required": ["city"],
    },
)
BOOK = Tool(
    name="book",
    parameters={
        "type": "object",
        "properties": {"name": {"type": "string"}, "time": {"type": "string"}},
        "required": ["name", "time"],
    },
)
ROWS = [
    {"city": "Norvik", "food": "thai", "name": "A", "seats": 2},
    {"city": "Norvik", "food": "greek", "name": "B", "seats": 2},
    {"city": "Eldham", "food": "thai", "name": "C", "seats": 2},
    {"city": "Norvik", "food": "thai", "name": "D", "seats": 4},
]


def call(tool, **arguments):
    return Call(name=tool, arguments=arguments)


def recorded(tool, rows, shown=3, **arguments):
    return Recording(call(tool, **arguments), observation(rows, shown), rows)


def names(text):
    return [row["name"] for row in json.loads(text)["results"]]


LOOKED = (
    recorded("find", [ROWS[0], ROWS[1]], city="Norvik"),
    recorded("find", [ROWS[2]], city="Eldham", food="thai"),
    recorded("find", [ROWS[3]], city="Norvik", seats=4),
)
BOOKED = (
    recorded("book", [{"name": "A", "time": "12:00"}], name="A", time="12:15"),
    recorded("book", [], name="B", time="19:00"),
)


def tables(*recordings, **settings):
    return Tables((FIND, BOOK), recordings or (*LOOKED, *BOOKED), **settings)


def test_a_call_that_the_corpus_never_made_is_answered_from_the_rows():
    world = tables()
    assert names(world.run(call("find", city="Norvik", food="greek"))) == ["B"]
    assert names(world.run(call("find", city="Brae Point"))) == []
    assert (world.computed, world.looked_up) == (2, 0)


def test_what_the_corpus_recorded_is_computed_and_equal_to_the_byte():
    world = tables()
    for recording in (*LOOKED, *BOOKED):
        answer = world.run(recording.call)
        assert (answer, isinstance(answer, Recorded)) == (recording.content, False)


def test_an_argument_that_is_not_sent_has_its_default_and_one_that_is_no_column_passes():
    world = tables()
    assert names(world.run(call("find", city="Norvik"))) == ["A", "B"]
    assert names(world.run(call("find", city="Norvik", note="quiet"))) == ["A", "B"]
    assert names(world.run(call("find", city="dontcare", food="thai"))) == ["A", "C"]


@pytest.mark.parametrize(("time", "booked"), [("12:00", 1), ("12:30", 1), ("11:30", 1), ("12:31", 0), ("late", 0)])
def test_the_nearest_time_is_booked_up_to_half_an_hour_away(time, booked):
    assert json.loads(tables().run(call("book", name="A", time=time)))["count"] == booked


def test_what_no_rule_gives_is_looked_up_and_says_so():
    world = tables(*LOOKED, recorded("find", [ROWS[1]], city="Norvik", note="loud"))
    answer = world.run(call("find", city="Norvik", note="loud"))
    assert (isinstance(answer, Recorded), names(answer), world.looked_up) == (True, ["B"], 1)


def test_an_answer_may_change_after_a_write_and_only_then():
    again = (LOOKED[0], BOOKED[0], recorded("find", [ROWS[1]], city="Norvik"))
    changing, still = tables(*again, writing={"book"}), tables(*again)
    assert [changing.run(r.call) for r in again] == [r.content for r in again]
    assert still.run(again[2].call) == still.run(again[2].call) != again[2].content


def test_rows_keep_the_order_of_the_answers_whichever_came_first():
    narrow, wide = recorded("find", [ROWS[1]], city="Norvik", food="greek"), LOOKED[0]
    for order in ((narrow, wide), (wide, narrow)):
        assert names(tables(*order).run(wide.call)) == ["A", "B"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (call("find"), {"error": "find needs the argument 'city'", "required": ["city"]}),
        (
            call("find", city="N", colour="red"),
            {"error": "find has no argument 'colour'", "takes": ["city", "food", "seats", "note"]},
        ),
        (
            call("find", city="N", food="swiss"),
            {"error": "find: argument 'food' is 'swiss'", "allowed": ["thai", "greek"]},
        ),
        (call("find", city="N", seats="2"), {"error": "find: argument 'seats' is '2', not of type integer"}),
        (call("find", city="N", seats=True), {"error": "find: argument 'seats' is True, not of type integer"}),
        (call("fly"), {"error": "no tool 'fly'", "tools": ["find", "book"]}),
    ],
)
def test_a_call_that_the_schema_forbids_is_told_what_is_allowed(wrong, told):
    world = tables(writing={"find"})
    assert json.loads(world.run(wrong)) == told
    assert (world.computed, world.looked_up) == (0, 0)


def test_of_two_tools_of_one_name_the_one_that_fits_is_meant():
    other = Tool(name="find", parameters={"type": "object", "properties": {"town": {"type": "string"}}})
    world = Tables((FIND, other), LOOKED)
    assert "error" not in json.loads(world.run(call("find", town="Norvik")))
    assert "error" in json.loads(world.run(call("find", village="Norvik")))


def test_a_conversation_gives_its_own_observations_again():
    calls = (call("find", city="Norvik"), call("find", city="Eldham").model_copy(update={"id": "call_1"}))
    heard = (
        Observation(content=observation(ROWS[:2], 1), call="call_0"),
        Observation(content="it rains", call="call_1"),
    )
    world = Tables.of(Conversation(tools=(FIND,), messages=(User(content="x"), Assistant(calls=calls), *heard)))
    assert [world.run(c) for c in calls] == [h.content for h in heard]
    assert "error" in world.run(call("find"))


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y", "z"])), min_size=1, max_size=8, unique=True
    )
)
def test_any_table_asked_in_its_own_order_is_computed(pairs):
    rows = [{"city": city, "food": food} for city, food in pairs]
    tool = Tool(name="find", parameters={"type": "object", "properties": {"city": {}, "food": {}}})
    asked = [{}, *({"city": c} for c in "ab"), *({"food": f} for f in "xyz")]
    answers = [[r for r in rows if wanted.items() <= r.items()] for wanted in asked]
    world = Tables([tool], [recorded("find", found, **wanted) for wanted, found in zip(asked, answers, strict=True)])
    for wanted, found in zip(asked, answers, strict=True):
        assert world.run(call("find", **wanted)) == observation(found, 3)
    assert world.looked_up == 0
