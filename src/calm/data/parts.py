"""The settings of a dataset: its parts, told apart by `source`, and what is done with all of them."""

from typing import Annotated

from pydantic import Field

from calm.data.part import Limit
from calm.data.sources.rows import Rows
from calm.data.sources.sample import Sample
from calm.data.sources.sgd import Sgd
from calm.data.sources.snips import Snips
from calm.data.sources.town import Town
from calm.recipe import Recipe

Part = Annotated[Snips | Sgd | Town | Sample | Rows, Field(discriminator="source")]


class DataRecipe(Recipe):
    """What goes into a dataset: parts, the share held out by hash of id, the seed of shuffling, the longest row."""

    name: str
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]
    held_out: float = Field(default=0.02, ge=0, le=1)
    seed: int = 0
    max_characters: Limit = None
