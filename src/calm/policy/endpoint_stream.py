"""An answer that comes in pieces (server-sent events): read as it comes, and added up to the answer it would have been.

A chunk is `data: {JSON}` on a line of its own; `data: [DONE]` ends the answer, or a closed connection once a choice
has its `finish_reason`. Everything else that ends it is `Broken`.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from calm.errors import HubError
from calm.files import dumps
from calm.format.growing import Piece, Reader
from calm.policy.endpoint_forms import THOUGHTS, Form, spoken

if TYPE_CHECKING:
    import httpx

LINE = re.compile(rb"\r\n|\n|\r")
"""Line ends of server-sent events; JSON may hold others, like U+2028, as they are."""

OTHER = re.compile("|:.*|(event|id|retry)(:.*)?")
"""Lines that are none of our business: blank ones, comments (some servers send them to keep the line open)."""

KIND = "text/event-stream"


class Broken(HubError):
    """The stream ended before the answer did; `again` says that the same request may well succeed."""

    def __init__(self, why: str, again: bool = True) -> None:
        super().__init__(why)
        self.again = again


class Stream:
    """An answer that is being written, heard up to its first words: what fails before them can be asked again."""

    def __init__(self, reply: "httpx.Response", form: Form, again: frozenset[int]) -> None:
        """Wait for the first words.

        Args:
            reply: the open response; whoever hears the stream closes it.
            form: in which form was asked.
            again: codes of errors after which the same request may succeed.

        Raises:
            Broken: there are none.
        """
        self._reply, self._growing = reply, Growing(form)
        self._pieces = self._read(again)
        self._first = next(self._pieces, None)

    def __iter__(self) -> Iterator[Piece]:
        """The pieces, each once.

        Raises:
            Broken: the answer is not whole.
        """
        if self._first:
            yield self._first
        yield from self._pieces

    def answer(self) -> dict[str, Any]:
        """What the server would have answered at once; whole when there are no more pieces."""
        return self._growing.answer()

    def close(self) -> None:
        """Hang up."""
        self._reply.close()

    def _read(self, again: frozenset[int]) -> Iterator[Piece]:
        for chunk in chunks(arriving(self._reply), self._growing):
            if error := chunk.get("error"):
                busy = isinstance(error, dict) and (error.get("code") in again or error.get("type") == "server_error")
                said = error.get("message") if isinstance(error, dict) else error
                raise Broken(f"error from the server: {' '.join(str(said).split())[:200]}", busy)
            yield from self._growing.add(chunk)
        yield from self._growing.rest()


def arriving(reply: "httpx.Response") -> Iterator[bytes]:
    """The body as it comes.

    Raises:
        Broken: the connection was lost, or silent for too long.
    """
    import httpx

    try:
        yield from reply.iter_bytes()
    except httpx.TimeoutException as error:
        raise Broken("no more in time") from error
    except httpx.RequestError as error:
        raise Broken(f"connection lost ({error})") from error


def chunks(raw: Iterable[bytes], growing: "Growing") -> Iterator[dict[str, Any]]:
    """The JSON objects of a stream up to [DONE].

    Raises:
        Broken: a line that is no event, an event that is no JSON object, or an end before the answer's.
    """
    for line in lines(raw):
        field, _, data = line.partition(":")
        if field != "data":
            if not OTHER.fullmatch(line):
                raise Broken(f"a line that is no event: {line[:80]!r}", again=False)
            continue
        if data.strip() == "[DONE]":
            break
        if data.strip():
            yield _object(data)
    else:
        if not growing.ended:
            raise Broken("ended without [DONE]")
    if not growing.begun:
        raise Broken("held no answer")


def _object(data: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError):
        chunk = None
    if not isinstance(chunk, dict):
        raise Broken(f"an event that is no JSON object: {data.strip()[:80]!r}", again=False)
    return chunk


def lines(raw: Iterable[bytes]) -> Iterator[str]:
    """Lines of bytes that come in pieces of any size; what the end cuts off is none, by the rules of such streams."""
    held: list[bytes] = []
    for piece in raw:
        first, *more = LINE.split(piece)
        held.append(first)
        for part in more:
            yield b"".join(held).decode("utf-8", "replace")
            held = [part]


class Growing:
    """The answer that chunks add up to, and what of it is new."""

    def __init__(self, form: Form) -> None:
        self.begun = self.ended = False
        self._reader = None if form == "tools" else Reader()
        self._message: dict[str, Any] = {}
        self._calls: list[dict[str, Any]] = []
        self._places: dict[int, int] = {}
        self._rest: dict[str, Any] = {}
        self._finish: str | None = None

    def add(self, chunk: dict[str, Any]) -> Iterator[Piece]:
        """What a chunk says.

        Raises:
            Broken: it is no chunk of a completion.
        """
        try:
            yield from self._chunk(chunk)
        except (AttributeError, LookupError, TypeError) as error:
            raise Broken(f"an event that is no chunk of an answer: {str(chunk)[:80]!r}", again=False) from error

    def rest(self) -> Iterator[Piece]:
        """What is sure only when no more comes."""
        if self._reader:
            yield from self._reader.read(spoken(self._message), whole=True)
        if self._calls:
            yield Piece("call", "}")

    def answer(self) -> dict[str, Any]:
        """The chunks as one answer; parts that were never said are not there."""
        calls = [{**call, "function": {**call["function"]}} for call in self._calls]
        for call in calls:
            call["function"]["arguments"] = call["function"]["arguments"] or "{}"
        message = {"content": None, **self._message, **({"tool_calls": calls} if calls else {})}
        return {**self._rest, "choices": [{"message": message, "finish_reason": self._finish}]}

    def _chunk(self, chunk: dict[str, Any]) -> Iterator[Piece]:
        if chunk.get("usage"):
            self._rest["usage"] = chunk["usage"]
        for choice in (chunk.get("choices") or [])[:1]:
            self.begun = True
            self._finish = choice.get("finish_reason") or self._finish
            self.ended = self._finish is not None
            whole = choice.get("message") or {"content": choice.get("text")}  # some send all of it as one event
            yield from self._delta(choice.get("delta") or whole)

    def _delta(self, delta: dict[str, Any]) -> Iterator[Piece]:
        thought = next((delta[key] for key in THOUGHTS if delta.get(key)), None)
        said = [*self._words("reasoning_content", thought), *self._words("content", delta.get("content"))]
        if delta.get("garbled") is not None:
            self._message["garbled"] = delta["garbled"]
        if self._reader:
            yield from self._reader.read(spoken(self._message))
        else:
            yield from said
        for place, call in enumerate(delta.get("tool_calls") or ()):
            yield from self._call(self._place(call, place), call)

    def _place(self, delta: dict[str, Any], place: int) -> int:
        """Which call a delta belongs to, by the server's own number for it, whatever that counts from.

        Some servers number each of several whole calls 0, told apart by their ids.
        """
        number = delta.get("index", place)
        known = self._places.get(number, len(self._calls))
        others = known < len(self._calls) and self._calls[known]["id"] not in (None, delta.get("id"))
        again = others and delta.get("id") and (delta.get("function") or {}).get("name")
        self._places[number] = len(self._calls) if again else known
        return self._places[number]

    def _words(self, key: str, text: str | None) -> Iterator[Piece]:
        if text:
            self._message[key] = self._message.get(key, "") + text
            yield Piece("thought" if key == "reasoning_content" else "text", text)

    def _call(self, index: int, delta: dict[str, Any]) -> Iterator[Piece]:
        function = delta.get("function") or {}
        if index == len(self._calls):
            name = function["name"]
            self._calls.append({"id": delta.get("id"), "function": {"name": name, "arguments": ""}})
            yield Piece("call", ("}" if index else "") + f'{{"name": {dumps(name)}, "arguments": ')
        given = function.get("arguments") or ""
        given = given if isinstance(given, str) else dumps(given)
        self._calls[index]["function"]["arguments"] += given
        if given and index == len(self._calls) - 1:
            yield Piece("call", given)
