import copy
import json
from collections import Counter
from typing import Any

import pytest

from calm.conversation import Assistant, Conversation, Observation, User, from_row, to_row
from calm.data import Reject, calls
from calm.data.skeletons import skeletons
from calm.data.sources.sample import sample_folder
from calm.data.sources.sgd import Options, Sgd, read_sgd, sgd_files
from calm.data.sources.sgd_tools import converted, services, signatures, types
from calm.data.verify import verified
from calm.errors import DataError, UsageError
from calm.files import read_json
from calm.world.tables import Tables

SAMPLE = sample_folder() / "sgd"
TYPES = {slot: schema for s in services(SAMPLE / "train" / "schema.json").values() for slot, schema in types(s).items()}
SHIPPED: list[Any] = list(read_sgd(SAMPLE, options=Options(origin="sample/sgd")))
RAW = json.loads((SAMPLE / "train" / "dialogues_001.json").read_text())


def written(tmp_path, dialogues) -> list[Any]:
    folder = tmp_path / "train"
    folder.mkdir()
    (folder / "schema.json").write_text((SAMPLE / "train" / "schema.json").read_text())
    (folder / "dialogues_001.json").write_text(json.dumps(dialogues))
    return list(read_sgd(tmp_path))


def changed(number, change):
    dialogue = copy.deepcopy(RAW[number])
    change(dialogue)
    return dialogue


def frames(dialogue):
    return [frame for turn in dialogue["turns"] for frame in turn["frames"] if "service_call" in frame]


def check_calls(conversation):
    for call in (c for m in conversation.messages if isinstance(m, Assistant) for c in m.calls):
        assert calls.fault(call, conversation.tools) is None


def check_results(conversation, dialogue, rows):
    seen = [json.loads(m.content) for m in conversation.messages if isinstance(m, Observation)]
    real = [frame["service_results"] for frame in frames(dialogue)]
    assert [s["count"] for s in seen] == [len(r) for r in real]
    for shown, whole in zip(seen, real, strict=True):
        plain = [{slot: as_written(value) for slot, value in row.items()} for row in shown["results"]]
        assert plain == [{k: as_written(v) for k, v in row.items()} for row in whole[: len(plain)]]
        assert len(shown["results"]) >= min(rows, len(whole))


def as_written(value):
    """SGD's spelling of a value, and one spelling of a number."""
    try:
        return float(value) if not isinstance(value, bool) else str(value)
    except ValueError:
        return value


def check(conversation, dialogue, rows=3):
    assert from_row(to_row(conversation)) == conversation
    assert conversation.renumbered() == conversation
    said = [m for m in conversation.messages if isinstance(m, User) or (isinstance(m, Assistant) and m.text)]
    assert [getattr(m, "text", None) or m.content for m in said] == [t["utterance"] for t in dialogue["turns"]]
    assert len(conversation.state) == sum(isinstance(m, User) for m in conversation.messages)
    assert all(m.thought for m in conversation.messages if isinstance(m, Assistant))
    check_calls(conversation)
    check_results(conversation, dialogue, rows)
    assert conversation.meta["checked"] in ("executed", "replayed")


def test_every_sample_dialogue_becomes_what_its_annotation_says():
    assert len(SHIPPED) == len(RAW) == 9
    for item, dialogue in zip(SHIPPED, RAW, strict=True):
        check(item, dialogue)


def test_a_row_that_is_offered_later_is_seen_however_few_rows_are_asked_for():
    items: list[Any] = list(read_sgd(SAMPLE, options=Options(rows=1)))
    shown = next(json.loads(m.content) for m in items[6].messages if isinstance(m, Observation))
    assert shown["count"] == 5
    assert [row["museum_name"] for row in shown["results"]][-1] == "Keel House"
    assert "Pendulum" not in str(shown)


def test_state_keeps_the_first_spelling_and_services_of_earlier_turns():
    item = SHIPPED[4]
    assert item.state[0] == {"Museums_1.town": "Talsund", "Museums_1.free_entry": "True"}
    assert item.state[-1]["Museums_1.museum_name"] == "Hall of Hours"
    assert item.state[-1]["Ferries_1.date"] == "today"


def test_an_empty_result_is_observed_as_none():
    item = SHIPPED[1]
    first = next(m for m in item.messages if isinstance(m, Observation))
    assert json.loads(first.content) == {"count": 0, "results": []}


