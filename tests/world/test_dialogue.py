"""Dialogue answers steps in order; users end; the rule user reaches its goal with an assistant that does its work."""

import json

import pytest

from calm.agent import Limits, converse
from calm.conversation import Assistant, Call, Conversation, Garbled, Observation, System, Tool, User
from calm.errors import UsageError
from calm.policy.scripted import Scripted
from calm.world.dialogue import ASKED, Dialogue, ScriptedUser, TownUser, town_goal
from calm.world.town import Town
from calm.world.town_talk import PLANS, QUESTIONS, Goal, random_goal

EMPTY = Conversation()


class Clerk:
    """An assistant that knows the goal: searches, offers, books, takes the first alternative, confirms."""

    name = "clerk"

    def __init__(self, goal):
        self.plan, self.wishes, self.slots = PLANS[goal.domain], goal.wishes, {**goal.booking}

    def __call__(self, conversation):
        last = conversation.messages[-1]
        if isinstance(last, Observation):
            return self.report(json.loads(last.content))
        if self.plan.find and self.plan.key not in self.slots:
            return Assistant(calls=(Call(name=self.plan.find, arguments=self.wishes),))
        if self.plan.book and not conversation.messages[-1].content.startswith(("Thank", "Perfect", "No,")):
            day = {"day": self.wishes["day"]} if "day" in self.wishes else {}
            return Assistant(calls=(Call(name=self.plan.book, arguments={**day, **self.slots}),))
        return Assistant(text="Goodbye.")

    def report(self, seen):
        if "rows" in seen:
            self.slots[self.plan.key] = seen["rows"][0][self.plan.key]
            return Assistant(text=f"I found {self.slots[self.plan.key]}. Shall I book it?")
        if free := seen.get("free"):
            self.slots[self.plan.flexible] = free[0]
            return Assistant(text=f"{seen['error']}. {free[0]} is free, is that good?")
        return Assistant(text=f"Done, reference {seen['reference']}." if "reference" in seen else f"Sorry, {seen}.")


def answered(user, text):
    return str(user(Conversation(messages=(Assistant(text=text),))))


def errors(world, call):
    return [json.loads(m.content) for _ in range(3) for m in world(EMPTY, Assistant(calls=(call,)))]


def test_calls_are_observed_in_order_even_with_text():
    calls = tuple(Call(name=n, arguments={"area": "north"}, id=f"c{n}") for n in ("find_hotels", "find_attractions"))
    seen = Dialogue(Town(), ScriptedUser([]))(EMPTY, Assistant(text="Let me look.", calls=calls))
    assert [(m.call, m.name) for m in seen if isinstance(m, Observation)] == [(c.id, c.name) for c in calls]
    assert len(seen) == 2


def test_text_goes_to_the_user_whose_silence_ends():
    world = Dialogue(Town(), ScriptedUser(["one"]))
    assert world(EMPTY, Assistant(text="?")) == (User(content="one"),)
    assert world(EMPTY, Assistant(text="?")) == ()


def test_garbled_is_answered_with_the_reason_and_the_two_forms():
    (note,) = Dialogue(Town(), ScriptedUser([]))(EMPTY, Garbled(raw="<tool_call>", why="call 0 is not closed"))
    assert isinstance(note, System)
    assert all(words in note.content for words in ("call 0 is not closed", "plain text", '"arguments"'))


def test_the_same_failing_call_is_told_so_the_second_time():
    first, second, third = errors(Dialogue(Town(), ScriptedUser([])), Call(name="find_buses", arguments={}))
    assert "note" not in first
    assert ("2 times" in second["note"], "3 times" in third["note"]) == (True, True)


def test_the_same_good_call_gets_no_note():
    results = errors(Dialogue(Town(), ScriptedUser([])), Call(name="find_hotels", arguments={}))
    assert results[0] == results[1] == results[2]


