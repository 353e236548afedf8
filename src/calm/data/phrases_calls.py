"""Thoughts of the call corpora, which come without any: each is two short halves, either drawn by hash of the row.

A thought says only what follows from the conversation: the tool, the values passed, what is missing, that a result is
in. Twelve first and twelve second halves make 144 wordings a kind, so that none grows common.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from calm.conversation import Call, Tool
from calm.data import phrase, pick
from calm.data.thoughts import Key, listed, words
from calm.files import dumps

FITS = (
    "{tool} does what is asked.",
    "This is a case for {tool}.",
    "The request fits {tool}.",
    "{tool} is the right tool here.",
    "For this I have {tool}.",
    "I can do this with {tool}.",
    "The user needs {tool} for this.",
    "Of the tools {tool} matches.",
    "{tool} is made for this.",
    "What is wanted is what {tool} does.",
    "This calls for {tool}.",
    "{tool} covers the request.",
)
GIVEN = (
    "I have {pairs}.",
    "I pass {pairs}.",
    "Given: {pairs}.",
    "I set {pairs}.",
    "I read {pairs}.",
    "It gets {pairs}.",
    "I fill in {pairs}.",
    "The arguments: {pairs}.",
    "I call it with {pairs}.",
    "I send {pairs}.",
    "That means {pairs}.",
    "It runs with {pairs}.",
)
BARE = (
    "I need no argument.",
    "I call it without arguments.",
    "No detail is needed.",
    "It can run as it is.",
    "Nothing has to be filled in.",
    "It works without further input.",
    "There is nothing to ask first.",
    "It needs no input.",
    "I just call it.",
    "I run it as it is.",
    "It takes no value from me.",
    "I can call it at once.",
)
PARTS = (
    "The request has {n} parts.",
    "This takes {n} calls.",
    "I split this into {n} calls.",
    "I need {n} results.",
    "It comes down to {n} calls.",
    "{n} things are to be done.",
    "One call is not enough; it takes {n}.",
    "None of the {n} steps waits for another.",
    "I can do {n} things at once.",
    "The user wants {n} things.",
    "{n} calls cover this.",
    "I count {n} tasks.",
)
TOGETHER = (
    "I call {calls}.",
    "They are {calls}.",
    "In parallel: {calls}.",
    "I run {calls} together.",
    "I send {calls}.",
    "That is {calls}.",
    "Needed: {calls}.",
    "I use {calls}.",
    "Side by side: {calls}.",
    "At once: {calls}.",
    "The calls: {calls}.",
    "So I start {calls}.",
)
FIRST = (
    "First I call {calls}.",
    "I begin with {calls}.",
    "I can start {calls} now.",
    "The first step is {calls}.",
    "Now I run {calls}.",
    "Ready to go: {calls}.",
    "I open with {calls}.",
    "What can run at once: {calls}.",
    "To start with, {calls}.",
    "Nothing holds back {calls}.",
    "These come first: {calls}.",
    "I send {calls} ahead.",
)
WAITS = (
    "{later} has to wait for a result.",
    "{later} needs one of these results first.",
    "After that comes {later}.",
    "{later} follows when the result is in.",
    "{later} cannot run before that.",
    "Then I can go on with {later}.",
    "{later} builds on it, so it waits.",
    "I keep {later} for the next step.",
    "Only then {later} can be called.",
    "{later} is next, with what comes back.",
    "What comes back is for {later}.",
    "I hold {later} back until then.",
)
DONE = (
    "The result of {tools} is in.",
    "{tools} answered.",
    "I have the result of {tools}.",
    "Now I know what {tools} gives.",
    "Something came back from {tools}.",
    "The answer of {tools} is here.",
    "I read the result of {tools}.",
    "There is a result from {tools}.",
    "I look at what {tools} gave.",
    "I have heard from {tools}.",
    "This is what {tools} returned.",
    "With {tools} I am through.",
)
TELLS = (
    "I tell the user.",
    "I put it in words.",
    "I pass it on.",
    "I report it.",
    "I write it up for the user.",
    "Now I can reply.",
    "I reply with it.",
    "That goes into my answer.",
    "The user hears it from me now.",
    "I say what it means.",
    "It is time to answer.",
    "I turn it into a reply.",
)
LACKS = (
    "{tool} still needs {slots}.",
    "I cannot call {tool} without {slots}.",
    "Missing for {tool}: {slots}.",
    "What {tool} lacks: {slots}.",
    "For {tool} I do not know {slots} yet.",
    "The user has not given {slots} for {tool}.",
    "{tool} fits, but not without {slots}.",
    "{tool} waits for {slots}.",
    "Nobody has said {slots}, which {tool} needs.",
    "{tool} requires {slots}.",
    "Before {tool} can run I need {slots}.",
    "I would call {tool}, but I lack {slots}.",
)
OPEN = (
    "A detail is still open.",
    "I cannot act on this yet.",
    "Something that I need was not said.",
    "The request leaves something open.",
    "I do not know enough to call a tool.",
    "I need to hear more first.",
    "Not all I need is there.",
    "This is not complete yet.",
    "There is a gap in what I know.",
    "I lack a detail.",
    "It is too early for a call.",
    "More has to be known here.",
)
ASKS = (
    "I ask.",
    "So I ask back.",
    "I ask the user.",
    "A question first.",
    "I ask before I call anything.",
    "First I have to ask.",
    "I will not guess; I ask.",
    "The user has to tell me.",
    "Better to ask than to guess.",
    "Asking is the next step.",
    "I put the question to the user.",
    "A call must wait.",
)
HEARS = (
    "Now I know {pairs}.",
    "I learn {pairs}.",
    "The user gives {pairs}.",
    "New: {pairs}.",
    "I note {pairs}.",
    "That is {pairs}.",
    "The answer is {pairs}.",
    "I take down {pairs}.",
    "The user says {pairs}.",
    "I hear {pairs}.",
    "I add {pairs}.",
    "We have {pairs} now.",
)
CHANGES = (
    "The user changes it to {pairs}.",
    "Corrected: {pairs}.",
    "It is {pairs} now, not what was said before.",
    "The user takes it back: {pairs}.",
    "I replace the old value by {pairs}.",
    "The right value is {pairs}.",
    "I correct it to {pairs}.",
    "That was wrong before; I note {pairs}.",
    "Instead I take {pairs}.",
    "The user wants {pairs} after all.",
    "I change it to {pairs}.",
    "From now on {pairs}.",
)
COMPLETE = (
    "{tool} has all it needs.",
    "That completes {tool}.",
    "Now {tool} can run.",
    "{tool} is complete, so I call it.",
    "With that I call {tool}.",
    "Nothing is missing for {tool} any more.",
    "{tool} can be called.",
    "That is enough for {tool}.",
    "I can call {tool} now.",
    "Everything for {tool} is there.",
    "Time to call {tool}.",
    "So {tool} goes out.",
)
REFUSES = (
    "None of my tools does this.",
    "No tool here fits the request.",
    "{tools} cannot do this.",
    "I have {tools}, for other things.",
    "What is wanted is beyond {tools}.",
    "There is no tool for this.",
    "I look for a tool and find none that fits.",
    "My tools do not reach this.",
    "This lies outside what I can call.",
    "{tools} would be the wrong choice.",
    "Nothing I can call does this.",
    "With {tools} this cannot be done.",
)
DECLINES = (
    "I say so.",
    "I tell the user.",
    "I will not force a call.",
    "So I decline.",
    "A wrong call would not help.",
    "I admit it.",
    "I call nothing.",
    "Better to say no.",
    "I answer without a call.",
    "No call, then.",
    "I have to decline.",
    "I leave it at words.",
)
CHATS = (
    "This needs no tool.",
    "No call is needed here.",
    "There is nothing to call.",
    "I can answer this myself.",
    "Words are enough here.",
    "This is for me to answer, not for a tool.",
    "I do not have to call anything.",
    "A plain reply will do.",
    "Nothing has to be called.",
    "No tool has to run for this.",
    "This takes an answer, not a call.",
    "I see no reason for a call.",
)
ANSWERS = (
    "I reply directly.",
    "I answer.",
    "I just answer.",
    "So I write the reply.",
    "I respond at once.",
    "I reply in words.",
    "I answer right away.",
    "I go straight to the answer.",
    "I put the answer together.",
    "I say what I know.",
    "I speak to the user.",
    "My reply comes now.",
)
READY = (
    "Sure.",
    "Happy to help.",
    "I can do that.",
    "Of course.",
    "Yes, I can do this.",
    "All right.",
    "Gladly.",
    "Certainly.",
)
QUESTIONS = (
    "Could you tell me {slots}?",
    "Please give me {slots}.",
    "I still need {slots}.",
    "What I need for it: {slots}.",
    "May I have {slots}?",
    "Please tell me {slots}.",
    "For that I need {slots}.",
    "Can you give me {slots}?",
)
SORRY = (
    "Sorry, I have no tool for that.",
    "I am afraid I cannot do that with the tools I have.",
    "None of my tools can do this, sorry.",
    "I cannot help with that here.",
    "That is not something I can do at the moment.",
    "Sorry, this is beyond my tools.",
    "Unfortunately nothing I have here does that.",
    "I have to pass: no tool of mine fits this.",
    "That I cannot do, I am sorry.",
    "Sorry, for this I lack the right tool.",
)
INSTEAD = (
    "What I can do: {other}.",
    "What would work is this: {other}.",
    "My tools are for other things, for example: {other}.",
    "If it helps, there is this: {other}.",
    "Something I can offer: {other}.",
    "Among what I can do is this: {other}.",
    "My tools do things like this: {other}.",
    "Tell me if you want this instead: {other}.",
)
_NO_NOUN = re.compile(
    r"(whether|if|enter|input|please|what|when|how|which|who|specif|indicat|provid|choose|select|the\b|used|to)\b",
    re.IGNORECASE,
)
DECLINING = re.compile(
    r"\b(I('m| am) (sorry|afraid)|sorry,|unfortunately|unable to|(cannot|can't|do not|don't|does not|doesn't|not) "
    r"(assist|help|support|cover|match|include|have (the|access|any|a)|fulfil|possible|available|able))",
    re.IGNORECASE,
)
"""How the corpora's refusals read: an apology or what cannot be done."""
_TELL = "provide|specify|tell|share|give|clarify|confirm|let me know"
ASKING = re.compile(
    rf"\b(could|can|may|would) you (please |kindly )?(also )?({_TELL})\b|\bmay I (know|have|ask)\b"
    rf"|\bplease (also )?({_TELL.removesuffix('|let me know')}|enter)\b|\bI('ll| will)? (still |also )?need\b",
    re.IGNORECASE,
)
"""How their questions back read; `please let me know if` is a closing and none of them."""
OPENING = 160
"""Characters at the beginning of a reply in which a refusal is looked for."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
MOST = 3
"""Values that a thought names; of more it says how many."""


def calling(wanted: Sequence[Call], key: Key) -> str:
    """Why these calls: the tool and its values, or how many things are wanted and which."""
    if len(wanted) > 1:
        count = NUMBERS[len(wanted)] if len(wanted) < len(NUMBERS) else str(len(wanted))
        return _two(PARTS, TOGETHER, key, n=count, calls=_calls(wanted))
    only = wanted[0]
    if not only.arguments:
        return _two(FITS, BARE, key, tool=only.name)
    return _two(FITS, GIVEN, key, tool=only.name, pairs=pairs(only.arguments))


def waiting(wanted: Sequence[Call], later: Iterable[str], key: Key) -> str:
    """Why only these calls now: the tools of `later` need what they give back."""
    first = calling(wanted, key) if len(wanted) == 1 else _said(FIRST, key, calls=_calls(wanted))
    return f"{first} {_said(WAITS, key, later=listed(list(dict.fromkeys(later))))}"


def answering(tools: Iterable[str], key: Key) -> str:
    """A reply that follows the results of these tools."""
    return _two(DONE, TELLS, key, tools=_some(list(dict.fromkeys(tools))))


def asking(key: Key, tool: str = "", slots: Sequence[str] = ()) -> str:
    """A question back to the user: for these slots of this tool, or for a detail that the corpus does not name."""
    if not slots:
        return _two(OPEN, ASKS, key)
    return _two(LACKS, ASKS, key, tool=tool, slots=_some([f"the {words(slot)}" for slot in slots]))


def hearing(new: Mapping[str, Any], changed: Mapping[str, Any], key: Key) -> str:
    """What the user's answer gave or corrected."""
    heard = [_said(HEARS, key, pairs=pairs(new))] if new else []
    return " ".join([*([_said(CHANGES, key, pairs=pairs(changed))] if changed else []), *heard])


