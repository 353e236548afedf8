from collections import Counter

from calm.conversation import Assistant, Call, Conversation, Observation, Tool, User
from calm.data import thoughts
from calm.data.skeletons import names, skeleton, skeletons, vocabulary

FERRY = Tool(name="FindFerry", parameters={"type": "object", "properties": {"from_port": {"type": "string"}}})


def conversation(*thoughts, port="Brae Point", result="Sandpiper"):
    call = Call(name="FindFerry", arguments={"from_port": port})
    steps = [Assistant(thought=thought, text="x") for thought in thoughts]
    told = (
        User(content="hi"),
        Assistant(calls=(call,), thought="Go."),
        Observation(content=f'{{"ferry_name": "{result}"}}'),
    )
    return Conversation(tools=(FERRY,), messages=(*told, *steps), state=({"Ferries_1.date": "the 4th"},))


def test_two_thoughts_of_one_wording_have_one_pattern():
    one = conversation("I call FindFerry with from port Brae Point and date the 4th. 3 fit.")
    other = conversation("I call FindFerry with ferry name Keel. 12 fit.", result="Keel", port="Eldham")
    assert list(skeletons(one))[1:] == list(skeletons(other))[1:] == ["i call _ with _ . _ fit ."]


def test_another_wording_is_another_pattern():
    assert len({*skeletons(conversation("I call FindFerry.", "FindFerry can run.", "I call FindFerry now."))}) == 4


def test_the_longest_name_is_blanked_and_quotes_go_with_it():
    known = vocabulary(["Brae", "Brae Point", "tomorrow"])
    assert skeleton('To Brae Point ("tomorrow"), or Brae.', known) == "to _ , or _ ."


def test_all_that_is_not_ours_is_known():
    assert {"FindFerry", "from port", "Brae Point", "ferry name", "Sandpiper", "date", "the 4th"} <= names(
        conversation("x")
    )


def test_utterances_of_one_intent_are_read_in_hundreds_of_patterns():
    told = [thoughts.read("PlayMusic", {"artist": "Zayn", "year": "2012"}, (turn,)) for turn in range(4000)]
    patterns = Counter(skeleton(text, vocabulary(["PlayMusic", "artist", "year", "Zayn"])) for text in told)
    assert patterns.most_common(1)[0][1] < 0.01 * len(told)
