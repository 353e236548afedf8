"""CoALM-IT's rows, `instruction`, `input`, `output`, and the same as Conversations, in which a dataset can hold them.

The one place where `data` knows a format: the paper's samples are prompt text, so a dataset in the paper's form must
hold that text. A sample is stored as System (instruction), User (input) and Assistant (output); `row` gives its three
columns back exactly.
"""

from collections.abc import Iterator
from typing import Any

from calm.conversation import Assistant, Conversation, Observation, System, User
from calm.data.export import Exporter, trained
from calm.errors import FormatError
from calm.format.paper import FORMS, PaperPart, Row, places, rows

PAPER = "paper"
"""The key of `meta` that says a row is a sample in the paper's form, and of which part."""


def samples(conversation: Conversation, part: PaperPart) -> list[Conversation]:
    """One Conversation per row that `calm.format.paper` makes, in order, ids `ID-PLACE` after the place of the step.

    Each keeps origin and meta, and of the state that after its last user turn. An empty input leaves no System: the
    instruction is then what the user says.

    Raises:
        FormatError: a message that no row can hold: a Garbled, a lone thought, calls together with a text.
    """
    made = zip(places(conversation, part), rows(conversation, part), strict=True)
    return [_sample(conversation, part, place, texts) for place, texts in made]


def _sample(conversation: Conversation, part: PaperPart, place: int, texts: Row) -> Conversation:
    users = sum(isinstance(message, User) for message in conversation.messages[:place])
    asked = [System(content=texts.instruction), User(content=texts.input)]
    return Conversation(
        id=f"{conversation.id}-{place}",
        messages=(*(asked if texts.input else [User(content=texts.instruction)]), Assistant(text=texts.output)),
        state=conversation.state[users - 1 : users] if users else (),
        origin=conversation.origin,
        meta={**conversation.meta, PAPER: part},
    )


def row(conversation: Conversation) -> dict[str, str]:
    """The three columns of a sample that `samples` made.

    Raises:
        FormatError: the conversation is no such sample.
    """
    match conversation.messages:
        case (System(content=instruction), User(content=given), Assistant(text=str(output))):
            return {"instruction": instruction, "input": given, "output": output}
        case (User(content=instruction), Assistant(text=str(output))):
            return {"instruction": instruction, "input": "", "output": output}
    raise FormatError("is no sample in the paper's form: instruction (and input), then one reply")


def form_of(conversation: Conversation) -> PaperPart:
    """The paper's form for a conversation of ours: `snips` by origin, `cra` where tools answered, else `toolace`."""
    if "snips" in conversation.origin.split("/"):
        return "snips"
    return "cra" if any(isinstance(m, Observation) for m in conversation.messages) else "toolace"


def alpaca(conversation: Conversation) -> Iterator[dict[str, Any]]:
    """The rows of a conversation: its own three columns where it is a sample already, else one row a step.

    Raises:
        FormatError: no row can hold one of its steps, or it has none that the form can say.
    """
    if conversation.meta.get(PAPER) in FORMS:
        yield row(conversation)
        return
    form = form_of(conversation)
    made = samples(trained(conversation), form)
    if not made:
        raise FormatError(f"has no step that the paper's form {form!r} can say")
    yield from map(row, made)


COALM = Exporter(
    "CoALM-IT (Alpaca)",
    alpaca,
    "three string columns, as the published dataset has them; Oumi's `text_sft_jsonl` and every Alpaca reader open it",
    (
        "thoughts as something to learn: in `cra` they stand in the input, as in the paper, elsewhere nowhere",
        "id, origin, state, meta, call ids; of tools what docs/formats.md says of each part",
    ),
)
