"""`calm average`: the mean of adapters that went on from one another."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from calm.cli import screen
from calm.errors import MissingExtra


def average(
    *adapters: Path,
    out: Path,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Write the mean of two or more adapters, each trained on from another, as one that chat, serve and train take.

    What a further run on other data gains and loses, its mean with where it began mostly keeps.

    Args:
        adapters: folders that calm train wrote, of one base and of the same rank and alpha.
        out: where; a new folder.
        json: print the result as JSON.
    """
    from calm.hub import models

    try:
        from calm.train.average import average as write
    except ImportError as error:
        raise MissingExtra("averaging", "local", error.name or "torch") from error
    with screen.progress() as tick:
        near = write([models.find(str(adapter), tick) for adapter in adapters], out, tick)
    if json:
        screen.print_json({"out": str(out), "cosine": near})
        return
    screen.print_rows([{"adapter": name, "cosine with the first": f"{value:.3f}"} for name, value in near.items()])
    screen.out().print(f"{out}: written\n    calm chat --model {out}", markup=False)
