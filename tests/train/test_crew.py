"""However many compute, the run is the same: losses, weights, checkpoints. Two processes are two real ones here."""

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from calm.conversation import write
from calm.data.sources.town import read_town
from calm.errors import DataError, StorageError, UsageError
from calm.files import read_json, read_jsonl, write_json
from calm.format.tokens import Encoded
from calm.recipe import load
from calm.train import crew
from calm.train.loop import train
from calm.train.model import LoraLlama
from calm.train.recipe import TrainRecipe
from tests.tiny import CONFIG
from tests.train import crew_run

FULL = TrainRecipe(method="full")
ROWS = st.lists(st.integers(1, 50).map(lambda n: Encoded([n] * n, [True] * n)), min_size=1, max_size=9)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """As torchrun's processes have; toy products only wait for one another where other work goes on."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def torchrun(log, *command, restarts=0):
    """Two processes of a script or a module on this machine; what they say goes to a file."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    sane = {"OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    with log.open("w") as said:
        return subprocess.Popen(
            [*launch, f"--max-restarts={restarts}", *map(str, command)],
            env={**os.environ, **sane, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=said,
            stderr=subprocess.STDOUT,
        )


def close(ours, theirs):
    return all(a == pytest.approx(b, rel=1e-4) for a, b in zip(ours, theirs, strict=True))


@given(ROWS, st.integers(1, 4), st.sampled_from([0, 40, 60]))
def test_a_step_is_dealt_evenly_and_each_row_counts_once(rows, size, pack):
    hands = crew.deal(rows, pack, size)
    parts = [part for hand in hands for part in hand]
    counted = [row for part in parts if part.weight for row in part.rows]
    assert sorted(counted) == sorted(rows)
    assert len({len(hand) for hand in hands}) == 1
    assert all(len(part.rows) == 1 or sum(len(row.ids) for row in part.rows) <= pack for part in parts)


def test_the_long_and_the_short_go_to_one_process():
    rows = [Encoded([0] * n, [True] * n) for n in (1, 10, 9, 2)]
    assert [[len(part.rows[0].ids) for part in hand] for hand in crew.deal(rows, 0, 2)] == [[10, 1], [9, 2]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same steps alone and by two processes, which also go on from the checkpoint of the one."""
    folder = tmp_path_factory.mktemp("crew")
    fresh = crew_run.steps(crew.alone(), folder / "one")
    on = crew_run.steps(crew.alone(), folder / "a", folder / "one")
    process = torchrun(folder / "log", crew_run.__file__, folder)
    assert process.wait(240) == 0, (folder / "log").read_text()
    return folder, {"fresh": fresh, "on": on}, read_json(folder / "result.json")


def test_two_processes_step_as_one(runs):
    _, one, two = runs
    assert close(two["fresh"], one["fresh"])
    assert one["fresh"][2][0] < one["fresh"][0][0]


def test_two_machines_that_both_hold_all_step_as_one(runs):
    _, one, two = runs
    assert close(two["two machines"], one["fresh"])


def test_of_two_processes_each_counts_its_half_of_the_gradients_and_moments(runs):
    _, _, two = runs
    alone = [crew_run.state(crew.alone(), method) for method in ("lora", "full")]
    assert two["state"] == [size // 2 for size in alone]
    config = {**CONFIG, "vocab_size": 64}
    assert alone[1] == 12 * sum(math.prod(shape) for shape in LoraLlama.shapes(config, FULL).values())


def test_a_checkpoint_of_one_loads_in_two(runs):
    _, one, two = runs
    assert close(two["on"], one["on"])


def test_a_checkpoint_of_two_loads_in_one(runs, tmp_path):
    folder, one, _ = runs
    assert close(crew_run.steps(crew.alone(), tmp_path, folder / "two"), one["on"])


def test_a_checkpoint_is_bit_exact_for_one(runs, tmp_path):
    folder, one, _ = runs
    assert crew_run.steps(crew.alone(), tmp_path, folder / "one") == one["on"]


def test_a_checkpoint_of_another_model_is_refused(runs):
    folder, _, _ = runs
    with pytest.raises(DataError, match="no checkpoint of this run"):
        crew.alone().load(folder / "one", {"layers.0.other": torch.zeros(3)})


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="checkpoint-2"):
        crew.alone().save(tmp_path / "file" / "checkpoint-2", {"a": torch.zeros(3)})


def test_restarts_that_would_meet_the_addresses_of_the_dead_are_refused(monkeypatch):
    for name, value in {"LOCAL_RANK": 0, "WORLD_SIZE": 2, "TORCHELASTIC_MAX_RESTARTS": 3}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    with pytest.raises(UsageError, match="TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1"), crew.here():
        pass


@pytest.fixture(scope="module")
def killed(tiny, tmp_path_factory):
    """`calm train` alone, and by two of which one is killed after a checkpoint; `half` is what stood there then."""
    folder = tmp_path_factory.mktemp("killed")
    write(folder / "rows.jsonl", read_town(5, 0))
    write(folder / "held.jsonl", read_town(2, 1))
    rows = {"data": str(folder / "rows.jsonl"), "held_out": str(folder / "held.jsonl")}
    write_json(folder / "r.yaml", {"base": str(tiny), **rows, "batch": 3, "lr": 1e-2, "save_every": 2, "epochs": 5})
    train(load(TrainRecipe, folder / "r.yaml"), folder / "one")
    process = torchrun(folder / "log", "-m", "calm", "train", folder / "r.yaml", "--out", folder / "two", restarts=1)
    while not (folder / "two" / "checkpoint-2").is_dir():
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.01)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(workers[-1]), signal.SIGKILL)
    shutil.copytree(folder / "two", folder / "half")
    assert process.wait(240) == 0, (folder / "log").read_text()
    return folder


def losses(folder):
    return [row["loss"] for _, row in read_jsonl(folder / "metrics.jsonl")]


def same_adapter(ours, theirs):
    ours, theirs = (load_file(folder / "adapter_model.safetensors") for folder in (ours, theirs))
    return all(torch.allclose(ours[name], theirs[name], atol=1e-4) for name in theirs | ours)


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the workers in Linux's /proc")


@needs_proc
def test_one_of_two_killed_the_run_ends_as_one_process_alone_does(killed):
    assert losses(killed / "two") == pytest.approx(losses(killed / "one"), rel=1e-4)
    assert same_adapter(killed / "two", killed / "one")
    ours, theirs = (read_json(killed / name / "eval.json") for name in ("two", "one"))
    assert ours == pytest.approx(theirs, rel=1e-4)


@needs_proc
def test_the_restart_goes_on_from_the_checkpoint_and_one_process_speaks(killed):
    said = (killed / "log").read_text()
    assert "going on after step" in said
    assert said.count("step 1 of 8") == 1
    assert said.count("trainable_parameters") == 1


@needs_proc
def test_what_two_began_one_finishes(killed):
    events = []
    out = train(load(TrainRecipe, killed / "r.yaml"), killed / "half", events.append)
    assert any(event["event"] == "resumed" and event["step"] >= 2 for event in events)
    assert losses(out) == pytest.approx(losses(killed / "one"), rel=1e-4)
    assert same_adapter(out, killed / "one")
