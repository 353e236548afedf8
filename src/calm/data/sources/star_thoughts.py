"""Thoughts for STAR by rule: a first half on what was just heard or returned, a second on what is done and why.

What they rest on: the action labels that wizards picked (`doctor_ask_day`), arguments of calls, results, and of the
user's words only what can be seen in them (a value that a call uses later, a yes, a no, a question). Worded by hash.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from calm.data import phrase
from calm.data.sources.star_world import NO_MATCH, Row
from calm.data.thoughts import Key, listed

GAVE = (
    "The user gives {pairs}.",
    "I learn {pairs}.",
    "New from the user: {pairs}.",
    "So I have {pairs}.",
    "They tell me {pairs}.",
    "I take down {pairs}.",
    "Now known: {pairs}.",
    "With this message comes {pairs}.",
)
MANNER: dict[str, tuple[str, ...]] = {
    "yes": (
        "The user agrees.",
        "That is a yes.",
        "They say yes.",
        "I have their consent.",
        "The answer is positive.",
        "They go along with it.",
    ),
    "no": (
        "The user says no.",
        "That is a no.",
        "They decline.",
        "The answer is negative.",
        "They do not want that.",
        "That is turned down.",
    ),
    "thanks": (
        "The user is thankful.",
        "They thank me.",
        "That is a thank-you.",
        "Thanks were said.",
        "They sound content.",
        "A word of thanks.",
    ),
    "greeting": (
        "The user greets me.",
        "They say hello.",
        "This opens the conversation.",
        "A new conversation.",
        "Somebody is there.",
        "They have just come in.",
    ),
    "question": (
        "The user asks me something.",
        "That is a question.",
        "They want to know something.",
        "I am asked for something.",
        "There is a question to deal with.",
        "They put a question.",
    ),
    "other": (
        "I have read that.",
        "I follow the user.",
        "I note what they say.",
        "That is said.",
        "I take that in.",
        "Understood so far.",
        "I see.",
        "Good to know.",
    ),
}
ROW = (
    "{tool} found {pairs}.",
    "The result: {pairs}.",
    "{tool} gives {pairs}.",
    "I have a row with {pairs}.",
    "What came back is {pairs}.",
    "I see {pairs}.",
    "{tool} returns {pairs}.",
    "Here is {pairs}.",
)
OUTCOME = (
    "{tool} answers: {words}",
    "The tool says: {words}",
    "I read: {words}",
    "Back comes: {words}",
    "The outcome is: {words}",
    "{tool} reports: {words}",
    "Result of {tool}: {words}",
    "It returned: {words}",
)
NOTHING = (
    "{tool} finds nothing.",
    "Nothing matches.",
    "There is no match.",
    "{tool} comes back empty.",
    "No row fits.",
    "The search found nothing.",
)
PLANS: dict[str, tuple[str, ...]] = {
    "ask": (
        "I still need {what}.",
        "I have to ask for {what}.",
        "What is missing is {what}.",
        "I ask for {what}.",
        "Next I need {what}.",
        "The one thing to get now is {what}.",
        "I do not have {what} yet.",
        "Without {what} I cannot go on.",
    ),
    "confirm": (
        "I ask before I book.",
        "It can be had, so I ask whether to book.",
        "Booking needs their word.",
        "I want a clear yes first.",
        "Before I commit I check back.",
        "I offer it and wait for a yes.",
    ),
    "done": (
        "I report that it worked.",
        "It is done, and I say so.",
        "I tell them that it succeeded.",
        "I pass on the good news.",
        "I confirm that it went through.",
        "They should know that it is settled.",
    ),
    "failed": (
        "I say that it is not possible.",
        "I have to tell them that it failed.",
        "I pass on the bad news.",
        "They should know that it did not work.",
        "I say plainly that this does not work.",
        "It cannot be had, and I say so.",
    ),
    "nothing": (
        "I say so and offer to change the search.",
        "I tell them that nothing was found.",
        "I report that there is none.",
        "The user may want to change something.",
        "I cannot offer anything, and I say so.",
        "I let them know that this leads nowhere.",
    ),
    "tell": (
        "I can tell them {what}.",
        "I answer with {what}.",
        "Now I report {what}.",
        "I pass on {what}.",
        "What they need is {what}.",
        "I give them {what}.",
        "That lets me state {what}.",
        "My answer is {what}.",
    ),
    "more": (
        "I ask whether there is more to do.",
        "Is anything else needed?",
        "I offer further help.",
        "This part is done, so I ask what is left.",
        "I check that nothing is left open.",
        "There may be more to do.",
        "I leave room for another request.",
        "Before I close I ask for more wishes.",
    ),
    "hello": (
        "I greet them and ask what they need.",
        "A greeting first, then the task.",
        "I say hello and offer help.",
        "I answer kindly and wait for the task.",
        "I start politely.",
        "I welcome them.",
    ),
    "bye": (
        "I say goodbye.",
        "Time to close.",
        "I end the conversation kindly.",
        "Nothing is left to do, so I close.",
        "I thank them and close.",
        "This is the end of it.",
        "I take my leave.",
        "I part with a friendly word.",
    ),
    "scope": (
        "That is beyond what I can do.",
        "I have no tool for this.",
        "I say what I can help with and what not.",
        "This is not among my tasks.",
        "I cannot help there, and I say so.",
        "I lead them back to what I can do.",
    ),
    "criteria": (
        "I list what can be filtered by.",
        "I say how the search can be narrowed.",
        "More criteria would help.",
        "I name the filters that I have.",
        "I show which wishes I can use.",
        "I explain what to choose by.",
    ),
    "step": (
        "I give the next step of the way.",
        "One step at a time: here is the next.",
        "I read out the following step.",
        "I go on with the directions.",
        "The next part of the way follows.",
        "I describe how to go on.",
        "The directions go on from here.",
        "I guide them one step further.",
    ),
    "quiz": (
        "I put the question to them.",
        "I ask it and keep the answer to myself.",
        "Here is their question.",
        "I read the question out.",
        "Now they may guess.",
        "I let them try this one.",
        "The question goes to the user.",
        "I show the question only.",
    ),
    "right": (
        "Their guess is what the result holds.",
        "That is the right answer.",
        "The answer matches, so I praise them.",
        "They got it.",
        "I confirm the guess and offer another round.",
        "Correct, and on we go.",
        "It is the answer that I have.",
        "I say well done and ask for the next round.",
    ),
    "wrong": (
        "That is not the answer that I have.",
        "The result holds another answer.",
        "I give the right answer and offer another round.",
        "Their guess is off, so I tell the answer.",
        "Not correct; I show the solution.",
        "I tell them what it would have been.",
    ),
    "asks back": (
        "I ask back.",
        "A short question will clear this up.",
        "I put a question to them.",
        "I need their answer to go on.",
        "I check with them.",
        "I want to hear more on that.",
        "Let me ask.",
        "I return a question.",
    ),
    "answers": (
        "I answer without a call.",
        "No tool is needed for this.",
        "I reply directly.",
        "I can say this in my own words.",
        "Words are enough here.",
        "I just answer.",
        "A plain reply will do.",
        "I respond to that myself.",
    ),
    "relays": (
        "I pass that on.",
        "I tell them what came back.",
        "I put the result into words.",
        "That is what I report.",
        "I share it with the user.",
        "I answer from this result.",
        "The user should hear it.",
        "I say what it means for them.",
    ),
}
CALLS: dict[str, tuple[str, ...]] = {
    "first": (
        "I call {tool} with {pairs}.",
        "{tool} can run with {pairs}.",
        "Enough for {tool}: {pairs}.",
        "Time for {tool}, given {pairs}.",
        "That is all {tool} needs: {pairs}.",
        "So {tool} it is, using {pairs}.",
        "I can look this up with {tool}: {pairs}.",
        "{tool} takes {pairs}.",
        "I send {pairs} to {tool}.",
        "I go to {tool} with {pairs}.",
    ),
    "booking": (
        "I book with {tool}: {pairs}.",
        "Now {tool} can book {pairs}.",
        "I let {tool} make it firm: {pairs}.",
        "I commit it in {tool} with {pairs}.",
        "The booking goes to {tool}: {pairs}.",
        "{tool} shall book {pairs}.",
        "I place the order in {tool} with {pairs}.",
        "I have {tool} reserve {pairs}.",
    ),
    "changed": (
        "I call {tool} again, now with {pairs}.",
        "Another try of {tool}: {pairs}.",
        "{tool} once more, changed to {pairs}.",
        "The same as before except for {pairs}, so {tool} again.",
        "I repeat {tool} with {pairs}.",
        "A second look with {tool}: {pairs}.",
        "{pairs} is new, so I ask {tool} anew.",
        "I let {tool} run anew with {pairs}.",
    ),
    "same": (
        "I ask {tool} for another one.",
        "I run {tool} once more as it was.",
        "{tool} may have something else.",
        "The same call of {tool} again.",
        "I repeat {tool} unchanged.",
        "Let {tool} try once more.",
    ),
    "bare": (
        "I call {tool}.",
        "{tool} needs no detail.",
        "Time for {tool}.",
        "{tool} will answer that.",
        "I open {tool}.",
        "This is for {tool}.",
    ),
}
PERSONS = frozenset({"CustomerName", "FullName", "GuestName", "PatientName", "RenterName", "UserName"})
"""Slots that hold the name of the user."""
_ENDS = {"bye": "bye", "goodbye_1": "bye", "goodbye_2": "bye", "anything_else": "more", "hello": "hello"}
_KINDS = (
    (r"out_of_scope", "scope"),
    (r"ask_confirm|party_ask_confirm", "confirm"),
    (r"inform_search_criteria|request_optional|food_drink_criteria", "criteria"),
    (r"answer_correct", "right"),
    (r"answer_(incorrect|2)", "wrong"),
    (r"trivia_ask_question$", "quiz"),
    (r"trip_(inform_\w*step|instructions)", "step"),
    (r"nothing_found|no_venue", "nothing"),
    (r"unavailable|not_available|failed|cannot_authenticate", "failed"),
    (r"_available$", "confirm"),
    (r"successful|succeeded|_confirmed|report_submitted|confirm_rsvp|ride_confirm_booking", "done"),
    (r"search_more|continue_searching|more_questions", "more"),
    (r"_ask_|^ask_", "ask"),
    (r"_(inform|provide)_", "tell"),
)
_MANNERS = (
    (r"(yes|yeah|yep|sure|yup|please do|correct|that works|sounds good)\b", "yes"),
    (r"(no|nope|nah|not)\b", "no"),
    (r".*\b(thanks|thank you|thx)\b", "thanks"),
    (r"(hi|hello|hey|good (morning|afternoon|evening))\b[\s,.!]*(there)?[\s,.!]*$", "greeting"),
    (r".*\?\s*$", "question"),
)


def kind(label: str) -> str:
    """What a wizard's action label does: `ask`, `done`, `tell`, ...; empty for free words."""
    if label.endswith("_bye"):
        return "bye"
    found = (plan for pattern, plan in _KINDS if re.search(pattern, label))
    return _ENDS.get(label) or next(found, "")


