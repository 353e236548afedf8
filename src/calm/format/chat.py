"""The tokenizer's own chat template as a Format: for models that come with one and were not trained by us.

The environment is the one that transformers compiles templates in (`utils/chat_template_utils.py` of 5.23), so the text
is what the model was trained on. What the model itself says, and so the loss mask, is the difference between the prompt
before a step and the conversation after it. A template that drops earlier thoughts, rewrites a turn, or has no words
for tools is refused by name: nothing is lost in silence.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from calm.conversation import (
    Assistant,
    Call,
    Conversation,
    Garbled,
    Message,
    Observation,
    Step,
    System,
    Tool,
    User,
    message_to_wire,
    tool_to_wire,
)
from calm.errors import FormatError, ModelError
from calm.files import dumps, read_json, read_text
from calm.format import Part, Span, react, text_of

Marks = tuple[str, str]
"""Two characters that occur nowhere in a conversation: they stand around what looks like a control token in a text."""

PROBE = Call(name="probe_name", arguments={"probe_key": "probe_value"})
NEEDS: dict[str, tuple[tuple[Message, ...], tuple[str, ...]]] = {
    "a system message": ((System(content="probe_text"), User(content="q")), ("probe_text",)),
    "tools": ((User(content="q"),), ("probe_name",)),
    "tool calls": ((User(content="q"), Assistant(calls=(PROBE,))), ("probe_name", "probe_key", "probe_value")),
    "tool results": (
        (User(content="q"), Assistant(calls=(PROBE,)), Observation(content="probe_text", name=PROBE.name)),
        ("probe_text",),
    ),
    "thoughts": ((User(content="q"), Assistant(thought="probe_text", text="a")), ("probe_text",)),
}
"""What a conversation may need, with a small one that needs it and the words that its text must hold then."""

TAG = re.compile(f"({'|'.join(react.TAGS)})")
REWRITES = "writes earlier turns differently once this one follows"


class ChatTemplate:
    """Jinja source with the variables and control tokens of its tokenizer; writes spans, reads the model's answers."""

    def __init__(
        self, source: str, variables: Mapping[str, str] | None = None, controls: Sequence[str] = (), name: str = "it"
    ) -> None:
        """Compile the template.

        Args:
            source: the Jinja text.
            variables: what templates may use beside the messages: `bos_token`, `eos_token`, ...
            controls: the tokenizer's added tokens; without them all of the text is rendered as plain.
            name: the model folder, for error messages.

        Raises:
            FormatError: the source is no Jinja; says the line.
        """
        self.name, self._variables = name, dict(variables or {})
        self._controls = "|".join(re.escape(token) for token in sorted(controls, key=len, reverse=True)) or "(?!)"
        try:
            self._template = _environment().from_string(source, {"raise_exception": _raise, "strftime_now": _now})
        except jinja2.TemplateSyntaxError as error:
            raise FormatError(f"chat template of {name}: line {error.lineno}: {error.message}") from error

    @classmethod
    def load(cls, folder: Path) -> "ChatTemplate":
        """The template of a model folder: `chat_template.jinja`, else the one in `tokenizer_config.json`.

        Of several named templates `tool_use` is taken, else `default`.

        Raises:
            ModelError: the folder has neither.
            FormatError: the template is no Jinja.
        """
        config = _json_object(folder / "tokenizer_config.json")
        source = config.get("chat_template")
        if isinstance(source, list):
            named = {entry["name"]: entry["template"] for entry in source}
            source = named.get("tool_use") or named.get("default")
        if (folder / "chat_template.jinja").is_file():
            source = read_text(folder / "chat_template.jinja")
        if not isinstance(source, str):
            raise ModelError(f"{folder}: has no chat_template.jinja and no chat_template in tokenizer_config.json")
        variables = {key: _token(value) for key, value in config.items() if key.endswith("_token") and value}
        return cls(source, variables, _added(folder, config), str(folder))

    def render(self, conversation: Conversation) -> list[Span]:
        """The conversation as spans; a step's own are what the template adds to the prompt before it.

        Its parts are told apart by Hermes tags where it has several; the last control token of the turn is its `end`.

        Raises:
            FormatError: the template refuses the conversation, has no words for something in it, or writes an earlier
                turn differently once a later one follows; says which message.
        """
        self._can_express(conversation)
        marks, spans, done = _marks(conversation), [], ""
        for place in conversation.steps:
            before = self._text(conversation.upto(place), marks, prompt=True)
            after = self._text(conversation.upto(place + 1), marks)
            self._continues(done, before, place, REWRITES)
            self._continues(before, after, place, "does not go on from the prompt it gives for it")
            spans += self._spans(before[len(done) :], marks)
            spans += _speech(self._spans(after[len(before) :], marks), conversation.messages[place], place)
            done = after
        whole = self._text(conversation, marks)
        self._continues(done, whole, len(conversation.messages), REWRITES)
        return spans + self._spans(whole[len(done) :], marks)

    def prompt_spans(self, conversation: Conversation) -> list[Span]:
        """What the model is given before its next step, control tokens told apart from text that looks like them."""
        self._can_express(conversation)
        marks = _marks(conversation)
        return self._spans(self._text(conversation, marks, prompt=True), marks)

    def prompt(self, conversation: Conversation) -> str:
        """What the model is given before its next step, as one string.

        Raises:
            FormatError: the template refuses the conversation or has no words for something in it.
        """
        return text_of(self.prompt_spans(conversation))

    def parse_step(self, text: str) -> Step:
        """What the model answered: Hermes tags are read as in ReAct text; without any, it is a plain reply."""
        if self._escapes or any(tag in text for tag in react.TAGS):
            return react.parse_step(text)
        return Assistant(text=text)

    def _can_express(self, conversation: Conversation) -> None:
        for need, place in _needs(conversation):
            if not self._words[need]:
                raise FormatError(f"message {place}: the chat template of {self.name} has no words for {need}")

    @cached_property
    def _words(self) -> dict[str, bool]:
        return {need: self._says(need, *probe) for need, probe in NEEDS.items()}

    def _says(self, need: str, messages: tuple[Message, ...], words: tuple[str, ...]) -> bool:
        tools = (Tool(name=PROBE.name),) if need.startswith("tool") else ()
        try:
            text = self._text(Conversation(tools=tools, messages=messages))
        except FormatError:
            return False
        return all(word in text for word in words)

    @cached_property
    def _escapes(self) -> bool:
        return "<\\|" in self._text(Conversation(messages=(User(content="<|"),)))

    def _text(self, conversation: Conversation, marks: Marks = ("", ""), prompt: bool = False) -> str:
        said = {
            "messages": [self._marked(_wire(message), marks) for message in conversation.messages],
            "tools": [self._marked(tool_to_wire(tool), marks) for tool in conversation.tools] or None,
        }
        try:
            return self._template.render(**self._variables, **said, add_generation_prompt=prompt)
        except (jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            what = f"the first {len(conversation.messages)} messages"
            raise FormatError(f"the chat template of {self.name} refuses {what}: {error}") from error

    def _marked(self, value: Any, marks: Marks) -> Any:
        if isinstance(value, str):
            return re.sub(self._controls, lambda found: found[0].join(marks), value)
        if isinstance(value, dict):
            return {self._marked(key, marks): self._marked(inner, marks) for key, inner in value.items()}
        return [self._marked(inner, marks) for inner in value] if isinstance(value, list) else value

    def _spans(self, text: str, marks: Marks) -> list[Span]:
        pattern = f"{marks[0]}(?P<plain>{self._controls}){marks[1]}|[{''.join(marks)}]|(?P<control>{self._controls})"
        spans, place = [], 0
        for found in re.finditer(pattern, text):
            spans += [
                Span(text[place : found.start()] + (found["plain"] or "")),
                Span(found["control"] or "", None, True),
            ]
            place = found.end()
        return [span for span in (*spans, Span(text[place:])) if span.text]

    def _continues(self, start: str, whole: str, place: int, fault: str) -> None:
        if not whole.startswith(start):
            raise FormatError(f"message {place}: the chat template of {self.name} {fault}")


# --- what a conversation holds -------------------------------------------------------------------------------------


def _needs(conversation: Conversation) -> Iterator[tuple[str, int]]:
    if conversation.tools:
        yield "tools", 0
    for place, message in enumerate(conversation.messages):
        if isinstance(message, System):
            yield "a system message", place
        if isinstance(message, Observation):
            yield "tool results", place
        if isinstance(message, Assistant) and message.calls:
            yield "tool calls", place
        if isinstance(message, Assistant) and message.thought is not None:
            yield "thoughts", place


def _wire(message: Message) -> dict[str, Any]:
    """A message as templates expect it: arguments as objects, an absent text not there at all."""
    wire = {key: value for key, value in message_to_wire(message).items() if value is not None}
    if isinstance(message, Assistant) and message.calls:
        functions = [{"name": call.name, "arguments": call.arguments} for call in message.calls]
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": function}
            for call, function in zip(message.calls, functions, strict=True)
        ]
    return wire


