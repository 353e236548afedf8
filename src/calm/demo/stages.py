"""The stages of the demo. Each takes a folder, reuses what it finds there finished, and goes on where it was killed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from calm import conversation, demo
from calm.agent import Limits, converse
from calm.bench import named
from calm.bench.judge import judge
from calm.bench.run import run
from calm.conversation import Conversation, Message
from calm.data.build import build
from calm.errors import HubError
from calm.hub.wheels import Progress
from calm.policy import Policy
from calm.recipe import digest, manifest, read_manifest
from calm.train.loop import train
from calm.world.dialogue import Dialogue, TownUser, town_goal
from calm.world.town import Town

Hear = Callable[[Message], None]


def dataset(folder: Path) -> Path:
    """Build the demo's rows into `folder/data`."""
    build(demo.data_recipe(), folder / "data", replace=True, workers=1)
    return folder / "data"


def example(data: Path) -> Conversation:
    """The row to show: the shortest town conversation that asks, searches and books."""
    rows = [row for row in conversation.read(data / "train.parquet") if row.origin == "town" and len(row.steps) > 4]
    return min(rows, key=lambda row: sum(len(m.model_dump_json()) for m in row.messages))


def adapter(folder: Path, data: Path, report: Callable[[dict[str, Any]], None]) -> Path:
    """Train on them into a folder of its own per recipe and data, so that a change never meets an older run."""
    recipe = demo.train_recipe(str(data))
    made = read_manifest(data) or {}
    out = folder / f"adapter-{digest([recipe.model_dump(mode='json'), made.get('outputs')])[:8]}"
    return train(recipe, out, report)


def talks(policy: Policy, folder: Path, hear: Hear) -> list[Conversation]:
    """A rule-based user books a table through `policy`, once per goal; `hear` follows the first conversation."""
    out = folder / "talk" / policy.name
    recipe = {"goals": list(demo.GOALS), "policy": policy.name}
    if (made := read_manifest(out)) and made["recipe"] == recipe:
        kept = list(conversation.read(out / "transcripts.jsonl"))
        for message in kept[0].messages:
            hear(message)
        return kept
    said = [_talk(policy, seed, hear if seed == demo.GOALS[0] else lambda message: None) for seed in demo.GOALS]
    conversation.write(out / "transcripts.jsonl", said)
    manifest(out, "calm demo", recipe, {})
    return said


def _talk(policy: Policy, seed: int, hear: Hear) -> Conversation:
    world = Dialogue(Town(("restaurant",)), TownUser(town_goal(seed, ("restaurant",)), seed, patience=2))
    start = world.start(id=f"talk/{seed}", origin="demo")
    hear(start.messages[0])
    return converse(policy, world, start, Limits(steps=24, steps_per_turn=5), hear)


def judged(policy: Policy, folder: Path, tick: Progress, missing: Callable[[str], None]) -> list[Path]:
    """Judge `policy` on the slice of each benchmark that is at hand; `missing` hears which is not and why."""
    folders = []
    for name, plan in demo.SLICES.items():
        out = folder / "bench" / policy.name / name

        def progress(done: int, total: int, _: Conversation, name: str = name) -> None:
            tick(f"{name}, {policy.name}", done, total)

        try:
            run(named(name), policy, out, plan, progress)
        except HubError as error:
            missing(f"{name}: not run: {error}")
            continue
        judge(named(name), out, "calm demo")
        folders.append(out)
    return folders


def booked(said: Conversation) -> bool:
    """Whether a booking went through: some observation brought a reference."""
    return any('"reference"' in m.content for m in said.messages if m.role == "tool")
