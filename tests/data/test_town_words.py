"""The assistant's wordings in the town: enough of them, and the simulated user understands each."""

import re
from collections import Counter
from itertools import product

import pytest

from calm.conversation import Assistant, Conversation, User
from calm.data import wordings
from calm.data.skeletons import skeletons
from calm.data.sources import town_words as words
from calm.data.sources.town import read_town
from calm.world.dialogue import ASKED, TownUser
from calm.world.town_talk import PLANS, QUESTIONS, Goal

MADE = list(read_town(3000))
PARTS = ("KNOWN", "FOUND", "WHICH", "SORRY")
BANKS = {name: bank for name, bank in vars(words).items() if name.isupper() and name not in PARTS}
SMALL = ("GREETED", "CURIOUS", "WEATHER", "HELLO", "ABLE", "UNABLE", "SMALL_TALK")
DINNER = Goal(domain="restaurant", wishes={"food": "thai"}, booking={"day": "friday", "time": "19:00", "people": 2})


def every(bank, **blanks):
    return ["".join(halves).format_map(blanks) for halves in product(*bank)]


def thoughts():
    return [m.thought for made in MADE for m in made.messages if isinstance(m, Assistant)]


def heard(*said):
    """What a user who wants dinner and was offered a place says to each of these replies."""
    for text in said:
        user, talk = TownUser(DINNER), Conversation(id="x")
        for reply in ("How may I help?", "There is Mango Tuk.", text):
            talk = talk.add(User(content=user(talk) or "")).add(Assistant(text=reply))
        yield text, user(talk), user


def test_no_pattern_of_a_thought_stands_in_more_than_one_percent():
    counts = Counter(pattern for made in MADE for pattern in skeletons(made))
    assert max(counts.values()) < counts.total() * 0.01


def test_replies_vary_as_thoughts_do():
    last = Counter(m.text for made in MADE for m in made.messages[-1:] if isinstance(m, Assistant))
    assert max(last.values()) < len(MADE) * 0.05


def test_thoughts_are_short():
    sizes = [len(thought.split()) for thought in thoughts()]
    assert sum(sizes) < 14 * len(sizes)
    assert max(sizes) < 30


def test_thoughts_are_sentences_and_fill_their_blanks():
    assert all(t.endswith(".") and not t[0].islower() and not set("{}") & set(t) for t in thoughts())


@pytest.mark.parametrize("name", [name for name in BANKS if name not in SMALL])
def test_every_half_has_enough_wordings_no_two_alike(name):
    for half in BANKS[name]:
        assert len(set(half)) == len(half) >= 6


@pytest.mark.parametrize("name", [name for name in BANKS if name != "SMALL_TALK"])
def test_first_halves_begin_small_and_second_halves_join(name):
    first, *second = BANKS[name]
    assert all(text[0].islower() or text[:2] == "I " or text[0] == "{" for text in first)
    assert all(text[0] in " ,.;" for half in second for text in half)


@pytest.mark.parametrize("slot", QUESTIONS)
def test_a_question_asks_for_its_slot_and_no_other_of_its_task(slot):
    tasks = [(*plan.needs, *plan.slots) for plan in PLANS.values()]
    mine = {key for slots in tasks if slot in slots for key in slots}
    for text in every(words.QUESTION, plain=QUESTIONS[slot], which=words.WHICH[slot]):
        assert text.endswith("?")
        assert [key for key in mine if key in ASKED and ASKED[key].search(text.casefold())] == [slot]


def test_an_offer_asks_for_no_slot():
    for text in every(words.SHALL, it="it"):
        assert not [slot for slot, asks in ASKED.items() if asks.search(text.casefold())]


def test_a_user_to_whom_other_times_are_offered_takes_the_first():
    error = "Mango Tuk is full on friday at 19:00"
    for text, answered, _ in heard(*every(words.INSTEAD, error=error, free="18:00 and 20:00", verb="are")):
        assert re.search(r"\b18:00\b", answered or ""), text


def test_a_user_who_hears_the_reference_thanks_and_ends():
    for text, answered, user in heard(*every(words.CONFIRMED, what="Mango Tuk on Friday", reference="R1234")):
        assert user.done, text
        assert "hank" in (answered or "")


def test_a_user_asked_for_another_area_hears_so():
    for text in every(words.NO_MATCH, what="thai restaurant"):
        assert ASKED["area"].search(text.casefold().rpartition(".")[2])


def test_halves_are_drawn_apart_and_the_same_for_the_same_key():
    bank = (tuple("abcdefgh"), tuple("stuvwxyz"))
    drawn = [words.worded(bank, "town", number) for number in range(2000)]
    assert len(set(drawn)) == 64
    assert drawn == [words.worded(bank, "town", number) for number in range(2000)]


def test_fewer_wordings_change_nothing_but_words():
    with wordings(1):
        plain = list(read_town(200))
    acts = [[(m.role, getattr(m, "calls", ())) for m in made.messages] for made in MADE[:200]]
    assert [[(m.role, getattr(m, "calls", ())) for m in made.messages] for made in plain] == acts
    assert {made.messages[-1].model_dump()["text"] for made in plain} == {"You're welcome. Goodbye!"}
