"""Killed, full, poisoned, damaged, told to stop: a run ends with the weights it would have ended with, or says why."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from calm.conversation import Assistant, Conversation, User, write
from calm.errors import DataError
from calm.files import sha256
from calm.train import checkpoint, crew, shard
from calm.train.loop import train
from calm.train.model import LoraLlama
from calm.train.recipe import Lora, Stage, TrainRecipe

RUN = """
import os, resource, signal, sys
from pathlib import Path
from calm.train.loop import train
from calm.train.recipe import TrainRecipe
from calm.errors import CalmError
recipe, out, seen = TrainRecipe.model_validate_json(sys.argv[1]), Path(sys.argv[2]), []
def hear(event):
    print(event["event"], event.get("step", ""), flush=True)
    {body}
try:
    train(recipe, out, hear)
except CalmError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}
"""One thread here and in every process that is started: bits depend on how a sum is split."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def short(count):
    """Conversations of some sixty tokens, none like another."""
    for i in range(count):
        said = (User(content=f"What is {i} and {i * 7}?"), Assistant(thought="I add.", text=f"It is {i * 8}."))
        yield Conversation(id=f"sum-{i}", messages=said, origin="sums")


def started(recipe, out, body="pass"):
    words = [sys.executable, "-c", RUN.replace("{body}", body), recipe.model_dump_json(), str(out)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ALONE)


def finished(recipe, out, body="pass"):
    process = started(recipe, out, body)
    said, wrong = process.communicate()
    return process.returncode, said, wrong


@pytest.fixture
def recipe(tiny, tmp_path):
    write(tmp_path / "rows.jsonl", short(12))
    lora = Lora(dropout=0.1)
    return TrainRecipe(base=str(tiny), data=tmp_path / "rows.jsonl", batch=2, lr=1e-2, save_every=2, lora=lora)


@pytest.fixture
def whole(recipe, tmp_path):
    return digest(train(recipe, tmp_path / "whole"))


def digest(folder):
    return sha256(folder / "adapter_model.safetensors")


def test_killed_at_random_moments_it_ends_with_the_same_bytes(recipe, whole, tmp_path):
    rng, out = random.Random(int(os.environ.get("CALM_SEED", "7"))), tmp_path / "killed"
    for _ in range(4):
        process = started(recipe, out)
        for line in process.stdout:
            if line.startswith("plan"):
                break
        time.sleep(rng.uniform(0, 0.6))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    code, said, wrong = finished(recipe, out)
    assert code == 0, wrong
    assert said.endswith("done \n")
    assert digest(out) == whole


@pytest.mark.parametrize("step", [1, 4, 5])
def test_killed_after_a_step_it_goes_on_from_the_last_checkpoint(recipe, whole, tmp_path, step):
    body = f"event.get('step') == {step} and event['event'] == 'step' and os.kill(os.getpid(), signal.SIGKILL)"
    code, *_ = finished(recipe, tmp_path / "run", body)
    events = []
    train(recipe, tmp_path / "run", events.append)
    resumed = [event["step"] for event in events if event["event"] == "resumed"]
    assert code == -signal.SIGKILL
    assert resumed == ([] if step == 1 else [2] if step == 4 else [4])
    assert digest(tmp_path / "run") == whole


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_keeps_the_step_and_goes_on(recipe, whole, tmp_path, sign):
    def stop(event):
        if event["event"] == "step" and event["step"] == 3:
            os.kill(os.getpid(), sign)

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", stop)
    events = []
    train(recipe, tmp_path / "run", events.append)
    assert {"event": "resumed", "step": 3, "of": 6} in events
    assert digest(tmp_path / "run") == whole


def test_a_signal_that_breaks_into_a_report_is_told_outside_of_it(recipe, tmp_path):
    inside, told = threading.local(), []

    def hear(event):
        assert not getattr(inside, "now", False), "a report began inside a report: printing would fail"
        inside.now = True
        if event["event"] == "step":
            signal.raise_signal(signal.SIGINT)
        told.append(event["event"])
        inside.now = False

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", hear)
    assert {"step", "stopping", "saved"} <= set(told)


def test_the_command_stopped_leaves_with_130_and_says_how_to_go_on(recipe, tmp_path):
    (tmp_path / "r.yaml").write_text(json.dumps({**recipe.model_dump(mode="json"), "epochs": 200}))
    words = [sys.executable, "-m", "calm", "train", str(tmp_path / "r.yaml"), "--out", str(tmp_path / "run")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ALONE)
    while not (tmp_path / "run/metrics.jsonl").is_file() or not (tmp_path / "run/metrics.jsonl").read_text():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, wrong = process.communicate()
    assert process.returncode == 130
    assert "⟦<think>\nI add.\n</think>\nIt is 0.<|im_end|>⟧" in wrong
    assert "tokens/s" in wrong
    assert wrong.splitlines()[-1] == "calm: stopped; what was finished is kept, the same command goes on"
    assert checkpoint.newest(tmp_path / "run", lambda event: None) is not None


def test_a_full_disk_keeps_the_last_checkpoint_and_one_line_says_so(recipe, whole, tmp_path):
    body = "event['event'] == 'saved' and resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))"
    code, _, wrong = finished(recipe, tmp_path / "run", body)
    assert code == 1
    assert wrong.startswith("StorageError: ")
    assert len(wrong.splitlines()) == 1, wrong
    assert [path.name for path in checkpoint.folders(tmp_path / "run")] == ["checkpoint-2"]
    assert checkpoint.fault(tmp_path / "run/checkpoint-2") is None
    assert digest(train(recipe, tmp_path / "run")) == whole


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="only root may mount a small disk")
def test_a_disk_that_is_really_full(recipe, whole, tmp_path):
    out = tmp_path / "small"
    out.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(out)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        fill = "event['event'] == 'saved' and os.system(f'head -c 9000000 /dev/zero > {out.parent}/rest 2> /dev/null')"
        code, _, wrong = finished(recipe, out / "run", fill)
        assert (code, len(wrong.splitlines())) == (1, 1), wrong
        assert wrong.startswith("StorageError: ")
        assert "free some space" in wrong
        (out / "rest").unlink()
        assert digest(train(recipe, out / "run")) == whole
    finally:
        subprocess.run(["umount", str(out)], check=True)


def test_a_loss_that_is_not_finite_names_step_and_rows_and_poisons_nothing(recipe, tmp_path):
    wild = recipe.model_copy(update={"lr": 1e30})
    with pytest.raises(
        DataError, match=r"step \d+: the (loss|gradient) is not finite, in rows 'sum-.*; lower lr"
    ) as no:
        train(wild, tmp_path / "run")
    kept = checkpoint.newest(tmp_path / "run", lambda event: None)
    model = LoraLlama(Path(recipe.base), wild)
    state = shard.tensors(model.trained(), torch.optim.AdamW([w for _, w in model.trained()], fused=True))
    facts = checkpoint.load(kept, crew.alone(), state)
    assert f"step {facts['step'] + 1}:" in str(no.value)
    assert f"the weights after step {facts['step']} are kept" in str(no.value)
    assert all(tensor.isfinite().all() for tensor in state.values())


def stopped(recipe, out, after=5):
    def stop(event):
        if event["event"] == "step" and event["step"] == after:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(recipe, out, stop)
    return checkpoint.folders(out)


@pytest.mark.parametrize("damage", ["flip", "cut", "lost", "digests"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(recipe, whole, tmp_path, damage):
    newest, before = stopped(recipe, tmp_path / "run")
    hurt(newest, damage)
    events = []
    train(recipe, tmp_path / "run", events.append)
    (told,) = [event for event in events if event["event"] == "damaged"]
    assert (told["folder"], told["used"]) == (str(newest), str(before))
    assert {"event": "resumed", "step": 4, "of": 6} in events
    assert digest(tmp_path / "run") == whole


def hurt(folder, damage):
    large = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    raw = large.read_bytes()
    {
        "flip": lambda: large.write_bytes(raw[:100] + bytes([raw[100] ^ 1]) + raw[101:]),
        "cut": lambda: large.write_bytes(raw[: len(raw) // 2]),
        "lost": large.unlink,
        "digests": lambda: (folder / checkpoint.DIGESTS).write_text("{"),
    }[damage]()


def test_without_a_whole_checkpoint_it_never_starts_from_zero(recipe, tmp_path):
    for folder in stopped(recipe, tmp_path / "run"):
        hurt(folder, "flip")
    with pytest.raises(DataError, match=r"no checkpoint is whole .*checkpoint-5 .* is not as it was written"):
        train(recipe, tmp_path / "run")
    for folder in checkpoint.folders(tmp_path / "run"):
        shutil.rmtree(folder)
    with pytest.raises(DataError, match="its checkpoints are gone"):
        train(recipe, tmp_path / "run")


def test_stages_killed_in_the_second_end_with_the_same_bytes(recipe, tmp_path):
    staged = recipe.model_copy(update={"stages": (Stage(name="a"), Stage(name="b", lr=1e-3))})
    expected = digest(train(staged, tmp_path / "whole"))
    body = "seen.append(event['event']); seen.count('step') == 9 and os.kill(os.getpid(), 9)"
    code, _, wrong = finished(staged, tmp_path / "run", body)
    assert code == -signal.SIGKILL, wrong
    events = []
    assert digest(train(staged, tmp_path / "run", events.append)) == expected
    assert [event["step"] for event in events if event["event"] == "resumed"] == [6, 2]


def test_out_of_memory_says_what_to_lower(recipe, tmp_path):
    write(recipe.data, [Conversation(messages=(User(content="2 and 2? " * 4000), Assistant(text="4 " * 400)))])
    room = "int(open('/proc/self/statm').read().split()[0]) * 4096 + 100_000_000"
    body = f"event['event'] == 'plan' and resource.setrlimit(resource.RLIMIT_AS, ({room},) * 2)"
    code, _, wrong = finished(recipe.model_copy(update={"max_length": 100_000}), tmp_path / "run", body)
    assert code == 1
    assert wrong.splitlines()[-1].startswith(
        "CalmError: out of memory at step 1: lower max_length (now 100000, the longest row has "
    )
    assert "method=qlora (now lora)" in wrong
