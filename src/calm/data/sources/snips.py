"""SNIPS 2017: one utterance, one of seven intents, slots as spans of the utterance; here one call with those spans.

Files as upstream ships them (sonos/nlu-benchmark@b86ac7f1, 2017-06-custom-intent-engines, CC0): 13,784 training
utterances in `train_<Intent>_full.json`. The usual training split has 13,084, 700 fewer; the files do not tell those
apart, so all are read. The 700 utterances of `validate_<Intent>.json` are never opened.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from calm.conversation import Assistant, Call, Conversation, Tool, User
from calm.data import Item, Reject, bucket, thoughts
from calm.data.part import Limit, PartRecipe, named
from calm.data.sources import Record, sampled
from calm.errors import DataError
from calm.files import read_json
from calm.hub.corpora import corpus

FOLDER = "2017-06-custom-intent-engines"

SLOTS = {
    "album": "title of an album",
    "artist": "musician or band",
    "best_rating": "highest rating of the scale that is used",
    "city": "town or city",
    "condition_description": "kind of weather, such as rain or fog",
    "condition_temperature": "how warm or cold it is",
    "country": "country",
    "cuisine": "style of cooking",
    "current_location": "words for the place where the user is",
    "entity_name": "name of the track or record to add",
    "facility": "something that the restaurant must have",
    "genre": "style of music",
    "geographic_poi": "park, landmark or another named place",
    "location_name": "name of the cinema or chain",
    "movie_name": "title of the film",
    "movie_type": "kind of film",
    "music_item": "what is meant: song, album, artist",
    "object_location_type": "kind of place that shows films",
    "object_name": "title of the work",
    "object_part_of_series_type": "what the work is within its series",
    "object_select": "words that point at a work, such as this or previous",
    "object_type": "kind of thing: book, film, schedule",
    "party_size_description": "who comes along, in words",
    "party_size_number": "how many people",
    "playlist": "name of the playlist",
    "playlist_owner": "whose playlist it is",
    "poi": "place that the restaurant should be near",
    "rating_unit": "what is counted: stars or points",
    "rating_value": "the rating itself",
    "restaurant_name": "name of the restaurant",
    "restaurant_type": "kind of house: bar, bistro, restaurant",
    "served_dish": "dish that must be on the menu",
    "service": "streaming service",
    "sort": "order or quality, such as newest or best",
    "spatial_relation": "how near it should be",
    "state": "state or province",
    "timeRange": "when, in words",
    "track": "title of a song",
    "year": "year or decade",
}
INTENTS: dict[str, tuple[str, str, str]] = {
    "AddToPlaylist": ("Put music on a playlist", "playlist", "artist entity_name music_item playlist_owner"),
    "BookRestaurant": (
        "Reserve a table",
        "",
        "city country cuisine facility party_size_description party_size_number poi restaurant_name restaurant_type"
        " served_dish sort spatial_relation state timeRange",
    ),
    "GetWeather": (
        "Give the weather of a place and time",
        "",
        "city condition_description condition_temperature country current_location geographic_poi spatial_relation"
        " state timeRange",
    ),
    "PlayMusic": ("Start music", "", "album artist genre music_item playlist service sort track year"),
    "RateBook": (
        "Store a rating of a book",
        "rating_value",
        "best_rating object_name object_part_of_series_type object_select object_type rating_unit",
    ),
    "SearchCreativeWork": ("Find a book, song, film, game or other work", "object_name", "object_type"),
    "SearchScreeningEvent": (
        "Find when and where films are shown",
        "",
        "location_name movie_name movie_type object_location_type object_type spatial_relation timeRange",
    ),
}
"""Intent: what it does, slots that every training utterance fills, slots that some fill."""


def _tool(name: str) -> Tool:
    description, required, optional = INTENTS[name]
    slots = [*required.split(), *optional.split()]
    properties = {slot: {"type": "string", "description": SLOTS[slot]} for slot in slots}
    return Tool(
        name=name,
        description=description,
        parameters={"type": "object", "properties": properties, "required": list(required.split())},
    )


TOOLS: tuple[Tool, ...] = tuple(_tool(name) for name in INTENTS)


def snips_files(folder: Path, intents: Sequence[str] = tuple(INTENTS)) -> list[Path]:
    """The training files, in the order of `intents`; `validate_*` is not among them."""
    return [folder / FOLDER / intent / f"train_{intent}_full.json" for intent in intents]


def read_snips(
    folder: Path,
    limit: int | None = None,
    intents: Sequence[str] = tuple(INTENTS),
    origin: str = "snips/train",
    tools: int = len(TOOLS),
) -> Iterator[Item]:
    """One single-call conversation per utterance; `state` is the intent with its spans.

    `tools` of the seven intents are offered, the right one always among them, which and in what order by hash: all
    seven are some 1,500 tokens of every row.

    An utterance that fills one slot twice is rejected: an argument holds one span.

    Raises:
        DataError: a file is missing or corrupt, or a row has not the upstream shape.
    """
    for record in sampled(snips_files(folder, intents), _rows, limit):
        intent = record.path.parent.name
        try:
            pieces = [(piece["text"], piece.get("entity")) for piece in record.value["data"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(record.path, f"is no list of text pieces in `data` ({error!r})", record.row) from error
        item = _item(record, intent, pieces, origin)
        yield item if isinstance(item, Reject) else item.model_copy(update={"tools": _offered(intent, item.id, tools)})


def _offered(intent: str, name: str, count: int) -> tuple[Tool, ...]:
    """The right tool and others drawn by hash of the row's name, shuffled likewise; all seven in their own order."""
    if count >= len(TOOLS):
        return TOOLS
    drawn = sorted(TOOLS, key=lambda tool: (tool.name != intent, bucket(name, tool.name)))[:count]
    return tuple(sorted(drawn, key=lambda tool: bucket(name, tool.name, "order")))


