"""A model behind HTTP: any server that speaks OpenAI's chat completions with native `tools`, ours among them.

One request a step: the conversation goes out as wire JSON and the first choice comes back as a Step. Trouble on the way
(429, 5xx, a broken connection) is tried again a bounded number of times; what stays wrong is one HubError line. One
Endpoint may be called from many threads: they share its connections and its pace, and all wait when the server is busy.
"""

import os
import random
import re
import threading
import time
import weakref
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from calm.conversation import Conversation, Step
from calm.errors import FormatError, HubError, MissingExtra, UsageError
from calm.format import openai
from calm.policy import Usage
from calm.policy.pace import Pace

if TYPE_CHECKING:
    import httpx

NAME = re.compile(r"openai:(?P<model>.+?)@(?P<url>https?://\S+)")
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
        max_tokens: int = 256,
        timeout: float = 120.0,
        retries: int = 6,
        pause: float = 0.5,
        pace: Pace | None = None,
    ) -> None:
        """Open nothing yet; the first step connects.

        Args:
            model: the name the server knows the model by.
            url: the server's address; without a path `/v1` is added.
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
        self.name, self.model, self.url = f"openai:{model}@{url}", model, base(url)
        self._own, self._lock, self._spent = threading.local(), threading.Lock(), 0
        self._pace = pace or Pace()
        self._max_tokens, self._retries, self._pause = max_tokens, retries, pause
        key = os.environ.get("OPENAI_API_KEY") or os.environ.get("CALM_API_KEY")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(timeout=httpx.Timeout(timeout, connect=10.0), headers=headers)
        weakref.finalize(self, self._client.close)

    @classmethod
    def named(cls, name: str, *, max_tokens: int = 256, pace: Pace | None = None) -> "Endpoint":
        """The endpoint that `openai:MODEL@URL` names.

        Raises:
            UsageError: the name has another shape.
        """
        found = NAME.fullmatch(name)
        if not found:
            raise UsageError(
                f"{name!r} names no endpoint: write openai:MODEL@URL, e.g. openai:calm-135m@http://host:8000"
            )
        return cls(found["model"], found["url"], max_tokens=max_tokens, pace=pace)

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
        body = openai.request(conversation, self.model, max_tokens=self._max_tokens, temperature=0)
        answer = self._post(body)
        self._count(_usage(answer, time.monotonic() - began))
        try:
            return openai.read_response(answer)
        except FormatError as fault:
            raise HubError(f"{self.url}: {fault}") from fault

    def _count(self, usage: Usage) -> None:
        self._own.usage = usage
        with self._lock:
            self._spent += usage.prompt + usage.written

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        attempt = 0
        while True:
            self._pace.wait()
            reply = self._try(body)
            lost = isinstance(reply, str)
            if not lost and reply.status_code not in AGAIN:
                return self._read(reply)
            if attempt == (self._retries // 2 if lost else self._retries):
                break
            self._pace.hold(self._wait(attempt, {} if lost else reply.headers))
            attempt += 1
        if lost:
            raise Unreachable(
                f"{self.url}: {reply} ({attempt + 1} tries); is the server running, is the address right?"
            )
        return self._read(reply)

    def _try(self, body: dict[str, Any]) -> "httpx.Response | str":
        """The server's reply, or why there was none."""
        import httpx

        try:
            return self._client.post(f"{self.url}/chat/completions", json=body)
        except httpx.TimeoutException:
            return "no answer in time"
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return f"no connection ({error})"

    def _wait(self, attempt: int, headers: Mapping[str, str]) -> float:
        asked = retry_after(headers.get("retry-after", ""))
        own = self._pause * 2**attempt * random.uniform(0.5, 1.5)
        return min(LONGEST_PAUSE, own if asked is None else asked + self._pause * random.random())

    def _read(self, reply: "httpx.Response") -> dict[str, Any]:
        try:
            answer = reply.json()
        except ValueError:
            answer = None
        if reply.status_code != 200:
            kind = Unreachable if reply.status_code in AGAIN | CLOSED else HubError
            raise kind(f"{self.url}: {self._refusal(reply.status_code, answer)}")
        if not isinstance(answer, dict):
            raise HubError(f"{self.url}: answered something that is not JSON: {reply.text[:80]!r}")
        return answer

    def _refusal(self, status: int, answer: Any) -> str:
        said = _message(answer)
        if status in (401, 403):
            return f"the key was refused ({status}); set OPENAI_API_KEY{said}"
        if status == 404:
            return f"no model {self.model!r} there, or no /chat/completions (404){said}"
        if status in AGAIN:
            return (
                f"is too busy or broken ({status}){said}; {self._retries + 1} tries; go on later, or slower with --rate"
            )
        return f"refused the request ({status}){said}"


def base(url: str) -> str:
    """The address that `/chat/completions` is added to: a bare host gets `/v1`, a path that is there is kept."""
    url = url.rstrip("/").removesuffix("/chat/completions")
    return url if urlsplit(url).path else f"{url}/v1"


def retry_after(value: str) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3: a number or a date), None where it says neither."""
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # no date, or one without a zone
        return None


def _message(answer: Any) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    return f": {' '.join(str(said).split())[:200]}" if said else ""


def _usage(answer: dict[str, Any], seconds: float) -> Usage:
    counts = answer.get("usage") or {}
    cached = (counts.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Usage(counts.get("prompt_tokens") or 0, cached, counts.get("completion_tokens") or 0, seconds)
