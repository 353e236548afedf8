"""The contamination check: a planted leak of each kind is caught, dressed up or not; common speech passes."""

import gzip
import json
import random
from itertools import islice
from typing import Any

import pytest

from calm.conversation import Assistant, Call, Conversation, Tool, User
from calm.data import Reject
from calm.data.contamination import at_hand, benchmarks, checked, index, sources
from calm.data.contamination.benchmarks import Material
from calm.data.contamination.index import _readings, gather, load, save
from calm.errors import DataError

QUESTION = "Could you work out how many litres of turquoise paint the harbour wall at Norvik needs if it is 40 m long?"
PAINT = (
    "Estimates the paint that a wall needs from its measures.",
    {
        "type": "dict",
        "properties": {
            "wall_length": {"type": "float", "description": "Length of the wall in metres."},
            "coats": {"type": "integer", "description": "How often it is painted."},
        },
    },
)
FILLER = tuple(
    Material(
        f"talk-{n}", f"talk-{n}", (f"Please find me a nice café near {name} for tonight", "Thank you, goodbye then")
    )
    for n, name in enumerate(("Alva", "Borg", "Cora", "Dorn", "Elm", "Frey", "Gard", "Holm"))
)
PLANTED = Material(
    "toy_7",
    "toy_7",
    (QUESTION,),
    (PAINT,),
    (("estimate_paint", {"place": ["Norvik harbour"], "colour": ["turquoise"]}),),
)


@pytest.fixture(scope="module")
def small():
    """An index over hand-made items, so that these tests need no corpus."""
    return gather([("toy", item) for item in (PLANTED, *FILLER)])


def saying(*texts):
    return Conversation(id="row", messages=tuple(User(content=text) for text in texts))


def calling(name, **arguments):
    call = Call(name=name, arguments=arguments)
    return Conversation(id="row", messages=(User(content="go on"), Assistant(calls=(call,))))


def kinds(index, conversation):
    return [(leak.kind, leak.benchmark, leak.id) for leak in index.leaks(conversation)]


@pytest.mark.parametrize(
    "text",
    [
        QUESTION,
        QUESTION.upper().replace("?", "!").replace("40", "52"),
        f"Hello there. {QUESTION} Many thanks.",
        "Tell me how many litres of turquoise paint the harbour wall at Norvik needs if it is old",
    ],
)
def test_a_planted_text_is_caught_whatever_its_case_numbers_and_surroundings(small, text):
    assert kinds(small, saying("Hi.", text)) == [("text", "toy", "toy_7")]


def test_an_assistant_may_not_quote_a_benchmark_either(small):
    assert kinds(small, Conversation(messages=(Assistant(text=QUESTION),))) == [("text", "toy", "toy_7")]


@pytest.mark.parametrize(
    "text",
    [
        "How much turquoise paint does a harbour wall of 40 m at Norvik need?",
        "Thank you, goodbye then",
        "Please find me a nice café for tonight",
        "hi",
        "",
    ],
)
def test_other_words_common_speech_and_nothing_at_all_pass(small, text):
    assert kinds(small, saying(text)) == []


def test_what_two_items_open_with_identifies_neither():
    twins = [Material(n, n, ("Where is the lighthouse keeper tonight?",)) for n in ("a", "b")]
    twins[1] = twins[1]._replace(key="somebody else")
    assert kinds(gather([("toy", item) for item in twins]), saying(twins[0].texts[0])) == []
    same = gather([("toy", item._replace(key="one dialogue")) for item in twins])
    assert kinds(same, saying(twins[0].texts[0])) == [("text", "toy", "a")]


def renamed(description=PAINT[0], **described):
    properties = {name: {"type": "string", "description": text} for name, text in described.items()}
    return Tool(name="xQ9", description=description, parameters={"type": "object", "properties": properties})


def test_a_tool_is_caught_under_other_names_types_and_order(small):
    copy = renamed(a7="How often it is painted.", b="Length of the wall, in metres")
    assert kinds(small, Conversation(tools=(renamed("Adds."), copy))) == [("tool", "toy", "toy_7")]
    assert small.tool_leak(copy).detail == "xQ9"


def test_a_tool_with_the_same_description_and_other_parameters_is_caught(small):
    assert kinds(small, Conversation(tools=(renamed(a="Something else."),))) == [("tool", "toy", "toy_7")]


def test_a_name_inside_a_description_does_not_hide_a_copy():
    one, other = (
        Material("a", "a", tools=((f"Books the {n} on a ship.", {n: {"description": "Where?"}}),)) for n in "xy"
    )
    one = one._replace(tools=(("Books a cabin for cabin_id on a ship.", PAINT[1]),))
    tool = Tool(name="f", description="Books a cabin for q7Zk on a ship.", parameters=PAINT[1])
    assert gather([("toy", one), ("toy", other)]).tool_leak(tool) is not None


def test_another_tool_and_a_one_liner_pass(small):
    other = renamed("Estimates the tiles that a floor needs from its measures.", a="Length of the wall in metres.")
    assert kinds(small, Conversation(tools=(other, Tool(name="f"), Tool(name="g", description="Get it.")))) == []
    short = gather([("toy", Material("a", "a", tools=(("Get the weather.", {"city": {"description": "City."}}),)))])
    assert short.tool_leak(Tool(name="weather", description="Get the weather.")) is None


def test_a_gold_call_is_caught_and_so_is_a_renamed_copy(small):
    leak = [("call", "toy", "toy_7")]
    assert kinds(small, calling("EstimatePaint", colour="Turquoise", place="Norvik Harbour")) == leak
    assert kinds(small, calling("zz", a="turquoise", b="Norvik harbour.")) == leak


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("estimate_paint", {"place": "Norvik harbour", "colour": "grey"}),
        ("zz", {"a": "turquoise"}),
        ("zz", {"a": "turquoise", "b": "Norvik harbour", "c": 3}),
        ("estimate_paint", {}),
    ],
)
def test_a_call_with_other_values_passes(small, name, arguments):
    assert kinds(small, calling(name, **arguments)) == []


