import re
from collections import Counter
from datetime import date
from random import Random

import pytest

from calm.conversation import Assistant, Conversation, Observation, Tool, User, from_row, to_row
from calm.data import calls
from calm.data.pool import pool
from calm.data.skeletons import skeletons
from calm.data.sources import grown as part
from calm.data.sources import grown_lists as lists
from calm.data.sources.grown import KINDS, Grown, grown
from calm.data.sources.grown_desk import TOOLS, fresh
from calm.data.sources.grown_sgd import SOURCE, shortened
from calm.data.sources.grown_speech import drawn, label, request, speakable
from calm.data.sources.grown_steps import played
from calm.data.sources.grown_values import maker
from calm.data.verify import verified
from calm.errors import UsageError


@pytest.fixture
def rows(corpora):
    return [grown(number, 0) for number in range(600)]


def made(row):
    return [call for m in row.messages if isinstance(m, Assistant) for call in m.calls]


def of(rows, kind):
    found = [row for row in rows if row.meta["kind"] == kind]
    assert len(found) > 5
    return found


def test_rows_are_kept_whole_and_their_calls_fit_their_tools(rows):
    for row in rows:
        assert isinstance(row, Conversation)
        assert from_row(to_row(row)) == row
        assert [calls.fault(call, row.tools) for call in made(row)] == [None] * len(made(row))
        assert len({tool.name for tool in row.tools}) == len(row.tools)
        assert len(row.state) in (0, sum(isinstance(m, User) for m in row.messages))


def test_a_row_depends_on_its_number_and_the_seed_only(rows):
    assert [grown(number, 0) for number in (411, 7)] == [rows[411], rows[7]]
    assert grown(7, 1) != rows[7]
    assert {row.meta["kind"] for row in rows} == set(KINDS)


def test_no_way_of_thinking_is_common(corpora):
    rows = [grown(number, 5) for number in range(3_000)]
    told = Counter(skeleton for row in rows for skeleton in skeletons(row))
    assert max(told.values()) < 0.005 * sum(told.values())


def test_marks_that_nobody_could_guess_are_said_by_the_user(rows):
    for row in rows:
        said = " ".join(m.content for m in row.messages if isinstance(m, User))
        if row.meta["checked"] == "schema" and row.meta["kind"] not in ("typed", "format", "keyed"):
            marks = [
                v
                for call in made(row)
                for v in call.arguments.values()
                if isinstance(v, str) and re.search(r"\d{3}", v)
            ]
            assert all(mark in said for mark in marks if not re.fullmatch(r"\d{4}-\d\d-\d\d|\d\d:\d\d", mark))


def test_who_leaves_something_out_is_asked_for_it(rows):
    for row in of(rows, "ask"):
        _, question, _, last = row.messages
        assert question.text
        assert not question.calls
        (call,) = last.calls
        before, after = (set(state) for state in row.state)
        (missing,) = {name.removeprefix(f"{call.name}.") for name in after - before}
        assert label(missing) in question.text
        assert missing in call.arguments


@pytest.mark.parametrize("kind", ["refuse", "near"])
def test_without_the_right_tool_nothing_is_called(rows, kind):
    for row in of(rows, kind):
        assert not made(row)
        assert row.tools
        assert row.meta["missing"].partition(":")[0] not in {tool.name for tool in row.tools}


def test_a_refusal_beside_a_near_tool_names_it_and_what_it_is_for(rows):
    groups = {(pooled.tool.name, pooled.tool.description): pooled.group for pooled in pool()}
    for row in of(rows, "near"):
        assert len({groups[tool.name, tool.description] for tool in row.tools}) == 1
        assert any(tool.name in (row.messages[-1].thought or "") for tool in row.tools)


def test_words_that_ask_for_nothing_are_answered_with_a_question_or_an_offer(rows):
    for row in of(rows, "vague"):
        said, step = row.messages
        assert len(said.content) < 60
        assert not step.calls
        assert "?" in step.text or "Tell me" in step.text


def test_a_tool_for_several_values_is_called_once_for_each(rows):
    for row in of(rows, "same"):
        wanted = made(row)
        assert len({call.name for call in wanted}) == 1
        assert len({str(call.arguments) for call in wanted}) == len(wanted) > 1


def test_hard_choices_are_among_tools_of_one_group(rows):
    groups = {(pooled.tool.name, pooled.tool.description): pooled.group for pooled in pool()}
    for row in of(rows, "choice"):
        assert len({groups[tool.name, tool.description] for tool in row.tools}) == 1
        assert len(row.tools) > 2


# --- the office ------------------------------------------------------------------------------------------------------


