"""What a chat looks like: streamed to a person, or one plain line an event for a pipe."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from rich.cells import cell_len
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from calm.agent.events import Action, Finished, Item, Observed, Tracked, Unreadable, Writing, events, failure, pieces
from calm.agent.events import Event as Happening
from calm.conversation import Assistant, Conversation, Message, Observation, User
from calm.policy import Policy
from calm.report.words import Change, call_line, changes, pretty, value, visible

Shown: TypeAlias = Item | str
"""An item of the loop, or a note of the chat itself."""

FOLD = 3
"""Lines of a call or a result that are shown; /open has the rest."""
PANEL = 10
"""Slots that a state panel shows; /state has the rest."""
COLOURS = {"added": "green", "changed": "yellow", "removed": "red", "kept": "dim"}
LOOKS = {"thought": "dim italic", "text": ""}


# --- for a pipe ----------------------------------------------------------------------------------------------------


def plain(shown: Shown) -> Iterator[str]:
    r"""What is shown as lines `kind: text`, one for each thing that happened; line breaks inside are written `\n`."""
    for kind, text in [("note", shown)] if isinstance(shown, str) else _lines(shown):
        yield f"{kind}: {visible(text)}".replace("\n", "\\n")


def _lines(item: Item) -> Iterator[tuple[str, str]]:
    for event in events(item):
        if isinstance(event, Action):
            yield "call", call_line(event.call)
        elif isinstance(event, Unreadable):
            yield "garbled", f"{event.why}: {event.raw}"
        elif isinstance(event, Observed):
            yield "observation", event.content
        elif isinstance(event, Tracked):
            yield from (("state", change.line) for change in _changed(event))
        elif isinstance(event, Finished):
            yield from (("note", note) for note in _cut(event))
        elif not isinstance(event, Writing):
            yield "assistant" if event.kind == "response" else event.kind, event.text


def _changed(state: Tracked) -> list[Change]:
    return [change for change in changes(state.before, state.state) if change.kind != "kept"]


def _cut(event: Finished) -> Iterator[str]:
    if event.why != "world":
        yield f"the model was stopped by the limit on {event.why}"


# --- for a person --------------------------------------------------------------------------------------------------


class Screen:
    """A terminal that shows a conversation as it is written: thoughts dim, calls and results folded, the state framed.

    `start` and `stop` put the spinner back and take it away, for a question in between.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._flow: Flow | None = None
        self._spinner = console.status("thinking")
        self._busy = ""
        self._many = False
        self._apart = False

    def __call__(self, shown: Shown) -> None:
        """Show one thing."""
        if isinstance(shown, Writing):
            self._write(shown)
            self._apart = True
            return
        if isinstance(shown, User | str):
            self._apart = False
        self._settle()
        if isinstance(shown, str):
            self.console.print(Text(visible(shown), "dim"))
        else:
            if isinstance(shown, Assistant):
                self._many = len(shown.calls) > 1
            for event in events(shown):
                self._show(event)
            self._wait(_doing(shown))

    def whole(self, item: Item) -> None:
        """Show a message that nobody heard being written, with nothing to wait for after it."""
        for piece in pieces(item) if isinstance(item, Assistant) else ():
            self(piece)
        self(item)
        self._wait("")
        self.stop()

    def recap(self, messages: Sequence[Message]) -> None:
        """Show an earlier turn, the user's words too."""
        for message in messages:
            if isinstance(message, User):
                self.console.print(Text(f"\n› {visible(message.content)}", "green"))
            self.whole(message)

    def start(self) -> None:
        """Show the spinner again, if there is something to wait for."""
        if self._busy and self.console.is_terminal:
            self._spinner.update(f"[dim]{self._busy}[/dim]")
            self._spinner.start()

    def stop(self) -> None:
        """Take the spinner away."""
        self._spinner.stop()

    def _wait(self, doing: str) -> None:
        self._busy = doing
        self.start()

    def _write(self, piece: Writing) -> None:
        if piece.part == "call":
            self._settle()
            self._wait("writing a call")
            return
        if self._flow is None or self._flow.part != piece.part:
            self._settle()
            if piece.part == "text" and self._apart:
                self.console.line()
            self._flow = Flow(self.console, piece.part)
        self._flow.feed(visible(piece.text))

    def _settle(self) -> None:
        self.stop()
        if self._flow:
            self._flow.end()
            self._flow = None

    def _show(self, event: Happening) -> None:
        """What was not shown while it was written."""
        if isinstance(event, Action):
            _folded(self.console, "→ ", visible(call_line(event.call)), "cyan")
        elif isinstance(event, Observed):
            _observed(self.console, event, self._many)
        elif isinstance(event, Unreadable):
            _folded(self.console, "✗ ", visible(f"unreadable ({event.why}): {event.raw}"), "red", "")
        elif isinstance(event, Tracked):
            _panel(self.console, event)
        elif isinstance(event, Finished):
            _cost(self.console, event)
        elif event.kind == "system":
            _folded(self.console, "! ", visible(event.text), "dim", "")


