"""Thoughts by rule: a small grammar over annotated acts, slots and values; nothing in a thought is made up.

The paper has GPT-4o write the thoughts of its SGD part (prompt in its Table 6). Here each act of an annotated turn
gives one clause that names the real slots, values and tools; `say` joins the clauses. Wordings and joints are chosen by
hash of dialogue and turn, so that no sentence pattern (`skeleton`) stands in more than 1 % of a part's thoughts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from calm.data import phrase


class Act(NamedTuple):
    """One annotated dialogue act: what is done (`INFORM`), to which slot, with which value as written and in canon."""

    name: str
    slot: str = ""
    value: str = ""
    canon: str = ""


class Clause(NamedTuple):
    """A wording without its final stop, and what its blanks are filled with."""

    wording: str
    blanks: Mapping[str, str]

    def text(self, begins: bool = False) -> str:
        """The clause filled in; a word of ours that begins a sentence is capitalised, a value never is."""
        wording = self.wording[0].upper() + self.wording[1:] if begins else self.wording
        return wording.format_map(self.blanks)


Key = tuple[str | int, ...]

HEARD: dict[str, tuple[str, ...]] = {
    "INFORM_INTENT": (
        "the user wants {values}",
        "this is a case for {values}",
        "the goal is {values}",
        "they are after {values}",
        "this is about {values}",
        "the request is {values}",
        "what they need is {values}",
        "I read this as {values}",
        "{values} is asked of me",
    ),
    "AFFIRM_INTENT": (
        "the user agrees to go on",
        "the user accepts my offer",
        "they want me to go on",
        "they take up my offer",
        "that is a yes to my offer",
        "the user wants me to do it",
        "they like the next step",
        "I may go ahead as offered",
    ),
    "NEGATE_INTENT": (
        "the user does not want that now",
        "they decline my offer",
        "no further step on this",
        "they do not need that step",
        "my offer is turned down",
        "the user leaves it at that",
        "that step is not wanted",
        "I can drop my offer",
    ),
    "INFORM": (
        "the user gives {pairs}",
        "I learn {pairs}",
        "new from the user: {pairs}",
        "they say {pairs}",
        "they tell me {pairs}",
        "I note {pairs}",
        "the user states {pairs}",
        "I now have {pairs}",
        "they name {pairs}",
        "known now: {pairs}",
    ),
    "REQUEST": (
        "the user asks for {slots}",
        "they want to know {slots}",
        "the question is {slots}",
        "they ask about {slots}",
        "the user would like to know {slots}",
        "I am asked for {slots}",
        "asked for now: {slots}",
        "the user is curious about {slots}",
    ),
    "REQUEST_ALTS": (
        "the user wants another option",
        "they ask for an alternative",
        "this one does not suit them",
        "they would rather have something else",
        "the user asks what else there is",
        "my suggestion is not what they want",
        "another choice is wanted",
        "the user passes on this one",
    ),
    "SELECT": (
        "the user takes this one",
        "they have chosen",
        "this option suits the user",
        "my suggestion is accepted",
        "they settle on it",
        "that is their choice",
        "the user is happy with this one",
        "this is the one they want",
    ),
    "AFFIRM": (
        "the user confirms",
        "the details are right",
        "they say yes",
        "they agree to the details",
        "that is confirmed",
        "the user approves",
        "everything is as they want it",
        "I have their yes",
    ),
    "NEGATE": (
        "the user says no",
        "that is a no",
        "they say no",
        "the answer is no",
        "no, says the user",
        "they do not agree",
        "the user declines",
        "I get a no",
    ),
    "THANK_YOU": (
        "the user thanks me",
        "they are thankful",
        "they say thanks",
        "I am thanked",
        "there are thanks from the user",
        "the user is grateful",
        "thanks are given",
        "they thank me",
    ),
    "GOODBYE": (
        "the user is leaving",
        "they say goodbye",
        "that is all they wanted",
        "the user says goodbye",
        "they take their leave",
        "the talk is over for them",
        "the user is done",
        "they end here",
    ),
}
PLANNED: dict[str, tuple[str, ...]] = {
    "REQUEST": (
        "I still need {slots}",
        "I have to ask for {slots}",
        "missing: {slots}",
        "I ask for {slots}",
        "what I lack is {slots}",
        "I should find out {slots}",
        "next comes {slots}",
        "I cannot go on without {slots}",
        "the next question is {slots}",
        "I want to know {slots}",
    ),
    "INFORM": (
        "I tell {pairs}",
        "the answer: {pairs}",
        "I can report {pairs}",
        "I answer with {pairs}",
        "I know {pairs}",
        "the results say {pairs}",
        "I see {pairs}",
        "I pass on {pairs}",
    ),
    "OFFER": (
        "I propose {pairs}",
        "a good match: {pairs}",
        "I can suggest {pairs}",
        "I offer {pairs}",
        "one that fits: {pairs}",
        "I put forward {pairs}",
        "what I can show is {pairs}",
        "I name {pairs}",
        "worth a look: {pairs}",
    ),
    "INFORM_COUNT": (
        "there are {values} matches",
        "the count is {values}",
        "I say that {values} fit",
        "{values} fit in all",
        "I mention that I found {values}",
        "the number found is {values}",
        "I count {values} that fit",
        "in total {values} fit",
    ),
    "CONFIRM": (
        "first I check {pairs}",
        "I read back {pairs}",
        "before I act I confirm {pairs}",
        "I make sure of {pairs}",
        "to be confirmed: {pairs}",
        "I ask whether this is right: {pairs}",
        "I want a yes to {pairs}",
        "I repeat {pairs} to be sure",
    ),
    "OFFER_INTENT": (
        "I can offer {values} next",
        "the next step would be {values}",
        "I propose {values}",
        "I ask whether they want {values}",
        "I could go on with {values}",
        "what may follow is {values}",
        "I suggest {values} as the next step",
        "it is time to offer {values}",
    ),
    "NOTIFY_SUCCESS": (
        "it worked, as I will say",
        "that is done",
        "I report the success",
        "I can tell them that it worked",
        "all went well",
        "I say that it is done",
        "the good news goes to the user",
        "I let them know that it succeeded",
    ),
    "NOTIFY_FAILURE": (
        "it did not work, as I will say",
        "that failed",
        "I report the failure",
        "I have to say that it failed",
        "I tell them that it did not work",
        "there is nothing better to report than a failure",
        "the bad news goes to the user",
        "I am sorry that it did not work",
    ),
    "REQ_MORE": (
        "I ask whether there is more to do",
        "something else may be needed",
        "I offer further help",
        "I see if they want more",
        "there may be more to do",
        "I ask what else they need",
        "I remain at their service",
        "more help is on offer",
    ),
    "GOODBYE": (
        "I say goodbye",
        "it is time to close",
        "I wish them well",
        "I take my leave",
        "a goodbye is due",
        "I close politely",
        "nothing is left to do",
        "I end with good wishes",
    ),
}
CALLING = (
    "I call {tool} with {pairs}",
    "{tool} can run with {pairs}",
    "enough for {tool}: {pairs}",
    "I use {tool} with {pairs}",
    "I run {tool}: {pairs}",
    "time for {tool} with {pairs}",
    "I ask {tool} for {pairs}",
    "{tool} gets {pairs}",
    "I have what {tool} needs: {pairs}",
)
CALLING_BARE = (
    "I call {tool}",
    "{tool} needs nothing more",
    "it is time for {tool}",
    "I can run {tool}",
    "I use {tool} now",
    "everything for {tool} is there",
    "{tool} is the next step",
    "I let {tool} do it",
    "nothing is missing for {tool}",
)
FOUND = (
    "{tool} gives {count}",
    "from {tool} came {count}",
    "I have {count}",
    "what came back: {count}",
    "I got {count}",
    "the call gave {count}",
    "{tool} returned {count}",
    "I see {count}",
    "{tool} came back with {count}",
)
READ = (
    "the user wants {tool}",
    "this asks for {tool}",
    "{tool} fits",
    "this is a {tool} request",
    "I read this as {tool}",
    "the intent is {tool}",
    "the right tool is {tool}",
    "what they need is {tool}",
    "it calls for {tool}",
    "they are after {tool}",
    "I choose {tool}",
    "it comes down to {tool}",
    "{tool} covers this",
    "I can serve this by {tool}",
)
READ_WITH = (
    "I read {pairs}",
    "the details are {pairs}",
    "I am given {pairs}",
    "they name {pairs}",
    "what I can fill in is {pairs}",
    "the words give {pairs}",
    "I take {pairs} from it",
    "it holds {pairs}",
    "stated are {pairs}",
    "I find {pairs}",
    "known: {pairs}",
    "I pass on {pairs}",
)
READ_BARE = (
    "no detail is given",
    "there is nothing to fill in",
    "I find no detail",
    "the words name no slot",
    "no argument is stated",
    "I have nothing to pass on",
    "it comes without details",
    "they name no detail",
)
JOINTS = (". ", ". ", "; ", ", and ")
"""Between two clauses of one speaker."""
TURNS = (". ", ". ", "; ")
"""From what the user did, or a tool gave, to what follows from it."""
DOING = (*TURNS, ", so ", ", so ", ". So ", ". Now ")
"""The same where what follows is something that I do."""
TYING = ("; ", ", and ", ", so ")
"""Joints after which a new sentence begins, so that none has more than two clauses."""
FEW = 3
"""Arguments up to which a call's thought names them all."""


