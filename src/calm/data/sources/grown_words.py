"""How people ask for what tools do, and how the assistant thinks before it calls, asks or stops; all words are ours.

Frames take `{vp}`, a verb phrase ("calculate the fare"), or `{np}`, what a looking verb looks for ("the fare").
"""

LOOK_DO = ("get", "find", "look up", "pull up", "fetch", "show me", "give me", "bring up")
"""For a tool that looks something up, in a request to do it."""
LOOK_WISH = ("get", "find", "look up", "see", "pull up")
"""The same after "I want to"."""
SAME = {
    "calculate": ("calculate", "work out", "compute", "figure out"),
    "create": ("create", "make", "set up"),
    "generate": ("generate", "create", "make"),
    "analyze": ("analyze", "take a look at", "analyse"),
    "check": ("check", "have a look at", "verify"),
    "update": ("update", "change"),
    "delete": ("delete", "remove"),
    "schedule": ("schedule", "set up", "arrange"),
    "determine": ("determine", "work out", "find out"),
    "estimate": ("estimate", "give an estimate of"),
    "calibrate": ("calibrate",),
}

DO = (
    "{Vp}.", "{Vp}, please.", "Please {vp}.", "Could you {vp}?", "Can you {vp}?", "Could you please {vp}?",
    "Can you {vp} for me?", "Would you {vp}?", "Would you be able to {vp}?", "Go ahead and {vp}.", "Kindly {vp}.",
    "Next, {vp}.", "Now {vp}.", "Could I ask you to {vp}?", "Your task: {vp}.", "Please {vp} when you can.",
    "Be so kind as to {vp}.", "Can you quickly {vp}?", "I'd like you to {vp}.", "I need you to {vp}.",
    "I want you to {vp}.", "{Vp} for me.", "Would it be possible to {vp}?",
)  # fmt: skip
WISH = (
    "I want to {vp}.", "I'd like to {vp}.", "I need to {vp}.", "I have to {vp}.", "Help me {vp}.",
    "Can you help me {vp}?", "I'm trying to {vp}.", "My plan is to {vp}.", "I was asked to {vp}.",
    "I would like to {vp}, please.", "Can we {vp}?", "Let's {vp}.", "It's time to {vp}.", "We need to {vp}.",
    "I was hoping to {vp}.", "Is there a way to {vp}?",
)  # fmt: skip
SEEK = (
    "I need {np}.", "I'm looking for {np}.", "I'm after {np}.", "{Np}, please.", "Do you have {np}?",
    "Can I see {np}?", "I'd like {np}.", "Could I have {np}?", "Where do I find {np}?", "May I see {np}?",
    "I'm interested in {np}.", "Let me see {np}.", "Can I get {np}?", "I require {np}.",
)  # fmt: skip
WHAT = (
    "What is {np}?",
    "What's {np}?",
    "Tell me {np}.",
    "Can you tell me {np}?",
    "Do you know {np}?",
    "I want to know {np}.",
)
HELLO = (
    "Hi, ",
    "Hello, ",
    "Hey, ",
    "Hi there! ",
    "Good morning. ",
    "Hello! ",
    "Quick one: ",
    "Hey! ",
    "Hi! ",
    "Good afternoon, ",
)
BYE = (
    "Thanks!",
    "Thank you.",
    "Thanks in advance.",
    "It's rather urgent.",
    "No rush.",
    "Much appreciated.",
    "Thank you very much!",
)
ALSO = (
    "Also, ", "And ", "Besides that, ", "On top of that, ", "At the same time, ", "In addition, ",
    "While you're at it, ", "One more thing: ", "And another thing: ", "Apart from that, ",
)  # fmt: skip

LASTLY = ("Lastly, ", "Finally, ", "And to finish, ", "Last of all, ", "And as the last thing, ", "And then, at last, ")
FIRST_ONLY = ("Next,", "Now ", "Your task")
"""Beginnings of a request that cannot follow "also"."""
FOLLOW = (
    "And then for {this}.", "Do the same for {this}.", "The same for {this}.", "And again for {this}.",
    "After that, for {this}.", "Then once more for {this}.", "Also for {this}, please.", "I need it for {this} too.",
    "And what about {this}?", "Another one for {this}.", "Repeat that for {this}.", "Likewise for {this}.",
    "Can I have that for {this} too?", "And also for {this}.", "I want the same for {this}.", "And one for {this}.",
    "Could you do it for {this} as well?", "Then for {this}.",
)  # fmt: skip
"""A further set of values for the request before; `{this}` follows "for"."""
FOLLOW_ELSE = (
    "Then again with {pair}, the rest unchanged.", "And once with {pair}, everything else as before.",
    "The same once more, but with {pair}.", "And again, this time with {pair}.", "Repeat it with {pair} instead.",
    "Also with {pair}, all else the same.",
)  # fmt: skip
"""The set before with one value changed."""
CASES = (
    "There are {count} cases: {items}.", "I have {count} of them: {items}.", "It's about {items}.",
    "I need it for {count} cases: {items}.", "Please do it {count} times: {items}.", "It is for {items}.",
    "My {count} cases: {items}.", "Do this for each of these: {items}.", "One by one: {items}.",
    "Once for each of these: {items}.", "That would be {count} times: {items}.",
)  # fmt: skip

