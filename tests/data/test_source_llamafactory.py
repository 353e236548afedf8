import json
from typing import Any

import pytest

from calm.conversation import Assistant, Conversation, Observation, from_row, to_row
from calm.data import calls, phrases_calls
from calm.data.sources.llamafactory import DEMOS, LlamaFactory, read_llamafactory
from calm.errors import DataError

SLOTS = {"harbour": {"type": "str"}, "days": {"type": "int, optional", "default": "1"}}
TIDE: dict[str, Any] = {
    "name": "tide",
    "description": "High water",
    "parameters": {"type": "dict", "properties": SLOTS},
    "required": ["harbour", "days"],
}


def read(tmp_path, glaive=(), reason=()) -> list[Any]:
    spoken, reasoned = (tmp_path / name for name in DEMOS)
    spoken.write_text(json.dumps([{"conversations": turns, "tools": json.dumps([TIDE])} for turns in glaive]))
    rows = [
        {"messages": messages, "tools": json.dumps([{"type": "function", "function": TIDE}])} for messages in reason
    ]
    reasoned.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(read_llamafactory(tmp_path))


def turn(speaker, value):
    return {"from": speaker, "value": value if isinstance(value, str) else json.dumps(value)}


def message(role, **pieces):
    listed = [
        {"type": kind, "value": one}
        for kind, some in pieces.items()
        for one in ([some] if isinstance(some, str) else some)
    ]
    return {"role": role, "content": listed}


def test_a_dialogue_keeps_words_calls_and_results(tmp_path):
    wanted = {"name": "tide", "arguments": {"harbour": "Sula", "days": "2"}}
    turns = [turn("human", "High water in Sula?"), turn("function_call", wanted), turn("observation", {"at": 4})]
    (item,) = read(tmp_path, [[*turns, turn("gpt", "At 4.")]])
    assert item.messages[1].calls[0].arguments == {"harbour": "Sula", "days": 2}
    assert (item.messages[2].content, item.messages[3].text) == ('{"at": 4}', "At 4.")
    assert "Sula" in item.messages[1].thought
    assert item.meta["checked"] == "replayed"


def test_required_beside_the_parameters_counts_unless_the_type_says_optional(tmp_path):
    (item,) = read(tmp_path, [[turn("human", "Hi"), turn("gpt", "Hello!")]])
    assert item.tools[0].parameters["required"] == ["harbour"]
    assert item.tools[0].parameters["properties"]["days"] == {"type": "integer", "default": 1}


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        ("I'm sorry, but I can't order a pizza.", "tide"),
        ("Of course. Could you please tell me the harbour?", ""),
        ("The tide is the rise and fall of the sea.", ""),
    ],
)
def test_a_thought_tells_refusal_question_and_talk_apart(tmp_path, reply, word):
    (item,) = read(tmp_path, [[turn("human", "Hi"), turn("gpt", reply)]])
    made = {
        "refuse": phrases_calls.refusing(item.tools, (item.id, 1)),
        "ask": phrases_calls.asking((item.id, 1)),
        "chat": phrases_calls.chatting((item.id, 1)),
    }
    expected = "refuse" if word else "ask" if reply.endswith("?") else "chat"
    assert item.messages[1].thought == made[expected]
    assert len(set(made.values())) == 3


def test_reasoning_is_shortened_and_wrapped_results_are_unwrapped(tmp_path):
    call = '{"name": "tide", "arguments": {"harbour": "Sula"}}'
    results = json.dumps([{"tool_call_id": "x", "name": "tide", "content": f"at {n}"} for n in (4, 5)])
    (item,) = read(
        tmp_path,
        reason=[
            [
                message("system", text="Reason."),
                message("user", text="High water in Sula, twice?"),
                message(
                    "assistant",
                    reasoning="Okay, two tides are wanted. Hmm. It rains. I need tide for it.",
                    tool_call=[call, call],
                ),
                message("tool", text=results),
                message("assistant", reasoning="Both came back.", text="At 4 and 5."),
            ]
        ],
    )
    assert item.messages[1].thought == "Two tides are wanted. I need tide for it."
    assert [m.content for m in item.messages if isinstance(m, Observation)] == ["at 4", "at 5"]
    assert item.messages[-1].thought == "Both came back."


@pytest.mark.parametrize(
    ("reason", "turns"),
    [
        ("ends without the assistant", [turn("human", "Hi")]),
        ("speakers do not alternate", [turn("gpt", "Hi")]),
        ("observations do not answer the calls", [turn("human", "Hi"), turn("observation", {})]),
        ("call of an unknown tool", [turn("human", "Hi"), turn("function_call", {"name": "wind", "arguments": {}})]),
    ],
)
def test_what_cannot_be_converted_is_a_reject_with_its_reason(tmp_path, reason, turns):
    (item,) = read(tmp_path, [turns])
    assert (item.reason, bool(item.detail)) == (reason, True)


def test_an_unknown_speaker_names_file_and_row(tmp_path):
    with pytest.raises(DataError, match=r"glaive_toolcall_en_demo.json: row 1: .*'narrator'"):
        read(tmp_path, [[turn("narrator", "Once")]])


def test_all_but_two_real_dialogues_are_kept_and_a_limit_takes_from_both_files(corpora):
    items = list(LlamaFactory(source="llamafactory").read(0))
    kept = [item for item in items if isinstance(item, Conversation)]
    assert (len(items), len(kept)) == (350, 348)
    for item in kept:
        assert from_row(to_row(item)) == item
        steps = [m for m in item.messages if isinstance(m, Assistant)]
        assert not [call for step in steps for call in step.calls if calls.fault(call, item.tools)]
    assert len({item.origin for item in LlamaFactory(source="llamafactory", limit=6).read(0)}) == 2
