"""V4's return formats: read as upstream reads them, hostile JSON and XML given up at once, nothing fetched or run."""

import gc
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.bench.bfcl.decode import LONGEST, RETURN_FORMATS, decode
from calm.bench.bfcl.sensitivity import json_calls


def xml(inside, kind="string"):
    return f'<functions><function name="f"><param name="x" type="{kind}">{inside}</param></function></functions>'


def verbose(value, kind="string"):
    parameter = f'<param name="x" value="{value}" type="{kind}"/>'
    return f'<functions><function name="f"><params>{parameter}</params></function></functions>'


VALUES = {
    ("string", "5"): "5",
    ("integer", " 1_000 "): 1000,
    ("float", "1e3"): 1000.0,
    ("boolean", "TRUE"): True,
    ("boolean", "1"): False,
    ("null", "5"): None,
    ("array", "[1, 'a']"): [1, "a"],
    ("tuple", "(1, None)"): (1, None),
    ("dict", "{'a': [2]}"): {"a": [2]},
    ("object", "1+2j"): 1 + 2j,
    ("Integer", "5"): "5",
}


@pytest.mark.parametrize(("typed", "value"), VALUES.items(), ids=[" ".join(key) for key in VALUES])
def test_a_value_is_read_by_its_declared_type_in_both_kinds_of_xml(typed, value):
    kind, raw = typed
    assert decode(xml(raw, kind), "fs_cxml") == decode(verbose(raw, kind), "fs_vxml") == [{"f": {"x": value}}]


CALL = '[{"function": "%s", "parameters": {}}]'


@pytest.mark.parametrize(
    ("decoder", "text", "calls"),
    [
        ("fs_py_tag", "Sure: <TOOLCALL> 'f(x=1), g()' </TOOLCALL> done", [{"f": {"x": 1}}, {"g": {}}]),
        ("fs_py_tag", "[f(x=1)]", None),
        ("fs_json", 'So:\n```json\n[{"function": "f", "parameters": {"x": [1]}}]\n```', [{"f": {"x": [1]}}]),
        ("fs_json", '[{"function": "f", "parameters": {"x": [{"a": 1}]}}]', []),  # ends at the nearest `}]`
        ("fs_json", f"{CALL % 'f'} or {CALL % 'g'}", [{"f": {}}]),
        ("fs_json_tag", f"<TOOLCALL>So: [5, {(CALL % 'f')[1:]}.</TOOLCALL>", [{"f": {}}]),
        ("fs_json", "I cannot do that.", []),
        ("fs_json", '[{"name": "f", "arguments": {}}]', None),
        ("fs_json_tag", '<TOOLCALL>{"function": "f", "parameters": {}}</TOOLCALL>', []),
        ("fs_json_tag", "<TOOLCALL>7</TOOLCALL>", None),
        ("fs_json_tag", '<TOOLCALL>[5, "g"]</TOOLCALL>', []),
        ("fs_vxml", "<functions></functions>", []),
        ("fs_vxml", '<functions><function name="f"><param value="1"/></function></functions>', [{"f": {None: "1"}}]),
        ("fs_cxml", '<functions><function name="f"><param value="1"/></function></functions>', None),
        ("fs_cxml", "<functions><function/></functions>", None),
        ("fs_cxml", f"Here: {xml(' a<b/>c ')} {xml('d')}", [{"f": {"x": "a"}}]),
        ("fs_cxml", xml("<![CDATA[<]]>&amp;<!-- no -->&#10;b"), [{"f": {"x": "<&\nb"}}]),
        ("fs_cxml_tag", xml("a"), None),
    ],
)
def test_return_formats_are_read_and_given_up_as_upstream_does(decoder, text, calls):
    assert decode(text, decoder) == calls


def test_without_a_tag_python_is_what_prompt_mode_reads():
    for text in ("[f(x=1), g()]", "'f(x=1)'", "```\nf(x=[+1])\n```", "[]", "no", "f(x=a[1, 2])"):
        assert decode(text, "fs_py") == decode(text)


