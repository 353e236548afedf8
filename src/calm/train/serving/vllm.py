"""A model as vLLM serves it: the exact command, the chat template it was trained with, and the reader of its steps."""

import shlex
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from calm.errors import ModelError
from calm.files import read_json, write_json, write_text
from calm.format.tokens import Codec
from calm.hub.models import Found
from calm.policy.local.weights import tensors
from calm.train.merge import template_of, vacant
from calm.train.save import TEMPLATE

PLUGIN = "calm_tool_parser.py"
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What `--max-lora-rank` may be (vLLM, `vllm/config/lora.py`)."""


def vllm(found: Found, out: Path) -> None:
    """Write `serve.sh`, `chat_template.jinja`, `calm_tool_parser.py` and `generation_config.json` into `out`.

    An adapter is served beside its base, a whole or merged model alone, each under the name of its folder. Weights are
    not copied: the command names where they lie.

    Raises:
        UsageError: `out` holds files.
        ModelError: damaged weights, or an adapter of a rank that vLLM does not serve.
    """
    vacant(out)
    tensors(found.adapter or found.base)
    command = [*_model(found), *_common()]
    write_text(out / TEMPLATE, template_of(found))
    write_text(out / PLUGIN, files("calm.train.serving").joinpath(PLUGIN).read_text())
    write_json(out / "generation_config.json", {"eos_token_id": [Codec.load(found.tokenizer).stop]})
    script = out / "serve.sh"
    write_text(script, HEAD + " \\\n    ".join(command) + "\n")
    script.chmod(0o755)


HEAD = """#!/bin/sh
# Written by `calm export --to vllm`. More flags may follow: ./serve.sh --port 8000 --api-key KEY
here=$(cd -- "$(dirname -- "$0")" && pwd)
"""


def _model(found: Found) -> Iterator[str]:
    """The model's own flags: merged or whole as it lies, an adapter as a module of its base."""
    if found.adapter is None:
        yield f"exec vllm serve {shlex.quote(str(found.base.resolve()))}"
        yield f"--served-model-name {shlex.quote(found.base.resolve().name)}"
        return
    adapter = found.adapter.resolve()
    config = read_json(adapter / "adapter_config.json")
    base = str(config["base_model_name_or_path"])
    yield f"exec vllm serve {shlex.quote(str(Path(base).resolve()) if Path(base).is_dir() else base)}"
    yield f"--tokenizer {shlex.quote(str(found.tokenizer.resolve()))}"
    yield f"--enable-lora --lora-modules {shlex.quote(f'{adapter.name}={adapter}')}"
    yield f"--max-lora-rank {_rank(int(config['r']), adapter)}"


def _rank(rank: int, adapter: Path) -> int:
    """The smallest rank that vLLM has room for."""
    fits = next((room for room in RANKS if room >= rank), None)
    if fits is None:
        raise ModelError(
            f"{adapter}: rank {rank} is above vLLM's {RANKS[-1]}; merge it: calm export {adapter} --to merged"
        )
    return fits


def _common() -> Iterator[str]:
    """Greedy by default and ended by the turn's own marker, as here; both parsers are one file."""
    yield f'--chat-template "$here/{TEMPLATE}"'
    yield f'--tool-parser-plugin "$here/{PLUGIN}" --enable-auto-tool-choice --tool-call-parser calm'
    yield f'--reasoning-parser-plugin "$here/{PLUGIN}" --reasoning-parser calm'
    yield '--generation-config "$here"'
    yield """--override-generation-config '{"temperature": 0}'"""
    yield '"$@"'
