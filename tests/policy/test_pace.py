"""The pace by a clock that stands until someone sleeps: places are apart, nobody saves them up, all wait for a hold."""

import itertools
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.errors import UsageError
from calm.policy.pace import Pace


class Clock:
    def __init__(self):
        self.now, self.lock = 100.0, threading.Lock()

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        with self.lock:
            self.now += seconds


def paced(gap):
    clock = Clock()
    return clock, Pace(gap, clock, clock.sleep)


@given(st.lists(st.floats(0, 3), max_size=30), st.sampled_from([0.25, 1.0]))
def test_requests_are_never_closer_than_the_gap(idle, gap):
    clock, pace = paced(gap)
    sent = []
    for seconds in idle:
        clock.sleep(seconds)
        pace.wait()
        sent.append(clock.now)
    assert all(later - earlier >= gap - 1e-9 for earlier, later in itertools.pairwise(sent))


def test_the_first_goes_at_once_and_without_a_gap_all_do():
    clock, pace = paced(0.0)
    for _ in range(9):
        pace.wait()
    assert clock.now == 100.0


def test_a_hold_keeps_everybody_back_and_places_follow_it():
    clock, pace = paced(1.0)
    pace.wait()
    pace.hold(30)
    pace.hold(5)
    pace.wait()
    assert clock.now == 130.0
    pace.wait()
    assert clock.now == 131.0


def test_threads_share_one_pace():
    clock, pace = paced(2.0)
    threads = [threading.Thread(target=pace.wait) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now >= 118.0


@pytest.mark.parametrize(("rate", "gap"), [("4", 0.25), ("4/s", 0.25), ("120/m", 0.5), ("1800/h", 2.0), (None, 0.0)])
def test_rates_are_read(rate, gap):
    assert Pace.named(rate).gap == gap


@pytest.mark.parametrize("rate", ["", "0", "0/s", "fast", "-1/s", "5/d", "5 / s"])
def test_other_rates_say_how_to_write_one(rate):
    with pytest.raises(UsageError, match="5/s, 300/m, 1000/h"):
        Pace.named(rate)
