"""What of a conversation is trained on, as pieces of text: by token with a tokenizer, by character without."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from calm.conversation import Conversation
from calm.format import Part, Span, react, text_of
from calm.format.tokens import ALL_PARTS, Codec
from calm.report import MaskSection, Piece


def mask(
    conversation: Conversation, codec: Codec | None, parts: Sequence[Part] = ALL_PARTS, title: str = "Loss mask"
) -> MaskSection:
    """The mask that training with `parts` would use, joined into runs of equal part and fate.

    With a codec the sizes are tokens and add up to `codec.row(conversation, parts)`; without, they are characters of
    the ChatML text. A conversation without an assistant step gives a mask in which nothing is learned.
    """
    pieces = _by_token(conversation, codec, parts) if codec else _by_character(conversation, parts)
    return MaskSection(
        title=title, pieces=tuple(_joined(pieces)), unit="tokens" if codec else "characters", note=_note(parts)
    )


def _by_token(conversation: Conversation, codec: Codec, parts: Sequence[Part]) -> Iterator[Piece]:
    # The codec encodes runs of equal (part, step, control) on their own, so encoding them one by one changes no id.
    for (part, _, _), run in groupby(
        react.render(conversation, codec.markers), key=lambda s: (s.part, s.step, s.control)
    ):
        spans = list(run)
        row = codec.encode(spans, parts)
        yield Piece(text=text_of(spans), part=part, learn=any(row.learn), size=len(row.ids))


def _by_character(conversation: Conversation, parts: Sequence[Part]) -> Iterator[Piece]:
    def piece(span: Span) -> Piece:
        learn = span.part is not None and (span.part == "end" or span.part in parts)
        return Piece(text=span.text, part=span.part, learn=learn, size=len(span.text))

    return map(piece, react.render(conversation))


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    for (part, learn), run in groupby(pieces, key=lambda p: (p.part, p.learn)):
        same = list(run)
        yield Piece(text="".join(p.text for p in same), part=part, learn=learn, size=sum(p.size for p in same))


def _note(parts: Sequence[Part]) -> str:
    left_out = [part for part in ALL_PARTS if part not in parts]
    return f"Left out of training: {', '.join(left_out)}." if left_out else ""