def _rows(path: Path) -> list[Any]:
    value, intent = read_json(path), path.parent.name
    if not isinstance(value, dict) or not isinstance(value.get(intent), list):
        raise DataError(path, f"holds no list under {intent!r}")
    return value[intent]


def _item(record: Record, intent: str, pieces: Sequence[tuple[str, str | None]], origin: str) -> Item:
    name = f"{origin.replace('/', '-')}-{intent}-{record.row}"
    filled = [(slot, " ".join(text.split())) for text, slot in pieces if slot]
    if fault := _fault(intent, filled):
        return Reject(id=name, origin=origin, reason=fault[0], detail=fault[1])
    slots = dict(filled)
    step = Assistant(thought=thoughts.read(intent, slots, (name,)), calls=(Call(name=intent, arguments={**slots}),))
    return Conversation(
        id=name,
        tools=TOOLS,
        messages=(User(content=" ".join("".join(text for text, _ in pieces).split())), step),
        state=({"domain": intent, **slots},),
        origin=origin,
        meta={"checked": "schema"},  # `_fault` knows of no other way to break it: all slots are strings
    )


def _fault(intent: str, filled: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    _, required, optional = INTENTS[intent]
    names = [slot for slot, _ in filled]
    known = [*required.split(), *optional.split()]
    if unknown := [slot for slot in names if slot not in known]:
        return "slot not of the intent", f"{intent} has no {unknown[0]!r}"
    if twice := [slot for slot in names if names.count(slot) > 1]:
        return "slot filled twice", f"{twice[0]}: {' / '.join(text for slot, text in filled if slot == twice[0])}"
    if missing := [slot for slot in required.split() if slot not in names]:
        return "required slot not filled", f"{intent} without {missing[0]!r}"
    return None


# --- the part ------------------------------------------------------------------------------------------------------


class Snips(PartRecipe):
    """SNIPS 2017 from the corpora folder: `limit` utterances, spread over the intents; `tools` offered to each."""

    corpora: ClassVar[tuple[str, ...]] = ("snips",)
    source: Literal["snips"]
    limit: Limit = None
    tools: int = Field(default=3, ge=1, le=7)

    def files(self) -> dict[str, Path]:
        """The training file of each intent."""
        root = corpus("snips")
        return named("snips", root, snips_files(root))

    def pieces(self) -> int:
        """One an intent, hence a file; a limited sample is drawn from all files at once."""
        return 1 if self.limit else len(INTENTS)

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """One item an utterance."""
        intents = tuple(INTENTS) if self.limit else (tuple(INTENTS)[piece],)
        return read_snips(corpus("snips"), self.limit, intents, tools=self.tools)

    def expected(self) -> int | None:
        """Rows of the usual training split, which the paper used (its Table 1 prints 13,028)."""
        return 13_084
