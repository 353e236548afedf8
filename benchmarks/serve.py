"""A server under load: many streaming clients at once, each answer checked against what this client asked, and memory.

    python benchmarks/serve.py [--clients 200] [--seconds 60] [--at-once 8] [--waiting 16] [--model NAME] [--json]

The server is a process of its own. By default its policy says back, word by word, what it was asked, and no two
requests have a word in common; with `--model` it is `calm serve`, and an answer has to be whole and to count as many
prompt tokens as its question has alone. One client in ten reads slowly and one in ten hangs up halfway; who is turned
away asks again after `Retry-After`. Memory is the server's resident set, read from Linux' /proc.
"""

import argparse
import asyncio
import contextlib
import json
import random
import re
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from calm.conversation import Assistant, Conversation

Manner = Literal["reads", "dawdles", "leaves"]
ASKING, SAID, PATIENCE = 40, 400, 120.0
"""Words of a question, of a dawdler's; seconds until an answer counts as hung."""


class Echo:
    """Says back word by word what it heard; like a model, it takes its time for each."""

    name, concurrent = "echo", True

    def __init__(self, pause: float) -> None:
        self.pause = pause

    def __call__(self, conversation: Conversation) -> Assistant:
        """All at once."""
        return Assistant(text=getattr(conversation.messages[-1], "content", ""))

    def stream(self, conversation: Conversation) -> Iterator[Any]:
        """Word by word."""
        step = self(conversation)
        for word in (step.text or "").split(" "):
            time.sleep(self.pause)
            yield "text", f"{word} "
        yield step


class Heard(NamedTuple):
    """A request: what it came to, seconds to the first byte of the answer and to the last."""

    outcome: str
    first: float = 0.0
    whole: float = 0.0


# --- the server ----------------------------------------------------------------------------------------------------


def serve(asked: argparse.Namespace) -> None:
    """Be the server of an echo, until a signal."""
    from calm.serve import app
    from calm.serve.http import Settings
    from calm.serve.run import run

    settings = Settings(waiting=asked.waiting, at_once=asked.at_once)
    run(app(Echo(asked.pause), settings), "127.0.0.1", 0, lambda url: print(url, flush=True))


@contextlib.contextmanager
def served(asked: argparse.Namespace) -> Generator[tuple[str, int]]:
    """A server in a process of its own: its address and process id."""
    rest = ["--waiting", str(asked.waiting)]
    if asked.model:
        command = ["-m", "calm", "serve", "--model", asked.model, "--port", "0", "--world", "none", *rest]
    else:
        command = [__file__, "--serve", "--at-once", str(asked.at_once), "--pause", str(asked.pause), *rest]
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    try:
        found = re.search(r"http://\S+?:\d+", process.stdout.readline() if process.stdout else "")
        if not found:
            sys.exit("the server did not start")
        yield found[0], process.pid
    finally:
        process.terminate()
        process.wait(60)


def memory(process: int, kind: Literal["VmRSS", "VmHWM"]) -> float:
    """Megabytes that a process holds, or the most it ever held."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.findall(rf"{kind}:\s+(\d+)", status)[0]) / 1024


def descriptors(process: int) -> int:
    """Files and sockets that a process has open."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


# --- a client ------------------------------------------------------------------------------------------------------


