"""Requests about the people of the office: mails, vacation, orders, where they work."""

from calm.data.sources import grown_lists as lists
from calm.data.sources import grown_words as words
from calm.data.sources.grown_desk import orders, staff
from calm.data.sources.grown_scene import Scene, some_day


def _name(scene: Scene) -> str:
    return scene.rng.choice(list(staff()))


def _mail(scene: Scene) -> None:
    name, text = _name(scene), scene.rng.choice(lists.SENTENCES)
    scene.user(
        (
            "Email {name} this: {text}",
            "Write to {name}: '{text}'",
            "Please send {name} an email that says: {text}",
            "{name} should get an email from me: {text}",
            "Could you mail {name} the following? {text}",
            'Let {name} know by email: "{text}"',
            "Send a mail to {name}. Text: {text}",
        ),
        name=name,
        text=text,
    )
    (row,) = scene.act(scene.first("the email address", "find_person"), ("find_person", {"name": name}))
    thought = scene.then("the email address", row["email"], "send_email")
    (sent,) = scene.act(thought, ("send_email", {"to": row["email"], "text": text}))
    scene.say(
        scene.done(),
        "Done, I sent it to {email}.",
        "Your email to {name} is on its way.",
        "Sent to {email} as message {message_id}.",
        "I have written to {name} at {email}.",
        "{name} has your email now ({message_id}).",
        name=name,
        email=row["email"],
        message_id=sent["message_id"],
    )


def _nobody(scene: Scene) -> None:
    name = f"{scene.rng.choice(lists.LAST)} {scene.rng.choice(lists.LAST)}"
    scene.user(
        (
            "What is the phone number of {name}?",
            "Can you find {name} in the directory?",
            "In which team is {name}?",
            "I need the email address of {name}.",
            "Where does {name} work?",
            "Look up {name} for me, please.",
        ),
        name=name,
    )
    (answer,) = scene.act(
        scene.at_once("find somebody in the directory", "find_person", f"the name {name}"),
        ("find_person", {"name": name}),
    )
    thought = scene.think(words.REFUSED, words.ADAPT, tool="find_person", why=answer["error"])
    scene.say(
        thought,
        "I can't find {name} in the directory. Could the name be spelled differently?",
        "There is nobody called {name} in the directory. Is the name right?",
        "The directory has no {name}. Could you check the spelling?",
        "No entry for {name}, I'm afraid. Do you have another name?",
        name=name,
    )


def _contact(scene: Scene) -> None:
    name, field = _name(scene), scene.rng.choice(("email", "phone", "team", "city"))
    asked = {"email": "email address", "phone": "phone number", "team": "team", "city": "city"}[field]
    scene.user(
        (
            "What is the {_asked} of {name}?",
            "Which {_asked} does {name} have in the directory?",
            "Find the {_asked} of {name}, please.",
            "I need {name}'s {_asked}.",
            "Do you know {name}'s {_asked}?",
            "Look up the {_asked} for {name}.",
        ),
        name=name,
        _asked=asked,
    )
    (row,) = scene.act(
        scene.at_once(f"find a colleague's {asked}", "find_person", f"the name {name}"), ("find_person", {"name": name})
    )
    scene.say(
        scene.done(),
        "The {asked} of {name} is {value}.",
        "It's {value}.",
        "{name}: {value}.",
        "{value} is the {asked} of {name}.",
        "According to the directory it is {value}.",
        name=name,
        asked=asked,
        value=row[field],
    )


def _vacation(scene: Scene) -> None:
    name = _name(scene)
    scene.user(
        (
            "How many days of vacation does {name} have left?",
            "Can {name} still take vacation? How many days?",
            "Please check the remaining vacation of {name}.",
            "What is left of {name}'s vacation?",
            "Tell me how much vacation {name} still has.",
            "Vacation days left for {name}?",
        ),
        name=name,
    )
    (row,) = scene.act(scene.first("the employee number", "find_person"), ("find_person", {"name": name}))
    number = row["employee_id"]
    (left,) = scene.act(
        scene.then("the employee number", number, "vacation_days"), ("vacation_days", {"employee_id": number})
    )
    scene.say(
        scene.done(),
        "{name} has {days} days left.",
        "There are {days} days left for {name}.",
        "{days} days remain.",
        "{name} can still take {days} days.",
        "The balance of {name} is {days} days.",
        name=name,
        days=left["days_left"],
    )


