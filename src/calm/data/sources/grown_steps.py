"""Requests that take several steps, played on the office of `grown_desk`: every observation was computed there."""

from random import Random
from typing import Any

from calm.conversation import Conversation
from calm.data.sources import grown_lists as lists
from calm.data.sources import grown_people
from calm.data.sources import grown_words as words
from calm.data.sources.grown_desk import PLACES, RATES, goods
from calm.data.sources.grown_plans import plan
from calm.data.sources.grown_scene import Scene, some_day
from calm.data.vary_words import Key


def played(rng: Random, key: Key) -> Conversation:
    """One conversation of a kind drawn by `rng`."""
    scene = Scene(rng, key)
    rng.choice(SCENES)(scene)
    return scene.conversation()


# --- the shop and the rooms ------------------------------------------------------------------------------------------


def _order(scene: Scene) -> None:
    product, count = scene.rng.choice(lists.PRODUCTS), scene.rng.randint(1, 9)
    kind = scene.rng.choice(("basic", "premium", "cheapest"))
    asks = scene.rng.random() < 0.3
    known = {"product": product, "kind": kind} | ({} if asks else {"quantity": count})
    wishes = (
        "Order the {kind} {product}.",
        "I'd like to buy the {kind} {product}.",
        "Please get me the {kind} {product}.",
    )
    counted = (
        "Order the {kind} {product}, {quantity} of them.",
        "I need {quantity} pieces of the {kind} {product}. Please order.",
        "Buy the {kind} {product}. Quantity: {quantity}.",
        "Please place an order for {quantity} of the {kind} {product}.",
        "Get me the {kind} {product}, number of pieces: {quantity}.",
    )
    scene.user(wishes if asks else counted, **known)
    if asks:
        _asked(scene, "quantity", "place_order", ("{quantity}, please.", "I need {quantity}.", "{quantity}."), count)
    query = {"query": product}
    (found,) = scene.act(scene.first("the product number", "find_products"), ("find_products", query))
    rows = found["products"]
    row = (
        min(rows, key=lambda r: r["price"])
        if kind == "cheapest"
        else next(r for r in rows if r["name"].startswith(kind))
    )
    wanted = {"product_id": row["product_id"], "quantity": count}
    thought = scene.then("the product number", row["product_id"], "place_order")
    (answer,) = scene.act(thought, ("place_order", wanted))
    if "error" not in answer:
        _ordered(scene, row["name"], count, answer)
        return
    thought = scene.think(words.REFUSED, words.ADAPT, tool="place_order", why=answer["error"])
    left = answer["stock"]
    short = ("There are only {left} left. Would you like those?", "Only {left} are in stock. Shall I order {left}?")
    none = ("Sorry, the {name} is sold out.", "The {name} is out of stock at the moment.")
    scene.say(thought, *(short if left else none), left=left, name=row["name"])
    if left and scene.rng.random() < 0.6:
        scene.user(("Then take {quantity}.", "Yes, {quantity} will do.", "OK, order {quantity}."), quantity=left)
        thought = scene.then("the quantity", left, "place_order")
        (answer,) = scene.act(thought, ("place_order", {**wanted, "quantity": left}))
        _ordered(scene, row["name"], left, answer)


def _ordered(scene: Scene, name: str, count: int, answer: dict[str, Any]) -> None:
    scene.say(
        scene.done(),
        "Ordered: {count} x {name} for {total} in all, order {order_id}.",
        "Your order {order_id} over {total} is placed.",
        "Done. {count} x {name} comes to {total}; the order number is {order_id}.",
        "I placed order {order_id}: {count} x {name}, total {total}.",
        name=name,
        count=count,
        **answer,
    )


def _asked(scene: Scene, name: str, tool: str, replies: tuple[str, ...], value: Any, **fill: Any) -> None:
    """The assistant asks for one thing, the user gives it."""
    given = " and ".join(f"{slot} {value}" for slot, value in scene.known.items())
    thought = scene.think(words.HAVE, words.MISSING, (" ",), words.SO_ASK, args=given, tool=tool, label=name)
    label = "starting time" if name == "time" else name
    scene.say(thought, *(q for q in words.QUESTION if "{deed}" not in q), label=label)
    scene.user(replies, **{name: value}, **fill)


