"""The stage for requests that take several steps: what is said, what is known, and the office that answers calls."""

import json
from random import Random
from typing import Any

from calm.conversation import Call, Conversation, State, Tool
from calm.data import bucket, phrase
from calm.data.sources import grown_lists as lists
from calm.data.sources import grown_words as words
from calm.data.sources.grown_desk import fresh
from calm.data.sources.grown_speech import finished
from calm.data.sources.wire import Talk
from calm.data.vary_words import Key


class Scene:
    """A conversation being played: what is said, what is known, and the desk that answers calls."""

    def __init__(self, rng: Random, key: Key) -> None:
        self.rng, self.key, self.desk = rng, key, fresh()
        self.talk = Talk(())
        self.used: dict[str, None] = {}
        self.known: State = {}

    def user(self, options: tuple[str, ...], **slots: Any) -> None:
        """The user says one of the options; `slots` fill it and become known, those with an underscore only fill it."""
        self.known |= {name: value for name, value in slots.items() if not name.startswith("_")}
        text = self.rng.choice(options).format(**slots)
        self.talk.user(text if self.talk.messages else finished(text, "", self.rng), dict(self.known))

    def act(self, thought: str, *wanted: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """The assistant calls, the desk answers."""
        calls = [Call(name=name, arguments=arguments) for name, arguments in wanted]
        self.used |= dict.fromkeys(call.name for call in calls)
        self.talk.act(thought, calls)
        answers = [self.desk.run(call) for call in calls]
        self.talk.observe(answers)
        return [json.loads(answer) for answer in answers]

    def say(self, thought: str, *options: str, **values: Any) -> None:
        """The assistant speaks."""
        self.talk.say(thought, self.rng.choice(options).format(**values))

    def think(self, *banks: tuple[str, ...], **values: Any) -> str:
        """A thought mixed from the banks by hash of the row and the place in it."""
        place = len(self.talk.messages)
        text = "".join(phrase(bank, *self.key, place, bank[0]) for bank in banks)
        thing = str(values.get("thing", ""))
        return text.format(**{"Thing": thing[:1].upper() + thing[1:], **values})

    def first(self, thing: str, tool: str) -> str:
        """Why a step comes before what was asked for."""
        return self.think(words.FIRST, words.VIA, thing=thing, tool=tool)

    def then(self, thing: str, value: Any, tool: str) -> str:
        """Why the next step can follow."""
        return self.think(words.NOW, words.PROCEED, thing=thing, value=value, tool=tool)

    def at_once(self, deed: str, tool: str, *names: str) -> str:
        """Why a single step is enough."""
        return self.think(words.AIM, words.FITS, words.KNOWN, deed=deed, tool=tool, args=" and ".join(names))

    def done(self) -> str:
        """That the answer is there."""
        return self.think(words.DONE, words.TELL_IT, tool=list(self.used)[-1])

    def conversation(self) -> Conversation:
        """What was played, over the tools used and a few more of the desk."""
        others = [tool for tool in self.desk.tools if tool.name not in self.used]
        others.sort(key=lambda tool: bucket(*self.key, tool.name))
        tools: list[Tool] = [tool for tool in self.desk.tools if tool.name in self.used]
        tools += others[: self.rng.choice((0, 1, 2, 3, 4, 6))]
        self.talk.tools = tuple(sorted(tools, key=lambda tool: bucket(*self.key, "order", tool.name)))
        return self.talk.conversation(checked="executed")


def some_day(rng: Random) -> tuple[str, str]:
    """A date as the call has it and as a person says it."""
    year, month, day = rng.randint(2024, 2026), rng.randint(1, 12), rng.randint(1, 28)
    name = lists.MONTHS[month - 1]
    iso = f"{year}-{month:02}-{day:02}"
    return iso, rng.choice((iso, f"{day} {name} {year}", f"{name} {day}, {year}"))
