"""Tokens: a prompt's ids are a prefix of what follows it, the mask is the model's speech, text is no marker."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from calm.conversation import Assistant, Call, Conversation, User
from calm.errors import FormatError
from calm.format import react
from calm.format.react import CHATML, LLAMA3, TAGS, Markers
from calm.format.tokens import Codec, characters
from tests.laws.strategies import conversations, steps, texts

few = settings(max_examples=50, deadline=None)
WORDS = [
    "Find me a cheap table in the centre, please.",
    '{"name": "find", "arguments": {"area": "north"}}\n\n\n',
    "I see.",
]


@cache
def codec(markers: Markers, tagged: bool) -> Codec:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = [m for m in (*markers[:2], *markers[3:4], markers.bos) if m]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[*specials, "<|endoftext|>", *(TAGS if tagged else ())],
    )
    tokenizer.train_from_iterator(WORDS * 3, trainer)
    return Codec(tokenizer)


each = pytest.mark.parametrize(
    ("markers", "tagged"), [(CHATML, True), (CHATML, False), (LLAMA3, True)], ids=["tags", "no-tags", "llama3"]
)


@each
@few
@given(conversation=conversations())
def test_ids_grow_turn_by_turn_and_each_prompt_is_a_prefix(markers, tagged, conversation):
    coder = codec(markers, tagged)
    whole = coder.encode(react.render(conversation, markers)).ids
    for count in range(1, len(conversation.messages) + 1):
        part = coder.encode(react.render(conversation.upto(count), markers)).ids
        assert whole[: len(part)] == part
    for place in conversation.steps:
        prompt = coder.prompt(conversation.upto(place))
        assert whole[: len(prompt)] == prompt


@each
@few
@given(conversation=conversations(steps))
def test_learned_ids_say_the_assistant_turns_with_their_end_and_nothing_else(markers, tagged, conversation):
    coder = codec(markers, tagged)
    ids, learn = coder.encode(react.render(conversation, markers))
    said = coder.tokenizer.decode([i for i, on in zip(ids, learn, strict=True) if on], skip_special_tokens=False)
    turns = [react.step_spans(conversation.messages[place]) for place in conversation.steps]
    assert said == "".join("".join(s.text for s in turn) + markers.close for turn in turns)


@each
@few
@given(conversation=conversations())
def test_text_never_yields_a_control_id(markers, tagged, conversation):
    coder = codec(markers, tagged)
    spans = react.render(conversation, markers)
    special = set(coder.tokenizer.get_added_tokens_decoder())
    written = sum(coder.tokenizer.token_to_id(span.text) in special for span in spans if span.control)
    assert sum(i in special for i in coder.encode(spans).ids) == written


@few
@given(conversation=conversations(steps), part=st.sampled_from(["thought", "call", "text"]))
def test_a_part_left_out_is_not_learned(conversation, part):
    coder = codec(CHATML, True)
    spans = react.render(conversation)
    learned = coder.encode(spans, [part]).learn
    assert sum(learned) == sum(coder.encode([s]).learn.count(True) for s in spans if s.part in (part, "end"))


@few
@given(said=texts, step=steps)
def test_generated_ids_are_read_back_as_the_step(said, step):
    coder = codec(CHATML, True)
    start = Conversation(messages=(User(content=said),))
    ids = coder.row(start.add(step)).ids[len(coder.prompt(start)) :]
    assert coder.read(ids) == react.parse_step("".join(span.text for span in react.step_spans(step)))


halves = st.lists(texts | st.characters(categories=["Cs"]), max_size=5).map("".join)


@few
@given(said=halves, key=halves, value=halves)
def test_half_a_character_anywhere_is_one_replacement_and_whole_text_is_as_it_was(said, key, value):
    step = Assistant(thought=said, calls=(Call(name="f", arguments={key: value}),), text=said)
    conversation = Conversation(messages=(User(content=said), step))
    text = react.text(conversation)
    ids = codec(CHATML, True).encode(react.render(conversation)).ids
    assert codec(CHATML, True).tokenizer.decode(ids, skip_special_tokens=False) == characters(text)
    assert characters(text).encode()
    assert characters(said) == said or any("\ud800" <= letter <= "\udfff" for letter in said)


def test_only_the_last_step_is_learned_where_asked():
    coder = codec(CHATML, True)
    row = coder.row(Conversation(messages=(Assistant(text="one"), Assistant(text="two"))), last_only=True)
    assert (
        coder.tokenizer.decode([i for i, on in zip(*row, strict=True) if on], skip_special_tokens=False)
        == "two<|im_end|>"
    )


def test_a_row_without_anything_to_learn_is_refused():
    with pytest.raises(FormatError, match="no assistant step"):
        codec(CHATML, True).row(Conversation(messages=(User(content="hi"),)))
