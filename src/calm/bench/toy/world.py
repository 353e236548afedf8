"""Five tools that really answer, and a user who may have one more wish."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from calm.bench import Task
from calm.conversation import Assistant, Call, Conversation, Message, Observation, Step, Tool, User
from calm.files import dumps

HOURS = {
    "museum": {"Saturday": 10, "Sunday": 12},
    "library": {"Saturday": 9, "Sunday": 13},
    "market": {"Saturday": 6, "Sunday": 8},
    "pool": {"Saturday": 7, "Sunday": 11},
}
WORDS = {"bread": "pain", "cheese": "fromage", "water": "eau", "apple": "pomme"}


def _tool(name: str, description: str, **properties: dict[str, Any]) -> Tool:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return Tool(name=name, description=description, parameters=parameters)


_NUMBER, _WHOLE = {"type": "number"}, {"type": "integer"}
TOOLS = (
    _tool(
        "set_alarm",
        "Set an alarm on the 24-hour clock.",
        hour={"type": "integer", "minimum": 0, "maximum": 23},
        minute={"type": "integer", "minimum": 0, "maximum": 59},
    ),
    _tool(
        "opening_hour",
        "The hour at which a place opens.",
        place={"type": "string", "enum": list(HOURS)},
        day={"type": "string", "enum": ["Saturday", "Sunday"]},
    ),
    _tool("kilometres", "Convert miles to kilometres.", miles=_NUMBER),
    _tool("multiply", "The product of two whole numbers.", a=_WHOLE, b=_WHOLE),
    _tool("french", "The French word for an English word.", word={"type": "string"}),
)

ACTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "set_alarm": lambda hour, minute: {"alarm": f"{hour:02d}:{minute:02d}"},
    "opening_hour": lambda place, day: {"opens": HOURS[place][day]},
    "kilometres": lambda miles: {"kilometres": round(miles * 1.609344, 3)},
    "multiply": lambda a, b: {"product": int(a) * int(b)},
    "french": lambda word: {"french": WORDS[word]},
}


def act(call: Call) -> str:
    """The observation of a call as JSON; what cannot be done is an `error`, for the model to read."""
    if call.name not in ACTIONS:
        return dumps({"error": f"no function {call.name}"})
    try:
        return dumps(ACTIONS[call.name](**call.arguments))
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        return dumps({"error": f"{type(error).__name__}: {error}"})


class ToyWorld:
    """Answers calls with observations and a reply with the user's next turn, or with silence after the last."""

    def __init__(self, task: Task) -> None:
        self._turns = json.loads(dumps(task.gold))["turns"]

    def __call__(self, conversation: Conversation, step: Step) -> Sequence[Message]:
        """Observations in the order of the calls; else the next user turn; else nothing."""
        if isinstance(step, Assistant) and step.calls:
            return [Observation(content=act(call), call=call.id, name=call.name) for call in step.calls]
        said = sum(isinstance(message, User) for message in conversation.messages)
        return [User(content=turn["user"]) for turn in self._turns[said : said + 1]]
