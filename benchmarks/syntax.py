"""How should a model write thoughts and calls? Five syntaxes, same conversations, same short training, one table.

    python benchmarks/syntax.py --rows 20 --held 6     about 12 minutes on 2 cores; --json for the raw figures

For each syntax: tokens of a conversation and of a step; time to build the grammar and to mask one token; then
SmolLM2-135M is trained on the same town conversations written that way and decodes, unconstrained and greedily, every
step of held-out conversations: how many cannot be read, how many take the right action, how many calls are exact.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import llguidance
import torch

from calm.conversation import Assistant, Conversation, Garbled, Observation, Step, System, User
from calm.data.sources.town import read_town
from calm.errors import FormatError
from calm.format import Span, calls, grammar, react
from calm.format.react import TAGS
from calm.format.tokens import Codec, Encoded
from calm.hub import models
from calm.policy.local.llama import Llama
from calm.train.model import LoraLlama
from calm.train.recipe import TrainRecipe

LABELS = ("Thought: ", "Action: ", "Response: ")
SLOTS = (5, 7, 8, 9)
"""Reserved, untrained entries of SmolLM2's vocabulary that stand in for the four tags in the variant `tokens`."""


class Syntax(NamedTuple):
    """One way to write a step: the words that explain it, writing, reading, and its grammar."""

    name: str
    tail: str
    write: Callable[[Assistant], str]
    read: Callable[[str], Step]
    rules: Callable[[tuple], str]


def lines(step: Assistant, action: str) -> str:
    """The classic labelled lines."""
    written = [f"Thought: {step.thought}"] if step.thought is not None else []
    if step.calls:
        return "\n".join([*written, f"Action: {action}"])
    return "\n".join([*written, f"Response: {step.text or ''}"])


def read_lines(text: str, parse: Callable[[str], tuple]) -> Step:
    """The step in labelled lines; anything else is Garbled."""
    thought, rest = None, text
    if rest.startswith("Thought: "):
        thought, _, rest = rest.removeprefix("Thought: ").partition("\n")
    if rest.startswith("Response: "):
        return Assistant(thought=thought, text=rest.removeprefix("Response: "))
    if not rest.startswith("Action: "):
        return Garbled(raw=text, why="neither Action nor Response")
    try:
        return Assistant(thought=thought, calls=parse(rest.removeprefix("Action: ")))
    except FormatError as error:
        return Garbled(raw=text, why=str(error))


def write_object(step: Assistant) -> str:
    """One JSON object a step."""
    made = [{"name": c.name, "arguments": c.arguments} for c in step.calls]
    return react.compact(
        {"thought": step.thought, "calls": made} if made else {"thought": step.thought, "reply": step.text}
    )


def read_object(text: str) -> Step:
    """The step in one JSON object."""
    try:
        value = json.loads(text)
        found = calls.parse_json(json.dumps(value["calls"])) if "calls" in value else ()
        return Assistant(thought=value["thought"], calls=found, text=value.get("reply"))
    except (ValueError, KeyError, TypeError, FormatError) as error:
        return Garbled(raw=text, why=str(error))


def lark_lines(tools: tuple) -> str:
    """Labelled lines with a JSON action."""
    return f"""start: "Thought: " /[^\\n]{{1,400}}/ "\\n" (act | say)
act: "Action: [" body (", " body){{0,7}} "]"
say: "Response: " /(.|\\n){{1,1200}}/
body: %json {json.dumps(grammar.any_call(tools))}
"""


def lark_object(tools: tuple) -> str:
    """The whole step as one JSON schema."""
    any_call = grammar.any_call(tools)
    text = {"type": ["string", "null"]}
    listed = {"type": "array", "items": {"anyOf": any_call["anyOf"]}, "minItems": 1}
    forms = [{"thought": text, "calls": listed}, {"thought": text, "reply": text}]
    closed = {"type": "object", "additionalProperties": False}
    schema = {
        "anyOf": [{**closed, "properties": f, "required": list(f)} for f in forms],
        "x-guidance": grammar.SEPARATORS,
    }
    return f"start: %json {json.dumps(schema)}\n"


def write_tags(step: Assistant) -> str:
    """Our own text."""
    return "".join(span.text for span in react.step_spans(step))


TAGS_TAIL = react.TOOLS_TAIL.split("\n\n")[1]
LINES_TAIL = "Write `Thought: ...`, then `Action: {form}` or `Response: ...`."
OBJECT_TAIL = 'Write {"thought": ..., "calls": [...]} or {"thought": ..., "reply": ...}.'
SYNTAXES = {
    s.name: s
    for s in (
        Syntax("tags", TAGS_TAIL, write_tags, react.parse_step, grammar.step),
        Syntax("tokens", TAGS_TAIL, write_tags, react.parse_step, grammar.step),
        Syntax(
            "lines, JSON",
            LINES_TAIL.format(form='[{"name": <name>, "arguments": <object>}]'),
            lambda s: lines(s, calls.render_json(s.calls)),
            lambda t: read_lines(t, calls.parse_json),
            lark_lines,
        ),
        Syntax(
            "lines, Python",
            LINES_TAIL.format(form="[name(argument=value)]"),
            lambda s: lines(s, calls.render_python(s.calls)),
            lambda t: read_lines(t, calls.parse_python),
            lambda tools: "",
        ),
        Syntax("object", OBJECT_TAIL, write_object, read_object, lark_object),
    )
}  # fmt: skip


