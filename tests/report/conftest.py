"""A conversation that uses everything, a small real tokenizer, and run folders as the benches write them."""

import json

import pytest

from calm.conversation import Assistant, Call, Conversation, Garbled, Observation, System, Tool, User
from calm.format.tokens import Codec


@pytest.fixture
def talk():
    found = Call(name="find_restaurants", arguments={"area": "centre", "food": "thai"})
    return Conversation(
        id="town-7",
        origin="town/dev",
        tools=(Tool(name="find_restaurants"), Tool(name="book_restaurant")),
        messages=(
            System(content="Help people in a small town."),
            User(content="Thai in the centre, please."),
            Assistant(thought="Area and food are known.", calls=(found,)),
            Observation(content=json.dumps([{"name": f"Place {i}", "phone": "01223"} for i in range(30)])),
            Assistant(text="There are thirty. Which one?"),
            User(content="Place 3, and make it Chinese."),
            Garbled(raw="<think>\nhm", why="the thought is not closed"),
        ),
        state=({"area": "centre", "food": "thai"}, {"area": "centre", "food": "chinese"}),
        meta={"ended": "garbled"},
    )


@pytest.fixture
def codec():
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in ("<|im_start|>", "<|im_end|>", "<think>")])
    return Codec(tokenizer)


@pytest.fixture
def bench_run(tmp_path, talk):
    """Make a run folder out of `{item: right?}`, in the shape that calm bench writes."""

    def make(name, marks, **recipe):
        from calm.conversation import write
        from calm.files import write_json, write_jsonl

        folder = tmp_path / name
        write(folder / "transcripts.jsonl", [talk.model_copy(update={"id": item}) for item in marks])
        rows = [{"id": i, "category": "only", "valid": v, "error_type": None, "scores": {}} for i, v in marks.items()]
        write_jsonl(folder / "verdicts.jsonl", rows)
        tally = {"n": len(marks), "valid": sum(marks.values()), "share": sum(marks.values()) / len(marks)}
        tally |= {"low": 0.1, "high": 0.9}
        floor = {"all": {**tally, "share": 0.0}, "categories": {"only": {**tally, "share": 0.0}}}
        scores = {"name": "toy", "policy": name, "all": tally, "categories": {"only": tally}, "floor": floor}
        write_json(folder / "scores.json", {**scores, "summary": {"mean": 0.25}, "errors": {"garbled": 1}})
        write_json(folder / "manifest.json", {"command": "calm bench", "recipe": recipe, "versions": {"calm": "0.1.0"}})
        return folder

    return make
