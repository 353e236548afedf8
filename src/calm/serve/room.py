"""The page's agent: conversations whose tools run here, each with its own copy of them, asked about before they write.

Rooms live in memory, so many at most; a page saves what it wants to keep. The agent's loop runs in a thread of its own
and its steps stand in the model's line with everybody else's.
"""

import asyncio
import contextlib
import copy
import queue
import secrets
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from calm.agent import Limits
from calm.agent.desk import Desk
from calm.agent.events import Finished, Item, Tracked, Writing, events
from calm.agent.loop import follow
from calm.agent.state import answered, from_calls, tracked
from calm.conversation import Call, Conversation, Observation, User, to_row, tool_to_wire
from calm.files import dumps
from calm.serve.wire import Refusal
from calm.serve.worker import End, InLine, Worker, broken
from calm.world import Toolbox
from calm.world.guard import Guarded, marked

ROOMS, PAST = 64, 50
"""Conversations kept, and turns of each that can be taken back."""

PATIENCE = 300.0
"""Seconds a question waits for a person; after them the answer is no."""

LIMITS = Limits(repeats=3)
"""A model that makes the same call again and again is told, and then stopped."""

Tell = Callable[[dict[str, Any]], object]


class Rooms:
    """The conversations under way; the idle one used longest ago goes when there are too many."""

    def __init__(self, worker: Worker, toolbox: Toolbox | None, origin: str, waiting: int) -> None:
        self._worker, self._toolbox, self._origin = worker, toolbox, origin
        self._rooms: OrderedDict[str, Room] = OrderedDict()
        self._seats = threading.BoundedSemaphore(waiting + 1)
        self._pool = ThreadPoolExecutor(max_workers=waiting + 1, thread_name_prefix="calm-agent")

    def offer(self) -> dict[str, Any]:
        """What the page needs to know: tools in OpenAI's form, which of them write, and whose they are."""
        tools = self._toolbox.tools if self._toolbox else ()
        writing = sorted(marked(self._toolbox, "writing")) if self._toolbox else []
        return {"tools": [tool_to_wire(tool) for tool in tools], "writing": writing, "origin": self._origin}

    def begin(self) -> "Room":
        """A new conversation.

        Raises:
            Refusal: 404, the server was started without tools.
        """
        if self._toolbox is None:
            raise Refusal("no tools run on this server; start it with --world town, --tools or the like", 404)
        while len(self._rooms) >= ROOMS:  # one in which a turn is under way may have a question before a person
            idle = (name for name, room in self._rooms.items() if not room.busy)
            self._rooms.pop(next(idle, next(iter(self._rooms)))).stop()
        name = secrets.token_urlsafe(16)
        self._rooms[name] = room = Room(name, InLine(self._worker), copy.deepcopy(self._toolbox), self._origin)
        return room

    def find(self, name: Any) -> "Room":
        """The conversation of that name.

        Raises:
            Refusal: 404, there is none, or no longer.
        """
        if not isinstance(name, str) or name not in self._rooms:
            raise Refusal("this conversation is no longer kept here; begin a new one", 404, "session_not_found")
        self._rooms.move_to_end(name)
        return self._rooms[name]

    async def say(self, room: "Room", text: str) -> AsyncGenerator[dict[str, Any]]:
        """A turn as events; whoever stops listening stops it.

        Raises:
            Refusal: 503, too many turns are under way; 409, one of this room is.
        """
        loop, heard = asyncio.get_running_loop(), asyncio.Queue[Any]()

        def tell(event: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens
                loop.call_soon_threadsafe(heard.put_nowait, event)

        turn = room.enter()
        if not self._seats.acquire(blocking=False):
            room.leave()
            raise Refusal("too many conversations are under way; try again", 503, "server_busy")
        self._pool.submit(self._turn, room, text, tell)
        try:
            while not isinstance(event := await heard.get(), End):
                yield event
            if event.trouble:
                raise event.trouble
        finally:
            room.stop(turn)

    def _turn(self, room: "Room", text: str, tell: Callable[[Any], object]) -> None:
        trouble: BaseException | None = None
        try:
            room.turn(text, tell)
        except Exception as error:  # noqa: BLE001  # carried to the listener, who raises it
            trouble = error
        except BaseException as error:  # noqa: BLE001  # a tool that calls sys.exit() ends its turn and nothing else
            trouble = broken(error)
        finally:
            room.leave()
            self._seats.release()
        tell(End(trouble))

    def hush(self) -> None:
        """Nobody will answer a question any more: the server is about to stop, and turns under way may finish."""
        for room in self._rooms.values():
            room.hush()

    def close(self) -> None:
        """End every turn."""
        for room in self._rooms.values():
            room.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)


