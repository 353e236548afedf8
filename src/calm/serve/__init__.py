"""Serving: any Policy behind OpenAI's chat completions and responses, with a chat page and its agent at `/`.

`http` answers requests. `wire` and `responses` read what they ask, `worker` runs the model behind a bounded line,
`deltas` follows a step while it is written, `chunks` and `responses` write what goes back. `room` holds the page's
conversations, `metrics` counts, `spec` is the OpenAPI document, `run` opens the port and `connection` guards it.
Nothing here knows a model: a script is served as well as a network.
"""

from typing import TYPE_CHECKING

from calm.policy import Policy, load
from calm.serve.http import Server, Settings
from calm.world import Toolbox

if TYPE_CHECKING:
    from starlette.applications import Starlette


def app(
    policy: Policy | str, settings: Settings | None = None, toolbox: Toolbox | None = None, origin: str = ""
) -> "Starlette":
    """The ASGI application that serves a policy, or the model of that name, to OpenAI clients and at a chat page.

    Args:
        policy: who answers.
        settings: how the server behaves.
        toolbox: tools that the page's agent runs here, copied for each conversation; without any the page's user
            writes tools as JSON and answers the calls.
        origin: what the tools are, for the record of a saved conversation.

    Raises:
        MissingExtra: starlette is not installed, or what the model needs.
        ModelError: no such model.
    """
    found = load(policy) if isinstance(policy, str) else policy
    return Server(found, settings or Settings(), toolbox, origin).app()
