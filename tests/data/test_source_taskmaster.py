import json
from collections import Counter
from typing import Any

import pytest

from calm.conversation import Assistant, Conversation, Observation, User, from_row, to_row
from calm.data import Reject, calls
from calm.data.sources.taskmaster import TOOLS, Taskmaster, read_taskmaster, taskmaster_files
from calm.data.sources.taskmaster_thoughts import CALLS, REPLIES, SEEN
from calm.data.sources.taskmaster_world import Bar, Record, again, mended, proven, shares
from calm.data.sources.wire import Unfit
from calm.errors import DataError

MILK = {"attribute_id": "milk-options", "attribute_name": "Milk", "options": ["Whole Milk", "Oat Milk"]}
MENU = {"menu_items": [{"menu_item_id": "flat-white-77", "name": "Flat White"}]}
OAT = [{"attribute_id": "milk-options", "option": "oat milk"}]


def call(name, response, **request):
    entries = [
        ("api_call", name),
        ("request", json.dumps(request)),
        ("api_response", name),
        ("response", json.dumps(response)),
    ]
    return [{"name": key, "value": value, "context": "c"} for key, value in entries]


def details(**item):
    line = {"order_item_id": "5", "menu_item_id": "flat-white-77", "menu_item_name": "Flat White", **item}
    shown = [("Name", "Name", "jack of clubs"), ("order-type", "Order Type", "here")]
    attributes = [{"attribute_id": key, "attribute_name": name, "option": option} for key, name, option in shown]
    return {"order_id": "900", "attributes": attributes, "menu_items": [line]}


LOOKED = call("get_menu_items", MENU, query="flat white")
OPTIONS = call("get_addons", {"attributes": [MILK]}, query="oat milk", menu_item_id="flat-white-77")
ADDED = call(
    "add_order_item",
    {"order_id": "900", "order_item_id": "5"},
    menu_item_id="flat-white-77",
    quantity="1",
    attributes=OAT,
)
SHOWN = call("get_order_details", details(attributes=OAT), order_id="900")
ORDER = [
    ("user", "A flat white with oat milk, please", [*LOOKED, *OPTIONS, *ADDED, *SHOWN]),
    ("assistant", "Is it right on the screen?", []),
    ("user", "Yes.", call("finish_order", {"success": True}, order_id="900")),
    ("assistant", "It will be ready soon.", []),
]


def dialogue(turns, scenario="order", number="dlg-1"):
    utterances = [{"speaker": who, "text": text, "annotations": notes} for who, text, notes in turns]
    return {"conversation_id": number, "scenario": scenario, "utterances": utterances}


def written(folder, *dialogues):
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "data_00.json").write_text(json.dumps(dialogues))
    return taskmaster_files(folder)


def only(tmp_path, turns, **more) -> Any:
    (item,) = read_taskmaster(written(tmp_path, dialogue(turns, **more)))
    return item


def seen(made):
    return [json.loads(m.content) for m in made.messages if isinstance(m, Observation)]


def test_an_order_becomes_calls_with_the_results_that_the_bar_computes(tmp_path):
    made = only(tmp_path, ORDER)
    assert isinstance(made, Conversation)
    assert made.meta["checked"] == "executed"
    steps = [m for m in made.messages if isinstance(m, Assistant)]
    assert [c.name for step in steps for c in step.calls] == [
        "get_menu_items",
        "get_addons",
        "add_order_item",
        "get_order_details",
        "finish_order",
    ]
    assert steps[2].calls[0].arguments["quantity"] == 1
    assert steps[2].calls[0].arguments["attributes"] == [{"attribute_id": "milk-options", "option": "Oat Milk"}]
    assert seen(made)[3]["menu_items"][0]["quantity"] == 1
    assert all(step.thought for step in steps)
    assert steps[-1].text == "It will be ready soon."


def test_state_is_the_order_after_each_user_turn(tmp_path):
    made = only(tmp_path, ORDER)
    order = {"item1": "Flat White", "item1.quantity": 1, "item1.milk-options": "Oat Milk"}
    assert made.state == (order, {**order, "order.finished": True})


def test_unused_tools_are_offered_up_to_the_number_asked_for(tmp_path):
    files = written(tmp_path, dialogue(ORDER))
    (bare,), (full,) = (list(read_taskmaster(files, distractors=count)) for count in (0, 8))
    assert isinstance(bare, Conversation)
    assert isinstance(full, Conversation)
    assert len(bare.tools) == 5
    assert sorted(t.name for t in full.tools) == sorted(t.name for t in TOOLS)


def changed(place, text=None, notes=None):
    turns = list(ORDER)
    who, old, kept = turns[place]
    turns[place] = (who, text or old, kept if notes is None else notes)
    return turns


BROKEN = [{**LOOKED[0]}, {**LOOKED[1], "value": "{query: 1"}, *LOOKED[2:]]
BAD: dict[str, Any] = {
    "no reply at the end": ORDER[:3],
    "empty utterance": [("user", " ", []), ("assistant", "Yes?", [])],
    "annotation is not JSON": changed(0, notes=BROKEN),
    "id that no result gave": changed(2, notes=call("finish_order", {"success": True}, order_id="901")),
    "option that was not offered": changed(0, notes=[*LOOKED, *ADDED, *SHOWN]),
    "argument that nobody gave": changed(0, text="A big cup of something"),
    "result contradicts the order": changed(
        0, notes=[*LOOKED, *OPTIONS, *ADDED, *call("get_order_details", details(notes="hot"), order_id="900")]
    ),
    "reply says what no result held": changed(1, text="Is your mocha right?"),
    "reply says a number that nobody gave": changed(3, text="Ready in 25 minutes."),
    "reply off the task": [("user", "Who sings best?", []), ("assistant", "Surely Fred does.", [])],
}


