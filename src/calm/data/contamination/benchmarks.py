"""What must not be trained on: the texts, tools and gold calls of the benchmarks, read for the check and nothing else.

Each reader gives `Material`s: what one item of a benchmark says, offers and does. `key` tells independent items apart:
the same dialogue in another file or variant (BFCL's multi-turn variants, Hammer's copies of API-Bank, the turns of one
API-Bank dialogue) has the same key, so that repeating itself does not make a benchmark's text common speech.
"""

import ast
import csv
import io
import itertools
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from calm.data.shingles import LETTERS, words
from calm.errors import DataError
from calm.files import read_json, read_jsonl, read_text

Answer = tuple[str, dict[str, list[Any]]]
"""A gold call: the function's name and for each argument all values that count as right."""

OMITTED = ""
"""BFCL lists it among the right values of an argument that may be left out."""


class Material(NamedTuple):
    """One item of a benchmark; `tools` are (description, JSON-Schema-like parameters) pairs."""

    id: str
    key: str
    texts: tuple[str, ...] = ()
    tools: tuple[tuple[str, Any], ...] = ()
    calls: tuple[Answer, ...] = ()


def inputs(folder: Path) -> list[Path]:
    """The files of a benchmark's folder that are read, in order."""
    return sorted(path for pattern in PATTERNS[folder.name] for path in folder.glob(pattern) if path.is_file())


def materials(folder: Path) -> Iterator[Material]:
    """Everything in the benchmark that `folder` (called bfcl_v3, api_bank or multiwoz) holds.

    Raises:
        DataError: a file is corrupt or has not the upstream shape; names it.
    """
    keys: dict[str, str] = {}
    for path in inputs(folder):
        try:
            for found in READERS[folder.name](path):  # answers lie in files of their own, after those of the questions
                yield found._replace(key=keys.setdefault(found.id, found.key))
        except (KeyError, TypeError, AttributeError, ValueError, IndexError, zipfile.BadZipFile) as error:
            raise DataError(path, f"has not the shape of {folder.name} ({error!r:.200}); fetch it again") from error


def opening(text: str) -> str:
    """The key of a dialogue: its first words, spelling and numbers aside."""
    return " ".join(words(text, LETTERS))


# --- BFCL ----------------------------------------------------------------------------------------------------------

_TURNS = re.compile(r"multi_turn_.*?(\d+)$")


def bfcl(path: Path) -> Iterator[Material]:
    """Questions with their functions and recorded answers, lists of right answers, or the multi-turn function docs."""
    for number, row in read_jsonl(path):
        if path.parent.name == "multi_turn_func_doc":
            yield Material(f"{row['name']}", row["name"], tools=(_described(row),))
            continue
        name = str(row.get("id") or f"{_stem(path)}_{number - 1}")
        texts = tuple(_said(row.get("question", [])))
        turns = _TURNS.match(name)
        key = f"multi_turn {turns[1]}" if turns else opening(texts[0]) if texts else name
        listed = itertools.chain([row.get("function")], row.get("missed_function", {}).values())
        tools = tuple(_described(doc) for docs in listed for doc in docs or () if isinstance(doc, dict))
        yield Material(name, key, texts, tools, tuple(_right(row.get("ground_truth", []))))


def _stem(path: Path) -> str:
    return path.name.partition(".")[0].removeprefix("BFCL_v3_")


def _said(question: Any) -> Iterator[str]:
    """Contents of messages, however deep in lists of turns; one category asks in a bare string."""
    if isinstance(question, str):
        yield question
    elif isinstance(question, dict):
        yield question["content"]
    else:
        for part in question:
            yield from _said(part)


def _described(doc: dict[str, Any]) -> tuple[str, Any]:
    return doc.get("description", ""), doc.get("parameters", doc.get("input_parameters", {}))


def _right(truth: Any) -> Iterator[Answer]:
    """Gold calls as objects with alternatives, or as Python calls in strings, by turns or not."""
    for entry in truth or ():
        if isinstance(entry, list):
            yield from _right(entry)
        elif isinstance(entry, str):
            yield from _python(entry)
        else:
            for name, allowed in entry.items():
                yield name, {key: [_settled(value) for value in values] for key, values in allowed.items()}


