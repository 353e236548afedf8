import json

import pytest
import yaml
from hypothesis import given, settings

from calm.conversation import Assistant, Call, Conversation, Observation, System, Tool, User, from_row, write
from calm.data.export import chat, coalm, sharegpt, swift
from calm.data.export.run import EXPORTERS, export, splits_of
from calm.errors import DataError, FormatError, UsageError
from calm.files import read_json, read_jsonl
from calm.format import paper
from tests.laws.strategies import actions, conversations, replies

few = settings(max_examples=50, deadline=None)
WEATHER = Tool(
    name="get_weather",
    description="Weather of a city",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


def talk(*said, tools=(WEATHER,), **more):
    return Conversation(id="talk-1", origin="town", tools=tools, messages=said, **more).renumbered()


def two_calls():
    calls = (Call(name="get_weather", arguments={"city": "Oslo"}), Call(name="get_weather", arguments={"city": "Rome"}))
    return talk(
        System(content="Today is Friday."),
        User(content="Oslo and Rome?"),
        Assistant(thought="Two cities.", calls=calls),
        Observation(content='{"sky": "grey"}', call="call_0"),
        Observation(content='{"sky": "blue"}', call="call_0"),
        Assistant(thought="I have both.", text="Grey and blue."),
        state=({"city": "Oslo"},),
    )


def only(rows):
    (row,) = rows
    return row


# --- LLaMA-Factory ---------------------------------------------------------------------------------------------------


def test_sharegpt_alternates_and_joins_parallel_results():
    row = only(sharegpt.rows(two_calls()))
    assert [turn["from"] for turn in row["conversations"]] == ["human", "function_call", "observation", "gpt"]
    assert row["system"] == "Today is Friday."
    assert row["conversations"][2]["value"].split(sharegpt.BETWEEN_RESULTS) == ['{"sky": "grey"}', '{"sky": "blue"}']


def test_sharegpt_writes_thought_then_a_json_list_of_calls():
    said = only(sharegpt.rows(two_calls()))["conversations"][1]["value"]
    thought, _, calls = said.partition("\n</think>\n\n")
    assert thought == "<think>\nTwo cities."
    assert [call["arguments"]["city"] for call in json.loads(calls)] == ["Oslo", "Rome"]


def test_sharegpt_puts_calls_beside_a_text_between_tags():
    step = Assistant(text="I look.", calls=(Call(name="get_weather", arguments={"city": "</tool_call>"}),))
    said = only(sharegpt.rows(talk(User(content="Oslo?"), step)))["conversations"][-1]["value"]
    text, _, rest = said.partition("<tool_call>")
    assert text == "I look."
    assert json.loads(rest.removesuffix("</tool_call>"))[0]["arguments"] == {"city": "</tool_call>"}


def test_sharegpt_gives_an_opening_of_the_assistant_an_empty_user():
    turns = only(sharegpt.rows(talk(Assistant(text="Hello."), User(content="Hi."), Assistant(text="Yes?"))))
    assert turns["conversations"][0] == {"from": "human", "value": ""}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ((User(content="a"), Assistant(text="b"), Assistant(text="c")), "follow one another"),
        ((User(content="a"), System(content="note"), Assistant(text="b")), "system message"),
        ((User(content="a"), Assistant(text="say <tool_call> twice")), "says <tool_call> itself"),
        ((User(content="a"),), "no assistant step"),
    ],
)
def test_what_sharegpt_cannot_say_is_refused_with_the_reason(said, why):
    with pytest.raises(FormatError, match=why):
        list(sharegpt.rows(talk(*said)))


def test_dataset_info_names_every_split_and_its_columns():
    info = json.loads(sharegpt.dataset_info("town", ["train", "held_out"])["dataset_info.json"])
    assert set(info) == {"town_train", "town_held_out"}
    assert info["town_train"]["formatting"] == "sharegpt"
    assert set(info["town_train"]["columns"].values()) <= set(only(sharegpt.rows(two_calls())))