def _price(scene: Scene) -> None:
    row, target = scene.rng.choice(goods()), scene.rng.choice([code for code in RATES if code != "USD"])
    scene.user(
        (
            "What does the {product} cost in {target}? The shop's prices are in USD.",
            "The shop has its prices in USD. How much is the {product} in {target}?",
            "Give me the price of the {product} in {target} (the shop counts in USD).",
            "How many {target} is the {product}, given that prices are in USD?",
        ),
        product=row["name"],
        target=target,
    )
    (found,) = scene.act(scene.first("the price", "find_products"), ("find_products", {"query": row["name"]}))
    price = found["products"][0]["price"]
    wanted = {"amount": price, "source": "USD", "target": target}
    (answer,) = scene.act(scene.then("the price in USD", price, "convert_money"), ("convert_money", wanted))
    scene.say(
        scene.done(),
        "The {product} costs {price} USD, which is {amount} {currency}.",
        "It is {amount} {currency}.",
        "{price} USD, so {amount} {currency}.",
        "In {currency} the {product} is {amount}.",
        product=row["name"],
        price=price,
        **answer,
    )


def _room(scene: Scene) -> None:
    day, people = some_day(scene.rng), scene.rng.randint(3, 16)
    hour = f"{scene.rng.randint(8, 17):02}:{scene.rng.choice(('00', '30'))}"
    asks = scene.rng.random() < 0.4
    wishes = (
        "Book a meeting room for {people} people on {_said}{_at}.",
        "We are {people} and need a room on {_said}{_at}.",
        "I need a meeting room on {_said}{_at} for {people} people.",
        "Get us a room for {people} on {_said}{_at}, any will do.",
        "Please reserve a room for {people} people{_at} on {_said}.",
    )
    known = {"people": people, "day": day[0]} | ({} if asks else {"time": hour})
    scene.user(wishes, **known, _said=day[1], _at="" if asks else f" at {hour}")
    if asks:
        _asked(scene, "time", "book_room", ("At {time}.", "{time}, please.", "It starts at {time}.", "{time}."), hour)
    wanted = {"day": day[0], "people": people}
    (found,) = scene.act(scene.first("a room that is free", "free_rooms"), ("free_rooms", wanted))
    room = found["rooms"][0]
    booking = {"room": room["room"], "day": day[0], "time": hour}
    scene.act(scene.then("a free room", room["room"], "book_room"), ("book_room", booking))
    scene.say(
        scene.done(),
        "{room} is booked for {day} at {time}; it has {seats} seats.",
        "I booked {room} on {day}, {time}.",
        "Your room is {room} ({seats} seats), {day} at {time}.",
        "Done: {room}, {day}, {time}.",
        seats=room["seats"],
        **booking,
    )


# --- days, ways and numbers ------------------------------------------------------------------------------------------


def _weekday_after(scene: Scene) -> None:
    day, days = some_day(scene.rng), scene.rng.randint(9, 400)
    scene.user(
        (
            "On which weekday does day {days} after {_said} fall?",
            "What day of the week is it {days} days after {_said}?",
            "The bill of {_said} is due after {days} days. Which weekday is that?",
            "Which weekday will it be {days} days from {_said}?",
            "Count {days} days from {_said} and tell me the weekday.",
        ),
        day=day[0],
        days=days,
        _said=day[1],
    )
    (later,) = scene.act(scene.first("the date", "add_days"), ("add_days", {"day": day[0], "days": days}))
    (answer,) = scene.act(scene.then("the date", later["day"], "weekday"), ("weekday", {"day": later["day"]}))
    scene.say(
        scene.done(),
        "It's a {weekday}: {day}.",
        "{day} is a {weekday}.",
        "That is {weekday}, {day}.",
        "A {weekday}, namely {day}.",
        **answer,
    )


def _trip(scene: Scene) -> None:
    origin, destination = scene.rng.sample(list(PLACES), 2)
    speed = scene.rng.choice((60, 80, 90, 100, 120, 250, 300, 800))
    scene.user(
        (
            "How long is the way from {origin} to {destination} at {speed} km/h, as the crow flies?",
            "If I could go straight from {origin} to {destination} at {speed} km/h, how long would it take?",
            "Flying in a line from {origin} to {destination} at {speed} km/h: how many hours?",
            "At {speed} km/h, how long does the direct line from {origin} to {destination} take?",
        ),
        origin=origin,
        destination=destination,
        speed=speed,
    )
    cities = {"origin": origin, "destination": destination}
    (way,) = scene.act(scene.first("the distance", "distance"), ("distance", cities))
    wanted = {"km": way["km"], "speed": speed}
    (answer,) = scene.act(scene.then("the distance in km", way["km"], "travel_time"), ("travel_time", wanted))
    scene.say(
        scene.done(),
        "{km} km take {hours} hours and {minutes} minutes.",
        "About {hours} h {minutes} min for {km} km.",
        "It would take {hours} hours and {minutes} minutes.",
        "{hours} hours {minutes} minutes, for {km} km.",
        km=way["km"],
        **answer,
    )


