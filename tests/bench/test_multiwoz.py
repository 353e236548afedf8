"""MultiWOZ: the state is what the calls said, and the recorded dialogue goes on whatever the model does."""

import copy
import json

import pytest

from calm.agent import converse
from calm.bench import Verdict
from calm.bench.multiwoz import MultiWOZ
from calm.bench.multiwoz import desk as real_desk
from calm.bench.multiwoz.db import Database
from calm.bench.multiwoz.grade import grade, states
from calm.bench.multiwoz.tasks import read, recorded, task
from calm.bench.multiwoz.world import APIS, TOOLS, Desk, Recorded
from calm.conversation import Assistant, Call, Garbled, User
from calm.errors import DataError
from calm.policy.scripted import Scripted, Silent
from calm.world.dialogue import Dialogue, ScriptedUser

INNS = [
    {"name": "old mill", "area": "north", "type": "guesthouse", "stars": "3", "parking": "yes", "pricerange": "cheap"},
    {"name": "grand", "area": "centre", "type": "hotel", "stars": "?", "parking": "no", "pricerange": "expensive"},
]
TRAINS = [{"trainID": "TR1", "departure": "ely", "destination": "cambridge", "leaveAt": "09:00", "arriveBy": "09:20"}]
FLEET = [{"taxi_colors": ["red"], "taxi_types": ["van"]}]
TURNS = [
    {"user": "A room in the north.", "system": "The old mill?", "state": {"hotel-area": "north"}},
    {"user": "Book it.", "system": "Done.", "state": {"hotel-area": "north", "hotel-name": "old mill"}},
]


@pytest.fixture
def desk(tmp_path):
    tables = {"restaurant": [], "hotel": INNS, "attraction": [], "train": TRAINS, "taxi": FLEET}
    for name, rows in tables.items():
        (tmp_path / f"{name}_db.json").write_text(json.dumps(rows))
    return Desk(Database(tmp_path))


@pytest.fixture
def night():
    return task({"dialogue_id": "SNG1.json", "goal": {"hotel": {"info": {}}}, "turns": TURNS})


def ask(tool, **arguments):
    return Assistant(calls=(Call(name=tool, arguments=arguments),))


def play(desk, night, *steps):
    gold = night.gold
    return converse(Scripted(steps), Recorded(desk, gold["replies"], gold["users"]), night.start)


def run(desk, tool, **arguments):
    return json.loads(desk.run(Call(name=tool, arguments=arguments)))


def test_queries_match_loosely_on_names_and_skip_what_does_not_matter(desk):
    assert run(desk, "query_hotels", name="The Old Mill", area="dontcare")["count"] == 1
    assert run(desk, "query_hotels", type="guest house")["results"][0]["name"] == "old mill"
    assert [r["name"] for r in run(desk, "query_hotels", stars="4")["results"]] == ["grand"]


def test_trains_leave_after_and_arrive_before(desk):
    assert run(desk, "query_trains", leave_at="08:30", arrive_by="9:20")["count"] == 1
    assert run(desk, "query_trains", leave_at="09:01")["count"] == 0
    assert "no time" in run(desk, "query_trains", leave_at="soon")["error"]


def test_bookings_say_what_they_lack_and_repeat_their_reference(desk):
    room = {"name": "old mill", "people": 2, "day": "monday"}
    assert run(desk, "book_hotel", **room)["error"] == "still needed: stay"
    assert run(desk, "book_hotel", **room, stay=1) == run(desk, "book_hotel", **room, stay=1)
    assert run(desk, "book_hotel", **room, stay=1)["reference"] != run(desk, "book_hotel", **room, stay=2)["reference"]
    assert "no hotel" in run(desk, "book_hotel", **room | {"name": "ritz"}, stay=1)["error"]
    assert run(desk, "book_taxi", departure="ely", destination="grand")["car"] == "red van"


def test_unknown_tools_and_parameters_are_errors_the_model_can_read(desk):
    assert "no tool" in run(desk, "query_planes")["error"]
    assert run(desk, "query_hotels", pool="yes")["error"] == "query_hotels has no parameter pool"


def test_every_slot_of_the_state_can_be_said_by_some_tool():
    assert len({slot for _, keys in APIS.values() for _, slot in keys.values() if slot}) == 30
    assert [tool.name for tool in TOOLS] == list(APIS)


def test_state_accumulates_and_later_calls_win(desk, night):
    steps = (
        ask("query_hotels", area="South"),
        Assistant(text="Hm."),
        ask("query_hotels", area="north", stars=4, name=""),
    )
    assert states(play(desk, night, *steps)) == [
        {"hotel-area": "south"},
        {"hotel-area": "north", "hotel-stars": "4"},
    ]