def _settled(value: Any) -> Any:
    """A right value in which the first alternative stands for all: inside objects each key has its own list of them."""
    if isinstance(value, list):
        return [_settled(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    listed = {key: inner if isinstance(inner, list) else [inner] for key, inner in value.items()}
    return {key: _settled(inner[0]) for key, inner in listed.items() if inner and OMITTED not in inner}


def _python(text: str) -> Iterator[Answer]:
    """A call in Python's syntax, literals only; what is none (a few rows hold prose) identifies nothing."""
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if isinstance(call, ast.Call):
            given = {str(place): [ast.literal_eval(node)] for place, node in enumerate(call.args)}
            named = {word.arg or "": [ast.literal_eval(word.value)] for word in call.keywords}
            yield ast.unparse(call.func), given | named
    except (SyntaxError, ValueError):
        return


# --- API-Bank ------------------------------------------------------------------------------------------------------

_REQUEST = re.compile(r"\[(\w+\(.*\))\]", re.DOTALL)


def api_bank(path: Path) -> Iterator[Material]:
    """The table of all APIs, a dialogue in JSON lines, or a JSON list: official samples, requirements, Hammer's."""
    if path.name.startswith("all_apis.csv"):
        for row in csv.DictReader(io.StringIO(read_text(path))):
            yield Material(row["类名"], row["类名"], tools=tuple(_declared(row["api_info"])))
    elif path.parent.parent.name == "lv1-lv2-samples":
        yield from _dialogue(path)
    else:
        form = f"{path.parent.name}/{_stem(path)}"
        for number, row in enumerate(read_json(path)):
            yield _sample(f"{form}/{number}", row)


def _declared(source: str) -> Iterator[tuple[str, Any]]:
    """Description and parameters out of the lines of a Python class; nothing is run. One API has a dot for lines."""
    assigned = [] if source == "." else ast.parse(source).body
    pairs = [(node.targets[0], node.value) for node in assigned if isinstance(node, ast.Assign)]
    found = {target.id: ast.literal_eval(value) for target, value in pairs if isinstance(target, ast.Name)}
    if found:
        yield _described(found)


def _dialogue(path: Path) -> Iterator[Material]:
    rows = [row for _, row in read_jsonl(path)]
    texts = tuple(row["text"] for row in rows if "text" in row)
    calls = tuple((row["api_name"], _single(row["param_dict"])) for row in rows if row["role"] == "API")
    if rows:
        yield Material(path.name.partition(".")[0], opening(texts[0]), texts, calls=calls)


def _single(arguments: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: [value] for name, value in arguments.items()}


def _sample(name: str, row: dict[str, Any]) -> Material:
    if "apis" in row:
        calls = tuple((api["api_name"], _single(api["input"])) for api in row["apis"])
        return Material(name, opening(row["requirement"]), (row["requirement"], row["response"]), calls=calls)
    if "answers" in row:
        texts = [message["content"].removesuffix("\nGenerate API Request:") for message in row["query"]]
        tools = tuple(_described(tool) for tool in row["tools"])
        calls = tuple((call["name"], _single(call["arguments"])) for call in row["answers"])
        return Material(name, opening(texts[0]), tuple(texts), tools, calls)
    lines = [*row["instruction"].split("\n"), *row["input"].split("\n")]
    answer = str(row.get("expected_output", row.get("output")))
    said = [line.partition(": ") for line in (*lines, answer) if line.startswith(("User: ", "AI: "))]
    texts = tuple(
        text for who, _, text in said if text not in ("User's utterence", "User's Utterance", "AI's response")
    )
    tools = tuple(_described(json.loads(line)) for line in lines if line.startswith('{"'))
    request = _REQUEST.search(answer)
    return Material(name, opening(texts[0]), texts, tools, tuple(_python(request[1])) if request else ())


# --- MultiWOZ ------------------------------------------------------------------------------------------------------


def multiwoz(path: Path) -> Iterator[Material]:
    """Both sides of the test dialogues with 2.4's labels, or of a zipped file of 2.1 (test and val)."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            dialogues = json.loads(archive.read(path.stem))
        for name, dialogue in dialogues.items():
            yield Material(name, name.removesuffix(".json").lower(), tuple(turn["text"] for turn in dialogue["log"]))
        return
    for dialogue in read_json(path):
        texts = tuple(text for turn in dialogue["turns"] for text in (turn["user"], turn["system"]))
        name = dialogue["dialogue_id"]
        yield Material(name, name.removesuffix(".json").lower(), texts)


PATTERNS: dict[str, tuple[str, ...]] = {
    "bfcl_v3": ("BFCL_v3_*.json*", "possible_answer/*.json*", "multi_turn_func_doc/*.json*"),
    "api_bank": ("data/all_apis.csv*", "lv1-lv2-samples/*/*.jsonl*", "test-data/*.json*", "hammer/original/*.json*"),
    "multiwoz": ("test_2.4_derived.json*", "2.1/*.json.zip"),
}
"""What of each benchmark is read. Hammer's two prompt forms of API-Bank hold what its `original` holds."""

READERS: dict[str, Callable[[Path], Iterator[Material]]] = {"bfcl_v3": bfcl, "api_bank": api_bank, "multiwoz": multiwoz}
