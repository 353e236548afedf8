"""What is said where no tool helps: small talk, general knowledge, refusals and faults of the environment.

Sentences are mixed from short lists by hash, so that no wording becomes common. All of it is ours, and true whatever
tools are offered.
"""

from collections.abc import Sequence

from calm.data import bucket, phrase, pick

Key = tuple[str | int, ...]


def mixed(key: Key, *banks: Sequence[str]) -> str:
    """One entry of each bank by hash of `key`, joined with blanks; empty entries leave none behind."""
    chosen = (phrase(bank, *key, place, bank[0]) for place, bank in enumerate(banks))
    return " ".join(part for part in chosen if part)


# --- small talk ------------------------------------------------------------------------------------------------------

GREETINGS = (
    "Hi!", "Hello!", "Hey there!", "Good morning!", "Good evening.", "Hi there, it's been a while.", "Hey, I'm back.",
    "Hello, is anyone there?", "Hi, are you there?", "Good afternoon!", "Hello, nice to meet you.", "Hey!",
    "Hi, I hope you're well.", "Greetings!", "Hello assistant.", "Hi, got a minute?", "Hey, just checking in.",
    "Hello again!", "Hi, it's me.", "Morning!", "Evening!", "Hello, I might need some help today.",
    "Hi, I'm new here.", "Hey, first time using this.", "Hello, quick question coming up.", "Hi, nice to be here.",
    "Hey assistant!", "Hello, hope your day is going fine.", "Hi, let me just get started here.",
    "Hey, thanks for being here.", "Hello! I've got something for you.", "Hi, one moment, I'm getting my notes.",
)  # fmt: skip
WELCOMES = (
    "Hello!", "Hi!", "Hi there!", "Good to hear from you.", "Hello and welcome.", "Hey!", "Nice to meet you.",
    "Hi, glad you're here.", "Welcome!", "Hello, I'm here.",
)  # fmt: skip
OPENINGS = (
    "What can I do for you?", "How can I help?", "What do you need?", "Tell me what you are after.",
    "What would you like to do?", "What shall we start with?", "How may I be of help today?", "I'm listening.",
    "What brings you here?", "Go ahead, I'm ready.",
)  # fmt: skip
ABILITY = (
    "What can you do?", "What are you able to do for me?", "What kind of things can you help with?",
    "Before we start: what can you do?", "What are you good for?", "Can you tell me what you can help with?",
    "What sort of requests do you handle?", "I'm not sure what to ask. What can you do?",
    "What are my options with you?", "Which tasks can I give you?", "How can you help me?",
    "Give me a quick idea of what you do.", "What do people use you for?", "What's in your toolbox?",
    "Name a few things you can do.", "What should I ask you?", "What could you take off my hands?",
    "Hi, what is it that you do?", "Hey, what can I ask you for?", "Do you have any useful skills?",
    "What services do you offer?", "In short, what can you do?", "What would you be able to help me with today?",
    "Tell me what you can do, please.", "Could you list some things you can do?", "What are you here for?",
    "How does this work, what can you do?", "What kind of help do you give?", "What jobs can you handle?",
    "I'd like to know what you can do.",
)  # fmt: skip
ABLE = (
    "Among other things, I can {deeds}.", "For example, I can {deeds}.", "I can {deeds}, for instance.",
    "I'm able to {deeds}.", "You can ask me to {deeds}.", "Some of what I do: I can {deeds}.",
    "I could {deeds}, to name a few things.", "I have tools to {deeds}.",
)  # fmt: skip
THANKS = (
    "Thanks!", "Thank you.", "Great, thanks.", "Thanks a lot!", "Perfect, thank you.", "Many thanks.", "Cheers!",
    "That's all, thanks.", "Thank you, that helps.", "Awesome, thanks!", "Thanks, that's what I needed.",
    "Very kind, thank you.", "Nice, thank you so much.", "OK, thanks for that.", "Good, that will be all.",
    "Thanks for your help.", "Thank you for the quick answer.", "Lovely, thanks.", "Appreciate it!",
    "That was useful, thanks.", "Thanks, bye!", "Thank you, have a good day.", "All right, thank you.",
    "Excellent, thanks a bunch.", "Much obliged.", "Brilliant, thank you!", "Thanks, talk to you later.",
    "Super, thanks.", "OK great, I'm done. Thanks!", "Wonderful, thank you very much.",
)  # fmt: skip
FAREWELLS = (
    "You're welcome!", "Glad to help.", "My pleasure.", "Any time!", "Happy to help.", "No problem at all.",
    "You're very welcome.", "Sure thing!", "With pleasure.", "Don't mention it.",
)  # fmt: skip
WISHES = (
    "", "Have a nice day!", "Take care!", "Goodbye!", "Come back whenever you like.",
    "Let me know if anything else comes up.", "Enjoy the rest of your day.", "Until next time!",
    "I'm here if you need more.", "All the best!",
)  # fmt: skip

