"""The settings of a dataset: its parts, told apart by `source`, each of which knows its files and how to read them."""

from collections.abc import Iterator
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from calm.conversation import read
from calm.data import Item, steps
from calm.data.sources.sgd import Options, read_sgd, sgd_files
from calm.data.sources.snips import read_snips, snips_files
from calm.data.sources.town import DOMAINS, read_town
from calm.files import either
from calm.hub.corpora import corpus
from calm.recipe import Recipe

Limit = Annotated[int, Field(ge=1)] | None
SAMPLE_INTENTS = ("AddToPlaylist", "BookRestaurant", "GetWeather", "PlayMusic")


class PartRecipe(Recipe):
    """Base of the parts: what it is called, which files it reads (by names no machine decides), what it gives."""

    @property
    def label(self) -> str:
        """What the table of the build calls the part."""
        return type(self).__name__.lower()

    def files(self) -> dict[str, Path]:
        """The files that will be read, for the manifest; none for a part that is code."""
        return {}

    def read(self, seed: int) -> Iterator[Item]:
        """The part's items; `seed` is the recipe's."""
        raise NotImplementedError


class Snips(PartRecipe):
    """SNIPS 2017 from the corpora folder: `limit` utterances, spread over the intents; `tools` offered to each."""

    source: Literal["snips"]
    limit: Limit = None
    tools: int = Field(default=3, ge=1, le=7)

    def files(self) -> dict[str, Path]:
        """The training file of each intent."""
        root = corpus("snips")
        return _named("snips", root, snips_files(root))

    def read(self, seed: int) -> Iterator[Item]:
        """One item an utterance."""
        return read_snips(corpus("snips"), self.limit, tools=self.tools)


class Sgd(PartRecipe):
    """Schema-Guided Dialogue from the corpora folder; `limit` dialogues, spread evenly over the files."""

    source: Literal["sgd"]
    split: Literal["train", "dev"] = "train"
    limit: Limit = None
    rows: int = Field(default=3, ge=1)
    distractors: int = Field(default=0, ge=0)

    @property
    def label(self) -> str:
        """With the split, so that nobody takes one for the other."""
        return f"sgd/{self.split}"

    def files(self) -> dict[str, Path]:
        """The schema and the dialogue files of the split."""
        root = corpus("sgd")
        return _named("sgd", root, [root / self.split / "schema.json", *sgd_files(root, self.split)])

    def read(self, seed: int) -> Iterator[Item]:
        """One item a dialogue."""
        options = Options(self.rows, self.distractors, f"sgd/{self.split}")
        return read_sgd(corpus("sgd"), self.split, self.limit, options)


class Town(PartRecipe):
    """`count` conversations played out in the town, in all its domains or some; every call in them was executed."""

    source: Literal["town"]
    count: int = Field(default=200, ge=1)
    domains: Annotated[tuple[str, ...], Field(min_length=1)] = DOMAINS

    def read(self, seed: int) -> Iterator[Item]:
        """`count` conversations that `seed` decides."""
        return read_town(self.count, seed, self.domains)


class Sample(PartRecipe):
    """The hand-made sample in the package, through the readers of SNIPS and SGD; needs no download."""

    source: Literal["sample"]
    utterances: Limit = None
    dialogues: Limit = None
    tools: int = Field(default=3, ge=1, le=7)

    def files(self) -> dict[str, Path]:
        """The shipped files."""
        snips, sgd = sample_folder() / "snips", sample_folder() / "sgd"
        wanted = [*snips_files(snips, SAMPLE_INTENTS), sgd / "train" / "schema.json", *sgd_files(sgd)]
        return _named("sample", sample_folder(), wanted)

    def read(self, seed: int) -> Iterator[Item]:
        """The utterances, then the dialogues."""
        snips, sgd = sample_folder() / "snips", sample_folder() / "sgd"
        utterances = read_snips(snips, self.utterances, SAMPLE_INTENTS, "sample/snips", self.tools)
        dialogues = read_sgd(sgd, limit=self.dialogues, options=Options(origin="sample/sgd"))
        return chain(utterances, dialogues)


class Jsonl(PartRecipe):
    """Conversations already on disk, one JSON row a line; rows without id are named by file and place."""

    source: Literal["jsonl"]
    path: Path
    limit: Limit = None

    @property
    def label(self) -> str:
        """The file's name."""
        return self.path.name

    def files(self) -> dict[str, Path]:
        """The file, by the path that the recipe gives."""
        return {str(self.path): either(self.path)}

    def read(self, seed: int) -> Iterator[Item]:
        """One item a row."""
        rows = enumerate(read(self.path), 1)
        named = (c if c.id else c.model_copy(update={"id": f"{self.path.stem}-{place}"}) for place, c in rows)
        return steps.limit(named, self.limit)


Part = Annotated[Snips | Sgd | Town | Sample | Jsonl, Field(discriminator="source")]


class DataRecipe(Recipe):
    """What goes into a dataset: parts, the share held out by hash of id, the seed of shuffling, the longest row."""

    name: str
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]
    held_out: float = Field(default=0.02, ge=0, le=1)
    seed: int = 0
    max_characters: Limit = None


def sample_folder() -> Path:
    """Where the shipped sample lies, in a checkout and in an installed wheel alike."""
    return Path(str(files("calm.data") / "sample"))


def _named(source: str, root: Path, paths: list[Path]) -> dict[str, Path]:
    return {f"{source}/{path.relative_to(root).as_posix()}": either(path) for path in paths}