def _marks(conversation: Conversation) -> Marks:
    used = set(dumps(conversation.model_dump(include={"tools", "messages"})))
    free = (chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in used)
    return next(free), next(free)


def _speech(spans: list[Span], step: Message, place: int) -> list[Span]:
    """The spans of a step with their parts; what follows its end marker is not the model's own."""
    if isinstance(step, Garbled):
        return [span._replace(step=place) for span in spans]
    ends = [i for i, span in enumerate(spans) if span.control and span.text not in react.TAGS]
    end = ends[-1] if ends and not text_of(spans[ends[-1] + 1 :]).strip() else len(spans)
    closing = [Span(span.text, "end", True, place) for span in spans[end : end + 1]]
    return [*_parts(spans[:end], step, place), *closing, *spans[end + 1 :]]


def _parts(spans: list[Span], step: Message, place: int) -> Iterator[Span]:
    said = step if isinstance(step, Assistant) else Assistant(text="")
    given: dict[Part, bool] = {
        "thought": said.thought is not None,
        "call": bool(said.calls),
        "text": said.text is not None,
    }
    alone = [part for part, there in given.items() if there]
    part: Part = "text"
    for span in spans:
        for piece in filter(None, TAG.split(span.text)):
            part = "thought" if piece == react.THINK else "call" if piece == react.CALL else part
            yield Span(piece, alone[0] if len(alone) == 1 else part, span.control, place)
            part = "text" if piece in (react.UNTHINK, react.UNCALL) else part


# --- Jinja as transformers sets it up, and the files of a model folder ---------------------------------------------


class _Generation(Extension):
    """`{% generation %}` blocks, with which some templates mark the assistant's words: read through."""

    tags = {"generation"}  # noqa: RUF012  # as Jinja declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> ImmutableSandboxedEnvironment:
    extensions = [_Generation, "jinja2.ext.loopcontrols"]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    environment.filters["tojson"] = _tojson
    return environment


def _now(form: str) -> str:
    return datetime.now().strftime(form)


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)


def _json_object(path: Path) -> dict[str, Any]:
    value = read_json(path) if path.is_file() else {}
    return value if isinstance(value, dict) else {}


def _token(value: Any) -> str:
    return value["content"] if isinstance(value, dict) else str(value)


def _added(folder: Path, config: Mapping[str, Any]) -> list[str]:
    fast = _json_object(folder / "tokenizer.json").get("added_tokens")
    entries = fast if fast is not None else list(config.get("added_tokens_decoder", {}).values())
    return [entry["content"] for entry in entries]