def test_every_right_reading_of_a_gold_call_is_known():
    allowed = {"ship": ["Aurora of Tern", "Aurora"], "deck": ["", 4], "extra": [{"cabin": ["north side", "N"]}]}
    answers = tuple(benchmarks._right([{"book_ship": allowed}]))
    built = gather([("toy", Material("a", "a", calls=answers)), ("toy", PLANTED), *(("toy", item) for item in FILLER)])
    for arguments in ({"ship": "aurora"}, {"ship": "Aurora of Tern", "deck": "4"}):
        assert kinds(built, calling("bookShip", extra={"cabin": "north side"}, **arguments))


def test_a_leaking_row_becomes_a_reject_that_says_what_of_which_benchmark(small):
    fine, reject = saying("something new"), Reject(id="r", origin="o", reason="old")
    rows: list[Any] = list(checked([fine, reject, saying("Hello,", QUESTION)], small))
    assert rows[:2] == [fine, reject]
    assert (rows[2].id, rows[2].reason) == ("row", "contaminated: text of toy")
    assert "toy_7" in rows[2].detail
    assert "turquoise" in rows[2].detail


def test_an_index_survives_the_disk(small, tmp_path):
    with (tmp_path / "x").open("wb") as stream:
        save(small, stream)
    with (tmp_path / "x").open("rb") as stream:
        again = load(stream)
    leaking = saying(QUESTION)
    assert again.leaks(leaking) == small.leaks(leaking) != []


# --- the folder of corpora -----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CALM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CALM_DATA", raising=False)
    (tmp_path / "data" / "bfcl_v3").mkdir(parents=True)
    return tmp_path / "data"


def ask(folder, text=QUESTION):
    doc = {"name": "f", "description": PAINT[0], "parameters": PAINT[1]}
    row = {"id": "toy_0", "question": [[{"role": "user", "content": text}]], "function": [doc]}
    (folder / "bfcl_v3" / "BFCL_v3_toy.json.gz").write_bytes(gzip.compress(json.dumps(row).encode()))


def test_what_is_not_at_hand_is_named_and_blocks_nothing(folder):
    assert at_hand(folder) == {"bfcl_v3": False, "api_bank": False, "multiwoz": False}
    assert at_hand() == at_hand(folder)
    assert index().leaks(saying(QUESTION)) == []
    ask(folder)
    assert at_hand(folder)["bfcl_v3"]


def test_the_index_is_built_once_and_anew_when_a_file_changes(folder, tmp_path):
    ask(folder)
    first = sources(folder)
    assert kinds(index(folder), saying(QUESTION)) == [("text", "bfcl_v3", "toy_0")]
    assert index(folder).names == [("bfcl_v3", "toy_0")]
    assert len(list((tmp_path / "cache").rglob("*.npz"))) == 1
    ask(folder, "Which lighthouse keepers of Talsund collect porcelain otters?")
    assert sources(folder) != first
    assert kinds(index(folder), saying(QUESTION)) == []


def test_a_file_of_another_shape_is_named(folder):
    (folder / "bfcl_v3" / "BFCL_v3_toy.json").write_text('{"id": "x", "question": [[{"role": "user"}]]}')
    with pytest.raises(DataError, match=r"BFCL_v3_toy.json: has not the shape of bfcl_v3"):
        index(folder)


# --- the real benchmarks -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def real(corpora, cached, monkeypatch):
    monkeypatch.setenv("CALM_CACHE", str(cached))
    return index()


@pytest.mark.parametrize("name", ["bfcl_v3", "api_bank", "multiwoz"])
def test_most_items_of_each_benchmark_are_caught_when_planted(real, corpora, name):
    items = [m for m in benchmarks.materials(corpora / name) if m.texts]
    drawn = random.Random(0).sample(items, 300)
    caught = sum(bool(real.leaks(saying(*item.texts))) for item in drawn)
    assert caught >= 0.93 * len(drawn)


@pytest.mark.parametrize("name", ["bfcl_v3", "api_bank"])
def test_tools_of_a_benchmark_are_caught_without_their_names(real, corpora, name):
    described = {tool[0]: tool for m in benchmarks.materials(corpora / name) for tool in m.tools}
    tools = [Tool(name="zz", description=d, parameters=p) for d, p in described.values() if isinstance(p, dict)]
    assert sum(real.tool_leak(tool) is not None for tool in tools) >= 0.97 * len(tools)


def test_telling_gold_calls_are_caught_as_they_are_and_under_other_names(real, corpora):
    gold = [call for m in benchmarks.materials(corpora / "bfcl_v3") for call in m.calls]
    plain = [(name, reading) for name, allowed in gold for reading in islice(_readings(allowed), 1)]
    long = [(name, given) for name, given in plain if sum(len(str(value)) > 12 for value in given.values()) > 2]
    drawn = [(name, json.loads(json.dumps(given, default=list))) for name, given in random.Random(0).sample(long, 100)]
    dressed = [{f"a{place}": value for place, value in enumerate(given.values())} for _, given in drawn]
    assert sum(bool(kinds(real, calling(name, **given))) for name, given in drawn) >= 90
    assert sum(bool(kinds(real, calling("zz", **given))) for given in dressed) >= 75


def test_stock_phrases_of_dialogues_are_no_leak(real):
    stock = ("Hi, can you help me?", "No, that's all I need. Thank you!", "Is there anything else I can help you with?")
    assert kinds(real, saying(*stock, "Thank you so much for all your help, have a great day!")) == []