def test_the_recorded_reply_follows_the_models_own(desk, night):
    transcript = play(desk, night, Assistant(text="Sorry?"), Assistant(text="Bye."))
    assert [m.text for m in transcript.messages if isinstance(m, Assistant)] == ["Sorry?", "The old mill?", "Bye."]
    assert [m.content for m in transcript.messages if isinstance(m, User)] == night.gold["users"]
    assert transcript.meta["ended"] == "world"


def test_a_model_that_says_the_recorded_reply_is_not_echoed(desk, night):
    transcript = play(desk, night, Assistant(text="The old mill?"), Assistant(text="Bye."))
    assert [m.text for m in transcript.messages if isinstance(m, Assistant)] == ["The old mill?", "Bye."]


def test_a_sixth_call_ends_the_turn_and_counts_for_nothing(desk, night):
    greedy = Assistant(
        calls=tuple(Call(name="query_hotels", arguments={"stars": str(n)}, id=f"c{n}") for n in range(6))
    )
    transcript = play(desk, night, greedy, greedy)
    assert states(transcript) == [{"hotel-stars": "4"}] * 2
    assert [m.content for m in transcript.messages if m.role == "tool"][-1] == '{"error": "only 5 calls a turn"}'


def test_garbled_output_costs_the_turn_not_the_dialogue(desk, night):
    transcript = play(desk, night, Garbled(raw="<", why="cut"), ask("query_hotels", area="north", name="old mill"))
    verdict = grade(night, transcript)
    assert (verdict.valid, verdict.scores["joint"], verdict.scores["garbled"]) == (True, 1, 1)


@pytest.mark.parametrize(("steps", "error"), [((), "no_call"), ((ask("query_hotels", area="west"),), "wrong_state")])
def test_a_wrong_state_is_named(desk, night, steps, error):
    assert grade(night, play(desk, night, *steps)).error_type == error


def test_turns_not_reached_have_failed(desk, night):
    verdict = grade(night, play(desk, night, ask("query_hotels", area="north")).upto(5))
    assert verdict.error_type == "cut_short"
    assert (verdict.scores["joint"], verdict.scores["turns"]) == (1, 2)


def test_exact_and_helper_differ_by_aliases(desk, night):
    steps = ask("query_hotels", area="north"), Assistant(text="."), ask("query_hotels", name="the old mill")
    scores = grade(night, play(desk, night, *steps)).scores
    assert (scores["joint"], scores["joint_helper"]) == (1, 2)


def test_an_errored_dialogue_counts_with_all_its_turns(corpora):
    bench = MultiWOZ()
    first = next(iter(bench.tasks()))
    error = Verdict(id=first.id, category=first.category, valid=False, error_type="error")
    scores = bench.summary([bench.grade(first, bench.gold(first)), error])
    assert (scores["jga"], scores["turns"]) == (0.5, 2 * len(recorded(first)["users"]))


def test_gold_is_the_ceiling_and_silence_the_floor(corpora):
    bench = MultiWOZ()
    tasks = list(bench.tasks())
    assert (len(tasks), sum(len(recorded(t)["users"]) for t in tasks)) == (1000, 7372)
    some = tasks[::10]
    gold = bench.summary([bench.grade(t, bench.gold(t)) for t in some])
    silent = bench.summary([bench.grade(t, converse(Silent(), bench.world(t), t.start)) for t in tasks])
    first = bench.gold(tasks[0])
    assert [m.text for m in first.messages if isinstance(m, Assistant) and m.text] == recorded(tasks[0])["replies"]
    assert gold["slot_recall"] == 1
    assert gold["jga"] > 0.98
    assert silent["jga"] == pytest.approx(109 / 7372)


def test_the_desk_serves_outside_the_benchmark_and_copies_cheaply(corpora):
    one = real_desk()
    talk = Dialogue(one, ScriptedUser(["A room in the north?"]))
    done = converse(Scripted([ask("query_hotels", area="north")]), copy.deepcopy(talk), talk.start())
    answer = next(m.content for m in done.messages if m.role == "tool")
    assert json.loads(answer)["count"] == 13
    assert copy.deepcopy(one)._database is one._database


def test_the_start_tells_nothing_of_the_gold_state(corpora):
    for one in MultiWOZ().tasks():
        assert [m.role for m in one.start.messages] == ["system", "user"]
        assert not one.start.state


def test_a_file_without_dialogues_is_refused(tmp_path):
    (tmp_path / "test_2.4_derived.json").write_text('[{"dialogue_id": "SNG1.json"}]')
    with pytest.raises(DataError, match="row 1: is not a dialogue"):
        list(read(tmp_path))
