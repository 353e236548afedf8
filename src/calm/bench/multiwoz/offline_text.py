"""What the offline protocol writes and reads: standing instructions, the dialogue so far, a model's call or reply.

Layout and labels are those of the CALM lab's harness (`ReSpAct`, `multiwoz/`, commit 6dd4de09): the dialogue so far as
one user message, `Thought:`, `API Name:`, `API Input:`, `API Result:`, `Response:`; a model's output is read as its
`chatbot.py` reads it. That code has no licence, so the sentences of the instructions are ours: the same APIs,
parameters, values and rules as its `eval_prompt_v3_zero_shot`, in other words, and without an example.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from calm.bench.multiwoz.offline_api import APIS, AREAS, DAYS, FINITE, KINDS, PRICES, YES_NO
from calm.conversation import Assistant, Garbled, Message, Observation
from calm.files import dumps

CALL = re.compile(r"API Name: (.*?)API Input: (.*?)API Result:", re.DOTALL)
INPUT, RESPONSE = re.compile(r"\{.*\}", re.DOTALL), re.compile(r"Response: (.*)", re.DOTALL)

SUMMARY = {
    "query_restaurants": "search restaurants",
    "book_restaurant": "reserve a table",
    "query_hotels": "search places to stay",
    "book_hotel": "reserve rooms",
    "query_attractions": "search places to visit",
    "query_trains": "search trains",
    "buy_train_tickets": "buy tickets for a train",
    "book_taxi": "order a taxi",
}
TIME = "a time as hh:mm, like 08:30 or 16:00"
MEANING = {
    "food": "cuisine",
    "people": "how many people",
    "stay": "how many nights",
    "time": TIME,
    "arriveBy": f"latest arrival, {TIME}",
    "leaveAt": f"earliest departure, {TIME}",
    "departure": "where the journey begins",
    "destination": "where the journey ends",
    "trainID": "id of the train",
}


def _meaning(name: str, parameter: str, free: bool) -> str:
    closed: dict[str, tuple[str, ...]] = {"area": AREAS, "pricerange": PRICES, "day": DAYS}
    closed |= {"internet": YES_NO, "parking": YES_NO, "stars": FINITE["hotel"]["stars"]}
    if name == "query_hotels":
        closed["type"] = KINDS
    if parameter in closed:
        return f"one of: {', '.join([*closed[parameter], *(['any'] if free else [])])}"
    if parameter == "type":
        return "one particular kind of place, like park or museum"
    return MEANING.get(parameter, f"{parameter} of the place")


def _described(name: str) -> str:
    free = name.startswith("query")
    listed = ",\n".join(f'    "{key}": "<{_meaning(name, key, free)}>"' for key in APIS[name].split())
    rule = 'Give every parameter; "any" where it does not matter.' if free else 'Give every parameter, never "any".'
    return f"{name}: {SUMMARY[name]}. Input:\n{{\n{listed}\n}}\n{rule}"


SYSTEM = f"""\
You are an assistant who helps people plan a stay in Cambridge: restaurants, hotels, attractions, trains and taxis. \
You talk to the user, and you look things up and book them through APIs.

# How to work
- At each step write a "Thought:" first, in which you decide whether an API is needed.
- If one is needed, go on with "API Name:", "API Input:" and "API Result:", and stop there: the result will be given \
to you. Then think again, and call another API or respond.
- If none is needed, go on with "Response:" and what you say to the user.
- When the user asks for a fact about a place, look it up with an API.
- Use the APIs below and no others; a wish that they cannot fulfil you decline.
- Call one API at a time, with one value for each parameter. For two values make two calls, one after the other.
- Where the user does not care about a parameter, its value is "any".
- When an API finds too much, ask the user for more wishes, unless the user wants you to choose.

# What to write
To call an API:
Thought: <why>
API Name: <one of: {", ".join(APIS)}>
API Input: <a JSON object>
API Result:

To respond:
Thought: <why>
Response: <what you say to the user>

# APIs
""" + "\n\n".join(_described(name) for name in APIS)


def shown(users: Sequence[str], replies: Sequence[str]) -> str:
    """The recorded dialogue up to the user's latest words, as the one message that a turn begins with."""
    said = zip(users, [*replies[: len(users) - 1], ""], strict=True)
    return "".join(
        f"[User]\n{user.strip()}\n[Assistant]\n" + (f"{reply.strip()}\n" if reply else "") for user, reply in said
    )


# --- what a model writes -------------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """The first call in a model's output; `arguments` is None where its input is no JSON object."""

    name: str
    arguments: dict[str, Any] | None

    @property
    def sound(self) -> bool:
        """Whether the original reads it without an error, which there costs the whole dialogue."""
        return self.arguments is not None and all(isinstance(value, str) for value in self.arguments.values())


def asked(output: str) -> Asked | None:
    """The call that an output asks for; nothing where it lacks one of the three labels."""
    found = CALL.search(output)
    return Asked(found[1].strip(), _object(found[2])) if found else None


def _object(text: str) -> dict[str, Any] | None:
    found = INPUT.search(text)
    try:
        return json.loads(found[0], parse_constant=_refuse, parse_float=_finite) if found else None
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _finite(number: str) -> float:
    return float(number) if math.isfinite(float(number)) else _refuse(number)


def calling(name: str, arguments: dict[str, Any]) -> str:
    """The output that asks for a call."""
    return f"Thought: I need an API.\nAPI Name: {name}\nAPI Input: {dumps(arguments)}\nAPI Result:"


def responding(reply: str) -> str:
    """The output that answers the user."""
    return f"Thought: I can respond.\nResponse: {reply}"


def words(message: Message) -> str:
    """The text of a message; of the model's own what it wrote, whatever was read in it."""
    if isinstance(message, Assistant):
        return message.text or ""
    return message.raw if isinstance(message, Garbled) else message.content


def reply(turn: Sequence[Message]) -> str:
    """The reply of a turn: all after the first `Response:` of its outputs and results in a row; nothing without one."""
    log = ""
    for message in turn:
        log += f" {message.content.strip()}\n" if isinstance(message, Observation) else words(message).strip()
    found = RESPONSE.search(log)
    return found[1] if found else ""
