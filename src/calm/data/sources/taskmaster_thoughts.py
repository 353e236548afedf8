"""Thoughts for Taskmaster-4 by rule: what came in, then why a tool of the coffee bar is called or what is answered."""

from collections.abc import Mapping, Sequence
from typing import Any

from calm.data import phrase
from calm.data.thoughts import Key, listed

SEEN: dict[str, tuple[str, ...]] = {
    "found": (
        "The menu has {what}.",
        "I found {what}.",
        "{what} is what the menu gives.",
        "There is {what}.",
        "The bar offers {what}.",
        "The look-up gives {what}.",
        "I see {what} on the menu.",
        "On the menu: {what}.",
    ),
    "missing": (
        "The menu has nothing like it.",
        "Nothing on the menu fits.",
        "The look-up is empty.",
        "That is not sold here.",
        "No item was found.",
        "The bar does not have that.",
        "There is no such item.",
        "The menu gives nothing for it.",
    ),
    "options": (
        "One can choose {what}.",
        "There is a choice of {what}.",
        "I can set {what}.",
        "The options are {what}.",
        "What can be set: {what}.",
        "Open to choice: {what}.",
        "I see {what} to choose from.",
        "Possible here: {what}.",
    ),
    "added": (
        "It is on the order.",
        "The item is in.",
        "That is added.",
        "The order holds it now.",
        "The bar took the item.",
        "Added to the order.",
        "That went through.",
        "The item has its own id now.",
    ),
    "updated": (
        "The change is in.",
        "That is changed.",
        "The bar took the change.",
        "The order is up to date.",
        "Changed as wished.",
        "The update went through.",
        "That is set.",
        "The new choice is stored.",
    ),
    "details": (
        "The order reads {what}.",
        "On the display: {what}.",
        "The bar has noted {what}.",
        "The whole order is {what}.",
        "I read back {what}.",
        "So it stands: {what}.",
        "The screen shows {what}.",
        "In the order: {what}.",
    ),
    "finished": (
        "The order is sent.",
        "The bar has the order.",
        "It is placed.",
        "The order went to the counter.",
        "That is settled.",
        "The order is final.",
        "Sending it worked.",
        "The order is through.",
    ),
    "shown": (
        "The menu is on the screen.",
        "The user sees the menu now.",
        "The menu is shown.",
        "The display has the menu.",
        "They can read the menu now.",
        "The menu is up.",
    ),
}
CALLS: dict[str, tuple[str, ...]] = {
    "get_menu_items": (
        "I look up {what}.",
        "First I search the menu for {what}.",
        "I need the id of {what}.",
        "Is {what} on the menu?",
        "I check the menu for {what}.",
        "Let me find {what}.",
        "I query the menu with {what}.",
        "The menu will tell about {what}.",
        "{what} has to be looked up.",
        "My search is for {what}.",
    ),
    "get_addons": (
        "I check the options for {what}.",
        "Can {what} be had?",
        "I look for the choice of {what}.",
        "Which options cover {what}?",
        "I search the options for {what}.",
        "I need to know about {what}.",
        "The options should cover {what}.",
        "I query the options with {what}.",
        "{what} must be among the options.",
        "I see what there is for {what}.",
    ),
    "add_order_item": (
        "I add {what}.",
        "{what} goes on the order.",
        "I put {what} on the order.",
        "Now I order {what}.",
        "The order gets {what}.",
        "Time to add {what}.",
        "I enter {what}.",
        "That makes {what} for the order.",
        "I write down {what}.",
        "I can add {what} now.",
    ),
    "update_order": (
        "I set {what} for the order.",
        "The whole order becomes {what}.",
        "The order is to be {what}.",
        "I change the order to {what}.",
        "{what} holds for all of it.",
        "I note {what} on the order.",
        "The order gets {what}.",
        "I make the order {what}.",
    ),
    "update_order_item": (
        "I set {what} for the item.",
        "The item gets {what}.",
        "I change the item to {what}.",
        "{what} goes into the item.",
        "I add {what} to it.",
        "The drink shall be with {what}.",
        "I note {what} for this item.",
        "I update the item with {what}.",
    ),
    "get_order_details": (
        "I read the order out before I send it.",
        "I fetch the order for a check.",
        "Before sending I want to see the order.",
        "Let me show the order.",
        "I get the whole order.",
        "The user should see the order first.",
        "I look at the order as it stands.",
        "A check of the order comes next.",
        "I pull up the order.",
        "Now I view the order.",
    ),
    "finish_order": (
        "I send the order.",
        "I can finish the order.",
        "The order can go to the bar.",
        "I place the order for good.",
        "Nothing is left to change, so I finish.",
        "Off it goes to the counter.",
        "I close the order.",
        "I let the bar make it.",
        "The order is ready to be sent.",
        "I make the order final.",
    ),
    "show_menu": (
        "I put the menu on the screen.",
        "I show the menu.",
        "They should see the menu.",
        "The menu will help.",
        "I bring up the menu.",
        "A look at the menu is best.",
        "The display shall show the menu.",
        "I open the menu for them.",
    ),
}
REPLIES: dict[str, tuple[str, ...]] = {
    "details": (
        "I ask whether it is right.",
        "The user has to confirm it.",
        "I want their word before sending.",
        "They should check it.",
        "I ask them to look it over.",
        "Their yes is needed.",
        "I let them confirm.",
        "I check that all is correct.",
        "Is that what they meant? I ask.",
        "I wait for their approval.",
    ),
    "finished": (
        "I say that it comes soon.",
        "I tell them where to get it.",
        "I close with a word on pick-up.",
        "They only have to wait.",
        "I let them know.",
        "I confirm and close.",
        "A friendly last word.",
        "I tell them it is being made.",
        "Nothing else is open.",
        "I finish with thanks.",
    ),
    "missing": (
        "I say so and ask for another wish.",
        "I have to tell them.",
        "I regret and offer something else.",
        "I let them choose again.",
        "They may want something else.",
        "I say that we lack it.",
        "I decline and offer help.",
        "I tell them it cannot be had.",
    ),
    "found": (
        "I tell them what there is.",
        "I answer from that.",
        "I pass it on.",
        "I put it into words.",
        "That is my answer.",
        "I let them know.",
        "I offer what was found.",
        "I say what we have.",
    ),
    "options": (
        "I list them.",
        "I tell them what can be had.",
        "I answer with the choice.",
        "I name what there is.",
        "I read them out.",
        "They can pick one.",
    ),
    "shown": (
        "I point to it.",
        "I invite them to choose.",
        "I let them pick.",
        "I wait for their choice.",
        "I ask what they would like.",
        "They can choose from it.",
    ),
    "": (
        "No tool can help with that.",
        "I answer without a tool.",
        "There is nothing to look up.",
        "This calls for words only.",
        "I lead back to the bar.",
        "I reply and offer a drink.",
        "I can only serve drinks.",
        "I stay with what the bar does.",
    ),
}
_KINDS = {
    "get_menu_items": "found",
    "get_addons": "options",
    "add_order_item": "added",
    "update_order": "updated",
    "update_order_item": "updated",
    "get_order_details": "details",
    "finish_order": "finished",
    "show_menu": "shown",
}


