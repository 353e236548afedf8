"""`calm serve`: a model behind OpenAI's chat completions, with a chat page at `/`."""

import os
import sys

from calm.cli.screen import progress
from calm.files import dumps
from calm.policy import load
from calm.serve import app
from calm.serve.http import Settings
from calm.serve.run import run


def serve(
    *,
    model: str = "calm-135m",
    host: str = "127.0.0.1",
    port: int = 8000,
    api_key: str | None = None,
    constrained: bool = True,
    max_tokens: int = 256,
) -> None:
    """Serve a model to any OpenAI client, and a chat page at /, until Ctrl-C.

    Requests are answered one at a time in the order they come; when the line is full, clients get 503 and Retry-After.

    Args:
        model: A model folder, a hub id, calm-135m, or openai:MODEL@URL; clients address it by the same name.
        host: The address to listen on; 0.0.0.0 lets other machines in, then set a key.
        port: The port; 0 takes a free one.
        api_key: Ask /v1 clients for this key; without it CALM_API_KEY counts, which does not show in process lists.
        constrained: Hold calls to the tools' schemas while decoding; local models only.
        max_tokens: Longest answer, in tokens.
    """
    key = api_key or os.environ.get("CALM_API_KEY")
    with progress() as tick:
        policy = load(model, constrained=constrained, max_tokens=max_tokens, progress=tick)
    application = app(policy, Settings(api_key=key))
    run(application, host, port, lambda url: sys.stdout.write(greeting(url, policy.name, bool(key))))


def greeting(url: str, model: str, locked: bool) -> str:
    """What the terminal says once the port is open: where the page is, and a curl line that works as it stands."""
    body = dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}]}).replace("'", "'\\''")
    key = ' -H "Authorization: Bearer $CALM_API_KEY"' if locked else ""
    return (
        f"serving {model} at {url} (chat page there, API under {url}/v1); Ctrl-C stops\n"
        f"try: curl {url}/v1/chat/completions -H 'Content-Type: application/json'{key} -d '{body}'\n"
    )
