"""The smart home: scenes (named lists of devices) and switches by time. Names count in lower case, without blanks."""

from typing import Any

from calm.bench.api_bank.apis.base import API, Refusal, State, alike, folded, is_named, itself, moment

Devices = list[dict[str, str]]


def _name(text: str) -> str:
    name = folded(text)
    if not name:
        raise Refusal("it needs a name")
    return name


def in_order(value: Any) -> Devices:
    """Devices in the order of their names; Refusal where one has no name or description, or a name comes twice."""
    if not all(is_named(device) and isinstance(device.get("description"), str) for device in value):
        raise Refusal("a device needs a name and a description")
    read = [
        {**device, "name": folded(device["name"]), "description": device["description"].strip()} for device in value
    ]
    if len({device["name"] for device in read}) < len(read):
        raise Refusal("two devices of one name")
    return sorted(read, key=lambda device: device["name"])


def add_scene(state: State, name: str, devices: Any) -> str:
    """A new scene."""
    key, content = _name(name), in_order(devices)
    if key in state["Scenes"]:
        raise Refusal(f"there is a scene {key!r}")
    state["Scenes"][key] = content
    return "success"


def modify_scene(state: State, name: str, devices: Any) -> str:
    """Other devices for a scene."""
    content = in_order(devices)
    state["Scenes"][_scene(state, name)] = content
    return "success"


def query_scene(state: State, name: str) -> Devices:
    """The devices of a scene."""
    return state["Scenes"][_scene(state, name)]


def delete_scene(state: State, name: str) -> str:
    """The scene is gone."""
    del state["Scenes"][_scene(state, name)]
    return "success"


def _scene(state: State, name: str) -> str:
    key = _name(name)
    if key not in state["Scenes"]:
        raise Refusal(f"there is no scene {key!r}")
    return key


def timed_switch(state: State, name: str, time: str, on: bool) -> str:
    """A device, known or not, goes on or off at a time; a second order for that time replaces the first."""
    orders = state["TimeSwitch"].setdefault(_name(name), [])
    when = moment(time)
    orders[:] = [order for order in orders if order["time"] != when] + [{"time": when, "on": on}]
    return "success"


def cancel_timed_switch(state: State, name: str, time: str) -> str:
    """The order for that time is gone."""
    key, when = _name(name), moment(time)
    orders = state["TimeSwitch"].get(key)
    if orders is None:
        raise Refusal(f"there is no device {key!r}")
    order = next((order for order in orders if order["time"] == when), None)
    if order is None:
        raise Refusal(f"nothing ordered for {when}")
    orders.remove(order)
    return "success"


APIS = {
    "AddScene": API("name devices:list", add_scene, alike("exception", name=folded, devices=in_order)),
    "ModifyScene": API("name devices:list", modify_scene, alike(name=folded, devices=in_order)),
    "QueryScene": API("name", query_scene, alike(name=folded)),
    "DeleteScene": API("name", delete_scene, alike(name=folded)),
    "TimedSwitch": API("name time on:bool", timed_switch, alike(name=folded, time=moment, on=itself)),
    "CancelTimedSwitch": API("name time", cancel_timed_switch, alike(name=folded, time=moment)),
}
