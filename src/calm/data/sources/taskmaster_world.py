"""The coffee bar of Taskmaster-4 as a state machine: a menu, what can be added to its items, and orders.

The corpus was written by people filling in templates, so nothing computed its results; here something does. The menu,
the options and the name on the order come from a dialogue's own results, the rest from its calls:

- `get_menu_items` gives the items that share a word with the query, where none does, all (a bar makes suggestions);
- `get_addons` gives the options of an item, or of an order, that share a word with the query, where none does, all;
- adding and changing keep the order, `get_order_details` reads it out, ids are dealt in the order of the corpus.

A dialogue where that agrees with all that the corpus recorded is `executed`. Where only its searches are odd (a wrong
drink was returned on purpose) they are answered from an index of its queries, and it is `replayed`.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from calm.conversation import Assistant, Conversation, Observation
from calm.data.sources.star_words import plain, stem, tidy
from calm.data.sources.wire import Unfit
from calm.files import dumps

Arguments = dict[str, Any]
Result = dict[str, Any]
Checked = Literal["executed", "replayed"]


class Record(NamedTuple):
    """A call of a dialogue and the result that the corpus holds for it."""

    name: str
    arguments: Arguments
    result: Result


class Bar:
    """One dialogue's bar. `indexed`: searches are answered by what the corpus recorded for just that query."""

    def __init__(self, records: Sequence[Record], indexed: bool = False) -> None:
        self.indexed = indexed
        self.menu: dict[str, Result] = {}
        self.options: dict[str, dict[str, list[Result]]] = {}
        self.index: dict[str, list[Result]] = {}
        self.ids: dict[str, list[str]] = {"order_id": [], "order_item_id": []}
        self.customer = ""
        self.orders: dict[str, Result] = {}
        for record in records:
            self._learn(record)

    def _learn(self, record: Record) -> None:
        name, arguments, result = record
        self.index.setdefault(f"{name}({dumps(arguments)})", []).append(result)
        for item in result.get("menu_items", ()) if name == "get_menu_items" else ():
            self.menu.setdefault(item["menu_item_id"], {}).update(item)
        if name == "get_addons":
            known = self.options.setdefault(_owner(arguments), {"attributes": [], "addons": []})
            for kind, entries in known.items():
                entries += [entry for entry in result.get(kind, ()) if entry not in entries]
        if name == "add_order_item":
            self.ids["order_item_id"].append(result["order_item_id"])
            if result["order_id"] not in self.ids["order_id"]:
                self.ids["order_id"].append(result["order_id"])
        if name == "get_order_details":
            named = [entry["option"] for entry in result["attributes"] if entry["attribute_id"].lower() == "name"]
            self.customer = self.customer or next(iter(named), "")

    def run(self, name: str, arguments: Arguments) -> Result:
        """The result of a call, the bar changed by it.

        Raises:
            Unfit: an id that the bar never gave out, or an order that is finished.
        """
        return _ACTIONS[name](self, arguments)

    def show_menu(self, arguments: Arguments) -> Result:
        """The menu comes on the customer's screen."""
        return {"success": True}

    def get_menu_items(self, arguments: Arguments) -> Result:
        """Items by words of the query, with the fields asked for beside id and name."""
        if self.indexed:
            return self._indexed("get_menu_items", arguments)
        items = list(self.menu.values())
        found = [item for item in items if shares(arguments["query"], item["name"])] or items
        fields = ("menu_item_id", "name", *arguments.get("fields", ()))
        return {"menu_items": [{field: item[field] for field in fields if field in item} for item in found]}

    def get_addons(self, arguments: Arguments) -> Result:
        """Attributes and add-ons of an item or of orders, by words of the query."""
        if self.indexed:
            return {"attributes": [], "addons": [], **self._indexed("get_addons", arguments)}
        known = self.options.get(_owner(arguments), {"attributes": [], "addons": []})
        query = arguments["query"]
        found = {kind: [e for e in entries if shares(query, _named(e))] for kind, entries in known.items()}
        return found if any(found.values()) else {kind: list(entries) for kind, entries in known.items()}

    def add_order_item(self, arguments: Arguments) -> Result:
        """Put an item on an order, a new one where none is named."""
        if arguments["menu_item_id"] not in self.menu:
            raise Unfit("id that no result gave", f"menu_item_id {arguments['menu_item_id']}")
        number = arguments.get("order_id") or self._dealt("order_id")
        order = self.orders.setdefault(number, {"attributes": {}, "items": {}}) if "order_id" not in arguments else None
        order = order if order is not None else self._order(arguments)
        item = {key: value for key, value in arguments.items() if key != "order_id"}
        number_of_item = self._dealt("order_item_id")
        order["items"][number_of_item] = item
        return {"order_id": number, "order_item_id": number_of_item}

    def update_order(self, arguments: Arguments) -> Result:
        """Set attributes of an order, such as whether it is to go."""
        order = self._order(arguments)
        order["attributes"].update({entry["attribute_id"]: entry["option"] for entry in arguments["attributes"]})
        return {"order_id": arguments["order_id"]}

    def update_order_item(self, arguments: Arguments) -> Result:
        """Add attributes and add-ons to an item of an order."""
        number = arguments["order_item_id"]
        order = next((order for order in self.orders.values() if number in order["items"]), None)
        if order is None or order.get("finished"):
            raise Unfit("id that no result gave", f"order_item_id {number}")
        item = order["items"][number]
        for kind in ("attributes", "addons"):
            if kind in arguments:
                item[kind] = [*item.get(kind, ()), *arguments[kind]]
        return {"order_item_id": number}

    def get_order_details(self, arguments: Arguments) -> Result:
        """Read an order out: whose it is, how it is taken, its items."""
        order = self._order(arguments)
        shown = {"name": ("Name", self.customer), "order-type": ("Order Type", "here")}
        set_to = {key: (shown.get(key, (key, ""))[0], option) for key, option in order["attributes"].items()}
        attributes = [
            {"attribute_id": key, "attribute_name": title, "option": option}
            for key, (title, option) in {**shown, **set_to}.items()
            if option
        ]
        items = [self._line(number, item) for number, item in order["items"].items()]
        return {"order_id": arguments["order_id"], "attributes": attributes, "menu_items": items}

    def finish_order(self, arguments: Arguments) -> Result:
        """Send the order to the counter."""
        self._order(arguments)["finished"] = True
        return {"success": True}

    def called(self, addon: str) -> str:
        """The name of an add-on; its id where no result named it."""
        entries = (entry for known in self.options.values() for entry in known["addons"])
        return next((entry["name"] for entry in entries if entry["addon_id"] == addon), addon)

    def _line(self, number: str, item: Result) -> Result:
        named = {"menu_item_id": item["menu_item_id"], "menu_item_name": self.menu[item["menu_item_id"]]["name"]}
        return {"order_item_id": number, **named, **{key: value for key, value in item.items() if key not in named}}

    def _order(self, arguments: Arguments) -> Result:
        order = self.orders.get(arguments["order_id"])
        if order is None or order.get("finished"):
            raise Unfit("id that no result gave", f"order_id {arguments['order_id']}")
        return order

    def _dealt(self, kind: str) -> str:
        if not self.ids[kind]:
            raise Unfit("id that no result gave", kind)
        return self.ids[kind].pop(0)

    def _indexed(self, name: str, arguments: Arguments) -> Result:
        left = self.index[f"{name}({dumps(arguments)})"]
        return left.pop(0) if len(left) > 1 else left[0]


