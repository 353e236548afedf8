"""The threads that run the model, and the bounded line before them."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from calm.agent.events import Writing, Written
from calm.agent.live import heard
from calm.conversation import Conversation, Step
from calm.policy import Policy, Usage
from calm.serve.deltas import Done, Said, told
from calm.serve.wire import Asked, Can, Choice, Refusal

T = TypeVar("T")


class End:
    """What a listener hears last: nothing more comes, or what went wrong."""

    def __init__(self, trouble: BaseException | None = None) -> None:
        self.trouble = trouble


def broken(fault: BaseException) -> RuntimeError:
    """What would end a thread without a word (`sys.exit()`, a panic in Rust) as a fault that a listener can be told."""
    error = RuntimeError(f"{type(fault).__name__}: {fault}")
    error.__cause__ = fault
    return error


class Job:
    """Work that waits or runs; `cancel` takes it out of the line, or ends it before the next thing it would yield."""

    def __init__(self, tell: Callable[[Any], object]) -> None:
        self.tell, self.cancelled = tell, False
        self.future: Future[None] = Future()

    def cancel(self) -> None:
        """Nothing more is wanted; harmless when it is over."""
        self.cancelled = True
        self.future.cancel()


class Worker:
    """Runs a policy in its own thread, one step at a time; at most `waiting` more requests stand in line.

    A policy that says it is `concurrent` (behind HTTP, or decoding together) runs `at_once` steps, a thread for each.
    `can` says what the policy can be held to: calling, where it decodes by grammar and has a `choice` to set, and a
    length, where it has `max_tokens`. Both are set for each step, so a concurrent policy that has them must keep them,
    like `usage` and `hurried`, for each thread.
    """

    def __init__(self, policy: Policy, waiting: int, at_once: int = 8) -> None:
        threads = at_once if getattr(policy, "concurrent", False) else 1
        self._policy, self._room = policy, waiting + threads
        self._longest: int | None = getattr(policy, "max_tokens", None)
        self.live = bool(getattr(policy, "constrained", False))
        self.can = Can(hasattr(policy, "choice") and self.live, self._longest is not None)
        self.pending, self.running, self._lock = 0, 0, threading.Lock()
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="calm-model")

    @property
    def name(self) -> str:
        """The policy's own name."""
        return self._policy.name

    def submit(self, work: Callable[[Policy], Generator[Any]], tell: Callable[[Any], object]) -> Job:
        """Let `work` run over the policy in its thread, each thing it yields told at once and an `End` at last.

        Raises:
            Refusal: 503, the line is full.
        """
        with self._lock:
            if self.pending >= self._room:
                raise Refusal("the model is busy and the line is full; try again", 503, "server_busy")
            self.pending += 1
        job = Job(tell)
        job.future = self._pool.submit(self._run, work, job)
        job.future.add_done_callback(lambda future: self._forget(job, future))
        return job

    async def answer(self, asked: Asked) -> AsyncGenerator[Said | Done]:
        """The policy's next step as it comes; whoever stops listening stops the model.

        Raises:
            Refusal: 503, the line is full.
        """
        loop, items = asyncio.get_running_loop(), asyncio.Queue[Any]()

        def tell(item: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server went down and nobody listens
                loop.call_soon_threadsafe(items.put_nowait, item)

        job = self.submit(lambda policy: self._told(policy, asked), tell)
        try:
            while not isinstance(item := await items.get(), End):
                yield item
            if item.trouble:
                raise item.trouble
        finally:
            job.cancel()

    def _told(self, policy: Policy, asked: Asked) -> Generator[Said | Done]:
        self.hold(policy, asked.choice, asked.longest)
        return told(policy, asked, self.live)

    def hold(self, policy: Policy, choice: Choice, longest: int | None) -> None:
        """Set, as far as `can` says, what the policy's next step is held to; in its thread only."""
        if self.can.forces:
            policy.choice = choice  # ty: ignore[missing-attribute]  # `can` says it is there
        if self._longest:
            policy.max_tokens = min(longest or self._longest, self._longest)  # ty: ignore[missing-attribute]

    def _run(self, work: Callable[[Policy], Generator[Any]], job: Job) -> None:
        with self._lock:
            self.running += 1
        trouble: BaseException | None = None
        try:
            with contextlib.closing(work(self._policy)) as items:
                while not job.cancelled and (item := next(items, None)) is not None:
                    job.tell(item)
        except Exception as error:  # noqa: BLE001  # carried to the listener, who raises it
            trouble = error
        except BaseException as error:  # noqa: BLE001  # else the listener waits forever and the place stays taken
            trouble = broken(error)
        with self._lock:
            self.running -= 1
            self.pending -= 1
        job.tell(End(trouble))

    def _forget(self, job: Job, future: Future[None]) -> None:
        if future.cancelled():
            with self._lock:
                self.pending -= 1
            job.tell(End(Refusal("the server is stopping", 503, "server_stopping")))

    def close(self) -> None:
        """Take no more work and forget what waits; a step under way runs out."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class InLine:
    """The worker's policy as one for an agent in another thread: each of its steps stands in the same line."""

    def __init__(self, worker: Worker) -> None:
        self.name, self._worker = worker.name, worker
        self.usage: Usage | None = None

    def __call__(self, conversation: Conversation) -> Step:
        """The next step."""
        *_, step = self.stream(conversation)
        return step  # ty: ignore[invalid-explicit-return]  # the step comes last

    def stream(self, conversation: Conversation) -> Iterator[tuple[Written, str] | Step]:
        """Pieces as they come and then the step; leaving early stops the model.

        Raises:
            Refusal: 503, the line is full.
        """
        items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        job = self._worker.submit(lambda policy: self._heard(policy, conversation), items.put)
        try:
            while not isinstance(item := items.get(), End):
                yield (item.part, item.text) if isinstance(item, Writing) else item
            if item.trouble:
                raise item.trouble
        finally:
            job.cancel()

    def _heard(self, policy: Policy, conversation: Conversation) -> Generator[Writing | Step]:
        self._worker.hold(policy, "auto", None)
        yield from heard(policy, conversation)
        self.usage = getattr(policy, "usage", None)
