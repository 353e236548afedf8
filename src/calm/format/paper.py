"""The rows of CoALM-IT (`instruction`, `input`, `output`), written from Conversations and read back.

Four parts, told apart by their text alone as in the released data (arXiv 2502.08820: figure 4 `snips`, figure 5
`hammer`, figures 6 and 7 `cra`; `toolace` is described, not printed). Format tokens are the paper's, the sentences
around them ours. One row is made per step that the part can say: each in `cra` and `toolace`, a call that answers a
user directly in `snips`, the same or a reply ("no call") in `hammer`. As in the paper, no output holds a thought.

A row loses things. `carried` says what is left, and `read_row(row) == carried(prefix)`:

    part      tools                           messages
    cra       names and required arguments    all but System; the row of a reply has no tools
    toolace   everything                      all but System, without thoughts
    snips     names and arguments             the user turn and its one call, without a thought
    hammer    all but which are required      the user turn and its calls, or an empty reply for "no call"

Never carried: id, origin, state, meta; call ids are counted anew. Texts are escaped (`paper_blocks`), so that none can
write a label, a block or another part's marks.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import JsonValue, ValidationError

from calm.conversation import Assistant, Call, Conversation, Message, System, Tool, User, numbered, tool_from_wire
from calm.errors import FormatError
from calm.files import dumps
from calm.format import calls
from calm.format.paper_blocks import block, guard, lines, read_block, read_lines, said, thought, unguard

PaperPart = Literal["cra", "snips", "hammer", "toolace"]


class Row(NamedTuple):
    """One training sample in the Alpaca shape; `_asdict()` is the JSON row."""

    instruction: str
    input: str
    output: str


class Sample(NamedTuple):
    """What a row says, apart: tools, the messages before the user's last word, those since then, and the step."""

    tools: tuple[Tool, ...]
    history: tuple[Message, ...]
    turn: tuple[Message, ...]
    step: Assistant


class Form(Protocol):
    """One part: which steps it can say, what is left of them, and two inverse functions."""

    def says(self, sample: Sample) -> bool:
        """Whether there is a row for the step at all."""
        ...

    def carry(self, sample: Sample) -> Sample:
        """The sample without what the part loses."""
        ...

    def write(self, sample: Sample) -> Row:
        """The row of a carried sample."""
        ...

    def read(self, row: Row) -> tuple[Sequence[Tool], Sequence[Message]]:
        """Tools and messages of a row."""
        ...


def rows(conversation: Conversation, part: PaperPart) -> list[Row]:
    """One row per step that the part can say, in order.

    Raises:
        FormatError: a message that no row can hold: a Garbled, a lone thought, calls together with a text.
    """
    form = FORMS[part]
    return [form.write(form.carry(_sample(conversation, place))) for place in places(conversation, part)]


def places(conversation: Conversation, part: PaperPart) -> list[int]:
    """The messages that `rows` makes a row of: row i ends with message `places[i]`.

    Raises:
        FormatError: one of them is a Garbled.
    """
    return [place for place in conversation.steps if FORMS[part].says(_sample(conversation, place))]


def carried(prefix: Conversation, part: PaperPart) -> Conversation:
    """What the row of a conversation that ends with a step holds of it: the same that `read_row` gives back."""
    sample = FORMS[part].carry(_sample(prefix, len(prefix.messages) - 1))
    return _conversation(sample.tools, (*sample.history, *sample.turn, sample.step))


def read_row(row: Row) -> Conversation:
    """The conversation a row holds, its last message the output.

    Raises:
        FormatError: the row is of no part, or its text is not what the part writes.
    """
    try:
        return _conversation(*FORMS[part_of(row)].read(row))
    except ValidationError as error:
        raise FormatError(f"row: {error.errors()[0]['msg']} (got {error.errors()[0]['input']!r:.80})") from error


def part_of(row: Row) -> PaperPart:
    """Which part a row is of, seen from marks that no text in it can forge.

    Raises:
        FormatError: none of the four.
    """
    if row.input.startswith("[BEGIN OF QUERY]"):
        return "hammer"
    if row.instruction.endswith("[END OF CONVERSATION HISTORY]"):
        return "cra"
    if row.instruction.startswith(TOOLACE_HEAD):
        return "toolace"
    if "\n# Sample Output\n" in row.instruction:
        return "snips"
    raise FormatError(f"row: of none of the parts {', '.join(FORMS)}: instruction {row.instruction[:60]!r}")