_ACTIONS: dict[str, Callable[[Bar, Arguments], Result]] = {
    "show_menu": Bar.show_menu,
    "get_menu_items": Bar.get_menu_items,
    "get_addons": Bar.get_addons,
    "add_order_item": Bar.add_order_item,
    "update_order": Bar.update_order,
    "update_order_item": Bar.update_order_item,
    "get_order_details": Bar.get_order_details,
    "finish_order": Bar.finish_order,
}


def _owner(arguments: Arguments) -> str:
    return arguments.get("menu_item_id") or arguments.get("scope", "")


def _named(entry: Result) -> str:
    return " ".join([entry.get("attribute_name", ""), entry.get("name", ""), *entry["options"]])


def shares(query: str, text: str) -> bool:
    """Whether a word of a query stands in a text, up to an ending or to blanks: "decaffeinated" in "Caff, Decaf"."""
    words, joined = plain(text).split(), plain(query).replace(" ", "")
    asked = [word for word in plain(query).split() if word not in ("or", "and", "with", "a", "the")]
    same = any(word == other or stem(word, other) for word in asked for other in words)
    return same or any(part in joined for part in words if len(part) > 3)


# --- proof ---------------------------------------------------------------------------------------------------------


def proven(records: Sequence[Record]) -> tuple[list[Result], list[Result], Checked]:
    """What the bar answers to the calls of a dialogue, the orders after each of them, and how searches were answered.

    Raises:
        Unfit: the machine contradicts what the corpus recorded, or a call names what no result gave.
    """
    found, orders = _run(Bar(records), records)
    if all(agrees(result, record) for result, record in zip(found, records, strict=True)):
        return found, orders, "executed"
    found, orders = _run(Bar(records, indexed=True), records)
    for result, record in zip(found, records, strict=True):
        if not agrees(result, record):
            told = f"{record.name}: {dumps(result)} but {dumps(record.result)}"
            raise Unfit("result contradicts the order", told[:300])
    return found, orders, "replayed"