def greeting(policy: Policy, tools: int, session: str) -> Iterator[str]:
    """Who speaks, what a local model is computed by, and why by nothing faster where there would be something."""
    engine = getattr(policy, "engine", None)  # a model behind a URL has none
    kind = f" · {engine.kind}" if engine else ""
    yield f"{policy.name}{kind} · {tools} tools · session {session} · /help lists the commands"
    if engine and engine.rung:
        yield f"nothing faster: {engine.rung}"


def draw(item: Item, console: Console) -> None:
    """A whole message for a person, as `Screen` shows it once it is written; the user's own words are not repeated."""
    Screen(console).whole(item)


def opened(conversation: Conversation, back: int = 1) -> str:
    """The call made `back` calls ago and what it gave, unfolded."""
    told = [m for m in conversation.messages if isinstance(m, Observation)]
    calls = [call for m in conversation.messages if isinstance(m, Assistant) for call in m.calls]
    if not 1 <= back <= len(told):
        return f"{len(told)} calls were answered so far; /open 1 shows the latest"
    return "\n".join([call_line(calls[len(told) - back]), pretty(told[-back].content)])


class Flow:
    """Text of one part written piece by piece, wrapped at words as it comes."""

    def __init__(self, console: Console, part: str) -> None:
        self.part, self._console, self._style = part, console, LOOKS[part]
        self._column, self._word = 0, ""
        self._margin = "┆ " if part == "thought" else ""
        self._put(self._margin)

    def feed(self, text: str) -> None:
        """Go on with `text`; a word is held back until it has ended."""
        for character in text:
            if character in " \n":
                self._flush()
                self._break() if character == "\n" else self._space()
            else:
                self._word += character
                if cell_len(self._word) >= self._width():
                    self._flush()

    def end(self) -> None:
        """Write what is held back and end the line."""
        self._flush()
        self._console.line()

    def _flush(self) -> None:
        if self._column and self._column + cell_len(self._word) > self._width():
            self._break()
        self._put(self._word)
        self._column += cell_len(self._word)
        self._word = ""

    def _space(self) -> None:
        if self._column + 1 < self._width():
            self._put(" ")
            self._column += 1
        else:
            self._break()

    def _break(self) -> None:
        self._console.line()
        self._put(self._margin)
        self._column = 0

    def _width(self) -> int:
        return max(8, self._console.width - len(self._margin) - 1)

    def _put(self, text: str) -> None:
        if text:
            self._console.print(Text(text, self._style), end="", soft_wrap=True)


def _doing(item: Item) -> str:
    """What is waited for after an item; nothing after the last of a turn."""
    if isinstance(item, Assistant):
        return f"running {item.calls[0].name}" if item.calls else ""
    return "" if isinstance(item, Tracked | Finished) else "thinking"


def _folded(console: Console, mark: str, text: str, style: str, more: str = ", /open shows them") -> None:
    """Text behind a mark, wrapped, cut after a few lines; `more` says where the rest is."""
    lines = Text(text, style).wrap(console, max(8, console.width - len(mark) - 1))
    for place, line in enumerate(lines[:FOLD]):
        line.rstrip()
        console.print(Text(mark if place == 0 else " " * len(mark), style).append_text(line), soft_wrap=True)
    if len(lines) > FOLD:
        console.print(Text(f"{' ' * len(mark)}… {len(lines) - FOLD} more lines{more}", "dim"))


def _observed(console: Console, observed: Observed, named: bool) -> None:
    failed = failure(observed.content)
    text = _trouble(failed) if failed else observed.content
    name = f"{observed.name}: " if named else ""
    _folded(console, "✗ " if failed else "← ", visible(name + text), "yellow" if failed else "dim")


def _trouble(failed: dict[str, Any]) -> str:
    """What went wrong, and whatever else may help."""
    more = [f"{key} {value(found)}" for key, found in failed.items() if key not in ("error", "type")]
    return " · ".join([str(failed["error"]), *more])


def _panel(console: Console, state: Tracked) -> None:
    """The state after a turn, what changed first; nothing where nothing did."""
    found = _changed(state)
    if not found:
        return
    kept = [change for change in changes(state.before, state.state) if change.kind == "kept"]
    lines = [Text(visible(change.line).replace("\n", " "), COLOURS[change.kind]) for change in (*found, *kept)]
    for line in lines:
        line.truncate(console.width - 4, overflow="ellipsis")
    more = [Text(f"… {len(lines) - PANEL} more, /state shows them", "dim")] if len(lines) > PANEL else []
    body = Text("\n").join([*lines[:PANEL], *more])
    title = Text(f"state · {len(found)} changed", "dim")
    console.print(Panel.fit(body, title=title, title_align="left", border_style="dim"))


def _cost(console: Console, event: Finished) -> None:
    for note in _cut(event):
        console.print(Text(f"{note}; /retry WORDS has the turn again in other words", "yellow"), soft_wrap=True)
    tokens = f" · {event.tokens:,} tokens" if event.tokens else ""
    console.print(Text(f"{event.steps} step{'s' * (event.steps != 1)}{tokens} · {event.seconds:.1f} s", "dim"))