def _distances(scene: Scene) -> None:
    origin, *ends = scene.rng.sample(list(PLACES), 3)
    scene.user(
        (
            "Which is closer to {origin}: {one} or {other}?",
            "Is {one} or {other} nearer to {origin}?",
            "From {origin}, is it further to {one} or to {other}?",
            "Compare the distance from {origin} to {one} and to {other}.",
        ),
        origin=origin,
        one=ends[0],
        other=ends[1],
    )
    thought = plan([("distance", [("origin", origin), ("destination", end)]) for end in ends], scene.key)
    rows = scene.act(thought, *[("distance", {"origin": origin, "destination": end}) for end in ends])
    (near, close), (far, more) = sorted(((row["km"], end) for row, end in zip(rows, ends, strict=True)))
    scene.say(
        scene.done(),
        "{close} is closer: {near} km, against {far} km to {more}.",
        "It's {near} km to {close} and {far} km to {more}.",
        "{more} is further away, {far} km; {close} is {near} km from {origin}.",
        close=close,
        more=more,
        near=near,
        far=far,
        origin=origin,
    )


def _until(scene: Scene) -> None:
    first, last = sorted((some_day(scene.rng), some_day(scene.rng)))
    scene.user(
        (
            "How many days are there from {_one} to {_other}?",
            "Count the days between {_one} and {_other}.",
            "{_one} until {_other}: how many days?",
            "How many days lie between {_one} and {_other}?",
        ),
        first=first[0],
        last=last[0],
        _one=first[1],
        _other=last[1],
    )
    wanted = {"first": first[0], "last": last[0]}
    (answer,) = scene.act(scene.at_once("count the days", "days_between", first[0], last[0]), ("days_between", wanted))
    scene.say(scene.done(), "{days} days.", "There are {days} days in between.", "It's {days} days.", **answer)


def _numbers(scene: Scene) -> None:
    numbers = [scene.rng.randint(1, 99) for _ in range(scene.rng.randint(4, 9))]
    field = scene.rng.choice(("mean", "median", "smallest", "largest"))
    asked = {"mean": "average", "median": "median", "smallest": "smallest value", "largest": "largest value"}[field]
    scene.user(
        (
            "What is the {_asked} of {_said}?",
            "Give me the {_asked} of these numbers: {_said}.",
            "{_said}. What's the {_asked}?",
            "Work out the {_asked} for {_said}, please.",
            "I have {_said}. Tell me the {_asked}.",
        ),
        numbers=numbers,
        _said=", ".join(map(str, numbers)),
        _asked=asked,
    )
    thought = scene.at_once(f"work out the {asked}", "summarize_numbers", f"{len(numbers)} numbers")
    (answer,) = scene.act(thought, ("summarize_numbers", {"numbers": numbers}))
    scene.say(
        scene.done(),
        "The {asked} is {value}.",
        "It's {value}.",
        "{value}.",
        "That gives {value}.",
        asked=asked,
        value=answer[field],
    )


def _share(scene: Scene) -> None:
    whole = scene.rng.randint(50, 5000)
    part = scene.rng.randint(1, whole)
    scene.user(
        (
            "{part} of {whole} people answered. What percentage is that?",
            "How many percent of {whole} is {part}?",
            "What share is {part} out of {whole}, in percent?",
            "{part} out of {whole}, what's that in percent?",
        ),
        part=part,
        whole=whole,
    )
    thought = scene.at_once("work out a share", "percentage", f"part {part}", f"whole {whole}")
    (answer,) = scene.act(thought, ("percentage", {"part": part, "whole": whole}))
    scene.say(scene.done(), "That is {percent} %.", "{percent} percent.", "It comes to {percent} %.", **answer)


SCENES = (
    *grown_people.SCENES,
    _order,
    _order,
    _price,
    _room,
    _room,
    _weekday_after,
    _trip,
    _distances,
    _until,
    _numbers,
    _share,
)