@few
@given(conversation=conversations(actions | replies))
def test_sharegpt_rows_always_alternate(conversation):
    try:
        row = only(sharegpt.rows(conversation))
    except FormatError:
        return
    asks = [turn["from"] in sharegpt.ASKS for turn in row["conversations"]]
    assert asks == [True, False] * (len(asks) // 2)


# --- ms-swift, Axolotl, TRL, Oumi ------------------------------------------------------------------------------------


def test_swift_keeps_a_thought_in_the_turn_of_its_calls():
    messages = only(swift.rows(two_calls()))["messages"]
    roles = ["system", "user", "assistant", "tool_call", "tool_call", "tool_response", "tool_response", "assistant"]
    assert [message["role"] for message in messages] == roles
    assert messages[2]["content"] == "<think>\nTwo cities.\n</think>\n\n"
    assert json.loads(messages[4]["content"]) == {"name": "get_weather", "arguments": {"city": "Rome"}}


@few
@given(conversation=conversations(actions | replies))
@pytest.mark.parametrize("rows", [chat.axolotl, chat.trl, chat.oumi])
def test_rows_of_chat_shape_read_back_as_the_conversation(rows, conversation):
    row = only(rows(conversation)) if conversation.steps else None
    read = from_row(row) if row else conversation
    kept = conversation.messages[: conversation.steps[-1] + 1] if conversation.steps else conversation.messages
    silent = [m.model_copy(update={"text": m.text or ""}) if lone(m) else m for m in kept]
    assert [lone_text(m) for m in read.messages] == [lone_text(m) for m in silent]
    assert read.tools == conversation.tools


def lone(message):
    return isinstance(message, Assistant) and not message.calls


def lone_text(message):
    return message.model_copy(update={"text": message.text or ""}) if lone(message) else message


def test_arguments_are_objects_for_trl_and_json_strings_for_axolotl():
    step = {rows: only(rows(two_calls()))["messages"][2] for rows in (chat.trl, chat.axolotl)}
    given = {rows: message["tool_calls"][0]["function"]["arguments"] for rows, message in step.items()}
    assert given == {chat.trl: {"city": "Oslo"}, chat.axolotl: '{"city": "Oslo"}'}
    assert "content" not in step[chat.trl]


def test_the_stanza_for_axolotl_names_columns_that_are_there():
    stanza = yaml.safe_load(chat.stanza("town", ["train", "held_out"])["dataset.yaml"])
    row = only(chat.axolotl(two_calls()))
    entry = only(stanza["datasets"])
    assert {entry["field_messages"], entry["field_tools"]} <= set(row)
    assert entry["field_thinking"] in row["messages"][2]
    assert stanza["test_datasets"][0]["path"] == "held_out.jsonl"


# --- CoALM-IT --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", sorted(paper.FORMS))
@few
@given(conversation=conversations(actions | replies))
def test_a_sample_gives_back_exactly_the_columns_of_its_row(part, conversation):
    rows = [dict(row._asdict()) for row in paper.rows(conversation, part)]
    assert [coalm.row(sample) for sample in coalm.samples(conversation, part)] == rows


def test_a_sample_without_input_has_no_system():
    sample = coalm.samples(talk(Assistant(text="Hello.")), "cra")[0]
    assert [message.role for message in sample.messages] == ["user", "assistant"]
    assert coalm.row(sample)["input"] == ""


def test_a_sample_knows_its_form_and_its_state():
    first, last = coalm.samples(two_calls(), "cra")
    assert (first.id, last.id) == ("talk-1-2", "talk-1-5")
    assert first.meta["paper"] == "cra"
    assert last.state == ({"city": "Oslo"},)


def test_stored_samples_are_exported_as_they_are():
    samples = coalm.samples(two_calls(), "cra")
    assert [only(coalm.alpaca(sample)) for sample in samples] == list(coalm.alpaca(two_calls()))


# --- the folder ------------------------------------------------------------------------------------------------------


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "town"
    other = Tool(name="book", parameters={"type": "object", "properties": {"seats": {"type": "integer"}}})
    booked = Assistant(calls=(Call(name="book", arguments={"seats": 2}),))
    refused = talk(User(content="a"), Assistant(text="say </think>"))
    write(folder / "train.jsonl", [two_calls(), talk(User(content="Two seats."), booked, tools=(other,)), refused])
    write(folder / "held_out.jsonl", [two_calls()])
    (folder / "README.md").write_text("licences")
    return folder


@pytest.mark.parametrize("to", sorted(EXPORTERS))
def test_every_conversation_becomes_rows_or_is_left_out_with_a_reason(to, dataset, tmp_path):
    out = tmp_path / "out"
    train, held_out = export(dataset, to, out)
    left = [row for _, row in read_jsonl(out / "left_out.jsonl")]
    assert len(left) == sum(train.left_out.values()) + sum(held_out.left_out.values())
    assert len(list(read_jsonl(out / "train.jsonl"))) == train.rows
    assert to == "coalm" or train.rows + len(left) == train.conversations == 3
    assert (out / "SOURCES.md").read_text() == "licences"


@pytest.mark.parametrize("to", sorted(EXPORTERS))
def test_datasets_opens_every_export_by_its_card(to, dataset, tmp_path):
    from datasets import load_dataset

    counts = {split.split: split.rows for split in export(dataset, to, tmp_path / "out")}
    opened = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {split: rows.num_rows for split, rows in opened.items()} == counts


def test_arguments_for_trl_survive_arrow_without_the_parameters_of_other_tools(dataset, tmp_path):
    from datasets import load_dataset

    export(dataset, "trl", tmp_path / "out")
    rows = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows[1]["messages"][1]["tool_calls"][0]["function"]["arguments"] == {"seats": 2}


def test_an_export_twice_is_the_same_and_replaces_itself(dataset, tmp_path):
    export(dataset, "sharegpt", tmp_path / "out")
    first = read_json(tmp_path / "out" / "manifest.json")
    export(dataset, "sharegpt", tmp_path / "out")
    assert read_json(tmp_path / "out" / "manifest.json") == first


def test_a_folder_of_something_else_is_not_written_into(dataset, tmp_path):
    with pytest.raises(UsageError, match="no export wrote"):
        export(dataset, "trl", dataset)
    with pytest.raises(UsageError, match="no exporter 'tlr'"):
        export(dataset, "tlr", tmp_path / "out")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DataError, match="holds no conversations"):
        export(tmp_path / "empty.jsonl", "trl", tmp_path / "out")
    with pytest.raises(DataError, match="holds no train or held_out"):
        splits_of(tmp_path / "nowhere")


def test_a_built_dataset_is_preferred_as_parquet(tmp_path):
    for name in ("train.parquet", "train.jsonl"):
        (tmp_path / name).touch()
    assert splits_of(tmp_path) == {"train": tmp_path / "train.parquet"}
