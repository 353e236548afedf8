"""What the assistant of the town thinks and says: short sentences of one or two halves, drawn by hash of place.

A thought names the slots and values that are known or missing and what follows from them. Six first and six second
halves make 36 wordings of what is thought often, six whole sentences are enough for what is rare, so that no pattern
stands in 1 % of them. What is done next is named by few words (search, book, ask, offer or suggest, goodbye), for small
models to learn it from few rows. Questions of one slot ask for that slot alone in the ears of `dialogue.ASKED`.
"""

from calm.data import phrase

Halves = tuple[tuple[str, ...], ...]
"""Wordings of the first half of what is said, and of what follows where there is more; blanks in braces."""


def worded(halves: Halves, *key: str | int, **blanks: str) -> str:
    """One of the wordings, each half drawn for itself by hash of `key`, filled in and capitalised."""
    text = "".join(phrase(half, *key, half[0]) for half in halves).format_map(blanks)
    return text[0].upper() + text[1:]


# --- thoughts --------------------------------------------------------------------------------------------------------

KNOWN = (
    "I know {slots}",
    "I have {pairs}",
    "known: {pairs}",
    "the user wants {pairs}",
    "given: {pairs}",
    "the details are {pairs}",
)
SEARCHING: Halves = (
    KNOWN,
    (
        ", so I search.",
        ", so I can search.",
        ". I search.",
        ". Now I search.",
        "; I search with that.",
        "; enough to search.",
    ),
)
SEARCHING_BOTH: Halves = (
    (
        "the user wants {things}, so I search for both.",
        "two wishes, {things}: I search for both.",
        "this is about {things}. I search for both.",
        "asked for: {things}. I make both searches at once.",
        "{things} are wanted, so I search twice.",
        "I need {things}, so I start both searches.",
    ),
)
SEARCHING_AGAIN: Halves = (
    (
        "the area is {area} now, so I search again.",
        "the area changed to {area}. I search again.",
        "I have a new area, {area}, so I search again.",
        "now it is area {area}; I search once more.",
        "new from the user: area {area}. I repeat the search.",
        "with area {area} I search again.",
    ),
)
BOOKING: Halves = (
    KNOWN,
    (
        ", so I book.",
        ", so I can book.",
        ". I book.",
        ". Now I book.",
        "; I book with that.",
        "; enough to book.",
    ),
)
BOOKING_AGAIN: Halves = (
    (
        "the {slot} is {value} now, so I book again.",
        "the {slot} changed to {value}. I book again.",
        "I have a new {slot}, {value}, so I book again.",
        "now the {slot} is {value}; I book once more.",
        "new from the user: {slot} {value}. I repeat the booking.",
        "I try again with {slot} {value}.",
        "with {slot} {value} I book again.",
        "the user takes {slot} {value}, so I book that.",
    ),
)
ASKING: Halves = (
    (
        "the {slot} is missing",
        "I lack the {slot}",
        "I do not know the {slot}",
        "no {slot} is given",
        "I still need the {slot}",
        "still open: the {slot}",
    ),
    (
        ", so I ask.",
        ", so I have to ask.",
        ". I ask for it.",
        ". I ask the user.",
        "; I ask.",
        " and I ask for it.",
    ),
)
FOUND = (
    "{found}",
    "I found {found}",
    "I see {found}",
    "found: {found}",
    "the search gave {found}",
    "the result is {found}",
)
NARROWING: Halves = (
    FOUND,
    (
        ", so I ask for the {slot}.",
        ". I ask for the {slot}.",
        "; I ask for the {slot}.",
        ". The {slot} is open, so I ask.",
        ", so I ask which {slot}.",
        "; the {slot} would help, so I ask.",
    ),
)
NARROWING_REPLY: Halves = (
    (
        "I found {found}. {question}",
        "there are {found}. {question}",
        "{found} so far. {question}",
        "that gives {found}. {question}",
        "I have {found} for that. {question}",
        "my search gave {found}. {question}",
    ),
)
OFFERING: Halves = (
    FOUND,
    (
        "; I offer {name}.",
        ", so I offer {name}.",
        ". I offer {name}.",
        "; I suggest {name}.",
        ", so I suggest {name}.",
        ". I suggest {name}.",
    ),
)
OFFERING_BOTH: Halves = (
    (
        "I offer {names}.",
        "I found {names}.",
        "one match for each: {names}.",
        "I can suggest {names}.",
        "I tell the user about {names}.",
        "I have {names} to show.",
    ),
)
OTHER_AREA: Halves = (
    (
        "nothing matches in area {area}, so I ask for another.",
        "area {area} has no match. I ask for another.",
        "no match in area {area}; I ask for another area.",
        "I found nothing in area {area}, so I ask where else.",
        "I need another area than {area}, where nothing fits.",
        "area {area} did not work; I ask for a new one.",
    ),
)
REFUSED: Halves = (
    (
        "it is refused, but {free} would work, so I offer that.",
        "that did not work. I offer {free}.",
        "the booking failed, so I offer {free}.",
        "I cannot book it like that. What works is {free}.",
        "no luck, but I can offer {free}.",
        "I got a refusal. I propose {free}.",
        "not booked yet; I ask about {free}.",
        "the user has to choose again: {free}.",
    ),
)
NONE_FREE: Halves = (
    (
        "nothing else is free, so I say so.",
        "I have nothing else to offer, so I say so.",
        "it cannot be booked. I tell the user.",
        "no other choice is left; I tell the user.",
        "I could not book it and say so.",
        "I have to say that nothing is free.",
    ),
)
BOOKED: Halves = (
    (
        "it is booked",
        "booked as {reference}",
        "booked, reference {reference}",
        "the booking is {reference}",
        "the booking worked: {reference}",
        "booked; the reference is {reference}",
    ),
    (
        "; I give the reference.",
        ", so I tell the user.",
        ", so I confirm.",
        ". I confirm it.",
        ". I tell the user.",
        "; I pass it on.",
    ),
)
CANCELLING: Halves = (
    (
        "I know the reference {reference}, so I cancel.",
        "the reference is {reference}. I cancel it.",
        "I have reference {reference}, so I can cancel.",
        "{reference} is to be cancelled. I do it.",
        "the user no longer wants {reference}, so I cancel.",
        "to cancel I need the reference: {reference}.",
        "I cancel {reference}, as asked.",
        "it is about {reference}; I cancel that.",
    ),
)
CANCELLED: Halves = (
    (
        "{reference} is cancelled.",
        "it is cancelled, so I confirm.",
        "the booking {reference} is gone; I say so.",
        "I cancelled {reference} and tell the user.",
        "that worked: {reference} is no more.",
        "cancelled, as the result says. I report it.",
        "I can confirm that {reference} is cancelled.",
        "the user should hear that {reference} is cancelled.",
    ),
)
LOOKING_UP: Halves = (
    (
        "the address is missing, so I look it up.",
        "I lack the address of {name}. I look it up.",
        "I do not know the address yet, so I search.",
        "for the address I search by name: {name}.",
        "I look up {name} for the address.",
        "with the name {name} I can find the address.",
    ),
)
ADDRESS: Halves = (
    (
        "I have the address, so I answer.",
        "the address is {address}; I tell the user.",
        "I know it: {address}.",
        "the result says {address}. I pass it on.",
        "I see the address {address}, so I answer.",
        "the answer is {address}.",
        "asked for the address, I give {address}.",
        "{name} is at {address}, and I say so.",
    ),
)
ENDING: Halves = (
    (
        "the user is done",
        "the user thanks me",
        "the user says thanks",
        "the user needs no more",
        "the user wants no more",
        "the user ends the talk",
    ),
    (
        ", so I say goodbye.",
        ". I say goodbye.",
        "; I say goodbye.",
        ", so goodbye.",
        ". Time to say goodbye.",
        "; it is time for a goodbye.",
    ),
)
GREETED: Halves = (
    (
        "the user only greets, so I greet back.",
        "a greeting, so I say hello.",
        "nothing is asked yet; I greet the user.",
        "this is a hello. I offer help.",
    ),
)
CURIOUS: Halves = (
    (
        "no tool is needed, so I answer.",
        "the user asks what I do. I say it.",
        "I can tell that without a tool.",
        "this is about me, so I just answer.",
    ),
)
WEATHER: Halves = (
    (
        "I have no tool for the weather, so I say so.",
        "the weather is beyond my tools. I say so.",
        "none of my tools knows the weather.",
        "no tool tells me about rain, so I admit it.",
    ),
)


