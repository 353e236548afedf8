"""The embedded engine computes what transformers computes, keeps its cache honest, and cannot write a bad call."""

import warnings

import numpy as np
import pytest
import torch

from calm.conversation import Assistant, Conversation, Garbled, System, Tool, User
from calm.data.sources.town import read_town
from calm.errors import FormatError, ModelError
from calm.format import grammar
from calm.format.react import CALL
from calm.format.tokens import Codec
from calm.policy.local import Local
from calm.policy.local.constrain import Constraint
from calm.policy.local.llama import Llama, rope_frequencies
from calm.policy.local.plain import Plain
from calm.world.town import Town

IDS = [0, 9, 40, 33, 7, 250, 11, 12, 90, 3] * 30


def test_logits_equal_transformers(tiny):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import AutoModelForCausalLM

        theirs = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    expected = theirs(torch.tensor([IDS])).logits[0, -1].detach()
    np.testing.assert_allclose(Llama(tiny, dtype=torch.float32).forward(IDS), expected.numpy(), rtol=1e-3, atol=1e-3)


def test_piecewise_and_after_rewind_the_same_logits(tiny):
    engine = Llama(tiny, dtype=torch.float32)
    whole = engine.forward(IDS)
    engine.rewind(100)
    engine.forward([5, 6, 7])
    engine.rewind(40)
    for place in range(40, len(IDS), 65):
        last = engine.forward(IDS[place : place + 65])
    assert engine.ids == IDS
    np.testing.assert_allclose(last, whole, rtol=1e-3, atol=1e-3)


def test_llama3_rope_equals_transformers():
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    rope = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    rope["original_max_position_embeddings"] = 8192
    config = LlamaConfig(hidden_size=64, num_attention_heads=4, rope_parameters=rope)
    expected, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    torch.testing.assert_close(rope_frequencies({**config.to_dict(), "head_dim": 16}), expected)


@pytest.fixture(scope="module")
def policy(tiny):
    return Local(str(tiny), Plain(tiny), Codec.load(tiny), max_tokens=600)


@pytest.mark.parametrize("choice", ["auto", "required", "none"])
def test_a_random_model_cannot_write_a_bad_call(policy, choice):
    policy.choice, toolbox = choice, Town()
    for said in range(4):
        step = policy(Conversation(tools=toolbox.tools, messages=(User(content=f"book {said}, please"),)))
        assert not isinstance(step, Garbled) or "a call was cut" in step.why
        assert bool(step.calls) is (choice == "required") or choice == "auto"
        assert not any("unknown tool" in toolbox.run(call) or "missing" in toolbox.run(call) for call in step.calls)


@pytest.mark.parametrize("most", [150, 300])
def test_words_that_would_outgrow_their_limit_are_brought_to_an_end(tiny, most):
    policy = Local("tiny", Plain(tiny), Codec.load(tiny), max_tokens=most)
    policy.choice = "none"
    step = policy(Conversation(tools=Town().tools[:1], messages=(User(content="on and on"),)))
    assert isinstance(step, Assistant)
    assert policy.usage.written <= most
    assert policy.hurried  # noise never ends by itself


@pytest.mark.parametrize("many", [False, True])
def test_a_call_that_outgrows_the_limit_is_never_made(tiny, many):
    policy = Local("tiny", Plain(tiny), Codec.load(tiny), max_tokens=60)
    policy.choice = "required"
    asked = Conversation(tools=Town().tools[:1], messages=(User(content="on and on"),))
    step = policy.many([asked])[0] if many else policy(asked)
    assert isinstance(step, Garbled)
    assert CALL in step.raw
    assert step.why.endswith("a call was cut, so nothing was called")


def drawn(codec, liked, seed=0):
    """A step of noise under the grammar that likes tokens with such a beginning."""
    size, draw, said = codec.tokenizer.get_vocab_size(), np.random.default_rng(seed), list[int]()
    likes = np.zeros(size, np.float32)
    likes[[i for token, i in codec.tokenizer.get_vocab().items() if token.startswith(liked)]] = 2
    rules = Constraint(codec)
    rules.begin(grammar.step(Town().tools, "required"))
    while codec.stop not in said and len(said) < 5000:
        said += rules.next(likes + draw.gumbel(size=size).astype(np.float32))
    return codec.read(said)


@pytest.mark.parametrize("liked", ["<", "}", '"', "\\"])
def test_noise_under_the_grammar_makes_calls_and_no_value_can_hold_a_tag(tiny, liked):
    step, toolbox = drawn(Codec.load(tiny), liked), Town()
    assert isinstance(step, Assistant)
    assert step.calls
    assert not any("unknown tool" in toolbox.run(call) or "missing" in toolbox.run(call) for call in step.calls)


def test_unconstrained_noise_is_data_not_an_exception(policy):
    policy.choice, policy.constrained = "auto", False
    step = policy(Conversation(messages=(System(content="x"), User(content="y"))))
    policy.constrained = True
    assert isinstance(step, Garbled | Assistant)


def test_only_what_is_new_is_computed(policy):
    conversation = next(read_town(1, 2))
    policy.choice = "none"
    for place in conversation.steps[:3]:
        policy(conversation.upto(place))
    assert policy.usage.cached >= len(policy.codec.prompt(conversation.upto(conversation.steps[1])))


def test_a_conversation_beyond_the_context_is_refused_by_name(policy):
    long = Conversation(id="long", messages=(User(content="word " * 5000),))
    with pytest.raises(ModelError, match=r"'long'.*exceed the model's 4096"):
        policy(long)


def test_a_schema_no_grammar_can_hold_says_so(policy):
    odd = Tool(name="odd", parameters={"type": "object", "properties": {"x": {"$ref": "#/nowhere"}}})
    policy.choice = "required"
    with pytest.raises(FormatError, match="make no grammar"):
        policy(Conversation(tools=(odd,), messages=(User(content="go"),)))
