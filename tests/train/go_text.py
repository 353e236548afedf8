"""The part of Go's text/template that our Ollama template uses, and a conversation as Ollama hands it over.

Neither Go nor Ollama is there where the tests run: this says what the template means by Go's documentation, with JSON
as we write it. No trimming (`{{-`), no nested templates, no pipes; an unknown word is a KeyError.
"""

import re

from calm.conversation import Assistant
from calm.format.react import compact

FUNCTIONS = {
    "and": lambda *given: next((value for value in given if not value), given[-1]),
    "eq": lambda one, other: one == other,
    "json": compact,
    "not": lambda value: not value,
}
WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\(|\)|[^\s()]+')


def execute(source, conversation):
    """The prompt that the template makes of a conversation."""
    root = _root(conversation)
    said = []
    _run(_tree(iter(re.split(r"({{.*?}})", source, flags=re.DOTALL)))[0], root, {"$": root}, said.append)
    return "".join(said)


def _root(conversation):
    def message(m):
        step = isinstance(m, Assistant)
        calls = [{"Function": {"Name": c.name, "Arguments": c.arguments}} for c in m.calls] if step else []
        said = (m.text or "", m.thought or "") if step else (m.content, "")
        return {"Role": m.role, "Content": said[0], "Thinking": said[1], "ToolCalls": calls}

    tools = [{"Function": tool.model_dump()} for tool in conversation.tools]
    return {"Messages": [message(m) for m in conversation.messages], "Tools": tools}


def _tree(pieces):
    """Nodes up to `else` or `end`: text, (head, body) of an action, (head, body, otherwise) of a block."""
    nodes = []
    for piece in pieces:
        if not piece.startswith("{{"):
            nodes.append(piece)
            continue
        head = piece[2:-2].strip()
        if head in ("end", "else"):
            return nodes, head
        if head.split()[0] in ("if", "range", "with"):
            body, closed = _tree(pieces)
            nodes.append((head, body, _tree(pieces)[0] if closed == "else" else []))
        else:
            nodes.append((head,))
    return nodes, None


def _run(nodes, dot, scope, say):
    for node in nodes:
        if isinstance(node, str):
            say(node)
        elif len(node) == 1:
            _act(node[0], dot, scope, say)
        else:
            _block(node, dot, scope, say)


def _act(head, dot, scope, say):
    name, sign, rest = head.partition("= ")
    if sign and name.startswith("$"):
        scope[name.strip(" :")] = _value(rest, dot, scope)  # each name is set before it is read, so one scope is enough
    else:
        say(str(_value(head, dot, scope)))


def _block(node, dot, scope, say):
    head, body, otherwise = node
    kind, rest = head.split(maxsplit=1)
    if kind == "range":
        index, items = rest.split(",")[0], _value(rest.partition(":= ")[2], dot, scope)
        for place, item in enumerate(items):
            _run(body, item, scope | {index: place}, say)
        return
    value = _value(rest, dot, scope)
    _run(body if value else otherwise, value if kind == "with" and value else dot, scope, say)


def _value(text, dot, scope):
    value, _ = _call(WORD.findall(text), 0, dot, scope)
    return value


def _call(words, place, dot, scope):
    """A function with its arguments, or one operand, up to the closing bracket."""
    given = []
    while place < len(words) and words[place] != ")":
        if words[place] == "(":
            value, place = _call(words, place + 1, dot, scope)
        else:
            value = _operand(words[place], dot, scope)
        given.append(value)
        place += 1
    return (given[0](*given[1:]) if callable(given[0]) else given[0]), place


def _operand(word, dot, scope):
    if word.startswith('"'):
        return word[1:-1].replace("\\n", "\n")
    if word.isdigit():
        return int(word)
    if word[0] not in ".$":
        return FUNCTIONS[word]
    name, *path = word.split(".")
    value = scope[name] if name else dot
    for key in filter(None, path):
        value = value[key]
    return value