def again(conversation: Conversation) -> bool:
    """Whether a bar made from a conversation's own observations answers each of its calls with what follows it."""
    calls = [call for m in conversation.messages if isinstance(m, Assistant) for call in m.calls]
    seen = [json.loads(m.content) for m in conversation.messages if isinstance(m, Observation)]
    records = [Record(call.name, call.arguments, result) for call, result in zip(calls, seen, strict=True)]
    results, _, checked = proven(records)
    return results == seen and checked == conversation.meta.get("checked", "executed")


def _run(bar: Bar, records: Iterable[Record]) -> tuple[list[Result], list[Result]]:
    found, orders = [], []
    for record in records:
        found.append(bar.run(record.name, record.arguments))
        orders.append(dict(_summary(bar)))
    return found, orders


def _summary(bar: Bar) -> Iterator[tuple[str, Any]]:
    """The orders as flat slots: `item1`, `item1.milk-options`, `item1.Caramel Sauce`, `order.order-type`."""
    for order in bar.orders.values():
        for number, item in enumerate(order["items"].values(), 1):
            yield f"item{number}", bar.menu[item["menu_item_id"]]["name"]
            yield from ((f"item{number}.{key}", item[key]) for key in ("quantity", "notes") if key in item)
            yield from ((f"item{number}.{e['attribute_id']}", e["option"]) for e in item.get("attributes", ()))
            yield from ((f"item{number}.{bar.called(e['addon_id'])}", e["option"]) for e in item.get("addons", ()))
        yield from ((f"order.{key}", option) for key, option in order["attributes"].items())
        if order.get("finished"):
            yield "order.finished", True


def agrees(result: Any, record: Record) -> bool:
    """Whether a computed result says all that the recorded one says (which leaves out notes or quantities at times)."""
    return _within(record.result, result)


def _within(told: Any, whole: Any) -> bool:
    if isinstance(told, dict):
        known = told.keys() - {"quantity"} if "attribute_id" in told else told.keys()  # one template has it there
        return isinstance(whole, dict) and all(key in whole and _within(told[key], whole[key]) for key in known)
    if isinstance(told, list):
        return (
            isinstance(whole, list) and len(told) == len(whole) and all(any(_within(t, w) for w in whole) for t in told)
        )
    return plain(str(told)).replace(" ", "") == plain(str(whole)).replace(" ", "")


_DOUBLED = re.compile(r'""([^",:{}\[\]]+)""')


def mended(text: str) -> str:
    """JSON in which a template put quotes around a quoted value, with one pair of them."""
    return _DOUBLED.sub(r'"\1"', text)


def clean(value: Any) -> Any:
    """A JSON value with the blanks that people typed around and within its strings made one or none."""
    if isinstance(value, dict):
        return {key: clean(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [clean(inner) for inner in value]
    return tidy(value)
