import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.conversation import Assistant, Call, Conversation, Observation, System, Tool, User, by_name, from_row, to_row
from calm.data import calls, vary_faults, vary_words
from calm.data.sources.town import read_town
from calm.data.vary import Vary, vary
from calm.data.vary_chat import chatted
from calm.data.vary_reading import deed, near_twin, reading, reads, stems
from calm.data.vary_tools import serves, toolset, without_tool
from calm.world.town import Town

ALL = Vary(distractors=0, renamed=1, missing_tool=1, chat=1, faults=1)
QUIET = Vary(distractors=0, renamed=0, missing_tool=0, chat=0, faults=0)
TOWN = tuple(read_town(60, 3))


def tool(name, description="", **properties):
    schema = {"type": "object", "properties": {k: {"type": v} for k, v in properties.items()}, "required": []}
    return Tool(name=name, description=description, parameters=schema)


def made(conversation):
    return [call for m in conversation.messages if isinstance(m, Assistant) for call in m.calls]


def users(conversation):
    return [m.content for m in conversation.messages if isinstance(m, User)]


@given(st.integers(0, 59), st.integers(0, 5), st.tuples(*[st.floats(0, 1)] * 4))
def test_whatever_is_varied_is_valid_and_callable_and_keeps_its_state_aligned(place, seed, shares):
    names = ("renamed", "missing_tool", "chat", "faults")
    for varied in vary(TOWN[place], Vary(distractors=0, **dict(zip(names, shares, strict=True))), seed):
        assert from_row(to_row(varied)) == varied
        assert [calls.fault(call, varied.tools) for call in made(varied)] == [None] * len(made(varied))
        assert len(varied.state) == len(users(varied))
        assert len(by_name(varied.tools)) == len(varied.tools)


def test_the_original_keeps_its_id_and_additions_add_a_suffix():
    for original in TOWN:
        first, *rest = vary(original, ALL, 0)
        assert first.id == original.id
        assert {c.id for c in rest} <= {f"{original.id}~missing-tool", f"{original.id}~tool-down"}
        assert len({c.id for c in rest}) == len(rest)


def test_a_row_is_varied_the_same_whatever_comes_before_it():
    alone = [list(vary(c, ALL, 1)) for c in reversed(TOWN)]
    assert alone[::-1] == [list(vary(c, ALL, 1)) for c in TOWN]
    assert [list(vary(c, ALL, 2)) for c in TOWN] != alone[::-1]


def test_without_shares_only_the_order_of_tools_changes():
    for original in TOWN:
        (varied,) = vary(original, QUIET, 0)
        assert sorted(varied.tools, key=str) == sorted(original.tools, key=str)
        assert varied.model_copy(update={"tools": original.tools}) == original


def test_what_was_done_is_told_and_how_calls_were_checked_is_kept():
    first, *rest = vary(TOWN[0].note(checked="executed"), ALL, 0)
    assert {"tool-error", "chat", "renamed"} >= set(first.meta["varied"]) > {"renamed"}
    assert all(c.meta["checked"] == "executed" for c in (first, *rest))


# --- the tool taken away ---------------------------------------------------------------------------------------------


def test_a_missing_tool_ends_the_conversation_with_a_refusal_and_no_call_of_it():
    cut = [(c, bare) for c in TOWN if (bare := without_tool(c))]
    assert len(cut) > 10
    for original, bare in cut:
        gone = {t.name for t in original.tools} - {t.name for t in bare.tools}
        assert len(gone) == 1
        assert gone.isdisjoint(call.name for call in made(bare))
        assert isinstance(bare.messages[-2], User)
        assert bare.messages[-1].text
        assert not bare.messages[-1].calls


LOOK = tool("FindBus", "Find a bus", city="string")
BUY = tool("BuyBusTicket", "Buy tickets for a bus", city="string")


@pytest.mark.parametrize(
    ("said", "missing", "other", "could"),
    [
        ("I need bus tickets.", BUY, LOOK, True),
        ("I want to buy bus tickets.", BUY, LOOK, False),
        ("Find me a bus to Oslo.", LOOK, BUY, False),
        ("Find me a bus to Oslo.", LOOK, tool("Buses_2_FindBus", "Search for a bus"), True),
        ("Find me a bus to Oslo.", LOOK, tool("GetWeather", "Tell the weather"), False),
    ],
)
def test_a_tool_that_could_serve_instead_is_noticed(said, missing, other, could):
    assert serves(other, missing, said) is could
    step = Assistant(calls=(Call(name=missing.name, arguments={"city": "Oslo"}),))
    row = Conversation(id="x", tools=(missing, other), messages=(User(content=said), step))
    assert (without_tool(row) is None) is could


def test_nothing_is_refused_that_was_promised_before():
    step = Assistant(calls=(Call(name="FindBus", arguments={}),))
    promised = (User(content="Hi"), Assistant(text="Shall I find a bus?"), User(content="A bus, yes."), step)
    row = Conversation(id="x", tools=(LOOK, tool("GetWeather", "Tell the weather")), messages=promised)
    assert without_tool(row) is None