GREETED = (
    "The user only says hello", "This is just a greeting", "They open with a greeting", "Nothing is asked yet",
    "So far it is a hello and no request", "The user greets me", "A friendly opening without a task",
    "No request in this message", "They are only starting the conversation", "A hello, nothing more",
)  # fmt: skip
ABILITY_ASKED = (
    "The user wants to know what I can do", "They ask about my abilities", "This is a question about me",
    "The question is what I offer", "They want an overview", "The user asks for my skills",
    "They don't know yet what to ask for", "A question on what is possible here", "I am asked what I am for",
    "The user is exploring what I do",
)  # fmt: skip
THANKED = (
    "The user is content", "They thank me", "The task is done and the user says thanks", "Nothing is left to do",
    "A thank-you closes this", "The user has what they wanted", "That was the last of it", "They are satisfied",
    "No open request remains", "The user rounds things off",
)  # fmt: skip
NO_TOOL = (
    ", so no tool is needed.", "; I simply answer.", ", so I reply without a call.", ". No call for that.",
    "; words are enough.", ". I answer in plain words.", ", which takes no tool.", "; none of my tools comes into it.",
    ". A call would be pointless.", ", so I just talk.", ". I can reply right away.", "; there is nothing to look up.",
)  # fmt: skip

# --- general knowledge -----------------------------------------------------------------------------------------------

