"""A model behind HTTP: any server that speaks OpenAI's chat completions, ours among them, whole or as it writes.

One request a step: the conversation goes out in one of three forms (`endpoint_forms`: native `tools`, our text as chat
turns, our text as one prompt) and the first choice comes back as a Step. Trouble on the way (429, 5xx, a connection
broken before the first word) is tried again a bounded number of times; what stays wrong is one HubError line. One
Endpoint may be called from many threads: they share its connections and its pace, and all wait when the server is busy.
"""

import contextlib
import os
import random
import re
import threading
import time
import weakref
from collections.abc import Generator, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from calm.conversation import Conversation, Step
from calm.errors import FormatError, HubError, MissingExtra, UsageError
from calm.format.growing import Piece, pieces
from calm.policy import Usage
from calm.policy import endpoint_forms as forms
from calm.policy.endpoint_forms import PATHS, Form
from calm.policy.endpoint_stream import KIND, Broken, Stream
from calm.policy.pace import Pace

if TYPE_CHECKING:
    import httpx

NAME = re.compile(rf"openai:(?P<model>.+?)@(?P<url>https?://[^\s?#]+)(?:#(?P<form>{'|'.join(PATHS)}))?")
AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which the same request may well succeed."""

CLOSED = frozenset({401, 402, 403, 404})
"""Statuses after which no other request will succeed either."""

LONGEST_PAUSE = 60.0
"""Seconds: a server that asks for more patience than this is waited for no longer than this."""


class Unreachable(HubError):
    """The server is not there, too busy after all tries, or lets nobody in: the next request will fare no better."""


class Endpoint:
    """A Policy over HTTP; greedy, one choice; `usage` holds what the latest step cost, in the thread that took it.

    The key is `OPENAI_API_KEY`, else `CALM_API_KEY`, of the environment; without either none is sent.
    """

    concurrent = True

    def __init__(  # noqa: PLR0913  # keyword-only, each with a default that serves
        self,
        model: str,
        url: str,
        *,
        form: Form = "tools",
        max_tokens: int = 512,
        timeout: float = 120.0,
        retries: int = 6,
        pause: float = 0.5,
        pace: Pace | None = None,
    ) -> None:
        """Open nothing yet; the first step connects.

        Args:
            model: the name the server knows the model by.
            url: the server's address; without a path `/v1` is added.
            form: how the conversation is put: native `tools`, or our text as chat turns (`react`) or a `prompt`.
            max_tokens: longest answer, in tokens.
            timeout: seconds until a silent server counts as a broken connection.
            retries: how often a request is sent again to a busy server; half as often where no connection was had.
            pause: seconds before the first retry; doubles each time, give or take a half.
            pace: how fast requests may go out, retries among them; as fast as they can by default.

        Raises:
            MissingExtra: httpx is not installed.
        """
        try:
            import httpx
        except ImportError as error:
            raise MissingExtra("an openai: model", "bench", "httpx") from error
        self.name = f"openai:{model}@{url}" + (f"#{form}" if form != "tools" else "")
        self.model, self.url, self.form = model, base(url), form
        self._own, self._lock, self._spent = threading.local(), threading.Lock(), 0
        self._pace = pace or Pace()
        self._max_tokens, self._retries, self._pause = max_tokens, retries, pause
        key = os.environ.get("OPENAI_API_KEY") or os.environ.get("CALM_API_KEY")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(timeout=httpx.Timeout(timeout, connect=10.0), headers=headers)
        weakref.finalize(self, self._client.close)

    @classmethod
    def named(cls, name: str, *, max_tokens: int = 512, pace: Pace | None = None) -> "Endpoint":
        """The endpoint that `openai:MODEL@URL`, `openai:MODEL@URL#react` or `openai:MODEL@URL#prompt` names.

        Raises:
            UsageError: the name has another shape.
        """
        found = NAME.fullmatch(name)
        if not found:
            raise UsageError(
                f"{name!r} names no endpoint: write openai:MODEL@URL, e.g. openai:calm-135m@http://host:8000, "
                "and #react or #prompt behind it for our text instead of native tools"
            )
        form = next((form for form in PATHS if form == found["form"]), "tools")
        return cls(found["model"], found["url"], form=form, max_tokens=max_tokens, pace=pace)

    @property
    def usage(self) -> Usage:
        """What the latest step of this thread cost."""
        return getattr(self._own, "usage", Usage(0, 0, 0, 0.0))

    def spent(self) -> int:
        """Tokens read and written so far, over all threads, as far as the server counts them."""
        return self._spent

    def __call__(self, conversation: Conversation) -> Step:
        """The server's next step; calls it wrote as broken JSON come back as Garbled.

        Raises:
            HubError: the server is out of reach, refuses the request or answers something else.
        """
        began = time.monotonic()
        return self._step(self._read(self._sent(self._body(conversation))), began)

    def stream(self, conversation: Conversation) -> Generator[Piece | Step]:
        """Pieces as the server writes them, then the step they make; a server that does not stream is heard at once.

        Raises:
            HubError: as when called; also where the stream breaks after its first words, which nobody can take back.
        """
        began = time.monotonic()
        body = {**self._body(conversation), "stream": True, "stream_options": {"include_usage": True}}
        with contextlib.closing(self._sent(body)) as reply:
            live = isinstance(reply, Stream)
            if live:
                yield from self._heard(reply)
            step = self._step(self._read(reply), began)
        yield from () if live else pieces(step)
        yield step

    def _heard(self, stream: Stream) -> Iterator[Piece]:
        try:
            yield from stream
        except Broken as fault:
            raise HubError(f"{self.url}: the answer broke off: {fault}; ask again") from fault

    def _body(self, conversation: Conversation) -> dict[str, Any]:
        return forms.request(self.form, conversation, self.model, self._max_tokens)

    def _step(self, answer: dict[str, Any], began: float) -> Step:
        self._count(_usage(answer, time.monotonic() - began))
        try:
            return forms.told_apart(forms.read(self.form, answer, self._max_tokens))
        except FormatError as fault:
            raise HubError(f"{self.url}: {fault}") from fault

    def _count(self, usage: Usage) -> None:
        self._own.usage = usage
        with self._lock:
            self._spent += usage.prompt + usage.written

    def _sent(self, body: dict[str, Any]) -> "httpx.Response | Stream":
        """What the server says in the end: an answer to read, a refusal to tell, or words that are still coming."""
        attempt = 0
        while True:
            self._pace.wait()
            reply = self._try(body)
            if isinstance(reply, Stream) or (not isinstance(reply, str) and reply.status_code not in AGAIN):
                return reply
            lost = isinstance(reply, str)
            if attempt == (self._retries // 2 if lost else self._retries):
                break
            self._pace.hold(self._wait(attempt, {} if lost else reply.headers))
            attempt += 1
        if lost:
            raise Unreachable(
                f"{self.url}: {reply} ({attempt + 1} tries); is the server running, is the address right?"
            )
        return reply

    def _try(self, body: dict[str, Any]) -> "httpx.Response | Stream | str":
        """The server's reply, a stream up to its first words, or why there was none."""
        import httpx

        try:
            request = self._client.build_request("POST", f"{self.url}/{PATHS[self.form]}", json=body)
            with contextlib.ExitStack() as left:
                reply = left.enter_context(contextlib.closing(self._client.send(request, stream=True)))
                kind = reply.headers.get("content-type", "").lower()
                if "stream" in body and reply.status_code == 200 and kind.startswith(KIND):
                    stream = Stream(reply, self.form, AGAIN)
                    left.pop_all()  # whoever hears the stream closes it
                    return stream
                reply.read()
                return reply
        except Broken as fault:
            if fault.again:
                return f"no answer: {fault}"
            raise HubError(f"{self.url}: {fault}; is this an OpenAI-compatible server?") from fault
        except httpx.TimeoutException:
            return "no answer in time"
        except (httpx.RequestError, httpx.InvalidURL) as error:
            return f"no connection ({error})"

    def _wait(self, attempt: int, headers: Mapping[str, str]) -> float:
        asked = retry_after(headers.get("retry-after", ""))
        own = self._pause * 2**attempt * random.uniform(0.5, 1.5)
        return min(LONGEST_PAUSE, own if asked is None else asked + self._pause * random.random())

    def _read(self, reply: "httpx.Response | Stream") -> dict[str, Any]:
        if isinstance(reply, Stream):
            return reply.answer()
        try:
            answer = reply.json()
        except (ValueError, RecursionError):
            answer = None
        if reply.status_code != 200:
            kind = Unreachable if reply.status_code in AGAIN | CLOSED else HubError
            moved = reply.headers.get("location", "") if reply.has_redirect_location else ""
            raise kind(f"{self.url}: {self._refusal(reply.status_code, answer, moved)}")
        if not isinstance(answer, dict):
            raise HubError(f"{self.url}: answered something that is not JSON: {reply.text[:80]!r}")
        if answer.get("error") and not answer.get("choices"):
            raise HubError(f"{self.url}: answered with an error{_message(answer)}")
        return answer

    def _refusal(self, status: int, answer: Any, moved: str) -> str:
        said = _message(answer)
        if moved:
            return f"has moved to {moved} ({status}), which is not followed; write that address"
        if status in (401, 403):
            return f"the key was refused ({status}); set OPENAI_API_KEY{said}"
        if status == 404:
            return f"no model {self.model!r} there, or no /{PATHS[self.form]} (404){said}"
        if status in AGAIN:
            return (
                f"is too busy or broken ({status}){said}; {self._retries + 1} tries; go on later, or slower with --rate"
            )
        instead = "; without native tools there, write #react behind the address"
        return f"refused the request ({status}){said}{instead if self.form == 'tools' and 'tool' in said else ''}"


def base(url: str) -> str:
    """The address that `/chat/completions` is added to: a bare host gets `/v1`, a path that is there is kept."""
    url = url.rstrip("/").removesuffix("/chat/completions")
    return url if urlsplit(url).path else f"{url}/v1"


def retry_after(value: str) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3: a number or a date), None where it says neither."""
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):  # no date, or one without a zone
        return None


def _message(answer: Any) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    return f": {' '.join(str(said).split())[:200]}" if said else ""


def _usage(answer: dict[str, Any], seconds: float) -> Usage:
    counts = answer.get("usage")
    counts = counts if isinstance(counts, dict) else {}
    details = counts.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    numbers = (counts.get("prompt_tokens"), cached, counts.get("completion_tokens"))
    return Usage(*(n if isinstance(n, int) else 0 for n in numbers), seconds)
