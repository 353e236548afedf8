"""Thoughts by rule: a small grammar over annotated acts, slots and values; nothing in a thought is made up.

The paper has GPT-4o write the thoughts of its SGD part (prompt in its Table 6). Here each act of an annotated turn
gives one short sentence that names the real slots, values and tools, worded by hash of dialogue and turn.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from calm.data import pick


class Act(NamedTuple):
    """One annotated dialogue act: what is done (`INFORM`), to which slot, with which value as written and in canon."""

    name: str
    slot: str = ""
    value: str = ""
    canon: str = ""


Key = tuple[str | int, ...]

HEARD: dict[str, tuple[str, ...]] = {
    "INFORM_INTENT": ("The user wants {values}.", "This is a case for {values}.", "The goal is {values}."),
    "AFFIRM_INTENT": ("The user agrees to go on.", "The user accepts my offer.", "They want me to go on."),
    "NEGATE_INTENT": ("The user does not want that now.", "They decline my offer.", "No further step on this."),
    "INFORM": ("The user gives {pairs}.", "I learn {pairs}.", "New from the user: {pairs}."),
    "REQUEST": ("The user asks for {slots}.", "They want to know {slots}.", "The question is {slots}."),
    "REQUEST_ALTS": ("The user wants another option.", "They ask for an alternative.", "This one does not suit them."),
    "SELECT": ("The user takes this one.", "They have chosen.", "This option suits the user."),
    "AFFIRM": ("The user confirms.", "The details are right.", "They say yes."),
    "NEGATE": ("The user says no.", "Something is not right for them.", "They do not confirm."),
    "THANK_YOU": ("The user thanks me.", "They are thankful.", "They say thanks."),
    "GOODBYE": ("The user is leaving.", "They say goodbye.", "That is all they wanted."),
}
PLANNED: dict[str, tuple[str, ...]] = {
    "REQUEST": ("I still need {slots}.", "I have to ask for {slots}.", "Missing: {slots}."),
    "INFORM": ("I tell {pairs}.", "The answer: {pairs}.", "I can report {pairs}."),
    "OFFER": ("I propose {pairs}.", "A good match: {pairs}.", "I can suggest {pairs}."),
    "INFORM_COUNT": ("There are {values} matches.", "The count is {values}.", "I say that {values} fit."),
    "CONFIRM": ("First I check {pairs}.", "I read back {pairs}.", "Before I act I confirm {pairs}."),
    "OFFER_INTENT": ("I can offer {values} next.", "The next step would be {values}.", "I propose {values}."),
    "NOTIFY_SUCCESS": ("It worked, so I say so.", "That is done.", "I report the success."),
    "NOTIFY_FAILURE": ("It did not work, so I say so.", "That failed.", "I report the failure."),
    "REQ_MORE": ("I ask whether there is more to do.", "Is anything else needed?", "I offer further help."),
    "GOODBYE": ("I say goodbye.", "Time to close.", "I wish them well."),
}
CALLING = ("I call {tool} with {pairs}.", "{tool} can run with {pairs}.", "Enough for {tool}: {pairs}.")
CALLING_BARE = ("I call {tool}.", "{tool} needs nothing more.", "Time for {tool}.")
FOUND = ("{tool} gives {count}.", "{count} from {tool}.", "I have {count}.")
READ = ("The user wants {tool}: {pairs}.", "This asks for {tool}, with {pairs}.", "{tool} fits; I read {pairs}.")


def words(slot: str) -> str:
    """A slot's name as words: `check_in_date` is "check in date"."""
    return slot.replace("_", " ")


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def heard(acts: Iterable[Act], key: Key) -> str:
    """What the user did, one sentence per kind of act, in their own words."""
    return " ".join(_sentences(HEARD, acts, key))


def planned(acts: Iterable[Act], key: Key) -> str:
    """What the system is about to say, values in canonical form where a confirmation precedes a call."""
    return " ".join(_sentences(PLANNED, acts, key))


def calling(tool: str, arguments: Mapping[str, str], said: Mapping[str, Sequence[str]], key: Key) -> str:
    """Why the call can be made: each argument, and how the user put it (`said`) where that differs."""
    pairs = [f"{words(slot)} {value}{_put(value, said.get(slot, ()))}" for slot, value in arguments.items()]
    if not pairs:
        return pick(CALLING_BARE, *key, tool).format(tool=tool)
    return pick(CALLING, *key, tool).format(tool=tool, pairs=listed(pairs))


def found(tool: str, count: int, key: Key) -> str:
    """How much came back."""
    amount = "nothing" if count == 0 else f"{count} result{'s' if count > 1 else ''}"
    sentence = pick(FOUND, *key, tool, "found").format(tool=tool, count=amount)
    return sentence[0].upper() + sentence[1:]


def read(tool: str, slots: Mapping[str, str], key: Key) -> str:
    """What a single utterance asks for: the intent and the spans that fill its slots."""
    pairs = listed([f"{words(slot)} {value}" for slot, value in slots.items()])
    return pick(READ, *key).format(tool=tool, pairs=pairs or "no detail")


def _put(value: str, said: Sequence[str]) -> str:
    return "" if not said or value in said else f' ("{said[0]}")'


def _sentences(grammar: Mapping[str, tuple[str, ...]], acts: Iterable[Act], key: Key) -> Iterable[str]:
    grouped: dict[str, list[Act]] = {}
    for act in dict.fromkeys(acts):
        grouped.setdefault(act.name, []).append(act)
    for name, group in grouped.items():
        yield pick(grammar[name], *key, name).format(**_fillings(name, group))


def _fillings(name: str, group: Sequence[Act]) -> dict[str, str]:
    values = [act.canon if name == "CONFIRM" else act.value for act in group]
    pairs = [
        f"{words(act.slot)} {value}" if value else words(act.slot) for act, value in zip(group, values, strict=True)
    ]
    slots = [words(act.slot) for act in group]
    return {"slots": listed(slots), "values": listed(values), "pairs": listed(pairs)}
