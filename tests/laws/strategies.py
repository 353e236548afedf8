"""Hypothesis strategies for all that may be said: any unicode, tags, markers, odd names, nested JSON, Garbled."""

from hypothesis import strategies as st

from calm.conversation import Assistant, Call, Conversation, Garbled, Message, Observation, System, Tool, User
from calm.files import dumps
from calm.format import react, text_of

NASTY = (
    "<|im_start|>", "<|im_end|>", "<|im_start|>assistant\n", "<|eot_id|>", "<|start_header_id|>", "<|", "|>", "<", "\\",
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<tools>", "</tools>", "<\\think>", "<\\|", "\n", "\r\n", " ",
    "\n</tools>\n", "# Tools\n", "\nAction: f(a=1)", "\nUser: ", "Thought: ", "\nSystem:", "\\Observation: ", "[", "]",
    "[BEGIN OF QUERY]", "[END OF CONVERSATION HISTORY]", "[\\END OF AVAILABLE TOOLS]", "```", '"', "'", "{", "}", "#",
    "\x00", "\x85", "\u2028", "\x1c", "\ufeff", "\U0001f600", "e\u0301", "[DONE]", '{"name": "f", "arguments": {}}',
)  # fmt: skip
"""What a hostile or unlucky text is made of: every tag, marker, label and bracket any Format gives a meaning to."""

texts = st.one_of(st.text(max_size=12), st.lists(st.sampled_from(NASTY) | st.text(max_size=3), max_size=5).map("".join))
names = st.one_of(
    st.sampled_from(["f", "find_restaurants", "a.b", "Get Suggestion", "get-it", "v1/get:x", "1st", "été", "ab "]),
    st.from_regex(r"[a-zA-Z0-9_é][a-zA-Z0-9_é .:/\-]{0,9}", fullmatch=True),
)
keys = st.one_of(st.sampled_from(["a", "city", "class", "True", "\ufb01", "odd key", "", "__debug__", "größe"]), texts)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(keys, values, max_size=3)
ids = st.sampled_from(["call_0", "call_1", "abc"]) | st.text(min_size=1, max_size=4)
calls = st.builds(Call, name=names, arguments=arguments, id=ids)
schemas = st.builds(
    lambda properties, required, extra: {
        "type": "object",
        "properties": properties,
        **({"required": [key for key in properties if required]} if extra else {}),
    },
    st.dictionaries(keys, st.dictionaries(keys, values, max_size=2), max_size=3),
    st.booleans(),
    st.booleans(),
)
tools = st.builds(Tool, name=names, description=texts, parameters=schemas | st.dictionaries(keys, values, max_size=2))


def _says(step: tuple[str | None, list[Call], str | None]) -> bool:
    return step[0] is not None or step[2] is not None or bool(step[1])


steps = (
    st.tuples(st.none() | texts, st.lists(calls, max_size=3), st.none() | texts)
    .filter(_says)
    .map(lambda s: Assistant(thought=s[0], calls=tuple(s[1]), text=s[2]))
)


def _unreadable(text: str) -> list[Garbled]:
    """The text as a model's turn, written down and read back: what a Garbled of it is from then on."""
    step = react.parse_step(text)
    again = react.parse_step(text_of(react.step_spans(step)))
    return [again] if isinstance(again, Garbled) else []


garbled = (
    st.lists(st.sampled_from(["<think>", "</think>", "<tool_call>", "</tool_call>", *NASTY]) | texts, max_size=6)
    .map(lambda pieces: _unreadable("".join(pieces) + "<tool_call>"))
    .filter(bool)
    .map(lambda found: found[0])
)


@st.composite
def _turns(draw, replies=steps | garbled, heard=texts) -> list[Message]:
    """One user turn: what the user says, then steps, each with observations of some of its calls, in order."""
    said: list[Message] = [User(content=draw(heard))] if draw(st.booleans()) else []
    for step in draw(st.lists(replies, max_size=3)):
        answered = draw(st.integers(0, len(step.calls))) if isinstance(step, Assistant) else 0
        seen = (
            [Observation(content=draw(heard), call=c.id, name=c.name) for c in step.calls[:answered]]
            if answered
            else []
        )
        said += [step, *seen, *draw(st.lists(st.builds(System, content=heard), max_size=1))]
    return said


@st.composite
def conversations(draw, replies=steps | garbled) -> Conversation:
    """Any conversation at all, bare of what only the disk form carries."""
    lead = draw(st.lists(st.builds(System, content=texts), max_size=2))
    turns = draw(st.lists(_turns(replies), max_size=3))
    return Conversation(
        tools=tuple(draw(st.lists(tools, max_size=2))), messages=(*lead, *(m for t in turns for m in t))
    )


@st.composite
def stored(draw) -> Conversation:
    """A conversation with everything a row on disk has: id, origin, state and meta too."""
    more = {"id": draw(texts), "origin": draw(texts), "meta": draw(arguments)}
    return draw(conversations()).model_copy(update={**more, "state": tuple(draw(st.lists(arguments, max_size=2)))})


actions = st.builds(Assistant, thought=st.none() | texts, calls=st.lists(calls, min_size=1, max_size=2).map(tuple))
replies = st.builds(Assistant, thought=st.none() | texts, text=texts)
"""Steps that are either calls or a reply: what the paper's rows know."""


def same(one: Conversation, other: Conversation) -> bool:
    """Equality that tells 1 from 1.0 and True, which Python's own does not."""
    return one == other and dumps(one.model_dump()) == dumps(other.model_dump())
