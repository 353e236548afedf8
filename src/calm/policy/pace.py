"""When the next request may go out: one clock for all threads that share a server."""

import re
import threading
import time
from collections.abc import Callable

from calm.errors import UsageError

RATE = re.compile(r"(?P<count>\d+(?:\.\d+)?)(?:/(?P<unit>[smh]))?")
SECONDS = {None: 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


class Pace:
    """Gives out places in time, `gap` seconds apart, in the order of asking; the first is now.

    A place that was not taken is not saved up, so a server that counts per second never sees more than it allows.
    """

    def __init__(
        self,
        gap: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.gap = gap
        self._clock, self._sleep = clock, sleep
        self._lock, self._next, self._held = threading.Lock(), 0.0, 0.0

    @classmethod
    def named(cls, rate: str | None) -> "Pace":
        """The pace that `5` or `5/s` (a second), `300/m` or `1000/h` spells; no limit for None.

        Raises:
            UsageError: anything else, or a rate of nothing.
        """
        found = RATE.fullmatch(rate or "")
        if rate is not None and (found is None or not float(found["count"])):
            raise UsageError(f"--rate {rate!r}: write requests a second, minute or hour: 5/s, 300/m, 1000/h")
        return cls(SECONDS[found["unit"]] / float(found["count"]) if found else 0.0)

    def wait(self) -> None:
        """Sleep until the caller's place comes, and until nobody holds the line."""
        with self._lock:
            place = max(self._clock(), self._next)
            self._next = place + self.gap
        while (left := max(place, self._held) - self._clock()) > 0:
            self._sleep(left)

    def hold(self, seconds: float) -> None:
        """Nobody goes for that long: the server has said that it is too busy, and all who ask would hear the same."""
        with self._lock:
            self._held = max(self._held, self._clock() + seconds)
            self._next = max(self._next, self._held)
