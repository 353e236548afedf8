"""Conversations that outlive the process: an append-only list of events for each session, in one SQLite file.

What a session has heard is on disk before anything else happens, so a process that is killed loses nothing it was told
of, and a call that has run is never run again. Nothing is changed or removed: taking a turn back is one more event.
Several processes may use one file; a session that another process has gone on with refuses to be written to.
"""

import difflib
import json
import sqlite3
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from calm.agent.state import noted, rewound, waiting
from calm.conversation import Assistant, Call, Conversation, Message, Observation, State, Tool, User, write
from calm.errors import DataError, StorageError, UsageError
from calm.world.functions import fault

VERSION = 1
"""Of the tables and of the events in them; a file of a later one is not touched."""

_TABLE = """CREATE TABLE IF NOT EXISTS events (
    session TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (session, seq)) WITHOUT ROWID"""
_MESSAGES: TypeAdapter[tuple[Message, ...]] = TypeAdapter(tuple[Message, ...])
_TOOLS: TypeAdapter[tuple[Tool, ...]] = TypeAdapter(tuple[Tool, ...])


class Summary(NamedTuple):
    """A session in a list: `began` and `latest` are UTC times, `turns` user turns, `first` the user's first words."""

    name: str
    began: str
    latest: str
    turns: int
    model: str
    first: str


class Sessions:
    """The sessions of one file; without a path they are kept in memory and gone with the process."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the file, and make it and its folder if there is none.

        Raises:
            DataError: the file is something else, or of a later version.
            StorageError: it cannot be made or written.
        """
        self.path = path
        try:
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)  # what people say is for them alone
            self._base = sqlite3.connect(path or ":memory:", timeout=30.0, isolation_level=None)
        except (OSError, sqlite3.OperationalError) as error:
            raise StorageError(f"{path}: cannot be opened ({error}); choose another file") from error
        weakref.finalize(self, self._base.close)
        version = self.run("PRAGMA user_version")[0][0]
        if version > VERSION:
            raise DataError(str(path), f"was written by a later calm (version {version}, this one knows {VERSION})")
        if version < VERSION:
            self.run("PRAGMA journal_mode = WAL")  # a quarter of the time to write, and readers do not wait
            self.run(_TABLE)
            self.run(f"PRAGMA user_version = {VERSION}")

    def open(self, name: str, start: Conversation) -> "Session":
        """The session of that name where it stopped, or a new one that begins at `start`."""
        return self.resume(name) if self._has(name) else self.begin(name, start)

    def begin(self, name: str, start: Conversation) -> "Session":
        """A new session; nothing is written before something happens in it.

        Raises:
            UsageError: there is one of that name.
        """
        if self._has(name):
            raise UsageError(f"there is a session {name!r} already; resume it, or choose another name")
        return Session(self, name, start)

    def resume(self, name: str) -> "Session":
        """A session where it stopped; observations of a step that were not all written are left to its journal.

        Raises:
            UsageError: there is none of that name; says which is near.
        """
        if not self._has(name):
            near = difflib.get_close_matches(name, self.names(), 1)
            raise UsageError(f"no session {name!r}{f'; did you mean {near[0]!r}?' if near else ' there yet'}")
        session = Session(self, name)
        session.read()
        return session

    def fork(self, name: str, to: str, turns: int | None = None) -> "Session":
        """A new session `to` that goes on from the first `turns` user turns of another, by default from all of it.

        A step whose calls are not all answered stays behind, because only one of the two may run them.
        """
        found = _settled(self.resume(name).conversation)
        users = [place for place, message in enumerate(found.messages) if isinstance(message, User)]
        if turns is not None and turns < len(users):
            found = rewound(found, users[turns])
        return self.begin(to, found.model_copy(update={"id": f"{found.id}+{to}"}).note(forked=name))

    def names(self) -> list[str]:
        """All sessions, the one used last first."""
        return [row[0] for row in self.run("SELECT session FROM events GROUP BY session ORDER BY MAX(at) DESC")]

    def latest(self, most: int = 20) -> list[Summary]:
        """The sessions used last, newest first."""
        return [self._summary(name) for name in self.names()[:most]]

    def export(self, name: str) -> Conversation:
        """A session as a conversation that any dataset takes, without a last step that waits for its tools."""
        return _settled(self.resume(name).conversation)

    def write(self, path: Path) -> int:
        """Write all sessions in which the user spoke to a JSONL file of conversations; returns their number."""
        said = (self.export(name) for name in self.names())
        return write(path, (c for c in said if any(isinstance(message, User) for message in c.messages)))

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """One SQL statement as one transaction; what it gives.

        Raises:
            DataError: the file is no session file.
            StorageError: no space, no permission, or another process keeps it locked.
        """
        try:
            return self._base.execute(statement, values).fetchall()
        except sqlite3.OperationalError as error:
            raise StorageError(f"{self.path}: {error}; free some space, or choose another file") from error
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            raise DataError(str(self.path), f"is no file of sessions ({error}); choose another file") from error

    def _has(self, name: str) -> bool:
        return bool(self.run("SELECT 1 FROM events WHERE session = ? LIMIT 1", (name,)))

    def _summary(self, name: str) -> Summary:
        ((began, latest),) = self.run("SELECT MIN(at), MAX(at) FROM events WHERE session = ?", (name,))
        found = self.resume(name).conversation
        said = [message.content for message in found.messages if isinstance(message, User)]
        return Summary(name, began, latest, len(said), str(found.meta.get("model", "")), said[0] if said else "")


