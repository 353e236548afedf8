"""Values that are not all in one message: told over turns, confirmed, or given by another tool that comes first.

A tool of the pool gets a required parameter of ours (a session, a key, a customer number), and beside it stands the
tool that gives it for what a person knows of themselves. What that tool answers is made up here, so it is recorded as
an observation; the last call has none, since nobody can say what the pool's tools would answer.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

from calm.conversation import Call, Conversation, Tool, User
from calm.data import bucket, phrase
from calm.data.sources import grown_lists as lists
from calm.data.sources import grown_words as words
from calm.data.sources.grown_numbers import Value
from calm.data.sources.grown_plans import given
from calm.data.sources.grown_speech import Speakable, Values, drawn, label, request
from calm.data.sources.grown_values import maker
from calm.data.sources.wire import Talk
from calm.data.thoughts import listed
from calm.data.vary_words import Key
from calm.files import dumps


class Door(NamedTuple):
    """A parameter that only another tool can fill: its name and description, that tool's names, deed and form of id."""

    name: str
    about: str
    givers: tuple[str, ...]
    deed: str
    form: str


DOORS = (
    Door("session_id", "ID of the open session", ("open_session", "sign_in", "start_session"),
         "Sign a user in and open a session", "s-{hex}"),
    Door("access_key", "Key that allows the call", ("get_access_key", "issue_key", "request_access"),
         "Give out the access key of a user", "{hex}{digits}"),
    Door("auth_code", "Code that proves who is calling", ("authenticate", "prove_identity", "log_in"),
         "Check who a user is and return an authorisation code", "{digits}"),
    Door("customer_number", "Number of the customer", ("find_customer", "look_up_customer", "customer_search"),
         "Find a customer and return the customer number", "C{digits}"),
    Door("account_id", "ID of the account", ("find_account", "get_account", "account_lookup"),
         "Look up the account of a person", "acc_{digits}"),
    Door("member_id", "ID of the member", ("find_member", "member_lookup", "get_member"),
         "Look up a member and return the ID", "M-{digits}"),
    Door("ticket", "Service ticket of the caller", ("issue_ticket", "create_ticket", "get_ticket"),
         "Issue a service ticket to a user", "tk{hex}"),
    Door("profile_id", "ID of the user's profile", ("load_profile", "find_profile", "get_profile"),
         "Find the profile of a user", "p{hex}"),
)  # fmt: skip
IDENTITIES = (
    ("email", "password"), ("user_name", "password"), ("login_name", "pin"), ("phone_number", "pin"),
    ("full_name", "birth_date"), ("email",), ("phone_number",), ("full_name", "email"), ("user_name", "secret"),
)  # fmt: skip
"""What a person can tell about themselves, as the giver's parameters."""

NEEDS = (
    "For that I need your {labels}.", "May I have your {labels}?", "What are your {labels}?",
    "To {deed} I have to know who you are. Please give me your {labels}.", "Sure. Your {labels}, please?",
    "Of course. Could you tell me your {labels}?", "I can do that. First I need your {labels}.",
    "Please tell me your {labels} first.", "Happy to. I need to look you up by your {labels}.",
)  # fmt: skip
LACKING = (
    "{tool} needs {thing}, which {giver} gives for the {labels}. I do not know these yet, so I ask.",
    "{Thing} comes from {giver}, and that takes the {labels}. I have to ask.",
    "Before {tool} comes {giver}; the {labels} for it are missing. A question first.",
    "I cannot call {giver} without the {labels}, and {tool} needs {thing}. I ask.",
    "First {giver}, then {tool}. The user has not told me the {labels}.",
    "Without {thing} no {tool}. {giver} wants the {labels}; I ask the user.",
)  # fmt: skip
IS_WAYS = (
    ("{Label}: {said}", ", {label}: {said}"),
    ("The {label} is {said}", ", the {label} {said}"),
    ("{Label} {said}", " and {label} {said}"),
    ("It's {label} {said}", " and the {label} is {said}"),
)
MY_WAYS = (
    ("My {label} is {said}", " and my {label} is {said}"), ("My {label} is {said}", ", {label} {said}"), *IS_WAYS[:3],
)  # fmt: skip
ENTRY = (
    "; {giver} gives it", ", which {giver} knows", ", so {giver} comes first", ". {giver} has it",
    "; I get it from {giver}", ", and {giver} is there for it", ". That is what {giver} returns",
    "; it comes from {giver}",
)  # fmt: skip
CONFIRM = (
    "So you want me to {deed} with {args}. Is that right?", "Just to be sure: {args}. Shall I go ahead?",
    "I have {args}. Correct?", "Let me confirm: {args}. Should I {deed}?", "{Args}. Is this all right?",
    "You would like me to {deed}: {args}. Shall I?",
)  # fmt: skip
TO_CONFIRM = (
    "I have all that {tool} needs, {args}. I let the user confirm.", "Everything for {tool} is there: {args}. I check.",
    "Before I call {tool} with {args}, the user should agree.", "{tool} could run with {args}. I ask for a yes.",
)  # fmt: skip
YES = ("Yes.", "Yes, please.", "That's right.", "Correct.", "Yes, go ahead.", "Exactly.", "Right, please do.", "Sure.")
AGREED = (
    "The user agrees", "They say yes", "It is confirmed", "The user confirms", "That was a yes", "They want it so",
)  # fmt: skip


