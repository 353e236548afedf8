import json
from typing import Any

import pytest

from calm.conversation import Assistant, Conversation, Observation, from_row, to_row
from calm.data import Reject, calls
from calm.data.sources.toolace import HUB, ToolAce, read_toolace
from calm.errors import DataError, HubError

SLOTS = {"harbour": {"type": "string"}, "days": {"type": "int"}}
TIDE: dict[str, Any] = {
    "name": "Tide Table",
    "description": "High water by harbour.",
    "parameters": {"type": "dict", "properties": SLOTS, "required": ["harbour"]},
}
MOON: dict[str, Any] = {
    "name": "Moon Table",
    "description": "Phases.",
    "parameters": {"type": "dict", "properties": {}},
}
ASKED = {"from": "user", "value": 'When is high water in "Sula"?'}


def read(tmp_path, *turns, tools=(TIDE,)) -> list[Any]:
    row = {"system": f"Compose functions.\n{json.dumps(list(tools))}. Answer.", "conversations": [ASKED, *turns]}
    (tmp_path / "data.json").write_text(json.dumps([row]))
    return list(read_toolace(tmp_path / "data.json"))


def called(text):
    return {"from": "assistant", "value": text}


def test_calls_in_brackets_are_read_with_blanks_commas_brackets_and_json_words(tmp_path):
    item = read(
        tmp_path, called("[Tide Table(harbour=\"Sula (old), west\", days=2), Tide Table(harbour='B', days=null)]")
    )
    assert [call.arguments for call in item[0].messages[1].calls] == [
        {"harbour": "Sula (old), west", "days": 2},
        {"harbour": "B"},
    ]


@pytest.mark.parametrize("text", ["[Tide Table(harbour=open('x'))]", "[Tide Table('Sula')]", "[Tide Table(harbour=)]"])
def test_what_is_no_literal_keyword_argument_is_rejected(tmp_path, text):
    assert [item.reason for item in read(tmp_path, called(text))] == ["calls cannot be read"]


def test_a_reply_that_begins_with_a_bracket_is_a_reply(tmp_path):
    (item,) = read(tmp_path, called("[Note] I am sorry, I have no tide table (yet)."))
    assert item.messages[1].text.startswith("[Note]")


def test_parallel_observations_answer_their_calls_in_order(tmp_path):
    seen = [{"name": "Tide Table", "results": {"at": n}} for n in (4, 5)]
    tool = {"from": "tool", "value": json.dumps(seen)}
    (item,) = read(tmp_path, called('[Tide Table(harbour="A"), Tide Table(harbour="B")]'), tool, called("At 4 and 5."))
    assert [(m.call, m.content) for m in item.messages if isinstance(m, Observation)] == [
        ("call_0", '{"at": 4}'),
        ("call_1", '{"at": 5}'),
    ]
    assert item.meta["checked"] == "replayed"


def test_a_name_cut_to_its_last_word_is_repaired_by_the_tool_that_answered(tmp_path):
    cut = {"from": "function_call", "value": json.dumps({"name": "Table", "arguments": {}})}
    seen = {"from": "observation", "value": json.dumps([{"name": "Moon Table", "results": {"phase": "new"}}])}
    (item,) = read(tmp_path, cut, seen, called("New moon."), tools=(TIDE, MOON))
    assert item.messages[1].calls[0].name == "Moon Table"


def test_a_cut_name_that_two_tools_could_have_is_rejected(tmp_path):
    cut = {"from": "function_call", "value": json.dumps({"name": "Table", "arguments": {}})}
    (item,) = read(tmp_path, cut, tools=(MOON, {**MOON, "name": "Sun Table"}))
    assert (item.reason, item.detail) == (
        "call of a tool whose name was cut",
        "Table may be Moon Table or Sun Table",
    )


def test_a_value_cut_at_a_comma_of_the_users_own_words_is_rejected(tmp_path):
    longer = {"from": "user", "value": 'Check "Sula, west pier" for me.'}
    (item,) = read(tmp_path, called("Which day?"), longer, called('[Tide Table(harbour="Sula")]'))
    assert item.reason == "argument cut at a comma"


def test_a_name_that_no_syntax_can_carry_is_rewritten_and_remembered(tmp_path):
    odd = {**TIDE, "name": "/Tide's Table (full)"}
    cut = {"from": "function_call", "value": json.dumps({"name": "(full)", "arguments": {"harbour": "Sula"}})}
    (item,) = read(tmp_path, cut, tools=(odd,))
    assert item.messages[1].calls[0].name == item.tools[0].name == "Tides Table full"
    assert item.meta["names"] == {"Tides Table full": "/Tide's Table (full)"}


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("call of an unknown tool", '[Wind Rose(harbour="Sula")]'),
        ("call has an argument that its tool lacks", '[Tide Table(harbour="Sula", colour="red")]'),
        ("call lacks a required argument", "[Tide Table(days=2)]"),
        ("argument does not fit its type", '[Tide Table(harbour="Sula", days="soon")]'),
        ("empty text", " "),
    ],
)
def test_what_does_not_fit_its_tools_is_a_reject_with_its_reason(tmp_path, reason, text):
    (item,) = read(tmp_path, called(text))
    assert (item.reason, bool(item.detail)) == (reason, True)


def test_a_row_of_another_shape_and_a_folder_without_data_are_named(tmp_path):
    with pytest.raises(DataError, match=r"holds no data.json"):
        ToolAce(source="toolace", path=str(tmp_path)).files()
    (tmp_path / "data.json").write_text('[{"conversations": []}]')
    with pytest.raises(DataError, match=r"data.json: row 1: .*'system'"):
        list(ToolAce(source="toolace", path=str(tmp_path)).read(0))


def test_without_corpora_the_stand_in_says_what_to_set(monkeypatch):
    monkeypatch.delenv("CALM_DATA", raising=False)
    part = ToolAce(source="toolace")
    assert (HUB in part.stands_in_for, part.expected()) == (True, None)
    assert ToolAce(source="toolace", paper="toolace").expected() == 13_819
    with pytest.raises(HubError, match="CALM_DATA"):
        part.files()


def test_of_the_hundred_dialogues_most_are_kept_and_every_call_fits(corpora):
    items = list(ToolAce(source="toolace").read(0))
    kept: list[Any] = [item for item in items if isinstance(item, Conversation)]
    assert (len(items), len(kept)) == (100, 91)
    for item in kept:
        assert from_row(to_row(item)) == item
        steps = [m for m in item.messages if isinstance(m, Assistant)]
        assert all(step.thought for step in steps)
        assert not [call for step in steps for call in step.calls if calls.fault(call, item.tools)]
    assert sum(isinstance(item, Reject) for item in items) == 9
