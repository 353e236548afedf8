"""The one thread that runs the model, and the bounded queue before it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from calm.conversation import Step
from calm.policy import Policy
from calm.serve.wire import Asked, Refusal, kept, usage


class Worker:
    """Runs a policy in its own thread, one step at a time; at most `waiting` more requests stand in line.

    `forces` says whether the policy can be held to calling: it decodes by grammar and has a `choice` to set.
    """

    def __init__(self, policy: Policy, waiting: int) -> None:
        self._policy, self._room, self.pending = policy, waiting + 1, 0
        self.forces = hasattr(policy, "choice") and getattr(policy, "constrained", False)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="calm-model")

    async def step(self, asked: Asked) -> tuple[Step, dict[str, Any]]:
        """The policy's next step and its usage object; what the policy raises is raised here.

        Raises:
            Refusal: 503, the line is full.
        """
        if self.pending >= self._room:
            raise Refusal("the model is busy and the line is full; try again", 503, "server_busy")
        self.pending += 1
        try:
            return await asyncio.wrap_future(self._pool.submit(self._run, asked))
        finally:
            self.pending -= 1

    def _run(self, asked: Asked) -> tuple[Step, dict[str, Any]]:
        if self.forces:
            self._policy.choice = asked.choice  # ty: ignore[missing-attribute]  # `forces` says it is there
        step = self._policy(asked.conversation)
        return kept(step, asked), usage(getattr(self._policy, "usage", None))

    def close(self) -> None:
        """Take no more work and forget what waits; a step under way runs out."""
        self._pool.shutdown(wait=False, cancel_futures=True)
