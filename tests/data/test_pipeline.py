"""Pieces: how many work on them and how often they are killed changes no byte of the dataset."""

import json
import pickle
import signal
import subprocess
import sys
import time

import pytest

from calm.conversation import Assistant, Call, Conversation, Observation, User, from_row, to_row
from calm.data import Reject, pipeline
from calm.data.build import DataRecipe, build
from calm.data.pipeline import Unit, sealed
from calm.errors import DataError, MissingExtra, UsageError
from calm.recipe import check

TOWN = {"name": "town", "parts": [{"source": "sample"}, {"source": "town", "count": 600}], "held_out": 0.1}
ANY = check(DataRecipe, TOWN, "test")
TALK = Conversation(
    id="a",
    origin="made",
    messages=(
        User(content="now"),
        Assistant(thought="t", calls=(Call(name="f", arguments={}),)),
        Observation(content="1", name="f"),
        Assistant(text="done"),
    ),
    meta={"checked": "executed"},
)


def opened(tmp_path, line):
    (tmp_path / "piece").write_bytes(line)
    ((facts, rest),) = pipeline.lines(tmp_path / "piece")
    return facts, rest


def capped(most):
    return ANY.model_copy(update={"max_characters": most})


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_sealed_row_is_its_id_and_the_rest_and_its_facts_are_counted(tmp_path):
    facts, rest = opened(tmp_path, sealed(TALK, ANY))
    assert from_row({"id": facts["id"], **json.loads(b"{" + rest)}) == TALK
    assert facts["characters"] == len(json.dumps(to_row(TALK)["messages"])) + 2
    assert (facts["calls"], facts["tools"], facts["turns"], facts["checked"]) == ([1, 0], 0, 1, "executed")


def test_a_row_over_the_cap_is_a_reject_with_its_length(tmp_path):
    length = opened(tmp_path, sealed(TALK, ANY))[0]["characters"]
    assert opened(tmp_path, sealed(TALK, capped(length)))[0]["id"] == "a"
    facts, _ = opened(tmp_path, sealed(TALK, capped(length - 1)))
    assert (facts["reject"]["reason"], facts["reject"]["detail"]) == (
        "too long",
        f"{length} characters, at most {length - 1}",
    )


@pytest.mark.parametrize("place", ["id", "origin", "messages"])
def test_half_a_surrogate_pair_is_a_reject_wherever_it_stands(tmp_path, place):
    odd = {"id": "x\ud83d", "origin": "\ud83d", "messages": (User(content="a\ud83d"),)}
    facts, _ = opened(tmp_path, sealed(TALK.model_copy(update={place: odd[place]}), ANY))
    assert facts["reject"]["reason"] == "lone surrogate"
    assert "U+D83D" in facts["reject"]["detail"]


def test_rejects_travel_unchanged(tmp_path):
    reject = Reject(id="x\ud83d", origin="made\t", reason="odd", detail="{}\n")
    assert opened(tmp_path, sealed(reject, ANY)) == ({"reject": reject.model_dump()}, b"")


def test_a_piece_without_its_end_is_no_piece(tmp_path):
    made, unit = check(DataRecipe, TOWN, "test"), Unit(1, 2)
    assert pipeline.make(made, tmp_path, unit) == 100
    path = unit.path(tmp_path)
    assert pipeline.whole(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert not pipeline.whole(path)
    assert not pipeline.whole(tmp_path / "none")


def test_three_processes_write_the_same_bytes_as_one(tmp_path):
    made = check(DataRecipe, TOWN, "test")
    for workers in (1, 3):
        build(made, tmp_path / str(workers), workers=workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "3")


def test_an_error_in_a_process_is_raised_here_with_its_row(tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"messages": []}\n[]\n')
    parts = [{"source": "rows", "path": str(tmp_path / "bad.jsonl")}, {"source": "sample"}]
    with pytest.raises(DataError, match=r"bad.jsonl: row 2: is list"):
        build(check(DataRecipe, {"name": "bad", "parts": parts}, "test"), tmp_path / "out", workers=2)
    with pytest.raises(UsageError, match="at least 1 process"):
        build(check(DataRecipe, TOWN, "test"), tmp_path / "out", workers=0)


@pytest.mark.parametrize("error", [DataError("f.json", "is odd", 3), MissingExtra("this", "data", "that")])
def test_errors_survive_the_way_between_processes(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def started(folder, count):
    words = ["build", folder.parent / "town.yaml", "--out", folder, "--workers", "2", f"parts.1.count={count}"]
    (folder.parent / "town.yaml").write_text(json.dumps(TOWN))
    return subprocess.Popen([sys.executable, "-m", "calm", *map(str, words)], stderr=subprocess.PIPE, text=True)


def pieces(folder):
    return [path for path in folder.glob(".*.building/pieces/*.jsonl") if pipeline.whole(path)]


def stopped(folder, how, count=1500):
    """Start a build, stop it once two pieces are there, and wait until none of its processes writes any more."""
    process = started(folder, count)
    while len(pieces(folder.parent)) < 2 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(how)
    _, said = process.communicate()  # returns once no process holds the pipe: the workers have ended too
    return process.returncode, said


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_build_goes_on_and_ends_as_one_that_was_not(tmp_path, how):
    code, said = stopped(tmp_path / "out", how)
    assert code == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert how != signal.SIGINT or said.splitlines()[-1].startswith("calm: stopped; what was finished is kept")
    there = len(pieces(tmp_path))
    again = started(tmp_path / "out", 1500)
    _, said = again.communicate()
    assert f"resumed: {there} of 16 pieces were there" in said
    whole = check(DataRecipe, {**TOWN, "parts": [{"source": "sample"}, {"source": "town", "count": 1500}]}, "test")
    build(whole, tmp_path / "whole", workers=1)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
