"""`calm chat`: a person at a terminal, or lines from a pipe, in conversation with a model that may call tools."""

import contextlib
import importlib
import io
import os
import sys
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from cyclopts import Parameter
from rich.console import Console

from calm.agent.sessions import Session, Sessions
from calm.agent.state import from_calls, untracked
from calm.cli.chat_screen import Screen, Shown, draw, greeting, opened, plain
from calm.cli.chat_turns import Chat, replayed
from calm.cli.flags import Weight
from calm.cli.screen import progress
from calm.cli.toolbox import Sources, asking, gathered, guarded, refusing, typed_answer
from calm.conversation import Conversation, State, System, User, by_name, to_row
from calm.errors import CalmError, StorageError, UsageError
from calm.files import dumps
from calm.policy import Policy, ground, load
from calm.report.words import pretty, value
from calm.world import Toolbox
from calm.world.guard import Approve, Guarded, ask_if_tainted, marked
from calm.world.town import OFFERED, Town

__all__ = ["chat", "draw"]

HELP = """/tools [NAME]   what the model may call, or all about one
/state          the slots filled so far
/open [N]       the latest call and what it gave, unfolded; N counts back
/undo           take the last turn back
/retry [WORDS]  have the last turn again, with other words if you give any
/save FILE      append the conversation to a JSONL file
/sessions       the sessions there are
/fork NAME      go on in a session of another name, this one stays
/quit           leave, as Ctrl-D does; Ctrl-C stops an answer"""
COMMANDS = [line.split()[0] for line in HELP.splitlines()] + ["/help"]


# --- lines in ------------------------------------------------------------------------------------------------------


def talk(chat: Chat, lines: Iterable[str], patient: bool = True) -> None:
    """Answer lines until they end or `/quit`; a step that fails is shown if `patient`, else its CalmError is raised."""
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        try:
            if word == "/quit":
                return
            if word.startswith("/"):
                command(chat, word, rest.strip())
            elif word:
                chat.say(line.strip())
        except CalmError as error:
            if not patient:
                raise
            chat.show(str(error))


def command(chat: Chat, word: str, rest: str) -> None:
    """Do what a `/word` asks and show the outcome."""
    if word in ANSWERS:
        chat.show(ANSWERS[word](chat, rest))
    elif word == "/undo":
        chat.undo()
    elif word == "/retry":
        chat.retry(rest)
    elif word == "/fork" and rest:
        chat.fork(rest)
    elif word == "/save" and rest:
        append(Path(rest), chat.conversation)
        chat.show(f"saved to {rest}; open it with: calm show {rest}")
    else:
        chat.show(f"{word} {rest}".strip() + " is no command\n" + HELP)


def _tools(chat: Chat, name: str) -> str:
    tools, writing = by_name(chat.toolbox.tools), marked(chat.toolbox, "writing")
    if name in tools:
        return f"{name}: {tools[name].description}\n{pretty(dumps(tools[name].parameters))}"
    lines = [f"{t.name}: {t.description}{' (changes something)' * (t.name in writing)}" for t in tools.values()]
    return "\n".join(lines) or "no tools"


def _slots(chat: Chat, rest: str) -> str:
    return "\n".join(f"{slot} = {value(given)}" for slot, given in slots(chat.conversation).items()) or NO_SLOTS


def _sessions(chat: Chat, rest: str) -> str:
    here = chat.session.name
    found = chat.session.sessions.latest()
    lines = [
        f"{'*' if s.name == here else ' '} {s.name}  {s.latest[:16]}  {s.turns} turns  {s.first[:60]}" for s in found
    ]
    return "\n".join(lines)


NO_SLOTS = "no slot is filled yet"
ANSWERS: dict[str, Callable[[Chat, str], str]] = {
    "/tools": _tools,
    "/state": _slots,
    "/open": lambda chat, rest: opened(chat.conversation, int(rest) if rest.isdigit() else 1),
    "/sessions": _sessions,
    "/help": lambda chat, rest: HELP,
}
"""Commands that only say something."""


def slots(conversation: Conversation) -> State:
    """The dialogue state as it was noted last, else as the calls so far give it."""
    return conversation.state[-1] if conversation.state else from_calls(conversation)


