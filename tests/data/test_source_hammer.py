"""The Hammer part: xLAM's rows from a user's files, a stand-in without them, and the form of the published examples."""

import json
import re
from itertools import chain
from typing import Any

import pytest

from calm.conversation import Assistant, Conversation, Tool, from_row, to_row
from calm.data import Reject, calls
from calm.data.renaming import masked
from calm.data.sources.hammer import Hammer, data_files
from calm.errors import DataError, HubError
from calm.files import read_json
from calm.format import paper

BASE = {"description": "Which", "type": "str"}
DAYS = {"description": "How many", "type": "int, optional", "default": 3}
LIST = {"description": "Numbers", "type": "List[int]"}
TOOLS = [
    {"name": "get_rate", "description": "Rate of a currency.", "parameters": {"base": BASE, "days": DAYS}},
    {"name": "get_sum", "description": "Sum of numbers.", "parameters": {"numbers": LIST}},
]
ROW = {
    "id": 7,
    "query": "Rate of EUR?",
    "tools": json.dumps(TOOLS),
    "answers": '[{"name": "get_rate", "arguments": {"base": "EUR"}}]',
}


def everything(part) -> list[Any]:
    return list(chain.from_iterable(part.read(0, piece) for piece in range(part.pieces())))


@pytest.fixture
def own(tmp_path):
    """Writes a user's own xLAM files and gives the part that reads them."""

    def write(rows, irrelevance=None, **settings) -> Hammer:
        (tmp_path / "xlam.json").write_text(json.dumps(rows))
        if irrelevance is not None:
            (tmp_path / "irrelevance.jsonl").write_text("\n".join(map(json.dumps, irrelevance)))
            settings["irrelevance"] = str(tmp_path / "irrelevance.jsonl")
        return Hammer(source="hammer", xlam=str(tmp_path / "xlam.json"), **settings)

    return write


def test_full_inputs_give_202500_rows():
    part = Hammer(source="hammer")
    assert (part.copies, part.expected()) == (3, 202_500)
    assert part.stands_in_for == "xlam-function-calling-60k and xlam-irrelevance-7.5k"
    assert Hammer(source="hammer", xlam="x", irrelevance="y").stands_in_for == ""


def test_xlam_rows_become_valid_calls_over_json_schema(own):
    (item,) = everything(own([ROW], [], copies=1, masked=0))
    assert (item.id, item.origin, item.meta["checked"]) == ("hammer-0-xlam-1", "xlam", "schema")
    assert item.tools[0].parameters == {
        "type": "object",
        "properties": {
            "base": {"type": "string", "description": "Which"},
            "days": {"type": "integer", "description": "How many", "default": 3},
        },
        "required": ["base"],
    }
    assert item.messages[1].calls[0].arguments == {"base": "EUR"}
    assert from_row(to_row(item)) == item


def test_the_paper_gets_upstream_words_and_no_thought(own):
    irrelevant = {**ROW, "answers": "[]"}
    call, refusal = everything(own([ROW], [irrelevant], copies=1, masked=0, paper="hammer"))
    (row,) = paper.rows(call, "hammer")
    assert '"type": "int, optional", "default": 3' in row.instruction
    assert row.output == '```\n[{"name": "get_rate", "arguments": {"base": "EUR"}}]\n```'
    assert paper.rows(refusal, "hammer")[0].output == "```\n[]\n```"
    assert (call.messages[1].thought, refusal.origin) == (None, "xlam-irrelevance")


def test_copies_differ_by_masking_alone_and_two_of_three_are_masked(own):
    rows = [{**ROW, "query": f"Rate of EUR {n}?"} for n in range(200)]
    items = everything(own(rows, [{**row, "answers": []} for row in rows[:25]], copies=3))
    assert len({item.id for item in items}) == len(items) == 3 * 225
    share = sum(item.meta["masked"] for item in items) / len(items)
    assert 0.6 < share < 0.73
    assert len({item.messages[0].content for item in items}) == 200
    assert sum(not item.messages[1].calls for item in items) == 3 * 25


def test_without_irrelevance_rows_every_eighth_loses_its_tool_and_says_so(own):
    items = everything(own([ROW] * 400, copies=1, masked=0))
    made = [item for item in items if item.origin.startswith("stand-in/")]
    assert 30 < len(made) < 70
    assert all([tool.name for tool in item.tools] == ["get_sum"] for item in made)
    assert not any(item.messages[1].calls for item in made)
    assert {item.origin for item in items} == {"xlam", "stand-in/xlam"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"answers": "[{"}, "answers are no JSON"),
        ({"tools": "{}"}, "tools are no list"),
        ({"answers": [{"name": "get_rate"}]}, "tool or answer of another shape"),
        (
            {"tools": [{"name": "f", "parameters": {"x": {"type": "np.ndarray"}}}]},
            "tool with a type that cannot be read",
        ),
        ({"answers": [{"name": "get_rate", "arguments": {"days": 1}}]}, "call does not fit its tool"),
        ({"answers": [{"name": "get_rates", "arguments": {}}]}, "call does not fit its tool"),
    ],
)
def test_what_cannot_be_kept_is_rejected_with_its_reason(own, change, reason):
    (item,) = everything(own([{**ROW, **change}], [], copies=1))
    assert isinstance(item, Reject)
    assert item.reason == reason