def _conversation(tools: Sequence[Tool], messages: Sequence[Message]) -> Conversation:
    return Conversation(tools=tuple(tools), messages=tuple(numbered(messages)))


def _sample(conversation: Conversation, place: int) -> Sample:
    told = [message for message in conversation.messages[:place] if not isinstance(message, System)]
    begin = max((i for i, message in enumerate(told) if isinstance(message, User)), default=0)
    step = conversation.messages[place] if conversation.messages else None
    if not isinstance(step, Assistant):
        raise FormatError(f"paper row: message {place} is no step of an assistant that could be read")
    return Sample(conversation.tools, tuple(told[:begin]), tuple(told[begin:]), step)


def _direct(sample: Sample) -> bool:
    return bool(sample.turn) and isinstance(sample.turn[-1], User)


def _properties(tool: Tool) -> dict[str, JsonValue]:
    found = tool.parameters.get("properties")
    return found if isinstance(found, dict) else {}


def _required(tool: Tool) -> list[str]:
    """Names of the arguments a call must have; all of them where the schema does not say."""
    found = tool.parameters.get("required")
    return [key for key in found if isinstance(key, str)] if isinstance(found, list) else list(_properties(tool))


def _known_by_name(name: str, keys: Sequence[str]) -> Tool:
    """A tool of which a row says only these names."""
    return Tool(name=name, parameters={"type": "object", "properties": {k: {} for k in keys}, "required": list(keys)})


def _signatures(tools: Sequence[Tool]) -> str:
    return guard("\n".join(calls.signature(tool.name, _required(tool)) for tool in tools))


def _read_signatures(text: str) -> list[Tool]:
    return [_known_by_name(*calls.parse_signature(line)) for line in unguard(text).split("\n")] if text else []


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"row: not JSON: {error} in {text[:60]!r}") from error


def _tools(listed: Any) -> list[Tool]:
    if not isinstance(listed, list) or not all(isinstance(value, dict) for value in listed):
        raise FormatError(f"row: expected a JSON list of tools, got {str(listed)[:60]!r}")
    return [tool_from_wire(value) for value in listed]


# --- cra: SGD as Thought, Action, Observation, Thought, System -------------------------------------------------------

CRA_ACT = """You work for a user with the functions listed below.
1. Read what the user asks for in the light of the conversation so far.
2. Where a function serves it, call it with every argument it needs.
3. Tell the user what came of it."""
CRA_REPLY = """You answer a user who is served by functions.
1. Read what the user asks for in the light of the conversation so far.
2. Read what the functions returned.
3. Answer the user from that, and from nothing else."""
CRA_FORMAT = "Write a call as: function_name(argument1=value1, argument2=value2)"


class Cra:
    """Figures 6 and 7: the row of a call lists signatures, that of a reply none; the history has a block of its own."""

    def says(self, sample: Sample) -> bool:
        """Every step."""
        return True

    def carry(self, sample: Sample) -> Sample:
        """Signatures only, and those only where the step is a call."""
        tools = sample.tools if sample.step.calls else ()
        return sample._replace(tools=tuple(_known_by_name(tool.name, _required(tool)) for tool in tools))

    def write(self, sample: Sample) -> Row:
        """The thought of the step stands at the end of the input, as the paper has it."""
        acts = bool(sample.step.calls)
        blocks = [
            block("TASK INSTRUCTION", CRA_ACT if acts else CRA_REPLY),
            *([block("AVAILABLE TOOLS", _signatures(sample.tools))] if acts else []),
            block("FORMAT INSTRUCTION", CRA_FORMAT),
            block("CONVERSATION HISTORY", lines(sample.history)),
        ]
        given = [*filter(None, [lines(sample.turn)]), *thought(sample.step)]
        return Row("\n\n".join(blocks), "\n".join(given), said(sample.step))

    def read(self, row: Row) -> tuple[Sequence[Tool], Sequence[Message]]:
        """Input and output are read as one text, since a thought in the one leads to the other."""
        listed = "[BEGIN OF AVAILABLE TOOLS]" in row.instruction
        tools = _read_signatures(read_block(row.instruction, "AVAILABLE TOOLS")) if listed else []
        turn = "\n".join(filter(None, [row.input, row.output]))
        return tools, [*read_lines(read_block(row.instruction, "CONVERSATION HISTORY")), *read_lines(turn)]


