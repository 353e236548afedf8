"""Call texts: what models really write is read, and hostile text costs one FormatError and no time."""

import pytest

from calm.conversation import Call
from calm.errors import FormatError
from calm.format import calls


def _arguments(text):
    (call,) = calls.parse_python(text)
    return call.arguments


def test_names_with_blanks_dots_and_slashes_are_read():
    read = calls.parse_python("[Get Suggestion(term=\"popular\", lang='en'), math.gcd(a=12, b=-3),v1/x:y()]")
    assert [(c.name, c.arguments, c.id) for c in read] == [
        ("Get Suggestion", {"term": "popular", "lang": "en"}, "call_0"),
        ("math.gcd", {"a": 12, "b": -3}, "call_1"),
        ("v1/x:y", {}, "call_2"),
    ]


def test_json_words_and_python_words_are_both_read():
    assert _arguments("[f(a=true, b=True, c=null, d=None, e=false)]") == {
        "a": True,
        "b": True,
        "c": None,
        "d": None,
        "e": False,
    }


def test_brackets_and_quotes_inside_strings_end_nothing():
    assert _arguments(r"[f(a=')](', b='it\'s', c=[{'k': (1, 2)}])]") == {"a": ")](", "b": "it's", "c": [{"k": [1, 2]}]}


def test_keys_that_are_no_identifiers_are_written_as_mappings():
    call = Call(name="f", arguments={"odd key": 1, "class": 2, "\ufb01": 3, "fine": 4})
    assert calls.render_python([call]) == "[f(**{'odd key': 1}, **{'class': 2}, **{'ﬁ': 3}, fine=4)]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "f(a=1)",
        "[f(1)]",
        "[f(a=1) g(b=2)]",
        "[f(a=1]",
        "[f(a=b)]",
        "[f(a=1, a=2)]",
        "[f(a=1, **{'a': 2})]",
        "[f(**[1])]",
        "[f(a={1: 2})]",
        "[f(a={1, 2})]",
        "[f(a=b'x')]",
        "[f(a=1j)]",
        "[f(a=--1)]",
        "[f(a=-True)]",
        "[f(a=1e999)]",
        "[f(a=...)]",
        "[f(a=f'{x}')]",
        "[f(a=1)(b=2)]",
        "[f(a=lambda: 1)]",
        "[f(a=[x for x in y])]",
        "[(a=1)]",
        "[f<g>(a=1)]",
        "[f(a='\n')]",
        "[f(a='\x00')]",
        "[f(a='\ud800')]",
        "[f(a=1 # )]",
        "[f(a='unclosed)]",
        "[,f()]",
    ],
)
def test_what_is_no_list_of_calls_is_refused(text):
    with pytest.raises(FormatError):
        calls.parse_python(text)


@pytest.mark.parametrize(
    "text",
    [
        "[f(a=9**9**9)]",
        "[f(a='x'*10**12)]",
        "[" * 10_000_000,
        "[f(a=" + "[" * 400_000 + ")]",
        "[f(a=" + "(" * 60 + "1 1" + ")" * 60 + ")]",
        "[f(a=" + "-" * 400_000 + "1)]",
        "[f(a=1" + "+1" * 200_000 + ")]",
        "[f(a=a" + ".b" * 200_000 + ")]",
        "[f(a=" + "not " * 100_000 + "1)]",
        "[" + "f " * 300_000 + "]",
        "[" + "f()," * 100_000 + "!]",
        "[f(a=" + "'" * 399_999 + ")]",
        "[f(a=" + "9" * 5000 + ")]",
    ],
    ids=lambda text: text[:20],
)
def test_hostile_text_is_refused(text):
    with pytest.raises(FormatError):  # a hang would meet the suite's time limit
        calls.parse_python(text)


def test_nothing_a_model_writes_is_run(tmp_path):
    target = tmp_path / "made"
    for expression in (f"__import__('os').mkdir({str(target)!r})", f"open({str(target)!r}, 'w')"):
        with pytest.raises(FormatError):
            calls.parse_python(f"[f(a={expression})]")
    assert not target.exists()


def test_what_could_not_be_read_back_is_not_written():
    deep = []
    for _ in range(calls.DEEPEST):
        deep = [deep]
    with pytest.raises(FormatError, match="deeper"):
        calls.render_python([Call(name="f", arguments={"a": deep})])
    with pytest.raises(FormatError, match="no tool may have this name"):
        calls.render_python([Call(name="f(", arguments={})])


def test_calls_nested_as_deep_as_allowed_come_back():
    deep = []
    for _ in range(calls.DEEPEST - 2):
        deep = [deep]
    call = Call(name="f", arguments={"a": deep})
    assert calls.parse_python(calls.render_python([call])) == (call,)


@pytest.mark.parametrize(
    "text",
    ["{}", "[1]", '[{"name": "f"}]', '[{"name": "f", "arguments": {}, "id": 1}]', '[{"name": "f", "arguments": []}]'],
)
def test_json_that_is_no_list_of_calls_is_refused(text):
    with pytest.raises(FormatError, match="call"):
        calls.parse_json(text)


@pytest.mark.parametrize("text", ['[{"name": "f", "arguments": {"a": NaN}}]', "[" * 100_000, "nope", "1" * 5000])
def test_json_that_no_json_has_is_refused(text):
    with pytest.raises(FormatError):
        calls.parse_json(text)


def test_signatures_are_names_and_keys():
    assert calls.signature("FindBus", ["from_location", "leaving date"]) == "FindBus(from_location, 'leaving date')"
    for text in ("FindBus(a=1)", "FindBus(a, 1)", "FindBus", "A(b) C(d)", "A(b), C(d)"):
        with pytest.raises(FormatError):
            calls.parse_signature(text)
