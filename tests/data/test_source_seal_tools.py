import json
import re
from typing import Any

import pytest

from calm.conversation import Conversation, by_name, from_row, to_row
from calm.data import calls
from calm.data.sources.grounds import said
from calm.data.sources.seal_tools import QUERIES, SealTools, read_seal_tools
from calm.errors import DataError


def tool(name, field="Sea/Tides", **kinds):
    known = {key: {"type": kind, "description": f"The {key}"} for key, kind in kinds.items()}
    return {
        "api_name": name,
        "api_description": f"{name} it",
        "field": field,
        "parameters": known,
        "required": list(kinds),
    }


SHELF = [tool("getTide", harbour="str", days="int"), tool("logTide", tide="str"), tool("getWind", place="str")]
SHELF += [tool("bakeBread", "Food/Bread", flour="str"), tool("getMoon")]


def read(tmp_path, query, *wanted, distractors=1) -> list[Any]:
    calling = [{"api": name, "parameters": given, "responses": []} for name, given in wanted]
    for name in QUERIES:
        rows = [{"id": "x", "query": query, "calling": calling}] if name == "dev.jsonl" else []
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in SHELF))
    return list(read_seal_tools(tmp_path, distractors=distractors))


def test_a_call_is_typed_and_its_distractors_are_of_its_field(tmp_path):
    (item,) = read(tmp_path, "High water in Sula for 3 days", ("getTide", {"harbour": "Sula", "days": "3"}))
    assert item.messages[1].calls[0].arguments == {"harbour": "Sula", "days": 3}
    schema: Any = by_name(item.tools)["getTide"].parameters
    assert schema["properties"]["days"]["type"] == "integer"
    assert len(item.tools) == 2
    assert "bakeBread" not in by_name(item.tools)


def test_calls_side_by_side_are_planned_with_every_value(tmp_path):
    wanted = ("getTide", {"harbour": "Sula", "days": "3"}), ("getMoon", {})
    (item,) = read(tmp_path, "High water in Sula for 3 days, and the moon", *wanted)
    thought = item.messages[1].thought
    assert re.search(r"getTide\W.*Sula.*3.*getMoon", thought)


def test_a_call_that_needs_a_result_waits_and_the_thought_says_so(tmp_path):
    first, then = ("getTide", {"harbour": "Sula", "days": 1}), ("logTide", {"tide": "API_call_0"})
    (item,) = read(tmp_path, "Get 1 day of tides in Sula and log it", first, then)
    assert [call.name for call in item.messages[1].calls] == ["getTide"]
    assert "logTide" in item.messages[1].thought
    assert "logTide" in by_name(item.tools)


def test_a_value_that_is_only_announced_is_asked_for(tmp_path):
    (item,) = read(tmp_path, "How is the wind at a specific place?", ("getWind", {"place": "place"}))
    step = item.messages[1]
    assert (step.calls, "place" in step.text, "getWind" in step.thought) == ((), True, True)


@pytest.mark.parametrize(
    ("reason", "query", "wanted"),
    [
        ("argument that the user never said", "How is the wind?", [("getWind", {"place": "Sula"})]),
        (
            "value is announced, not said",
            "Wind at a given place, and the moon",
            [("getWind", {"place": "place"}), ("getMoon", {})],
        ),
        ("every call waits for another", "Log it", [("logTide", {"tide": "API_call_0"})]),
        ("argument does not fit its type", "Sula, soon", [("getTide", {"harbour": "Sula", "days": "soon"})]),
        ("call of an unknown tool", "Sing", [("sing", {})]),
        ("query is a call", "{'api': 'getMoon'}", [("getMoon", {})]),
    ],
)
def test_what_cannot_be_converted_is_a_reject_with_its_reason(tmp_path, reason, query, wanted):
    (item,) = read(tmp_path, query, *wanted)
    assert (item.reason, bool(item.detail)) == (reason, True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2022-10-15", "on October 15th, 2022"),
        ("14:47", "at 2:47 p.m."),
        (0.05, "5% a year"),
        (1_200_000, "1.2 million"),
        (3, "for three of us"),
        ("swimming pool", "a pool to swim in"),
        (["Sula", {"n": 2}], "2 boats to Sula"),
    ],
)
def test_a_value_said_in_other_words_counts_as_said(value, text):
    assert said(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [("Sula", "to Vik"), (7, "six boats"), ("2022-10-15", "on October 16th, 2022"), (["A", "B"], "A")],
)
def test_a_value_that_nobody_said_does_not(value, text):
    assert not said(value, text)


def test_a_tool_of_another_shape_names_file_and_row(tmp_path):
    read(tmp_path, "x")
    (tmp_path / "tool.jsonl").write_text('{"name": "x"}\n')
    with pytest.raises(DataError, match=r"tool.jsonl: row 1: is no tool of Seal-Tools"):
        list(read_seal_tools(tmp_path))


def test_the_real_queries_give_calls_that_fit_and_a_limit_nests(corpora):
    items = list(SealTools(source="seal_tools").read(0))
    kept: list[Any] = [item for item in items if isinstance(item, Conversation)]
    assert (len(items), len(kept)) == (2054, 1838)
    for item in kept[::7]:
        assert from_row(to_row(item)) == item
        assert not [call for m in item.messages[1:] for call in m.calls if calls.fault(call, item.tools)]
    few = {item.id for item in SealTools(source="seal_tools", limit=30).read(0)}
    assert few < {item.id for item in SealTools(source="seal_tools", limit=60).read(0)}