# --- the clauses of a thought ----------------------------------------------------------------------------------------


def words(slot: str) -> str:
    """A slot's name as words: `check_in_date` is "check in date"."""
    return slot.replace("_", " ")


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def heard(acts: Iterable[Act], key: Key) -> list[Clause]:
    """What the user did, one clause per kind of act, in their own words."""
    return _clauses(HEARD, acts, key)


def planned(acts: Iterable[Act], key: Key) -> list[Clause]:
    """What the system is about to say, values in canonical form where a confirmation precedes a call."""
    return _clauses(PLANNED, acts, key)


def calling(tool: str, arguments: Mapping[str, str], said: Mapping[str, Sequence[str]], key: Key) -> Clause:
    """Why the call can be made: its arguments, and how the user put them (`said`) where that differs.

    Of more than `FEW` arguments only those are named that the user put otherwise.
    """
    reworded = {slot for slot, value in arguments.items() if said.get(slot) and value not in said[slot]}
    named = [slot for slot in arguments if len(arguments) <= FEW or slot in reworded]
    pairs = [f"{_pair(slot, arguments[slot])}{_put(slot in reworded, said.get(slot, ()))}" for slot in named]
    if not pairs:
        return Clause(phrase(CALLING_BARE, *key, tool), {"tool": tool})
    return Clause(phrase(CALLING, *key, tool), {"tool": tool, "pairs": listed(pairs)})