class Client:
    """Asks again and again; `counts` has the prompt tokens of a real model's questions, empty for an echo."""

    def __init__(self, url: str, model: str, number: int, counts: dict[int, int]) -> None:
        self._address = urlsplit(url)
        self._model, self._counts = model, counts
        self._number, self._draw = number, random.Random(number)
        self._manner: Manner = {0: "dawdles", 1: "leaves"}.get(number % 10, "reads")  # ty: ignore[invalid-assignment]

    async def ask_until(self, end: float) -> list[Heard]:
        """Everything this client went through; a question that is being answered at the end is heard out."""
        heard, question = list[Heard](), 0
        while time.perf_counter() < end:
            heard.append(await self._safely(question))
            if heard[-1].outcome == "503":
                await asyncio.sleep(2 * self._draw.uniform(0.5, 1.5))
            else:
                question += 1
        return heard

    async def _safely(self, question: int) -> Heard:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._ask(question)
        except TimeoutError:
            return Heard("hung")
        except (OSError, asyncio.IncompleteReadError, ValueError) as fault:
            return Heard(f"lost: {type(fault).__name__}")

    async def _ask(self, question: int) -> Heard:
        most = SAID if self._manner == "dawdles" and not self._counts else ASKING
        words = self._draw.randint(most // 2, most)
        text = " ".join(f"c{self._number}q{question}w{i}" for i in range(words)) if not self._counts else said(words)
        began = time.perf_counter()
        reader, writer = await self._connected()
        with contextlib.closing(writer):
            writer.write(request(self._model, text))
            head = await reader.readuntil(b"\r\n\r\n")
            first, status = time.perf_counter() - began, head.split(b" ", 2)[1].decode()
            if status != "200":
                return Heard(status)
            if self._manner == "leaves":
                await reader.read(2000)
                writer.transport.abort()
                return Heard("left", first)
            body = await self._body(reader)
            outcome = self._judged(body, text, words)
            return Heard(outcome, first, time.perf_counter() - began)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        line = socket.socket()
        line.setblocking(False)
        if self._manner == "dawdles":
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.get_running_loop().sock_connect(line, (self._address.hostname, self._address.port))
        return await asyncio.open_connection(sock=line, limit=4096 if self._manner == "dawdles" else 1 << 16)

    async def _body(self, reader: asyncio.StreamReader) -> bytes:
        pieces = list[bytes]()
        while piece := await reader.read(4096):
            pieces.append(piece)
            if self._manner == "dawdles":
                await asyncio.sleep(0.05)
        return unchunked(b"".join(pieces))

    def _judged(self, body: bytes, text: str, words: int) -> str:
        events = [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]
        if not body.endswith(b"data: [DONE]\n\n"):
            return "lost: cut short"
        if self._counts:
            return "right" if events[-1]["usage"]["prompt_tokens"] == self._counts[words] else "mixed"
        answer = "".join(e["choices"][0]["delta"].get("content", "") for e in events if e["choices"])
        return "right" if answer.strip() == text else "mixed"


def request(model: str, text: str) -> bytes:
    """A chat completion to be streamed, as HTTP."""
    messages = [{"role": "user", "content": text}]
    asked = {"model": model, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    body = json.dumps(asked | {"max_tokens": 48}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def unchunked(raw: bytes) -> bytes:
    """A body without HTTP's chunk lengths."""
    body, at = bytearray(), 0
    while at < len(raw):
        end = raw.index(b"\r\n", at)
        size = int(raw[at:end], 16)
        body += raw[end + 2 : end + 2 + size]
        at = end + size + 4
    return bytes(body)


def said(words: int) -> str:
    """A question to a real model that its length tells apart."""
    return f"Say {' '.join(['yes'] * words)}."


def alone(url: str, model: str) -> dict[int, int]:
    """The prompt tokens of every question there is, each asked alone."""
    import httpx

    counts = {}
    for words in range(ASKING // 2, ASKING + 1):
        body = {"model": model, "messages": [{"role": "user", "content": said(words)}], "max_tokens": 1}
        reply = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=PATIENCE).raise_for_status()
        counts[words] = reply.json()["usage"]["prompt_tokens"]
    return counts


# --- the run -------------------------------------------------------------------------------------------------------


async def load(url: str, model: str, counts: dict[int, int], asked: argparse.Namespace) -> list[Heard]:
    """All clients at once, for as long as was asked."""
    end = time.perf_counter() + asked.seconds
    clients = [Client(url, model, number, counts) for number in range(asked.clients)]
    return [heard for part in await asyncio.gather(*(c.ask_until(end) for c in clients)) for heard in part]


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    """A run and what it came to."""
    import httpx

    with served(asked) as (url, process):
        model = httpx.get(f"{url}/v1/models").json()["data"][0]["id"]
        counts = alone(url, model) if asked.model else {}
        before, open_before = memory(process, "VmRSS"), descriptors(process)
        heard = asyncio.run(load(url, model, counts, asked))
        for _ in range(100):
            if not httpx.get(f"{url}/health").json()["pending"] and descriptors(process) <= open_before + 1:
                break
            time.sleep(0.1)
        after = {"pending_after": httpx.get(f"{url}/health").json()["pending"]}
        after |= {"open_files": [open_before, descriptors(process)]}
        rss = {"before": before, "peak": memory(process, "VmHWM"), "after": memory(process, "VmRSS")}
    return {**summary(heard), "rss_mb": rss, **after}


def summary(heard: list[Heard]) -> dict[str, Any]:
    """Counts and times of requests; times are those of whole, right answers."""
    right = [one for one in heard if one.outcome == "right"]
    return {
        "requests": len(heard),
        "outcomes": dict(sorted(Counter(one.outcome for one in heard).items())),
        "first_s": cuts([one.first for one in right]),
        "whole_s": cuts([one.whole for one in right]),
    }


def cuts(times: list[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    if len(times) < 2:
        return {}
    parts = statistics.quantiles(times, n=20)
    return {"p50": parts[9], "p95": parts[18]}


def table(found: dict[str, Any]) -> Iterator[str]:
    """What there is to see, line by line."""
    yield f"{'requests':16} {found['requests']}"
    yield from (f"  {outcome:14} {count}" for outcome, count in found["outcomes"].items())
    for name in ("first_s", "whole_s", "rss_mb"):
        yield f"{name:16} " + ", ".join(f"{key} {value:.2f}" for key, value in found[name].items())
    yield f"{'pending after':16} {found['pending_after']}"
    yield f"{'open files':16} {found['open_files'][0]} before, {found['open_files'][1]} after"


def main() -> None:
    """Run and print; the status is 1 where an answer was lost, mixed or hung."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--clients", type=int, default=200)
    flags.add_argument("--seconds", type=float, default=60)
    flags.add_argument("--at-once", type=int, default=8, help="steps together; a real model takes 8")
    flags.add_argument("--waiting", type=int, default=16, help="requests in line before others are turned away")
    flags.add_argument("--pause", type=float, default=0.02, help="seconds the echo takes for a word")
    flags.add_argument("--model", help="serve this model instead of an echo")
    flags.add_argument("--json", action="store_true")
    flags.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = flags.parse_args()
    if asked.serve:
        serve(asked)
        return
    found = measured(asked)
    print(*table(found), sep="\n")
    if asked.json:
        print(json.dumps(found))
    bad = [outcome for outcome in found["outcomes"] if outcome not in ("right", "left", "503")]
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
