"""The demo: one real run through every room, small enough for a laptop; each stage keeps its output and is reused.

Data from the shipped sample, the embedded model before and after a short LoRA run, a booking conversation in the town,
slices of the benchmarks at hand, one HTML page. `stages` does the work and knows no screen; `page` lays out the report.
"""

from calm.agent import Limits
from calm.bench.run import Plan
from calm.data.parts import DataRecipe
from calm.recipe import check
from calm.train.recipe import TrainRecipe

BASE = "smollm2-135m"
GOALS = (0, 1)
"""Seeds of the goals that a rule-based user pursues through each model; the first conversation is shown as it goes."""

SLICES = {
    "toy": Plan(limit=3, limits=Limits(steps_per_turn=3)),
    "bfcl": Plan(limit=6),
    "api_bank": Plan(limit=2),
    "multiwoz": Plan(limit=1, sample_seed=30, limits=Limits(steps_per_turn=3)),  # a short dialogue
}
"""Tasks judged per benchmark: samples to show the way, far too few for a claim; the intervals say so."""


def data_recipe() -> DataRecipe:
    """The shipped sample and conversations played out in the town."""
    parts = [
        {"source": "sample", "utterances": 4, "tools": 2},
        {"source": "town", "count": 36, "domains": ["restaurant"]},
    ]
    return check(DataRecipe, {"name": "demo", "held_out": 0.12, "wordings": 1, "parts": parts}, "demo")


def train_recipe(data: str) -> TrainRecipe:
    """The card's adapter with a higher learning rate, because the run is a hundred times shorter."""
    settings = {
        "base": BASE,
        "data": data,
        "held_out": data,
        "batch": 2,
        "lr": 1.5e-3,
        "save_every": 4,
        "max_length": 1000,
    }
    return check(TrainRecipe, settings, "demo")