FACTS: tuple[tuple[str, str], ...] = (
    ("What is the capital of Portugal?", "Lisbon"),
    ("What is the capital of Norway?", "Oslo"),
    ("What is the capital of Canada?", "Ottawa"),
    ("What is the capital of Japan?", "Tokyo"),
    ("What is the capital of Kenya?", "Nairobi"),
    ("What is the capital of Hungary?", "Budapest"),
    ("What is the capital of Peru?", "Lima"),
    ("What is the capital of Austria?", "Vienna"),
    ("What is the capital of Greece?", "Athens"),
    ("What is the capital of Cuba?", "Havana"),
    ("What is the chemical symbol of gold?", "Au"),
    ("What is the chemical symbol of iron?", "Fe"),
    ("What is the chemical symbol of sodium?", "Na"),
    ("What is the chemical formula of water?", "H2O"),
    ("Which element has the atomic number 1?", "Hydrogen"),
    ("Which element has the atomic number 6?", "Carbon"),
    ("How many planets are in our solar system?", "Eight"),
    ("Which planet is closest to the Sun?", "Mercury"),
    ("Which planet is the largest in our solar system?", "Jupiter"),
    ("What do we call the star at the centre of our solar system?", "The Sun"),
    ("How many continents are there, as usually counted in English?", "Seven"),
    ("Which ocean is the largest?", "The Pacific"),
    ("Which mountain is the highest above sea level?", "Mount Everest"),
    ("Which country has the shape of a boot?", "Italy"),
    ("On which continent is Egypt?", "Africa"),
    ("On which continent is Brazil?", "South America"),
    ("How many days does a leap year have?", "366"),
    ("How many minutes are in an hour?", "60"),
    ("How many seconds are in an hour?", "3,600"),
    ("How many hours are in a week?", "168"),
    ("How many weeks are in a year, roughly?", "52"),
    ("Which month has the fewest days?", "February"),
    ("How many sides does a hexagon have?", "Six"),
    ("How many sides does an octagon have?", "Eight"),
    ("What do the angles of a flat triangle add up to?", "180 degrees"),
    ("What is a polygon with five sides called?", "A pentagon"),
    ("What is the smallest prime number?", "2"),
    ("Is 91 a prime number?", "No, it is 7 times 13"),
    ("What is the square root of 144?", "12"),
    ("What is the square root of 81?", "9"),
    ("What is two to the power of ten?", "1,024"),
    ("What is half of 250?", "125"),
    ("What is a quarter of 200?", "50"),
    ("What is 15 percent of 200?", "30"),
    ("What is 12 times 12?", "144"),
    ("How many letters does the English alphabet have?", "26"),
    ("What is the opposite of 'ancient'?", "Modern"),
    ("What is the plural of 'mouse', the animal?", "Mice"),
    ("What is the past tense of 'go'?", "Went"),
    ("How do you say 'thank you' in French?", "Merci"),
    ("How do you say 'good morning' in Spanish?", "Buenos días"),
    ("How do you say 'yes' in German?", "Ja"),
    ("Who wrote 'Hamlet'?", "William Shakespeare"),
    ("Who wrote 'Pride and Prejudice'?", "Jane Austen"),
    ("Who wrote 'Don Quixote'?", "Miguel de Cervantes"),
    ("Who painted the Mona Lisa?", "Leonardo da Vinci"),
    ("Who proposed the theory of general relativity?", "Albert Einstein"),
    ("In which year did the Second World War end?", "1945"),
    ("In which year did people first walk on the Moon?", "1969"),
    ("How many legs does a spider have?", "Eight"),
    ("How many legs does an insect have?", "Six"),
    ("What is a young cat called?", "A kitten"),
    ("What is a young dog called?", "A puppy"),
    ("Is a whale a fish or a mammal?", "A mammal"),
    ("Which animal is the tallest?", "The giraffe"),
    ("Which gas do plants take in for photosynthesis?", "Carbon dioxide"),
    ("At how many degrees Celsius does water freeze at sea level?", "Zero"),
    ("At how many degrees Celsius does water boil at sea level?", "100"),
    ("How many bits are in a byte?", "Eight"),
    ("How many strings does a standard guitar have?", "Six"),
    ("How many keys does a standard piano have?", "88"),
    ("How many squares are on a chessboard?", "64"),
    ("How many players of one football team are on the pitch?", "Eleven"),
    ("Which colour do you get from mixing blue and yellow paint?", "Green"),
    ("How many colours are usually named in a rainbow?", "Seven"),
    ("How many metres are in a kilometre?", "1,000"),
    ("How many grams are in a kilogram?", "1,000"),
    ("How many teeth does a grown person usually have?", "32, wisdom teeth included"),
    ("What comes after Tuesday?", "Wednesday"),
    ("What is the fourth month of the year?", "April"),
)
"""General questions whose answers do not change, with the short answer."""
ASKING = (
    "{question}", "Quick question first: {lower}", "By the way, {lower}", "Just curious, {lower}", "Tell me, {lower}",
    "Something else entirely: {lower}", "I keep forgetting: {lower}", "Do you know this one? {question}",
    "One little thing: {lower}", "My kid asks: {lower}", "For a quiz: {lower}", "{question} I just can't remember.",
)  # fmt: skip
ANSWERING = (
    "{answer}.", "That would be: {lower}.", "The answer is: {lower}.", "{answer}, as far as general knowledge goes.",
    "Easy one: {lower}.", "{answer}. Anything else?", "It's this: {lower}.", "Sure: {lower}.",
)  # fmt: skip
KNOWN = (
    "This is general knowledge", "A question I can answer myself", "I know this without looking anything up",
    "The question has a fixed, well-known answer", "This has nothing to do with my tools", "A simple fact is asked",
    "The user wants a bit of common knowledge", "That is something I know", "It is a small quiz question",
    "An everyday fact is all they want",
)  # fmt: skip

