"""The CALM lab's offline protocol: each turn afresh on the recorded dialogue, calls and replies as text, eight APIs.

A turn begins with the standing instructions and one user message that holds the recorded dialogue so far; then the
model calls APIs, at most five, and responds. Nothing of its own is seen again in a later turn. The state is what the
calls so far have said. Rules: `ReSpAct`, `multiwoz/` (commit 6dd4de09); README.md lists what differs here.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from calm.agent import Limits, converse
from calm.bench import Task
from calm.bench.multiwoz import offline_api, offline_text, perfect, tasks
from calm.bench.multiwoz.db import Database
from calm.bench.multiwoz.offline_api import APIS, Apis
from calm.bench.multiwoz.perfect import Say
from calm.bench.multiwoz.played import Heard, State, turns
from calm.bench.multiwoz.room import Room
from calm.conversation import Assistant, Call, Conversation, Message, Observation, Step, System, User
from calm.policy import Policy
from calm.policy.scripted import Scripted
from calm.world import World

CALLS = 5
"""Calls that are run in a turn; the output that asks for a further one ends it."""

WRITTEN = {"guest house": "guesthouse"}
"""How the gold model spells a value of the states that the APIs' lists spell otherwise."""

PARAMETERS = {
    name: {key: slot for key in keys.split() for slot in offline_api.filled(name, {key: ""})}
    for name, keys in APIS.items()
}


class Offline(Room):
    """MultiWOZ as the CALM paper most likely ran it: text prompts, recorded history, state from the calls' inputs."""

    protocol = "offline"
    edition = "offline-1"
    about = f"the CALM lab's protocol with instructions in our words, {CALLS} calls a turn, zero-shot"
    limits = Limits(steps=1_000, steps_per_turn=CALLS + 2, garbled=CALLS + 2)
    """None of our own: the protocol's rules end a turn."""

    def tasks(self) -> Iterator[Task]:
        """The 1,000 test dialogues (the paper counts 999), each begun with its first turn."""
        for task in tasks.read(self.folder):
            first = User(content=offline_text.shown(tasks.recorded(task)["users"][:1], ()))
            messages = (System(content=offline_text.SYSTEM), first)
            yield task.model_copy(update={"start": task.start.model_copy(update={"messages": messages, "tools": ()})})

    def speaker(self, policy: Policy) -> Policy:
        """The policy, given one turn at a time, its output read as text."""
        return Afresh(policy)

    def world(self, task: Task) -> World:
        """The APIs, and the recorded dialogue that goes on whatever the model does."""
        gold = tasks.recorded(task)
        return Recited(self.database, gold["users"], gold["replies"])

    def calling(self, task: Task, say: Say) -> Conversation:
        """Calls that say what each turn adds to the state and that book, and words.

        Where a gold state forgets a slot it is set to `any`, which deletes. A gold `dontcare` cannot be said where
        values are listed, so no turn with one can be right.
        """
        outputs: list[str] = []
        for turn in perfect.turns(task, self.held.measures[task.id]):
            gone = {slot: "any" for slot in turn.before if slot not in turn.state}
            made = perfect.calls(turn._replace(state={**turn.state, **gone}), PARAMETERS)
            calls = [(name, {key: WRITTEN.get(value, value) for key, value in g.items()}) for name, g in made.items()]
            outputs += [offline_text.calling(*call) for call in calls]
            outputs.append(offline_text.responding(say(turn.reply, self._told(calls))))
        return converse(Scripted(map(step_of, outputs)), self.world(task), task.start, self.limits)

    def _told(self, calls: Iterable[tuple[str, dict[str, str]]]) -> perfect.Told:
        booked = (call for call in calls if call[0] not in offline_api.TABLES)
        return [(offline_api.domain_of(call[0]), _told(Apis(self.database).run(*call))) for call in booked]

    def heard(self, transcript: Conversation) -> list[Heard]:
        """What was called and said in each turn, read from the text of the model's outputs."""
        found: list[Heard] = []
        state: State = {}
        for turn in turns(transcript):
            made = _made(turn)
            for one, _ in made:
                state |= offline_api.filled(one.name, offline_api.texts(one.arguments or {}))
            reply, kept = offline_text.reply(turn), offline_api.scored(state)
            told = [(offline_api.domain_of(one.name), _told(answer)) for one, answer in made]
            response = self.held.dictionary.placed(reply, told, _domains(kept))
            found.append(Heard(reply, response, kept, told, len(made), sum(not one.sound for one, _ in made)))
        return found


