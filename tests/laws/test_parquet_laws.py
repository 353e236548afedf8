"""Whatever may be said comes back from Parquet as it was."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calm.conversation import read, to_row
from calm.data.parquet import GROUP_ROWS, RowFile
from calm.errors import DataError
from calm.files import dumps, read_rows
from tests.laws.strategies import same, stored


@settings(max_examples=80, deadline=None)
@given(talks=st.lists(stored(), max_size=3))
def test_conversations_come_back_from_parquet_as_they_were(tmp_path_factory, talks):
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    with RowFile(path) as file:
        for talk in talks:
            file.add(dumps(to_row(talk)).encode())
    back = list(read(path))
    assert len(back) == len(talks)
    assert all(map(same, back, talks))


def test_rows_are_numbered_through_all_row_groups(tmp_path):
    with RowFile(tmp_path / "rows.parquet") as file:
        for place in range(2 * GROUP_ROWS + 1):
            file.add(b'{"id": "%d", "messages": []}' % place)
    found = list(read_rows(tmp_path / "rows.parquet"))
    assert [number for number, _ in found] == list(range(1, 2 * GROUP_ROWS + 2))
    assert all(row["id"] == str(number - 1) for number, row in found)


def test_a_file_without_rows_is_a_file(tmp_path):
    with RowFile(tmp_path / "none.parquet") as file:
        pass
    assert file.content == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert list(read(tmp_path / "none.parquet")) == []


def test_a_damaged_or_missing_file_is_one_line(tmp_path):
    (tmp_path / "odd.parquet").write_text("precious")
    with pytest.raises(DataError, match=r"odd.parquet: is not Parquet"):
        list(read_rows(tmp_path / "odd.parquet"))
    with pytest.raises(DataError, match=r"none.parquet: no such file"):
        list(read_rows(tmp_path / "none.parquet"))


def test_a_row_that_is_no_conversation_is_named_by_number(tmp_path):
    with RowFile(tmp_path / "rows.parquet") as file:
        file.add(b'{"id": "a", "messages": []}')
        file.add(b'{"id": "b", "messages": [{"role": "alien"}]}')
    with pytest.raises(DataError, match=r"rows.parquet: row 2: messages.0: role 'alien'"):
        list(read(tmp_path / "rows.parquet"))