EACH = (
    "I need every combination.", "All {count} combinations, please.", "Each with each, please.",
    "That makes {count} in all.", "I want one for each pair.", "Please go through all {count}.",
    "So {count} answers, one for each pair.", "Every pair counts.", "Do it for each of the {count} pairs.",
)  # fmt: skip
"""That two lists of values are meant to be crossed."""
WITH = (" with {pairs}", ", with {pairs}", " ({pairs})", "; {pairs}")
PAIR = ("{label} {said}", "the {label} {said}")
TELL = (
    "The {label} is {said}.", "Use {said} as the {label}.", "Take {said} for the {label}.",
    "The {label} should be {said}.", "As for the {label}, it's {said}.", "{Label}: {said}.",
    "For the {label}, use {said}.", "The {label} would be {said}.", "Set the {label} to {said}.",
    "Please use {said} for the {label}.",
)  # fmt: skip
SHEET = (
    "Details: {pairs}.",
    "({pairs})",
    "Here is what I have: {pairs}.",
    "My data: {pairs}.",
    "{pairs}.",
    "Input: {pairs}.",
)

# --- before a call ---------------------------------------------------------------------------------------------------

AIM = (
    "The user wants to {deed}", "They ask me to {deed}", "I am to {deed}", "The request is to {deed}",
    "The goal is to {deed}", "What is wanted: {deed}", "The user would like me to {deed}",
    "This is about one thing: {deed}", "They need me to {deed}", "The task is to {deed}",
    "I have been asked to {deed}", "So I should {deed}",
)  # fmt: skip
FITS = (
    "; {tool} does that", ", and {tool} is made for it", ", which is the job of {tool}", "; {tool} fits",
    ", so {tool} it is", ". {tool} is the right tool", "; I use {tool}", ", which {tool} can do",
    ". Of my tools {tool} matches", ", a case for {tool}", "; I take {tool}", ". The tool for that is {tool}",
)  # fmt: skip
KNOWN = (
    "; I have {args}.", ". I pass {args}.", ". From the message: {args}.", "; they gave {args}.",
    ". I fill in {args}.", "; the values are {args}.", ". Its input is {args}.", ". Given: {args}.",
    ". I call it with {args}.", "; I read {args}.", ". The arguments: {args}.", ". What I pass on: {args}.",
)  # fmt: skip
BARE = (
    ". It needs no arguments.", "; it takes no input.", ". Nothing has to be filled in.", ". No values are needed.",
    ". I can call it right away.", ". There is nothing to add.", "; it needs no details.", ". I call it as it is.",
)  # fmt: skip
LEFT_OUT = (
    " Nothing is said of {names}, so I leave that out.", " No word on {names}; it stays out.",
    " I leave out {names}, which the user does not mention.", " Optional and not mentioned: {names}.",
    " They say nothing about {names}, so it is not in the call.", " As for {names}, I do not invent anything.",
    " I set nothing for {names}, as nothing was said.", " Without a word on {names} I do not fill it in.",
    " I do not guess {names}.", " There is no need for {names}.", " What is open, {names}, keeps its default.",
    " The user does not care about {names}.",
)  # fmt: skip
"""Of optional parameters that the user did not speak of."""
TURNED = (
    "the {label} is wanted {form}, so {said} becomes {note}", "I write {said} {form}: {note}",
    "given {form}, {said} is {note}", "it is {note} for {said}, as the {label} is asked {form}",
    "{said} becomes {note}",
    "{said} has to be {note} in the call", "{said} is {note} in the form of the schema",
    "the schema wants the {label} {form}; {said} turns into {note}", "{said} means {note} here",
    "the description asks for the {label} {form}, hence {note} for {said}", "the {label} goes {form}: {note} for "
    "{said}",
    "{said}, {form}, is {note}", "for the {label} I need {said} {form}, that is {note}", "from {said} I get {note}",
    "written {form}, {said} comes to {note}", "the {label}: {said}, which I pass {form}, {note}",
)  # fmt: skip
"""How a value that was said in other words is to be written; `{form}` follows "given"."""
WRITTEN = (
    " I have {args}.", " I pass {args}.", " From the message: {args}.", " So it gets {args}.", " I fill in {args}.",
    " The values are {args}.", " Its input is {args}.", " That makes {args}.", " I call it with {args}.",
    " The call has {args}.", " The arguments: {args}.", " What I pass on: {args}.",
)  # fmt: skip
"""The arguments, after a sentence."""
COUNT = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
NTH = ("first", "second", "third", "fourth", "fifth", "sixth")
PLAN = (
    "The calls", "{Count} calls", "This takes {count} calls", "I make {count} calls",
    "The message asks for {count} things", "{Count} calls in one step", "I need {count} calls",
    "That makes {count} calls", "It comes to {count} calls", "I count {count} calls",
    "I split this into {count} calls", "To answer all of it I make {count} calls", "The plan is {count} calls",
    "{Count} requests in one message", "There are {count} things to do", "{Count} parts, {count} calls",
    "The user asks for {count} things",
)  # fmt: skip
"""That calls are to come, without the stop; mostly how many, which a small model cannot know before it lists them."""
PLAN_ONE = (
    "{Count} calls of {tool}", "{tool} has to run {count} times", "{tool} {count} times, each with its own values",
    "One tool, {tool}, and {count} calls", "{Count} sets of values for {tool}", "The same tool {count} times",
    "{tool} takes one case at a time and there are {count}", "The user names {count} cases, one call for each",
    "{Count} cases for {tool}", "Each of the {count} cases gets its own call", "I call {tool} {count} times",
    "{tool} is needed {count} times",
)  # fmt: skip
"""The same where all calls are of one tool."""
PLAN_MORE = (
    "{Kinds} tools, {count} calls", "{Count} calls with {tools}", "This needs {tools}, {count} calls in all",
    "Different things are asked, {count} calls to {kinds} tools", "I need {tools}, which makes {count} calls",
    "{tools} are needed, {count} calls", "{Count} calls and {kinds} tools", "For this I use {tools} in {count} calls",
    "The message mixes {kinds} wishes, {count} calls", "{Kinds} different tools and {count} calls",
    "{tools} share the work in {count} calls", "There are {kinds} kinds of request here and {count} calls",
)  # fmt: skip
PLAN_TURN = (": ", ": ", ". ", ", namely ")
NUMBERED = ("{n}) ", "", "", "", "{n}. ", "({n}) ", "{letter}) ", "{nth} ", "call {n}, ")
ITEM = ("{tool} with {pairs}", "{tool}: {pairs}", "{tool} ({pairs})", "{tool} gets {pairs}", "{tool}, {pairs}",
        "{tool} takes {pairs}", "{tool} for {pairs}")  # fmt: skip
