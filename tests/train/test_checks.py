"""What other trainers met in silence is refused here by name, and no good row is."""

import json
from array import array
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calm.conversation import Assistant, Call, Conversation, Garbled, Observation, System, Tool, User, from_row, to_row
from calm.data.build import build
from calm.data.parts import DataRecipe
from calm.data.sources.town import read_town
from calm.errors import DataError, ModelError
from calm.files import write_jsonl
from calm.format import react
from calm.format.tokens import ALL_PARTS, Codec, Encoded
from calm.recipe import load
from calm.train import checks, rows
from calm.train.recipe import TrainRecipe
from tests.laws.strategies import arguments, conversations, names, texts, tools

ROOT = Path(__file__).parent.parent.parent
FIND = Tool(name="find", description="Find a place.", parameters={"type": "object", "properties": {"area": {}}})
GOOD = Conversation(
    id="good",
    tools=(FIND,),
    messages=(
        System(content="Be brief."),
        User(content="A place in the north?"),
        Assistant(thought="I search.", calls=(Call(name="find", arguments={"area": "north"}),)),
        Observation(content='[{"name": "Clowns"}]', name="find"),
        Assistant(thought="Found one.", text="Clowns is in the north."),
        User(content="And where exactly?"),
        Assistant(text="I do not know that."),
    ),
)


@pytest.fixture(scope="module")
def codec(tiny):
    return Codec.load(tiny)


def changed(row, at, learn):
    return Encoded(row.ids, [*row.learn[:at], learn, *row.learn[at + 1 :]])


def with_messages(*messages):
    return GOOD.model_copy(update={"messages": messages})


def rendered(codec, item):
    """The row that a trainer would make of something else than what is served."""
    return codec.encode(react.render(item, codec.markers))


def whole(codec, text):
    """A row encoded as one string, markers found in it wherever they come from."""
    codec.tokenizer.encode_special_tokens = False
    ids = codec.tokenizer.encode(text, add_special_tokens=False).ids
    codec.tokenizer.encode_special_tokens = True
    good = codec.row(GOOD)
    return Encoded(ids, (good.learn + [False] * len(ids))[: len(ids)])


def place_of(codec, row, text):
    """Where the tokens of a text begin."""
    told = [codec.tokenizer.decode(row.ids[: i + 1], skip_special_tokens=False) for i in range(len(row.ids))]
    return next(i for i, said in enumerate(told) if text in said)


def other(codec, row):
    return Encoded([(i + 7) % 500 + 2 if i > 1 else i for i in row.ids], row.learn)


