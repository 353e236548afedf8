import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import calm.report
from calm.conversation import Call
from calm.report import words

TINTS = ("thought", "call", "text", "end")


@given(st.text())
def test_visible_text_holds_no_control_and_no_surrogate(text):
    shown = words.visible(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)


def test_escape_becomes_a_visible_escape():
    assert words.visible("a\x1b[31mb\r\nc\td") == "a\\x1b[31mb\nc\td"


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_pretty_json_says_the_same(value):
    text = json.dumps(value)
    assert json.loads(words.pretty(text, width=20)) == value


def test_pretty_keeps_records_whole_and_leaves_other_text_alone():
    record = '{"name": "Lotus House", "area": "centre"}'
    assert words.pretty(f"[{record}, {record}]", 60) == f"[\n  {record},\n  {record}\n]"
    assert words.pretty("no {json") == "no {json"
    assert words.pretty("[" * 5000) == "[" * 5000


def test_call_is_written_as_people_write_it():
    call = Call(name="find", arguments={"area": "centre", "people": 4, "stars": None})
    assert words.call_line(call) == 'find(area="centre", people=4, stars=null)'


def test_changes_tell_added_changed_kept_and_removed_apart():
    found = [c.line for c in words.changes({"a": "1", "b": 2, "c": "x"}, {"a": "1", "b": 3, "d": "new"})]
    assert found == ["  a = 1", "~ b = 3 (was 2)", "+ d = new", "- c (was x)"]


def test_shares_and_differences_read_well():
    assert words.interval(0.625, 0.4702, 0.7578, 40) == "62.5 % [47.0, 75.8], n = 40"
    assert words.interval(0.5, None, None, 1200) == "50.0 %, n = 1,200"
    assert words.points(-0.125) == "−12.5 points"
    assert [words.p_value(p) for p in (0.27, 0.0654, 1e-9)] == ["p = 0.27", "p = 0.065", "p < 0.001"]


@given(st.text(max_size=3000))
def test_middle_loses_nothing(text):
    assert "".join(words.middle(text, 100, 80)) == text


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_ink_is_readable_on_its_ground(theme):
    css = (Path(calm.report.__file__).parent / "page.css").read_text()
    block = css.split(":root {")[1 + theme].split("}")[0]
    colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    pairs = [(f"{t}-ink", f"{t}-ground") for t in TINTS] + [("bad", "bad-ground"), ("muted", "user-ground")]
    pairs += [
        (ink, ground) for ink in ("ink", "muted", "link", "good", "bad", "call-ink") for ground in ("ground", "card")
    ]
    for ink, ground in pairs:
        low, high = sorted((luminance(colour[ink]), luminance(colour[ground])))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground)
