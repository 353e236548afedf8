"""The official archive: read where it is, the derived file and its error bound where it is not."""

import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.bench.multiwoz import archive
from calm.errors import DataError

INN = {"book": {"booked": [], "day": "Friday", "people": "", "stay": "2"}, "semi": {"area": "north", "name": "none"}}
CAB = {"book": {"booked": []}, "semi": {"leaveAt": "not mentioned", "arriveBy": "17:15", "departure": "do n't care"}}
LOG = [
    {"text": "A room for Friday.", "metadata": {}},
    {"text": "Which part of town?", "metadata": {"hotel": INN, "taxi": CAB}},
]
TALK = {"goal": {"hotel": {"info": {"area": "north"}}}, "log": LOG}
STATE = {
    "hotel-area": "north",
    "hotel-book day": "friday",
    "hotel-book stay": "2",
    "taxi-arriveby": "17:15",
    "taxi-departure": "dontcare",
}


def packed(folder, data, tests="SNG0001.json\n", under="MULTIWOZ2.4/"):
    with zipfile.ZipFile(folder / archive.ARCHIVE, "w") as target:
        target.writestr(f"{under}data.json", data if isinstance(data, str) else json.dumps(data))
        target.writestr(f"{under}testListFile.json", tests)
    return folder


def test_the_archive_yields_the_rows_of_its_test_part(tmp_path):
    folder = packed(tmp_path, {"MUL9.json": TALK, "SNG0001.json": TALK})
    [(number, row)] = archive.rows(folder)
    assert (number, row["dialogue_id"], row["goal"]) == (1, "SNG0001.json", TALK["goal"])
    assert row["turns"] == [{"user": "A room for Friday.", "system": "Which part of town?", "state": STATE}]


def test_a_list_in_json_and_members_without_a_folder_are_read_too(tmp_path):
    folder = packed(tmp_path, {"SNG0001.json": TALK}, tests='["SNG0001"]', under="")
    assert [row["dialogue_id"] for _, row in archive.rows(folder)] == ["SNG0001.json"]


def test_several_values_of_a_slot_are_joined_as_in_the_derived_file():
    assert archive.state({"hotel": {"book": {"booked": []}, "semi": {"stars": ["2", "3"], "area": "North<West"}}}) == {
        "hotel-stars": "2|3",
        "hotel-area": "north|west",
    }


def test_the_archive_has_no_error_bound_and_wins_over_the_derived_file(tmp_path):
    (tmp_path / archive.DERIVED).write_text("[]")
    assert (archive.source(tmp_path).version, "2.2 %" in archive.source(tmp_path).note) == ("2.4-derived", True)
    packed(tmp_path, {"SNG0001.json": TALK})
    assert (archive.source(tmp_path).version, "2.2 %" in archive.source(tmp_path).note) == ("2.4", False)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"SNG0001.json": {"goal": ', "not JSON at dialogue 'SNG0001.json'"),
        ('{"SNG0001.json": {"goal": {}, "log": []}', "not JSON at dialogue 'SNG0001.json' or right after"),
        ("[]", "no JSON object of dialogues"),
        ({"MUL9.json": TALK}, "lacks 1 test dialogues; the first is 'sng0001'"),
        ({"SNG0001.json": {"goal": {}}}, r"'SNG0001.json' is not of the form .*KeyError\('log'\)"),
        ({"SNG0001.json": {**TALK, "log": LOG[:1]}}, "'SNG0001.json' is not of the form"),
        ({"SNG0001.json": {**TALK, "log": []}}, "'SNG0001.json' is not of the form"),
        ({"SNG0001.json": {**TALK, "goal": 3}}, "'SNG0001.json' is not of the form"),
        ({"SNG0001.json": {**TALK, "log": [LOG[0], {"text": "", "metadata": {"hotel": {}}}]}}, r"KeyError\('book'\)"),
    ],
)
def test_a_malformed_archive_is_refused_by_dialogue(tmp_path, data, message):
    with pytest.raises(DataError, match=rf"MULTIWOZ2\.4\.zip: .*{message}"):
        list(archive.rows(packed(tmp_path, data)))


def test_a_cut_archive_and_one_without_dialogues_are_refused(tmp_path):
    whole = packed(tmp_path, {"SNG0001.json": TALK}) / archive.ARCHIVE
    whole.write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"is not the MultiWOZ 2\.4 archive"):
        list(archive.rows(tmp_path))
    with zipfile.ZipFile(whole, "w") as target:
        target.writestr("README", "nothing")
    with pytest.raises(DataError, match=r"holds no data\.json"):
        list(archive.rows(tmp_path))


ODD = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda deep: (
        st.lists(deep, max_size=3)
        | st.dictionaries(st.sampled_from(["goal", "log", "text", "metadata", "book", "semi"]), deep, max_size=4)
    ),
    max_leaves=12,
)


def test_whatever_a_dialogue_holds_is_a_row_or_an_error_that_names_it(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")

    @given(ODD)
    def law(value):
        packed(folder, {"SNG0001.json": value})
        try:
            assert [row["dialogue_id"] for _, row in archive.rows(folder)] == ["SNG0001.json"]
        except DataError as error:
            assert "'SNG0001.json'" in str(error)  # noqa: PT017 - either is right, nothing else is

    law()


def test_the_derived_file_is_read_where_there_is_no_archive(corpora):
    found = list(archive.rows(corpora / "multiwoz"))
    assert (len(found), found[-1][0], sum(len(row["turns"]) for _, row in found)) == (1000, 1000, 7372)
