"""Taskmaster-4: people writing both sides of an order at a coffee bar, turned into ReAct conversations by rule.

Files as upstream ships them (google-research-datasets/Taskmaster@d92cb6af, `TM-4-2024/data/data_*.json`, CC BY 4.0).
The calls that answer a user's turn are annotated on it with their results. Here they are executed at a coffee bar
(`taskmaster_world`): an observation is what the bar computed, and says all that the corpus recorded (the corpus at
times leaves quantities or notes out). Arguments keep the corpus's values, but a quantity is a number, an option is
spelled as it was offered, and blanks around strings are gone. Schemas are those of all requests in the corpus:
`TOOLS` requires what every request has.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from calm.conversation import Assistant, Call, Conversation, Message, Observation, State, Tool, User
from calm.data import Item, Reject, bucket
from calm.data.part import Limit, PartRecipe, named
from calm.data.sources import sampled, star_thoughts
from calm.data.sources import taskmaster_thoughts as thoughts
from calm.data.sources.star_words import Said, plain
from calm.data.sources.taskmaster_world import Arguments, Record, Result, clean, mended, proven
from calm.data.sources.wire import Unfit, rows
from calm.errors import DataError
from calm.files import dumps
from calm.hub.corpora import corpus

_ID = {
    "menu_item_id": "Id of the item on the menu",
    "order_id": "Id of the order",
    "order_item_id": "Id of the item within its order",
}


def _words(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _choices(key: str, description: str, *more: str) -> dict[str, Any]:
    entry = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in (key, *more, "option")},
        "required": [key, "option"],
    }
    return {"type": "array", "description": description, "items": entry}


_ATTRIBUTES = _choices("attribute_id", "Chosen options of attributes, such as the kind of milk")
_ADDONS = _choices("addon_id", "Add-ons with their option, ADD to have one")


def _tool(name: str, description: str, required: str, **properties: dict[str, Any]) -> Tool:
    schema = {"type": "object", "properties": properties, "required": required.split()}
    return Tool(name=name, description=description, parameters=schema)


TOOLS: tuple[Tool, ...] = (
    _tool("show_menu", "Show the menu on the customer's screen", ""),
    _tool(
        "get_menu_items",
        "Search the menu of the coffee bar",
        "query",
        query=_words("Words to search for"),
        fields={"type": "array", "description": "Fields wanted beside id and name", "items": {"type": "string"}},
    ),
    _tool(
        "get_addons",
        "Search what can be chosen for an item of the menu, or for a whole order",
        "query",
        query=_words("Words to search for, several of them with OR between"),
        menu_item_id=_words(_ID["menu_item_id"]),
        scope={"type": "string", "enum": ["order"], "description": "Search options of the order, not of an item"},
    ),
    _tool(
        "add_order_item",
        "Put an item on an order; without an order id this opens one",
        "menu_item_id quantity",
        menu_item_id=_words(_ID["menu_item_id"]),
        quantity={"type": "integer", "minimum": 1, "description": "How many"},
        order_id=_words(_ID["order_id"]),
        attributes=_ATTRIBUTES,
        addons=_ADDONS,
        notes=_words("What no option covers, for whoever makes the drink"),
    ),
    _tool(
        "update_order",
        "Set options of a whole order, such as whether it is to go",
        "order_id attributes",
        order_id=_words(_ID["order_id"]),
        attributes=_choices("attribute_id", "Chosen options of the order", "attribute_name"),
    ),
    _tool(
        "update_order_item",
        "Set options of an item that is on an order",
        "order_item_id",
        order_item_id=_words(_ID["order_item_id"]),
        attributes=_ATTRIBUTES,
        addons=_ADDONS,
    ),
    _tool("get_order_details", "Read out an order with its items", "order_id", order_id=_words(_ID["order_id"])),
    _tool("finish_order", "Send an order to be made", "order_id", order_id=_words(_ID["order_id"])),
)
NAMED_DRINKS = re.compile(
    r"(latte|mocha|cortado|macchiato|cappuccino|americano|espresso|steamer|matcha|chai|oolong|rooibos|chamomile"
    r"|peppermint|vanilla|hazelnut|caramel|chocolate|almond|oat|soy|honey|stevia|splenda|sugar|cookie|muffin)s?"
)
"""Words of menus: a reply may use them once somebody has."""
_DECLINES = re.compile(
    r"\b(sorry|not|don['’]?t|can['’]?t|couldn['’]?t|cannot|unable|no|unfortunately|only|help|idea)\b", re.IGNORECASE
)


class Turn(NamedTuple):
    """A user's words, the calls that answer them, and the reply."""

    text: str
    records: list[Record]
    reply: str


