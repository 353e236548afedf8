"""What `--tools`, `--openapi` and `--mcp` name, as one toolbox, with a person's word before anything is changed."""

import importlib.util
import inspect
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from rich.console import Console
from rich.text import Text

from calm.conversation import Call, Conversation
from calm.errors import UsageError
from calm.report.words import call_line, visible
from calm.world import Toolbox
from calm.world.functions import Functions
from calm.world.guard import Approve, Guarded, tainted
from calm.world.schemas import callable_name
from calm.world.together import Together


class Sources(NamedTuple):
    """Where a person's own tools come from; `include` says which of an API's or a server's to take."""

    file: Path | None = None
    openapi: Sequence[str] = ()
    mcp: Sequence[str] = ()
    include: Sequence[str] = ("*",)

    def __bool__(self) -> bool:
        return bool(self.file or self.openapi or self.mcp)


def gathered(sources: Sources) -> tuple[Together, list[str]]:
    """The tools of all sources as one toolbox, and what a person should know of them: missing keys, skipped ones.

    Raises:
        CalmError: a source cannot be read, started or reached.
    """
    toolboxes: dict[str, Toolbox] = {}
    notes: list[str] = []
    if sources.file:
        toolboxes[sources.file.name] = toolbox_of(sources.file)
    for where in sources.openapi:
        from calm.world.openapi import OpenAPI

        api = OpenAPI.at(where, include=sources.include)
        toolboxes[callable_name(api_label(where), toolboxes)] = api
        notes += [f"{where}: set {name}, or what needs it will fail" for name in api.missing]
        notes += [f"{where}: left out {what}: {why}" for what, why in api.skipped.items()]
    for server in sources.mcp:
        from calm.world.mcp import MCP

        toolboxes[callable_name(server_label(server), toolboxes)] = MCP(server, include=sources.include)
    return Together(toolboxes), notes


LAUNCHER = re.compile(r"(python|node|npx|uvx?|bunx|deno|docker)[\d.]*$")


def api_label(where: str) -> str:
    """What the tools of a document are told apart by: its host or file name."""
    place = re.sub(r"(?<=.)@https?://.*", "", where)
    return urlsplit(place).hostname or Path(place).stem


def server_label(server: str) -> str:
    """What the tools of a server are told apart by: its host or program, never an option's value."""
    if server.startswith(("http://", "https://")):
        return urlsplit(server).hostname or server
    words = [Path(word).name for word in server.split() if not word.startswith("-") and "=" not in word]
    return next((word for word in words if not LAUNCHER.match(word)), server.split()[0] if words else "mcp")


def toolbox_of(path: Path) -> Functions:
    """The public functions that a Python file defines, as tools; the file is run to get them.

    Raises:
        UsageError: no such file, it fails when run, or it defines nothing that can be a tool.
    """
    spec = importlib.util.spec_from_file_location(f"calm_tools_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UsageError(f"{path}: no such Python file; --tools wants a file.py whose functions become tools")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{path}: fails when run: {type(error).__name__}: {error}") from error
    own = [f for name, f in inspect.getmembers(module, inspect.isfunction) if not name.startswith("_")]
    functions = [f for f in own if f.__module__ == module.__name__]
    if not functions:
        raise UsageError(f"{path}: defines no public function; write one with type hints and a docstring")
    return Functions(functions)


# --- a person's word -------------------------------------------------------------------------------------------------


class Pausable(Protocol):
    """A spinner that can be taken off the screen for a question."""

    def start(self) -> None:
        """Show it."""

    def stop(self) -> None:
        """Take it away."""


def refusing(call: Call) -> bool:
    """No: there is nobody to ask."""
    return False


def asking(ask: Callable[[str], str], spinner: Pausable, heard: Callable[[], Conversation] = Conversation) -> Approve:
    """An approval that asks `ask` for yes, no or edit, and says what is tainted by `heard`; no answer means no."""

    def approve(call: Call) -> bool | Call:
        spinner.stop()
        try:
            return _decided(ask, call, tainted(call, heard()))
        except EOFError:
            return False
        finally:
            spinner.start()

    return approve


def _decided(ask: Callable[[str], str], call: Call, doubtful: Sequence[str]) -> bool | Call:
    doubt = f" You did not say {visible(', '.join(doubtful))}: a tool did." if doubtful else ""
    question = f"{visible(call_line(call))} changes something.{doubt} Run it? [y]es, [n]o, [e]dit: "
    while True:
        answer = ask(question).strip().lower()
        if answer in ("y", "yes", "n", "no", ""):
            return answer in ("y", "yes")
        if answer in ("e", "edit"):
            given = _read(ask("arguments as a JSON object: "))
            if given is not None:
                return call.model_copy(update={"arguments": given})


def _read(text: str) -> dict | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def typed_answer(console: Console) -> Callable[[str], str]:
    """Questions to the person at the keyboard."""
    return lambda question: console.input(Text(question, "yellow"))


def guarded(toolbox: Toolbox, approve: Approve | None, dry_run: bool) -> Guarded:
    """The rules of a chat: a minute for a call, idempotent ones tried again twice."""
    return Guarded(toolbox, timeout=60.0, retries=2, approve=approve, dry_run=dry_run)
