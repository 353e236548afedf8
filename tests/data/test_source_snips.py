import gzip
import json
from typing import Any

import pytest

from calm.conversation import Conversation, from_row, to_row
from calm.data import Reject
from calm.data.sources.sample import SPOKEN, sample_folder
from calm.data.sources.snips import FOLDER, INTENTS, SLOTS, TOOLS, read_snips, snips_files
from calm.errors import DataError


def shipped(limit=None) -> list[Any]:
    return list(read_snips(sample_folder() / "snips", limit, SPOKEN, "sample/snips"))


def folder_with(tmp_path, rows, intent="PlayMusic"):
    path = tmp_path / FOLDER / intent / f"train_{intent}_full.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({intent: rows}))
    return path


def read_one(tmp_path) -> list[Any]:
    return list(read_snips(tmp_path, intents=["PlayMusic"]))


def test_the_sample_gives_a_single_call_with_spans_of_the_utterance():
    for item in shipped():
        user, step = item.messages
        assert from_row(to_row(item)) == item
        assert all(value in user.content for value in step.calls[0].arguments.values())
        assert item.state == ({"domain": step.calls[0].name, **step.calls[0].arguments},)
        assert step.calls[0].name in step.thought


def test_every_intent_is_a_tool_whose_slots_are_described():
    assert [tool.name for tool in TOOLS] == list(INTENTS)
    schemas: list[Any] = [tool.parameters for tool in TOOLS]
    described = {slot for schema in schemas for slot in schema["properties"]}
    assert described == set(SLOTS)


def test_a_limit_is_spread_over_the_intents_and_nested_in_a_larger_one():
    few, more = shipped(8), shipped(20)
    assert sorted(item.state[0]["domain"] for item in few) == sorted(2 * SPOKEN)
    assert {item.id for item in few} < {item.id for item in more}


def test_a_slot_filled_twice_is_rejected_with_both_spans(tmp_path):
    folder_with(tmp_path, [{"data": [{"text": "jazz", "entity": "genre"}, {"text": "folk", "entity": "genre"}]}])
    assert read_one(tmp_path) == [
        Reject(
            id="snips-train-PlayMusic-1",
            origin="snips/train",
            reason="slot filled twice",
            detail="genre: jazz / folk",
        )
    ]


def test_a_slot_of_another_intent_is_rejected(tmp_path):
    folder_with(tmp_path, [{"data": [{"text": "soup", "entity": "served_dish"}]}])
    assert read_one(tmp_path)[0].reason == "slot not of the intent"


def test_a_row_of_another_shape_names_file_and_row(tmp_path):
    folder_with(tmp_path, [{"data": [{"text": "play"}]}, {"data": [{"word": "x"}]}])
    with pytest.raises(DataError, match=r"train_PlayMusic_full.json: row 2: .*'text'"):
        read_one(tmp_path)


def test_a_truncated_gzip_and_a_missing_file_name_the_file(tmp_path):
    path = folder_with(tmp_path, [])
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes() * 50)[:-9])
    path.unlink()
    with pytest.raises(DataError, match=r"train_PlayMusic_full.json.gz: cannot be read"):
        read_one(tmp_path)
    with pytest.raises(DataError, match=r"train_RateBook_full.json: no such file"):
        list(read_snips(tmp_path, intents=["RateBook"]))


def test_the_real_files_hold_13784_utterances_and_validate_is_not_among_them(corpora):
    items = list(read_snips(corpora / "snips"))
    kept = [item for item in items if isinstance(item, Conversation)]
    assert (len(items), len(kept)) == (13784, 13723)
    assert len({item.id for item in items}) == 13784
    assert not any("validate" in path.name for path in snips_files(corpora / "snips"))


def test_text_in_the_oddly_encoded_real_file_is_read_right(corpora):
    items: list[Any] = list(read_snips(corpora / "snips", intents=["PlayMusic"]))
    text = "".join(item.messages[0].content for item in items if isinstance(item, Conversation))
    assert "Música" in text
    assert "\N{SLICE OF PIZZA}" in text
    assert "Ã" not in text
