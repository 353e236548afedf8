"""LLaMA-Factory's two demo files of tool dialogues: 300 of Glaive, 50 with reasoning; calls and results are recorded.

Files as upstream ships them (hiyouga/LLaMA-Factory@ff6d4d12, data/, Apache-2.0): `glaive_toolcall_en_demo.json` in
ShareGPT form (a third of it without tools: talk), `reason_tool_use_demo_50.jsonl` in message form, where the model's
reasoning is shortened to its opening and the sentence that names the tool.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from calm.conversation import Call, Conversation, Tool
from calm.data import Item, phrases_calls
from calm.data.part import Limit, PartRecipe, named
from calm.data.sources import sampled, wire
from calm.files import dumps, read_jsonl
from calm.hub.corpora import corpus

DEMOS = {"glaive_toolcall_en_demo.json": "glaive", "reason_tool_use_demo_50.jsonl": "reason"}
Turn = tuple[str, str, str]
"""Speaker (user, calls, results, reply), text, thought."""


def read_llamafactory(folder: Path, limit: int | None = None, origin: str = "llamafactory") -> Iterator[Item]:
    """One conversation a dialogue, with the corpus's own results as observations.

    Raises:
        DataError: a file is missing or corrupt, or a record has not the upstream shape.
    """
    for record in sampled([folder / name for name in DEMOS], _rows, limit):
        kind = DEMOS[record.path.name]
        turns = _spoken if kind == "glaive" else _reasoned
        yield from wire.items(
            [record], f"{origin}/{kind}", lambda value, name, turns=turns: _conversation(value, turns, name)
        )


def _rows(path: Path) -> list[Any]:
    return wire.rows(path) if path.suffix == ".json" else [row for _, row in read_jsonl(path)]


def _conversation(value: dict[str, Any], turns: Any, name: str) -> Conversation:
    talk = wire.Talk(_tools(value["tools"]))
    for place, (speaker, text, thought) in enumerate(turns(value)):
        key = (name, place)
        if speaker == "user":
            wire.played(talk, text, key)
        elif speaker == "results":
            talk.observe(_results(text, talk.open))
        elif speaker == "calls":
            wanted = _calls(text, talk.tools)
            talk.act(wire.kept(thought, [c.name for c in wanted]) or phrases_calls.calling(wanted, key), wanted)
        else:
            talk.say(wire.kept(thought, ()) or phrases_calls.replying(text, talk.results, talk.tools, key), text)
    return talk.conversation()


def _tools(text: str) -> list[Tool]:
    listed = json.loads(text) if text else []
    bare = [entry.get("function", entry) for entry in listed]
    return [
        wire.tool(entry["name"], entry.get("description", ""), entry["parameters"], _required(entry)) for entry in bare
    ]


def _required(entry: dict[str, Any]) -> list[str]:
    """`required` stands beside `parameters` in half of the tools; a parameter marked optional is not required."""
    inside = entry["parameters"].get("properties") or {}
    stated = entry["parameters"].get("required") or entry.get("required") or []
    return [key for key in stated if "optional" not in str(inside.get(key, {}).get("type"))]


def _calls(text: str, tools: tuple[Tool, ...]) -> list[Call]:
    listed = json.loads(text)
    return [
        wire.call(one["name"], one["arguments"], tools) for one in (listed if isinstance(listed, list) else [listed])
    ]


def _results(text: str, waiting: int) -> list[str]:
    """The reasoning file lists the results of all calls in one message, one an entry."""
    try:
        listed = json.loads(text)
    except ValueError:
        return [text]
    if not isinstance(listed, list) or len(listed) != waiting:
        return [text]
    bare = [one.get("content", one) if isinstance(one, dict) else one for one in listed]
    return [one if isinstance(one, str) else dumps(one) for one in bare]


def _spoken(value: dict[str, Any]) -> Iterator[Turn]:
    speakers = {"human": "user", "gpt": "reply", "function_call": "calls", "observation": "results"}
    for turn in value["conversations"]:
        yield speakers[turn["from"]], turn["value"], ""


def _reasoned(value: dict[str, Any]) -> Iterator[Turn]:
    """The system message, the same in all rows, says how to reason; a Format says that here, so it is left out."""
    for message in value["messages"]:
        parts: dict[str, list[str]] = {}
        for piece in message["content"]:
            parts.setdefault(piece["type"], []).append(piece["value"])
        thought = " ".join(parts.get("reasoning", ()))
        if "tool_call" in parts:
            yield "calls", f"[{', '.join(parts['tool_call'])}]", thought
        elif message["role"] != "system":
            speaker = {"user": "user", "tool": "results", "assistant": "reply"}[message["role"]]
            yield speaker, "\n".join(parts["text"]), thought


# --- the part ------------------------------------------------------------------------------------------------------


class LlamaFactory(PartRecipe):
    """The two demo files of LLaMA-Factory from the corpora folder; `limit` in equal shares."""

    corpora: ClassVar[tuple[str, ...]] = ("llamafactory",)
    source: Literal["llamafactory"]
    limit: Limit = None

    @property
    def label(self) -> str:
        """One name for both files."""
        return "llamafactory"

    def files(self) -> dict[str, Path]:
        """The two files."""
        root = corpus("llamafactory_demo")
        return named("llamafactory_demo", root, [root / name for name in DEMOS])

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """One item a dialogue."""
        return read_llamafactory(corpus("llamafactory_demo"), self.limit)
