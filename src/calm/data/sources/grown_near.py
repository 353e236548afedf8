"""Requests that no call answers although it looks so: the tools are of the right field, or nothing was really asked."""

from collections.abc import Sequence
from random import Random

from calm.conversation import Assistant, Tool
from calm.data import phrase, vary_words
from calm.data.sources import grown_lists as lists
from calm.data.sources import grown_words as words
from calm.data.vary_reading import deed
from calm.data.vary_words import Key

APART = 0.34
"""Closeness under which a tool of the same field surely does not do what another is asked for."""

OTHERWISE = (
    "; {tool} is there to {other}, which is not the same", ". {tool} would {other}; that is something else",
    ", while {tool} can only {other}", ". I have {tool}, but it serves to {other}",
    "; {tool} comes near, yet all it does is {other}", ". Of the same field I have {tool}, made to {other}",
    ", but what {tool} does is {other}", ". The nearest is {tool}, and that is to {other}",
    "; {tool} is for another purpose, to {other}", ". {tool} sounds alike but is meant to {other}",
)  # fmt: skip
"""Why the nearest tool does not do; it follows what is wanted."""
FRAGMENTS = (
    "how about {this}", "and {this}?", "what about {this}", "{this}", "{this}?", "hm, {this}", "ok {this}",
    "{this} please", "tell me more", "the other one", "same again", "and then?", "what do you mean", "no, not that",
    "hello?", "test", "help", "yes", "the second", "how so", "is it", "my {this}", "something with {this}",
    "{this} or what", "where this", "{this} again", "not {this}", "for {this}", "it does not work", "I want it",
    "do it", "can you", "the usual", "as before",
)  # fmt: skip
SAYS_LITTLE = (
    "The message does not say what is wanted", "I cannot tell what they want", "There is no request in this",
    "That is too little to go on", "Nothing is asked that a tool could do", "It is not clear what I should do",
    "This names no task", "I do not know what they are after", "The user has not said what to do",
    "No task can be read from it",
)  # fmt: skip
SO_NO_CALL = (
    ", so I ask.", "; a call would be a guess.", ". I ask before I do anything.", ", so no call yet.",
    ". Better to ask.", "; I need to know more.", ". First I find out.", ", and guessing helps nobody.",
    "; I ask what they need.", ". I call nothing.",
)  # fmt: skip
WHAT = (
    "What would you like me to do?", "Could you tell me what you need?",
    "I'm not sure what you want. What can I do for you?", "Can you say in a sentence what you are looking for?",
    "Sorry, I don't follow. What should I do?", "Tell me what you would like and I'll see if I can do it.",
    "What are you after?", "Could you explain what you need?", "I need a little more to go on. What is it you want?",
    "What do you want to know or have done?",
)  # fmt: skip


def declined(wanted: str, near: Tool, key: Key) -> Assistant | None:
    """A refusal that names the nearest tool and what it is for instead; None where that tool's deed cannot be read."""
    other = deed(near)
    if not other:
        return None
    banks = words.AIM, OTHERWISE, vary_words.THEREFORE
    thought = "".join(phrase(bank, *key, place) for place, bank in enumerate(banks))
    text = vary_words.mixed(key, vary_words.SORRY, vary_words.INSTEAD)
    return Assistant(
        thought=thought.format(deed=wanted, tool=near.name, other=other), text=text.format(deed=wanted, other=other)
    )


def fragment(rng: Random, key: Key) -> tuple[str, Assistant]:
    """A few words that ask for nothing, and the question what is meant."""
    topics: Sequence[Sequence[str]] = (
        lists.TOPICS,
        lists.WORDS,
        lists.CITIES,
        lists.FIRST,
        lists.PRODUCTS,
        lists.ANIMALS,
    )
    this = rng.choice(rng.choice(topics))
    thought = phrase(SAYS_LITTLE, *key, "little") + phrase(SO_NO_CALL, *key, "no call")
    said = rng.choice(FRAGMENTS).format(this=this)
    return said if rng.random() < 0.7 else said.capitalize(), Assistant(thought=thought, text=rng.choice(WHAT))
