"""`calm serve`: a model behind OpenAI's chat completions and responses, with a chat page at `/`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from calm.cli.flags import Count, Weight
from calm.cli.screen import progress
from calm.cli.toolbox import Sources, gathered, guarded, refusing
from calm.errors import UsageError
from calm.files import dumps
from calm.policy import ground, load
from calm.policy.local.together import for_threads
from calm.serve import app
from calm.serve.http import Settings
from calm.serve.run import run
from calm.world import Toolbox
from calm.world.town import Town

LOCAL = ("127.0.0.1", "localhost", "::1")

Names = Annotated[Sequence[str], Parameter(negative="", show_default=False)]


def serve(  # noqa: PLR0913  # one flag per thing a user may say
    *,
    model: str = "calm-135m",
    name: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    api_key: str | None = None,
    cors: Names = (),
    waiting: int = 16,
    world: Literal["town", "none"] = "town",
    tools: Path | None = None,
    openapi: Names = (),
    mcp: Names = (),
    include: Names = ("*",),
    yes: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    constrained: bool = True,
    grounded: Weight = 0.0,
    max_tokens: Count = 512,
) -> None:
    """Serve a model to any OpenAI client, and a chat page at /, until Ctrl-C.

    Eight requests are answered together, the next when one of them is done; when the line is full, clients get 503 and
    Retry-After. The tools are the page's: programs that use /v1 bring their own with each request and run them
    themselves.

    Args:
        model: A model folder, a hub id, calm-135m, or openai:MODEL@URL.
        name: What clients call it; by default what --model says, of a folder the last part, of an endpoint its MODEL.
        host: The address to listen on; 0.0.0.0 lets other machines in, then set a key.
        port: The port; 0 takes a free one.
        api_key: Ask clients for this key; without it CALM_API_KEY counts, which does not show in process lists.
        cors: A web page's origin, like https://my.site, that may ask from a browser; may be given several times.
        waiting: How many requests may stand in line before others are turned away.
        world: What the page's tools act on: town, the small city of Aldermere, or none: then its user writes tools as
            JSON and answers the calls.
        tools: A Python file whose public functions become the page's tools instead. THE FILE IS EXECUTED: use only your
            own. Whoever reaches the page can have them called.
        openapi: An OpenAPI 3 document (file or URL) whose operations become tools; may be given several times.
        mcp: An MCP server, as a URL or as the command that starts it. THE COMMAND IS EXECUTED.
        include: Take only tools that fit such a pattern, e.g. `GET *`, of each --openapi and --mcp.
        yes: Run tools that change something without asking; otherwise the page asks.
        dry_run: Run no tool that changes something; the model is told what would have been done.
        constrained: Hold calls to the tools' schemas while decoding; local models only.
        grounded: Prefer values that the conversation holds, by so much on their logits, e.g. 2; local models only.
        max_tokens: Longest answer, in tokens; a request may ask for less.
    """
    if waiting < 0:
        raise UsageError(f"--waiting {waiting}: write how many may stand in line, from 0")
    key = api_key or os.environ.get("CALM_API_KEY")
    toolbox, origin = _toolbox(Sources(tools, openapi, mcp, include), world, yes, dry_run)
    with progress() as tick:
        policy = ground(load(model, constrained=constrained, max_tokens=max_tokens, progress=tick), grounded)
    hosts = (*LOCAL, host) if host in LOCAL else ()
    known = name or called(model, policy.name)
    settings = Settings(model=known, api_key=key, waiting=waiting, origins=tuple(cors), hosts=hosts)
    with for_threads(policy, settings.at_once) as many:
        application = app(many, settings, toolbox, origin)
        run(application, host, port, lambda url: sys.stdout.write(greeting(url, known, bool(key))))


def called(model: str, own: str) -> str:
    """What clients call a model: what its user typed, so that a line of the docs works; a folder by its last part.

    An endpoint keeps its own name: `openai:MODEL@URL` is an address, not a name.
    """
    if model.startswith("openai:"):
        return own
    return Path(model).resolve().name if Path(model).exists() else model


def _toolbox(sources: Sources, world: str, yes: bool, dry_run: bool) -> tuple[Toolbox | None, str]:
    """The page's tools and what they are; what a person should know of them goes to stderr."""
    if not sources:
        return (guarded(Town(), None if yes else refusing, dry_run), "town") if world == "town" else (None, "")
    own, notes = gathered(sources)
    for note in notes:
        sys.stderr.write(f"note: {note}\n")
    return guarded(own, None if yes else refusing, dry_run), "+".join(own.toolboxes)


def greeting(url: str, model: str, locked: bool) -> str:
    """What the terminal says once the port is open: where the page is, and a curl line that works as it stands."""
    body = dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}]}).replace("'", "'\\''")
    key = ' -H "Authorization: Bearer $CALM_API_KEY"' if locked else ""
    return (
        f"serving {model} at {url} (chat page there, API under {url}/v1); Ctrl-C stops\n"
        f"try: curl {url}/v1/chat/completions -H 'Content-Type: application/json'{key} -d '{body}'\n"
    )