def told(tool: Speakable, others: Sequence[Tool], rng: Random, key: Key) -> Conversation | None:
    """One call whose required values come over two to four messages of the user, sometimes confirmed before it."""
    names = [name for name, made in tool.required.items() if made.kind not in ("text", "list")]
    if len(names) < 2:
        return None
    scene = _Turns(tool, rng, key, rng.sample(names, rng.randint(1, min(3, len(names)))))
    scene.asked()
    if rng.random() < 0.3:
        scene.confirmed()
    scene.called()
    return scene.conversation([tool.tool, *others])


def keyed(tool: Speakable, others: Sequence[Tool], rng: Random, key: Key) -> Conversation | None:
    """Two calls, the first of which gives a value that the second requires; who the user is may have to be asked."""
    names = [name for name, made in tool.required.items() if made.kind not in ("text", "list")]
    door = rng.choice(DOORS)
    if not names or any(door.name.split("_")[0] in name.lower() for name in tool.required):
        return None
    locked, giver = _locked(tool, door, rng), _giver(door, tool, rng)
    scene = _Turns(locked, rng, key, rng.sample(names, rng.choice((0, 0, 0, 1))))
    scene.let_in(door, giver)
    scene.asked()
    scene.called()
    return scene.conversation([locked.tool, giver, *others])


# --- the tools -------------------------------------------------------------------------------------------------------


def _locked(tool: Speakable, door: Door, rng: Random) -> Speakable:
    """The tool with the door's parameter, first or last among its own and required."""
    schema: Any = tool.tool.parameters
    mine = {_styled(door.name, tool.tool): {"type": "string", "description": f"{door.about}."}}
    own = schema["properties"]
    properties = {**mine, **own} if rng.random() < 0.5 else {**own, **mine}
    wanted = [*mine, *schema.get("required", [])]
    parameters = {**schema, "properties": properties, "required": wanted}
    return tool._replace(tool=tool.tool.model_copy(update={"parameters": parameters}))


def _giver(door: Door, tool: Speakable, rng: Random) -> Tool:
    names = [_styled(name, tool.tool) for name in rng.choice(IDENTITIES)]
    properties = {name: {"type": "string", "description": f"The user's {label(name)}."} for name in names}
    return Tool(
        name=_styled(rng.choice(door.givers), tool.tool),
        description=rng.choice((f"{door.deed}.", f"{door.deed}, for calls that need the {label(door.name)}.")),
        parameters={"type": "object", "properties": properties, "required": names},
    )


def _styled(name: str, tool: Tool) -> str:
    """The name in camel case where the tool's own name is written so."""
    if not any(a.islower() and b.isupper() for a, b in pairwise(tool.name)):
        return name
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


# --- the conversation ------------------------------------------------------------------------------------------------


