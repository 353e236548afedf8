"""The World of a multi-turn item: its simulated APIs answer calls, and its user speaks when the model has no more.

One instance is one episode and shares nothing with another, in one thread or in many, so it serves a judge and an RL
loop alike: call it with the conversation so far and the model's step; an empty answer ends the episode.
"""

import ast
import functools
import itertools
import json
from collections.abc import Iterator, Sequence

from calm.agent import Limits, converse
from calm.bench import Task
from calm.bench.bfcl import decode, entries, multi_turn, prompts, tasks
from calm.bench.bfcl.multi_turn import Entry, Side
from calm.bench.bfcl.simulators import Code
from calm.bench.bfcl.versions import Version
from calm.conversation import Assistant, Call, Conversation, Garbled, Message, Observation, Step, System, Tool, User
from calm.files import dumps
from calm.policy.scripted import Scripted

STEPS = 20
"""Steps with calls that a turn may have before the one that ends the episode (`MAXIMUM_STEP_LIMIT`, tested by `>`)."""
LIMITS = Limits(steps=1_000, steps_per_turn=1_000, garbled=1_000)
"""None of our own: the item's rules end an episode."""


class Trajectory:
    """One episode: results for a step with calls, the next user turn for one without, silence after the last turn.

    As upstream generates: the step after `STEPS` ones with calls in a turn is run and ends the episode, and what cannot
    be read ends the turn. In the native protocol functions that were held out join `offered` when their turn comes; in
    the official one (`written`) the calls are those of the step's text and new functions are the user's words.
    """

    def __init__(self, entry: Entry, version: Version, written: bool = False) -> None:
        self._entry, self._version, self._written = entry, version, written
        self._side = Side(entry, Code(version.rules), "model")
        self._turn = self._steps = 0
        docs, self._held = entries.docs(entry, version)
        self.offered: tuple[Tool, ...] = () if written else _tools(docs)

    def __call__(self, conversation: Conversation, step: Step) -> Sequence[Message]:
        """The results of the step's calls, or what the user says next."""
        calls = steps_of(step, self._version.rules, self._written)
        if not calls:
            return self._next()
        self._steps += 1
        results = self._side.run(calls)
        if self._steps > STEPS:
            return ()
        named = step.calls if isinstance(step, Assistant) and len(step.calls) == len(calls) else ()
        ids = [(call.id, call.name) for call in named] or [(f"call_{i}", "") for i in range(len(calls))]
        return [Observation(content=r, call=id_, name=name) for r, (id_, name) in zip(results, ids, strict=True)]

    def _next(self) -> Sequence[Message]:
        self._turn, self._steps = self._turn + 1, 0
        if self._turn >= len(self._entry.turns):
            return ()
        if docs := self._held.get(self._turn):
            return [User(content=self._hand_over(docs))]
        return [tasks.message(wire) for wire in self._entry.turns[self._turn]]

    def _hand_over(self, docs: list[prompts.Doc]) -> str:
        if self._written:
            return prompts.more(docs, self._version)
        self.offered = (*self.offered, *_tools(docs))
        return prompts.words(self._version)[prompts.MORE]


def _tools(docs: Sequence[prompts.Doc]) -> tuple[Tool, ...]:
    return tuple(_tool(dumps(doc)) for doc in docs)


@functools.cache
def _tool(doc: str) -> Tool:
    return tasks.tool(json.loads(doc))  # the same 128 functions in all 800 items


def task(entry: Entry, version: Version, written: bool = False) -> Task:
    """The item as a Task: its first turn, with the tools or (`written`) with BFCL's prompt; `gold` is the entry."""
    first = prompts.opening(entry, version) if written else entry.turns[0]
    tools = () if written else _tools(entries.docs(entry, version)[0])
    start = Conversation(id=entry.id, tools=tools, messages=tuple(map(tasks.message, first)), origin="bfcl")
    return Task(id=entry.id, category=entry.category, start=start, gold=entry._asdict())


def steps_of(step: Step, rules: str, written: bool) -> list[str]:
    """The calls of one step as text, out of its text (`written`) or its tool calls."""
    return multi_turn.executable(prompts.said(step), rules) if written else multi_turn.native(step)


def played(said: Sequence[Message]) -> list[list[Step]]:
    """The model's steps by turn, from the messages after the start."""
    turns: list[list[Step]] = [[]]
    for before, message in zip((None, *said), said, strict=False):
        if isinstance(message, User | System) and not isinstance(before, User | System):
            turns.append([])
        if isinstance(message, Assistant | Garbled):
            turns[-1].append(message)
    return turns


def error_of(entry: Entry, said: Sequence[Message], version: Version, written: bool = False) -> str | None:
    """The verdict on an episode, from what was said after its start: the calls are played again on fresh objects."""
    turns = played(said)
    if len(turns) != len(entry.truth):
        return multi_turn.FORCED
    calls = ([steps_of(step, version.rules, written) for step in steps] for steps in turns)
    return multi_turn.fault(entry, calls, version.rules)


# --- a perfect episode -----------------------------------------------------------------------------------------------


def gold(entry: Entry, version: Version, start: Conversation, written: bool = False) -> Conversation:
    """The episode of a model that makes the truth's calls, turn by turn, and says a word after each."""
    made = _written(entry) if written else _called(entry, version)
    return converse(Scripted(made), Trajectory(entry, version, written), start, LIMITS)


def _written(entry: Entry) -> Iterator[Step]:
    for turn in entry.truth:
        if turn:
            yield Assistant(text=f"[{', '.join(turn)}]")
        yield Assistant(text="Done.")


def _called(entry: Entry, version: Version) -> Iterator[Step]:
    offered, held = entries.docs(entry, version)
    names = {doc["name"]: list(doc["parameters"]["properties"]) for doc in itertools.chain(offered, *held.values())}
    for turn in entry.truth:
        if turn:
            yield Assistant(calls=tuple(_call(call, names, i) for i, call in enumerate(turn)))
        yield Assistant(text="Done.")


def _call(source: str, names: dict[str, list[str]], place: int) -> Call:
    """A call of the truth with its positional arguments named in the order of the description."""
    node = decode.expression(source)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise TypeError(f"{source!r} is no call")
    given = dict(zip(names[node.func.id], map(decode.literal, node.args), strict=False))
    named = {word.arg or "": decode.literal(word.value) for word in node.keywords}
    return Call(name=node.func.id, arguments={**given, **named}, id=f"call_{place}")
