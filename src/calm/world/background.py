"""Waiting with a limit: an event loop in a thread of its own, and plain functions that may take only so long.

A Toolbox is synchronous, because the loop that runs it is; what lies behind it (an `async def`, a server) need not be.
"""

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


class Slow(Exception):
    """The time was up before there was an answer; the message says how long that was."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} s")


class Background:
    """An event loop in a daemon thread; what is opened on it stays usable from one `wait` to the next."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="calm-tools", daemon=True)
        self._thread.start()

    def start(self, work: Awaitable[T]) -> "Future[T]":
        """Begin `work` on the loop and return at once."""
        return asyncio.run_coroutine_threadsafe(_run(work), self._loop)

    def wait(self, work: Awaitable[T], seconds: float | None = None) -> T:
        """The result of `work`; it is cancelled when the time is up or Ctrl-C is pressed.

        Raises:
            Slow: the time was up.
        """
        future = self.start(work)
        try:
            return _result(future, seconds)
        finally:
            future.cancel()

    def close(self) -> None:
        """Stop the loop and its thread; work still under way is dropped."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@cache
def shared() -> Background:
    """The one loop on which `async` tools of this process run, so that a client opened by one call serves the next."""
    return Background()


def within(seconds: float | None, work: Callable[[], T]) -> T:
    """The result of `work`, run in a thread of its own when there is a limit.

    Python cannot stop a thread: work that is too slow goes on unheard, so what it changes may still change.

    Raises:
        Slow: the time was up.
    """
    if seconds is None:
        return work()
    future: Future[T] = Future()
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_settle, future, work), daemon=True).start()
    return _result(future, seconds)


def _settle(future: "Future[Any]", work: Callable[[], Any]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001  # handed on to the thread that waits
        future.set_exception(error)


def _result(future: "Future[T]", seconds: float | None) -> T:
    try:
        return future.result(seconds)
    except TimeoutError:
        if seconds is None or future.done():
            raise  # the work's own
        raise Slow(seconds) from None


async def _run(work: Awaitable[T]) -> T:
    return await work
