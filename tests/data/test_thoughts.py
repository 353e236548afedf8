import pytest

from calm.data import thoughts
from calm.data.thoughts import HEARD, PLANNED, Act


@pytest.mark.parametrize("grammar", [HEARD, PLANNED])
def test_every_act_has_three_wordings_that_can_be_filled(grammar):
    for options in grammar.values():
        assert len(set(options)) >= 3
        assert all(option.format(slots="s", values="v", pairs="p") for option in options)


def test_acts_of_one_kind_share_a_sentence_and_twins_are_said_once():
    acts = [Act("INFORM", "city", "Norvik"), Act("INFORM", "date", "today"), Act("THANK_YOU"), Act("THANK_YOU")]
    thought = thoughts.heard(acts, ("d", 0))
    assert "city Norvik and date today" in thought
    assert thought.count("thank") == 1


def test_a_confirmation_speaks_of_the_value_that_will_be_sent():
    acts = [Act("CONFIRM", "date", "tomorrow", "2019-03-02")]
    assert "date 2019-03-02" in thoughts.planned(acts, ("d", 0))


def test_wording_varies_with_the_turn_and_repeats_itself():
    acts = [Act("REQUEST", "check_in_date")]
    told = [thoughts.planned(acts, ("d", turn)) for turn in range(20)]
    assert len(set(told)) == 3
    assert told == [thoughts.planned(acts, ("d", turn)) for turn in range(20)]
    assert all("check in date" in thought for thought in told)


@pytest.mark.parametrize(("count", "amount"), [(0, "nothing"), (1, "1 result"), (4, "4 results")])
def test_the_number_of_results_is_said(count, amount):
    assert amount in thoughts.found("Find", count, ("d", 1)).lower()


def test_a_call_without_arguments_still_has_a_reason():
    assert "Find" in thoughts.calling("Find", {}, {}, ("d", 0))
