import json
from typing import Any

import pytest

from calm.conversation import Assistant, Conversation, Observation, from_row, to_row
from calm.data import calls
from calm.data.sources.hammerbench import HammerBench, hammerbench_files, read_hammerbench
from calm.errors import DataError

FERRY = "Sea.Ferries.bookFerry"


def tool(name, *slots):
    known = {slot: {"type": "string", "description": f"The {slot} of it"} for slot in slots}
    known |= {"cars": {"type": "integer", "description": "Cars"}} if "cars" in slots else {}
    return {
        "name": name,
        "description": "Book a crossing on a ferry",
        "parameters": {"type": "object", "properties": known, "required": list(slots)},
    }


def told(*turns, id=1, tools=None):
    """Strings are the user's and, in turn, the assistant's; a dict is what the call before the question holds."""
    messages = []
    for turn in turns:
        if isinstance(turn, dict):
            messages.append({"role": "function call", "content": {"name": FERRY, "arguments": turn}})
        else:
            last = messages[-1]["role"] if messages else ""
            messages.append({"role": "assistant" if last == "function call" else "user", "content": turn})
    listed = tools or [tool(FERRY, "port", "date", "cars")]
    return {"id": id, "messages": messages, "multiple_tools": listed, "single_tool": listed[:1]}


BASE = told(
    "Book a ferry",
    {},
    "From which port",
    "Sula",
    {"port": "Sula "},
    "When?",
    "May 2",
    {"port": "Sula", "date": "May 2"},
)


def read(tmp_path, **rows) -> list[Any]:
    for path in hammerbench_files(tmp_path):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(rows.get(path.stem.removeprefix("HammerBench_"), [])))
    return list(read_hammerbench(tmp_path))


def test_only_the_complete_call_is_made_and_partial_ones_become_thought_and_state(tmp_path):
    (item,) = read(tmp_path, Based=[BASE])
    steps = [m for m in item.messages if isinstance(m, Assistant)]
    assert [len(step.calls) for step in steps] == [0, 0, 1]
    assert [step.text for step in steps] == ["From which port?", "When?", None]
    assert "Sula" in steps[1].thought
    assert "date" in steps[1].thought
    assert item.state == ({}, {f"{FERRY}.port": "Sula"}, {f"{FERRY}.port": "Sula", f"{FERRY}.date": "May 2"})
    assert item.tools[0].parameters["required"] == ["port", "date"]


def test_of_tellings_of_one_dialogue_one_is_kept_and_the_one_that_goes_on_longest_wins(tmp_path):
    longer = told(
        *[m["content"]["arguments"] if isinstance(m["content"], dict) else m["content"] for m in BASE["messages"]]
    )
    longer["messages"] += [
        {"role": "assistant", "content": "success"},
        {"role": "user", "content": "Another from Vik"},
        {"role": "function call", "content": {"name": FERRY, "arguments": {"port": "Vik", "date": "May 2"}}},
    ]
    items = read(tmp_path, Based=[BASE], mQmA=[BASE], mSv=[longer])
    assert [getattr(item, "reason", "") for item in items] == ["another telling of the same dialogue"] * 2 + [""]
    seen = [m for m in items[-1].messages if isinstance(m, Observation)]
    assert [m.content for m in seen] == ["success"]
    assert items[-1].messages[-1].calls[0].arguments["port"] == "Vik"


def test_a_correction_is_noticed(tmp_path):
    turns = ("Book a ferry from Sula", {"port": "Sula"}, "When?", "Sorry, Vik", {"port": "Vik"}, "When?", "May 2")
    (item,) = read(tmp_path, SO_case2=[told(*turns, {"port": "Vik", "date": "May 2"})])
    assert item.state[1] == {f"{FERRY}.port": "Vik"}
    assert "port Vik" in item.messages[3].thought


