"""MultiWOZ dialogues graded a second, file by file, each in a process of its own; and who gets what without any skill.

    python benchmarks/multiwoz.py FILE.json.gz ...            some seconds a file, ten for the controls

`judged` is normalisation, Inform, Success and richness, the work of which the original does some 70 dialogues a second;
`whole` is the command `calm grade multiwoz --protocol mwzeval --json` from start to end, with BLEU, JGA and controls.
Below come the controls in percent of all dialogues: a constant reply wins Success, and nothing once values are checked.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from calm.bench.multiwoz import archive, controls, lexical, mwzeval, predictions, text
from calm.hub.corpora import corpus


def judged(path: Path) -> tuple[int, float, float]:
    """Dialogues, and wall and CPU seconds of the judged part; reading data and predictions is not counted."""
    held = mwzeval.bench(corpus("multiwoz"))
    mwzeval.normal.cache_clear()
    found = predictions.read(
        path, {name: len(one.states) for name, one in held.measures.items()}, ["response", "state"]
    )
    wall, cpu = time.perf_counter(), time.process_time()
    said = [mwzeval.judged(turns, held.measures[name], held.venues, "states") for name, turns in found.items()]
    text.richness([turn.reply for one in said for turn in one.turns])
    return len(found), time.perf_counter() - wall, time.process_time() - cpu


def whole(path: Path) -> float:
    """Wall seconds of the command."""
    calm = [
        str(Path(sys.executable).parent / "calm"),
        "grade",
        "multiwoz",
        str(path),
        "--protocol",
        "mwzeval",
        "--json",
    ]
    began = time.perf_counter()
    subprocess.run(calm, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


MEASURES = ("inform", "success", "lexical_inform", "lexical_success", "jga_helper", "jga")


def show_controls() -> None:
    """Print a line a speaker, and how fast words are judged."""
    folder = corpus("multiwoz")
    print(f"\n{'speaker':10}", *(f"{name:>15}" for name in MEASURES))
    for speaker, shares in controls.shares(folder).items():
        print(f"{speaker:10}", *(f"{100 * shares[m]:15.1f}" if m in shares else f"{'':15}" for m in MEASURES))
    known, held = lexical.facts(folder), mwzeval.bench(folder).measures
    rows = {archive.bare(row["dialogue_id"]): row for _, row in archive.rows(folder)}
    said = {name: [lexical.Spoken(turn["system"]) for turn in row["turns"]] for name, row in rows.items()}
    began = time.perf_counter()
    for name, turns in said.items():
        lexical.judge(held[name].goal, turns, known)
    print(f"\nthe wizards' words judged: {len(said) / (time.perf_counter() - began):,.0f} dialogues/s")


def main() -> None:
    """Print a line a file, then the controls."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--judged", action="store_true", help="only the judged part of one file, as JSON")
    given = parser.parse_args()
    if given.judged:
        print(json.dumps(judged(given.files[0])))
        return
    print(f"{'file':22} {'dialogues':>9} {'judged, s':>9} {'CPU s':>6} {'a second':>9} {'whole, s':>9} {'a second':>9}")
    for path in given.files:
        command = [sys.executable, __file__, "--judged", str(path)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        dialogues, wall, cpu = json.loads(told)
        all_of_it = whole(path)
        shown = f"{wall:9.2f} {cpu:6.2f} {dialogues / wall:9.0f} {all_of_it:9.2f} {dialogues / all_of_it:9.0f}"
        print(f"{path.name:22} {dialogues:9,} {shown}")
    show_controls()


if __name__ == "__main__":
    main()