GIVEN = ("{label} {said}", "{label} {said}", "{label} = {said}", "{label}={said}")
PLAN_JOINT = ("; ", ". ", "; ", " / ")
PLAN_END = (
    "", "", "", "", " That is all.", " These {count} and no more.", " None waits for another.", " All in one step.",
    " They go out together.", " Nothing else is asked.", " Then I am done calling.", " No result is needed in between.",
    " With these {count} all is covered.", " I send them at once.",
)  # fmt: skip

TYPED = (
    "; as strings in {language} syntax: {args}.", ". All its values are {language} in strings: {args}.",
    ". It takes {language} as text, so {args}.", ". Written the {language} way: {args}.",
    "; its parameters are strings in {language} syntax, {args}.", ". The schema wants {language} as strings: {args}.",
    ". Each argument is a string here, in {language}: {args}.", ". I write {language} values as strings: {args}.",
    "; what goes in is {language} as text: {args}.", ". Put as {language} and passed as strings: {args}.",
    ". In {language} that is {args}, all strings.", "; strings of {language} are asked for: {args}.",
)  # fmt: skip
"""For a tool whose parameters are strings in the syntax of a language."""

# --- asking back -----------------------------------------------------------------------------------------------------

HAVE = (
    "I have {args}", "The user gives {args}", "Known so far: {args}", "{args} is there", "I know {args}",
    "There is {args}", "They told me {args}", "From the message I get {args}", "So far I have {args}", "Given: {args}",
)  # fmt: skip
HAVE_NONE = (
    "No value is given yet", "The request names no details", "I have nothing to fill in yet", "They gave no details",
    "The wish is clear", "It is clear what they want", "The right tool is clear", "Nothing is specified so far",
)  # fmt: skip
MISSING = (
    ", but {tool} also needs the {label}.", "; the {label} is missing.", ", yet no {label}.",
    ", but the {label} has not been said.", "; what {tool} still lacks is the {label}.",
    ". Without the {label} I cannot call {tool}.", ", while the {label} is open.",
    ". {tool} requires the {label} too.", "; the {label} is still unknown.", ", but nothing on the {label}.",
    ". I must not guess the {label}.", "; {tool} cannot run without the {label}.",
)  # fmt: skip
SO_ASK = (
    "I ask for it.", "I have to ask.", "So I ask.", "A question first.", "I'll find out.", "I ask before I call.",
    "The user must tell me.", "Let me ask.", "I need to hear it from them.", "I ask the user.",
)  # fmt: skip
QUESTION = (
    "What is the {label}?", "Which {label} should I use?", "Could you tell me the {label}?",
    "I still need the {label}. What is it?", "Sure, what's the {label}?", "Happy to. May I have the {label}?",
    "For that I need the {label}.", "Please give me the {label}.", "Of course. Could you give me the {label}, please?",
    "To {deed}, I need the {label}. Could you tell me?", "And the {label}?", "What {label} do you have in mind?",
    "One thing is missing: the {label}.", "Can you tell me the {label}?", "I can do that once I know the {label}.",
    "Let me know the {label} and I'll go ahead.",
)  # fmt: skip
REPLY = (
    "{Said}.", "{Said}, please.", "It's {said}.", "The {label} is {said}.", "{Said}", "That would be {said}.",
    "Oh right, {said}.", "Sorry, {said}.", "Take {said}.", "Ah, I forgot: {said}.", "{Label}: {said}.", "Use {said}.",
    "Let's say {said}.", "Sure, {said}.",
)  # fmt: skip
COMPLETE = (
    "Now I know the {label}, {value}", "The {label} is {value}", "With {label} {value} the call is complete",
    "{label}: {value}", "The user gives the {label} {value}", "That was the missing {label}, {value}",
    "They answer with {value} for the {label}", "{value} is the {label} I needed",
    "I have got the {label} now, {value}", "The gap is filled: {label} {value}",
)  # fmt: skip
PROCEED = (
    ", so I call {tool}.", "; {tool} can run.", ". Time for {tool}.", ", enough for {tool}.", "; I go on with {tool}.",
    ". {tool} has all it needs.", ", and {tool} is ready.", "; now {tool}.", ". On to {tool}.",
    "; that is all {tool} needs.",
)  # fmt: skip