def lacking(tool: str, slots: Sequence[str], key: Key) -> str:
    """What is missing for a tool."""
    return _said(LACKS, key, tool=tool, slots=_some([f"the {words(slot)}" for slot in slots]))


def completing(tool: str, key: Key) -> str:
    """That nothing is missing any more."""
    return _said(COMPLETE, key, tool=tool)


def refusing(tools: Sequence[Tool], key: Key) -> str:
    """That no tool at hand does what is asked."""
    leads = REFUSES if tools else tuple(lead for lead in REFUSES if "{tools}" not in lead)
    return _two(leads, DECLINES, key, tools=_names(tools))


def chatting(key: Key) -> str:
    """A reply in words, for which nothing is called."""
    return _two(CHATS, ANSWERS, key)


def replying(text: str, results: Iterable[str], tools: Sequence[Tool], key: Key) -> str:
    """Why a reply in words: results are in (of the tools `results`), or it reads as a refusal, a question, or talk."""
    if came := list(results):
        return answering(came, key)
    text = text.replace("’", "'")
    if DECLINING.search(text[:OPENING]):
        return refusing(tools, key)
    if tools and ASKING.search(text):
        return asking(key)
    return chatting(key)


def question(tool: Tool, slots: Sequence[str], key: Key) -> str:
    """What the assistant says to ask for these slots, named as the tool describes them."""
    known: Any = tool.parameters["properties"]
    asked = listed([f"the {noun(slot, known[slot].get('description', ''))}" for slot in slots])
    return f"{phrase(READY, *key, 'ready')} {phrase(QUESTIONS, *key, 'question').format(slots=asked)}"


