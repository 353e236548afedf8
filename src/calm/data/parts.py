"""The settings of a dataset: its parts, told apart by `source`, and what is done with all of them."""

from typing import Annotated, Literal

from pydantic import Field

from calm.data.paraphrase import Paraphrase
from calm.data.part import Limit
from calm.data.sources.grown import Grown
from calm.data.sources.hammer import Hammer
from calm.data.sources.hammerbench import HammerBench
from calm.data.sources.llamafactory import LlamaFactory
from calm.data.sources.rows import Rows
from calm.data.sources.sample import Sample
from calm.data.sources.seal_tools import SealTools
from calm.data.sources.sgd import Sgd
from calm.data.sources.snips import Snips
from calm.data.sources.star import Star
from calm.data.sources.taskmaster import Taskmaster
from calm.data.sources.toolace import ToolAce
from calm.data.sources.toolrl import ToolRl
from calm.data.sources.town import Town
from calm.data.vary import Vary
from calm.recipe import Recipe

Part = Annotated[
    Grown
    | Hammer
    | HammerBench
    | LlamaFactory
    | Rows
    | Sample
    | SealTools
    | Sgd
    | Snips
    | Star
    | Taskmaster
    | ToolAce
    | ToolRl
    | Town,
    Field(discriminator="source"),
]


class DataRecipe(Recipe):
    """What goes into a dataset, and what is done with every row of it.

    `vary` and `paraphrase` change rows before they are checked, not those of parts in the paper's form; a part may say
    `vary: false`. `contamination` blocks rows that hold something of a benchmark at hand. `duplicates` says which
    copies go: `near` ones too, `exact` ones only, or none. `held_out` is the share kept apart by hash of id,
    `max_characters` the longest row. `wordings` bounds how many ways the assistant has of thinking and saying a thing:
    1 is one plain way, which few rows can teach a small model where dozens cannot.
    """

    name: str
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]
    vary: Vary | None = None
    paraphrase: Paraphrase | None = None
    contamination: bool = True
    duplicates: Literal["near", "exact", "keep"] = "exact"
    held_out: float = Field(default=0.02, ge=0, le=1)
    seed: int = 0
    max_characters: Limit = None
    wordings: Limit = None
