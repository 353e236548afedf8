"""As much of vLLM's parser interface as a plugin meets, in the order in which vLLM's `DelegatingParser` calls it.

vLLM is not installed where the tests run. Class and argument names, and the order of the calls in `parse_delta`, are
those of vLLM's main branch in 2026; nothing else of it is here.
"""

import importlib.util
import sys
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

STOP = 7


@dataclass
class Values:
    """Any of the protocol's records: it takes the fields that its class names."""

    id: str | None = None
    type: str = "function"
    index: int = 0
    name: str | None = None
    arguments: str | None = None
    function: object = None
    tools_called: bool = False
    content: str | None = None
    reasoning: str | None = None
    tool_calls: list = field(default_factory=list)


class Registry:
    def __init__(self):
        self.known = {}

    def register_module(self, name, force=True, module=None):
        self.known[name] = module


class ToolParser:
    def __init__(self, tokenizer, tools=None):
        self.prev_tool_call_arr, self.streamed_args_for_tool = [], []
        self.current_tool_id, self.vocab = -1, tokenizer.get_vocab()


class ReasoningParser:
    def __init__(self, tokenizer, *args, **kwargs):
        self.vocab = tokenizer.get_vocab()


NAMES = (
    "ToolCall",
    "FunctionCall",
    "DeltaToolCall",
    "DeltaFunctionCall",
    "DeltaMessage",
    "ExtractedToolCallInformation",
)
TOKENIZER = SimpleNamespace(get_vocab=lambda: {"</think>": 3, "<|im_end|>": STOP})


def install(monkeypatch):
    """Put the stand-in where `import vllm` looks, and give its two registries."""
    tools, reasoning = Registry(), Registry()
    holds = {
        "vllm.tool_parsers.abstract_tool_parser": {"ToolParser": ToolParser, "ToolParserManager": tools},
        "vllm.reasoning.abs_reasoning_parsers": {
            "ReasoningParser": ReasoningParser,
            "ReasoningParserManager": reasoning,
        },
        "vllm.entrypoints.generate.base": {"protocol": SimpleNamespace(**dict.fromkeys(NAMES, Values))},
    }
    for path, names in holds.items():
        parts = path.split(".")
        for name in (".".join(parts[:n]) for n in range(1, len(parts) + 1)):
            module = sys.modules.get(name) or ModuleType(name)
            module.__spec__ = ModuleSpec(name, None, is_package=True)
            monkeypatch.setitem(sys.modules, name, module)
        vars(sys.modules[path]).update(names)
    return tools, reasoning


def load(path):
    """The plugin as vLLM imports it: a file under its own name."""
    spec = importlib.util.spec_from_file_location("calm_tool_parser", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def hear(thinker, caller, pieces):
    """What a client is sent of a stream: the thought while it lasts, then reply and calls."""
    thought, said, calls, ended, text, request = "", "", [], False, "", SimpleNamespace()
    for place, piece in enumerate(pieces):
        ids = [STOP] if place == len(pieces) - 1 else [0]
        text, new = text + piece, None
        if not ended:
            new = thinker.extract_reasoning_streaming("", text, piece, [], [], ids)
            thought += (new and new.reasoning) or ""
            ended = thinker.is_reasoning_end_streaming([], ids)
            text = ((new and new.content) or "") if ended else text
        if ended:
            new = caller.extract_tool_calls_streaming("", text, piece, [], [], ids, request)
            said += (new and new.content) or ""
            calls += [(c.function.name, c.function.arguments, c.index) for c in (new and new.tool_calls) or []]
    return thought, said, calls