def refusal(tools: Sequence[Tool], key: Key) -> str:
    """What the assistant says when no tool fits, and what one of its tools would do instead."""
    sorry = phrase(SORRY, *key, "sorry")
    described = [tool.description.rstrip(".") for tool in tools if 2 < len(tool.description.split()) < 15]
    if not described:
        return sorry
    other = pick(described, *key, "other")
    return f"{sorry} {phrase(INSTEAD, *key, 'instead').format(other=_lowered(other))}"


def noun(slot: str, description: str) -> str:
    """How a question names a slot: the opening of its description where that is a short noun, else its name."""
    opening = re.split(r"[,(.;:?]", description)[0].strip()
    opening = re.sub(r"^(the|a|an) ", "", opening, flags=re.IGNORECASE)
    usable = 0 < len(opening.split()) <= 6 and not _NO_NOUN.match(opening)
    return _lowered(opening) if usable else words(slot)


def _lowered(text: str) -> str:
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def pairs(arguments: Mapping[str, Any]) -> str:
    """`city Paris and people 2`; values cut after 40 characters, and of many arguments the number of the rest."""
    named = [f"{words(slot)} {shown(value)}" for slot, value in arguments.items()]
    return _some(named, "more")


def shown(value: Any) -> str:
    """A value as a thought writes it: text as it is, the rest as JSON, at most 40 characters."""
    text = " ".join((value if isinstance(value, str) else dumps(value)).split()) or '""'
    return text if len(text) <= 40 else f"{text[:37].rstrip()}..."