def result(tool: str, given: Mapping[str, Any]) -> str:
    """The kind of a result, a key of `SEEN`: `found`, `missing`, `options`, ..."""
    empty = tool == "get_menu_items" and not given["menu_items"]
    return "missing" if empty else _KINDS[tool]


def observed(tool: str, given: Mapping[str, Any], names: Mapping[str, str], key: Key) -> str:
    """What a call brought; `names` are what ids stand for."""
    kind = result(tool, given)
    return _filled(SEEN[kind], (*key, kind), _content(kind, given, names))


def calling(tool: str, arguments: Mapping[str, Any], names: Mapping[str, str], key: Key) -> str:
    """Why a call is made; `names` are what ids stand for."""
    return _filled(CALLS[tool], (*key, tool), _wish(arguments, names))


def replying(kind: str, key: Key) -> str:
    """What a reply is for; `kind` is that of the result it follows, empty where none does."""
    return phrase(REPLIES.get(kind, REPLIES["found"]), *key, "reply", kind)


def _content(kind: str, given: Mapping[str, Any], names: Mapping[str, str]) -> str:
    if kind == "found":
        return listed([item["name"] for item in given["menu_items"]][:3])
    if kind == "options":
        return listed([entry.get("attribute_name") or entry["name"] for entry in entries(given)][:3])
    if kind == "details":
        return listed([_drink(item, names) for item in given["menu_items"]])
    return ""


def _wish(arguments: Mapping[str, Any], names: Mapping[str, str]) -> str:
    if "query" in arguments:
        return listed(arguments["query"].split(" OR "))
    return _drink(arguments, names) if "menu_item_id" in arguments else listed(_chosen(arguments, names) or [""])


def _drink(item: Mapping[str, Any], names: Mapping[str, str]) -> str:
    extra = _chosen(item, names)
    drink = f"{item['quantity']} {names.get(item['menu_item_id'], item['menu_item_id'])}"
    return f"{drink} with {listed(extra)}" if extra else drink


def _chosen(item: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    options = [entry["option"] for entry in item.get("attributes", ())]
    return [*options, *(names.get(entry["addon_id"], entry["addon_id"]) for entry in item.get("addons", ()))]


def entries(given: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Attributes and add-ons of a result in one list."""
    return [*given.get("attributes", ()), *given.get("addons", ())]


def _filled(options: Sequence[str], key: Key, what: str) -> str:
    text = phrase(options, *key).format(what=what)
    return text[:1].upper() + text[1:]
