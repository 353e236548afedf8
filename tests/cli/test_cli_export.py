import json

import pytest

from calm.cli.export import export
from calm.conversation import Assistant, Conversation, User, write
from calm.errors import UsageError


@pytest.fixture
def rows(tmp_path):
    said = [Conversation(id=text, messages=(User(content="hi"), Assistant(text=text))) for text in ("a", "<think>")]
    write(tmp_path / "mine.jsonl", said)
    return tmp_path / "mine.jsonl"


def test_a_file_of_rows_is_exported_beside_itself(rows, capsys):
    export(rows, to="sharegpt")
    told = capsys.readouterr().out
    assert "left out, 1: an assistant step says <think> itself" in told
    assert (rows.parent / "mine-sharegpt" / "dataset_info.json").is_file()


def test_counts_as_json(rows, tmp_path, capsys):
    export(rows, to="oumi", out=tmp_path / "out", json=True)
    assert json.loads(capsys.readouterr().out)["splits"][0]["rows"] == 2


def test_an_unknown_format_names_the_known_ones(rows):
    with pytest.raises(UsageError, match="sharegpt, ms-swift, axolotl, trl, oumi, coalm"):
        export(rows, to="alpaca")


def test_a_model_becomes_a_folder_that_vllm_serves(tiny, tmp_path, capsys):
    export(tiny, to="vllm", out=tmp_path / "served")
    assert capsys.readouterr().out.splitlines()[-1].split() == [f"{tmp_path}/served/serve.sh", "--port", "8000"]
    assert sorted(path.name for path in (tmp_path / "served").iterdir()) == [
        "calm_tool_parser.py",
        "chat_template.jinja",
        "generation_config.json",
        "serve.sh",
    ]


def test_what_ollama_cannot_render_is_said(tiny, tmp_path, capsys):
    export(tiny, to="ollama", out=tmp_path / "run", json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["commands"] == [f"ollama create {tiny.name} -f {tmp_path}/run/Modelfile"]
    assert "cannot escape text" in told["lost"][0]
    assert (tmp_path / "run" / "model.gguf").is_file()