class Room:
    """One conversation with its tools; a turn works on a copy of them, so it can be taken back."""

    def __init__(self, name: str, policy: InLine, toolbox: Toolbox, origin: str) -> None:
        self.name, self._policy = name, policy
        self._toolbox = toolbox if isinstance(toolbox, Guarded) else Guarded(toolbox, approve=lambda call: False)
        meta: dict[str, Any] = {"model": policy.name}
        self._now = Conversation(id=f"page-{name[:8]}", tools=toolbox.tools, origin=f"page/{origin}", meta=meta)
        self._past: list[tuple[Conversation, Guarded]] = []
        self._busy, self._stopped = threading.Lock(), threading.Event()
        self._answers: queue.SimpleQueue[bool | dict[str, Any]] = queue.SimpleQueue()
        self._asked: Call | None = None
        self._hushed = False

    @property
    def busy(self) -> bool:
        """Whether a turn is under way."""
        return self._busy.locked()

    def enter(self) -> threading.Event:
        """Take the room for a turn; what it gives tells that turn from later ones.

        Raises:
            Refusal: 409, a turn is under way.
        """
        if not self._busy.acquire(blocking=False):
            raise Refusal("a turn of this conversation is under way", 409, "turn_under_way")
        self._stopped = threading.Event()
        return self._stopped

    def leave(self) -> None:
        """Give it back."""
        self._busy.release()

    def stop(self, turn: threading.Event | None = None) -> None:
        """End the turn, if it is this one, before its next step; a question that waits is answered with no."""
        if turn in (None, self._stopped):
            self._stopped.set()
            self._answers.put(False)

    def turn(self, text: str, tell: Tell) -> None:
        """The user's words, then all the model does until it answers; what was said is kept however it ends."""
        tell({"kind": "session", "session": self.name})
        self._past = [*self._past, (self._now, self._toolbox)][-PAST:]
        self._toolbox = copy.deepcopy(self._toolbox)
        asking = copy.copy(self._toolbox)
        if asking.approve:  # without it nobody wants to be asked
            asking.approve = lambda call: self._approve(call, tell)
        self._now = self._now.add(User(content=text))
        try:
            for item in self._items(Desk(asking, lambda conversation: None)):
                self._take(item)
                for event in events(item):
                    tell(_event(event))
        finally:
            self._settle()

    def _items(self, world: Desk) -> Iterator[Item]:
        with contextlib.closing(follow(self._policy, world, self._now, LIMITS, from_calls, live=True)) as items:  # ty: ignore[invalid-argument-type]
            for item in items:
                yield item
                if self._stopped.is_set():
                    return

    def _take(self, item: Item) -> None:
        if isinstance(item, Finished):
            self._now = item.conversation
        elif not isinstance(item, Writing | Tracked):
            self._now = self._now.add(item)

    def _settle(self) -> None:
        """Answer calls that were left open, so that the conversation can go on, and note the state."""
        left = [call for call, observation in answered(self._now) if observation is None]
        stopped = dumps({"error": "stopped by the user"})
        self._now = self._now.add(*(Observation(content=stopped, call=c.id, name=c.name) for c in left))
        self._now, _ = tracked(self._now, from_calls)

    def _approve(self, call: Call, tell: Tell) -> bool | Call:
        while not self._answers.empty():  # answers to questions that are over
            self._answers.get()
        self._asked = call  # before `_hushed` is read: `hush` sets that first, so one of the two sees the other
        try:
            if self._stopped.is_set() or self._hushed:
                return False
            tell({"kind": "ask", "call": call.model_dump(mode="json")})
            answer = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            return False
        finally:
            self._asked = None
        return call.model_copy(update={"arguments": answer}) if isinstance(answer, dict) else answer

    def hush(self) -> None:
        """Ask nobody any more: the question that waits, and all to come, are answered with no."""
        self._hushed = True
        if self._asked:
            self._answers.put(False)

    def decide(self, run: bool, arguments: Any) -> None:
        """Answer the question that waits: no, yes, or yes with other arguments.

        Raises:
            Refusal: 409, no question waits; 400, arguments that are no object.
        """
        if self._asked is None:
            raise Refusal("no call waits for an answer", 409, "nothing_asked")
        if not isinstance(arguments, dict | None):
            raise Refusal("`arguments` must be an object", param="arguments")
        self._asked = None
        self._answers.put(arguments if run and arguments is not None else run)

    def undo(self) -> int:
        """Take the last turn back, with what the tools did where they can be copied; how many are left.

        Raises:
            Refusal: 409, there is none, or one is under way.
        """
        if not self._busy.acquire(blocking=False):
            raise Refusal("a turn of this conversation is under way; stop it first", 409, "turn_under_way")
        try:
            if not self._past:
                raise Refusal("no turn can be taken back", 409, "nothing_to_undo")
            self._now, self._toolbox = self._past.pop()
            return len(self._past)
        finally:
            self._busy.release()

    def row(self) -> dict[str, Any]:
        """The conversation as a row on disk."""
        return to_row(self._now)


def _event(event: Any) -> dict[str, Any]:
    if isinstance(event, Tracked):
        return {**event.model_dump(mode="json"), "changed": event.changed, "gone": list(event.gone)}
    return event.model_dump(mode="json", exclude={"conversation"})
