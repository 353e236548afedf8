import json
from typing import Any

import pytest

from calm.conversation import Assistant, Conversation, Observation, User, from_row, to_row
from calm.data import calls
from calm.data.sources.toolrl import STOCK, ToolRl, read_toolrl
from calm.errors import DataError

PROMPT = """You use tools.

1. Name: tide_table
Description: High water by harbour.
Parameters: {"harbour": {"description": "Where", "type": "str", "default": ""}, "days": {"type": "int, optional"}}
2. Name: wind
Description: Wind now.
Parameters: {"at": {"type": "List[float]", "default": ""}, "unit": {"type": "str", "default": "kn"}}

**Steps for Each Turn**
1. **Think**"""


def read(tmp_path, output, history="<user> High water in Sula? </user>") -> list[Any]:
    folder = tmp_path / "rlla_4k_raw"
    folder.mkdir(exist_ok=True)
    row = {"instruction": PROMPT, "input": f"**Dialogue Records History**\n{history}", "output": output}
    (folder / "rlla_sft.json").write_text(json.dumps([row]))
    return [next(read_toolrl(tmp_path))]


def called(*wanted, thought="I should use the appropriate tool with proper parameters to respond to the user's need."):
    lines = "\n".join(json.dumps({"name": name, "parameters": given}) for name, given in wanted)
    return f"<think> {thought} </think>\n<tool_call>\n{lines}\n</tool_call>"


def test_tools_become_json_schema_and_a_default_or_the_word_makes_optional(tmp_path):
    (item,) = read(tmp_path, called(("tide_table", {"harbour": "Sula"})))
    tide, wind = (tool.parameters for tool in item.tools)
    assert (tide["required"], tide["properties"]["days"]) == (["harbour"], {"type": "integer"})
    assert (wind["required"], wind["properties"]["unit"]["default"]) == (["at"], "kn")
    assert wind["properties"]["at"] == {"type": "array", "items": {"type": "number"}}


def test_a_parameter_that_some_call_of_the_row_does_without_is_not_required(tmp_path):
    (item,) = read(tmp_path, called(("wind", {})))
    assert "required" not in item.tools[1].parameters
    assert item.tools[0].parameters["required"] == ["harbour"]


def test_values_are_brought_to_their_types_and_null_is_left_out(tmp_path):
    (item,) = read(tmp_path, called(("wind", {"at": "[1.5, 2]", "unit": None})))
    assert item.messages[1].calls[0].arguments == {"at": [1.5, 2]}


def test_a_stock_thought_is_replaced_and_an_own_one_keeps_opening_and_tool(tmp_path):
    own = (
        "Okay, the user wants high water in Sula. Let me check the tools. The moon has nothing to do with it. "
        "So tide_table fits. I format it as JSON."
    )
    (stock,) = read(tmp_path, called(("tide_table", {"harbour": "Sula"})))
    (kept,) = read(tmp_path, called(("tide_table", {"harbour": "Sula"}), thought=own))
    assert "appropriate tool" not in stock.messages[1].thought
    assert "Sula" in stock.messages[1].thought
    assert kept.messages[1].thought == "The user wants high water in Sula. tide_table fits."


def test_the_history_becomes_turns_again_with_its_observations(tmp_path):
    history = (
        "<user> High water? </user>\n<think> x </think>\n"
        '<tool_call>\n{"name": "tide_table", "parameters": {"harbour": "Sula"}}\n</tool_call>\n'
        '<obs> [{"name": "tide_table", "results": {"at": "4:10"}}] </obs>\n<response> At 4:10. </response>\n'
        "<user> Thanks! </user>"
    )
    (item,) = read(tmp_path, "<think> They leave. </think>\n<response> Bye! </response>", history)
    assert [type(m) for m in item.messages] == [User, Assistant, Observation, Assistant, User, Assistant]
    assert (item.messages[2].content, item.messages[-1].text) == ('{"at": "4:10"}', "Bye!")
    assert item.meta["checked"] == "replayed"


def test_a_dialogue_written_into_one_message_is_taken_apart(tmp_path):
    played = (
        "Role definition: ... Historical dialog data is as follows:\nInquirer: High water?\n"
        "Response assistant: Could you tell me the harbour?\nInquirer: Sula.\n\n Please continue your answer given it."
    )
    (item,) = read(tmp_path, called(("tide_table", {"harbour": "Sula"})), f"<user> {played} </user>")
    said = [getattr(m, "content", None) or m.text for m in item.messages[:3]]
    assert said == ["High water?", "Could you tell me the harbour?", "Sula."]


@pytest.mark.parametrize(
    ("reason", "output"),
    [
        ("argument cut at a comma", called(("tide_table", {"harbour": '[{"name": "Sula"'}))),
        ("call of an unknown tool", called(("waves", {}))),
        ("argument does not fit its type", called(("wind", {"at": "here"}))),
        ("calls cannot be read", "<think> x </think> <tool_call>\n{nothing\n</tool_call>"),
        ("step cannot be read", "<think> x </think> done"),
    ],
)
def test_what_cannot_be_converted_is_a_reject_with_its_reason(tmp_path, reason, output):
    (item,) = read(tmp_path, output)
    assert (item.reason, bool(item.detail)) == (reason, True)


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    read(tmp_path, called(("wind", {})))
    (tmp_path / "rlla_4k").mkdir()
    (tmp_path / "rlla_4k" / "test.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"test.parquet: is no Parquet file"):
        list(read_toolrl(tmp_path))


def test_of_the_real_rows_nine_in_ten_are_kept_and_no_stock_thought_is_left(corpora):
    items = list(ToolRl(source="toolrl").read(0))
    kept = [item for item in items if isinstance(item, Conversation)]
    assert (len(items), len(kept)) == (480, 441)
    for item in kept:
        assert from_row(to_row(item)) == item
        steps = [m for m in item.messages if isinstance(m, Assistant)]
        assert all(step.thought and not STOCK.search(step.thought) for step in steps)
        assert not [call for step in steps for call in step.calls if calls.fault(call, item.tools)]