def about(label: str) -> str:
    """The thing that an ask or tell label is about, in words: `bank_ask_account_number` is "account number"."""
    named = re.sub(r"^.*?(ask|inform|provide)_", "", label)
    return f"the {'date of birth' if named == 'dob' else named.replace('_', ' ')}"


def known(label: str, slots: Iterable[str]) -> bool:
    """Whether an ask label is about one of the slots (`restaurant_book.PartySize`), so that the answer is there."""
    wanted = f" {about(label).removeprefix('the ')}"
    for tool, _, name in (slot.partition(".") for slot in slots):
        if label == "ask_name" and name in PERSONS:
            return True
        mine, own = f" {words(name)}", tool.partition("_")[0] == label.partition("_")[0]
        if own and (mine.endswith(wanted) or wanted.endswith(mine)):
            return True
    return False


def words(name: str) -> str:
    """`StartTimeHour` is "start time hour"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def value(given: JsonValue) -> str:
    """An argument as words: bounds, several options, a plain value."""
    if isinstance(given, dict):
        return " and ".join(f"{bound.replace('_', ' ')} {limit}" for bound, limit in given.items())
    if isinstance(given, list):
        return listed([str(one) for one in given])
    return {True: "yes", False: "no"}.get(given, str(given)) if isinstance(given, bool) else str(given)


def pairs(arguments: Mapping[str, JsonValue], most: int = 3) -> str:
    """Names with their values, or names alone where there are more than `most`."""
    if len(arguments) > most:
        return listed([words(name) for name in arguments])
    return listed([f"{words(name)} {value(given)}" for name, given in arguments.items()])


def heard(text: str, given: Mapping[str, JsonValue], key: Key) -> str:
    """What the user's turn brought: values that calls use, else its manner."""
    if given:
        return phrase(GAVE, *key, "gave").format(pairs=pairs(given, 4))
    manner = next((name for pattern, name in _MANNERS if re.match(pattern, text.lower().strip(), re.DOTALL)), "other")
    return phrase(MANNER[manner], *key, manner)


