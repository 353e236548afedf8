"""Several things at once, for work that waits on a server."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def unordered(
    work: Callable[[Item], Result], items: Sequence[Item], threads: int
) -> contextlib.AbstractContextManager[Generator[Result]]:
    """The results of `work` as they come, from that many threads; with one, in order and in the caller's own thread.

    A context manager around the generator. Who leaves it early (an error, Ctrl-C) leaves at once: nothing new is begun,
    and what is under way is abandoned, for the threads do not keep the process alive. An exception of `work` is raised
    here.
    """
    return contextlib.closing(_threaded(work, items, threads) if threads > 1 else _one_by_one(work, items))


def _one_by_one(work: Callable[[Item], Result], items: Sequence[Item]) -> Generator[Result]:
    for item in items:
        yield work(item)


def _threaded(work: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Generator[Result]:
    todo: SimpleQueue[Item] = SimpleQueue()
    done: SimpleQueue[Callable[[], Result]] = SimpleQueue()
    left = Event()
    for item in items:
        todo.put(item)

    def labour() -> None:
        with contextlib.suppress(Empty):
            while not left.is_set():
                done.put(_attempt(work, todo.get_nowait()))

    for _ in range(min(threads, len(items))):
        Thread(target=labour, daemon=True).start()
    try:
        for _ in items:
            yield done.get()()
    finally:
        left.set()


def _attempt(work: Callable[[Item], Result], item: Item) -> Callable[[], Result]:
    """What gives the result of `work`, or raises what it raised, wherever it is called."""
    try:
        result = work(item)
    except BaseException as error:  # noqa: BLE001  # raised again in the thread that reads the results
        fault = error

        def fail() -> Result:
            raise fault

        return fail
    return lambda: result