@pytest.mark.parametrize("reason", BAD)
def test_each_fault_is_rejected_with_its_reason(tmp_path, reason):
    item = only(tmp_path, BAD[reason])
    assert isinstance(item, Reject)
    assert item.reason == reason


def test_an_order_under_a_name_that_no_call_passes_on_is_rejected(tmp_path):
    item = only(tmp_path, ORDER, scenario="order with first name")
    assert item.reason == "name that the order does not take"


def test_a_refusal_without_a_call_is_kept_without_a_claim_of_execution(tmp_path):
    made = only(tmp_path, [("user", "Who won the game?", []), ("assistant", "Sorry, I can only serve drinks.", [])])
    assert isinstance(made, Conversation)
    assert "checked" not in made.meta
    assert made.state == ({},)


def bar(*records):
    return Bar([Record(*record) for record in records])


def test_a_search_gives_what_shares_a_word_and_else_everything():
    tea = {"menu_items": [{"menu_item_id": "t1", "name": "Mint Tea"}, {"menu_item_id": "t2", "name": "Lime Juice"}]}
    made = bar(("get_menu_items", {"query": "mint"}, tea))
    assert [item["name"] for item in made.run("get_menu_items", {"query": "mint"})["menu_items"]] == ["Mint Tea"]
    assert len(made.run("get_menu_items", {"query": "cider"})["menu_items"]) == 2


def test_an_odd_search_is_replayed_and_says_so():
    tea = {"menu_items": [{"menu_item_id": "t1", "name": "Mint Tea"}, {"menu_item_id": "t2", "name": "Lime Juice"}]}
    record = Record("get_menu_items", {"query": "mint"}, tea)
    results, _, checked = proven([record])
    assert (results, checked) == ([tea], "replayed")


def test_updates_change_what_the_order_reads_and_a_finished_order_is_closed():
    made = bar(
        ("get_menu_items", {"query": "x"}, MENU), ("add_order_item", {}, {"order_id": "900", "order_item_id": "5"})
    )
    made.run("add_order_item", {"menu_item_id": "flat-white-77", "quantity": 2})
    made.run("update_order_item", {"order_item_id": "5", "attributes": OAT})
    made.run("update_order", {"order_id": "900", "attributes": [{"attribute_id": "order-type", "option": "Togo"}]})
    shown = made.run("get_order_details", {"order_id": "900"})
    assert shown["menu_items"][0]["attributes"] == OAT
    assert shown["attributes"][0]["option"] == "Togo"
    made.run("finish_order", {"order_id": "900"})
    with pytest.raises(Unfit, match="order_id 900"):
        made.run("update_order", {"order_id": "900", "attributes": []})


def test_words_match_up_to_endings_and_blanks():
    assert shares("decaffeinated", "Caffeine Decaf Caff")
    assert shares("to go", "Order Type Here Togo")
    assert not shares("a mocha", "Flat White")
    assert json.loads(mended('{"menu_item_id": ""mocha-1"", "quantity": "1"}'))["menu_item_id"] == "mocha-1"


def test_foreign_files_are_named(tmp_path):
    with pytest.raises(DataError, match="holds no data_"):
        taskmaster_files(tmp_path)
    files = written(tmp_path, {"conversation_id": "dlg-9"})
    with pytest.raises(DataError, match=r"row 1: dialogue 'dlg-9' has not the shape of Taskmaster-4"):
        list(read_taskmaster(files))


def test_wordings_are_many_and_none_twice():
    for grammar in (SEEN, CALLS, REPLIES):
        assert all(len(wordings) == len(set(wordings)) >= 6 for wordings in grammar.values())


def test_a_slice_of_the_corpus_is_proven_again_and_varied(corpora):
    items = list(Taskmaster(source="taskmaster", limit=500).read(0))
    kept: list[Any] = [item for item in items if isinstance(item, Conversation)]
    assert len(items) == 500
    assert len(kept) > 400
    for made in kept:
        said = [c for m in made.messages if isinstance(m, Assistant) for c in m.calls]
        assert again(made)
        assert not [c for c in said if calls.fault(c, made.tools)]
        assert from_row(to_row(made)) == made
        assert made.renumbered() == made
    thoughts = Counter(m.thought for made in kept for m in made.messages if isinstance(m, Assistant))
    assert thoughts.most_common(1)[0][1] < 0.01 * thoughts.total()


def test_every_request_of_the_corpus_fits_the_schema_that_was_drawn_from_it(corpora):
    part = Taskmaster(source="taskmaster")
    called = Counter(
        c.name
        for piece in range(2)
        for item in part.read(0, piece)
        if isinstance(item, Conversation)
        for m in item.messages
        if isinstance(m, Assistant)
        for c in m.calls
    )
    assert part.pieces() == 8
    assert set(called) == {tool.name for tool in TOOLS}
    assert (
        sum(isinstance(m, User) for item in part.read(0, 0) if isinstance(item, Conversation) for m in item.messages)
        > 500
    )
