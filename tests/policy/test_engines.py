"""All engines compute one model: same logits, tokens and cache rules, adapter included; the ladder says its rung."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from calm.conversation import Assistant, Conversation, System, User
from calm.data.sources.town import read_town
from calm.errors import MissingExtra, ModelError, UsageError
from calm.files import read_json, write_json
from calm.format.tokens import Codec
from calm.hub.models import Found
from calm.policy.local import Local
from calm.policy.local import engine as engines
from calm.policy.local.llama import Llama
from calm.policy.local.plain import Plain

pytest.importorskip("openvino")
from calm.policy.local.openvino_engine import BLOCK, OpenVINO, group

IDS = [0, 9, 40, 33, 7, 250, 11, 12, 90, 3] * 30
EXACT = {"openvino": "f32", "torch": "f32", "numpy": "f32"}


@pytest.fixture(scope="module")
def adapter(tiny, tmp_path_factory):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("adapter")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        base = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
        tuned = get_peft_model(
            base, LoraConfig(r=4, lora_alpha=12, target_modules="all-linear", init_lora_weights=False)
        )
        tuned.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def peft(tiny, adapter):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32), adapter)


@pytest.fixture(scope="module", params=list(EXACT))
def engine(request, tiny, adapter):
    return engines.load(Found("tiny", tiny, adapter), request.param, "f32")


@pytest.fixture(autouse=True)
def _anew(request):
    if "engine" in request.fixturenames:
        request.getfixturevalue("engine").rewind(0)


def greedy(engine, ids, count):
    written = [int(engine.forward(ids).argmax())]
    while len(written) < count:
        written.append(int(engine.forward(written[-1:]).argmax()))
    return written


def test_logits_and_greedy_tokens_are_pefts(engine, peft):
    expected = peft(torch.tensor([IDS])).logits[0, -1].detach().numpy()
    np.testing.assert_allclose(engine.forward(IDS), expected, rtol=1e-3, atol=1e-3)
    engine.rewind(0)
    with torch.no_grad():
        theirs = peft.generate(input_ids=torch.tensor([IDS]), max_new_tokens=24, min_new_tokens=24, do_sample=False)
    assert greedy(engine, IDS, 24) == theirs[0, len(IDS) :].tolist()


@pytest.mark.parametrize("cut", [1, BLOCK - 1, BLOCK, BLOCK + 1, 100])
def test_forks_share_the_past_and_nothing_else(engine, cut):
    whole = engine.forward(IDS)
    engine.rewind(cut)
    other = engine.fork()
    other.forward([5, 6, 7])
    again = engine.forward(IDS[cut:])
    other.rewind(cut)
    np.testing.assert_allclose(again, whole, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(other.forward(IDS[cut:]), whole, rtol=1e-3, atol=1e-3)
    assert other.ids == engine.ids == IDS


def test_many_at_once_are_each_as_alone(engine):
    alone = [engine.fork().forward(IDS[:size]) for size in (1, 31, 32, 200)]
    sequences = [engine.fork() for _ in alone]
    sequences[3].forward(IDS[:150])
    parts = [IDS[:1], IDS[:31], IDS[:32], IDS[150:200]]
    together = engine.forward_many(list(zip(sequences, parts, strict=True)))
    np.testing.assert_allclose(together, np.stack(alone), rtol=1e-3, atol=1e-3)


def test_blocks_are_shared_and_come_back(tiny):
    first = OpenVINO.load(tiny, None, "f32")
    free = len(first.pool._free)
    first.forward(IDS)
    held = free - len(first.pool._free)
    others = [first.fork() for _ in range(20)]
    assert free - len(first.pool._free) == held == -(-len(IDS) // BLOCK)
    for other in others:
        other.forward([1])
    assert free - len(first.pool._free) == held + 20  # each has its own last block only
    del others, other
    first.rewind(0)
    assert len(first.pool._free) == free


def test_the_pool_grows_without_losing_what_is_there(tiny):
    engine = OpenVINO.load(tiny, None, "f32")
    engine.forward(IDS)
    expected = engine.fork().forward([7])
    many = [engine.fork() for _ in range(9)]
    for other in many:
        other.rewind(0)
        other.forward(IDS)
    assert len(engine.pool._users) > 64
    np.testing.assert_allclose(engine.forward([7]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("precision", "most"), [("f16", 0.03), ("int8", 0.08)])
def test_rounded_weights_stay_close(tiny, adapter, precision, most):
    exact = Plain(tiny, adapter).forward(IDS)
    rounded = OpenVINO.load(tiny, adapter, precision).forward(IDS)
    assert 0 < np.abs(rounded - exact).mean() < most * np.abs(exact).max()


@pytest.mark.parametrize(
    ("hidden", "inner", "heads", "size"), [(576, 1536, 9, 192), (4096, 14336, 32, 256), (96, 31, 3, 1)]
)
def test_groups_of_activations_divide_every_row_that_meets_int8_weights(hidden, inner, heads, size):
    assert group({"hidden_size": hidden, "intermediate_size": inner, "num_attention_heads": heads}) == size


@pytest.mark.parametrize("rope", ["linear", "llama3"])
def test_other_ropes_agree_too(tiny, tmp_path, rope):
    scaled = {"rope_type": rope, "rope_theta": 1e4, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    config = read_json(tiny / "config.json") | {"rope_parameters": scaled | {"original_max_position_embeddings": 64}}
    write_json(tmp_path / "config.json", config)
    (tmp_path / "model.safetensors").write_bytes((tiny / "model.safetensors").read_bytes())
    ours = OpenVINO.load(tmp_path, None, "f32").forward(IDS)
    np.testing.assert_allclose(ours, Llama(tmp_path, None, torch.float32).forward(IDS), rtol=1e-3, atol=1e-3)
    assert np.abs(ours - Plain(tiny).forward(IDS)).max() > 0.01


def test_the_ladder_takes_the_first_rung_and_names_it(tiny):
    made = engines.load(Found("tiny", tiny))
    assert (made.kind, made.rung) == ("openvino int8", "")
    with pytest.raises(UsageError, match=r"'vllm' is not known; one of auto, openvino"):
        engines.load(Found("tiny", tiny), "vllm")


BARRED = """
import sys
for name in {barred}: sys.modules[name] = None
from pathlib import Path
from calm.hub.models import Found
from calm.policy.local import engine
made = engine.load(Found("tiny", Path({folder!r})))
made.forward([1, 2, 3])
print(made.kind, "|", made.rung)
"""


@pytest.mark.parametrize(
    ("barred", "expected"),
    [
        (["openvino"], "torch bfloat16 | openvino is not installed"),
        (["openvino", "torch"], "numpy f32 | openvino is not installed; torch is not installed"),
    ],
)
def test_without_a_runtime_the_next_rung_says_why(tiny, barred, expected):
    code = BARRED.format(barred=barred, folder=str(tiny))
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == expected, ran.stderr[-500:]


def test_a_named_engine_that_is_absent_is_an_error(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "calm.policy.local.openvino_engine")
    with pytest.raises(MissingExtra, match=r"openvino is not installed"):
        engines.load(Found("tiny", tiny), "openvino")


def test_an_adapter_of_another_kind_or_base_is_refused(tiny, adapter, tmp_path):
    settings = read_json(adapter / "adapter_config.json")
    (tmp_path / "adapter_model.safetensors").write_bytes((adapter / "adapter_model.safetensors").read_bytes())
    for change, message in ({"use_dora": True}, "is DoRA"), ({"rank_pattern": {"q_proj": 2}}, "ranks differ"):
        write_json(tmp_path / "adapter_config.json", settings | change)
        with pytest.raises(ModelError, match=message):
            engines.load(Found("tiny", tiny, tmp_path))


def conversations(count):
    found = [c.upto(c.steps[0]) for c in read_town(count, 4)]
    return [Conversation(id="bare", messages=(System(content="Be brief."), User(content="hello"))), *found]


@pytest.fixture(scope="module")
def local(tiny, adapter):
    made = engines.load(Found("tiny", tiny, adapter), "openvino", "f32")
    return Local("tiny", made, Codec.load(tiny), max_tokens=80)


def test_steps_decoded_together_are_those_decoded_alone(local):
    asked = conversations(11)
    alone = [local(conversation) for conversation in asked]
    assert local.many(asked, width=5) == alone


def test_one_conversation_that_cannot_be_answered_stops_no_other(local):
    long = Conversation(id="long", messages=(User(content="word " * 5000),))
    done = dict(local.steps([*conversations(2), long, None], width=2))
    assert isinstance(done.pop(3), ModelError)
    assert sorted(done) == [0, 1, 2]
    with pytest.raises(ModelError, match="'long'"):
        local.many([long])


def test_conversations_that_take_turns_keep_their_caches(local):
    first, second = (Conversation(messages=(User(content=said * 30),)) for said in ("one ", "two "))
    local(first)
    local(second)
    for conversation in (first, second):
        longer = conversation.model_copy(
            update={"messages": (*conversation.messages, Assistant(text="yes"), User(content="go on"))}
        )
        local(longer)
        assert local.usage.cached >= len(local.codec.prompt(conversation)) - 8


@pytest.mark.model
def test_the_embedded_model_speaks_transformers_tokens(embedded):
    from transformers import AutoModelForCausalLM

    codec = Codec.load(embedded)
    ids = codec.prompt(conversations(1)[1])
    model = AutoModelForCausalLM.from_pretrained(embedded, dtype=torch.float32)
    with torch.no_grad():
        theirs = model.generate(input_ids=torch.tensor([ids]), max_new_tokens=16, min_new_tokens=16, do_sample=False)
    assert greedy(OpenVINO.load(embedded, None, "f32"), ids, 16) == theirs[0, len(ids) :].tolist()


def test_nothing_heavy_is_imported_before_a_model_is_loaded():
    code = "import sys, calm.policy.local; print({'openvino', 'torch', 'numpy', 'llguidance'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
