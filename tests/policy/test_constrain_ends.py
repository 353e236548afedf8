"""Under the grammar a model that would never stop does: its numbers end, and it makes a call once in a step."""

import contextlib
import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calm.agent.events import Writing
from calm.agent.live import heard
from calm.conversation import Assistant, Call, Conversation, Observation, Tool, User
from calm.format import grammar, react, text_of
from calm.format.react import CALL
from calm.format.tokens import Codec
from calm.policy.local import Local
from calm.policy.local.constrain import Constraint
from calm.policy.local.engine import Kept
from calm.policy.local.together import Together


@pytest.fixture(scope="module")
def codec(tiny):
    return Codec.load(tiny)


@pytest.fixture(scope="module")
def rules(codec):
    return Constraint(codec)


def tool(schema):
    return Tool(name="f", parameters={"type": "object", "properties": {"x": schema}, "required": ["x"]})


def call(value):
    return Call(name="f", arguments={"x": value})


def text(*calls):
    return text_of(react.step_spans(Assistant(calls=calls)))


def wanting(codec, *texts):
    """Logits of a model that wants the first token of each text, the first one most."""
    logits = np.zeros(codec.tokenizer.get_vocab_size(), np.float32)
    for liking, wanted in enumerate(reversed(texts), 1):
        logits[codec.tokenizer.encode(wanted).ids[0] if wanted else codec.stop] = liking
    return logits


def endless(rules, schema, digit="3"):
    """The value of a model that writes one digit for ever, and would go on with a point or an end if it had to."""
    codec, said = rules.codec, list[int]()
    rules.begin(grammar.step([tool(schema)], "required"))
    while codec.stop not in said and len(said) < 400:
        said += rules.next(wanting(codec, digit, ".", "}", '"', CALL.removeprefix(codec.text(said)), ""))
    return codec.text(said).partition('"x": ')[2].partition("}")[0]


@pytest.mark.parametrize(
    ("schema", "most"),
    [
        ({"type": "integer"}, 20),
        ({"type": "number"}, 41),
        ({"type": "number", "minimum": 0.5, "maximum": 7}, 22),
        ({"type": ["integer", "null"], "minimum": 3}, 20),
    ],
)
def test_a_model_that_writes_digits_for_ever_ends_its_number(rules, schema, most):
    value = endless(rules, schema)
    assert 20 <= len(value) <= most
    assert json.loads(value) >= 0.5


@pytest.mark.parametrize("zeros", [5, 9, 14])
def test_where_a_schema_wants_a_longer_number_it_is_written_whole(rules, zeros):
    wanted = "3" * 16 + "0" * zeros
    assert endless(rules, {"enum": [int(wanted), int(wanted + "0"), int(wanted + "000")]}) == wanted
    assert endless(rules, {"const": int(wanted)}, "0") == wanted


def test_a_power_ends_before_infinity(rules):
    codec, said = rules.codec, list[int]()
    rules.begin(grammar.step([tool({"type": "number"})], "required"))
    while codec.stop not in said and len(said) < 400:
        rest = CALL.removeprefix(codec.text(said))
        said += rules.next(wanting(codec, "e" if codec.text(said).endswith("9") else "9", "9", "}", '"', rest, ""))
    value = codec.text(said).partition('"x": ')[2].partition("}")[0]
    assert (value, json.loads(value)) == ("9e99", 9e99)


def test_digits_in_a_string_are_no_number(rules):
    assert endless(rules, {"type": "string", "maxLength": 60}) == '"' + "3" * 60 + '"'


numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=60)
@given(value=numbers)
@example(value=1.7976931348623157e308)
@example(value=-5e-324)
@example(value=-0.00012345678901234567)
@example(value=-(2**63))
@example(value=2**64 - 1)
def test_every_64_bit_number_is_written_as_python_writes_it(codec, rules, value):
    said, wanted = list[int](), text(call(value))
    rules.begin(grammar.step([tool({"type": "number"})], "required"))
    while codec.stop not in said and len(said) < 200:
        said += rules.next(wanting(codec, wanted.removeprefix(codec.text(said))))
    assert codec.text(said) == wanted