# --- what cannot be done ---------------------------------------------------------------------------------------------

WANTED = (
    "The user wants to {deed}", "This asks me to {deed}", "To {deed} is what they want", "They need me to {deed}",
    "The request is to {deed}", "I am asked to {deed}", "The task would be to {deed}", "They would like to {deed}",
    "What they want is to {deed}", "The user asks whether I can {deed}", "I should {deed}",
    "Going by the message, I am to {deed}", "The goal is to {deed}", "For this I would have to {deed}",
)  # fmt: skip
UNABLE = (
    ", but no tool I have does that", ", yet none of the tools fits", ", and nothing on offer can do it",
    "; my tools are for other things", "; the tools at hand do not cover it", ", which none of my tools can do",
    ", but there is no tool for it", "; I look through the tools and find none for this",
    ", but what I can call has other purposes", ", and I have been given no tool for that",
    "; not one of the tools matches", ", but I lack a tool for it",
)  # fmt: skip
THEREFORE = (
    ", so I say so.", ". I must not force a call.", ", so I decline.", ". I tell them plainly.",
    ". A wrong call would help nobody.", ". Better to be open about it.", ", so I will not call anything.",
    ". I explain that.", ". Guessing would be wrong.", ". I should not pretend.", ", so no call.",
    ". I let them know.",
)  # fmt: skip
SORRY = (
    "I'm sorry, but I can't {deed} here.", "Unfortunately, I have no way to {deed}.",
    "I'd like to help, but none of my tools can {deed}.", "I'm afraid I'm not able to {deed}.",
    "That is something I cannot do: nothing I have can {deed}.", "Sorry, to {deed} is beyond what I can do here.",
    "I can't {deed} with the tools I have.", "At the moment there is no tool that lets me {deed}.",
    "My apologies, I cannot {deed}.", "I don't have a function to {deed}, sorry.",
    "Sadly, I'm not equipped to {deed}.", "I looked at what I can do, and I cannot {deed}.",
    "To be honest, I have no means to {deed}.", "I won't be able to {deed}, I'm sorry.",
)  # fmt: skip
INSTEAD = (
    "", "", "Is there anything else I can do?", "Can I help with something else?", "What I can do is {other}.",
    "I could {other} instead, if that is of use.", "If you need something else, just ask.",
    "You may need another service for that.", "Please tell me if you want something different.",
    "I can {other}, though.",
)  # fmt: skip

# --- faults of the environment ---------------------------------------------------------------------------------------

