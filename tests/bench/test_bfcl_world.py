"""BFCL's multi-turn items as a World: turns, held-out functions, the step limit, and episodes that share nothing."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from calm.agent import converse
from calm.bench.bfcl import BFCL, Official, entries, versions, world
from calm.bench.bfcl.world import LIMITS, STEPS, Trajectory
from calm.bench.judge import judge, replay
from calm.bench.run import Plan, run
from calm.conversation import Assistant, Call, Garbled, Observation, User, from_row, to_row
from calm.errors import HubError
from calm.policy.scripted import Gold, Scripted, Silent

V4 = versions.named("v4")


@pytest.fixture(scope="module")
def found():
    try:
        return entries.entries("v4")
    except HubError as error:
        pytest.skip(str(error))


def call(name, **arguments):
    return Assistant(calls=(Call(name=name, arguments=arguments),))


def play(entry, *steps, written=False):
    start = world.task(entry, V4, written).start
    ended = converse(Scripted(steps), Trajectory(entry, V4, written), start, LIMITS)
    return ended, ended.messages[len(start.messages) :]


def test_a_call_is_answered_by_the_simulator_and_words_by_the_user(found):
    entry = found["multi_turn_base_0"]
    _, said = play(entry, call("pwd"), call("no_such_tool"), Assistant(text="Done."))
    assert isinstance(said[1], Observation)
    assert said[1].content.startswith('{"current_working_directory"')
    assert said[3].content == "Error during execution: name 'no_such_tool' is not defined"
    assert said[5] == User(content=entry.turns[1][0]["content"])


def test_the_last_turn_ends_the_episode(found):
    entry = found["multi_turn_base_0"]
    ended, said = play(entry, *[Assistant(text="Done.")] * 99)
    assert ended.meta["ended"] == "world"
    assert len(world.played(said)) == len(entry.turns)


def test_what_cannot_be_read_ends_the_turn(found):
    entry = found["multi_turn_base_0"]
    _, said = play(entry, Garbled(raw="<tool_call>", why="cut"))
    _, written = play(entry, Assistant(text="I will use [cd("), written=True)
    assert said[1] == written[1] == User(content=entry.turns[1][0]["content"])


@pytest.mark.parametrize("written", [False, True])
def test_the_step_after_the_twentieth_with_calls_ends_the_episode(found, written):
    entry = found["multi_turn_base_0"]
    step = Assistant(text="[pwd()]") if written else call("pwd")
    _, said = play(entry, *[step] * 99, written=written)
    assert len(world.played(said)[0]) == STEPS + 1
    assert world.error_of(entry, said, V4, written) == "multi_turn:force_terminated"


def test_held_out_functions_become_callable_in_their_turn(found):
    entry = found["multi_turn_miss_func_0"]
    (name,) = next(iter(entry.held_out.values()))
    ended, said = play(entry, *[Assistant(text="Done.")] * 9)
    before = world.task(entry, V4).start.tools
    assert name not in {tool.name for tool in before}
    assert {tool.name for tool in ended.tools} == {name, *(tool.name for tool in before)}
    assert any(isinstance(m, User) and m.content.startswith("I have updated some more functions") for m in said)


def test_in_bfcls_own_protocol_the_user_hands_them_over(found):
    entry = found["multi_turn_miss_func_0"]
    (turn, (name,)) = next(iter(entry.held_out.items()))
    ended, said = play(entry, *[Assistant(text="Done.")] * 9, written=True)
    users = [m.content for m in said if isinstance(m, User)]
    assert users[int(turn) - 1].startswith(f"[{{'name': '{name}', 'description': ")
    assert ended.tools == ()


@pytest.mark.parametrize("make", [BFCL, Official], ids=["native", "official"])
@pytest.mark.parametrize("version", ["v3", "v4"])
def test_gold_and_silence_are_the_bounds(make, version):
    bench = make(version)
    try:
        some = [task for task in bench.tasks() if task.category.startswith("multi_turn")][::4]
    except HubError as error:
        pytest.skip(str(error))
    gold = replay(bench, some, lambda task: Gold(bench.gold(task)))
    assert sum(v.valid for v in gold) == (200 if make is BFCL else 172)
    assert {v.error_type for v in replay(bench, some, lambda task: Silent())} == {
        "multi_turn:empty_turn_model_response"
    }


def scripts(found):
    """64 episodes, right, broken and mixed up."""
    rng = random.Random(0)
    bench = BFCL("v4")
    tasks = [world.task(entry, V4) for entry in rng.sample(list(found.values()), 64)]
    steps = [[m for m in bench.gold(t).messages[len(t.start.messages) :] if isinstance(m, Assistant)] for t in tasks]
    for made in steps[::2]:
        rng.shuffle(made)
    return tasks, steps


def alone(task, steps):
    entry = entries.entries("v4")[task.id]
    ended = converse(Scripted(steps), Trajectory(entry, V4), task.start, LIMITS)
    return ended.messages, world.error_of(entry, ended.messages[len(task.start.messages) :], V4)


def test_interleaved_in_one_loop_episodes_are_what_they_are_alone(found):
    tasks, steps = scripts(found)
    worlds = [Trajectory(found[task.id], V4) for task in tasks]
    running = {i: (task.start, iter(made)) for i, (task, made) in enumerate(zip(tasks, steps, strict=True))}
    ended = {}
    while running:
        for i, (conversation, left) in list(running.items()):
            step = next(left, Assistant(text=""))
            answer = worlds[i](conversation.add(step), step)
            running[i] = conversation.add(step, *answer), left
            if not answer:
                ended[i] = running.pop(i)[0].messages
    assert [ended[i] for i in range(64)] == [alone(task, made)[0] for task, made in zip(tasks, steps, strict=True)]


def test_in_threads_they_get_the_same_observations_and_verdicts(found):
    tasks, steps = scripts(found)
    one_by_one = [alone(task, made) for task, made in zip(tasks, steps, strict=True)]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(alone, tasks, steps)) == one_by_one
    assert 0 < sum(error is None for _, error in one_by_one) < 64


def test_a_transcript_survives_the_disk_and_is_judged_the_same(found, tmp_path):
    bench = Official("v4")
    task = world.task(found["multi_turn_base_1"], V4, written=True)
    whole = bench.gold(task)
    ended = converse(bench.speaker(Gold(whole)), bench.world(task), task.start, LIMITS)
    assert from_row(to_row(ended)).messages == ended.messages
    assert bench.grade(task, from_row(to_row(ended))).valid


def test_a_run_of_one_protocol_does_not_go_on_as_another(found, tmp_path):
    run(Official("v4"), Silent(), tmp_path, Plan(limit=3))
    assert judge(Official("v4"), tmp_path)["protocol"] == "v4-2026-03"
    for other in (BFCL("v4"), Official("v3")):
        with pytest.raises(Exception, match=r"never mixed|choose another folder"):
            judge(other, tmp_path)