def taskmaster_files(folder: Path) -> list[Path]:
    """The files of dialogues in order, named without `.gz`.

    Raises:
        DataError: there are none.
    """
    names = {path.name.removesuffix(".gz") for path in (folder / "data").glob("data_*.json*")}
    if not names:
        raise DataError(folder / "data", "holds no data_*.json or data_*.json.gz")
    return [folder / "data" / name for name in sorted(names)]


def read_taskmaster(
    files: Sequence[Path], limit: int | None = None, distractors: int = len(TOOLS), origin: str = "taskmaster_4"
) -> Iterator[Item]:
    """One conversation per dialogue; `state` is the order after each user turn, as the calls on that turn left it.

    Offered are the tools that the dialogue calls and `distractors` others of the bar.

    Raises:
        DataError: a file is missing or corrupt, or a dialogue has not the upstream shape.
    """
    for row in sampled(files, rows, limit):
        number = row.value.get("conversation_id") if isinstance(row.value, dict) else None
        name = f"{origin.replace('/', '-')}-{str(number).removeprefix('dlg-')}"
        try:
            yield _Scribe(name).write(row.value, distractors).model_copy(update={"origin": origin})
        except Unfit as unfit:
            yield Reject(id=name, origin=origin, reason=unfit.reason, detail=unfit.detail)
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            why = " ".join(f"dialogue {number!r} has not the shape of Taskmaster-4: {error!r}"[:300].split())
            raise DataError(row.path, why, row.row) from error


# --- turns ---------------------------------------------------------------------------------------------------------


