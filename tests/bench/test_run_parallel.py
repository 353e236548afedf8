"""Several tasks at once against a real server: the same scores, nothing finished lost, and stops that can go on."""

import contextlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from calm.bench.judge import judge
from calm.bench.parallel import unordered
from calm.bench.run import Plan, run
from calm.bench.toy import Toy
from calm.bench.transcripts import Log, set_aside
from calm.conversation import Conversation, read
from calm.errors import UsageError
from calm.format.tokens import Codec
from calm.hub.models import Found
from calm.policy.endpoint import Endpoint, Unreachable
from calm.policy.local import Local
from calm.policy.local import engine as engines
from calm.policy.local.together import Together
from calm.policy.scripted import Silent
from tests.answering import Reply, answering

TOY = Toy()
MESSAGE = {"role": "assistant", "content": "No tool fits."}
ANSWER = {"choices": [{"message": MESSAGE}], "usage": {"prompt_tokens": 90, "completion_tokens": 10}}


class Desk:
    """What the server does: answers once `together` requests have been in at once; after `closes` it refuses."""

    def __init__(self, together: int = 1, closes: int = 10_000) -> None:
        self.together, self.closes, self.asked, self.inside = together, closes, 0, 0
        self.met, self.lock = threading.Event(), threading.Lock()

    def status(self) -> int:
        with self.lock:
            self.asked += 1
            self.inside += 1
            refused = self.asked > self.closes
            if self.inside >= self.together:
                self.met.set()
        self.met.wait(10)
        with self.lock:
            self.inside -= 1
        return 401 if refused else 200


@contextmanager
def serving(desk: Desk) -> Iterator[Endpoint]:
    body = json.dumps(ANSWER).encode()
    with answering(lambda request: Reply(desk.status(), {}, body)) as (url, _):
        yield Endpoint("m", url, pause=0.001)


def test_tasks_are_under_way_together_and_the_scores_do_not_tell(tmp_path):
    desk = Desk(together=3)
    with serving(desk) as endpoint:
        assert run(TOY, endpoint, tmp_path / "three", Plan(concurrency=3)) == (24, 0, 24, 0, False)
        assert desk.met.is_set()
        run(TOY, endpoint, tmp_path / "one")
    judge(TOY, tmp_path / "three"), judge(TOY, tmp_path / "one")
    for name in ("scores.json", "verdicts.jsonl"):
        assert (tmp_path / "three" / name).read_text() == (tmp_path / "one" / name).read_text()


def test_a_local_model_decodes_tasks_together_and_the_scores_do_not_tell(tiny, tmp_path):
    local = Local("tiny", engines.load(Found("tiny", tiny), "openvino", "f32"), Codec.load(tiny), max_tokens=40)
    run(TOY, local, tmp_path / "one", Plan(limit=6))
    with contextlib.closing(Together(local, 3)) as together:
        assert run(TOY, together, tmp_path / "three", Plan(limit=6, concurrency=3)) == (6, 0, 6, 0, False)
    said = [
        {t.id: (t.messages, t.meta["run"]) for t in read(tmp_path / name / "transcripts.jsonl")}
        for name in ("one", "three")
    ]
    assert said[0] == said[1]


def test_ctrl_c_keeps_what_is_finished_and_the_run_goes_on(tmp_path):
    def stop(done, total, transcript):
        if done == 4:
            raise KeyboardInterrupt

    plan = Plan(concurrency=3)
    with serving(Desk()) as endpoint:
        with pytest.raises(KeyboardInterrupt):
            run(TOY, endpoint, tmp_path, plan, stop)
        there = len(list(read(tmp_path / "transcripts.jsonl")))
        assert 4 <= there < 24
        assert run(TOY, endpoint, tmp_path, plan) == (24, there, 24 - there, 0, False)
    assert len(list(read(tmp_path / "transcripts.jsonl"))) == 24


def test_a_budget_stops_between_tasks_and_the_next_command_goes_on(tmp_path):
    with serving(Desk()) as endpoint:
        ran = run(TOY, endpoint, tmp_path, Plan(budget=450))
        assert (ran.new, ran.left, endpoint.spent()) == (5, 19, 500)
        assert judge(TOY, tmp_path)["all"]["n"] == 5
        assert run(TOY, endpoint, tmp_path, Plan(budget=10_000, concurrency=2)).left == 0


def test_a_server_that_closes_on_the_way_ends_the_run(tmp_path):
    desk = Desk(closes=8)
    with serving(desk) as endpoint:
        with pytest.raises(Unreachable, match="key was refused"):
            run(TOY, endpoint, tmp_path)
        assert desk.asked == 13
        desk.closes = 10_000
        assert run(TOY, endpoint, tmp_path).errors == 0
    assert judge(TOY, tmp_path)["errors"].get("error") is None


@pytest.mark.parametrize(("plan", "flag"), [(Plan(concurrency=2), "--concurrency"), (Plan(budget=9), "--budget")])
def test_what_only_an_endpoint_can_do_is_refused_to_others(tmp_path, plan, flag):
    with pytest.raises(UsageError, match=f"{flag} is for openai:MODEL@URL"):
        run(TOY, Silent(), tmp_path, plan)
    assert not any(tmp_path.iterdir())


def test_every_item_is_worked_on_once_by_however_many_threads():
    for threads in (1, 4, 50):
        with unordered(lambda item: item * item, range(20), threads) as results:
            assert sorted(results) == [item * item for item in range(20)]


@pytest.mark.parametrize("threads", [1, 4])
def test_an_exception_of_the_work_is_raised_where_the_results_are_read(threads):
    with unordered(lambda item: 1 // item, [1, 0, 1], threads) as results, pytest.raises(ZeroDivisionError):
        list(results)


def test_a_closed_log_takes_nothing_more(tmp_path):
    with Log(tmp_path / "t.jsonl", {"plan": "x"}) as log:
        log.add(Conversation(id="a"))
    log.add(Conversation(id="late"))
    assert [(t.id, t.meta["run"]) for t in read(tmp_path / "t.jsonl")] == [("a", {"plan": "x"})]


def test_what_is_set_aside_overwrites_nothing(tmp_path):
    path = tmp_path / "t.jsonl"
    assert set_aside(path) is None
    for number in (1, 2):
        path.write_text(str(number))
        assert set_aside(path) == tmp_path / f"t.{number}.jsonl"
    assert sorted(p.read_text() for p in tmp_path.iterdir()) == ["1", "2"]