M = GOOD.messages
FAULTS = {
    # masks (peers.md B: marin#7237, trl#4879, unsloth#2900, liquid-finetune#37)
    "template without generation tags: nothing learned": lambda c, r: Encoded(r.ids, [False] * len(r.ids)),
    "loss on every token": lambda c, r: Encoded(r.ids, [True] * len(r.ids)),
    "loss on a user token (Automodel#3024)": lambda c, r: changed(r, place_of(c, r, "place in"), True),
    "loss on a system token": lambda c, r: changed(r, place_of(c, r, "Be brief"), True),
    "loss on the tool list": lambda c, r: changed(r, place_of(c, r, "<tools>"), True),
    "loss on an observation (oumi#2369, #2590)": lambda c, r: changed(r, place_of(c, r, "Clowns"), True),
    "loss on the role header": lambda c, r: changed(r, r.learn.index(True) - 1, True),
    "stop token of one turn outside the mask": lambda c, r: changed(r, ends(c, r)[0], False),
    "stop token of the last turn outside the mask": lambda c, r: changed(r, ends(c, r)[-1], False),
    "mask shifted by one": lambda c, r: Encoded(r.ids, [False, *r.learn[:-1]]),
    "mask shorter than the row": lambda c, r: Encoded(r.ids, r.learn[:-1]),
    "only the first turns learned (LLaMA-Factory#4729)": lambda c, r: Encoded(
        r.ids, [on and i <= ends(c, r)[0] for i, on in enumerate(r.learn)]
    ),
    "only the last turn learned": lambda c, r: c.row(GOOD, last_only=True),
    "the call left out of the mask (LLaMA-Factory#9107)": lambda c, r: c.row(GOOD, ("thought", "text")),
    "padding with the stop token learned": lambda c, r: Encoded([*r.ids, c.stop], [*r.learn, True]),
    # templates (B: oumi#2369, Automodel#3024, verl#7807; training.md: trl#3597, SmolLM2's default system turn)
    "default system prompt added": lambda c, r: rendered(c, with_messages(System(content="You are an AI."), *M[1:])),
    "system prompt dropped": lambda c, r: rendered(c, with_messages(*M[1:])),
    "tools left out (trl#3597)": lambda c, r: rendered(c, GOOD.model_copy(update={"tools": ()})),
    "thought of an earlier turn dropped (Automodel#3024, verl#7807)": lambda c, r: rendered(
        c, with_messages(*M[:4], M[4].model_copy(update={"thought": None}), *M[5:])
    ),
    "observation missing (LLaMA-Factory#4729)": lambda c, r: rendered(c, with_messages(*M[:3], *M[4:])),
    "beginning token doubled": lambda c, r: Encoded([r.ids[0], *r.ids], [False, *r.learn]),
    "other tokenizer": other,
    "markers read out of a message": lambda c, r: whole(c, react.text(GOOD).replace("exactly?", "<|im_end|>")),
    "no newline after a turn": lambda c, r: rendered_with(c, react.CHATML._replace(after="")),
    "row cut in the middle of an answer (TRL bfd)": lambda c, r: Encoded(r.ids[:-6], r.learn[:-6]),
    # calls (D: vllm#18791, #39056; LLaMA-Factory#9107, OpenRLHF#1228, prime-rl#885)
    "call dropped": lambda c, r: rendered(c, with_messages(*M[:2], Assistant(thought="I search."), *M[4:])),
    "arguments as a string": lambda c, r: respelled(c, r'{"area": "north"}', r'"{\"area\": \"north\"}"'),
    "last brace of a call lost (vllm#18791)": lambda c, r: respelled(c, '"north"}}', '"north"}'),
    "call inside the thought (vllm#39056)": lambda c, r: respelled(c, "I search.\n</think>", "I search."),
    "prose before the call (vllm#22917)": lambda c, r: respelled(c, "<tool_call>\n{", "Let me.\n<tool_call>\n{"),
}


def ends(codec, row):
    return [i for i, (token, on) in enumerate(zip(row.ids, row.learn, strict=True)) if token == codec.stop and on]


def rendered_with(codec, markers):
    return codec.encode(react.render(GOOD, markers))


def respelled(codec, old, new):
    """The row with the first step written otherwise, all of it learned."""
    spans = react.render(GOOD, codec.markers)
    step = "".join(span.text for span in spans if span.step == 2)
    assert step.count(old) == 1
    said = react.Span(step.replace(old, new).removesuffix(codec.markers.close), "call", False, 2)
    first = next(i for i, span in enumerate(spans) if span.step == 2)
    rest = [span for span in spans[first:] if span.step != 2]
    return codec.encode([*spans[:first], said, react.Span(codec.markers.close, "end", True, 2), *rest])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_seeded_fault_is_found(codec, fault):
    row = FAULTS[fault](codec, codec.row(GOOD))
    assert checks.of_row(GOOD, codec.row(GOOD), codec, ALL_PARTS) is None
    found = checks.of_row(GOOD, row, codec, ALL_PARTS)
    assert found is not None
    assert ";" in found
    assert "\n" not in found


def test_a_fault_says_where_and_whose(codec):
    row = codec.row(GOOD)
    found = checks.of_row(GOOD, changed(row, place_of(codec, row, "place in"), True), codec, ALL_PARTS)
    assert "supervises token" in found
    assert "(user, messages.1)" in found
    assert "messages.2: its end of turn is not supervised" in checks.of_row(
        GOOD, FAULTS["stop token of one turn outside the mask"](codec, row), codec, ALL_PARTS
    )


def wire(**changes):
    row = {key: value for key, value in to_row(GOOD).items() if value}
    return json.loads(json.dumps({**row, "tools": json.loads(row["tools"]), **changes}))


def said(place, **changes):
    messages = wire()["messages"]
    messages[place] = {**messages[place], **changes}
    return {"messages": messages}