def _take_vacation(scene: Scene) -> None:
    name, days, first_day = _name(scene), scene.rng.randint(2, 12), some_day(scene.rng)
    scene.user(
        (
            "Request {days} days of vacation for {name} from {_said}.",
            "{name} wants to take {days} days off starting {_said}.",
            "Please enter vacation for {name}: {days} days from {_said}.",
            "Put {name} down for {days} days of vacation from {_said}.",
            "From {_said} {name} would like {days} days of vacation.",
        ),
        name=name,
        days=days,
        first_day=first_day[0],
        _said=first_day[1],
    )
    (row,) = scene.act(scene.first("the employee number", "find_person"), ("find_person", {"name": name}))
    number = row["employee_id"]
    wanted = {"employee_id": number, "first_day": first_day[0], "days": days}
    (answer,) = scene.act(scene.then("the employee number", number, "request_vacation"), ("request_vacation", wanted))
    if "error" in answer:
        thought = scene.think(words.REFUSED, words.ADAPT, tool="request_vacation", why=answer["error"])
        scene.say(
            thought,
            "{name} has only {left} days left, so I could not request {days}. Should I request fewer?",
            "That was refused: {left} days are left for {name}. Would fewer days do?",
            "It didn't work, as only {left} of the {days} days are available. What shall I do?",
            name=name,
            days=days,
            left=answer["days_left"],
        )
        return
    scene.say(
        scene.done(),
        "Requested: {days} days for {name} from {day}. {left} days are left.",
        "{name}'s vacation from {day} is requested; {left} days remain.",
        "The request for {days} days from {day} is in. After that {name} has {left} days left.",
        name=name,
        days=days,
        day=first_day[0],
        left=answer["days_left"],
    )


def _orders(scene: Scene) -> None:
    email = scene.rng.choice(sorted({row["email"] for row in orders().values()}))
    name = next(person for person, row in staff().items() if row["email"] == email)
    scene.user(
        (
            "Where is {name}'s order?",
            "Has the order of {name} been shipped yet?",
            "Check how far {name}'s order is, please.",
            "What is the status of the order that {name} placed?",
            "{name} asks about their order. What's its status?",
        ),
        name=name,
    )
    (row,) = scene.act(scene.first("the email address", "find_person"), ("find_person", {"name": name}))
    (found,) = scene.act(
        scene.then("the email address", row["email"], "find_orders"), ("find_orders", {"email": row["email"]})
    )
    order = found["orders"][0]
    (state,) = scene.act(
        scene.then("the order number", order["order_id"], "track_order"),
        ("track_order", {"order_id": order["order_id"]}),
    )
    scene.say(
        scene.done(),
        "Order {order_id} ({product}) of {name} is {status}.",
        "The {product} ordered by {name} is {status}.",
        "It's {status}: order {order_id}, {product}.",
        "{name}'s order {order_id} has the status {status}.",
        name=name,
        status=state["status"],
        **order,
    )


def _apart(scene: Scene) -> None:
    one, other = scene.rng.sample(list(staff()), 2)
    scene.user(
        (
            "How far apart are the offices of {name} and {other}?",
            "How many kilometres are between {name}'s city and {other}'s?",
            "What is the distance between where {name} works and where {other} works?",
            "{name} wants to visit {other}. How far is it from city to city?",
            "How far is it from {name}'s city to that of {other}?",
        ),
        name=one,
        other=other,
    )
    thought = scene.first("the city of each", "find_person")
    first, second = scene.act(thought, ("find_person", {"name": one}), ("find_person", {"name": other}))
    cities = {"origin": first["city"], "destination": second["city"]}
    (answer,) = scene.act(scene.then("the route", " - ".join(cities.values()), "distance"), ("distance", cities))
    scene.say(
        scene.done(),
        "It is {km} km from {origin} to {destination}.",
        "{origin} and {destination} are {km} km apart.",
        "As the crow flies it's {km} km, from {origin} to {destination}.",
        "About {km} km: {origin} to {destination}.",
        km=answer["km"],
        **cities,
    )


SCENES = (_mail, _mail, _nobody, _contact, _vacation, _take_vacation, _orders, _apart)