def test_a_thought_names_tool_values_and_how_the_user_put_them():
    item = SHIPPED[0]
    step = next(m for m in item.messages if isinstance(m, Assistant) and m.calls)
    assert "FindFerry" in step.thought
    assert 'date 2019-03-02 ("tomorrow")' in step.thought


def test_distractors_are_more_tools_and_change_nothing_else():
    items: list[Any] = list(read_sgd(SAMPLE, options=Options(distractors=1, origin="sample/sgd")))
    plain, more = SHIPPED[0], items[0]
    assert {tool.name for tool in plain.tools} < {tool.name for tool in more.tools}
    assert (len(plain.tools), len(more.tools)) == (2, 4)
    assert plain.messages == more.messages


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("call lacks a required slot", lambda d: frames(d)[0]["service_call"]["parameters"].pop("date")),
        ("call of an unknown intent", lambda d: frames(d)[0]["service_call"].update(method="FindBus")),
        (
            "call has an argument that its schema lacks",
            lambda d: frames(d)[0]["service_call"]["parameters"].update(colour="red"),
        ),
        ("reply says what no result held", lambda d: frames(d)[0].update(service_results=[])),
        ("service not in the schema", lambda d: d.update(services=["Buses_9"])),
        ("speakers do not alternate", lambda d: d["turns"].pop(0)),
        ("empty utterance", lambda d: d["turns"][1].update(utterance=" ")),
        ("unknown act", lambda d: d["turns"][1]["frames"][0]["actions"][0].update(act="SING")),
        ("no system turn", lambda d: d.update(turns=[])),
    ],
)
def test_what_cannot_be_converted_is_a_reject_with_its_reason(tmp_path, reason, change):
    items = written(tmp_path, [RAW[1], changed(0, change)])
    assert isinstance(items[0], Conversation)
    assert isinstance(items[1], Reject)
    assert (items[1].reason, bool(items[1].detail)) == (reason, True)


def test_two_services_with_one_intent_name_give_two_tools(tmp_path):
    schema = json.loads((SAMPLE / "train" / "schema.json").read_text())
    schema.append({**schema[0], "service_name": "Ferries_2"})
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "schema.json").write_text(json.dumps(schema))
    dialogue = changed(0, lambda d: d["services"].append("Ferries_2"))
    (tmp_path / "train" / "dialogues_001.json").write_text(json.dumps([dialogue]))
    item: Any = next(read_sgd(tmp_path))
    check(item, dialogue)
    assert {"Ferries_1_FindFerry", "Ferries_2_FindFerry"} < {tool.name for tool in item.tools}


def test_a_dialogue_of_another_shape_names_file_row_and_dialogue(tmp_path):
    with pytest.raises(DataError, match=r"dialogues_001.json: row 2: dialogue '1_00001' .*KeyError\('turns'\)"):
        written(tmp_path, [RAW[0], changed(1, lambda d: d.pop("turns"))])


def test_a_file_that_is_no_list_of_dialogues_is_named(tmp_path):
    with pytest.raises(DataError, match=r"dialogues_001.json: holds dict, not a list"):
        written(tmp_path, {"dialogues": RAW})


def test_the_test_split_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match="split 'test' is not read here"):
        list(read_sgd(tmp_path, "test"))


def test_real_dialogues_are_converted_as_annotated(corpora, tmp_path):
    files = sorted((corpora / "sgd" / "train").glob("dialogues_*"))[10::25]
    (tmp_path / "train").mkdir()
    for path in (*files, next((corpora / "sgd" / "train").glob("schema.json*"))):
        (tmp_path / "train" / path.name).symlink_to(path)
    raw = [dialogue for path in files for dialogue in read_json(path)]
    items = list(read_sgd(tmp_path))
    assert len(items) == len(raw) > 300
    for item, dialogue in zip(items, raw, strict=True):
        assert item.id == f"sgd-train-{dialogue['dialogue_id']}"
        if isinstance(item, Conversation):
            check(item, dialogue)
    assert sum(isinstance(item, Reject) for item in items) < 0.05 * len(items)