# --- replies ---------------------------------------------------------------------------------------------------------

QUESTION: Halves = (
    (
        "{plain}",
        "{which} would you like?",
        "{which} shall I note?",
        "could you tell me {which}?",
        "may I ask {which}?",
        "please tell me, {which}?",
        "{which}, please?",
        "{which} do you have in mind?",
    ),
)
"""`plain` is the question of `town_talk.QUESTIONS`, `which` what stands in `WHICH`."""
WHICH = {
    "area": "which area",
    "price": "which price range",
    "food": "which food",
    "kind": "which kind of place",
    "day": "which day",
    "time": "which time",
    "people": "how many people",
    "nights": "how many nights",
    "origin": "which starting point",
    "destination": "which destination",
}
PITCH: Halves = (
    (
        "{name} is {what}.",
        "I found {name}, {what}.",
        "I suggest {name}, {what}.",
        "there is {name}, {what}.",
        "I can offer {name}, {what}.",
        "{name} would fit: {what}.",
    ),
)
SHALL: Halves = (
    (
        "shall I book {it}?",
        "may I book {it}?",
        "should I book {it}?",
        "can I book {it}?",
        "do you want me to book {it}?",
        "would you like me to book {it}?",
    ),
)
NO_MATCH: Halves = (
    (
        "there is no {what}.",
        "I found no {what}.",
        "sorry, there is no {what}.",
        "I am sorry, I see no {what}.",
        "unfortunately there is no {what}.",
        "I looked, but there is no {what}.",
        "sorry, I know no {what}.",
        "I could not find any {what}.",
    ),
    (
        " Which other area would you like?",
        " Would another area do?",
        " What other area would suit you?",
        " Shall I try another area?",
        " Is there another area you like?",
        " In which other area may I look?",
    ),
)
SORRY = (
    "sorry, {error}",
    "I am sorry, {error}",
    "I am afraid {error}",
    "unfortunately {error}",
    "I am sorry to say that {error}",
    "it did not work: {error}",
    "that cannot be done: {error}",
    "no luck: {error}",
)
INSTEAD: Halves = (
    SORRY,
    (
        ". {free} {verb} free.",
        ". I could book {free} instead.",
        ". Free instead: {free}.",
        ". What I can offer: {free}.",
        ". Still free: {free}.",
        ", but {free} {verb} free.",
        ", but I can offer {free}.",
        ", but I could book {free}.",
    ),
    (
        " Would that do?",
        " What do you say?",
        " Is that all right?",
        " What would you like?",
        " Does that help?",
        " How about it?",
        " May I book that?",
        " What shall I book?",
    ),
)
NOTHING_ELSE: Halves = (
    SORRY,
    (
        ", and nothing else is free.",
        ". Nothing else is free.",
        ", and I have nothing else to offer.",
        ". I see nothing else that is free.",
        ". There is nothing free instead.",
        ", and nothing is left.",
    ),
)
CONFIRMED: Halves = (
    (
        "booked: {what}.",
        "it is booked: {what}.",
        "I booked {what}.",
        "I have booked {what}.",
        "done: {what}.",
        "all set: {what}.",
    ),
    (
        " Your reference is {reference}.",
        " The reference is {reference}.",
        " Reference: {reference}.",
        " Your booking reference is {reference}.",
        " Please note the reference {reference}.",
        " It has the reference {reference}.",
    ),
)
GONE: Halves = (
    (
        "your booking {reference} is cancelled.",
        "I cancelled your booking {reference}.",
        "done, {reference} is cancelled.",
        "the booking {reference} is cancelled now.",
        "no problem, I have cancelled {reference}.",
        "all right, {reference} is cancelled.",
        "cancelled: {reference}.",
    ),
)
WHERE: Halves = (
    (
        "{name} is at {address}.",
        "the address is {address}.",
        "you find {name} at {address}.",
        "the address of {name} is {address}.",
        "here it is: {address}.",
        "{name}, {address}.",
        "go to {address}.",
    ),
)
BYE: Halves = (
    (
        "you're welcome.",
        "you are welcome.",
        "glad to help.",
        "happy to help.",
        "my pleasure.",
        "any time.",
    ),
    (
        " Goodbye!",
        " Bye!",
        " Goodbye, take care!",
        " Have a nice day!",
        " Take care!",
        " See you!",
    ),
)
HELLO: Halves = (
    ("hello!", "hi!", "good day!", "welcome!"),
    (
        " How can I help you in Aldermere?",
        " What can I do for you?",
        " What are you looking for in Aldermere?",
        " How may I help?",
    ),
)
ABLE: Halves = (
    (
        "I can look things up in Aldermere and book for you.",
        "I look things up in Aldermere and make bookings.",
        "I answer questions about Aldermere and book things.",
        "ask me about Aldermere, and I can book for you too.",
    ),
)
UNABLE: Halves = (
    (
        "I cannot tell, but I can find and book things.",
        "sorry, I do not know the weather.",
        "I cannot say. I can look things up and book, though.",
        "that I cannot tell you, I am sorry.",
    ),
)
SMALL_TALK = (("Hello!", GREETED, HELLO), ("Hi, what can you do?", CURIOUS, ABLE), ("Will it rain?", WEATHER, UNABLE))
"""What the user says before the matter at hand, what the assistant thinks of it, and its reply."""
