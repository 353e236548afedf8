"""Our own protocol: the agent's own tool format on the recorded dialogue, its state from calls and from its own notes.

In a turn the model may call tools (at most five calls in all), then replies. In later turns it sees the recorded reply
in place of its own, so that the user's words always answer what stands before them; the transcript keeps both.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from calm.agent import Limits, converse
from calm.bench import Task
from calm.bench.multiwoz import lexical, perfect, tasks
from calm.bench.multiwoz.perfect import Say
from calm.bench.multiwoz.played import Heard, turns
from calm.bench.multiwoz.room import Room
from calm.bench.multiwoz.world import (
    APIS,
    CALLS_PER_TURN,
    NOTING,
    WISHES,
    Desk,
    Recorded,
    calls_of,
    noted,
    recalled,
    slots,
)
from calm.conversation import Assistant, Call, Conversation, Message, Observation, Step
from calm.policy import Policy
from calm.policy.scripted import Scripted

PARAMETERS = {tool: {key: slot for key, (_, slot) in keys.items()} for tool, (_, keys) in APIS.items()}
PARAMETERS |= {NOTING.name: WISHES}


class MultiWOZ(Room):
    """MultiWOZ in our native form: recorded user turns and replies, native tool calls, and a tool to note the state."""

    protocol = "native"
    edition = "native-2"
    about = "our own tool format, zero-shot, not comparable with the paper's"

    def tasks(self) -> Iterator[Task]:
        """The 1,000 test dialogues.

        Raises:
            HubError: the corpus is not at hand; says what to set.
        """
        return tasks.read(self.folder)

    def speaker(self, policy: Policy) -> Policy:
        """The policy, shown the recorded replies of earlier turns in place of its own."""
        return Recalling(policy)

    def world(self, task: Task) -> Recorded:
        """The desk over the real database and the recorded user of this dialogue."""
        gold = tasks.recorded(task)
        return Recorded(Desk(self.database), gold["replies"], gold["users"])

    def calling(self, task: Task, say: Say) -> Conversation:
        """Calls that say what each turn adds to the state and that book, notes of all of it, and words.

        Calls never delete, so the state that they leave is wrong in the 16 dialogues where a gold state forgets a slot;
        notes are always right.
        """
        steps: list[Assistant] = []
        for turn in perfect.turns(task, self.held.measures[task.id]):
            calls = self._calls(turn)
            steps += [Assistant(calls=calls)] if calls else []
            steps.append(Assistant(text=say(turn.reply, self._told(calls))))
        return converse(Scripted(steps), self.world(task), task.start, Limits(steps=len(steps))).renumbered()

    def _told(self, calls: Iterable[Call]) -> perfect.Told:
        ran = Desk(self.database)
        return lexical.told(Observation(content=ran.run(c), name=c.name) for c in calls if c.name in lexical.BOOKED)

    def _calls(self, turn: perfect.Turn) -> tuple[Call, ...]:
        made: dict[str, dict[str, Any]] = {**perfect.calls(turn, PARAMETERS)}
        if "train" in turn.booked and (wishes := _wishes(turn.state, "query_trains")):
            trains = self.database.find("train", wishes)
            made["buy_train_tickets"]["train_id"] = trains[0]["train_id"] if trains else ""
        if turn.state != turn.before:
            made[NOTING.name] = _wishes(turn.state, NOTING.name)
        return tuple(Call(name=t, arguments=given, id=f"call_{n}") for n, (t, given) in enumerate(made.items()))

    def heard(self, transcript: Conversation) -> list[Heard]:
        """The state after each turn reached: arguments of all calls so far, later ones winning; and the latest note."""
        found: list[Heard] = []
        state: dict[str, str] = {}
        note: dict[str, str] = {}
        every, made = turns(transcript), calls_of(transcript)
        for place, (turn, calls) in enumerate(zip(every, made, strict=True), 1):
            for call in calls[:CALLS_PER_TURN]:
                state = {**state, **slots(call)}
                note = noted(call) if call.name == NOTING.name else note
            reply = _own(turn if place == len(every) else turn[:-1])
            domains = dict.fromkeys(slot.partition("-")[0] for slot in state)
            told = lexical.told(turn)
            response = self.held.dictionary.placed(reply, told, domains)
            tools = sum(call.name != NOTING.name for call in calls)
            found.append(Heard(reply, response, state, told, tools, noted=note))
        return found


def _own(steps: Sequence[Message]) -> str:
    """The model's own words at the end of a turn."""
    last = steps[-1] if steps else None
    return (last.text or "") if isinstance(last, Assistant) else ""


def _wishes(state: Mapping[str, str], tool: str) -> dict[str, str]:
    """The arguments of a tool that a state fills."""
    return {key: state[slot] for key, slot in PARAMETERS[tool].items() if slot in state}


class Recalling:
    """A policy that remembers the recorded replies of earlier turns as its own."""

    def __init__(self, policy: Policy) -> None:
        self.name = policy.name
        self._policy = policy

    def __call__(self, conversation: Conversation) -> Step:
        """The policy's next step."""
        return self._policy(recalled(conversation))
