"""vLLM and Ollama: the command, the template, and a reader of steps that loses nothing wherever a stream is cut."""

import codecs
import json
import os
import re
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from calm.conversation import Assistant, Call, Conversation, Observation, System, Tool, User
from calm.data.sources.town import read_town
from calm.errors import ModelError, UsageError
from calm.files import write_json
from calm.format import react, text_of
from calm.format.react import CHATML, LLAMA3
from calm.format.tokens import Codec
from calm.hub.models import Found
from calm.train.serving import calm_tool_parser as plugin
from calm.train.serving.ollama import modelfile, ollama, template
from calm.train.serving.vllm import vllm
from tests.laws.strategies import garbled, steps, texts
from tests.train import vllm_standin
from tests.train.go_text import execute

GOLDEN = (
    "Hello, is 3 < 4?\nYes.",
    "<think>\nI know < and <\\think>.\n\nSo:\n</think>\n<tool_call>\n"
    '{"name": "find", "arguments": {"area": "größe \\u003c", "n": [1, {"x": null}]}}\n</tool_call>\n<tool_call>\n'
    '{"name": "now", "arguments": {}}\n</tool_call>',
    '<think>\nhm\n</think>\nLet me look.\n<tool_call>\n{"name": "f", "arguments": {"s": "a } b"}}\n</tool_call>',
    '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>\n<tool_call>\n{"name": broken}\n</tool_call> and more',
    "<think>\nnever closed",
)
PIECES = (
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "\n",
    " ",
    "<",
    "<\\",
    "</",
    '{"name": "f", "arguments": {}}',
)
wild = st.lists(st.sampled_from(PIECES) | texts, max_size=9).map("".join)
raws = st.one_of(steps.map(lambda s: text_of(react.step_spans(s))), garbled.map(lambda s: s.raw), wild)


def streamed(pieces):
    """What a stream of pieces says, put together, in the words of `read`."""
    stream, text, thought, said, calls = plugin.Stream(), "", "", "", ()
    for place, piece in enumerate(pieces):
        text += piece
        new = stream.upto(text, place == len(pieces) - 1)
        thought, said, calls = thought + (new.thought or ""), said + new.text, calls + new.calls
    return thought, said, calls


def whole(text):
    heard = plugin.read(text)
    return heard.thought or "", heard.text, heard.calls


@given(raws)
def test_the_plugin_reads_what_react_reads(raw):
    step, heard = react.parse_step(raw), plugin.read(raw)
    assert isinstance(step, Assistant) == (not heard.fault)
    if isinstance(step, Assistant):
        assert (step.thought, step.text or "") == (heard.thought, heard.text)
        assert [(call.name, call.arguments) for call in step.calls] == [(n, json.loads(a)) for n, a in heard.calls]


@pytest.mark.parametrize("text", GOLDEN)
def test_a_stream_cut_at_any_byte_says_what_the_whole_says(text):
    data = text.encode()
    for cut in range(len(data) + 1):
        decode = codecs.getincrementaldecoder("utf-8")().decode
        assert streamed([decode(data[:cut]), decode(data[cut:])]) == whole(text)
    assert streamed([*text, ""]) == whole(text)