def _domains(state: State) -> list[str]:
    return list(dict.fromkeys(slot.partition("-")[0] for slot in state))


def _made(turn: Sequence[Message]) -> list[tuple[offline_text.Asked, str]]:
    """The calls of a turn that were run, each with its answer."""
    found = []
    for step, answer in pairwise(turn):
        asked = offline_text.asked(offline_text.words(step)) if isinstance(step, Assistant) else None
        if asked and isinstance(answer, Observation):
            found.append((asked, answer.content))
    return found


def _told(answer: str) -> dict[str, str]:
    """What a booking gave: reference, or a taxi's type and phone."""
    result: Any = json.loads(answer)["result"]
    return result if isinstance(result, dict) else {}


# --- who speaks ----------------------------------------------------------------------------------------------------


def step_of(output: str, *, last: bool = False) -> Assistant:
    """An output as a step: its text, and the call in it for the sake of its result; none in the `last` of a turn."""
    asked = None if last else offline_text.asked(output)
    calls = (Call(name=asked.name, arguments={**offline_api.texts(asked.arguments or {})}),) if asked else ()
    return Assistant(text=output, calls=calls)


class Afresh:
    """A policy that is told of one turn only, in plain messages; a local one is given them without tools or grammar."""

    def __init__(self, policy: Policy) -> None:
        self.name = policy.name
        self._policy = policy

    def __call__(self, conversation: Conversation) -> Step:
        """The policy's next output, whatever it is, as text."""
        now = shown(conversation)
        complete = getattr(self._policy, "complete", None)
        if complete is None:
            text = offline_text.words(self._policy(now))
        else:
            text = complete((message.role, offline_text.words(message)) for message in now.messages)
        return step_of(text, last=_calls_now(conversation) >= CALLS)


def shown(conversation: Conversation) -> Conversation:
    """What the model sees: the instructions, then the turn it is in, results as user messages."""
    lead, now = conversation.messages[:1], conversation.messages
    start = max(place for place, message in enumerate(now) if isinstance(message, User))
    plain = tuple(map(_plain, now[start:]))
    return conversation.model_copy(update={"messages": (*lead, *plain)})


def _plain(message: Message) -> Message:
    if isinstance(message, Observation):
        return User(content=message.content)
    return message if isinstance(message, User) else Assistant(text=offline_text.words(message))


def _calls_now(conversation: Conversation) -> int:
    return sum(isinstance(message, Observation) for message in turns(conversation)[-1])


class Recited:
    """The APIs and the recorded dialogue: an answer to a call, or after the last output of a turn the next turn."""

    def __init__(self, database: Database, users: Sequence[str], replies: Sequence[str]) -> None:
        self._apis, self._users, self._replies = Apis(database), users, replies

    def __call__(self, conversation: Conversation, step: Step) -> Sequence[Message]:
        """The answer to the step's call, or the dialogue up to the next user turn; nothing after the last."""
        asked = offline_text.asked(step.text or "") if isinstance(step, Assistant) and step.calls else None
        if asked and isinstance(step, Assistant):
            call = step.calls[0]
            return [Observation(content=self._apis.run(asked.name, asked.arguments), call=call.id, name=call.name)]
        turn = len(turns(conversation)) + 1
        if turn > len(self._users):
            return ()
        return [User(content=offline_text.shown(self._users[:turn], self._replies))]
