"""One engine thread for many callers: what each hears is what it would have heard alone, and nobody is left waiting."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from calm.conversation import Conversation, System, User
from calm.data.sources.town import read_town
from calm.errors import ModelError
from calm.format.tokens import Codec
from calm.hub.models import Found
from calm.policy.local import Local
from calm.policy.local import engine as engines
from calm.policy.local.together import Together

TURNS = [[("system", "Be brief."), ("user", said * 9)] for said in ("one ", "two ", "three ", "four ")]


def conversations(count):
    return [c.upto(c.steps[0]) for c in read_town(count, 4)]


def model(tiny, **settings):
    return Local("tiny", engines.load(Found("tiny", tiny), "openvino", "f32"), Codec.load(tiny), **settings)


@pytest.fixture
def together(tiny):
    made = Together(model(tiny, max_tokens=80), width=3)
    yield made
    made.close()


def test_each_thread_hears_what_it_would_have_heard_alone(tiny, together):
    alone, asked = model(tiny, max_tokens=80), conversations(8)
    with ThreadPoolExecutor(12) as pool:
        steps, texts = pool.map(together, asked), pool.map(together.complete, TURNS)
        assert list(steps) == [alone(conversation) for conversation in asked]
        assert list(texts) == [alone.complete(turns) for turns in TURNS]


def test_each_thread_has_its_own_limits_and_its_own_bill(tiny, together):
    def ask(most):
        together.choice, together.max_tokens = "none", most
        step = together(Conversation(messages=(User(content="on and on"),)))
        return step.calls, together.usage.written <= most, together.hurried

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(ask, [20, 40, 60])) == [((), True, True)] * 3
    assert (together.choice, together.max_tokens, together.usage.written) == ("auto", 80, 0)


def test_one_that_cannot_be_answered_stops_no_other(together):
    long = Conversation(id="long", messages=(User(content="word " * 5000),))
    with ThreadPoolExecutor(4) as pool:
        bad, good = pool.submit(together, long), list(pool.map(together, conversations(4)))
        assert isinstance(bad.exception(), ModelError)
    assert len(good) == 4


def test_who_stops_listening_has_its_sequence_dropped(together):
    together.choice, together.max_tokens = "none", 2000
    tokens = together.tokens(Conversation(messages=(System(content="x"), User(content="y"))))
    next(tokens)
    tokens.close()
    assert 1 <= together.usage.written < 1000
    while together._open:
        time.sleep(0.01)


def test_closing_ends_the_thread_and_all_who_wait(together):
    together.max_tokens = 2000
    tokens = together.tokens(conversations(1)[0])
    next(tokens)
    together.close()
    assert not any(thread.name == "calm-engine" for thread in threading.enumerate())
    with pytest.raises(ModelError, match="closed"):
        list(tokens)
    with pytest.raises(ModelError, match="closed"):
        together(conversations(1)[0])


class Broken:
    """Wishes of which one is no conversation at all: a fault of the program."""

    id, tools, messages = "broken", (), None


def test_a_fault_of_the_engine_reaches_all_who_wait_and_nobody_later(together):
    together.max_tokens = 2000
    tokens = together.tokens(conversations(1)[0])
    next(tokens)
    with pytest.raises(TypeError):
        together(Broken())
    with pytest.raises(TypeError):
        list(tokens)
    together.max_tokens = 20
    assert together.complete(TURNS[0])


def test_it_sleeps_while_nobody_asks(together):
    began = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - began < 0.25