def test_a_dialogue_broken_off_ends_with_a_refusal_in_our_words(tmp_path):
    turns = told("Book a ferry", {}, "From which port?", "Oh no, I want to sing")
    turns["messages"].append({"role": "assistant", "content": "Sorry, no tool is suitable for your request."})
    (item,) = read(tmp_path, IS=[turns])
    last = item.messages[-1]
    assert (last.calls, item.state, "suitable for your" in last.text) == ((), (), False)


def test_joined_questions_get_their_marks_and_notes_their_place(tmp_path):
    turns = ("Book a ferry", {}, "Please give the port When do you go", "As in the note<EK>:Sula, May 2")
    (item,) = read(tmp_path, mQmA=[told(*turns, {"port": "Sula", "date": "May 2"})])
    assert item.messages[1].text == "Please give the port. When do you go?"
    assert item.messages[2].content == "As in the note: Sula, May 2"


def test_single_turns_call_ask_or_decline(tmp_path):
    done = told(
        "EK:We sail on May 2.\nquery:Ferry from Sula that day for 1 car", {"port": "Sula", "date": "May 2", "cars": 1}
    )
    gone = told("Book a ferry from Sula", {"port": "Sula"}, tools=[tool("Sea.Tides.getTide", "port")])
    perfect, imperfect, ir = read(
        tmp_path, ST_External=[done], ST_Imperfect=[told("Ferry!", {})], ir_ST_Perfect=[gone]
    )[-3:]
    by = {item.origin.rpartition("/")[2]: item for item in (perfect, imperfect, ir)}
    assert by["ST_External"].messages[0].content == 'Ferry from Sula that day for 1 car\n\n"We sail on May 2."'
    assert by["ST_External"].messages[1].calls[0].arguments == {"port": "Sula", "date": "May 2", "cars": 1}
    assert all(slot in by["ST_Imperfect"].messages[1].text for slot in ("port", "date", "cars"))
    assert by["ir_ST_Perfect"].messages[1].calls == ()


@pytest.mark.parametrize(
    ("reason", "kind", "row"),
    [
        ("argument that the user never said", "ST_Perfect", told("Ferry", {"port": "Vik", "date": "May 2", "cars": 1})),
        (
            "asks although nothing is missing",
            "Based",
            told("From Sula", {"port": "Sula"}, "When?", "Now", {"port": "Sula"}),
        ),
        ("markup in the text", "ST_Imperfect", told('Ferry <g id="Bold">x</g>', {})),
        (
            "irrelevant but a tool like the one taken away is there",
            "ir_ST_Perfect",
            told("Ferry", {}, tools=[tool("Shop.bookFerryNow", "port")]),
        ),
        ("call of an unknown tool", "ST_Perfect", told("Ferry", {}, tools=[tool("x", "port")])),
    ],
)
def test_what_cannot_be_converted_is_a_reject_with_its_reason(tmp_path, reason, kind, row):
    (item,) = read(tmp_path, **{kind: [row]})
    assert (item.reason, bool(item.detail)) == (reason, True)


def test_a_record_of_another_shape_names_file_and_row(tmp_path):
    with pytest.raises(DataError, match=r"ST_Perfect.json: row 1: .*'messages'"):
        read(tmp_path, ST_Perfect=[{"turns": []}])


def test_the_real_records_keep_ask_backs_and_refusals_and_their_calls_fit(corpora):
    items = list(HammerBench(source="hammerbench").read(0))
    kept = [item for item in items if isinstance(item, Conversation)]
    assert len(items) == 5168
    assert len(kept) > 3600
    for item in kept[::9]:
        assert from_row(to_row(item)) == item
        steps = [m for m in item.messages if isinstance(m, Assistant)]
        assert all(step.thought for step in steps)
        assert not [call for step in steps for call in step.calls if calls.fault(call, item.tools)]
    silent = [item for item in kept if not any(m.calls for m in item.messages if isinstance(m, Assistant))]
    assert 0.4 * len(kept) < len(silent) < 0.7 * len(kept)
    few = list(HammerBench(source="hammerbench", limit=150).read(0))
    assert len({item.origin for item in few}) == 15
