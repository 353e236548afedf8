"""Calls that cannot be malformed: generations of an untuned model under the grammar, and what the grammar costs.

    python benchmarks/constrained.py [--count 2000] [--model smollm2-135m] [--trained ADAPTER] [--json]

Sets of 1 to 12 real tools (of the data builder's tool pool where CALM_DATA has it, else the town's), a request made of
one tool's description, 20 requests a set, `tool_choice` auto, required and none in turn, 32 dialogues together. Every
step is read back and every call is checked against its tool's schema apart from the grammar. Then the
grammar's time per token, and, with `--trained`, steps with and without grammar where the free one was right.
"""

import argparse
import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

from calm.conversation import Assistant, Conversation, Garbled, Step, Tool, User
from calm.data.pool import pool
from calm.data.sources.town import read_town
from calm.errors import CalmError, HubError
from calm.format import grammar
from calm.policy.local import Local
from calm.world.schemas import wrong
from calm.world.town import Town

EACH = 20
"""Requests to one set of tools; they share the start of the prompt."""


def toolsets(seed: int) -> Iterator[tuple[Tool, ...]]:
    """Sets of tools, without end."""
    try:
        tools = [pooled.tool for pooled in pool()]
    except HubError:
        tools = list(Town().tools)
    draw = random.Random(seed)
    while True:
        found = draw.sample(tools, min(len(tools), draw.randint(1, 12)))
        yield tuple({tool.name: tool for tool in found}.values())


def requests(tools: tuple[Tool, ...], seed: int) -> list[Conversation]:
    """What users might ask of these tools."""
    draw = random.Random(seed)
    ways = ("Please do this: {}", "{} Do it for me now.", "I need help. {}", "Can you {} twice?", "{}")
    wanted = [draw.choice(tools) for _ in range(EACH)]
    texts = [draw.choice(ways).format((tool.description or tool.name)[:200]) for tool in wanted]
    return [Conversation(tools=tools, messages=(User(content=f"{text} ({i})"),)) for i, text in enumerate(texts)]


def outcome(step: Step | CalmError, tools: tuple[Tool, ...], choice: str) -> str:
    """What a generation came to."""
    if isinstance(step, CalmError):
        return f"refused: {type(step).__name__}: {str(step)[:60]}"
    if isinstance(step, Garbled):
        return "not finished" if step.why.startswith("not finished") else f"GARBLED: {step.why}"
    named = {tool.name: tool for tool in tools}
    for call in step.calls:
        if fault := "unknown tool" if call.name not in named else wrong(call.arguments, named[call.name]):
            return f"INVALID: {call.name}: {fault}"
    if (choice == "required" and not step.calls) or (choice == "none" and step.calls):
        return f"AGAINST tool_choice {choice}"
    return "calls" if step.calls else "reply"


def generations(policy: Local, count: int, seed: int) -> dict[str, Any]:
    """The outcomes of `count` generations."""
    found, slow = Counter[str](), 0
    began, sets, choices = time.perf_counter(), toolsets(seed), get_args(grammar.Choice)
    while found.total() < count:
        tools, policy.choice = next(sets), choices[slow % len(choices)]
        slow += 1
        for _, step in policy.steps(requests(tools, slow)):
            found[outcome(step, tools, policy.choice)] += 1
    policy.choice = "auto"
    seconds = time.perf_counter() - began
    return {"generations": found.total(), "toolsets": slow, "outcomes": dict(found.most_common()), "seconds": seconds}


def cost(policy: Local, seed: int) -> dict[str, float]:
    """Microseconds of the grammar per token decoded, mask, choice and forced tokens together, on real steps."""
    import numpy as np

    from calm.policy.local.constrain import Constraint

    rules, times, builds, forced = Constraint(policy.codec), list[float](), list[float](), 0
    for tools in [tools for _, tools in zip(range(10), toolsets(seed), strict=False)]:
        for conversation in requests(tools, seed)[:2]:
            ids = list(policy.tokens(conversation))
            began = time.perf_counter()
            rules.begin(grammar.step(tools))
            builds.append(time.perf_counter() - began)
            while ids:
                logits = np.zeros(policy.codec.tokenizer.get_vocab_size(), np.float32)
                logits[ids[0]] = 1
                began = time.perf_counter()
                chosen = rules.next(logits)
                times.append(time.perf_counter() - began)
                forced += len(chosen) - 1
                ids = ids[len(chosen) :]
    tokens = len(times) + forced
    return {
        "grammar_build_ms": statistics.median(builds) * 1e3,
        "next_us_median": statistics.median(times) * 1e6,
        "next_us_mean": statistics.mean(times) * 1e6,
        "forced_share": forced / tokens,
    }


def agreement(policy: Local, count: int) -> dict[str, int]:
    """Town dialogues: how often a free step says what was right, and how often the held one then says the same.

    In float32, because decoding together rounds differently from batch to batch in bfloat16.
    """
    asked = [(c.upto(i), c.messages[i]) for c in read_town(count, 9) for i in c.steps][:count]
    prompts = [conversation for conversation, _ in asked]
    held = policy.many(prompts)
    policy.constrained = False
    free = policy.many(prompts)
    policy.constrained = True
    right = [i for i, (_, gold) in enumerate(asked) if said(free[i]) == said(gold)]
    return {
        "steps": len(asked),
        "free_garbled": sum(isinstance(step, Garbled) for step in free),
        "held_garbled": sum(isinstance(step, Garbled) for step in held),
        "free_right": len(right),
        "held_the_same": sum(said(held[i]) == said(free[i]) for i in right),
        "held_right": sum(said(step) == said(gold) for step, (_, gold) in zip(held, asked, strict=True)),
    }


def said(step: Any) -> Any:
    """What a step does: its calls, or that it replies."""
    if not isinstance(step, Assistant):
        return None
    return [(call.name, call.arguments) for call in step.calls] or "reply"


def main() -> None:
    """Run and print."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--count", type=int, default=2000)
    flags.add_argument("--model", default="smollm2-135m")
    flags.add_argument("--trained", help="an adapter folder, for the comparison of free and held steps")
    flags.add_argument("--max-tokens", type=int, default=256)
    flags.add_argument("--seed", type=int, default=0)
    flags.add_argument("--json", action="store_true")
    asked = flags.parse_args()
    policy = Local.load(asked.model, max_tokens=asked.max_tokens)
    result: dict[str, Any] = {"model": policy.name, "engine": policy.engine.kind}
    result["generations"] = generations(policy, asked.count, asked.seed)
    result["cost"] = cost(policy, asked.seed)
    if asked.trained:
        result["agreement"] = agreement(Local.load(asked.trained, max_tokens=asked.max_tokens, precision="f32"), 200)
    print(json.dumps(result) if asked.json else json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
