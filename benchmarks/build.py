"""Building here: `calm build` of SGD train beside `datasets.Dataset.map` with the same reader, in turns, in one run.

    CALM_DATA=FOLDER python benchmarks/build.py        about 2 minutes on 2 cores; --json for the raw figures

Both read the same pieces (a dialogue file each) with the same function in as many processes as there are cores, and end
with Parquet. Only `calm build` also removes duplicates, shuffles, holds rows out, hashes every input and output, and
keeps what it refused with the reason; the other does the conversion alone.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from calm.conversation import Conversation, to_row
from calm.data.build import build
from calm.data.parts import DataRecipe
from calm.data.sources.sgd import Sgd
from calm.recipe import check


def ours(part: Sgd, folder: Path, cores: int) -> int:
    """Rows that `calm build` writes into a new folder."""
    recipe = check(DataRecipe, {"name": "sgd", "parts": [part.model_dump()]}, "benchmark")
    report = build(recipe, folder, workers=cores)
    return sum(found.conversations for found in report.parts)


def theirs(part: Sgd, folder: Path, cores: int) -> int:
    """Rows that `map` over the pieces, in `cores` processes, then `to_parquet` write."""
    import datasets

    datasets.disable_progress_bars()
    datasets.disable_caching()
    pieces = datasets.Dataset.from_dict({"piece": list(range(part.pieces()))})
    made = pieces.map(
        converted,
        batched=True,
        batch_size=1,
        num_proc=cores,
        remove_columns=["piece"],
        features=features(),
        fn_kwargs={"part": part},
    )
    folder.mkdir()
    made.to_parquet(folder / "train.parquet")
    return len(made)


def converted(batch: dict[str, list[int]], part: Sgd) -> dict[str, list[Any]]:
    """The rows of the pieces of a batch, a list a column; what cannot be converted is lost."""
    items = [item for piece in batch["piece"] for item in part.read(0, piece)]
    rows = [to_row(item) for item in items if isinstance(item, Conversation)]
    return {column: [row[column] for row in rows] for column in ("id", "messages", "tools", "origin", "state", "meta")}


def features() -> Any:
    """The columns of a dataset, as `datasets` spells them."""
    from datasets import Features, Value

    text = Value("string")
    call = {"id": text, "type": text, "function": {"name": text, "arguments": text}}
    message = {
        **dict.fromkeys(("role", "content", "reasoning_content"), text),
        "tool_calls": [call],
        **dict.fromkeys(("tool_call_id", "name", "garbled"), text),
    }
    return Features({"id": text, "messages": [message], **dict.fromkeys(("tools", "origin", "state", "meta"), text)})


def main() -> None:
    """Measure in turns and print."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--rounds", type=int, default=2)
    flags.add_argument("--json", action="store_true")
    asked = flags.parse_args()
    part, cores = Sgd(source="sgd"), os.cpu_count() or 1
    sides = {"calm build": ours, "datasets map + to_parquet": theirs}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    rows: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(asked.rounds):
            for name, side in sides.items():
                began = time.perf_counter()
                rows[name] = side(part, Path(folder) / f"{side.__name__}-{turn}", cores)
                seconds[name].append(time.perf_counter() - began)
    speeds = {name: rows[name] / statistics.median(found) for name, found in seconds.items()}
    ratio = speeds["calm build"] / speeds["datasets map + to_parquet"]
    if asked.json:
        print(json.dumps({"rows": rows, "seconds": seconds, "rows/s": speeds, "ratio": ratio, "processes": cores}))
        return
    print(f"| side, {cores} processes | rows | seconds, median | rows/s |\n| --- | --- | --- | --- |")
    for name, found in seconds.items():
        print(f"| {name} | {rows[name]:,} | {statistics.median(found):.1f} | {speeds[name]:,.0f} |")
    print(f"\nratio {ratio:.2f}")


if __name__ == "__main__":
    main()
