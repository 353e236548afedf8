from calm.conversation import Assistant, Call, Conversation, Observation, Tool, User
from calm.data import Reject
from calm.data.verify import verified
from calm.world.tables import Recorded

ADD = Tool(name="add", parameters={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})


def talk(*observations, numbers=(1, 2)):
    calls = tuple(Call(name="add", arguments={"n": n}, id=f"call_{i}") for i, n in enumerate(numbers))
    heard = [Observation(content=text, call=f"call_{i}", name="add") for i, text in enumerate(observations)]
    return Conversation(
        id="a", origin="test", tools=(ADD,), messages=(User(content="x"), Assistant(calls=calls), *heard)
    )


class Sum:
    """Adds what it is given to what it was given before."""

    def __init__(self, kind=str):
        self.total, self.kind = 0, kind

    def run(self, call):
        self.total += call.arguments["n"]
        return self.kind(self.total)


def test_calls_are_run_in_order_in_one_backend():
    item = verified(talk("1", "3"), Sum().run)
    assert isinstance(item, Conversation)
    assert item.meta["checked"] == "executed"


def test_one_answer_that_was_looked_up_makes_the_row_replayed():
    item = verified(talk("1", "3"), Sum(Recorded).run)
    assert isinstance(item, Conversation)
    assert item.meta["checked"] == "replayed"


def test_an_observation_that_differs_is_named_with_call_and_both_texts():
    item = verified(talk("1", "4"), Sum().run)
    assert isinstance(item, Reject)
    assert (item.id, item.origin, item.reason) == ("a", "test", "observation differs")
    assert item.detail == 'call_1 add({"n": 2}) gives 3, not 4'


def test_a_call_that_nothing_answers_is_not_proven():
    for left, shown in ((("1",), "call_1"), ((), "call_0")):
        item = verified(talk(*left).add(Assistant(text="done")), Sum().run)
        assert isinstance(item, Reject)
        assert (item.reason, item.detail[:6]) == ("action without observation", shown)