@given(raws, st.data())
def test_a_stream_in_any_pieces_says_what_the_whole_says(raw, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert streamed(pieces) == whole(raw)
    broken_off = plugin.read(raw[: cuts[0]] if cuts else "", done=False)
    assert plugin.read(raw).calls[: len(broken_off.calls)] == broken_off.calls


def test_a_call_in_a_thought_or_an_escaped_one_is_no_call():
    inside = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
    assert plugin.read(f"<think>\n{inside}\n</think>\nNo.") == plugin.Heard(inside, "No.")
    assert plugin.read(react.escape(inside)) == plugin.Heard(None, inside)
    cut = plugin.read(f"{inside}\n<tool_call>\n{inside[20:30]}")
    assert (cut.calls, cut.fault) == ((("f", "{}"),), True)


@pytest.fixture
def standin(tiny, tmp_path, monkeypatch):
    """The exported plugin, loaded by the stand-in of vLLM; makers of its two parsers."""
    vllm(Found(str(tiny), tiny), tmp_path / "out")
    registries = vllm_standin.install(monkeypatch)
    vllm_standin.load(tmp_path / "out" / "calm_tool_parser.py")
    return [registry.known["calm"] for registry in registries]


@pytest.mark.parametrize("text", GOLDEN[:3])
def test_a_client_of_vllm_is_sent_the_step(standin, text):
    step = react.parse_step(text)
    assert isinstance(step, Assistant)
    for cut in range(1, len(text)):
        caller, thinker = (make(vllm_standin.TOKENIZER) for make in standin)
        thought, said, calls = vllm_standin.hear(thinker, caller, [text[:cut], text[cut:], ""])
        assert (thought, said) == (step.thought or "", step.text or "")
        assert [(n, json.loads(a), i) for n, a, i in calls] == [
            (call.name, call.arguments, i) for i, call in enumerate(step.calls)
        ]
        assert [call["name"] for call in caller.prev_tool_call_arr] == [call.name for call in step.calls]


def test_a_whole_answer_and_a_request_under_vllm(standin):
    caller, thinker = (make(vllm_standin.TOKENIZER) for make in standin)
    thought, rest = thinker.extract_reasoning(GOLDEN[2], None)
    found = caller.extract_tool_calls(rest, None)
    assert (thought, found.content, found.tools_called) == ("hm", "Let me look.", True)
    assert json.loads(found.tool_calls[0].function.arguments) == {"s": "a } b"}
    request = caller.adjust_request(thinker.adjust_request(vllm_standin.Values()))
    assert request.skip_special_tokens is False
    assert not thinker.is_reasoning_end([3])
    assert thinker.extract_content_ids([1, 3, 9]) == [9]


def test_another_vllm_is_told_what_the_plugin_was_written_for(monkeypatch):
    vllm_standin.install(monkeypatch)
    monkeypatch.delitem(vars(sys.modules["vllm.tool_parsers.abstract_tool_parser"]), "ToolParser")
    with pytest.raises(
        ImportError, match=r"written for the parser interface of vLLM's main branch in 2026.*ToolParser"
    ):
        vllm_standin.load(plugin.__file__)


def adapter(tiny, folder, rank=5):
    folder.mkdir()
    write_json(folder / "adapter_config.json", {"r": rank, "base_model_name_or_path": str(tiny)})
    save_file({"lora_A": np.zeros((rank, 4), np.float32)}, folder / "adapter_model.safetensors")
    return Found("mine", tiny, folder)


def served(folder, tmp_path):
    """The arguments that `serve.sh` gives to the `vllm` it finds."""
    shim = tmp_path / "bin" / "vllm"
    shim.parent.mkdir()
    shim.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    shim.chmod(0o755)
    path = {**os.environ, "PATH": f"{shim.parent}:{os.environ['PATH']}"}
    ran = subprocess.run([folder / "serve.sh", "--port", "8001"], env=path, capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()


def test_the_script_serves_an_adapter_with_base_template_and_parsers(tiny, tmp_path):
    out = tmp_path / "it's out"
    vllm(adapter(tiny, tmp_path / "my adapter"), out)
    said = served(out, tmp_path)
    pairs = dict(pairwise(said))
    assert said[:2] == ["serve", str(tiny)]
    assert pairs["--lora-modules"] == f"my adapter={tmp_path / 'my adapter'}"
    assert (pairs["--max-lora-rank"], pairs["--tool-call-parser"], pairs["--reasoning-parser"]) == ("8", "calm", "calm")
    assert (out / pairs["--chat-template"]).read_text().count("<tool_call>") > 0
    assert pairs["--tool-parser-plugin"] == pairs["--reasoning-parser-plugin"] == str(out / "calm_tool_parser.py")
    assert json.loads(pairs["--override-generation-config"]) == {"temperature": 0}
    assert said[-2:] == ["--port", "8001"]


def test_a_whole_model_is_served_alone_and_ends_at_the_turns_marker(tiny, tmp_path):
    vllm(Found(str(tiny), tiny), tmp_path / "out")
    said = served(tmp_path / "out", tmp_path)
    assert "--enable-lora" not in said
    assert said[1:4] == [str(tiny), "--served-model-name", tiny.name]
    stop = json.loads((tmp_path / "out" / "generation_config.json").read_text())["eos_token_id"]
    assert stop == [Codec.load(tiny).stop]
    with pytest.raises(UsageError, match="is there already"):
        vllm(Found(str(tiny), tiny), tmp_path / "out")


def test_weights_that_are_cut_off_are_refused(tiny, tmp_path):
    found = adapter(tiny, tmp_path / "cut")
    file = tmp_path / "cut" / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ModelError, match=r"cut/adapter_model\.safetensors: cannot be read \(.* is cut off"):
        vllm(found, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_rank_that_vllm_has_no_room_for_is_refused(tiny, tmp_path):
    with pytest.raises(ModelError, match="rank 600 is above vLLM's 512; merge it"):
        vllm(adapter(tiny, tmp_path / "wide", 600), tmp_path / "out")


TALKS = (
    *read_town(4),
    Conversation(
        messages=(System(content="Be brief."), User(content="Hi"), System(content="Now."), Assistant(text="Yo"))
    ),
    Conversation(tools=(Tool(name="f"),), messages=(User(content="Hi"), Assistant(thought="No.", text="Hello."))),
    Conversation(
        tools=(Tool(name="f"), Tool(name="g")),
        messages=(
            System(content="Be brief."),
            Assistant(text="One\nmoment.", calls=(Call(name="f", arguments={"a": [1]}), Call(name="g", arguments={}))),
            Observation(content="2", call="call_0", name="f"),
        ),
    ),
)


@pytest.mark.parametrize("markers", [CHATML, LLAMA3])
@pytest.mark.parametrize("talk", TALKS, ids=range(len(TALKS)))
def test_ollamas_template_writes_react_text(markers, talk):
    assert execute(template(markers), talk) == text_of(react.prompt(talk, markers))


def test_ollama_reads_the_tags_out_of_its_template():
    """In its tools/template.go the first text of `if .ToolCalls`, in thinking/template.go the text around a thought."""
    source = template(CHATML)
    calls = re.split(r"{{ if .*?}}|{{ range .*?}}", source.partition("{{ if .ToolCalls }}")[2])
    assert calls[:2] == ["", ""]
    assert calls[2].partition("{{")[0].strip() == "<tool_call>"
    thought = source.partition("{{ if .Thinking }}")[2].partition("{{ end }}")[0]
    assert [piece.strip() for piece in re.split(r"{{.*}}", thought)] == ["<think>", "</think>"]
    assert source.count(".Thinking") == 2


def test_ollama_finds_tags_and_stops_in_the_modelfile(tiny, tmp_path):
    ollama(Found(str(tiny), tiny), tmp_path / "out")
    text = (tmp_path / "out" / "Modelfile").read_text()
    assert text == modelfile(Codec.load(tiny).markers, 4096)
    assert text.startswith('FROM ./model.gguf\nTEMPLATE """')
    assert (tmp_path / "out" / "model.gguf").stat().st_size > 10_000
    assert [line for line in text.splitlines() if line.startswith("PARAMETER")] == [
        'PARAMETER stop "<|im_end|>"',
        'PARAMETER stop "<|im_start|>"',
        "PARAMETER num_ctx 4096",
        "PARAMETER temperature 0",
    ]
