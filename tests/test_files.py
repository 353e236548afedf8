"""Files are written whole or not at all, and read through gzip with the row of every fault."""

import gzip
import subprocess
import sys

import pytest

from calm.conversation import read
from calm.errors import DataError, StorageError, UsageError
from calm.files import atomic, claimed, read_json, read_jsonl, read_object, read_text, write_jsonl, write_text


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "f.jsonl"
    write_jsonl(path, [{"a": 1}])
    with pytest.raises(ValueError, match="JSON"):
        write_jsonl(path, [{"a": 2}, {"a": float("nan")}])
    assert path.read_text() == '{"a": 1}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="choose another folder"), atomic(tmp_path / "file" / "below"):
        pass


def test_gzip_is_seen_through_and_damage_is_named(tmp_path):
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(b'{"a": [1]}'))
    assert read_json(tmp_path / "x.json") == {"a": [1]}
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(b'{"a": [1]}')[:-6])
    with pytest.raises(DataError, match=r"x\.json\.gz: cannot be read"):
        read_json(tmp_path / "x.json")
    with pytest.raises(DataError, match=r"no such file \(nor with .gz"):
        read_json(tmp_path / "y.json")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "is not JSON"),
        (b"[1]", "is list, not an object"),
        (b'{"a": ' + b"1" * 5000 + b"}", "is not JSON: Exceeds"),
    ],
)
def test_a_bad_row_is_named_by_number(tmp_path, line, why):
    (tmp_path / "rows.jsonl").write_bytes(b'{"a": 1}\n\n' + line + b"\n")
    with pytest.raises(DataError, match=f"rows.jsonl: row 3: {why}"):
        list(read_jsonl(tmp_path / "rows.jsonl"))


def test_a_bom_is_no_part_of_the_text_and_settings_are_an_object(tmp_path):
    for name in ("a.json", "a.jsonl"):
        (tmp_path / name).write_bytes(b'\xef\xbb\xbf{"a": 1}\n')
    assert read_object(tmp_path / "a.json") == next(read_jsonl(tmp_path / "a.jsonl"))[1] == {"a": 1}
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(DataError, match=r"a\.json: is list, not an object"):
        read_object(tmp_path / "a.json")


def test_text_in_latin1_is_read_and_lone_surrogates_are_written(tmp_path):
    (tmp_path / "l").write_bytes("Beyoncé".encode("latin-1"))
    assert read_text(tmp_path / "l") == "Beyoncé"
    write_text(tmp_path / "s", "a\ud800b")
    assert (tmp_path / "s").read_text() == "a\\ud800b"


def test_a_content_that_is_no_text_is_named_by_its_place_and_value(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", [{"messages": [{"role": "user", "content": 3}]}])
    with pytest.raises(DataError) as refused:
        list(read(tmp_path / "rows.jsonl"))
    assert "row 1: messages.0: content: Input should be a valid string (got 3)" in str(refused.value)


HOLDER = """
import sys, time
from pathlib import Path
from calm.files import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_kept_out_of_a_folder_until_the_first_is_gone(tmp_path):
    out = tmp_path / "out"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(out)], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="out: another calm is at work there; wait"), claimed(out):
            pass
        first.kill()
    with claimed(out):
        assert not out.exists()
    assert list(tmp_path.iterdir()) == []
