import json
from random import Random

import pytest

from calm.conversation import Assistant, Conversation, Observation, Tool, User
from calm.data import calls
from calm.data.sources.grown import grown
from calm.data.sources.grown_speech import speakable
from calm.data.sources.grown_turns import DOORS, keyed, told


def of(kind, count=60):
    return [row for row in (grown(number, 9, (kind,)) for number in range(count)) if isinstance(row, Conversation)]


def steps(row):
    return [message for message in row.messages if isinstance(message, Assistant)]


@pytest.fixture
def fare():
    schema = {"city": {"type": "string"}, "distance": {"type": "number"}, "guests": {"type": "integer"}}
    parameters = {"type": "object", "properties": schema, "required": list(schema)}
    return speakable(Tool(name="getFare", description="Calculate the fare of a ride", parameters=parameters), "taxis")


def test_nothing_is_called_before_all_has_been_told(fare):
    for seed in range(40):
        row = told(fare, [], Random(seed), (seed,))
        *asked, last = steps(row)
        assert asked
        assert not any(step.calls for step in asked)
        said = " ".join(message.content for message in row.messages if isinstance(message, User))
        assert last.calls[0].arguments["city"] in said
        assert len(last.calls[0].arguments) == 3


def test_what_another_tool_gives_is_passed_on_and_stands_in_no_message_of_the_user(fare):
    for seed in range(40):
        row = keyed(fare, [], Random(seed), (seed,))
        (given,) = (message for message in row.messages if isinstance(message, Observation))
        ((name, value),) = json.loads(given.content).items()
        assert steps(row)[-1].calls[0].arguments[name] == value
        assert not any(value in message.content for message in row.messages if isinstance(message, User))


def test_names_of_ours_are_written_as_the_tool_writes_its_own(fare):
    plain = fare._replace(tool=fare.tool.model_copy(update={"name": "get_fare"}))
    names = {tool.name for seed in range(30) for tool in keyed(fare, [], Random(seed), (seed,)).tools}
    assert not any("_" in name for name in names)
    names = {tool.name for seed in range(30) for tool in keyed(plain, [], Random(seed), (seed,)).tools}
    assert names - {"get_fare"} <= {name for door in DOORS for name in door.givers}


def test_tools_without_two_values_to_tell_or_with_a_key_of_their_own_do_not_lend_themselves(fare):
    single = fare._replace(required={"city": fare.required["city"]})
    assert told(single, [], Random(0), (0,)) is None
    owned = fare._replace(required=dict.fromkeys((door.name for door in DOORS), fare.required["city"]))
    assert keyed(owned, [], Random(0), (0,)) is None


@pytest.mark.parametrize("kind", ["told", "keyed"])
def test_rows_of_the_pool_have_calls_that_fit_and_a_thought_at_every_step(corpora, kind):
    rows = of(kind)
    assert len(rows) > 50
    for row in rows:
        assert all(step.thought for step in steps(row))
        assert not [fault for step in steps(row) for call in step.calls if (fault := calls.fault(call, row.tools))]