def spans(conversation: Conversation, syntax: Syntax) -> list[Span]:
    """A conversation in ChatML turns, the assistant's written in `syntax`."""
    listed = "\n".join(react.compact(t.model_dump()) for t in conversation.tools)
    found = turn("system", f"# Tools\n\n{listed}\n\n{syntax.tail}")
    for place, message in enumerate(conversation.messages):
        if isinstance(message, Assistant):
            found += [*opened(), Span(syntax.write(message), "text", False, place)]
            found += [Span("<|im_end|>", "end", True, place), Span("\n")]
        elif isinstance(message, User | System | Observation):
            found += turn(message.role, message.content)
    return found


def opened() -> list[Span]:
    """An opened assistant turn."""
    return [Span("<|im_start|>", None, True), Span("assistant\n")]


def turn(role: str, text: str) -> list[Span]:
    """A closed turn of someone else."""
    return [Span("<|im_start|>", None, True), Span(f"{role}\n{text}"), Span("<|im_end|>", None, True), Span("\n")]


def encode(found: list[Span], codec: Codec, syntax: Syntax) -> Encoded:
    """Ids and mask; in `tokens` each tag is one reserved entry."""
    row = codec.encode(found)
    return with_slots(row, codec) if syntax.name == "tokens" else row


def with_slots(row: Encoded, codec: Codec) -> Encoded:
    """The row with the pieces of every tag replaced by one reserved id."""
    pieces = {
        slot: codec.tokenizer.encode(tag, add_special_tokens=False).ids for slot, tag in zip(SLOTS, TAGS, strict=True)
    }
    ids, learn, i = [], [], 0
    while i < len(row.ids):
        slot = next((s for s, p in pieces.items() if row.ids[i : i + len(p)] == p), None)
        ids.append(row.ids[i] if slot is None else slot)
        learn.append(row.learn[i])
        i += 1 if slot is None else len(pieces[slot])
    return Encoded(ids, learn)


def text_of(ids: list[int], codec: Codec, syntax: Syntax) -> str:
    """Generated ids as text, reserved entries read as their tags."""
    if syntax.name != "tokens":
        return codec.text(ids)
    tags = dict(zip(SLOTS, TAGS, strict=True))
    return "".join(tags.get(i) or codec.text([i]) for i in ids if i != codec.stop)


def fitted(model: LoraLlama, codec: Codec, syntax: Syntax) -> LoraLlama:
    """Reserved rows are all alike in the base; in `tokens` each starts as the mean of its tag's pieces."""
    if syntax.name == "tokens":
        for slot, tag in zip(SLOTS, TAGS, strict=True):
            row = model.embedding[codec.tokenizer.encode(tag, add_special_tokens=False).ids].mean(0)
            model.embedding[slot] = row  # which is the head too
    return model