TRANSIENT = (
    "request timed out after 30 seconds", "service temporarily unavailable", "rate limit exceeded, try again shortly",
    "connection reset by peer", "upstream server did not respond", "503 Service Unavailable", "502 Bad Gateway",
    "504 Gateway Timeout", "too many requests", "temporary network failure", "the backend is restarting",
    "could not reach the server", "deadline exceeded", "the connection was closed unexpectedly",
)  # fmt: skip
NOT_DONE = (
    "rate limit exceeded, the request was not processed", "service busy, nothing was changed",
    "429 Too Many Requests: request rejected before processing", "queue full, request refused",
    "maintenance mode: the request was not accepted", "could not open a connection, nothing was sent",
    "lock not acquired, no change was made", "503 Service Unavailable: request not accepted",
)  # fmt: skip
UNKNOWN = (
    "request timed out after 30 seconds", "connection lost while waiting for the answer", "504 Gateway Timeout",
    "no confirmation received in time", "the connection was closed before an answer came", "deadline exceeded",
)  # fmt: skip
FAILED = (
    "The call failed", "That did not get through", "An error came back", "{tool} did not answer properly",
    "No result this time", "The service had a hiccup", "The tool reports a fault", "Something broke on the way",
    "{tool} returned an error", "The attempt failed", "The system did not play along", "This run of {tool} failed",
)  # fmt: skip
RETRY = (
    ", but it looks temporary.", "; my arguments were fine.", ", through no fault of the request.", "; this may pass.",
    ". Nothing was wrong with the arguments.", "; such faults often pass.", ". The values are still right.",
    ", though the request itself is in order.", ". It is a fault of the service.", "; the problem is not the input.",
)  # fmt: skip
AGAIN = (
    "I try once more.", "Same call again.", "I repeat it.", "A second attempt is worth it.", "I send it again.",
    "Let me run it again.", "Once more with the same values.", "I call it again unchanged.", "Another try.",
    "I retry.",
)  # fmt: skip
GIVE_UP = (
    "A third attempt makes little sense.", "I stop here.", "I will not keep trying.", "I tell the user.",
    "Time to be open about it.", "The user should know.", "I report it instead of guessing.", "No more attempts now.",
    "I must not invent a result.", "I offer to try later.",
)  # fmt: skip
DOWN = (
    "Sorry, the service is not answering right now.", "I tried twice, but the system keeps returning an error.",
    "Unfortunately I can't reach the service at the moment.", "There seems to be an outage; both attempts failed.",
    "I'm afraid the tool I need is failing at the moment.", "I couldn't get a result: the service is unavailable.",
    "My request failed twice, so I have nothing to show yet.", "The system I depend on is down right now.",
)  # fmt: skip
LATER = (
    "Shall I try again in a few minutes?", "I can try again later if you like.",
    "Would you like me to try once more later?", "Please ask me again in a little while.",
    "Let me know when I should try again.", "We could try again in a moment.",
    "I'm happy to try again whenever you want.", "Do you want to wait and try again?",
)  # fmt: skip
IN_DOUBT = (
    "It may or may not have gone through", "I cannot tell whether it was done", "Whether it took effect is open",
    "The change could have been made all the same", "The outcome is unknown",
    "No confirmation came, so it may be done",
)  # fmt: skip
NOT_TWICE = (
    ", and doing it twice would be bad.", "; a blind repeat could do it twice.", ", so I must not simply repeat it.",
    ". Repeating could double it.", "; I ask before doing anything again.", ". The user has to know.",
)  # fmt: skip
UNSURE = (
    "I sent the request, but no confirmation came back, so I can't say whether it went through.",
    "Something went wrong on the way, and I don't know if it was completed.",
    "The connection broke before I got an answer; it may or may not have been done.",
    "I'm sorry, the system did not confirm the request, so its outcome is unclear.",
    "There was a timeout. I can't tell yet whether your request took effect.",
    "No answer came back from the system, so please don't count on it being done.",
)  # fmt: skip
CHECK = (
    "To avoid doing it twice, I'd rather not repeat it without your word.", "Should I try again anyway?",
    "Please check before we try again.", "Would you like me to send it once more?",
    "I haven't repeated it, so that nothing happens twice.", "How would you like to go on?",
)  # fmt: skip


def fact(key: Key, place: int) -> tuple[str, str]:
    """A general question (or a sum) with its answer as sentences; other places give others."""
    number = bucket(*key, "fact") + place
    question, answer = _sum(number // 7) if number % 7 == 0 else FACTS[number % len(FACTS)]
    asked = pick(ASKING, *key, "asking").format(question=question, lower=_lower(question))
    return asked, phrase(ANSWERING, *key, "answering").format(answer=answer, lower=_lower(answer))


def _sum(number: int) -> tuple[str, str]:
    left, right = number % 90 + 10, number // 90 % 90 + 10
    if number // 8100 % 2:
        return f"What is {left} plus {right}?", str(left + right)
    return f"What is {left + right} minus {right}?", str(left)


def _lower(text: str) -> str:
    """The text to follow a colon or comma: a question word or article becomes small, a name stays."""
    first = text.split(" ", 1)[0].rstrip(",")
    small = {
        "What",
        "Which",
        "Who",
        "How",
        "In",
        "On",
        "Is",
        "At",
        "A",
        "The",
        "No",
        "Eight",
        "Seven",
        "Six",
        "Zero",
        "Eleven",
    }
    return text[0].lower() + text[1:] if first in small else text