def found(tool: str, count: int, key: Key) -> Clause:
    """How much came back."""
    amount = "nothing" if count == 0 else f"{count} result{'s' if count > 1 else ''}"
    return Clause(phrase(FOUND, *key, tool, "found"), {"tool": tool, "count": amount})


def read(tool: str, slots: Mapping[str, str], key: Key) -> str:
    """What a single utterance asks for: the intent and the spans that fill its slots, in either order."""
    pairs = listed([_pair(slot, value) for slot, value in slots.items()])
    intent = Clause(phrase(READ, *key, "intent"), {"tool": tool})
    detail = Clause(phrase(READ_WITH if pairs else READ_BARE, *key, "detail"), {"pairs": pairs})
    first = phrase(("intent", "detail"), *key, "order") == "intent"
    return say([intent, detail] if first else [detail, intent], [], key)


def say(before: Sequence[Clause], after: Sequence[Clause], key: Key) -> str:
    """One thought of all clauses; `after` is what I do about `before`."""
    text, joint = "", ". "
    for place, clause in enumerate([*before, *after]):
        if place:
            turns = DOING if clause.wording.startswith("I ") else TURNS
            joint = ". " if joint in TYING else phrase(turns if place == len(before) else JOINTS, *key, place)
            text += joint
        text += clause.text(begins=joint == ". ")
    return f"{text}." if text else ""


def _clauses(grammar: Mapping[str, tuple[str, ...]], acts: Iterable[Act], key: Key) -> list[Clause]:
    grouped: dict[str, list[Act]] = {}
    for act in dict.fromkeys(acts):
        grouped.setdefault(act.name, []).append(act)
    return [Clause(phrase(grammar[name], *key, name), _blanks(name, group)) for name, group in grouped.items()]


def _blanks(name: str, group: Sequence[Act]) -> dict[str, str]:
    values = [act.canon if name == "CONFIRM" else act.value for act in group]
    pairs = [_pair(act.slot, value) for act, value in zip(group, values, strict=True)]
    return {"slots": listed([words(act.slot) for act in group]), "values": listed(values), "pairs": listed(pairs)}


def _pair(slot: str, value: str) -> str:
    return f"any {words(slot)}" if value == "dontcare" else f"{words(slot)} {value}".strip()


def _put(differs: bool, said: Sequence[str]) -> str:
    return f' ("{said[0]}")' if differs else ""
