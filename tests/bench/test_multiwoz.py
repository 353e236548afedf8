"""MultiWOZ, native: the state is what calls and notes said, and the recorded dialogue goes on whatever is done."""

import copy
import json

import pytest

from calm.agent import converse
from calm.bench import Verdict
from calm.bench.multiwoz import MultiWOZ
from calm.bench.multiwoz import desk as real_desk
from calm.bench.multiwoz.db import Database
from calm.bench.multiwoz.native import Recalling
from calm.bench.multiwoz.tasks import read, recorded, task
from calm.bench.multiwoz.world import APIS, TOOLS, WISHES, Desk, Recorded, calls_of, noted, recalled, slots
from calm.bench.run import Plan, run
from calm.conversation import Assistant, Call, Garbled, Observation, User
from calm.errors import DataError, HubError
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


def ran(desk, tool, **arguments):
    return json.loads(desk.run(Call(name=tool, arguments=arguments)))


def test_queries_match_loosely_on_names_and_skip_what_does_not_matter(desk):
    assert ran(desk, "query_hotels", name="The Old Mill", area="dontcare")["count"] == 1
    assert ran(desk, "query_hotels", type="guest house")["results"][0]["name"] == "old mill"
    assert [r["name"] for r in ran(desk, "query_hotels", stars="4")["results"]] == ["grand"]


def test_trains_leave_after_and_arrive_before(desk):
    assert ran(desk, "query_trains", leave_at="08:30", arrive_by="9:20")["count"] == 1
    assert ran(desk, "query_trains", leave_at="09:01")["count"] == 0
    assert "no time" in ran(desk, "query_trains", leave_at="soon")["error"]


def test_bookings_say_what_they_lack_and_repeat_their_reference(desk):
    room = {"name": "old mill", "people": 2, "day": "monday"}
    assert ran(desk, "book_hotel", **room)["error"] == "still needed: stay"
    assert ran(desk, "book_hotel", **room, stay=1) == ran(desk, "book_hotel", **room, stay=1)
    assert ran(desk, "book_hotel", **room, stay=1)["reference"] != ran(desk, "book_hotel", **room, stay=2)["reference"]
    assert "no hotel" in ran(desk, "book_hotel", **room | {"name": "ritz"}, stay=1)["error"]
    assert ran(desk, "book_taxi", departure="ely", destination="grand")["car"] == "red van"


def test_unknown_tools_and_parameters_are_errors_the_model_can_read(desk):
    assert "no tool" in ran(desk, "query_planes")["error"]
    assert ran(desk, "query_hotels", pool="yes")["error"] == "query_hotels has no parameter pool"


def test_every_slot_of_the_state_can_be_said_by_some_tool_and_noted():
    assert len(WISHES) == 30
    assert len({slot for _, keys in APIS.values() for _, slot in keys.values() if slot}) == 30
    assert [tool.name for tool in TOOLS] == list(APIS)


def test_calls_fill_slots_as_lower_case_text_and_empty_values_fill_none():
    call = Call(name="query_hotels", arguments={"area": " South", "stars": 4, "name": "", "pool": "yes"})
    assert slots(call) == {"hotel-area": "south", "hotel-stars": "4"}
    assert noted(
        Call(name="note_wishes", arguments={"hotel_book_day": "Monday", "mood": "good", "taxi_leaveat": None})
    ) == {"hotel-book day": "monday"}


def test_the_recorded_reply_follows_the_models_own_which_stays_in_the_transcript(desk, night):
    transcript = play(desk, night, Assistant(text="Sorry?"), Assistant(text="Bye."))
    assert [m.text for m in transcript.messages if isinstance(m, Assistant)] == ["Sorry?", "The old mill?", "Bye."]
    assert [m.content for m in transcript.messages if isinstance(m, User)] == night.gold["users"]
    assert transcript.meta["ended"] == "world"


def test_a_model_remembers_the_recorded_reply_instead_of_its_own(desk, night):
    asked = ask("query_hotels", area="north")
    transcript = play(desk, night, asked, Assistant(thought="Hm", text="Sorry?"), Assistant(text="Bye."))
    shown = recalled(transcript)
    assert [m.text for m in shown.messages if isinstance(m, Assistant)] == [None, "The old mill?", "Bye."]
    assert [m.content for m in shown.messages if isinstance(m, User)] == night.gold["users"]
    assert any(isinstance(m, Observation) for m in shown.messages)


@pytest.mark.parametrize("reply", [Garbled(raw="<", why="cut"), Assistant(text=""), Assistant(text="The old mill?")])
def test_what_a_model_said_in_place_of_the_recorded_reply_is_forgotten(desk, night, reply):
    messages = recalled(play(desk, night, reply)).messages
    assert [m.role for m in messages[:5]] == ["system", "user", "assistant", "user", "assistant"]
    assert messages[2] == Assistant(text="The old mill?")


def test_the_policy_hears_only_the_recorded_history(desk, night):
    heard = []

    class Parrot:
        name = "parrot"

        def __call__(self, conversation):
            heard.append([m.text for m in conversation.messages if isinstance(m, Assistant)])
            return Assistant(text="Hello hello.")

    gold = night.gold
    converse(Recalling(Parrot()), Recorded(desk, gold["replies"], gold["users"]), night.start)
    assert heard == [[], ["The old mill?"]]