class _Turns:
    """A conversation in which the values of one call become known, until it can be made."""

    def __init__(self, tool: Speakable, rng: Random, key: Key, left: Sequence[str]) -> None:
        """The user asks for what the tool does and tells all values but those that are `left`."""
        self.tool, self.rng, self.key, self.left = tool, rng, key, list(left)
        self.values: Values = drawn(tool, rng, extras=0.2)
        self.news = ""
        self.talk = Talk(())
        self.talk.user(request(tool, self.known, rng))

    @property
    def known(self) -> Values:
        """What has been told or given so far."""
        return {name: value for name, value in self.values.items() if name not in self.left}

    def let_in(self, door: Door, giver: Tool) -> None:
        """Who the user is, asked for unless it is said at once, then the giver's call and what it gave."""
        names: Any = giver.parameters["properties"]
        mine = {name: _mine(name, self.rng) for name in names}
        forms = {"thing": f"the {label(door.name)}", "labels": listed([label(name) for name in mine])}
        if self.rng.random() < 0.5:
            self.talk.messages[-1] = User(content=f"{self.talk.said} {_listing(mine, MY_WAYS, self.rng)}")
        else:
            self.talk.say(self._thought(LACKING, **forms, giver=giver.name), self._said(NEEDS, **forms))
            self.talk.user(_listing(mine, MY_WAYS, self.rng))
        why = self._thought(words.FIRST, ENTRY, words.KNOWN, **forms, giver=giver.name, args=_args(mine))
        self.talk.act(why, [Call(name=giver.name, arguments=_arguments(mine))])
        name, value = _styled(door.name, self.tool.tool), _filled(door.form, self.rng)
        self.talk.observe([dumps({name: value})])
        properties: Any = self.tool.tool.parameters["properties"]
        found = {**self.values, name: Value(value, value)}
        self.values = {name: found[name] for name in properties if name in found}
        self.news = self._thought(words.NOW, **forms, value=value) + ". "

    def asked(self) -> None:
        """The values that are left, one or two a question, and the user's answers."""
        while self.left:
            now = self.left[: self.rng.choice((1, 1, 2))]
            forms = {"label": listed([label(name) for name in now])}
            have = words.HAVE if self.known else words.HAVE_NONE
            why = self.news + self._thought(have, words.MISSING, _SPACED, args=_args(self.known), **forms)
            self.talk.say(why, self._said(words.QUESTION, **forms))
            self.talk.user(_answer({name: self.values[name] for name in now}, self.rng))
            self.left = [name for name in self.left if name not in now]
            self.news = ""

    def confirmed(self) -> None:
        """The assistant reads the values back, and the user says yes."""
        args = _args(self.known)
        self.talk.say(self._thought(TO_CONFIRM, args=args), self._said(CONFIRM, args=args))
        self.talk.user(self.rng.choice(YES))
        self.news = self._thought(AGREED) + ". "

    def called(self) -> None:
        """The call, with all that has been told."""
        why = self._thought(words.AIM, words.FITS, words.KNOWN, args=_args(self.values))
        self.talk.act(self.news + why, [Call(name=self.tool.tool.name, arguments=_arguments(self.values))])

    def conversation(self, offered: Sequence[Tool]) -> Conversation:
        """All of it, with the tools in an order of their own."""
        self.talk.tools = tuple(sorted(offered, key=lambda tool: bucket(*self.key, "order", tool.name)))
        return self.talk.conversation(checked="schema")

    def _thought(self, *banks: Sequence[str], **forms: str) -> str:
        place = len(self.talk.messages)
        text = "".join(phrase(bank, *self.key, place, bank[0]) for bank in banks)
        return _formed(text, tool=self.tool.tool.name, deed=self.tool.deed, **forms)

    def _said(self, bank: Sequence[str], **forms: str) -> str:
        return _formed(self.rng.choice(bank), deed=self.tool.deed, **forms)


_SPACED = tuple(f" {text}" for text in words.SO_ASK)


def _formed(text: str, **forms: str) -> str:
    """The text with its forms, each also to be had with a capital."""
    return text.format(**forms, **{name.capitalize(): value[:1].upper() + value[1:] for name, value in forms.items()})


def _filled(form: str, rng: Random) -> str:
    return form.format(hex=f"{rng.getrandbits(24):06x}", digits=rng.randint(10_000, 999_999))


def _mine(name: str, rng: Random) -> Value:
    """What somebody tells of themselves: a password, a PIN, a secret, or what such a parameter is elsewhere."""
    made = maker(name, {"type": "string"})
    if "pin" in name.lower().split("_"):
        text = str(rng.randint(1000, 9999))
    elif made is None or "password" in name.lower() or "secret" in name.lower():
        text = f"{rng.choice(lists.WORDS)}{rng.choice(('', '-', '_'))}{rng.randint(1, 999)}{rng.choice(('', '!'))}"
    else:
        return made.draw(rng)
    return Value(text, text)


def _answer(values: Values, rng: Random) -> str:
    """Names and values as an answer; a single value may stand alone."""
    if len(values) > 1 or rng.random() < 0.3:
        return _listing(values, IS_WAYS, rng)
    name, value = next(iter(values.items()))
    return _formed(rng.choice(words.REPLY), label=label(name), said=value.said)


def _listing(values: Values, ways: Sequence[tuple[str, str]], rng: Random) -> str:
    first, more = rng.choice(ways)
    texts = [_formed(more if n else first, label=label(k), said=v.said) for n, (k, v) in enumerate(values.items())]
    return f"{''.join(texts)}."


def _arguments(values: Values) -> dict[str, Any]:
    return {name: value.value for name, value in values.items()}


def _args(values: Values) -> str:
    return listed([f"{name} {said}" if said else f"the {name}" for name, said in given(values)])