def test_a_toolbox_that_answers_in_plain_text_is_passed_through():
    class Plain:
        tools: tuple[Tool, ...] = ()

        def run(self, call):
            return "{cut"

    world = Dialogue(Plain(), ScriptedUser([]))
    assert world(EMPTY, Assistant(calls=(Call(name="x", arguments={}),)))[0] == Observation(content="{cut", name="x")


def test_start_holds_tools_and_first_words():
    start = Dialogue(Town(("taxi",)), ScriptedUser(["Hi"])).start("c1")
    assert [(start.id, start.messages), len(start.tools)] == [("c1", (User(content="Hi"),)), 1]


def test_a_user_without_words_cannot_start():
    with pytest.raises(UsageError, match="'c1'"):
        Dialogue(Town(), ScriptedUser([])).start("c1")


@pytest.mark.parametrize("seed", range(40))
def test_a_town_user_gets_what_it_wants_and_ends(seed):
    goal = town_goal(seed)
    town = Town((goal.domain,))
    world = Dialogue(town, TownUser(goal, seed))
    done = converse(Clerk(goal), world, world.start(), Limits(steps=20))
    assert done.meta["ended"] == "world"
    assert len(town.bookings) == bool(goal.booking)


@pytest.mark.parametrize("seed", range(10))
def test_a_town_user_gives_up_on_an_assistant_that_only_asks(seed):
    asking = Scripted([Assistant(text="Which area, day and time would you like?")] * 30)
    world = Dialogue(Town(), TownUser(town_goal(seed), seed))
    done = converse(asking, world, world.start(), Limits(steps=20))
    assert done.meta["ended"] == "world"
    assert len(done.steps) < 9


def test_a_town_user_says_the_same_for_the_same_seed():
    opened = [Dialogue(Town(), TownUser(town_goal(5), 5)).start() for _ in range(2)]
    assert opened[0] == opened[1]


def test_a_town_user_answers_the_slot_it_is_asked_for():
    user = TownUser(Goal(domain="restaurant", wishes={"food": "thai", "area": "west"}, booking={"day": "friday"}))
    assert "Thai" in answered(user, "What food would you like?")
    assert "west" in answered(user, "In which part of town?")


def test_a_town_user_takes_the_first_free_time():
    user = TownUser(Goal(domain="restaurant", wishes={"food": "thai"}, booking={"time": "19:00"}))
    assert "19:00" in answered(user, "How about Mango Tuk?")
    assert "18:30" in answered(user, "19:00 is full; 18:30 or 20:00 are free.")
    assert "20:00" in answered(user, "18:30 is full as well; 19:00 no, 20:00 yes.")


def test_every_question_of_the_source_is_understood_by_the_user():
    for slot, question in QUESTIONS.items():
        assert ASKED[slot].search(question.casefold())


def test_goals_of_a_seed_are_fixed_and_can_be_met():
    for seed in range(60):
        goal = town_goal(seed)
        assert goal == town_goal(seed)
        plan = PLANS[goal.domain]
        if plan.find:
            found = json.loads(Town().run(Call(name=plan.find, arguments=goal.wishes)))
            assert found["count"] > 0


@pytest.mark.parametrize("content", ["[" * 5000, "9" * 5000])
def test_an_observation_that_json_is_not_read_from_is_text(content):
    class Deep:
        tools = ()

        def run(self, call):
            return content

    step = Assistant(calls=(Call(name="dig", arguments={}),))
    assert [m.content for m in Dialogue(Deep(), lambda c: None)(Conversation(), step)] == [content]


def test_goals_of_an_unknown_domain_are_refused():
    with pytest.raises(UsageError, match="'booking'"):
        town_goal(0, ("booking",))


def test_every_domain_has_goals_with_all_its_slots():
    import random

    for domain, plan in PLANS.items():
        goal = random_goal(domain, random.Random(1))
        assert [set(plan.needs) <= set(goal.wishes), set(goal.booking)] == [True, set(plan.slots)]