def typed(console: Console) -> Iterator[str]:
    """Lines from the keyboard until Ctrl-D; where the platform has readline with editing, history and completion."""
    with contextlib.suppress(ImportError):
        readline = importlib.import_module("readline")
        readline.set_completer_delims(" ")
        readline.set_completer(lambda text, n: ([c for c in COMMANDS if text and c.startswith(text)] + [None])[n])
        readline.parse_and_bind("tab: complete")
    coloured = console.is_terminal and not console.no_color
    prompt = "\n\001\033[1;32m\002› \001\033[0m\002" if coloured else "\n› "  # \001 \002: no width, for readline
    while True:
        try:
            yield input(prompt).encode("utf-8", "replace").decode()  # half a character is nothing a model can read
        except EOFError:
            return
        except KeyboardInterrupt:
            console.print("\n[dim]Ctrl-D or /quit leaves[/dim]")


def append(path: Path, conversation: Conversation) -> None:
    """Add the conversation to a JSONL file as one row.

    Raises:
        StorageError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            stream.write((dumps(to_row(conversation)) + "\n").encode("utf-8", "surrogatepass"))
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror}); choose another file") from error


# --- the verb ------------------------------------------------------------------------------------------------------


def chat(  # noqa: PLR0913  # one flag per thing a user may say
    *,
    model: str = "calm-135m",
    world: Literal["town", "multiwoz", "none"] = "town",
    tools: Path | None = None,
    openapi: Annotated[Sequence[str], Parameter(negative="", show_default=False)] = (),
    mcp: Annotated[Sequence[str], Parameter(negative="", show_default=False)] = (),
    include: Annotated[Sequence[str], Parameter(negative="", show_default=False)] = ("*",),
    yes: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    constrained: bool = True,
    grounded: Weight = 0.0,
    session: str | None = None,
    sessions: Path | None = None,
    save: Path | None = None,
    system: str | None = None,
) -> None:
    """Talk with a model in the terminal and see its thoughts, calls and what the tools answer.

    Lines come from the keyboard, or from a pipe: then output is plain, one line an event, and ends with the input.
    Commands while talking: /tools /state /open /undo /retry /save /sessions /fork /help /quit; Ctrl-C stops an answer,
    Ctrl-D leaves. What is said in a terminal is kept in the sessions file as it is said.

    Args:
        model: A model folder, a hub id, calm-135m, or openai:MODEL@URL.
        world: What the tools act on: town, the small city of Aldermere; multiwoz, the database of that benchmark
            (CALM_DATA); or none for plain talk.
        tools: A Python file whose public functions become the tools instead. THE FILE IS EXECUTED: use only your own.
        openapi: An OpenAPI 3 document (file or URL) whose operations become tools, or SPEC@URL to call another server
            than it names; may be given several times, and together with --tools and --mcp.
        mcp: An MCP server, as a URL or as the command that starts it, e.g. "KEY= npx -y some-server", where KEY= hands
            that variable on. THE COMMAND IS EXECUTED.
        include: Take only tools that fit such a pattern, e.g. `GET *` or `find_*`, of each --openapi and --mcp.
        yes: Run tools that change something without asking; otherwise they are asked for, and refused in a pipe. In a
            terminal you are still asked where an argument is from a tool's result and not from you.
        dry_run: Run no tool that changes something; the model is told what would have been done.
        constrained: Hold calls to the tools' schemas while decoding; local models only.
        grounded: Prefer values that the conversation holds, by so much on their logits, e.g. 2; local models only.
        session: Go on with the session of this name, or begin it. In a terminal a new one is begun by default.
        sessions: The file of sessions; by default calm/sessions.db in XDG_DATA_HOME or ~/.local/share.
        save: Append the conversation to this JSONL file when it ends; `calm show` opens it.
        system: Standing instructions, put before the conversation when it begins.
    """
    sources, terminal = Sources(tools, openapi, mcp, include), sys.stdin.isatty() and sys.stdout.isatty()
    kit = _kit(world, sources, yes, dry_run)
    with progress() as tick:
        policy = ground(load(model, constrained=constrained, progress=tick), grounded)
    start = Conversation(
        id=f"chat-{uuid.uuid4().hex[:12]}",
        tools=kit.toolbox_at(Conversation()).tools,
        messages=(System(content=system),) if system else (),
        origin=f"chat/{kit.origin}",
        meta={"model": policy.name},
    )
    kept = Sessions((sessions or default_file()) if terminal or session or sessions else None)
    under = kept.open(session or _new_name(kept), start)
    if system and under.conversation.messages[:1] != start.messages:
        raise UsageError(f"session {under.name!r} has begun without that --system; leave it out, or begin another")
    (_terminal if terminal else _piped)(policy, kit, under, save)


class Kit(NamedTuple):
    """The tools of a chat: what they are called in `origin`, as they are at a point of it, and what to know of them."""

    origin: str
    toolbox_at: Callable[[Conversation], Toolbox]
    notes: Sequence[str]
    yes: bool
    dry_run: bool

    def guarded_at(self, approve: Approve | None) -> Callable[[Conversation], Guarded]:
        """The tools with the rules of a chat around them; `approve` is what they ask before they change something."""
        return lambda conversation: guarded(self.toolbox_at(conversation), approve, self.dry_run)


def _kit(world: str, sources: Sources, yes: bool, dry_run: bool) -> Kit:
    if not sources:
        return Kit(world, lambda conversation: replayed(_world(world), conversation), [], yes, dry_run)
    own, notes = gathered(sources)
    return Kit("+".join(own.toolboxes), lambda conversation: own, notes, yes, dry_run)


def _world(name: str) -> Toolbox:
    if name == "multiwoz":
        from calm.bench.multiwoz import desk

        return desk()
    return Town(tuple(OFFERED) if name == "town" else ())


def default_file() -> Path:
    """Where sessions are kept: a folder for a person's data, not a cache."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "calm" / "sessions.db"


