"""The decoders: quirks of upstream, kept; code in a model's output, never run; hostile text, answered at once."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.bench.bfcl.decode import DECODERS, LONGEST, decode, in_call_format


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("[f(x=1), g.h(y='a')]", [{"f": {"x": 1}}, {"g.h": {"y": "a"}}]),
        ("f(x=1)", [{"f": {"x": 1}}]),
        ("```\n[f(x=1)]\n```", [{"f": {"x": 1}}]),
        ("f(3, x=1)", [{"f": {"x": 1}}]),
        ("f(x=1, x=2)", [{"f": {"x": 2}}]),
        ("f(**{'a': 1})", [{"f": {None: {"a": 1}}}]),
        ("a().b(x=1)", [{"b": {"x": 1}}]),
        ("f(x=+5, y=~5, z=not True)", [{"f": {"x": -5, "y": -5, "z": -1}}]),
        ("f(x=true, y=..., z=a[0])", [{"f": {"x": "true", "y": "...", "z": "a[0]"}}]),
        ("f(x=int(5), y=g(z=1))", [{"f": {"x": "int(5)", "y": {"g": {"z": 1}}}}]),
        ("f(x=(1, [2]), y={'a': None})", [{"f": {"x": (1, [2]), "y": {"a": None}}}]),
        ("f(x=2**10, y='ab' * 2, z='%s' % 'q')", [{"f": {"x": 1024, "y": "abab", "z": "q"}}]),
    ],
)
def test_prompt_mode_reads_calls_as_upstream_does(text, calls):
    assert decode(text) == calls == decode(text, version="v3")


@pytest.mark.parametrize(
    "text",
    ["Sure! [f(x=1)]", "f(x=1); g()", "f(x=lambda: 1)", "f(x=f'{y}')", "f(x=1 < 2)", "f(x=a.b)", "f(x={1})", "f(x=-y)"],
)
def test_prompt_mode_gives_up_where_upstream_does(text):
    assert decode(text) is None
    assert decode(text, version="v3") is None


@pytest.mark.parametrize(
    ("text", "v3", "v4"),
    [
        ("[]", None, []),
        ("[[f(x=1)]]", [{"f": {"x": 1}}], None),
        ("['f(x=1)']", [{"f": {"x": 1}}], None),
        ("[ f(x=1)]", None, [{"f": {"x": 1}}]),
    ],
)
def test_v3_and_v4_differ_in_brackets_and_quotes_only(text, v3, v4):
    assert (decode(text, version="v3"), decode(text, version="v4")) == (v3, v4)


@pytest.mark.parametrize(
    ("decoder", "output", "calls"),
    [
        ("fc", [{"f": '{"x": 1}'}], [{"f": {"x": 1}}]),
        ("fc", '[{"f": "{}"}]', [{"f": {}}]),
        ("fc", [{"f": "not json"}], None),
        ("fc", "I cannot do that.", None),
        ("hammer", '```[{"name": "f", "arguments": {"x": 1}}]```', [{"f": {"x": 1}}]),
        ("hammer", "I cannot do that.", []),
        ("hammer", '{"name": "f", "arguments": {}}', None),
        ("xlam2", '{"name": "f", "arguments": {}}', [{"f": {}}]),
        ("xlam2", '{"name": "f", "arguments": {}}; {"name": "g", "arguments": {}}', [{"f": {}}, {"g": {}}]),
        ("xlam2", "I cannot do that.", None),
    ],
)
def test_json_decoders_each_give_up_in_their_own_way(decoder, output, calls):
    assert decode(output, decoder) == calls


def test_no_code_in_an_output_is_ever_run(tmp_path):
    marker = tmp_path / "marker"
    payloads = [
        f"f(x=open({str(marker)!r}, 'w').name + '')",
        f"f(x=__import__('os').mkdir({str(marker)!r}) + 1)",
        f"f(x=[open({str(marker)!r}, 'w')][0] + 1)",
        f"open(file={str(marker)!r}, mode='w')",
    ]
    for payload in payloads:
        for decoder in DECODERS:
            decode(payload, decoder), decode(payload, decoder, "v3")
    assert not marker.exists()
    assert all(decode(payload) is None for payload in payloads[:3])


HOSTILE = {
    "power": "f(x=9**9**9)",
    "tower": "f(x=2**2**2**2**2**2)",
    "shift": "f(x=1 << 10**9)",
    "repeat": "f(x='a' * 10**9)",
    "negative power of a huge number": "f(x=(2**16000)**-5)",
    "width": "f(x='%999999999d' % 1)",
    "named width": "f(x='%(a)999999999d' % {'a': 1})",
    "star width": "f(x='%*d' % (10**9, 1))",
    "digits": f"f(x={'9' * 5000})",
    "sum": f"f(x={'1+' * 30_000}1)",
    "signs": f"f(x={'-' * 50_000}1)",
    "open brackets": "[" * 50_000,
    "nested": f"f(x={'[' * 5000}{']' * 5000})",
    "attributes": f"a{'.b' * 30_000}(x=1)",
    "lambdas": f"f(x={'lambda:' * 10_000}1)",
    "NUL": "f(x='\0')",
    "surrogate": "f(x='\ud800')",
    "long": "f(x=1)," * LONGEST,
    "nothing": "",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_unreadable_at_once(text):
    for version in ("v3", "v4"):
        assert decode(text, version=version) in (None, [])
    assert all(decode(text, decoder) in (None, []) for decoder in ("fc", "hammer", "xlam2"))


@pytest.mark.parametrize("output", [None, 7, {}, ["f(x=1)"], [1], [[]], [{}], [{"f": 1}]])
def test_an_output_that_is_no_text_is_unreadable(output):
    assert decode(output) is None
    assert decode(output, "fc") in (None, [])


@given(st.text(max_size=60) | st.text("f(x=1)[]{},'\"+-*%. ", max_size=40))
def test_any_text_is_read_or_given_up_without_an_exception(text):
    for decoder in DECODERS:
        for version in ("v3", "v4"):
            decoded = decode(text, decoder, version)
            assert decoded is None or isinstance(decoded, list)


LITERALS = st.recursive(
    st.integers(-99, 99) | st.floats(-9, 9, width=16) | st.text("ab%s ", max_size=4) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=6,
)


@given(LITERALS.filter(lambda value: not isinstance(value, int | float) or value >= 0))
def test_a_literal_argument_reads_as_itself(value):
    assert decode(f"f(x={value!r})") == [{"f": {"x": value}}]


@given(
    st.integers(0, 50), st.integers(0, 9), st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "<<", "|", "&", "^"])
)
def test_folded_arithmetic_is_pythons(left, right, sign):
    source = f"{left} {sign} {right}"
    try:
        expected = [{"f": {"x": eval(source)}}]
    except ZeroDivisionError:
        expected = None
    assert decode(f"f(x={source})") == expected
    assert ast.unparse(ast.parse(source)) == source


def test_call_format_is_a_list_of_one_key_objects_of_objects():
    assert in_call_format([])
    assert in_call_format([{"f": {}}])
    wrong = [None, {}, (), [{}], [{"f": 1}], [{"f": {}, "g": {}}], ["f"], [[]]]
    assert not any(in_call_format(value) for value in wrong)
