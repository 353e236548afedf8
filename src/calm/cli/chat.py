"""`calm chat`: a person at a terminal, or lines from a pipe, in conversation with a model that may call tools."""

import contextlib
import copy
import importlib
import io
import sys
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from calm.agent import converse
from calm.cli.screen import progress
from calm.cli.toolbox import Sources, asking, gathered, guarded, refusing, typed_answer
from calm.conversation import (
    Assistant,
    Call,
    Conversation,
    Garbled,
    Message,
    Observation,
    State,
    System,
    User,
    to_row,
)
from calm.errors import CalmError, StorageError
from calm.files import dumps
from calm.policy import Policy, load
from calm.report.words import call_line, pretty, value, visible
from calm.world import Toolbox
from calm.world.dialogue import Dialogue
from calm.world.guard import Guarded
from calm.world.town import OFFERED, Town

HELP = """/tools      what the model may call
/state      the slots filled so far
/undo       take the last turn back
/save FILE  append the conversation to a JSONL file
/quit       leave, as Ctrl-D does; Ctrl-C stops an answer"""

Event = Message | str
"""What a screen is told: a message as it comes, or a note of the chat itself."""


class Chat:
    """A conversation under way: each line of the person is a turn, and any turn can be taken back.

    A turn works on its own copy of the world, so `undo` also takes back what the town's tools did; what functions of a
    `--tools` file did outside of it stays done.
    """

    def __init__(
        self,
        policy: Policy,
        world: Dialogue,
        start: Conversation,
        show: Callable[[Event], None],
        busy: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext,
    ) -> None:
        """Begin at `start`; `show` hears every event, `busy()` is held while the model works."""
        self.conversation, self.world, self.show = start, world, show
        self._policy, self._busy = policy, busy
        self._past: list[tuple[Conversation, Dialogue]] = []

    def say(self, text: str) -> None:
        """One turn: the person's words, then all the model does until it answers; Ctrl-C keeps what was said so far."""
        self._past.append((self.conversation, self.world))
        self.world = copy.deepcopy(self.world)
        self._hear(User(content=text))
        begun = self.conversation
        try:
            with self._busy():
                self.conversation = converse(self._policy, self.world, begun, on_message=self._hear)
        except KeyboardInterrupt:
            self._stop()
            self.show("stopped; what was said so far is kept, /undo takes the turn back")
            return
        except CalmError:
            self._stop()
            raise
        if (ended := self.conversation.meta.get("ended")) != "world":
            self.show(f"the model was stopped by the limit on {ended}")

    def _stop(self) -> None:
        """Answer the calls that were left open, so that the conversation can go on."""
        for call in waiting(self.conversation):
            self._hear(Observation(content='{"error": "stopped by the user"}', call=call.id, name=call.name))
        self.conversation = self.conversation.note(ended="stopped")

    def undo(self) -> None:
        """Take the last turn back: what was said and what the tools did."""
        if not self._past:
            self.show("nothing to take back")
            return
        self.conversation, self.world = self._past.pop()
        self.show(f"taken back; turns before it: {len(self._past)}")

    def _hear(self, message: Message) -> None:
        self.conversation = self.conversation.add(message)
        self.show(message)


def waiting(conversation: Conversation) -> list[Call]:
    """Calls of the last step that no observation answers yet."""
    open_calls: list[Call] = []
    for message in conversation.messages:
        if isinstance(message, Assistant):
            open_calls = list(message.calls)
        elif isinstance(message, Observation) and open_calls:
            open_calls.pop(0)
    return open_calls


def slots(conversation: Conversation) -> State:
    """The dialogue state: what a tracker noted last, else every argument given in a call so far, the latest winning."""
    if conversation.state:
        return conversation.state[-1]
    calls = [call for m in conversation.messages if isinstance(m, Assistant) for call in m.calls]
    return {f"{call.name}.{key}": given for call in calls for key, given in call.arguments.items()}


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
    if word == "/tools":
        chat.show("\n".join(f"{t.name}: {t.description}" for t in chat.world.toolbox.tools) or "no tools")
    elif word == "/state":
        found = slots(chat.conversation)
        chat.show("\n".join(f"{slot} = {value(given)}" for slot, given in found.items()) or "no slot is filled yet")
    elif word == "/undo":
        chat.undo()
    elif word == "/save" and rest:
        append(Path(rest), chat.conversation)
        chat.show(f"saved to {rest}; open it with: calm show {rest}")
    else:
        chat.show(HELP if word == "/help" else f"{word} {rest}".strip() + " is no command\n" + HELP)


def typed(console: Console) -> Iterator[str]:
    """Lines from the keyboard until Ctrl-D, with editing and history where the platform has readline."""
    with contextlib.suppress(ImportError):
        importlib.import_module("readline")
    while True:
        try:
            line = console.input(Text("\n› ", "bold green"))
        except EOFError:
            return
        except KeyboardInterrupt:
            console.print(Text("\nCtrl-D or /quit leaves", "dim"))
            continue
        yield line


# --- events out ----------------------------------------------------------------------------------------------------