def observed(tool: str, row: Row, key: Key) -> str:
    """What a call gave back."""
    if row == NO_MATCH:
        return _filled(NOTHING, (*key, "nothing"), tool=tool)
    told = [v for k, v in row.items() if k in ("Message", "ReservationStatus", "RequestStatus", "ChangeStatus")]
    if told:
        return _filled(OUTCOME, (*key, "outcome"), tool=tool, words=f"{str(told[0]).rstrip('.')}.")
    shown = {k: v for k, v in row.items() if not isinstance(v, list) and k not in ("id", "Answer")}
    return _filled(ROW, (*key, "row"), tool=tool, pairs=pairs(dict(list(shown.items())[:3])))


def replying(label: str, text: str, result: bool, slots: Iterable[str], key: Key) -> str:
    """What the reply is for; `result`: it follows an observation, `slots`: what is known, to be asked again at most."""
    plan = "asks back" if kind(label) == "ask" and known(label, slots) else kind(label)
    plan = plan or ("relays" if result else "asks back" if text.rstrip().endswith("?") else "answers")
    return phrase(PLANS[plan], *key, plan).format(what=about(label))


def calling(tool: str, arguments: Mapping[str, JsonValue], before: Sequence[Mapping[str, Any]], key: Key) -> str:
    """Why the call is made; `before` are the arguments of earlier calls of the tool, latest last."""
    told = {name: given for name, given in arguments.items() if name != "RequestType"}
    new = {name: given for name, given in told.items() if not before or before[-1].get(name) != given}
    if not told:
        plan = "bare"
    elif arguments.get("RequestType") == "Book":
        plan, new = "booking", told
    elif not before:
        plan = "first"
    else:
        plan = "changed" if new else "same"
    return _filled(CALLS[plan], (*key, plan), tool=tool, pairs=pairs(new))


def _filled(options: Sequence[str], key: Key, **fillings: str) -> str:
    """One of the wordings; a sentence starts with a capital, a tool's name stays as it is."""
    chosen = phrase(options, *key)
    text = chosen.format(**fillings)
    return text if chosen.startswith("{tool}") else text[:1].upper() + text[1:]