def trained(base: Path, codec: Codec, syntax: Syntax, rows: list[Conversation], passes: int) -> LoraLlama:
    """The adapter after `passes` over the rows, one conversation a step, linear decay from 8e-4."""
    torch.manual_seed(0)
    model = fitted(LoraLlama(base, TrainRecipe()), codec, syntax)
    weights = [weight for _, weight in model.trained()]
    optimiser = torch.optim.AdamW(weights, lr=8e-4)
    encoded = [encode(spans(row, syntax), codec, syntax) for row in rows] * passes
    for place, row in enumerate(encoded):
        for group in optimiser.param_groups:
            group["lr"] = 8e-4 * min(1.0, (place + 1) / 4) * (1 - place / len(encoded))
        loss, count = model.loss([row])
        (loss / count).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        print(f"\r{syntax.name}: step {place + 1} of {len(encoded)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return model


def engine(base: Path, model: LoraLlama | None) -> Llama:
    """The inference engine with the adapter merged, the way the model itself scales it."""
    made = Llama(base)
    if model is None:
        return made
    made.embedding = made.head = model.embedding.detach()
    for place, layer in enumerate(model.layers):
        merged = []
        for name in ("qkv", "o", "gate_up", "down"):
            linear = getattr(layer, name)
            change = torch.block_diag(*linear.b) @ torch.cat(tuple(linear.a)) * linear.scale
            merged.append((linear.weight.float() + change.detach()).to(made.dtype))
        norm1, _, _, norm2, _, _ = made.layers[place]
        made.layers[place] = (norm1, merged[0], merged[1], norm2, merged[2], merged[3])
    return made


def judge(machine: Llama, codec: Codec, syntax: Syntax, rows: list[Conversation]) -> dict[str, float]:
    """Decode every assistant step of the rows from its gold history; shares of unreadable, right in kind, and exact."""
    counts = {"steps": 0, "unreadable": 0, "kind": 0, "calls": 0, "exact": 0}
    for row in rows:
        for place in row.steps:
            gold = row.messages[place]
            prompt = encode([*spans(row.upto(place), syntax), *opened()], codec, syntax).ids
            step = syntax.read(text_of(greedy(machine, prompt, codec), codec, syntax))
            counts["steps"] += 1
            counts["unreadable"] += isinstance(step, Garbled)
            if isinstance(step, Assistant) and isinstance(gold, Assistant):
                counts["kind"] += bool(step.calls) == bool(gold.calls)
                same = [(c.name, c.arguments) for c in step.calls] == [(c.name, c.arguments) for c in gold.calls]
                counts["exact"] += bool(gold.calls) and same
            counts["calls"] += isinstance(gold, Assistant) and bool(gold.calls)
    return {
        "unreadable": counts["unreadable"] / counts["steps"],
        "right kind": counts["kind"] / counts["steps"],
        "exact calls": counts["exact"] / counts["calls"],
        "steps": counts["steps"],
    }


def greedy(machine: Llama, prompt: list[int], codec: Codec, most: int = 96) -> list[int]:
    """Up to `most` ids, the prompt's common start taken from the cache."""
    same = 0
    while same < min(len(machine.ids), len(prompt) - 1) and machine.ids[same] == prompt[same]:
        same += 1
    machine.rewind(same)
    ids: list[int] = []
    pending = prompt[same:]
    while len(ids) < most and (not ids or ids[-1] != codec.stop):
        ids.append(int(machine.forward(pending).argmax()))
        pending = ids[-1:]
    return ids


def mask_cost(codec: Codec, syntax: Syntax, rows: list[Conversation]) -> dict[str, float | None]:
    """Milliseconds to build the grammar and microseconds to mask a token, over the rows' own steps."""
    if not syntax.rules(()) or syntax.name == "tokens":
        return {"grammar ms": None, "mask us": None}
    size = codec.tokenizer.get_vocab_size()
    table = llguidance.LLTokenizer(codec.tokenizer.to_str(), n_vocab=size, eos_token=codec.stop)
    build, mask, tokens = 0.0, 0.0, 0
    for row in rows:
        began = time.perf_counter()
        matcher = llguidance.LLMatcher(table, syntax.rules(row.tools))
        build += time.perf_counter() - began
        gold = row.messages[row.steps[0]]
        for token in (
            codec.tokenizer.encode(syntax.write(gold), add_special_tokens=False).ids
            if isinstance(gold, Assistant)
            else ()
        ):
            began = time.perf_counter()
            matcher.compute_bitmask()
            mask += time.perf_counter() - began
            tokens += 1
            if not matcher.consume_token(token):
                raise SystemExit(
                    f"{syntax.name}: the grammar refuses {codec.tokenizer.decode([token])!r} of a gold step"
                )
    return {"grammar ms": 1e3 * build / len(rows), "mask us": 1e6 * mask / tokens}


def measure(name: str, train: list[Conversation], held: list[Conversation], passes: int) -> dict[str, Any]:
    """One row of the table."""
    base = models.find("smollm2-135m").base
    codec, syntax = Codec.load(base), SYNTAXES[name]
    encoded = [encode(spans(row, syntax), codec, syntax) for row in train]
    steps = sum(len(row.steps) for row in train)
    cost = {
        "tokens/conversation": sum(len(e.ids) for e in encoded) / len(train),
        "tokens/step": sum(sum(e.learn) for e in encoded) / steps,
        **mask_cost(codec, syntax, held),
    }
    untuned = judge(engine(base, None), codec, syntax, held[:1])
    model = trained(base, codec, syntax, train, passes)
    return {
        "syntax": name,
        **cost,
        "untuned kind": untuned["right kind"],
        **judge(engine(base, model), codec, syntax, held),
    }


def main() -> None:
    """Measure and print."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--rows", type=int, default=32, help="training conversations")
    flags.add_argument("--held", type=int, default=10, help="held-out conversations")
    flags.add_argument("--passes", type=int, default=1)
    flags.add_argument("--only", choices=list(SYNTAXES), action="append")
    flags.add_argument("--json", action="store_true")
    asked = flags.parse_args()
    train, held = list(read_town(asked.rows, 0)), list(read_town(asked.held, 1))
    table = [measure(name, train, held, asked.passes) for name in asked.only or SYNTAXES]
    if asked.json:
        print(json.dumps(table, indent=2))
        return
    print("| " + " | ".join(table[0]) + " |\n|" + " --- |" * len(table[0]))
    for row in table:
        print("| " + " | ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()) + " |")


if __name__ == "__main__":
    main()
