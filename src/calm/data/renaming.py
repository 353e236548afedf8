"""Renaming: the same conversation over tools that are called something else, so that descriptions have to be read.

Hammer (arXiv 2410.04587) masks the names of its single-turn calls; `renamed` does that to any conversation, in tools,
calls, observations, thoughts and wherever else a tool is spoken of, and `restyled` only turns `getUserId` into
`get_user_id` and the like. `masked` is Hammer's own masking of one query, changed defaults included. All of it is
decided by hash of a key, so a row never depends on the rows before it.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from pydantic import JsonValue

from calm.conversation import Assistant, Call, Conversation, Garbled, Message, Observation, System, Tool, User
from calm.data import bucket
from calm.files import dumps

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.0123456789"
"""Hammer's 64 characters; here a name does not begin with a dot, which `TOOL_NAME` forbids."""
TOOL_LENGTH, PARAMETER_LENGTH = (5, 15), (4, 10)


class Names(NamedTuple):
    """New names: of tools by their old name, of parameters by their tool's old name and their own."""

    tools: Mapping[str, str]
    parameters: Mapping[str, Mapping[str, str]]

    @property
    def inverse(self) -> "Names":
        """The names that undo these."""
        parameters = {
            self.tools.get(tool, tool): {new: old for old, new in inside.items()}
            for tool, inside in self.parameters.items()
        }
        return Names({new: old for old, new in self.tools.items()}, parameters)


def renamed(conversation: Conversation, *key: str | int, parameters: bool = True) -> Conversation:
    """The conversation with random tool names (5-15 characters) and parameter names (4-10), as Hammer draws them.

    A parameter that several tools share keeps one name among them. The user's words, argument values and dialogue
    state (slots of the domain, not of a tool) stay as they are.
    """
    return rename(conversation, random_names(conversation, *key, parameters=parameters))


def restyled(conversation: Conversation, *key: str | int, parameters: bool = True) -> Conversation:
    """The conversation with all tool names in one style and all parameter names in one, drawn by hash of `key`.

    Styles are snake_case, camelCase, PascalCase, dotted and kebab-case for tools, the first two for parameters.
    """
    return rename(conversation, styled_names(conversation, *key, parameters=parameters))


# --- drawing names ---------------------------------------------------------------------------------------------------


def random_names(conversation: Conversation, *key: str | int, parameters: bool = True) -> Names:
    """Random names that occur nowhere in the conversation, no two alike; the same for the same key."""
    drawn = _Drawn(_everything(conversation))
    tools = {tool.name: drawn.name(TOOL_LENGTH, "tool", tool.name, *key) for tool in conversation.tools}
    keys = dict.fromkeys(name for tool in conversation.tools for name in _properties(tool)) if parameters else {}
    return _named(conversation, tools, {name: drawn.name(PARAMETER_LENGTH, "parameter", name, *key) for name in keys})


def _named(conversation: Conversation, tools: Mapping[str, str], parameters: Mapping[str, str]) -> Names:
    """The names of a conversation in which a parameter is called the same in all tools."""
    inside: dict[str, dict[str, str]] = {tool.name: {} for tool in conversation.tools}
    for tool in conversation.tools:
        inside[tool.name] |= {name: parameters[name] for name in _properties(tool) if name in parameters}
    return Names(tools, inside)


class _Drawn:
    """Draws names until one is new and reads like no word."""

    def __init__(self, taken: str) -> None:
        self.taken = taken

    def name(self, length: tuple[int, int], *key: str | int) -> str:
        turn = 0
        while True:
            name = _random(length, *key, turn)
            if not (name.startswith(".") or _wordlike(name) or name in self.taken):
                self.taken += "\n" + name
                return name
            turn += 1


def _random(length: tuple[int, int], *key: str | int) -> str:
    least, most = length
    digest = hashlib.shake_128("\0".join(map(str, key)).encode("utf-8", "surrogatepass")).digest(most + 2)
    size = least + int.from_bytes(digest[:2]) % (most - least + 1)
    return "".join(ALPHABET[byte & 63] for byte in digest[2 : 2 + size])


def _everything(conversation: Conversation) -> str:
    return dumps([conversation.model_dump(include={"tools", "messages"})])


