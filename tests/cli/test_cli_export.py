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
