import pytest

from calm.data import thoughts
from calm.data.thoughts import CALLING, CALLING_BARE, FOUND, HEARD, PLANNED, READ, READ_BARE, READ_WITH, Act

BLANKS = {"slots": "s", "values": "v", "pairs": "p", "tool": "t", "count": "c"}


@pytest.mark.parametrize("grammar", [HEARD, PLANNED])
def test_every_act_has_eight_wordings_that_can_be_filled(grammar):
    for options in grammar.values():
        assert len(set(options)) >= 8
        assert all(option.format_map(BLANKS) for option in options)


@pytest.mark.parametrize(
    "options", [*HEARD.values(), *PLANNED.values(), CALLING, CALLING_BARE, FOUND, READ, READ_BARE, READ_WITH]
)
def test_wordings_are_clauses_that_say_can_join(options):
    assert all(
        option[-1] not in ".;,?" and (option[0].islower() or option[:2] == "I " or option[0] == "{")
        for option in options
    )


def test_acts_of_one_kind_share_a_clause_and_twins_are_said_once():
    acts = [Act("INFORM", "city", "Norvik"), Act("INFORM", "date", "today"), Act("THANK_YOU"), Act("THANK_YOU")]
    thought = thoughts.say(thoughts.heard(acts, ("d", 0)), [], ("d", 0))
    assert "city Norvik and date today" in thought
    assert thought.lower().count("thank") == 1


def test_a_confirmation_speaks_of_the_value_that_will_be_sent():
    acts = [Act("CONFIRM", "date", "tomorrow", "2019-03-02")]
    assert "date 2019-03-02" in thoughts.planned(acts, ("d", 0))[0].text()


def test_what_does_not_matter_is_any():
    assert "any city" in thoughts.heard([Act("INFORM", "city", "dontcare")], ("d", 0))[0].text()


def test_wording_varies_with_the_turn_and_repeats_itself():
    acts = [Act("REQUEST", "check_in_date")]
    told = [thoughts.planned(acts, ("d", turn))[0].text() for turn in range(90)]
    assert set(told) == {wording.format(slots="check in date") for wording in PLANNED["REQUEST"]}
    assert told == [thoughts.planned(acts, ("d", turn))[0].text() for turn in range(90)]


def test_a_thought_is_whole_sentences_of_two_clauses_at_most():
    before = thoughts.heard([Act("SELECT"), Act("AFFIRM"), Act("THANK_YOU")], ("d", 0))
    after = thoughts.planned([Act("NOTIFY_SUCCESS"), Act("GOODBYE")], ("d", 0))
    for turn in range(50):
        thought = thoughts.say(before, after, ("d", turn))
        assert thought.endswith(".")
        sentences = thought[:-1].split(". ")
        assert 3 <= len(sentences) <= 5
        assert all(sentence[0].isupper() for sentence in sentences)


def test_a_value_at_the_beginning_keeps_its_spelling():
    clause = thoughts.Clause("{values} is asked of me", {"values": "eBay"})
    assert thoughts.say([clause], [], ("d", 0)) == "eBay is asked of me."


@pytest.mark.parametrize(("count", "amount"), [(0, "nothing"), (1, "1 result"), (4, "4 results")])
def test_the_number_of_results_is_said(count, amount):
    assert amount in thoughts.found("Find", count, ("d", 1)).text()


def test_a_call_without_arguments_still_has_a_reason():
    assert "Find" in thoughts.calling("Find", {}, {}, ("d", 0)).text()


def test_of_many_arguments_only_those_put_otherwise_are_named():
    arguments = {"city": "Norvik", "date": "2019-03-02", "seats": "2", "kind": "boat"}
    text = thoughts.calling("Find", arguments, {"date": ["tomorrow"], "city": ["Norvik"]}, ("d", 0)).text()
    assert 'date 2019-03-02 ("tomorrow")' in text
    assert "Norvik" not in text