STYLES: dict[str, Callable[[Sequence[str]], str]] = {
    "snake": lambda words: "_".join(words).lower(),
    "camel": lambda words: words[0].lower() + "".join(map(str.capitalize, words[1:])),
    "Pascal": lambda words: "".join(map(str.capitalize, words)),
    "dotted": lambda words: f"{words[0]}.{'_'.join(words[1:])}".rstrip(".").lower(),
    "kebab": lambda words: "-".join(words).lower(),
}


def styled_names(conversation: Conversation, *key: str | int, parameters: bool = True) -> Names:
    """Names in another style; one that would collide with another, or holds no ASCII words, stays as it is."""
    style = STYLES[tuple(STYLES)[bucket("tool style", *key) % len(STYLES)]]
    inner = STYLES[("snake", "camel")[bucket("parameter style", *key) % 2]]
    calls = _calls(conversation)
    tools = _styled([tool.name for tool in conversation.tools], [call.name for call in calls], style)
    keys = [name for tool in conversation.tools for name in _properties(tool)] if parameters else []
    return _named(conversation, tools, _styled(keys, [key for call in calls for key in call.arguments], inner))


def _styled(names: Iterable[str], used: Iterable[str], style: Callable[[Sequence[str]], str]) -> dict[str, str]:
    """Names in a style; all as they are where two would become one or meet a name that is `used` otherwise."""
    olds = list(dict.fromkeys(names))
    news = {old: style(_parts(old)) if re.fullmatch(r"[A-Za-z][\w .\-]*", old, re.ASCII) else old for old in olds}
    taken = {*olds, *used}
    clash = len(set(news.values())) < len(olds) or any(new != old and new in taken for old, new in news.items())
    return {name: name for name in olds} if clash else news


def _parts(name: str) -> list[str]:
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)


# --- putting names in ------------------------------------------------------------------------------------------------


def rename(conversation: Conversation, names: Names) -> Conversation:
    """The conversation under other names; `rename(rename(c, names), names.inverse) == c` for names of `random_names`.

    A tool's name is replaced in running text where it stands as a word: in thoughts any of four characters or more; in
    other texts one that is an ordinary word (`search`) only behind a word of calling ("call search"), because elsewhere
    it may just be the word, which descriptions cannot do without. Thoughts also get new names of parameters that are no
    ordinary words, and an observation that begins with `{"error"` those of its own tool.
    """
    if not names.tools:
        return conversation
    speech = _replacer(names.tools, _wordlike)
    thought = _replacer({**_shared(names), **names.tools}, _brief)
    tools = tuple(_tool(tool, names, speech) for tool in conversation.tools)
    messages = tuple(_message(message, names, speech, thought) for message in conversation.messages)
    return conversation.model_copy(update={"tools": tools, "messages": messages})


def _shared(names: Names) -> dict[str, str]:
    """Parameters that have the same new name in each of their tools and are no ordinary words."""
    found: dict[str, set[str]] = {}
    for inside in names.parameters.values():
        for old, new in inside.items():
            found.setdefault(old, set()).add(new)
    return {old: news.pop() for old, news in found.items() if len(news) == 1 and not _wordlike(old)}


def _brief(name: str) -> bool:
    return len(name) < 4


def _wordlike(name: str) -> bool:
    return _brief(name) or re.fullmatch(r"[A-Za-z][a-z]*", name) is not None


_CALLING = r"\b(?:[Cc]all(?:s|ed|ing)?|[Uu]s(?:e|es|ed|ing)|[Rr]un(?:s|ning)?|[Tt]ools?|[Ff]unctions?) [`'\"]?"
_BEFORE, _AFTER = r"(?<!\w)(?<!\w[./:\-])", r"(?!\w)(?![./:\-]\w)"

Replace = Callable[[str], str]