SECRET = "<!DOCTYPE functions [<!ENTITY e {}>]>"
HOSTILE_XML = {
    "a file as entity": xml("&e;").replace("<functions>", "<functions>" + SECRET.format("SYSTEM 'file:///etc/passwd'")),
    "an entity of entities": xml("&e;").replace("<functions>", "<functions>" + SECRET.format("'&e;&e;'")),
    "an undeclared entity": xml("&e;"),
    "a call as value": xml("__import__('os').getcwd()", "array"),
    "a power as value": xml("9**9**9", "array"),
    "a set of lists": xml("{[]}", "object"),
    "digits": xml("9" * 50_000, "integer"),
    "open brackets": xml("[" * 50_000, "array"),
    "signs": xml("-" * 50_000 + "1", "array"),
    "a sum": xml("1+" * 40_000 + "1", "array"),
    "an attribute twice": xml("1").replace("name=", "name='g' name=", 1),
    "unclosed": "<functions>" + "<function name='f'>" * 5_000,
    "roots": "<functions>" * 9_000 + "</functions>",
    "tags": "<TOOLCALL>" * 9_000,
    "NUL": xml("\0"),
    "surrogate": xml("\ud800"),
    "long": "<functions>" + "<a/>" * LONGEST + "</functions>",
}


@pytest.mark.parametrize("text", HOSTILE_XML.values(), ids=HOSTILE_XML.keys())
def test_hostile_xml_is_unreadable(text):
    assert decode(text, "fs_cxml") is None
    assert decode(f"<TOOLCALL>{text}</TOOLCALL>", "fs_cxml_tag") is None
    assert decode(text.replace(">", "/>", 1), "fs_vxml") is None


def test_an_entity_declared_before_the_functions_is_never_seen(tmp_path):
    (tmp_path / "secret").write_text("secret")
    for entity in (f"SYSTEM '{(tmp_path / 'secret').as_uri()}'", "'secret'"):
        text = SECRET.format(entity)
        assert decode(text + xml("&e;"), "fs_cxml") is None
        assert decode(text + xml("a"), "fs_cxml") == [{"f": {"x": "a"}}]


def test_deep_xml_is_read_and_let_go_of():
    assert decode(f"<functions>{'<a>' * 14_000}{'</a>' * 14_000}</functions>", "fs_vxml") == []


QUICK = {
    "pairs": "[" + "{}," * 30_000 + "{} x",
    "opened": "[{" * 49_000,
    "closed": "[{" + "} " * 49_000 + "x",
    "blanks": "[" + " " * 99_000,
    "roots": "<functions>" * 9_000,
    "tags": "<TOOLCALL>" * 9_900,
}


@pytest.mark.parametrize("text", QUICK.values(), ids=QUICK.keys())
def test_what_a_backtracking_pattern_would_never_finish_takes_no_time(text):
    before = time.process_time()
    assert all(decode(text, decoder) in (None, []) for decoder in RETURN_FORMATS)
    assert time.process_time() - before < 5


def busy(*_):
    return sum(range(300))


@pytest.fixture
def restless():
    """Threads that take turns all the time, in the midst of parsing too: whoever hooks the collector may do that."""
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.callbacks.append(busy)
    gc.set_threshold(50)
    sys.setswitchinterval(1e-6)
    yield
    gc.callbacks.remove(busy)
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)


def test_literals_are_read_in_many_threads_at_once(restless):
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: decode(xml(f"[{n}, {'[1], ' * 40}]", "array"), "fs_cxml"), range(3_000)))
    assert [calls and calls[0]["f"]["x"][0] for calls in found] == list(range(3_000))


LISTED = re.compile(r"\[\s*{.*?}\s*(?:,\s*{.*?}\s*)*\]", re.DOTALL)


OBJECT = '{"function": 1, "parameters": {}}'
LISTS = [f"[{OBJECT}]", f"[ {OBJECT} ]", f"[{OBJECT},{OBJECT}\n]", f"[5, {OBJECT}]"]


@given(st.lists(st.sampled_from(LISTS) | st.sampled_from([OBJECT, *"[],{} a"]), max_size=6).map("".join))
def test_the_plain_search_cuts_where_the_documented_pattern_does(text):
    found = LISTED.search(text)
    assert outcome(text) == outcome(found.group() if found else text)


def outcome(text):
    try:
        return json_calls(text)
    except (TypeError, KeyError) as error:
        return repr(error)


@given(
    st.sampled_from(sorted(RETURN_FORMATS)),
    st.text("<>/=[]{}'\" f1&;", max_size=30),
    st.sampled_from(["%s", "<functions>%s</functions>"]),
)
def test_any_text_is_read_or_given_up_without_an_exception(decoder, text, frame):
    decoded = decode(f"<TOOLCALL>{frame % text}</TOOLCALL>", decoder)
    assert decoded is None or isinstance(decoded, list)