def test_a_sixth_call_ends_the_turn_and_is_refused(desk, night):
    greedy = Assistant(
        calls=tuple(Call(name="query_hotels", arguments={"stars": str(n)}, id=f"c{n}") for n in range(6))
    )
    transcript = play(desk, night, greedy, greedy)
    assert [len(calls) for calls in calls_of(transcript)] == [6, 6]
    assert [m.content for m in transcript.messages if m.role == "tool"][-1] == '{"error": "only 5 calls a turn"}'
    assert isinstance(recalled(transcript).messages[9], Assistant)


def test_a_note_is_answered_and_a_wrong_one_says_why(desk, night):
    transcript = play(desk, night, ask("note_wishes", hotel_area="north"), ask("note_wishes", area="north"))
    answers = [m.content for m in transcript.messages if m.role == "tool"]
    assert answers == ['{"noted": 1}', '{"error": "note_wishes has no parameter area"}']


# --- the real dialogues --------------------------------------------------------------------------------------------


@pytest.fixture
def bench(corpora):
    return MultiWOZ()


def first(bench, *steps, number=0):
    """The first dialogue (a taxi, 2 turns) or another, played by a script."""
    one = list(bench.tasks())[number]
    return one, converse(Scripted(steps), bench.world(one), one.start)


def test_the_state_grows_by_calls_and_is_replaced_by_notes(bench):
    steps = [ask("query_hotels", area="North"), ask("note_wishes", hotel_area="north", hotel_stars="4")]
    steps += [Assistant(text="."), ask("query_hotels", stars=3), ask("note_wishes", hotel_area="east")]
    _, transcript = first(bench, *steps)
    before, after = bench.heard(transcript)[:2]
    assert (before.state, after.state) == ({"hotel-area": "north"}, {"hotel-area": "north", "hotel-stars": "3"})
    assert (before.noted, after.noted) == ({"hotel-area": "north", "hotel-stars": "4"}, {"hotel-area": "east"})
    assert (before.calls, after.calls) == (1, 1)


def test_the_reply_that_is_judged_is_the_models_own(bench):
    words = [Assistant(text="Try the Acorn Guest House, CB41DA."), Assistant(text="I booked it.")]
    replies = [turn.reply for turn in bench.heard(first(bench, *words)[1])]
    assert replies[:2] == ["Try the Acorn Guest House, CB41DA.", "I booked it."]
    assert bench.heard(first(bench, *words)[1])[0].response == "try the [hotel_name] , [hotel_postcode] ."


def test_what_a_booking_gave_is_found_in_the_reply(bench):
    _, transcript = first(bench, ask("book_taxi", departure="a", destination="b"))
    gave = json.loads(next(m.content for m in transcript.messages if m.role == "tool"))
    steps = [ask("book_taxi", departure="a", destination="b"), Assistant(text=f"A {gave['car']}, {gave['phone']}.")]
    assert bench.heard(first(bench, *steps)[1])[0].response == "a [taxi_type] , [taxi_phone] ."


def test_turns_not_reached_have_failed(bench):
    one = next(iter(bench.tasks()))
    whole = bench.gold(one)
    verdict = bench.grade(one, whole.upto(4))
    assert verdict.error_type == "cut_short"
    assert verdict.scores["joint"] < verdict.scores["turns"] == len(recorded(one)["users"])
    assert (verdict.scores["success"], bench.grade(one, whole).scores["success"]) == (0, 1)


@pytest.mark.parametrize(("step", "error"), [(Assistant(text=""), "no_call"), (Garbled(raw="", why=""), "garbled")])
def test_a_dialogue_without_calls_is_named(bench, step, error):
    one, transcript = first(bench, step, number=7)
    assert bench.grade(one, transcript).error_type == error


def test_an_errored_dialogue_counts_with_all_its_turns(bench):
    one = next(iter(bench.tasks()))
    error = Verdict(id=one.id, category=one.category, valid=False, error_type="error")
    scores = bench.summary([bench.grade(one, bench.gold(one)), error])
    assert (scores["jga"], scores["jga_noted"], scores["success"]) == (0.5, 0.5, 0.5)
    assert (scores["turns"], scores["errors"], scores["of"]) == (2 * len(recorded(one)["users"]), 1, 1000)


def test_gold_is_the_ceiling_and_silence_the_floor(bench):
    tasks = list(bench.tasks())
    assert (len(tasks), sum(len(recorded(t)["users"]) for t in tasks)) == (1000, 7372)
    some = tasks[::25]
    gold = bench.summary([bench.grade(t, bench.gold(t)) for t in some])
    silent = bench.summary([bench.grade(t, converse(Silent(), bench.world(t), t.start)) for t in tasks])
    assert (gold["jga_noted"], gold["jga_helper_noted"], gold["slot_recall"]) == (1, 1, 1)
    assert gold["jga"] > 0.98
    assert gold["success"] > 0.6
    assert silent["jga"] == pytest.approx(109 / 7372)
    assert (silent["inform"], silent["success"]) == (0.221, 0.025)


def test_a_run_can_be_judged_from_its_file(bench, tmp_path):
    run(bench, Scripted([Assistant(text="Hello.")] * 9), tmp_path, Plan(limit=1))
    row = json.loads((tmp_path / "transcripts.jsonl").read_text())
    said = [m["content"] for m in row["messages"] if m["role"] == "assistant"]
    one = next(t for t in bench.tasks() if t.id == row["id"])
    assert said[::2] == ["Hello."] * len(recorded(one)["users"])
    assert said[1::2] == recorded(one)["replies"][:-1]


def test_without_the_corpus_it_says_what_to_set(monkeypatch, tmp_path):
    monkeypatch.setenv("CALM_DATA", str(tmp_path))
    with pytest.raises(HubError, match="CALM_DATA"):
        next(iter(MultiWOZ().tasks()))


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