def test_the_paper_keeps_a_call_that_does_not_fit_and_records_it(own):
    wrong = {**ROW, "answers": [{"name": "get_rate", "arguments": {"base": "EUR", "days": "3"}}]}
    (item,) = everything(own([wrong], [], copies=1, masked=0, paper="hammer"))
    assert item.meta["fault"] == "get_rate: days is '3', not integer"
    assert item.messages[1].calls[0].arguments["days"] == "3"
    (mended,) = everything(own([wrong], [], copies=1, masked=0))
    assert mended.messages[1].calls[0].arguments["days"] == 3


def test_a_row_of_another_shape_names_file_and_row(own):
    with pytest.raises(DataError, match=r"xlam.json: row 2: .*query, tools and answers"):
        everything(own([ROW, {"question": "?"}], [], copies=1))


def test_parquet_and_folders_are_read_and_nonsense_is_refused(own, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    from pyarrow import Table

    folder = tmp_path / "hub"
    folder.mkdir()
    parquet.write_table(Table.from_pylist([ROW, ROW]), folder / "train.parquet")
    items = everything(Hammer(source="hammer", xlam=str(folder), irrelevance=str(folder), copies=1))
    assert [item.origin for item in items].count("xlam") == 2
    with pytest.raises(HubError, match="no such file or folder, and no hub id"):
        data_files("nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(HubError, match=r"holds no \.json"):
        data_files(str(tmp_path / "empty"))


def test_a_limit_is_nested_in_a_larger_one(own):
    rows = [{**ROW, "query": f"Rate of EUR {n}?"} for n in range(40)]
    few, more = (everything(own(rows, [], copies=2, limit=count)) for count in (5, 15))
    assert (len(few), len(more)) == (10, 30)
    assert {item.id for item in few} < {item.id for item in more}


# --- the stand-in and the published examples -------------------------------------------------------------------------


def test_the_stand_in_gives_valid_calls_and_accounts_for_every_query(corpora):
    items = everything(Hammer(source="hammer", copies=1))
    kept = [item for item in items if isinstance(item, Conversation)]
    assert sum("withheld" not in item.id for item in items) == 2054
    assert len(kept) > 1900
    assert {item.origin for item in items} == {"stand-in/seal_tools"}
    for item in kept:
        step: Any = item.messages[1]
        assert [calls.fault(call, item.tools) for call in step.calls] == [None] * len(step.calls)
        assert bool(step.calls) == ("withheld" not in item.id)
        assert step.thought
    assert 0.09 < sum(not item.messages[1].calls for item in kept) / len(kept) < 0.14


def test_the_stand_in_makes_paper_rows_that_are_read_back(corpora):
    for item in everything(Hammer(source="hammer", copies=1, limit=60, paper="hammer")):
        if isinstance(item, Conversation):
            (row,) = paper.rows(item, "hammer")
            assert paper.read_row(row) == paper.carried(item, "hammer")
            assert set(re.findall(r'"type": "(\w+)', row.instruction)) <= {
                "str",
                "int",
                "float",
                "bool",
                "list",
                "List",
                "dict",
                "Any",
                "Union",
            }


def published(corpora) -> list[Conversation]:
    """Hammer's ten published examples through our reader; their query stands at the end of the instruction."""
    found = []
    for raw in read_json(corpora / "hammer" / "train" / "masking_sft_data_example.json"):
        at = raw["instruction"].index("[BEGIN OF QUERY]")
        row = paper.Row(raw["instruction"][:at].strip(), raw["instruction"][at:].strip(), raw["output"])
        found.append(paper.read_row(row))
    return found


def test_our_form_holds_the_published_examples(corpora):
    examples = published(corpora)
    assert len(examples) == 10
    for example in examples:
        (row,) = paper.rows(example, "hammer")
        assert paper.read_row(row) == example
        step: Any = example.messages[1]
        assert {call.name for call in step.calls} <= {tool.name for tool in example.tools}


def hidden(tool: Tool) -> bool:
    """Whether a name looks drawn at random: capitals or digits or dots where upstream's own names have none."""
    return re.fullmatch(r"[a-z0-9_]+", tool.name) is None or not re.search(r"[aeiou]", tool.name)


def test_our_masked_names_have_the_shape_of_the_published_ones(corpora):
    theirs = [tool for example in published(corpora) for tool in example.tools if hidden(tool)]
    plain = [example for example in published(corpora) if not any(map(hidden, example.tools))]
    ours = [tool for example in plain for key in range(10) for tool in masked(example, key).tools]
    assert (len(theirs), len(plain)) == (16, 3)
    for tool in (*theirs, *ours):
        assert re.fullmatch(r"[A-Za-z0-9_.]{5,15}", tool.name)
        properties: Any = tool.parameters["properties"]
        assert all(re.fullmatch(r"[A-Za-z0-9_.]{4,10}", key) for key in properties)
        assert all(set(spec) <= {"description", "type", "default"} for spec in properties.values())
    lengths = {len(tool.name) for tool in ours}
    assert (min(lengths), max(lengths)) == (5, 15)
    assert set("".join(tool.name for tool in ours)) == set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_."
    )


def test_masking_an_unmasked_example_keeps_what_it_says(corpora):
    for example in published(corpora):
        other: Any = masked(example, "again")
        before: Any = example.messages[1]
        told = {tool.description for tool in example.tools}
        assert {tool.description for tool in other.tools} <= told
        assert len(other.tools) == len({tool.name for tool in example.tools})
        assert len(other.messages[1].calls) == len(before.calls)
        assert isinstance(before, Assistant)
