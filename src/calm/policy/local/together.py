"""A local model asked from many threads at once: one thread of its own decodes all that they wait for together."""

import contextlib
import threading
from collections.abc import Generator, Iterable, Iterator
from queue import Empty, SimpleQueue

from calm.conversation import Conversation, Step
from calm.errors import ModelError
from calm.format.grammar import Choice
from calm.policy import Policy, Usage
from calm.policy.local import Local
from calm.policy.local.turn import Turn, Wish

Said = list[int] | Turn | Exception


@contextlib.contextmanager
def for_threads(policy: Policy, width: int) -> Generator[Policy]:
    """The policy for many threads while the block runs: a local model decodes `width` together, any other is itself."""
    if width > 1 and isinstance(policy, Local):
        with contextlib.closing(Together(policy, width)) as together:
            yield together
    else:
        yield policy


class Held(threading.local):
    """What a thread's next step is held to, and what its latest one came to."""

    def __init__(self, max_tokens: int) -> None:
        self.choice: Choice = "auto"
        self.max_tokens = max_tokens
        self.usage, self.hurried, self.repeated = Usage(0, 0, 0, 0.0), False, False


class Together:
    """A Policy over a Local that many threads may call; `width` of their steps are decoded at a time.

    `choice`, `max_tokens`, `usage`, `hurried` and `repeated` are each thread's own; a step's seconds are those it took
    beside the others. The Local is the engine thread's until `close` ends that; who waits then, or comes later, gets a
    ModelError. A fault of the engine is raised in all who wait; who comes later is answered.
    """

    concurrent = True

    def __init__(self, local: Local, width: int = 32) -> None:
        self.name, self.codec, self.constrained, self.engine = local.name, local.codec, local.constrained, local.engine
        self._local, self._width, self._own = local, width, Held(local.max_tokens)
        self._asked: SimpleQueue[Wish | None] = SimpleQueue()
        self._open: dict[Wish, SimpleQueue[Said]] = {}
        self._under_way = 0
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="calm-engine", daemon=True)
        self._thread.start()

    def __call__(self, conversation: Conversation) -> Step:
        """The model's next step.

        Raises:
            CalmError: what this conversation raises alone, too.
            ModelError: closed.
        """
        return self._local.read(list(self.tokens(conversation)))

    def complete(self, turns: Iterable[tuple[str, str]]) -> str:
        """What the model writes after turns (role, text) that are put to it as they are: no tools, no grammar."""
        return self.codec.text(list(self._decoded(tuple(turns))))

    def tokens(self, conversation: Conversation) -> Iterator[int]:
        """Ids of the next step as they are decoded; whoever stops listening has its sequence dropped."""
        return self._decoded(conversation)

    def close(self) -> None:
        """End the engine's thread after the token under way; harmless when it is over."""
        with self._lock:
            self._closed = True
        self._asked.put(None)
        self._thread.join()

    def _decoded(self, asked: Conversation | tuple[tuple[str, str], ...]) -> Iterator[int]:
        wish, heard = Wish(asked, self.choice, self.max_tokens), SimpleQueue[Said]()
        with self._lock:
            if self._closed:
                raise ModelError(f"{self.name}: closed, it answers no more")
            self._open[wish] = heard
        self._asked.put(wish)
        try:
            while isinstance(said := heard.get(), list):
                yield from said
            if isinstance(said, Exception):
                raise said
        finally:
            wish.dropped = True
            if wish.turn:
                turn = wish.turn
                self._own.usage, self._own.hurried, self._own.repeated = turn.usage, turn.hurried, turn.repeated

    # --- the engine's thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closed:
            try:
                self._drive()
            except Exception as error:  # noqa: BLE001  # raised again in all who wait
                self._fail(error)
            except BaseException as error:  # noqa: BLE001  # a panic in Rust is no Exception
                self._fail(ModelError(f"{self.name}: the engine failed ({type(error).__name__}: {error})"))
        self._fail(ModelError(f"{self.name}: closed while steps were waited for"))

    def _drive(self) -> None:
        for wish, said in self._local.decode(self._wishes(), self._width):
            self._open[wish].put(said)
            if not isinstance(said, list):
                self._forget(wish)
                self._under_way -= 1
            if self._closed:
                return

    def _wishes(self) -> Iterator[Wish | None]:
        """What is asked, as it comes; sleeps while nothing is under way."""
        while not self._closed:
            try:
                wish = self._asked.get(block=not self._under_way)
            except Empty:
                yield None
                continue
            if wish in self._open and not wish.dropped:
                self._under_way += 1
                yield wish
            elif wish in self._open:
                self._forget(wish)

    def _fail(self, error: Exception) -> None:
        """End all that is waited for."""
        with self._lock:
            for heard in self._open.values():
                heard.put(error)
            self._open.clear()
            self._under_way = 0

    def _forget(self, wish: Wish) -> None:
        with self._lock:
            del self._open[wish]

    # --- each thread's own -------------------------------------------------------------------------------------------

    @property
    def usage(self) -> Usage:
        """What this thread's latest step cost."""
        return self._own.usage

    @property
    def hurried(self) -> bool:
        """Whether this thread's latest step was brought to its end."""
        return self._own.hurried

    @property
    def repeated(self) -> bool:
        """Whether this thread's latest step ended where a call would have been made again."""
        return self._own.repeated

    @property
    def choice(self) -> Choice:
        """Whether this thread's next step may, must or must not call."""
        return self._own.choice

    @choice.setter
    def choice(self, choice: Choice) -> None:
        self._own.choice = choice

    @property
    def max_tokens(self) -> int:
        """The longest step of this thread, in tokens."""
        return self._own.max_tokens

    @max_tokens.setter
    def max_tokens(self, most: int) -> None:
        self._own.max_tokens = most