def turns(utterances: Sequence[Mapping[str, Any]]) -> list[Turn]:
    """The turns of a dialogue, which alternates in all of the corpus.

    Raises:
        Unfit: it does not, an utterance is empty, the last has no reply, or an annotation is no JSON.
    """
    if [u["speaker"] for u in utterances] != ["user", "assistant"] * (len(utterances) // 2) or not utterances:
        raise Unfit("no reply at the end", f"{len(utterances)} utterances")
    told = [" ".join(u["text"].split()) for u in utterances]
    if not all(told):
        raise Unfit("empty utterance", f"turn {told.index('')}")
    called = [_records(u["annotations"]) for u in utterances]
    return [Turn(told[i], called[i], told[i + 1]) for i in range(0, len(told), 2)]


def _records(annotations: Sequence[Mapping[str, str]]) -> list[Record]:
    found: list[Record] = []
    name, arguments = "", "{}"
    for entry in annotations:
        if entry["name"] == "api_call":
            name, arguments = entry["value"], "{}"  # the menu is shown without a request
        elif entry["name"] == "request":
            arguments = entry["value"]
        elif entry["name"] == "response":
            found.append(Record(name, _arguments(_json(arguments)), _json(entry["value"])))
    return found


def _json(text: str) -> Any:
    try:
        return clean(json.loads(mended(text), strict=False))
    except ValueError as error:
        raise Unfit("annotation is not JSON", f"{text} ({error})"[:300]) from error


def _arguments(raw: Arguments) -> Arguments:
    return {key: int(value) if key == "quantity" else value for key, value in raw.items()}


def spelled(arguments: Arguments, offered: Mapping[str, list[str]]) -> Arguments:
    """The arguments with chosen options spelled as they were `offered` (id -> options).

    Raises:
        Unfit: an option that was not offered.
    """
    return {
        key: [_chosen(entry, offered) for entry in value] if key in ("attributes", "addons") else value
        for key, value in arguments.items()
    }


def _chosen(entry: Mapping[str, str], offered: Mapping[str, list[str]]) -> dict[str, str]:
    number = entry.get("attribute_id") or entry["addon_id"]
    same = [option for option in offered.get(number, ()) if _bare(option) == _bare(entry["option"])]
    if not same:
        raise Unfit("option that was not offered", f"{number}: {entry['option']}, of {offered.get(number)}")
    return {**entry, "option": same[0]}


def _bare(text: str) -> str:
    return plain(text).replace(" ", "")


def options(told: Sequence[Turn]) -> list[Turn]:
    """The turns with every chosen option spelled as a result before it offered it."""
    offered: dict[str, list[str]] = {}
    found = []
    for turn in told:
        records = []
        for record in turn.records:
            records.append(record._replace(arguments=spelled(record.arguments, offered)))
            if record.name == "get_addons":
                given = thoughts.entries(record.result)
                offered.update({e.get("attribute_id") or e["addon_id"]: e["options"] for e in given})
        found.append(turn._replace(records=records))
    return found


# --- writing -------------------------------------------------------------------------------------------------------


class _Scribe:
    """Writes one dialogue down, turn by turn."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.messages: list[Message] = []
        self.said = Said()
        self.names: dict[str, str] = {}
        self.lead, self.kind, self.calls = "", "", 0

    def write(self, dialogue: Mapping[str, Any], distractors: int) -> Conversation:
        """The whole dialogue as a conversation; its `origin` is still to be set."""
        if "first name" in dialogue["scenario"]:
            raise Unfit("name that the order does not take", dialogue["scenario"])
        told = options(turns(dialogue["utterances"]))
        records = [record for turn in told for record in turn.records]
        results, orders, checked = proven(records)
        states: list[State] = []
        done = 0
        for turn in told:
            self._turn(turn, results[done : done + len(turn.records)])
            done += len(turn.records)
            states.append(orders[done - 1] if done else {})
        used = {record.name for record in records}
        return Conversation(
            id=self.name,
            tools=_offered(self.name, used, distractors),
            messages=tuple(self.messages),
            state=tuple(states),
            meta={"checked": checked, "scenario": dialogue["scenario"]}
            if records
            else {"scenario": dialogue["scenario"]},
        )

    def _turn(self, turn: Turn, results: Sequence[Result]) -> None:
        self.messages.append(User(content=turn.text))
        self.said.add(turn.text)
        key = (self.name, len(self.messages))
        self.lead, self.kind = star_thoughts.heard(turn.text, {}, key), ""
        for record, result in zip(turn.records, results, strict=True):
            self._call(record, result, (self.name, len(self.messages)))
        self._reply(turn.reply, (self.name, len(self.messages)))

    def _call(self, record: Record, result: Result, key: thoughts.Key) -> None:
        self._grounded(record)
        why = thoughts.calling(record.name, record.arguments, self.names, key)
        call = Call(name=record.name, arguments=record.arguments, id=f"call_{self.calls}")
        self.calls += 1
        content = dumps(result)
        self.messages += [
            Assistant(thought=f"{self.lead} {why}", calls=(call,)),
            Observation(content=content, call=call.id, name=call.name),
        ]
        self.said.add(content)
        self.names |= {item["menu_item_id"]: item["name"] for item in result.get("menu_items", ()) if "name" in item}
        self.names |= {entry["addon_id"]: entry["name"] for entry in result.get("addons", ())}
        self.lead, self.kind = (
            thoughts.observed(record.name, result, self.names, key),
            thoughts.result(record.name, result),
        )

    def _grounded(self, record: Record) -> None:
        for term in record.arguments["query"].split(" OR ") if "query" in record.arguments else ():
            if not self.said.suggests(term):
                raise Unfit("argument that nobody gave", f"{record.name}.query: {term}")
        for key in ("menu_item_id", "order_id", "order_item_id"):
            if key in record.arguments and not self.said.holds(record.arguments[key]):
                raise Unfit("id that no result gave", f"{key} {record.arguments[key]}")

    def _reply(self, text: str, key: thoughts.Key) -> None:
        """A reply names no item or number out of nowhere; without a call it leads back to what the bar does."""
        known = f" {self.said.text} "
        drinks = [match[1] for word in plain(text).split() if (match := NAMED_DRINKS.fullmatch(word))]
        if unheard := [word for word in drinks if f" {word}" not in known]:
            raise Unfit("reply says what no result held", f"{unheard[0]} in {text}"[:200])
        if numbers := self.said.numbers(text):
            raise Unfit("reply says a number that nobody gave", f"{numbers[0]} in {text}"[:200])
        if not self.calls and not _DECLINES.search(text):
            raise Unfit("reply off the task", text[:200])
        self.messages.append(Assistant(thought=f"{self.lead} {thoughts.replying(self.kind, key)}", text=text))
        self.said.add(text)


def _offered(name: str, used: set[str], distractors: int) -> tuple[Tool, ...]:
    drawn = sorted(TOOLS, key=lambda tool: (tool.name not in used, bucket(name, tool.name)))
    return tuple(sorted(drawn[: len(used) + distractors], key=lambda tool: bucket(name, tool.name, "order")))


# --- the part ------------------------------------------------------------------------------------------------------


class Taskmaster(PartRecipe):
    """Taskmaster-4 from the corpora folder: `limit` dialogues, spread over the files; `distractors` unused tools."""

    corpora: ClassVar[tuple[str, ...]] = ("taskmaster_4",)
    source: Literal["taskmaster"]
    limit: Limit = None
    distractors: int = Field(default=len(TOOLS), ge=0)

    def files(self) -> dict[str, Path]:
        """The files of dialogues; the reward examples are not read."""
        root = corpus("taskmaster_4")
        return named("taskmaster_4", root, taskmaster_files(root))

    def pieces(self) -> int:
        """One a file, or one in all where there is a limit."""
        return 1 if self.limit is not None else len(taskmaster_files(corpus("taskmaster_4")))

    def read(self, seed: int, piece: int = 0) -> Iterator[Item]:
        """One item a dialogue."""
        files = taskmaster_files(corpus("taskmaster_4"))
        chosen = files if self.limit is not None else files[piece : piece + 1]
        return read_taskmaster(chosen, self.limit, self.distractors)
