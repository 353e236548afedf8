"""How large a recipe is with full inputs, without building it: the composition of CoALM-IT, recounted.

The numbers are deduced, since the paper and its dataset disagree (docs/data.md says how): SNIPS 13,084 is the usual
training split; Hammer is `copies` of xlam-function-calling-60k and of 7,500 irrelevance rows; ToolACE and SGD are the
paper's Table 1, whose rows of Hammer and ToolACE are swapped. In all 311,639, the rows that the released dataset has.
"""

from collections.abc import Sequence
from typing import Any

from calm.conversation import Noun
from calm.data.part import PartRecipe
from calm.data.parts import DataRecipe


class Count(Noun):
    """One part: samples that its full inputs give (None: nobody has said) and the input that is missing, if any."""

    part: str
    form: str
    expected: int | None
    stands_in_for: str = ""


def counts(recipe: DataRecipe) -> list[Count]:
    """One Count a part, in the recipe's order; reads nothing."""
    return [_count(part) for part in recipe.parts]


def total(found: Sequence[Count]) -> int:
    """The sum over the parts that are known."""
    return sum(count.expected or 0 for count in found)


def rows(found: Sequence[Count]) -> list[dict[str, Any]]:
    """The counts as a table with a total; a part that nobody has counted is `unknown`."""
    head = ("part", "form", "samples from full inputs", "not at hand")
    values = [(c.part, c.form, "unknown" if c.expected is None else f"{c.expected:,}", c.stands_in_for) for c in found]
    return [dict(zip(head, row, strict=True)) for row in (*values, ("total", "", f"{total(found):,}", ""))]


def _count(part: PartRecipe) -> Count:
    return Count(part=part.label, form=part.paper or "", expected=part.expected(), stands_in_for=part.stands_in_for)
