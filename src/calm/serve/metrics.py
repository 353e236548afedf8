"""What a server counts, in Prometheus' text form; labels are few and known, so no client can make it grow."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import get_args

from calm.policy import Usage
from calm.serve.deltas import Ended

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds, in seconds, that request times are counted by."""


class Metrics:
    """Counters of one server; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._within: Counter[float] = Counter()
        self._seconds, self._count = 0.0, 0
        self._tokens: Counter[str] = Counter(prompt=0, cached=0, written=0)
        self._steps: Counter[str] = Counter(dict.fromkeys(get_args(Ended), 0))

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request that has ended; 499 is a client that hung up."""
        with self._lock:
            self._requests[route, status] += 1
            self._count += 1
            self._seconds += seconds
            self._within.update(bound for bound in BUCKETS if seconds <= bound)

    def step(self, usage: Usage | None, ended: Ended) -> None:
        """Count a step by how it ended, and its tokens where its policy counts them."""
        with self._lock:
            self._steps[ended] += 1
            if usage:
                self._tokens.update(prompt=usage.prompt, cached=usage.cached, written=usage.written)

    def text(self, running: int, waiting: int) -> str:
        """Everything so far, and how many steps run and wait now."""
        with self._lock:
            return "\n".join([*self._lines(running, waiting), ""])

    def _lines(self, running: int, waiting: int) -> Iterator[str]:
        yield from _head("calm_requests_total", "counter", "Requests answered, by route and HTTP status.")
        for (route, status), count in sorted(self._requests.items()):
            yield f'calm_requests_total{{route="{route}",status="{status}"}} {count}'
        yield from _head("calm_errors_total", "counter", "Requests answered with a status of 500 or more.")
        yield f"calm_errors_total {sum(n for (_, status), n in self._requests.items() if status >= 500)}"
        yield from _head("calm_steps_total", "counter", "Steps of the model, by how they came to their end.")
        for ended, count in sorted(self._steps.items()):
            yield f'calm_steps_total{{ended="{ended}"}} {count}'
        yield from _head("calm_steps_running", "gauge", "Steps of the model under way.")
        yield f"calm_steps_running {running}"
        yield from _head("calm_steps_waiting", "gauge", "Steps that stand in line.")
        yield f"calm_steps_waiting {waiting}"
        yield from _head("calm_tokens_total", "counter", "Tokens read, of them from a cache, and written.")
        for kind, count in sorted(self._tokens.items()):
            yield f'calm_tokens_total{{kind="{kind}"}} {count}'
        yield from _head("calm_request_seconds", "histogram", "Seconds from a request to the end of its answer.")
        for bound in BUCKETS:
            yield f'calm_request_seconds_bucket{{le="{bound:g}"}} {self._within[bound]}'
        yield f'calm_request_seconds_bucket{{le="+Inf"}} {self._count}'
        yield f"calm_request_seconds_sum {self._seconds:.6f}"
        yield f"calm_request_seconds_count {self._count}"


def _head(name: str, kind: str, about: str) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