def plain(event: Event) -> Iterator[str]:
    r"""An event as lines `kind: text`, one for each thing that happened; line breaks inside are written `\n`."""
    for kind, text in _pieces(event):
        yield f"{kind}: {visible(text)}".replace("\n", "\\n")


def _pieces(event: Event) -> Iterator[tuple[str, str]]:
    if isinstance(event, str):
        yield "note", event
    elif isinstance(event, Garbled):
        yield "garbled", f"{event.why}: {event.raw}"
    elif isinstance(event, Assistant):
        if event.thought is not None:
            yield "thought", event.thought
        if event.text is not None:
            yield "assistant", event.text
        yield from (("call", call_line(call)) for call in event.calls)
    else:
        yield ("observation" if isinstance(event, Observation) else event.role), event.content


LOOKS = {
    "note": "dim",
    "garbled": "red",
    "thought": "dim italic",
    "assistant": "",
    "observation": "dim",
    "system": "dim",
}
FOLD = 6
"""Lines of an observation that are shown; `calm show` has the rest."""


def draw(event: Event, console: Console) -> None:
    """An event for a person: thoughts dim, calls as cards, observations folded, their own words not repeated."""
    for kind, text in _pieces(event):
        if kind == "call":
            console.print(Panel.fit(Text(visible(text), "cyan"), border_style="cyan"))
        elif kind == "observation":
            first, *more = visible(pretty(text, console.width - 4)).split("\n")
            tail = [f"  … {len(more) - FOLD} more lines"] if len(more) > FOLD + 1 else more[FOLD:]
            console.print(Text("\n".join([f"← {first}", *more[:FOLD], *tail]), "dim"))
        elif kind != "user":
            console.print(Text(visible(text), LOOKS[kind]))


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
    save: Path | None = None,
    system: str | None = None,
) -> None:
    """Talk with a model in the terminal and see its thoughts, calls and what the tools answer.

    Lines come from the keyboard, or from a pipe: then output is plain, one line an event, and ends with the input.
    Commands while talking: /tools /state /undo /save FILE /help /quit; Ctrl-C stops an answer, Ctrl-D leaves.

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
        yes: Run tools that change something without asking; otherwise they are asked for, and refused in a pipe.
        dry_run: Run no tool that changes something; the model is told what would have been done.
        constrained: Hold calls to the tools' schemas while decoding; local models only.
        save: Append the conversation to this JSONL file when it ends; `calm show` opens it.
        system: Standing instructions, put before the conversation.
    """
    sources, notes, origin = Sources(tools, openapi, mcp, include), [], world
    toolbox: Toolbox = _world(world if not sources else "none")
    if sources:
        own, notes = gathered(sources)
        toolbox, origin = guarded(own, None if yes else refusing, dry_run), "+".join(own.toolboxes)
    answering = Dialogue(toolbox, lambda conversation: None)  # each turn ends where the person's next words begin
    with progress() as tick:
        policy = load(model, constrained=constrained, progress=tick)
    start = Conversation(
        id=f"chat-{uuid.uuid4().hex[:12]}",
        tools=toolbox.tools,
        messages=(System(content=system),) if system else (),
        origin=f"chat/{origin}",
        meta={"model": policy.name},
    )
    if sys.stdin.isatty() and sys.stdout.isatty():
        _terminal(policy, answering, start, save, notes)
    else:
        _piped(policy, answering, start, save, notes)


def _world(name: str) -> Toolbox:
    if name == "multiwoz":
        from calm.bench.multiwoz import desk

        return desk()
    return Town(tuple(OFFERED) if name == "town" else ())


def _terminal(policy: Policy, world: Dialogue, start: Conversation, save: Path | None, notes: list[str]) -> None:
    console = Console(highlight=False)
    console.print(Text(f"{policy.name} · {len(start.tools)} tools · /help lists the commands", "dim"))
    spinner = console.status("thinking")
    if isinstance(world.toolbox, Guarded) and world.toolbox.approve:
        world.toolbox.approve = asking(typed_answer(console), spinner)
    chat = Chat(policy, world, start, lambda event: draw(event, console), lambda: spinner)
    for note in notes:
        chat.show(note)
    with saved(chat, save):
        talk(chat, typed(console))


def _piped(policy: Policy, world: Dialogue, start: Conversation, save: Path | None, notes: list[str]) -> None:
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a stray byte must not end the conversation

    def show(event: Event) -> None:
        for line in plain(event):
            sys.stdout.write(line + "\n")
        sys.stdout.flush()

    chat = Chat(policy, world, start, show)
    for note in notes:
        chat.show(note)
    with saved(chat, save):
        talk(chat, sys.stdin, patient=False)


@contextlib.contextmanager
def saved(chat: Chat, path: Path | None) -> Generator[None]:
    """Append the chat to `path` when the block ends, however it ends, if anything was said."""
    try:
        yield
    finally:
        if path and chat.conversation.messages:
            append(path, chat.conversation)
            chat.show(f"saved to {path}; open it with: calm show {path}")