ROWS = {
    "functions instead of tools": (wire(tools=None, functions=wire()["tools"]), "`functions` is not read"),
    "tools missing (trl#3597)": (wire(tools=None), "calls 'find', which is not among its 0 tools"),
    "old function_call (fw-ai#442)": (wire(**said(4, function_call={"name": "find"})), "`function_call` is not read"),
    "call lost on the way": (wire(**said(6, content=None)), "the assistant says nothing"),
    "a message weight": (wire(**said(6, weight=0)), "`weight` is not read"),
    "schemas merged by Arrow (ms-swift#6467)": (
        wire(tools=[{"name": "find", "parameters": {"type": "object", "properties": {"area": {}, "x": None}}}]),
        "parameter 'x' is null",
    ),
    "arguments merged by Arrow": (
        wire(**said(2, tool_calls=[{"id": "call_0", "function": {"name": "find", "arguments": {"zip": None}}}])),
        "argument 'zip' is null",
    ),
    "arguments encoded twice (OpenRLHF#1228)": (
        wire(**said(2, tool_calls=[{"id": "call_0", "function": {"name": "find", "arguments": '"{}"'}}])),
        "arguments are str, not an object",
    ),
    "no assistant step": (wire(messages=[{"role": "user", "content": "hi"}]), "no token would be trained on"),
}


@pytest.mark.parametrize("fault", ROWS)
def test_a_row_that_would_lose_something_refuses_the_dataset(tiny, tmp_path, fault):
    row, why = ROWS[fault]
    write_jsonl(tmp_path / "rows.jsonl", [wire(), row])
    with pytest.raises(DataError) as caught:
        rows.load(tmp_path / "rows.jsonl", Codec.load(tiny), TrainRecipe())
    assert str(caught.value).startswith(f"{tmp_path / 'rows.jsonl'}: row 2: ")
    assert why in str(caught.value)


texted = st.builds(Assistant, thought=st.none() | texts, text=texts)
garbled = st.just(Garbled(raw="<tool_call>", why="call 0 is not closed"))
plain = arguments.filter(lambda found: None not in found.values())


@st.composite
def rows_of_people(draw):
    """Any conversation in which only offered tools are called, and something is learned."""
    offered = draw(st.lists(tools, max_size=2))
    called = st.sampled_from([tool.name for tool in offered] or ["none"])
    calls = st.lists(st.builds(Call, name=called, arguments=plain, id=names), min_size=1, max_size=2).map(tuple)
    acting = st.builds(Assistant, thought=st.none() | texts, calls=calls)
    item = draw(conversations(garbled | texted | (acting if offered else texted)))
    end = Assistant(text=draw(texts))
    return item.model_copy(update={"tools": tuple(offered), "messages": (*item.messages, end)})


@settings(max_examples=200)
@given(item=rows_of_people(), parts=st.sampled_from([ALL_PARTS, ("call",), ("thought", "text")]))
def test_no_good_row_is_refused(tiny, item, parts):
    codec = checks.Remembering(Codec.load(tiny).tokenizer)
    row = checks.encoded(item, codec, parts)
    again = from_row(to_row(item))
    assert checks.of_source(to_row(item), again) is None
    assert checks.of_row(again, row, codec, parts) is None


def test_the_shipped_sample_has_no_fault(tiny, tmp_path):
    build(load(DataRecipe, ROOT / "recipes/data/sample.yaml"), tmp_path / "sample")
    found = rows.load(tmp_path / "sample" / "train.parquet", Codec.load(tiny), TrainRecipe(max_length=100_000))
    assert len(found.kept) > 200
    assert found.rejects == []


def test_a_remembering_codec_says_what_the_codec_says(codec):
    coder = checks.Remembering(codec.tokenizer)
    for item in read_town(5, 2):
        assert coder.row(item) == coder.row(item) == codec.row(item)


def test_a_tokenizer_of_another_model_is_refused(codec, tmp_path):
    (tmp_path / "config.json").write_text('{"vocab_size": 10}')
    with pytest.raises(ModelError, match="the weights hold 10"):
        checks.vocabulary(codec, tmp_path)


def test_a_row_keeps_its_ids_and_mask_when_packed_away(codec):
    row = codec.row(GOOD)
    assert rows.Row("good", "", array("i", row.ids), bytes(row.learn)).encoded == row