# --- toolace: calls over many turns ----------------------------------------------------------------------------------

TOOLACE_HEAD = """You compose function calls. Given what the user asks and the functions below, make the calls that
serve it. If none does, or an argument is missing, say so. Write calls, and nothing beside them, as:
[func_name1(params_name1=params_value1, params_name2=params_value2), func_name2(params)]
The functions in JSON:
"""
TOOLACE_HISTORY = "\n\nThe conversation so far:\n"
_BRACKET, _ESCAPED_BRACKET = re.compile(r"^(?=\\*\[)"), re.compile(r"^\\(?=\\*\[)")


class ToolAce:
    """The system prompt with JSON tools, the history after it; output `[Func(arg='v')]` or the words themselves."""

    def says(self, sample: Sample) -> bool:
        """Every step."""
        return True

    def carry(self, sample: Sample) -> Sample:
        """The same without thoughts."""
        history, turn = (tuple(map(_thoughtless, part)) for part in (sample.history, sample.turn))
        return Sample(sample.tools, history, turn, _thoughtless(sample.step))

    def write(self, sample: Sample) -> Row:
        """A reply that starts like a list of calls gets a backslash before it."""
        instruction = TOOLACE_HEAD + dumps([tool.model_dump() for tool in sample.tools])
        instruction += TOOLACE_HISTORY + lines(sample.history) if sample.history else ""
        step = sample.step
        output = calls.render_python(step.calls) if step.calls else _BRACKET.sub(r"\\", step.text or "")
        return Row(instruction, lines(sample.turn), output)

    def read(self, row: Row) -> tuple[Sequence[Tool], Sequence[Message]]:
        """The tools are the one line of JSON after the head."""
        listed, _, history = row.instruction.removeprefix(TOOLACE_HEAD).partition(TOOLACE_HISTORY)
        if row.output.startswith("["):
            step = Assistant(calls=calls.parse_python(row.output))
        else:
            step = Assistant(text=_ESCAPED_BRACKET.sub("", row.output))
        return _tools(_json(listed)), [*read_lines(history), *read_lines(row.input), step]


def _thoughtless(message: Any) -> Any:
    if not isinstance(message, Assistant):
        return message
    said(message)  # what no line can say is refused here, before a thought alone becomes nothing
    return message.model_copy(update={"thought": None})


# --- snips: one user turn, one domain, its slots ---------------------------------------------------------------------

SNIPS_ROLE = "You find out what a user wants: the domain, out of those below, and what is said of its slots.\n\n"
SNIPS_TASK = """

Slots that are not listed do not exist.

# Task
Read the user's words and answer in JSON with the domain and the slot values, in the user's own words.

# Sample Output
System: {"domain": "AddToPlaylist", "slot_values": {"music_item": "song", "playlist": "rainy days"}}"""


_DOMAIN = re.compile(r"The user can seek for (.*?) by slots - (.*)")


def _domain(tool: Tool) -> str:
    name, _, keys = calls.signature(tool.name, _required(tool)).partition("(")
    return f"The user can seek for {name} by slots - {keys[:-1]}"


def _read_domain(line: str) -> Tool:
    found = _DOMAIN.fullmatch(line)
    if not found:
        raise FormatError(f"row: expected a line of a domain and its slots, got {line[:60]!r}")
    return _known_by_name(*calls.parse_signature(f"{found[1]}({found[2]})"))


