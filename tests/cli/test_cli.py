"""The command line: lazy, one line per fault with an exit code, tables that are also JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from calm.cli import VERBS
from calm.conversation import write
from calm.data.sources.town import read_town

ROOT = Path(__file__).parent.parent.parent


def calm(*words, **env):
    return subprocess.run(
        [sys.executable, "-m", "calm", *map(str, words)],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env={**os.environ, **env},
    )  # fmt: skip


def test_help_lists_every_verb_without_loading_torch_or_a_room():
    code = (
        "import sys; sys.argv = ['calm', '--help']\nfrom calm.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print('HEAVY', [m for m in sys.modules if m.split('.')[0] in ('torch', 'transformers', 'numpy', 'httpx')"
        " or m.startswith('calm.') and m.split('.')[1] not in ('cli', 'errors')])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "HEAVY []" in said
    assert all(verb in said for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb):
    done = calm(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: calm " in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["bnech"], 2, "bnech"),
        (["bench", "bfcll"], 2, "there are: toy, bfcl"),
        (["build", "nowhere.yaml"], 2, "nowhere.yaml: no such recipe"),
        (["build", "recipes/data/sample.yaml", "sed=3"], 2, "did you mean `seed`?"),
        (["build", "recipes/data/first.yaml", "--out", "OUT"], 6, "set CALM_DATA"),
        (["show", "nothing.jsonl"], 4, "nothing.jsonl"),
        (["grade", "bfcl", "nothing.jsonl", "--protocol", "v9"], 2, "there are: v4-2026-03"),
        (["chat", "--model", "no-such-model"], 5, "no such folder and no hub id"),
        (["serve", "--port", "many"], 2, "many"),
        (["bench", "toy", "--grounded", "nan"], 2, "Must be"),
        (["bench", "toy", "--max-tokens", "0"], 2, "Must be >= 1"),
        (["train", "recipes/train/calm-8b.yaml", "--dry-run", "--devices", "0"], 2, "--devices 0: must be above 0"),
    ],
)
def test_a_fault_is_one_line_and_a_code(words, code, said, tmp_path):
    words = [str(ROOT / w) if w.startswith("recipes") else str(tmp_path / w) if w == "OUT" else w for w in words]
    done = calm(*words, CALM_DATA="")
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert done.stderr.startswith("calm: ")
    assert said in done.stderr


def test_a_reader_that_leaves_and_a_terminal_that_knows_no_dots_are_no_faults(tmp_path):
    write(tmp_path / "rows.jsonl", read_town(40, 0))
    command = [sys.executable, "-m", "calm", "show", str(tmp_path / "rows.jsonl"), "-n", "40"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as done:
        assert done.stdout
        assert done.stderr
        done.stdout.close()
        assert (done.wait(), done.stderr.read()) == (141, b"")
    said = calm("show", tmp_path / "rows.jsonl", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert (said.returncode, said.stderr) == (0, "")


def test_build_train_show_on_a_tiny_model(tiny, tmp_path):
    built = calm("build", ROOT / "recipes/data/sample.yaml", "parts.1.count=20", "--out", tmp_path / "data", "--json")
    assert json.loads(built.stdout)["reused"] is False
    write(tmp_path / "few.jsonl", read_town(4))
    recipe = tmp_path / "train.yaml"
    recipe.write_text(f"base: {tiny}\ndata: {tmp_path / 'few.jsonl'}\nbatch: 2\n")
    planned = json.loads(calm("train", recipe, "--dry-run", "--json").stdout)
    trained = json.loads(calm("train", recipe, "--out", tmp_path / "adapter", "--json").stdout)
    assert planned["work"]["steps"] == trained["steps"] == 2
    shown = calm("show", tmp_path / "few.jsonl", "--mask", "--model", tmp_path / "adapter")
    assert shown.returncode == 0, shown.stderr
    assert "learned" in shown.stdout


def test_bench_on_a_tiny_model_resumes_and_reports(tiny, tmp_path):
    first = calm("bench", "toy", "--model", tiny, "--limit", 2, "--max-tokens", 40, "--out", tmp_path / "run", "--json")
    again = calm("bench", "toy", "--model", tiny, "--limit", 4, "--max-tokens", 40, "--out", tmp_path / "run", "--json")
    assert first.returncode == again.returncode == 0, again.stderr
    assert [json.loads(run.stdout)[0]["tasks"]["judged"] for run in (first, again)] == [2, 4]
    page = calm("report", tmp_path / "run" / "toy", "--out", tmp_path / "page.html")
    assert page.returncode == 0, page.stderr
    assert "<html" in (tmp_path / "page.html").read_text()


def test_doctor_says_what_to_do(tmp_path):
    done = calm("doctor", "--json", CALM_CACHE=str(tmp_path), CALM_DATA="")
    findings = {row["what"]: row for row in json.loads(done.stdout)}
    assert findings["data sgd"]["remedy"] == "set CALM_DATA to the folder that holds sgd/"
    assert findings["smollm2-135m"]["state"] == "on first use"
