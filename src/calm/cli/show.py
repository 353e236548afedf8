"""`calm show`: any conversation on disk, in the terminal, as JSON or as a page."""

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from calm.cli.screen import Piped
from calm.conversation import Conversation, read, to_row
from calm.errors import DataError, UsageError
from calm.files import dumps, read_jsonl, read_rows
from calm.report import DialogueSection, Section, Title, Verdict, terminal
from calm.report import mask as masks
from calm.report.html import write_page

if TYPE_CHECKING:
    from calm.format.tokens import Codec

READABLE = ("transcripts.jsonl", "train.parquet", "held_out.parquet")
"""What a run folder is opened at: the first of these that it holds, gzipped or not."""
VERDICTS = "verdicts.jsonl"


def show(  # noqa: PLR0913 - a verb and its flags
    path: Path,
    /,
    *,
    n: Annotated[int, Parameter(name="-n")] = 1,
    start: int = 0,
    html: Path | None = None,
    mask: Annotated[bool, Parameter(negative=())] = False,
    model: str | None = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Show conversations: a dataset, transcripts of a benchmark with their verdicts, or a run folder.

    Args:
        path: A JSONL or Parquet file of conversations, or a folder with transcripts.jsonl or {train,held_out}.parquet.
        n: How many conversations.
        start: How many to pass over first.
        html: Write a page there instead of printing.
        mask: Show what of each conversation is trained on.
        model: Whose tokens the mask counts: a folder with a tokenizer, a hub id or calm-135m; without, characters.
        json: Print the rows as JSON, one a line, each with its verdict where there is one.
    """
    file = _file(path)
    shown = list(_some(file, n, start))
    codec = codec_of(model) if model else None
    console = Piped()
    if json:
        _print_rows(shown)
    elif html:
        write_page(html, _sections(file, shown, codec, mask or codec is not None))
        console.print(f"{html}: {len(shown)} from {file}", markup=False, highlight=False, soft_wrap=True)
    else:
        if file != path:
            console.print(f"{file}", style="dim", markup=False, highlight=False, soft_wrap=True)
        _print(shown, console, codec, mask or codec is not None)


Shown = tuple[Conversation, Verdict | None]


def _file(path: Path) -> Path:
    if path.is_dir():
        found = [p for name in READABLE for p in (path / name, path / f"{name}.gz") if p.is_file()]
        if not found:
            raise DataError(path, f"holds none of {', '.join(READABLE)}; name a file of conversations")
        return found[0]
    if path.name.removesuffix(".gz") == VERDICTS:  # what people want to see of a verdict is what it judges
        return path.with_name("transcripts.jsonl")
    return path


def _some(file: Path, n: int, start: int) -> Iterator[Shown]:
    """Conversations `start` to `start + n` with their verdicts; a DataError or UsageError when there are none."""
    if n < 1 or start < 0:
        raise UsageError(f"n and start count conversations (got {n} and {start}); n is at least 1, start at least 0")
    found = list(islice(read(file), start, start + n))
    if not found:
        total = sum(1 for _ in read_rows(file))
        if total:
            raise UsageError(
                f"{file}: has {total:,} conversations, none from {start:,} on; start is at most {total - 1:,}"
            )
        raise DataError(file, "holds no conversation; the run that writes it has not got there, or failed")
    verdicts = _verdicts(file.with_name(VERDICTS)) if file.name.startswith("transcripts.jsonl") else {}
    return ((conversation, verdicts.get(conversation.id)) for conversation in found)


def _verdicts(path: Path) -> dict[str, Verdict]:
    return {str(row.get("id")): row for _, row in read_jsonl(path)} if path.is_file() else {}


def codec_of(model: str) -> "Codec":
    """The tokenizer of a model; a folder that holds no more than a tokenizer will do."""
    from calm.format.tokens import Codec
    from calm.hub.models import find

    folder = Path(model)
    return Codec.load(folder if (folder / "tokenizer.json").is_file() else find(model).tokenizer)


def _print_rows(shown: Sequence[Shown]) -> None:
    for conversation, verdict in shown:
        row = to_row(conversation) | ({"verdict": verdict} if verdict else {})
        sys.stdout.write(dumps(row).encode("utf-8", "backslashreplace").decode() + "\n")


def _print(shown: Sequence[Shown], console: Console, codec: "Codec | None", mask: bool) -> None:
    for place, (conversation, verdict) in enumerate(shown):
        if place:
            console.rule(style="dim")
        terminal.show(conversation, console, verdict=verdict)
        if mask:
            console.line()
            terminal.show_mask(conversation, codec, console)


def _sections(file: Path, shown: Sequence[Shown], codec: "Codec | None", mask: bool) -> Iterator[Section]:
    yield Title(title=file.parent.resolve().name, lead=file.name)
    for place, (conversation, verdict) in enumerate(shown, 1):
        title = conversation.id or f"Conversation {place}"
        yield DialogueSection(title=title, conversation=conversation, verdict=verdict)
        if mask:
            yield masks.mask(conversation, codec, title=f"Loss mask of {title}")
