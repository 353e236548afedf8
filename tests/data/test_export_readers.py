"""Exports opened by trainers' own readers where those are installed; `benchmarks/readers.py` installs and asks all."""

import json

import pytest

from calm.data.export import chat, sharegpt, swift
from tests.data.test_export import only, two_calls

WHY = "not installed; benchmarks/readers.py opens the exports with it"


def test_llama_factory_converts_a_row(tmp_path):
    parser = pytest.importorskip("llamafactory.data.parser", reason=WHY, exc_type=ImportError)
    converter = pytest.importorskip("llamafactory.data.converter", reason=WHY, exc_type=ImportError)
    info = json.loads(sharegpt.dataset_info("town", ["train"])["dataset_info.json"])
    attributes = only(parser.get_dataset_list(["town_train"], info))
    made = converter.get_dataset_converter("sharegpt", attributes, None)(only(sharegpt.rows(two_calls())))
    assert [message["role"] for message in made["_prompt"]] == ["user", "function", "observation"]


def test_swift_takes_a_row():
    core = pytest.importorskip("swift.dataset.preprocessor.core", reason=WHY, exc_type=ImportError)
    row = core.MessagesPreprocessor().preprocess(only(swift.rows(two_calls())))
    core.RowPreprocessor._check_messages(row)
    assert [message["role"] for message in row["messages"]].count("tool_call") == 2


def test_axolotl_accepts_the_stanza():
    schemas = pytest.importorskip("axolotl.utils.schemas.datasets", reason=WHY, exc_type=ImportError)
    assert schemas.SFTDataset.model_validate(chat._entry("train.jsonl")).field_tools == "tools"


def test_trl_sees_a_conversation():
    utilities = pytest.importorskip("trl.data_utils", reason=WHY, exc_type=ImportError)
    assert utilities.is_conversational(only(chat.trl(two_calls())))


def test_oumi_validates_a_row():
    types = pytest.importorskip("oumi.core.types.conversation", reason=WHY, exc_type=ImportError)
    read = types.Conversation.model_validate(only(chat.oumi(two_calls())))
    assert len(read.messages[2].tool_calls) == 2
    assert read.tools[0].function.name == "get_weather"