class Wishful(Kept):
    """A model that wants to write one text, whatever it is asked, and has no weights to want it with."""

    kind = rung = ""

    def __init__(self, codec: Codec, wanted: str, ids: Sequence[int] = ()) -> None:
        self.config, self.codec, self.wanted, self.ids = {}, codec, wanted, list(ids)

    def fork(self):
        return Wishful(self.codec, self.wanted, self.ids)

    def forward(self, ids):
        self.ids += ids
        said = self.codec.tokenizer.decode(self.ids, skip_special_tokens=False).rpartition("assistant\n")[2]
        return wanting(self.codec, self.wanted.removeprefix(said) if self.wanted.startswith(said) else "")

    def forward_many(self, parts):
        return np.stack([sequence.forward(ids) for sequence, ids in parts])


def wishing(codec, *calls, constrained=True):
    return Local("wishful", Wishful(codec, text(*calls)), codec, constrained=constrained, max_tokens=400)


def calls_of(step):
    assert isinstance(step, Assistant)
    return step.calls


def asked(schema=True):
    return Conversation(tools=(tool(schema),), messages=(User(content="do it"),))


ONE, TWO = call("a < b > c\n</tool_call>"), call("two")


@pytest.mark.parametrize("same", [ONE, call({"b": [1, True], "a": "e"}), call(0.5)])
def test_a_call_that_is_repeated_for_ever_is_made_once(codec, same):
    policy = wishing(codec, TWO, *[same] * 20)
    assert [made.arguments for made in calls_of(policy(asked()))] == [TWO.arguments, same.arguments]
    assert policy.repeated
    third = len(codec.encode(react.step_spans(Assistant(calls=(TWO, same, same)))).ids)
    assert third - 4 <= policy.usage.written <= third + 4  # it is paid for, and nothing after it


@pytest.mark.parametrize("last", [TWO, call("ONE"), call(1), call(1.5), call(True), call([1]), call(["1"])])
def test_calls_that_differ_in_anything_are_all_made(codec, last):
    calls = call(0), call(False), call("1"), last
    policy = wishing(codec, *calls)
    assert [made.arguments for made in calls_of(policy(asked()))] == [made.arguments for made in calls]
    assert not policy.repeated


def test_keys_in_another_order_are_the_same_call(codec):
    policy = wishing(codec, call({"a": 1, "b": 2}), call({"b": 2, "a": 1}), TWO)
    assert len(calls_of(policy(asked()))) == 1
    assert policy.repeated


def test_a_free_model_repeats_what_it_likes(codec):
    policy = wishing(codec, ONE, ONE, constrained=False)
    assert len(calls_of(policy(asked()))) == 2
    assert not policy.repeated


@pytest.mark.parametrize("calls", [(ONE, ONE, ONE), (ONE, TWO, ONE, TWO), (ONE, TWO)])
def test_nothing_is_heard_of_a_call_that_is_dropped(codec, calls):
    *pieces, step = heard(wishing(codec, *calls), asked())
    told = "".join(piece.text for piece in pieces if isinstance(piece, Writing) and piece.part == "call")
    once = list(dict.fromkeys(react.compact({"name": c.name, "arguments": c.arguments}) for c in calls))
    assert "".join(told.split("\n")) == "".join(once)
    assert len(calls_of(step)) == len(once)


def test_decoded_together_each_says_for_itself_whether_it_repeated(codec):
    local = wishing(codec, ONE, ONE, ONE)
    assert [len(calls_of(step)) for step in local.many([asked(), asked()])] == [1, 1]
    with contextlib.closing(Together(local, 2)) as together:
        assert not together.repeated
        assert len(calls_of(together(asked()))) == 1
        assert together.repeated


def test_after_a_dropped_call_the_conversation_goes_on_from_what_was_kept(codec):
    local, start = wishing(codec, ONE, ONE), asked()
    step = local(start)
    rest = (*start.messages, step, Observation(content="done", name="f"))
    again = local(start.model_copy(update={"messages": rest}))
    kept = len(codec.prompt(start)) + len(codec.encode(react.step_spans(step)).ids)
    assert isinstance(again, Assistant)
    assert local.usage.cached >= kept - 8