def test_the_same_call_with_two_answers_is_rejected_by_name(tmp_path):
    def twice(dialogue):
        again = copy.deepcopy(dialogue["turns"][:2])
        again[1]["frames"][0] |= {"service_results": [], "actions": []}
        dialogue["turns"] = [*dialogue["turns"][:2], *again]

    found = next(n for n, d in enumerate(RAW) if d["turns"][1]["frames"][0].get("service_results"))
    item = written(tmp_path, [changed(found, twice)])[0]
    assert isinstance(item, Reject)
    assert (item.reason, item.detail.startswith("call_1 ")) == ("observation differs", True)


def test_values_are_typed_where_the_schema_shows_their_type():
    assert {kind["type"] for kind in TYPES.values()} == {"integer", "boolean", "number"}
    row = converted({"passengers": "2", "free_entry": "True", "fare": "4.20", "to_port": "2"}, TYPES)
    assert row == {"passengers": 2, "free_entry": True, "fare": 4.2, "to_port": "2"}


def test_the_whole_schema_can_be_offered_as_in_the_paper():
    items: list[Any] = list(read_sgd(SAMPLE, options=Options(origin="sample/sgd", offer="schema")))
    assert all(item.tools == signatures(read_json(SAMPLE / "train" / "schema.json")) for item in items)
    steps = [m for item in items for m in item.messages if isinstance(m, Assistant)]
    assert {type(value) for step in steps for call in step.calls for value in call.arguments.values()} == {str}


def test_the_51_signatures_of_the_paper(corpora):
    tools = signatures(read_json(corpora / "sgd" / "train" / "schema.json"))
    told = [(tool.name, tool.parameters["required"]) for tool in tools]
    assert len(told) == 51
    assert told[0] == ("CheckBalance", ["account_type"])
    assert told[1] == ("TransferMoney", ["account_type", "amount", "recipient_account_name"])
    assert told[-1] == ("GetWeather", ["city"])


def test_pieces_are_the_files_and_together_the_whole(corpora, tmp_path, monkeypatch):
    (tmp_path / "sgd" / "train").mkdir(parents=True)
    chosen = sorted((corpora / "sgd" / "train").glob("dialogues_*"))[::45]
    for path in (*chosen, next((corpora / "sgd" / "train").glob("schema.json*"))):
        (tmp_path / "sgd" / "train" / path.name).symlink_to(path)
    monkeypatch.setenv("CALM_DATA", str(tmp_path))
    part = Sgd(source="sgd")
    pieces = [item for piece in range(part.pieces()) for item in part.read(0, piece)]
    assert (part.pieces(), Sgd(source="sgd", limit=5).pieces()) == (len(chosen), 1)
    assert pieces == list(read_sgd(tmp_path / "sgd"))


def test_the_paper_size_is_only_promised_for_the_paper_form():
    paper = {"source": "sgd", "paper": "cra", "toolset": "schema"}
    assert Sgd.model_validate(paper).expected() == 82_236
    for other in ({"toolset": "services"}, {"paper": None}, {"split": "dev"}):
        assert Sgd.model_validate({**paper, **other}).expected() is None


def test_every_kept_row_is_executed_and_thinks_in_many_patterns(corpora):
    items = [item for item in read_sgd(corpora / "sgd", limit=600) if isinstance(item, Conversation)]
    checked = Counter(item.meta["checked"] for item in items)
    assert checked["executed"] > 0.9 * len(items)
    assert checked["executed"] + checked["replayed"] == len(items) > 550
    patterns = Counter(pattern for item in items for pattern in skeletons(item))
    assert patterns.most_common(1)[0][1] < 0.005 * patterns.total()


def test_a_row_gives_its_own_observations_again_from_itself_alone(corpora):
    items = [item for item in read_sgd(corpora / "sgd", limit=60) if isinstance(item, Conversation)]
    assert all(isinstance(verified(item, Tables.of(item).run), Conversation) for item in items)


def test_a_small_limit_reaches_many_services(corpora):
    items = list(read_sgd(corpora / "sgd", limit=60))
    services = {key.split(".")[0] for item in items if isinstance(item, Conversation) for key in item.state[-1]}
    assert len(services) >= 15


def test_only_files_of_the_named_split_are_opened(corpora):
    assert {path.parent.name for path in sgd_files(corpora / "sgd")} == {"train"}
    assert {item.origin for item in read_sgd(corpora / "sgd", "dev", limit=5)} == {"sgd/dev"}
