"""Sessions outlive processes: nothing heard is lost, nothing run is run again, and two writers cannot mix."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from calm.agent import follow
from calm.agent.desk import Desk
from calm.agent.events import Finished, Tracked
from calm.agent.sessions import Sessions
from calm.agent.state import from_calls
from calm.conversation import Assistant, Call, Conversation, Observation, System, Tool, User, read
from calm.errors import DataError, StorageError, UsageError
from calm.format.tokens import Codec
from calm.policy.scripted import Gold
from calm.world.functions import Functions

START = Conversation(id="c", tools=(Tool(name="f"),), messages=(System(content="Be kind."),), meta={"model": "m"})
STEP = Assistant(calls=(Call(name="f", arguments={"x": "☺"}, id="a"), Call(name="f", arguments={}, id="b")))
GAVE = (Observation(content="1", call="a", name="f"), Observation(content="2", call="b", name="f"))


def told(sessions, name="s"):
    """A session of two turns, the second with a step and its answers."""
    session = sessions.begin(name, START)
    session.hear(User(content="Hello"))
    session.hear(Assistant(text="Hi."))
    session.track({})
    session.hear(User(content="Now f"), STEP)
    session.hear(*GAVE)
    session.track({"f.x": 1})
    session.note(ended="world")
    return session


def test_a_session_is_resumed_where_it_stopped(tmp_path):
    session = told(Sessions(tmp_path / "new" / "s.db"))
    session.hear(User(content="half a character: \ud800"))
    again = Sessions(tmp_path / "new" / "s.db").resume("s").conversation
    assert again == session.conversation
    assert again.messages == (
        *START.messages,
        User(content="Hello"),
        Assistant(text="Hi."),
        User(content="Now f"),
        STEP,
        *GAVE,
        User(content="half a character: \ud800"),
    )
    assert (again.state, again.meta) == (({}, {"f.x": 1}), {"model": "m", "ended": "world"})


def test_only_the_owner_may_read_the_file(tmp_path):
    Sessions(tmp_path / "s.db")
    assert (tmp_path / "s.db").stat().st_mode & 0o077 == 0


def test_a_session_that_begins_at_a_step_knows_its_calls_when_it_is_read_again(tmp_path):
    session = Sessions(tmp_path / "s.db").begin("s", START.add(User(content="f"), STEP))
    session.begin(0, STEP.calls[0])
    session.finish(0, "1")
    again = Sessions(tmp_path / "s.db").resume("s")
    assert (session.result(0), again.result(0)) == ("1", "1")
    assert again.result(1) is None


def test_turns_that_are_taken_back_stay_in_the_file(tmp_path):
    sessions = Sessions(tmp_path / "s.db")
    session = told(sessions)
    session.rewind(3)
    again = sessions.resume("s")
    assert [m.role for m in again.conversation.messages] == ["system", "user", "assistant"]
    assert again.conversation.state == ({},)
    assert "Now f" in "".join(body for (body,) in sessions.run("SELECT body FROM events"))


def test_a_fork_goes_its_own_way(tmp_path):
    sessions = Sessions(tmp_path / "s.db")
    told(sessions)
    fork = sessions.fork("s", "t", turns=1)
    fork.hear(User(content="Other"))
    assert [m.role for m in sessions.resume("t").conversation.messages] == ["system", "user", "assistant", "user"]
    assert sessions.resume("t").conversation.meta["forked"] == "s"
    assert len(sessions.resume("s").conversation.messages) == 7
    with pytest.raises(UsageError, match="already"):
        sessions.fork("s", "t")


def test_a_list_of_sessions_says_what_each_is_about(tmp_path):
    sessions = Sessions(tmp_path / "s.db")
    sessions.begin("silent", START)
    told(sessions, "old")
    told(sessions, "new")
    assert [(s.name, s.turns, s.model, s.first) for s in sessions.latest()] == [
        ("new", 2, "m", "Hello"),
        ("old", 2, "m", "Hello"),
    ]
    with pytest.raises(UsageError, match="did you mean 'new'"):
        sessions.resume("nwe")


def test_what_is_exported_can_be_shown_and_trained_on(tmp_path, tiny):
    sessions = Sessions(tmp_path / "s.db")
    told(sessions).hear(User(content="Again"), STEP, GAVE[0])
    assert sessions.write(tmp_path / "out.jsonl") == 1
    (row,) = read(tmp_path / "out.jsonl")
    assert row == sessions.export("s")
    assert row.messages[-1] == User(content="Again")
    assert sum(Codec.load(tiny).row(row).learn) > 10


@pytest.mark.parametrize(
    ("content", "error"), [(b"no database, certainly not one" * 99, DataError), (None, StorageError)]
)
def test_a_file_that_is_none_is_one_line(tmp_path, content, error):
    path = tmp_path / "s.db"
    path.write_bytes(content) if content else path.mkdir()
    with pytest.raises(error, match=r"s\.db") as caught:
        Sessions(path)
    assert "\n" not in str(caught.value)


def test_a_file_of_a_later_version_or_with_unknown_events_is_left_alone(tmp_path):
    sessions = Sessions(tmp_path / "s.db")
    told(sessions).append("note", {"ended": "x"})
    sessions.run("UPDATE events SET kind = 'dance' WHERE seq = 9")
    with pytest.raises(DataError, match=r"event 9 of session 's'.*dance"):
        sessions.resume("s")
    sessions.run("PRAGMA user_version = 9")
    with pytest.raises(DataError, match="version 9"):
        Sessions(tmp_path / "s.db")


# --- calls run once --------------------------------------------------------------------------------------------------

RUNS: list[str] = []


def order(item: str) -> str:
    """Order a thing."""
    RUNS.append(item)
    if item == "gin":
        raise KeyboardInterrupt
    return f"ordered {item}"


ORDERS = Assistant(calls=tuple(Call(name="order", arguments={"item": i}, id=i) for i in ("tea", "gin", "rum")))


def go_on(session):
    """The rest of a turn, heard by the session."""
    desk = Desk(Functions([order]), lambda conversation: None, session)
    policy = Gold(Conversation(messages=(ORDERS, Assistant(text="Done."))))
    for item in follow(policy, desk, session.conversation, tracker=from_calls):
        if not isinstance(item, Finished | Tracked):
            session.hear(item)


def test_a_resumed_step_runs_only_calls_that_were_never_begun():
    RUNS.clear()
    sessions = Sessions()
    session = sessions.begin("s", Conversation())
    session.hear(User(content="go"))
    with pytest.raises(KeyboardInterrupt):
        go_on(session)
    assert RUNS == ["tea", "gin"]
    session = sessions.resume("s")
    go_on(session)
    assert RUNS == ["tea", "gin", "rum"]
    tea, gin, rum = (m.content for m in session.conversation.messages if isinstance(m, Observation))
    assert (tea, rum) == ('"ordered tea"', '"ordered rum"')
    assert json.loads(gin)["type"] == "interrupted"


def test_the_same_step_in_a_later_turn_runs_anew():
    RUNS.clear()
    session = Sessions().begin("s", Conversation())
    for word in ("one", "two"):
        session.hear(User(content=word), Assistant(calls=(Call(name="order", arguments={"item": "tea"}),)))
        desk = Desk(Functions([order]), lambda conversation: None, session)
        session.hear(*desk(session.conversation, session.conversation.messages[-1]))
    assert RUNS == ["tea", "tea"]


def test_a_step_that_is_half_answered_is_answered_from_the_journal():
    sessions = Sessions()
    session = sessions.begin("s", Conversation())
    session.hear(User(content="go"), STEP)
    for place in (0, 1):
        session.begin(place, STEP.calls[place])
        session.finish(place, str(place))
    session.hear(GAVE[0])
    again = sessions.resume("s")
    assert again.conversation.messages[-1] == STEP
    assert [again.result(place) for place in (0, 1, 2)] == ["0", "1", None]


# --- other processes -------------------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from calm.agent.sessions import Sessions
from calm.conversation import Assistant, Conversation, User
name, most = sys.argv[2], int(sys.argv[3])
session = Sessions(Path(sys.argv[1])).open(name, Conversation())
print("ready", flush=True)
sys.stdin.readline()
for n in range(most):
    session.hear(User(content=f"{name} {n}"))
    print(n, flush=True)
"""