# --- tools -----------------------------------------------------------------------------------------------------------


def test_tool_sets_grow_by_none_a_few_or_many_and_never_by_a_near_twin(corpora):
    sizes = []
    for original in TOWN:
        tools = toolset(original, 8, 0)
        added = [t for t in tools if t not in original.tools]
        sizes.append(len(added))
        assert len(by_name(tools)) == len(tools)
        assert not any(near_twin(t, own) for t in added for own in original.tools)
    assert min(sizes) == 0
    assert max(sizes) > 4
    assert max(sizes) <= 8


def test_distractors_speak_of_nothing_that_was_taken_away(corpora):
    pairs = [(c, bare) for c in TOWN[:20] if (bare := without_tool(c))]
    assert pairs
    for original, bare in pairs:
        (gone,) = [t for t in original.tools if t not in bare.tools]
        added = [t for seed in range(5) for t in toolset(bare, 8, seed) if t not in bare.tools]
        assert all(reading(gone).nouns.isdisjoint(stems(f"{t.name} {t.description}")) for t in added)


@pytest.mark.parametrize(
    ("name", "description", "said"),
    [
        ("FindRestaurants", "Find a table of a particular kind in a city", "find a table of a kind in a city"),
        ("getFare", "Retrieves the fare of a taxi. Slow.", "retrieve the fare of a taxi"),
        ("get_user", "The user", "get user"),
        ("think", "A tool for thinking", ""),
    ],
)
def test_what_a_tool_does_is_read_from_its_words(name, description, said):
    assert deed(tool(name, description)) == said


# --- faults ----------------------------------------------------------------------------------------------------------


def test_a_failed_call_is_made_again_and_gives_what_was_recorded():
    for original in TOWN:
        failed = vary_faults.recovered(original)
        (fault,) = failed.meta["faults"]
        place = next(i for i, m in enumerate(failed.messages) if isinstance(m, Observation) and m.call == fault)
        first, _, again, answer = failed.messages[place - 1 : place + 3]
        assert (first.calls[0].name, first.calls[0].arguments) == (again.calls[0].name, again.calls[0].arguments)
        assert "error" in json.loads(failed.messages[place].content)
        assert answer.content in [m.content for m in original.messages if isinstance(m, Observation)]
        assert len(made(failed)) == len(made(original)) + 1


def test_without_the_faults_the_town_still_gives_every_observation():
    for original in TOWN[:20]:
        failed = vary_faults.recovered(original)
        town = Town()
        real = [call for call in made(failed) if call.id not in failed.meta["faults"]]
        answers = [
            m.content for m in failed.messages if isinstance(m, Observation) and m.call not in failed.meta["faults"]
        ]
        assert [town.run(call) for call in real] == answers


def test_only_what_changes_nothing_is_repeated_blindly():
    for original in TOWN:
        down = vary_faults.down(original)
        *_, last = made(down)
        repeated = len(down.meta["faults"])
        assert repeated == (2 if reads(by_name(original.tools)[last.name]) else 1)
        assert down.messages[-1].text


def test_a_conversation_without_observations_has_no_faults():
    bare = Conversation(
        id="x", tools=(LOOK,), messages=(User(content="?"), Assistant(calls=(Call(name="FindBus", arguments={}),)))
    )
    assert vary_faults.recovered(bare) is None
    assert vary_faults.down(bare) is None


# --- chat ------------------------------------------------------------------------------------------------------------


def test_chat_adds_one_turn_without_a_call():
    for original in TOWN:
        talked = chatted(original, (0, original.id))
        assert len(talked.messages) == len(original.messages) + 2
        assert made(talked) == made(original)
        assert len(talked.state) == len(original.state) + 1


def test_chat_comes_after_the_system_message():
    row = Conversation(id="x", messages=(System(content="Be kind."), User(content="Find a bus.")))
    talked = chatted(row, (0, "x"))
    assert [m.role for m in talked.messages] == ["system", "user", "assistant", "user"]


def test_sums_are_right():
    sums = [vary_words.fact((n,), place) for n in range(40) for place in range(7)]
    found = [re.search(r"(\d+) (plus|minus) (\d+)\?.*?(\d+)", " ".join(pair)) for pair in sums]
    checked = [(int(m[1]) + int(m[3]) * (1 if m[2] == "plus" else -1), int(m[4])) for m in found if m]
    assert len(checked) >= 30
    assert all(right == said for right, said in checked)


def test_there_are_enough_words_for_none_to_be_common():
    assert len({question for question, _ in vary_words.FACTS}) >= 60
    assert min(map(len, (vary_words.GREETINGS, vary_words.ABILITY, vary_words.THANKS))) >= 30
    assert len(vary_words.WANTED) * len(vary_words.UNABLE) * len(vary_words.THEREFORE) > 1_000