def _new_name(kept: Sessions) -> str:
    """The day and a number."""
    day, taken = datetime.now().astimezone().strftime("%Y-%m-%d"), set(kept.names())
    return next(name for n in range(1, len(taken) + 2) if (name := f"{day}-{n}") not in taken)


def _terminal(policy: Policy, kit: Kit, session: Session, save: Path | None) -> None:
    console = Console(highlight=False)
    screen = Screen(console)

    def heard() -> Conversation:
        return chat.conversation

    ask = asking(typed_answer(console), screen, heard)
    chat = Chat(policy, kit.guarded_at(ask_if_tainted(ask, heard) if kit.yes else ask), session, screen, live=True)
    for line in greeting(policy, len(chat.toolbox.tools), session.name):
        screen(line)
    with saved(chat, save):
        _resumed(chat, kit.notes, screen)
        talk(chat, typed(console))
        if chat.conversation.state:
            screen(f"kept; go on with: calm chat --session {chat.session.name}")


def _piped(policy: Policy, kit: Kit, session: Session, save: Path | None) -> None:
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a stray byte must not end the conversation

    def show(event: Shown) -> None:
        for line in plain(event):
            sys.stdout.write(line + "\n")
        sys.stdout.flush()

    chat = Chat(policy, kit.guarded_at(None if kit.yes else refusing), session, show)
    with saved(chat, save):
        _resumed(chat, kit.notes)
        talk(chat, sys.stdin, patient=False)


def _resumed(chat: Chat, notes: Sequence[str], screen: Screen | None = None) -> None:
    """Say what there is to know, show the last turn, and bring it to its end if a killed process left it behind."""
    for note in notes:
        chat.show(note)
    places = [place for place, message in enumerate(chat.conversation.messages) if isinstance(message, User)]
    if places:
        chat.show(f"session {chat.session.name} goes on after {len(places)} turns")
        if screen:
            screen.recap(chat.conversation.messages[places[-1] :])
    if untracked(chat.conversation):
        chat.show("the last turn was cut off; here is the rest of it")
        chat.go_on()


@contextlib.contextmanager
def saved(chat: Chat, path: Path | None) -> Generator[None]:
    """Append the chat to `path` when the block ends, however it ends, if anything was said."""
    try:
        yield
    finally:
        if path and chat.conversation.messages:
            append(path, chat.conversation)
            chat.show(f"saved to {path}; open it with: calm show {path}")