class Session:
    """One conversation of a `Sessions`, and the journal of its calls (`desk.Journal`).

    Every method that changes something has written it when it returns.

    Raises:
        StorageError: from those methods, when another process has gone on with the session or the file is not writable.
    """

    def __init__(self, sessions: Sessions, name: str, start: Conversation | None = None) -> None:
        """A new one that begins at `start`; without, one that is yet to be `read`."""
        self.sessions, self.name = sessions, name
        self.conversation = Conversation()
        self._seq = 0
        self._heard: list[int] = []
        self._calls: dict[tuple[int, int], str | None] = {}
        self._unwritten = [] if start is None else [("start", start.model_dump(mode="json"))]
        if start:
            self._take(1, *self._unwritten[0])  # the place it will have, by which the journal knows its calls
            self._seq = 0

    def hear(self, *messages: Message) -> None:
        """Go on with these messages, all or none of them."""
        if messages:
            self.append("messages", _MESSAGES.dump_python(messages, mode="json"))

    def rewind(self, count: int) -> None:
        """Go back to the first `count` messages."""
        self.append("rewind", count)

    def offer(self, tools: Sequence[Tool]) -> None:
        """The tools there are from now on."""
        if tuple(tools) != self.conversation.tools:
            self.append("tools", [tool.model_dump(mode="json") for tool in tools])

    def track(self, state: State) -> None:
        """The dialogue state after the latest user turn."""
        self.append("state", state)

    def note(self, **meta: Any) -> None:
        """Set keys of `meta`."""
        self.append("note", meta)

    def result(self, place: int) -> str | None:
        """What a call of the last step gave, by its place; an error for one that was begun and never came back."""
        key = (self._step(), place)
        if key in self._calls and self._calls[key] is None:
            hint = "look whether it has happened, or ask the user, before you call it again"
            return fault("this call was interrupted; whether it ran is not known", "interrupted", hint=hint)
        return self._calls.get(key)

    def begin(self, place: int, call: Call) -> None:
        """Note that a call of the last step is about to run."""
        self.append("begin", {"step": self._step(), "place": place, "call": call.model_dump(mode="json")})

    def finish(self, place: int, content: str) -> None:
        """Note what it gave."""
        self.append("finish", {"step": self._step(), "place": place, "content": content})

    def append(self, kind: str, body: Any) -> None:
        """Write an event, then take it in."""
        while self._unwritten:
            self._write(*self._unwritten[0])
            self._seq += 1
            self._unwritten.pop()
        self._write(kind, body)
        self._take(self._seq + 1, kind, body)

    def _write(self, kind: str, body: Any) -> None:
        row = (self.name, self._seq + 1, kind, json.dumps(body))
        try:
            self.sessions.run("INSERT INTO events (session, seq, kind, body) VALUES (?, ?, ?, ?)", row)
        except sqlite3.IntegrityError as error:
            raise StorageError(
                f"session {self.name!r} was gone on with elsewhere; resume it again, or fork it"
            ) from error

    def read(self) -> None:
        """Take in all events there are, and step back to before observations that are not complete."""
        for seq, kind, body in self._events():
            self._unwritten.clear()
            try:
                self._take(seq, kind, json.loads(body))
            except (ValidationError, ValueError, KeyError) as error:
                why = f"event {seq} of session {self.name!r} cannot be read: {' '.join(str(error).split())[:200]}"
                raise DataError(str(self.sessions.path), why) from error
        if (begun := _begun(self.conversation)) is not None and begun + 1 < len(self.conversation.messages):
            self.rewind(begun + 1)

    def _events(self) -> Iterator[tuple[int, str, str]]:
        statement = "SELECT seq, kind, body FROM events WHERE session = ? AND seq > ? ORDER BY seq"
        yield from self.sessions.run(statement, (self.name, self._seq))

    def _take(self, seq: int, kind: str, body: Any) -> None:
        """The one place where an event becomes what it means."""
        now = self.conversation
        if kind == "messages":
            self.conversation = now.add(*_MESSAGES.validate_python(body))
        elif kind in ("begin", "finish"):
            self._calls[body["step"], body["place"]] = body.get("content")
        elif kind in _MEANINGS:
            self.conversation = _MEANINGS[kind](now, body)
        else:
            raise ValueError(f"of an unknown kind {kind!r}")
        count = len(self.conversation.messages)
        self._heard = (self._heard + [seq] * count)[:count]
        self._seq = seq

    def _step(self) -> int:
        """The event that the last step of the model came with."""
        steps = [i for i, message in enumerate(self.conversation.messages) if isinstance(message, Assistant)]
        return self._heard[steps[-1]] if steps else 0


_MEANINGS: dict[str, Callable[[Conversation, Any], Conversation]] = {
    "start": lambda now, body: Conversation.model_validate(body),
    "rewind": rewound,
    "tools": lambda now, body: now.model_copy(update={"tools": _TOOLS.validate_python(body)}),
    "state": noted,
    "note": lambda now, body: now.note(**body),
}
"""What a conversation is after an event of a kind."""


def _begun(conversation: Conversation) -> int | None:
    """The place of a last step whose calls are not all answered, if nothing but answers follow it."""
    last = conversation.steps[-1] if conversation.steps else None
    if last is None or not waiting(conversation):
        return None
    return last if all(isinstance(message, Observation) for message in conversation.messages[last + 1 :]) else None


def _settled(conversation: Conversation) -> Conversation:
    """The conversation without a last step whose calls are not all answered."""
    begun = _begun(conversation)
    return conversation if begun is None else rewound(conversation, begun)
