"""What every part of a dataset has in common: its files, its pieces, its sources' names and its paper form.

A part is read in pieces, so that many processes can read at once and a killed build loses one piece at most. A piece
depends on the recipe, the seed and its own number alone, never on the pieces before it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from calm.data import Item
from calm.files import either
from calm.recipe import Recipe

Limit = Annotated[int, Field(ge=1)] | None
PaperForm = Literal["snips", "hammer", "toolace", "cra"]


class PartRecipe(Recipe):
    """Base of the parts; a subclass adds `source: Literal["name"]`, which tells it apart, and its own few settings.

    `paper` asks for the part in the paper's own prompt and answer form, one row a sample; `name` is what the tables
    call the part, by default `label`. `max_characters` is the part's own limit where the recipe's does not suit it.
    `corpora` names what it reads in `calm.data.corpora`, for the card's licences.
    """

    corpora: ClassVar[tuple[str, ...]] = ()
    paper: PaperForm | None = None
    vary: bool = True
    max_characters: Limit = None

    @property
    def label(self) -> str:
        """What the tables of the build call the part."""
        return type(self).__name__.lower()

    @property
    def stands_in_for(self) -> str:
        """The input that is not at hand and that this part replaces; empty where the part is what it says."""
        return ""

    def files(self) -> dict[str, Path]:
        """The files that will be read, by names no machine decides, for the manifest; none for a part that is code."""
        return {}

    def pieces(self) -> int:
        """How many pieces `read` can be asked for."""
        return 1

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """The items of one piece, streaming; `seed` is the recipe's.

        Raises:
            DataError: a file is missing or corrupt.
        """
        raise TypeError(f"{type(self).__name__} does not say how it is read")

    def expected(self) -> int | None:
        """Samples that full inputs give in the paper's composition (sources in docs/data.md); None where unknown."""
        return None


def named(source: str, root: Path, paths: list[Path]) -> dict[str, Path]:
    """Each file (or its gzipped twin) under the name `source/path below root`."""
    return {f"{source}/{path.relative_to(root).as_posix()}": either(path) for path in paths}