def test_every_step_in_the_office_is_computed_again():
    for number in range(200):
        row = played(Random(number), ("office", number))
        again = verified(row.model_copy(update={"meta": {}}), fresh().run)
        assert isinstance(again, Conversation)
        assert again.meta["checked"] == row.meta["checked"] == "executed"


def test_the_office_uses_all_its_tools():
    used = {call.name for number in range(300) for call in made(played(Random(number), ("o", number)))}
    assert used == set(TOOLS)


# --- requests from SGD -----------------------------------------------------------------------------------------------


def test_short_requests_keep_the_recorded_calls_and_say_their_values(corpora):
    dialogues = {item.id: item for item in SOURCE.read(0, 40)}
    rows = list(shortened(1.0, 0, 40))
    assert len(rows) > 20
    for row in rows:
        original = dialogues[row.id.removeprefix("grown-")]
        pairs = [(c.name, c.arguments) for c in made(original)]
        assert all((call.name, call.arguments) in pairs for call in made(row))
        assert sum(isinstance(m, User) for m in row.messages) == len(row.state) == 1
        seen = [m.content for m in original.messages if isinstance(m, Observation)]
        assert all(m.content in seen for m in row.messages if isinstance(m, Observation))


# --- values and sentences --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "schema", "of_type"),
    [
        ("start_date", {"type": "string"}, date.fromisoformat),
        ("quantity", {"type": "integer"}, lambda v: v + 0 if isinstance(v, int) else None),
        ("price", {"type": "number", "description": "price (e.g., 1.5, 2.5)"}, float),
        ("contact_email", {"type": "string"}, lambda v: "@" in v or None),
        ("mode", {"type": "string", "enum": ["fast", "slow"]}, ["fast", "slow"].index),
        ("cities", {"type": "array", "items": {"type": "string"}, "description": "names"}, lambda v: v or None),
        ("dish", {"type": "string", "description": "what (e.g., ramen, tacos)"}, ["ramen", "tacos"].index),
    ],
)
def test_values_have_the_declared_type(name, schema, of_type):
    found = maker(name, schema)
    tool = Tool(name="t", parameters={"type": "object", "properties": {name: schema}, "required": [name]})
    for number in range(30):
        value = found.draw(Random(number))
        assert calls.wrong({name: value.value}, tool.parameters) is None
        assert of_type(value.value) is not None


@pytest.mark.parametrize("name", ["password", "api_key", "session_id", "data", "config"])
def test_what_nobody_would_say_has_no_maker(name):
    assert maker(name, {"type": "string", "description": "a value"}) is None


def test_examples_that_name_a_kind_are_no_values():
    assert maker("audience", {"type": "string", "description": "who (e.g., age group, location)"}) is None


def test_a_request_says_each_value_once():
    schema = {
        "type": "object",
        "properties": {
            "game_name": {"type": "string", "description": "name (e.g., Go, Chess)"},
            "city": {"type": "string"},
        },
        "required": ["game_name", "city"],
    }
    tool = speakable(
        Tool(name="getRules", description="Retrieve the rules of a specific game", parameters=schema), "games"
    )
    for number in range(60):
        values = drawn(tool, Random(number))
        said = request(tool, values, Random(number))
        assert all(said.count(value.said) == 1 for value in values.values())
        assert "specific" not in said


def test_cities_and_countries_that_are_named_together_belong_together():
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "country": {"type": "string"}}}
    tool = speakable(
        Tool(name="getMap", description="Get the map of a city", parameters=schema | {"required": ["city", "country"]}),
        "maps",
    )
    values = [drawn(tool, Random(number)) for number in range(20)]
    assert all(lists.HOME[v["city"].value] == v["country"].value for v in values)


# --- the part --------------------------------------------------------------------------------------------------------


def test_pieces_are_blocks_of_rows_and_then_files_of_dialogues(corpora, monkeypatch):
    monkeypatch.setattr(part, "BLOCK", 10)
    recipe = Grown(source="grown", count=25, kinds=("steps", "chat"), dialogues=0.5)
    assert recipe.pieces() == 3 + SOURCE.pieces()
    assert [len(list(recipe.read(0, piece))) for piece in range(3)] == [10, 10, 5]
    with pytest.raises(UsageError, match="no piece"):
        list(recipe.read(0, recipe.pieces()))


def test_without_dialogues_sgd_is_not_read(corpora):
    recipe = Grown(source="grown", count=10, dialogues=0)
    assert recipe.pieces() == 1
    assert not any(name.startswith("sgd") for name in recipe.files())
    assert recipe.stands_in_for
