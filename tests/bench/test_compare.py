"""Two runs side by side through the command line: real runs over a port, then the paired report."""

import json

import pytest

from calm.bench.judge import judge
from calm.bench.run import run
from calm.bench.toy import Toy
from calm.cli.bench import bench
from calm.cli.report import report
from calm.conversation import read
from calm.policy.scripted import Gold, Silent
from calm.serve import app
from calm.serve.run import background

TOY = Toy()
TASKS = {task.id: task for task in TOY.tasks()}


class Knowing:
    """Knows the answers but for some categories."""

    def __init__(self, name, *blind):
        self.name, self.blind = name, blind

    def __call__(self, conversation):
        task = TASKS[conversation.id]
        return Silent()(conversation) if task.category in self.blind else Gold(TOY.gold(task))(conversation)


@pytest.fixture
def folders(tmp_path):
    for policy in (Knowing("half", "choice", "parallel", "two_turn"), Knowing("most", "simple", "two_turn")):
        run(TOY, policy, tmp_path / policy.name)
        judge(TOY, tmp_path / policy.name)
    return tmp_path / "half", tmp_path / "most"


def test_two_runs_are_compared_item_by_item_and_in_the_averages(folders, tmp_path, capsys):
    report(*folders, json=True)
    (pair,) = json.loads(capsys.readouterr().out)["pairs"]
    assert (pair["n"], len(pair["gained"]), len(pair["lost"])) == (24, 10, 6)
    assert pair["p"] == pytest.approx(0.4545, abs=1e-4)
    assert pair["difference"] == pytest.approx(4 / 24)
    assert pair["low"] < 0 < pair["difference"] < pair["high"]


def test_the_report_prints_averages_with_their_intervals(folders, tmp_path, capsys):
    rows = [json.loads(line) for line in (folders[0] / "verdicts.jsonl").read_text().splitlines()]
    rows[0]["valid"] = not rows[0]["valid"]
    (folders[0] / "verdicts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report(*folders, out=tmp_path / "r.html")
    text = " ".join(capsys.readouterr().out.split())
    assert "toy in its own averages, 95 % by bootstrap" in text
    assert "mean_of_categories 0.3667 0.6 +0.233 [+0.200, +0.300]" in text
    assert "[+0.200, +0.300]" in (tmp_path / "r.html").read_text()


def test_bench_over_a_port_takes_several_tasks_at_once_and_begins_anew_when_told(tmp_path, capsys):
    with background(app(Silent())) as url:
        for more in ({}, {"limit": 9}, {"resume": False}):
            asked = {"limit": 6, "concurrency": 3, "rate": "1000/s", "budget": 10**6, **more}
            bench("toy", model=f"openai:silent@{url}", out=tmp_path, **asked)
    assert [len(list(read(path))) for path in sorted((tmp_path / "toy").glob("transcripts*"))] == [9, 6]
    assert "mean_of_categories" in capsys.readouterr().out