class Snips:
    """Figure 4: domains with their slots, the utterance, and a JSON object of the domain and its slot values."""

    def says(self, sample: Sample) -> bool:
        """A single call that answers a user directly."""
        return _direct(sample) and len(sample.step.calls) == 1

    def carry(self, sample: Sample) -> Sample:
        """Slots by name, the last user turn and the call."""
        tools = tuple(_known_by_name(tool.name, list(_properties(tool))) for tool in sample.tools)
        return Sample(tools, (), sample.turn[-1:], Assistant(calls=sample.step.calls))

    def write(self, sample: Sample) -> Row:
        """One line per domain, as figure 4 has them: `The user can seek for GetWeather by slots - city, state`."""
        domains = "\n".join(map(_domain, sample.tools))
        call = sample.step.calls[0]
        output = dumps({"domain": call.name, "slot_values": call.arguments})
        return Row(SNIPS_ROLE + domains + SNIPS_TASK, lines(sample.turn), f"System: {output}")

    def read(self, row: Row) -> tuple[Sequence[Tool], Sequence[Message]]:
        """The domains stand between the two constant texts."""
        domains = row.instruction.removeprefix(SNIPS_ROLE).removesuffix(SNIPS_TASK)
        tools = [_read_domain(line) for line in domains.split("\n")] if domains else []
        found = _json(row.output.removeprefix("System: "))
        if not isinstance(found, dict) or found.keys() != {"domain", "slot_values"}:
            raise FormatError(f"row: expected the keys domain and slot_values, got {row.output[:60]!r}")
        call = Call(name=found["domain"], arguments=found["slot_values"])
        return tools, [*read_lines(row.input), Assistant(calls=(call,))]


# --- hammer: one query, a fenced JSON list ---------------------------------------------------------------------------

HAMMER_TASK = """You are given functions and a query.
1. Call one or more of the functions to serve the query.
2. If none of them fits, call none.
3. If the query lacks what an argument needs, call none."""
HAMMER_FORMAT = """Answer with a JSON list and nothing else, an empty list where there is no call:
```
[{"name": "func_name1", "arguments": {"argument1": "value1"}}]
```"""
_FENCED = re.compile(r"```\n(.*)\n```", re.DOTALL)


class Hammer:
    """Figure 5: flat xLAM tools, the query as the input, and a fenced JSON list, empty for "no call"."""

    def says(self, sample: Sample) -> bool:
        """What answers a user directly; a lone thought says nothing."""
        return _direct(sample) and (bool(sample.step.calls) or sample.step.text is not None)

    def carry(self, sample: Sample) -> Sample:
        """Tools without their list of required arguments; a reply becomes an empty one."""
        step = Assistant(calls=sample.step.calls) if sample.step.calls else Assistant(text="")
        return Sample(tuple(_flat(tool) for tool in sample.tools), (), sample.turn[-1:], step)

    def write(self, sample: Sample) -> Row:
        """Three blocks, and the query in a fourth as the input."""
        listed = [{**tool.model_dump(), "parameters": _properties(tool)} for tool in sample.tools]
        blocks = [
            block("TASK INSTRUCTION", HAMMER_TASK),
            block("AVAILABLE TOOLS", guard(dumps(listed))),
            block("FORMAT INSTRUCTION", HAMMER_FORMAT),
        ]
        query = "".join(m.content for m in sample.turn if isinstance(m, User))
        answer = f"```\n{calls.render_json(sample.step.calls)}\n```"
        return Row("\n\n".join(blocks), block("QUERY", guard(query)), answer)

    def read(self, row: Row) -> tuple[Sequence[Tool], Sequence[Message]]:
        """Also reads a list without its fence, as some models answer."""
        fenced = _FENCED.fullmatch(row.output)
        made = calls.parse_json(fenced[1] if fenced else row.output)
        listed = _json(unguard(read_block(row.instruction, "AVAILABLE TOOLS")))
        tools = [_flat(tool, tool.parameters) for tool in _tools(listed)]
        user = User(content=unguard(read_block(row.input, "QUERY")))
        return tools, [user, Assistant(calls=made) if made else Assistant(text="")]


def _flat(tool: Tool, properties: dict[str, JsonValue] | None = None) -> Tool:
    """The tool with nothing but properties in its schema: its own, or the ones that a flat tool dict has."""
    kept = _properties(tool) if properties is None else properties
    return tool.model_copy(update={"parameters": {"type": "object", "properties": kept}})


FORMS: dict[PaperPart, Form] = {"cra": Cra(), "snips": Snips(), "hammer": Hammer(), "toolace": ToolAce()}
