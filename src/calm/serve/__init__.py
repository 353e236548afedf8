"""Serving: any Policy behind OpenAI's chat completions, with a chat page at `/`.

`http` answers requests, `wire` reads what they ask and writes what goes back, `worker` runs the model one step at a
time behind a bounded queue, `run` opens the port. Nothing here knows a model: a script is served as well as a network.
"""

from typing import TYPE_CHECKING

from calm.policy import Policy, load
from calm.serve.http import Server, Settings

if TYPE_CHECKING:
    from starlette.applications import Starlette


def app(policy: Policy | str, settings: Settings | None = None) -> "Starlette":
    """The ASGI application that serves a policy, or the model of that name, to OpenAI clients.

    Raises:
        MissingExtra: starlette is not installed, or what the model needs.
        ModelError: no such model.
    """
    return Server(load(policy) if isinstance(policy, str) else policy, settings or Settings()).app()