# --- step by step ----------------------------------------------------------------------------------------------------

FIRST = (
    "For this I need {thing} first", "{Thing} is not in the message", "Before anything else I need {thing}",
    "To do it I have to know {thing}", "The user does not give {thing}", "Step one is {thing}",
    "It all hangs on {thing}", "I start with {thing}", "What I lack is {thing}", "First of all: {thing}",
    "There are two steps; the first is {thing}", "I cannot go on without {thing}",
)  # fmt: skip
VIA = (
    "; {tool} knows it.", ", which {tool} gives.", ", so {tool} comes first.", ". {tool} tells me.",
    "; I get it from {tool}.", ". A case for {tool}.", ", and {tool} can find it.", "; that is what {tool} is for.",
    ". I ask {tool}.", ". {tool} can give it.",
)  # fmt: skip
NOW = (
    "{Thing} is {value}", "I have {thing} now, {value}", "Now I know {thing}: {value}", "That gives {thing} {value}",
    "Found: {thing} {value}", "{value} is {thing}", "The result names {thing}, {value}", "With {value} I have {thing}",
    "There it is, {thing} {value}", "So {thing} is {value}",
)  # fmt: skip
DONE = (
    "That worked", "The result is in", "{tool} has answered", "I have what was asked for", "This answers the question",
    "{tool} gives the answer", "Everything needed is here", "The last step is done", "No further call is needed",
    "It is settled",
)  # fmt: skip
TELL_IT = (
    ", so I tell the user.", ". I pass it on.", "; time to report.", ", and I say so.", ". The user can have it.",
    "; I answer.", ". I give the result.", ", so I can reply.", "; I put it in a sentence.", ". Now the reply.",
)  # fmt: skip
REFUSED = (
    "{tool} says no: {why}", "That is not possible: {why}", "The answer is {why}", "It was refused, {why}",
    "{tool} cannot do it: {why}", "An obstacle: {why}", "No luck, {why}", "{tool} reports {why}",
)  # fmt: skip
ADAPT = (
    ". The user must decide.", "; I ask how to go on.", ". I must not choose for them.", "; I tell them and ask.",
    ". I explain it and leave the choice to them.", ", so I ask.", ". Let them choose.", "; they need to know.",
)  # fmt: skip
