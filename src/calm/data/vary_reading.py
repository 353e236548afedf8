"""What a tool is for, read from its name and description: its verb, its nouns, and whether two tools are near twins."""

import re
from functools import lru_cache
from typing import NamedTuple

from calm.conversation import Tool


def wordset(text: str) -> frozenset[str]:
    """The words of a text, for lists that read better without quotes."""
    return frozenset(text.split())


READING = wordset(
    """
    access analyze assess browse calculate check classify compare compute count describe detect determine
    discover display estimate evaluate examine explain explore fetch find forecast generate get identify inspect
    inquire list locate look lookup measure monitor obtain predict preview provide query rate read recommend
    resolve retrieve return scan search select show simulate solve suggest summarize tell track translate
    validate verify view convert extract give parse diagnose optimize decode encode interpret multiply divide
    subtract round transcribe
    """
)
"""Verbs of tools that change nothing, so that a failed call may be repeated."""
WRITING = wordset(
    """
    accept activate add adjust allocate announce append apply approve arrange assign attach authenticate
    authorize backup ban block book broadcast build buy cancel change charge claim clear clone close commit
    configure confirm connect control copy create deactivate debit delete deliver deploy design detach develop
    disable disconnect dispatch distribute donate download edit empty enable encrypt enforce enroll establish
    execute export fill file filter fix follow format grant hide hire host implement import improve increase
    initialize initiate insert install invite issue join launch leave like link lock log maintain make manage
    mark merge modify mount move mute notify open order organize pause pay perform pin plan play plant post
    prepare prescribe print process promote publish purchase push put record reduce refresh refund register
    reject release remove rename rent replace reply report request reschedule reserve reset restart restore
    resume revoke run save schedule sell send set share sign start stop store submit subscribe swap sync take
    terminate train transfer trigger turn unblock unfollow archive borrow capture clean click collect compress
    conduct draw load migrate navigate place redeem renew repair resize rotate scrape ship shuffle split suspend
    switch uninstall unlock unsubscribe update upgrade upload use vote withdraw write
    """
)
"""Verbs of tools that do something, or may."""
VERBS = READING | WRITING

LOOKING = wordset(
    """
    access browse fetch find get list locate look lookup obtain query retrieve return search show view
    """
)
RESERVING = frozenset(["arrange", "book", "buy", "order", "purchase", "rent", "reserve", "schedule"])
GENERIC = wordset(
    """
    a about all an and any api at based be by can current data detail details for from given how id in info
    information into is item items it its list more name number of on one or other particular result results
    service some specific specified status system that the their this to tool tools type use used user users
    using value values via what when where which with within you your
    """
)
"""Words that say nothing about what a tool is for."""

_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_WORDS = re.compile(r"[A-Za-z]{3,}")
_PLAIN = re.compile(r"[\w ,'/&-]+")
_CUT = re.compile(
    r"[.;:(\n]|,? (?:based on|using|optionally|specified by|identified by|if|which) "
    r"|,? by (?:its|their|the|ID|id|name|URL|url) "
    r"|,? by (?:ID|id|name|URL|url)$|(?<!\ba)(?<!\bthe)(?<!\ban) given | - "
)
"""Where a description goes on to say by what means or under which condition: the wish ends before it."""
_DANGLING = re.compile(r" (?:a|an|and|at|before|by|for|from|in|including|like|of|on|or|such|as|that|the|to|with)$")


class Reading(NamedTuple):
    """A tool's verb class, the nouns of its name, and the stems of everything it says of itself."""

    verb: str
    nouns: frozenset[str]
    stems: frozenset[str]


def parts(name: str) -> list[str]:
    """`FindRestaurants_2`, `find-restaurants 2` as lower-case words."""
    return [part.lower() for part in _PARTS.findall(name)]


def stem(word: str) -> str:
    """A word without the commonest endings: enough to see that two words are of one family."""
    for ending, rest in (("ies", "y"), ("ations", ""), ("ation", ""), ("ing", ""), ("ers", ""), ("er", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)] + rest
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def stems(text: str) -> frozenset[str]:
    """The stems of a text's words of three letters and more, without those that say nothing."""
    words = (word.lower() for word in _WORDS.findall(text))
    return frozenset(stem(word) for word in words if word not in GENERIC)


def reading(tool: Tool) -> Reading:
    """What a tool is for."""
    return _reading(tool.name, tool.description)


@lru_cache(maxsize=50_000)
def _reading(name: str, description: str) -> Reading:
    words = parts(name)
    first = next((word for word in words if word in VERBS), "")
    verb = first or base(description.split(" ", 1)[0])
    nouns = frozenset(stem(w) for w in words if w not in GENERIC and w != first and not w.isdigit())
    own = {verb, base(description.split(" ", 1)[0])}
    told = (stems(description) | nouns) - own - LOOKING
    return Reading(_kind(verb), nouns, told)


def _kind(verb: str) -> str:
    return "look" if verb in LOOKING else "reserve" if verb in RESERVING else verb


def near_twin(one: Tool, other: Tool) -> bool:
    """Whether both could plausibly serve the same request: like verb and like nouns, or like descriptions."""
    if one.name.casefold() == other.name.casefold():
        return True
    a, b = reading(one), reading(other)
    return (a.verb == b.verb and _alike(a.nouns, b.nouns) >= 0.5) or _alike(a.stems, b.stems) >= 0.6


def _alike(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0


def deeds(text: str) -> frozenset[str]:
    """The kinds of verbs in a text, looking and reserving ones grouped: "I am looking for" looks."""
    words = _WORDS.findall(text.lower().replace("reservation", "reserve"))
    return frozenset(_kind(verb) for word in words if (verb := base(word) or base(word.removesuffix("ing"))))


def reads(tool: Tool) -> bool:
    """Whether calling the tool changes nothing, by its first verb; unknown verbs are taken for changes."""
    verb = next((word for word in parts(tool.name) if word in VERBS), "") or base(tool.description.split(" ", 1)[0])
    return verb in READING


def base(word: str) -> str:
    """The plain form of a verb at the head of a description: `Retrieves` is "retrieve"; empty for other words."""
    word = word.strip(",.:").lower()
    for ending, rest in (("", ""), ("s", ""), ("es", ""), ("ies", "y")):
        stripped = word[: len(word) - len(ending)] + rest if word.endswith(ending) else ""
        if stripped in VERBS:
            return stripped
    return ""


def deed(tool: Tool) -> str:
    """What the tool does, to follow "to": `find a restaurant in a city`; empty where its words do not say it."""
    return _deed(tool.name, tool.description)


@lru_cache(maxsize=50_000)
def _deed(name: str, description: str) -> str:
    sentence = _CUT.split(description.strip(), maxsplit=1)[0].strip(" ,-")
    head, _, rest = sentence.partition(" ")
    verb = base(head)
    if verb and _PLAIN.fullmatch(rest) and len(rest.split()) <= 14 and not _DANGLING.search(rest):
        return f"{verb} {re.sub(r'(?<=a )(specific|particular|given|certain) ', '', rest)}"
    words = parts(name)
    return " ".join(words) if len(words) > 1 and words[0] in VERBS and description.isascii() else ""