def _replacer(new: Mapping[str, str], guarded: Callable[[str], bool]) -> Replace:
    """A function that puts new names for old into a text in one pass, `guarded` ones only behind a word of calling."""
    changed = {old: name for old, name in new.items() if old != name and old.strip()}

    @cache
    def pattern() -> re.Pattern[str]:  # compiling is what takes the time, and most texts name no tool
        plain = _any_of(old for old in changed if guarded(old))
        marked = _any_of(old for old in changed if not guarded(old))
        either = [f"{_BEFORE}(?P<marked>{marked}){_AFTER}"] if marked else []
        either += [f"(?P<verb>{_CALLING})(?P<plain>{plain}){_AFTER}"] if plain else []
        return re.compile("|".join(either))

    def put(found: re.Match[str]) -> str:
        groups = found.groupdict()
        if groups.get("marked"):
            return changed[groups["marked"]]
        return groups["verb"] + changed[groups["plain"]]

    return lambda text: pattern().sub(put, text) if any(old in text for old in changed) else text


def _any_of(names: Iterable[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


def _tool(tool: Tool, names: Names, speech: Replace) -> Tool:
    new = names.parameters.get(tool.name, {})
    parameters: dict[str, Any] = _described(tool.parameters, speech)
    if isinstance(parameters.get("properties"), dict):
        parameters["properties"] = _keys(parameters["properties"], new)
    if isinstance(parameters.get("required"), list):
        parameters["required"] = [new.get(key, key) if isinstance(key, str) else key for key in parameters["required"]]
    name, description = names.tools.get(tool.name, tool.name), speech(tool.description)
    return tool.model_copy(update={"name": name, "description": description, "parameters": parameters})


def _described(schema: Any, speech: Replace) -> Any:
    """The schema with tool names replaced in its descriptions; defaults, enums and the rest as they are."""
    if not isinstance(schema, dict):
        return schema
    return {
        key: speech(value)
        if key == "description" and isinstance(value, str)
        else {name: _described(inner, speech) for name, inner in value.items()}
        if key == "properties" and isinstance(value, dict)
        else _described(value, speech)
        if key == "items"
        else value
        for key, value in schema.items()
    }


def _message(message: Message, names: Names, speech: Replace, thought: Replace) -> Message:
    if isinstance(message, Assistant):
        calls = tuple(_call(call, names) for call in message.calls)
        thoughts = None if message.thought is None else thought(message.thought)
        text = None if message.text is None else speech(message.text)
        return message.model_copy(update={"calls": calls, "thought": thoughts, "text": text})
    if isinstance(message, Observation):
        if message.content.startswith('{"error"'):  # speaks of the call, so of names
            speech = _replacer({**names.parameters.get(message.name, {}), **names.tools}, lambda name: len(name) < 2)
        name = names.tools.get(message.name, message.name)
        return message.model_copy(update={"name": name, "content": speech(message.content)})
    if isinstance(message, System):
        return message.model_copy(update={"content": speech(message.content)})
    if isinstance(message, Garbled):
        return message.model_copy(update={"raw": speech(message.raw), "why": speech(message.why)})
    return message


def _call(call: Call, names: Names) -> Call:
    arguments = _keys(call.arguments, names.parameters.get(call.name, {}))
    return call.model_copy(update={"name": names.tools.get(call.name, call.name), "arguments": arguments})


def _keys(value: Mapping[str, Any], new: Mapping[str, str]) -> dict[str, Any]:
    return {new.get(key, key): inner for key, inner in value.items()}


def _properties(tool: Tool) -> dict[str, Any]:
    found = tool.parameters.get("properties")
    return found if isinstance(found, dict) else {}


# --- Hammer's masking of one query -----------------------------------------------------------------------------------


def masked(conversation: Conversation, *key: str | int) -> Conversation:
    """One user's query and its calls as Hammer masks them (MadeAgents/Hammer@5e3ca28c, train/data_processing.py).

    Of tools with one name the first is kept (upstream adds some again on the way and removes them in its last step);
    tools get new names, each parameter its own in each tool; a default that the answer uses becomes another value in
    schema, description, answer and query (`_other_defaults`); the tools are shuffled. Four things differ on purpose:
    draws are by hash of `key`, not from one random stream; names do not begin with a dot; booleans stay booleans (a
    fraction is added to them upstream); a default stays where the query could not follow it.
    """
    changed = _other_defaults(conversation.model_copy(update={"tools": first_of_name(conversation.tools)}), *key)
    tools = changed.tools
    drawn = _Drawn(_everything(changed))
    inside = {
        tool.name: {
            name: drawn.name(PARAMETER_LENGTH, "parameter", tool.name, name, *key) for name in _properties(tool)
        }
        for tool in tools
    }
    names = Names({tool.name: drawn.name(TOOL_LENGTH, "tool", tool.name, *key) for tool in tools}, inside)
    found = rename(changed, names)
    order = tuple(sorted(found.tools, key=lambda tool: bucket("order", tool.name, *key)))
    return found.model_copy(update={"tools": order})


def first_of_name(tools: Iterable[Tool]) -> tuple[Tool, ...]:
    """The tools without those whose name an earlier one has."""
    found: dict[str, Tool] = {}
    for tool in tools:
        found.setdefault(tool.name, tool)
    return tuple(found.values())


_SPELLED = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def _other_defaults(conversation: Conversation, *key: str | int) -> Conversation:
    """Each default that the answer uses, replaced by a random value wherever it stands."""
    for tool in conversation.tools:
        for name, schema in _properties(tool).items():
            old = schema.get("default") if isinstance(schema, dict) else None
            if _may_change(conversation, tool, name, old):
                new = _other_value(old, tool.name, name, *key)
                conversation = _with_default(conversation, (tool.name, name), old, new)
    return conversation


def _may_change(conversation: Conversation, tool: Tool, name: str, old: JsonValue) -> bool:
    """Whether the answer uses the default, and no other argument, bound or turn of phrase in the query rests on it."""
    schema = _properties(tool)[name]
    if old in (None, "") or isinstance(old, bool | list | dict) or any(k in schema for k in ("enum", "format")):
        return False
    if "minimum" in schema or "maximum" in schema:
        return False
    given = [(call.name, k, v) for call in _calls(conversation) for k, v in call.arguments.items()]
    own = [value for caller, k, value in given if (caller, k) == (tool.name, name) and str(value) == str(old)]
    others = [value for caller, k, value in given if (caller, k) != (tool.name, name)]
    if not own or any(type(value) is not type(old) for value in own) or any(_holds(v, str(old)) for v in others):
        return False
    query = " ".join(message.content for message in conversation.messages if isinstance(message, User))
    if isinstance(old, int) and 0 <= old < len(_SPELLED) and re.search(rf"\b{_SPELLED[old]}\b", query, re.IGNORECASE):
        return False
    return str(old).lower() not in _word(str(old)).sub("", query).lower()


def _holds(value: JsonValue, text: str) -> bool:
    return text.lower() in dumps(value).lower()


def _word(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w])(?<!\d[.,]){re.escape(text)}(?![\w])(?![.,]\d)", re.IGNORECASE)


def _calls(conversation: Conversation) -> list[Call]:
    return [call for message in conversation.messages if isinstance(message, Assistant) for call in message.calls]


def _other_value(old: JsonValue, *key: str | int) -> JsonValue:
    """As upstream: 1 to 4 more than an integer, a fraction more than a number, five random characters for a text."""
    draw = bucket("default", *key)
    if isinstance(old, int):
        return old + 1 + draw % 4
    if isinstance(old, float):
        return round(old + (1 + draw % 999) / 1000, 6)
    return _random((5, 5), "default", *key)


def _with_default(conversation: Conversation, place: tuple[str, str], old: JsonValue, new: JsonValue) -> Conversation:
    tool_name, name = place
    word = _word(str(old))

    def told(text: str) -> str:
        return word.sub(lambda _: str(new), text)

    def tool(found: Tool) -> Tool:
        if found.name != tool_name:
            return found
        properties = dict(_properties(found))
        properties[name] = {**properties[name], "default": new}
        if isinstance(properties[name].get("description"), str):
            properties[name]["description"] = told(properties[name]["description"])
        return found.model_copy(update={"parameters": {**found.parameters, "properties": properties}})

    def call(found: Call) -> Call:
        used = found.name == tool_name and name in found.arguments and str(found.arguments[name]) == str(old)
        return found.model_copy(update={"arguments": {**found.arguments, name: new}}) if used else found

    def message(found: Message) -> Message:
        if isinstance(found, Assistant):
            return found.model_copy(update={"calls": tuple(map(call, found.calls))})
        return found.model_copy(update={"content": told(found.content)}) if isinstance(found, User) else found

    changed = {"tools": tuple(map(tool, conversation.tools)), "messages": tuple(map(message, conversation.messages))}
    return conversation.model_copy(update=changed)
