"""Hostile output gets a verdict in every category and reading: no code of it runs, nothing hangs or fills memory."""

import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calm.bench.bfcl import decode, entries, grade, predictions, tasks, versions
from calm.bench.bfcl.grade import error_of
from calm.errors import HubError

V4 = versions.named("v4")
MARKER = "marker"
PAYLOADS = {
    "an argument that is worked out": f"[f(x=open({MARKER!r}, 'w').name + '')]",
    "a call of a builtin": f"[open(file={MARKER!r}, mode='w')]",
    "a module behind a dotted name": f"[inspect.os.makedirs(name={MARKER!r})]",
    "bare text to a handler that evaluates it": f"open({MARKER!r}, 'w')",
    "a checker that is replaced": "[f(x=__import__('sys').modules.update({'calm.bench.bfcl.grade': 0}) or '' + '')]",
}
SHAPES = {
    "tower": "[f(x=9**9**9)]",
    "brackets": "[" * 10_000_000,
    "nested": f"[f(x={'(' * 100_000}{')' * 100_000})]",
    "nested calls": "f(x=" * 20_000 + ")" * 20_000,
    "NUL": "[f(x='\0')]",
    "surrogate": "[f(x='\ud800')]",
    "one string": f"[f(x='{'a' * 10_000_000}')]",
    "quotes": "'" * 5_000_001,
    "java maps": "[f(x=new HashMap<String, Object>() {{ " + 'put("a", ' * 5_000 + "}})]",
    "js objects": "[f(x={a: " + "{b: " * 20_000 + "})]",
    "escapes": "[f(x='" + "\\" * 99_001 + "')]",
}


@pytest.fixture(scope="module")
def kinds():
    """One item of every category, multi-turn ones too."""
    try:
        everything = [*tasks.items("v4").values(), *entries.entries("v4").values()]
    except HubError as error:
        pytest.skip(str(error))
    return list({item.category: item for item in everything}.values())


def verdicts(kinds, text):
    for item in kinds:
        output = [[text] for _ in item.truth] if item.category.startswith("multi_turn") else text
        for version in (V4, versions.named("v3-2025-06")):
            for repaired in (False, True):
                yield predictions.official(item, output, version, repaired=repaired)


@pytest.mark.parametrize("text", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_no_payload_runs_anywhere_and_the_checker_stays_what_it_is(text, kinds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for error in verdicts(kinds, text):
        assert error is None or isinstance(error, str)
    for decoder in decode.DECODERS:
        decode.decode(text, decoder)
    assert list(tmp_path.iterdir()) == []
    assert grade.error_of is error_of
    assert error_of("simple", [{"name": "f", "parameters": {}}], [{"f": {}}], [{"g": {}}]) is not None


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES.keys())
def test_no_shape_is_right_where_calls_are_due(text, kinds):
    due = [item for item in kinds if "relevance" not in item.category]
    assert None not in set(verdicts(due, text))


def fuzzed(count, seed=0):
    """Texts that are nearly calls: pieces of calls, of code and of noise, glued together."""
    rng = random.Random(seed)
    pieces = [
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        "f",
        "cd",
        "x=",
        "'",
        '"',
        "\\",
        "`",
        ",",
        ";",
        "\n",
        "-",
        "+",
        "~",
        "**",
        "%",
        "*",
    ]
    pieces += [
        "9" * 30,
        "lambda:",
        "new HashMap<>()",
        "put(",
        "=>",
        "\0",
        "\ud83d",
        "é",
        "\u2028",
        "true",
        "None",
        "...",
        "/*",
        "//",
    ]
    pieces += [
        "folder=",
        "a.b",
        "await ",
        "yield ",
        "f'{x}'",
        "1e999",
        "0x",
        "b'",
        "<tool_call>",
        '{"name":',
        "#",
        "@",
        ":=",
        " if ",
        " for ",
    ]
    return ["".join(rng.choices(pieces, k=rng.randrange(1, 25))) for _ in range(count)]


def test_fuzzed_texts_get_a_verdict_each(kinds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, text in enumerate(fuzzed(3_000)):
        item = kinds[number % len(kinds)]
        assert all(error is None or isinstance(error, str) for error in verdicts([item], text))
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5), lambda x: st.lists(x) | st.dictionaries(st.text(max_size=3), x)
    )
)
def test_an_output_of_any_json_shape_gets_a_verdict(kinds, output):
    for item in kinds:
        for decoder in decode.DECODERS:
            error = predictions.official(item, output, V4, decoder)
            assert error is None or isinstance(error, str)


def test_ten_megabytes_of_brackets_take_little_memory():
    code = (
        "import resource, sys; from calm.bench.bfcl import audited, decode;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "text = '[' * 10_000_000; decode.decode(text), audited.signed(text, 'v4');"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    grown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(grown.stdout) < 64_000  # kB


def test_grading_needs_neither_torch_nor_an_http_client():
    code = "import sys, calm.bench.run, calm.bench.bfcl as b; print({'torch', 'numpy', 'httpx'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
