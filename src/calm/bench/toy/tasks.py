"""The 24 tasks, made by rule from small tables, so that nobody has to fetch or license anything."""

from collections.abc import Iterator
from typing import Any

from calm.bench import Task
from calm.bench.toy.world import HOURS, TOOLS
from calm.conversation import Assistant, Call, Conversation, Step, System, Tool, User, by_name

Turn = dict[str, Any]
SYSTEM = System(
    content="You help with alarms, opening hours, distances, sums and French words. Call a function when one fits."
)
ALL = tuple(by_name(TOOLS))


def _call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def _alarm(hour: int, minute: int) -> Turn:
    return {"user": f"Set an alarm for {hour:02}:{minute:02}.", "calls": [_call("set_alarm", hour=hour, minute=minute)]}


def _hours(place: str, day: str) -> Turn:
    asked = f"At what hour does the {place} open on {day}?"
    return {"user": asked, "calls": [_call("opening_hour", place=place, day=day)]}


def _miles(miles: int) -> Turn:
    return {"user": f"How many kilometres are {miles} miles?", "calls": [_call("kilometres", miles=miles)]}


def _product(a: int, b: int) -> Turn:
    return {"user": f"What is {a} times {b}?", "calls": [_call("multiply", a=a, b=b)]}


def _words(*words: str) -> Turn:
    asked = " and ".join(f"'{word}'" for word in words)
    return {"user": f"What is {asked} in French?", "calls": [_call("french", word=word) for word in words]}


def _both(first: Turn, second: Turn) -> Turn:
    return {"user": f"{first['user']} And also: {second['user']}", "calls": first["calls"] + second["calls"]}


def _then_alarm(place: str, day: str) -> list[Turn]:
    hour = HOURS[place][day]
    ask = f"Set an alarm for exactly that hour on {day}."
    return [_hours(place, day), {"user": ask, "calls": [_call("set_alarm", hour=hour, minute=0)]}]


def _only(turn: Turn) -> tuple[str, ...]:
    return tuple(call["name"] for call in turn["calls"])[:1]


def _plans() -> Iterator[tuple[str, list[Turn], tuple[str, ...]]]:
    """Category, turns, and names of the tools offered."""
    singles = [_alarm(7, 30), _alarm(18, 5), _hours("museum", "Sunday"), _miles(26), _product(17, 23), _words("bread")]
    yield from (("simple", [turn], _only(turn)) for turn in singles)
    choices = [_alarm(6, 45), _hours("library", "Saturday"), _miles(9), _product(12, 144), _words("cheese")]
    yield from (("choice", [turn], ALL) for turn in choices)
    pairs = [_both(_alarm(8, 0), _alarm(9, 15)), _both(_miles(3), _product(6, 7)), _words("water", "apple")]
    pairs += [_both(_hours("market", "Saturday"), _hours("pool", "Sunday")), _both(_words("bread"), _alarm(12, 0))]
    yield from (("parallel", [turn], ALL) for turn in pairs)
    idle = [
        "Thank you, that is all.",
        "Who wrote 'Moby-Dick'?",
        "I feel a bit tired today.",
        "Please book me a flight to Oslo.",
    ]
    yield from (("irrelevance", [{"user": said, "calls": []}], ALL) for said in idle)
    visits = [("museum", "Saturday"), ("library", "Sunday"), ("market", "Sunday"), ("pool", "Saturday")]
    yield from (("two_turn", _then_alarm(place, day), ALL) for place, day in visits)


def tasks() -> Iterator[Task]:
    """All tasks; `gold` holds the turns, each with what the user says and the calls that are right."""
    tools, counts = by_name(TOOLS), dict[str, int]()
    for category, turns, names in _plans():
        place = counts[category] = counts.get(category, -1) + 1
        yield _task(f"{category}_{place}", category, turns, tuple(tools[name] for name in names))


def _task(name: str, category: str, turns: list[Turn], tools: tuple[Tool, ...]) -> Task:
    messages = (SYSTEM, User(content=turns[0]["user"]))
    start = Conversation(id=name, tools=tools, messages=messages, origin="toy")
    return Task(id=name, category=category, start=start, gold={"turns": turns})


def turns_of(task: Task) -> list[Turn]:
    """The turns behind a task."""
    gold: Any = task.gold
    return gold["turns"]


def gold(task: Task) -> Iterator[Step]:
    """What a perfect model says: per turn its calls, where there are any, then a reply."""
    for turn in turns_of(task):
        if turn["calls"]:
            yield Assistant(calls=tuple(Call(id=f"call_{i}", **call) for i, call in enumerate(turn["calls"])))
        yield Assistant(text="Done." if turn["calls"] else "I have no function for that.")
