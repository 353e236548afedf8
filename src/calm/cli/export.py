"""`calm export`: a dataset as another trainer's rows and side files."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from calm.cli import screen


def export(
    dataset: Path,
    *,
    to: str,
    out: Path | None = None,
    replace: bool = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Write a dataset as another trainer reads it, with its side files and a README of what is lost.

    Args:
        dataset: a folder that calm build wrote, or a file of conversations.
        to: sharegpt (LLaMA-Factory), ms-swift, axolotl, trl, oumi or coalm.
        out: the folder to write; DATASET-FORMAT beside the dataset by default.
        replace: write into a folder that holds other files.
        json: print the counts as JSON.
    """
    from calm.data.export.run import LEFT_OUT
    from calm.data.export.run import export as write

    folder = out or dataset.with_name(f"{dataset.name.split('.')[0]}-{to}")
    with screen.progress() as tick:
        splits = write(dataset, to, folder, lambda split, done: tick(f"exporting {split}", done, 0), replace=replace)
    if json:
        screen.print_json({"out": str(folder), "splits": [split.model_dump() for split in splits]})
        return
    counts = [{**split.model_dump(), "left_out": sum(split.left_out.values())} for split in splits]
    screen.print_rows(counts)
    reasons = {reason: n for split in splits for reason, n in split.left_out.items()}
    for reason, number in reasons.items():
        screen.out().print(f"left out, {number:,}: {reason}", markup=False)
    said = f"; what is left out stands in {LEFT_OUT}" if reasons else ""
    screen.out().print(f"{folder}: written; how to read it is in its README.md{said}", markup=False)
