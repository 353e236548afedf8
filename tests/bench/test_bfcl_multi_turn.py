"""BFCL's multi-turn part: every recorded verdict, objects that never leak, and text that can only call the table."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from calm.bench.bfcl import entries, multi_turn
from calm.bench.bfcl.simulators import IMPORTS, Code
from calm.bench.grade import grade_file
from calm.errors import HubError
from calm.files import read_jsonl, write_jsonl

RECORDED = {"v4": "bfcl_multi_turn_verdicts.jsonl", "v3": "bfcl_v3_multi_turn_verdicts.jsonl"}


@pytest.fixture(scope="module")
def found():
    """The items of V4, whose wheel brings the simulators too."""
    try:
        return entries.entries("v4")
    except HubError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("version", "protocol"), [("v4", "v4-2026-03"), ("v3", "v3-2025-02")])
def test_every_recorded_verdict_and_error_type_is_the_same(version, protocol, found, corpora, reference, tmp_path):
    records = [row for _, row in read_jsonl(reference / "bfcl" / RECORDED[version])]
    rows = [{"category": r["category"], "id": r["id"], "output": r["raw"]} for r in records]
    write_jsonl(tmp_path / "p.jsonl", rows)
    judged = list(grade_file("bfcl", tmp_path / "p.jsonl", protocol))
    assert judged == [{"id": r["id"], "valid": r["valid"], "error_type": r["error_type"]} for r in records]
    assert len(judged) > 2300


def test_truths_fed_as_answers_give_the_official_ceiling(found):
    right = [[[f"[{call}]" for call in turn] for turn in entry.truth] for entry in found.values()]
    pairs = zip(found.values(), right, strict=True)
    valid = sum(multi_turn.error_of(entry, output, "v4") is None for entry, output in pairs)
    assert valid / len(found) == 0.88


def test_interleaved_and_threaded_judging_gives_the_verdicts_of_a_fresh_process(found, reference):
    records = [row for _, row in read_jsonl(reference / "bfcl" / RECORDED["v4"])]
    some = random.Random(0).sample(records, 64) * 3
    with ThreadPoolExecutor(8) as pool:
        errors = list(pool.map(lambda r: multi_turn.error_of(found[r["id"]], r["raw"], "v4"), some))
    assert errors == [r["error_type"] for r in some]


def test_the_sides_of_an_entry_share_nothing_with_another_entry(found):
    entry = found["multi_turn_long_context_55"]
    one, two = (multi_turn.Side(entry, Code("v4"), "model") for _ in range(2))
    before = repr(two.objects.state())
    for turn in entry.truth:
        one.run(turn)
    assert repr(one.objects.state()) != before
    assert repr(two.objects.state()) == before


HOSTILE = [
    "[open(file='marker', mode='w')]",
    "[inspect.os.makedirs(name='marker')]",
    "[cd(folder=open('marker', 'w').name + '')]",
    "[__import__('os').mkdir('marker')]",
    "[pwd().__class__.__base__.__subclasses__()]",
    "[cd(folder=[x for x in open('marker', 'w')])]",
    "[ls(a=(lambda: open('marker', 'w'))())]",
    "[kill(pid=1), exit(), quit()]",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_model_is_ever_run(text, found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entry = found["multi_turn_base_0"]
    output = [[text] for _ in entry.truth]
    assert multi_turn.error_of(entry, output, "v4") is not None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "call",
    [
        "power(base=99999, exponent=99999999)",
        "logarithm(value=2, base=3, precision=999999999)",
        "square_root(number=2, precision=999999999)",
        "round_number(number=5, decimal_places=-999999999)",
        "add(a=9**9**9, b=1)",
    ],
)
def test_arithmetic_that_would_never_end_is_refused(call, found):
    entry = next(e for e in found.values() if "MathAPI" in e.classes)
    side = multi_turn.Side(entry, Code("v4"), "model")
    (said,) = side.run(multi_turn.executable(f"[{call}]", "v4") or [call])
    assert said.startswith("Error during execution: ")


@pytest.mark.parametrize(
    "step", ["[" * 100_000, "a" * 10_000_000, "[ls(a='\0')]", "[cd(folder='\ud800')]", "", None, 7]
)
def test_any_step_gives_a_verdict(step, found):
    entry = found["multi_turn_base_0"]
    assert multi_turn.error_of(entry, [[step] for _ in entry.truth], "v4").startswith("multi_turn:")


def test_the_simulators_import_nothing_that_reaches_out():
    assert not {"os", "sys", "subprocess", "socket", "builtins", "importlib"} & set(IMPORTS)
