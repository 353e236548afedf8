"""The hand-made sample of the package, in the shapes of SNIPS and SGD, through the readers of both."""

from collections.abc import Iterator
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from calm.data import Item
from calm.data.part import Limit, PartRecipe, named
from calm.data.sources.sgd import Options, read_sgd, sgd_files
from calm.data.sources.snips import read_snips, snips_files

SPOKEN = ("AddToPlaylist", "BookRestaurant", "GetWeather", "PlayMusic")


class Sample(PartRecipe):
    """48 utterances and 9 dialogues of our own words; needs no download."""

    corpora: ClassVar[tuple[str, ...]] = ("calm",)
    source: Literal["sample"]
    utterances: Limit = None
    dialogues: Limit = None
    tools: int = Field(default=3, ge=1, le=7)

    def files(self) -> dict[str, Path]:
        """The shipped files."""
        snips, sgd = sample_folder() / "snips", sample_folder() / "sgd"
        wanted = [*snips_files(snips, SPOKEN), sgd / "train" / "schema.json", *sgd_files(sgd)]
        return named("sample", sample_folder(), wanted)

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """The utterances, then the dialogues."""
        snips, sgd = sample_folder() / "snips", sample_folder() / "sgd"
        utterances = read_snips(snips, self.utterances, SPOKEN, "sample/snips", self.tools)
        dialogues = read_sgd(sgd, limit=self.dialogues, options=Options(origin="sample/sgd"))
        return chain(utterances, dialogues)


def sample_folder() -> Path:
    """Where the shipped sample lies, in a checkout and in an installed wheel alike."""
    return Path(str(files("calm.data") / "sample"))
