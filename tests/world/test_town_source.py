"""Gold conversations of the town: executed, valid, replayable, the same for the same seed."""

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.agent import converse
from calm.conversation import Assistant, Observation, User, by_name, from_row, to_row
from calm.data.sources.town import DOMAINS, read_town
from calm.errors import UsageError
from calm.format import react
from calm.policy.scripted import Gold
from calm.world.dialogue import Dialogue, ScriptedUser
from calm.world.town import OFFERED, Town

MADE = list(read_town(200, seed=7))
PARTED = list(read_town(100, seed=7, whole=1.0, stepwise=1.0))


def calls(conversation):
    return [call for message in conversation.messages if isinstance(message, Assistant) for call in message.calls]


def domains_of(conversation):
    return tuple(d for d, names in OFFERED.items() if names[0] in by_name(conversation.tools))


def test_every_observation_equals_its_execution_in_a_fresh_town():
    for made in MADE + PARTED:
        town = Town(domains_of(made))
        seen = [m.content for m in made.messages if isinstance(m, Observation)]
        assert seen == [town.run(call) for call in calls(made)]


def test_gold_and_the_users_lines_replay_the_conversation_to_its_end():
    for made in MADE[:40]:
        lines = [m.content for m in made.messages if isinstance(m, User)]
        world = Dialogue(Town(domains_of(made)), ScriptedUser(lines))
        replayed = converse(Gold(made), world, world.start())
        assert (replayed.messages, replayed.tools) == (made.messages, made.tools)
        assert replayed.meta["ended"] == "world"


def test_tools_are_exactly_those_of_some_domains_of_the_town():
    for made in MADE:
        assert made.tools == Town(domains_of(made)).tools
        assert 1 <= len(made.tools) <= 5


def test_every_call_fits_its_schema():
    for made in MADE + PARTED:
        for call in calls(made):
            schema: Any = by_name(made.tools)[call.name].parameters
            assert set(schema.get("required", [])) <= set(call.arguments) <= set(schema["properties"])
            for key, value in call.arguments.items():
                assert value in schema["properties"][key].get("enum", [value])


def test_every_reference_that_is_told_was_given():
    for made in MADE:
        given_out = [json.loads(m.content).get("reference") for m in made.messages if isinstance(m, Observation)]
        texts = [
            m.text or "" for m in made.messages if isinstance(m, Assistant) and m.text and "ancelled" not in m.text
        ]
        told = [found for text in texts for found in re.findall(r"\b[RHTC]\d{4,}\b", text)]
        assert told == [reference for reference in given_out if reference]


def test_there_is_one_state_for_each_user_turn_and_calls_use_what_it_knows():
    for made in MADE + PARTED:
        users = [m for m in made.messages if isinstance(m, User)]
        assert len(made.state) == len(users)
        known = {str(value) for value in made.state[-1].values()}
        booked = [call for call in calls(made) if call.name.startswith("book_")][-1:]
        assert all(str(value) in known for call in booked for value in call.arguments.values())


def test_step_by_step_what_is_said_is_searched_with_at_once_and_nothing_else():
    turns = [pair for made in PARTED for pair in pairwise(made.messages)]
    asked = [
        (m.content.casefold(), step.calls) for m, step in turns if isinstance(m, User) and isinstance(step, Assistant)
    ]
    wishes = [(text, calls) for text, calls in asked if re.match("i need an? (?!train|taxi)", text)]
    assert all(calls for _, calls in wishes)
    sent = [(text, value) for text, calls in wishes for call in calls for value in call.arguments.values()]
    assert all(value is True or str(value) in text for text, value in sent)
    assert any(len(calls[0].arguments) == 1 for _, calls in wishes)


def test_the_same_seed_gives_the_same_and_a_longer_run_begins_alike():
    assert list(read_town(10, seed=7)) == MADE[:10]
    assert list(read_town(10, seed=8)) != MADE[:10]


@given(st.integers(0, 10**6))
def test_rows_lose_nothing(seed):
    (made,) = read_town(1, seed)
    assert from_row(to_row(made)) == made
    assert (made.id, made.origin) == (f"town/{seed}/0", "town")


def test_all_that_is_promised_occurs():
    steps = [m for made in MADE for m in made.messages if isinstance(m, Assistant)]
    assert any(len(step.calls) == 2 for step in steps)
    assert any("free" in json.loads(m.content) for made in MADE for m in made.messages if isinstance(m, Observation))
    assert any(call.name == "cancel_booking" for made in MADE for call in calls(made))
    empty = [m for made in MADE for m in made.messages if isinstance(m, Observation) and '"count": 0' in m.content]
    assert empty
    assert any("name" in call.arguments for made in MADE for call in calls(made) if call.name.startswith("find_"))
    for user in ("Hello!", "Will it rain?"):
        assert any(m.content == user for made in MADE for m in made.messages if isinstance(m, User))
    assert all(step.thought for step in steps)


def test_a_thought_before_a_call_names_what_the_call_holds_or_what_changed():
    for made in MADE:
        for step in made.messages:
            if isinstance(step, Assistant) and len(step.calls) == 1 and step.calls[0].name.startswith("book_"):
                given = step.calls[0].arguments.items()
                named = [any(w in (step.thought or "") for w in (k.replace("_", " "), str(v))) for k, v in given]
                assert all(named) or (any(named) and re.search("again|once more|repeat|takes", step.thought or ""))


def test_conversations_fit_a_small_context():
    sizes = sorted(len(react.text(made)) for made in MADE)
    assert sizes[len(sizes) // 2] < 2800


@pytest.mark.parametrize("domain", [d for d in DOMAINS if d != "booking"])
def test_one_domain_alone_offers_only_its_tools(domain):
    for made in read_town(10, domains=(domain,)):
        assert [tool.name for tool in made.tools] == list(OFFERED[domain])


def test_in_the_whole_town_all_tools_are_offered_and_over_half_of_the_users_have_two_errands():
    wide = list(read_town(60, seed=7, whole=1.0))
    assert all({tool.name for tool in made.tools} == {n for names in OFFERED.values() for n in names} for made in wide)
    spoken = [{name.partition("-")[0] for name in made.state[-1]} for made in wide]
    before = [{name.partition("-")[0] for name in made.state[-1]} for made in MADE[:60]]
    assert sum(len(now) > len(then) for now, then in zip(spoken, before, strict=True)) > 25
    assert list(read_town(20, seed=7, whole=0.0)) == MADE[:20]


@pytest.mark.parametrize("domains", [("bus",), ("booking",), ()])
def test_domains_without_anything_to_talk_about_are_refused(domains):
    with pytest.raises(UsageError, match="town domain"):
        list(read_town(1, domains=domains))
