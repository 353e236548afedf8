"""Connections whose clients may mean harm: too many of them, half a request, an answer that nobody reads.

uvicorn alone waits forever for the rest of a request and for a reader that does not read. Only `run` imports this, and
only when a port is opened: it needs uvicorn and h11.
"""

import asyncio

import h11
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

from calm.serve.http import Settings
from calm.serve.wire import encode, error


class Impatient(H11Protocol):
    """Ends a connection whose client owes the rest of a request, or reads nothing, for `patience` seconds."""

    patience: float
    crowd: int
    _owed: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _leaving: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """A client has come; one too many is turned away."""
        super().connection_made(transport)
        if len(self.connections) > self.crowd:
            self._refuse(503, "too many connections; try again")
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """An answer is out: the next request is awaited, or the rest of one that was refused before its end."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        super().connection_lost(exc)
        for timer in (self._owed, self._unread, self._leaving):
            if timer:
                timer.cancel()

    def _watch(self) -> None:
        owes = self.conn.their_state in (h11.IDLE, h11.SEND_BODY) and not self.transport.is_closing()
        if self._owed and not owes:
            self._owed.cancel()
            self._owed = None
        elif owes and not self._owed:
            self._owed = self.loop.call_later(self.patience, self._give_up)

    def _give_up(self) -> None:
        if self.conn.their_state is h11.SEND_BODY or self.conn.trailing_data[0]:
            self._refuse(408, f"the request did not arrive within {self.patience:g} seconds")
        else:  # nothing was begun: an answer would be taken for one to the next request
            self.transport.close()
            self._hurry()

    def pause_writing(self) -> None:
        """What was written is not read."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.patience, self.transport.abort)

    def resume_writing(self) -> None:
        """It is read again."""
        super().resume_writing()
        if self._unread:
            self._unread.cancel()

    def timeout_keep_alive_handler(self) -> None:
        """No further request has come; closing waits for a reader too, but not forever."""
        super().timeout_keep_alive_handler()
        self._hurry()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        self._refuse(400, msg)

    def _refuse(self, status: int, why: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):  # else an answer is under way or out
            body = encode(error(why, status)).encode()
            head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), CLOSE_HEADER]
            for event in (h11.Response(status_code=status, headers=head), h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        if self.cycle and not self.cycle.response_complete:  # whoever works on it is told
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()
        self._hurry()

    def _hurry(self) -> None:
        self._leaving = self.loop.call_later(self.patience, self.transport.abort)


def impatient(settings: Settings) -> type[Impatient]:
    """The protocol that waits as long, and for as many, as the settings say."""
    return type("Impatient", (Impatient,), {"patience": settings.patience, "crowd": settings.connections})
