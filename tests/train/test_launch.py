"""The launch examples come to commands that torchrun and `calm` understand, of recipes that exist."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from torch.distributed.run import get_args_parser

from calm.cli import app
from calm.cli.train import train as verb
from calm.recipe import load
from calm.train.recipe import TrainRecipe

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "recipes" / "launch"
GIVEN = {
    "slurm.sh": {"SLURM_JOB_NUM_NODES": "4", "SLURM_GPUS_ON_NODE": "8", "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n"},
    "skypilot.yaml": {
        "SKYPILOT_NUM_NODES": "1",
        "SKYPILOT_NUM_GPUS_PER_NODE": "8",
        "SKYPILOT_NODE_IPS": "10.0.0.1",
    },
    "kubernetes.yaml": {"JOB_COMPLETION_INDEX": "0"},
}
COMMANDS = {"torchrun": 'printf "%s\\n" "$@"', "srun": 'shift; exec "$@"', "scontrol": "echo first; echo second"}


def script(name):
    """The shell script of an example, and the variables it sets itself."""
    if name.endswith(".sh"):
        return (LAUNCH / name).read_text(), {}
    last = list(yaml.safe_load_all((LAUNCH / name).read_text()))[-1]
    if "run" in last:
        return last["run"], last["envs"]
    (container,) = last["spec"]["template"]["spec"]["containers"]
    return container["args"][0], {pair["name"]: pair["value"] for pair in container["env"]}


@pytest.fixture(params=GIVEN)
def started(request, tmp_path):
    """What torchrun is called with when the example's script runs with these programs in place of the cluster's."""
    for name, body in COMMANDS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").touch()
    text, own = script(request.param)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **own, **GIVEN[request.param]}
    done = subprocess.run(["bash", "-c", text], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    return get_args_parser().parse_args(done.stdout.splitlines())


def test_torchrun_gets_eight_workers_that_restart_and_meet_at_the_first(started):
    assert (started.nproc_per_node, started.max_restarts, started.rdzv_backend) == ("8", 3, "c10d")
    assert started.rdzv_endpoint.endswith(":29400")
    assert (started.module, started.training_script) == (True, "calm")


def test_the_recipe_exists_and_the_command_parses(started, monkeypatch):
    monkeypatch.chdir(ROOT)
    command, bound, _ = app("train").parse_args(started.training_script_args, exit_on_error=False, print_error=False)
    bound.apply_defaults()
    settings = load(TrainRecipe, bound.arguments["recipe"], bound.arguments["overrides"])
    assert command is verb
    assert settings.batch % 8 == 0
    assert bound.arguments["out"].is_absolute() or bound.arguments["out"].parts[0] == "out"


@pytest.mark.parametrize("name", GIVEN)
def test_each_opens_with_its_command_and_allows_restarts(name):
    text = (LAUNCH / name).read_text()
    first = next(line for line in text.splitlines() if line.startswith("# "))
    assert f"recipes/launch/{name}" in first
    assert f"`{first[2:].split(' && ')[0]}`" in (LAUNCH / "README.md").read_text()
    assert "TORCH_DISABLE_SHARE_RDZV_TCP_STORE" in text
    assert "FILL" in text