def writer(path, name, most):
    command = [sys.executable, "-c", WRITER, str(path), name, str(most)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout.readline() == "ready\n"
    return process


def begun(*processes):
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()


def test_a_killed_process_loses_nothing_it_was_told(tmp_path):
    path = tmp_path / "s.db"
    with writer(path, "s", 100_000) as process:
        begun(process)
        said = [process.stdout.readline() for _ in range(20)]
        os.kill(process.pid, signal.SIGKILL)
        said += process.stdout.readlines()
    kept = Sessions(path).resume("s").conversation.messages
    assert kept[: len(said)] == tuple(User(content=f"s {n}") for n in range(len(said)))
    assert len(kept) - len(said) in (0, 1)
    assert Sessions(path).run("PRAGMA integrity_check") == [("ok",)]


def test_two_processes_share_a_file(tmp_path):
    path = tmp_path / "s.db"
    both = [writer(path, name, 40) for name in ("a", "b")]
    begun(*both)
    assert [process.communicate(timeout=120)[1] for process in both] == ["", ""]
    sessions = Sessions(path)
    for name in ("a", "b"):
        kept = sessions.resume(name).conversation.messages
        assert kept == tuple(User(content=f"{name} {n}") for n in range(40))


def test_of_two_processes_in_one_session_one_is_refused(tmp_path):
    path = tmp_path / "s.db"
    both = [writer(path, "s", 30) for _ in range(2)]
    begun(*both)
    said = [process.communicate(timeout=120) for process in both]
    refused = [error for _, error in said if "StorageError" in error]
    assert "was gone on with elsewhere" in refused[0]
    kept = Sessions(path).resume("s").conversation.messages
    assert sorted(m.content for m in kept) == sorted(f"s {n}" for out, _ in said for n in map(int, out.split()))


def test_a_locked_file_is_waited_for(tmp_path):
    path = tmp_path / "s.db"
    sessions = Sessions(path)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, lambda: other.execute("COMMIT")).start()
    began = time.monotonic()
    sessions.begin("s", START).hear(User(content="x"))
    assert time.monotonic() - began > 0.2
    other.close()
