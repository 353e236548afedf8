"""A conversation, or its loss mask, in a terminal: readable in colour, piped into a file, and 40 columns wide.

Lines are wrapped here, label and hanging indent included, so piped output holds no padding. Text of messages enters as
`Text` with control characters made visible, never as rich markup.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text

from calm.conversation import Assistant, Conversation, Garbled, Message, Observation
from calm.format import Part
from calm.format.tokens import ALL_PARTS, Codec
from calm.report import PARTS, MaskSection, Piece, Verdict
from calm.report.dialogue import Exchange, Said, Turn, turns
from calm.report.mask import mask as mask_of
from calm.report.words import Change, call_line, flat, is_error, middle, number, percent, pretty, value, visible

LABEL, NARROW, FOLD = 10, 60, 8
"""Width of the label column, the console width below which labels get a line of their own, lines kept when folding."""

LABELS = {"user": "bold green", "assistant": "bold blue", "system": "bold", "garbled": "bold red", "tool": "bold cyan"}
CHANGES = {"added": "green", "changed": "yellow", "removed": "red"}
COLOURS: dict[Part | None, str] = {"thought": "magenta", "call": "cyan", "text": "green", "end": "yellow"}


def show(
    conversation: Conversation, console: Console, mask: Codec | None = None, verdict: Verdict | None = None
) -> None:
    """Print a conversation turn by turn: tools, thoughts, calls with what they gave, state changes, how it ended.

    Args:
        conversation: what to show; its text is data and can neither style nor control the terminal.
        console: where; without colours the same words come out plain.
        mask: a codec, to print the loss mask in its tokens below.
        verdict: the row of `verdicts.jsonl` that judges it.
    """
    _head(conversation, console)
    for turn in turns(conversation):
        console.line()
        _turn(turn, console)
    _tail(conversation, console, verdict)
    if mask:
        console.line()
        show_mask(conversation, mask, console)


def _head(conversation: Conversation, console: Console) -> None:
    name = Text(visible(conversation.id or "conversation"), "bold")
    _wrapped(console, name.append(visible(f"  {conversation.origin}" if conversation.origin else ""), "not bold dim"))
    if conversation.tools:
        names = Text(visible(" · ".join(tool.name for tool in conversation.tools)), "dim")
        _block(console, Text("tools", "dim"), names, fold=3)


def _tail(conversation: Conversation, console: Console, verdict: Verdict | None) -> None:
    if conversation.meta or verdict:
        console.line()
    if conversation.meta:
        facts = " · ".join(f"{key} {found}" for key, found in flat(conversation.meta).items())
        _block(console, Text("meta", "dim"), Text(visible(facts), "dim"), fold=FOLD)
    if verdict:
        _block(console, Text("verdict", "bold"), _verdict(verdict))


def _verdict(verdict: Verdict) -> Text:
    right = verdict.get("valid") is True
    words = Text("✓ right" if right else "✗ wrong", "green" if right else "red")
    if reason := verdict.get("error_type"):
        words.append(f": {visible(value(reason))}")
    scores = verdict.get("scores")
    for name, score in (scores if isinstance(scores, dict) else {}).items():
        words.append(visible(f" · {name} {number(score)}"), "dim")
    return words


def _turn(turn: Turn, console: Console) -> None:
    for said in turn.said:
        if isinstance(said.message, Assistant):
            _step(said.message, said, console)
        else:
            _message(said.message, console)
        if said.message.role == "user":
            _state(turn.state, console)


def _message(message: Message, console: Console) -> None:
    label = Text(message.role, LABELS[message.role])
    if isinstance(message, Garbled):
        _block(console, label, Text(visible(message.raw) or "(nothing)", "red"))
        _block(console, Text(), Text(visible(message.why), "red"), mark="✗")
    elif isinstance(message, Observation):
        _block(console, label, _observed(message, console), mark="←", fold=FOLD)
    elif not isinstance(message, Assistant):
        _block(console, label, Text(visible(message.content)))


def _state(state: Sequence[Change], console: Console) -> None:
    for change in state:
        if change.kind != "kept":
            mark, line = change.line[0], change.line[2:]
            _block(console, Text(), Text(visible(line), CHANGES[change.kind]), mark=mark)


def _step(step: Assistant, said: Said, console: Console) -> None:
    label = Text("assistant", LABELS["assistant"])
    if step.thought is not None:
        _block(console, label, Text(visible(step.thought), "dim italic"), mark="┆")
        label = Text()
    if step.text is not None:
        _block(console, label, Text(visible(step.text)) if step.text else Text("(says nothing)", "dim"))
        label = Text()
    for exchange in said.exchanges:
        _exchange(exchange, label, console)
        label = Text()


def _exchange(exchange: Exchange, label: Text, console: Console) -> None:
    _block(console, label, Text(visible(call_line(exchange.call)), "cyan"), mark="→")
    if exchange.observation is None:
        _block(console, Text(), Text("(no observation)", "dim"), mark="←")
    else:
        _block(console, Text(), _observed(exchange.observation, console), mark="←", fold=FOLD)


def _observed(observation: Observation, console: Console) -> Text:
    style = "red" if is_error(observation.content) else "dim"
    return Text(visible(pretty(observation.content, _room(console))), style)


def _block(console: Console, label: Text, body: Text, mark: str = "", fold: int | None = None) -> None:
    """Print `body` wrapped beside its label and a mark for its kind; beyond `fold` lines only their number."""
    narrow = console.width < NARROW
    if narrow and label.plain:
        _line(console, label)
    lines = [piece for line in body.split("\n", allow_blank=True) for piece in _hanging(line, console)]
    hidden = len(lines) - fold if fold and len(lines) > fold + 1 else 0
    for place, line in enumerate(lines[: len(lines) - hidden]):
        lead = Text() if narrow or place else label
        gutter = " " * ((0 if narrow else LABEL) - len(lead))
        _line(console, Text.assemble(lead, gutter, (f"{'' if place else mark:2}", line.style), line))
    if hidden:
        _line(console, Text(f"{' ' * (2 if narrow else LABEL + 2)}… {hidden} more lines", "dim italic"))


def _hanging(line: Text, console: Console) -> Iterator[Text]:
    """One line wrapped, what runs over set two columns deeper than where an indented line begins."""
    line.expand_tabs(4)
    deep = min(len(line) - len(line.plain.lstrip(" ")), _room(console) // 2)
    over = 2 if deep else 0
    for place, piece in enumerate(line[deep:].wrap(console, _room(console) - deep - over, overflow="fold")):
        yield Text.assemble(" " * (deep + (over if place else 0)), piece)


def _room(console: Console) -> int:
    return max(console.width - 2 - (0 if console.width < NARROW else LABEL), 8)


def _wrapped(console: Console, body: Text) -> None:
    for line in body.wrap(console, max(console.width, 8), overflow="fold", tab_size=4):
        _line(console, line)


def _line(console: Console, line: Text) -> None:
    line.rstrip()
    console.print(line, no_wrap=True, overflow="ignore", crop=False)


# --- the loss mask -------------------------------------------------------------------------------------------------


def show_mask(
    conversation: Conversation, codec: Codec | None, console: Console, parts: Sequence[Part] = ALL_PARTS
) -> None:
    """Print the text a model is trained on, what is learned in the colour of its part, and how much that is.

    Without colours (a pipe) learned stretches stand between ⟦ and ⟧. Long stretches that are not learned, tool lists
    above all, are cut in the middle. Without a codec the counts are characters.
    """
    section = mask_of(conversation, codec, parts)
    _wrapped(console, _counts(section))
    text = Text()
    for learn, run in groupby(section.pieces, key=lambda piece: piece.learn):
        text.append(_run(list(run), learn, console.color_system is None))
    _wrapped(console, text)


def _run(pieces: Sequence[Piece], learn: bool, plain: bool) -> Text:
    if not learn:
        head, hidden, tail = middle(visible("".join(piece.text for piece in pieces)))
        note = f"… {len(hidden):,} more characters …\n" if hidden else ""
        return Text.assemble(head, (note, "italic"), tail, style="dim")
    text = Text.assemble(*((visible(piece.text), COLOURS[piece.part]) for piece in pieces))
    return Text.assemble("⟦", text, "⟧") if plain else text


def _counts(section: MaskSection) -> Text:
    share = section.learned / section.total if section.total else 0.0
    line = Text(f"{section.total:,} {section.unit}, {section.learned:,} learned ({percent(share)})", "bold")
    for part in PARTS:
        if part in section.parts:
            line.append(" · ", "not bold dim").append(f"{part} {section.parts[part]:,}", f"not bold {COLOURS[part]}")
    return line