def _two(first: Sequence[str], second: Sequence[str], key: Key, **fillings: str) -> str:
    return f"{_said(first, key, **fillings)} {_said(second, key, **fillings)}"


def _said(options: Sequence[str], key: Key, **fillings: str) -> str:
    """One of the options, filled in; a sentence that begins with a tool's name keeps the name as it is."""
    chosen = phrase(options, *key, options[0])
    text = re.sub(r"(?<!\.)\.\.$", ".", chosen.format(**fillings))  # after a value like Ltd.
    named = chosen.startswith(("{tool", "{later")) and not text.startswith("these ")
    return text if named else text[0].upper() + text[1:]


def _calls(wanted: Sequence[Call]) -> str:
    """Each tool with the value that tells its calls apart, or the first."""
    by_tool: dict[str, list[Call]] = {}
    for one in wanted:
        by_tool.setdefault(one.name, []).append(one)
    return listed([f"{name}{_telling(calls)}" for name, calls in by_tool.items()])


def _telling(calls: Sequence[Call]) -> str:
    keys = dict.fromkeys(key for one in calls for key in one.arguments)
    apart = {key: list(dict.fromkeys(shown(c.arguments[key]) for c in calls if key in c.arguments)) for key in keys}
    chosen = next((some for some in apart.values() if len(some) == len(calls)), next(iter(apart.values()), []))
    return f" ({', '.join(chosen)})" if chosen else ""


def _some(parts: Sequence[str], rest: str = "others") -> str:
    if len(parts) <= MOST + 1:
        return listed(parts)
    return listed([*parts[:MOST], f"{len(parts) - MOST} {rest}"])


def _names(tools: Sequence[Tool]) -> str:
    return listed([tool.name for tool in tools]) if len(tools) <= 2 else f"these {len(tools)} tools"
