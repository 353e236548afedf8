"""Reading an API request from text as it was meant: lists, objects, apostrophes and either quote; in linear time.

Upstream's own reading, which loses these, is in `official`.
"""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from calm.conversation import Call
from calm.files import dumps

HEAD = re.compile(r"\[\s*(\w+)\s*\(")
TAIL = re.compile(r"\)\s*\]")
BETWEEN = re.compile(r"\)\s*\]\s*[,;]?\s*(?=\[\s*\w+\s*\()|(?<=['\"])\)\s*,\s*(?=\w+\s*\()")
"""The end of a request that another follows, in brackets of its own or in the same."""
NAMED = re.compile(r"\[?\s*(\w+)\s*\(")
NAME = re.compile(r"\b(\w++)\s*=\s*+")
NEXT = r"(?=\s*+(?:,\s*\w++\s*=|\Z))"
QUOTED = {quote: re.compile(quote + NEXT) for quote in "'\""}
"""A quote ends a value if another argument or the end follows, so `'Dr. O'Neil'` is one value."""
PLAIN = re.compile(r"[^,'\"]*+")
PLAIN_END = re.compile(r",\s*\w++\s*=|\Z")


def parse_request(text: str) -> Call | None:
    """The first API request in a text, `[Name(key='value', ...)]`, or None."""
    return next(iter(parse_requests(text)), None)


def parse_requests(text: str) -> list[Call]:
    """All API requests in a text, cut where a new one begins; what follows a request is no part of it."""
    head = HEAD.search(text)
    last = max((found.start() for found in TAIL.finditer(text, head.end())), default=-1) if head else -1
    if head is None or last < 0:
        return []
    heads = [(found, piece) for piece in BETWEEN.split(text[head.start() : last]) if (found := NAMED.match(piece))]
    return [Call(name=found[1], arguments=dict(_arguments(_ended(piece[found.end() :])))) for found, piece in heads]


def _ended(body: str) -> str:
    """The arguments up to the first tail that may end them: after nothing, a quote, or a value without quotes."""
    for tail in TAIL.finditer(body):
        end = tail.start()
        before = body[:end].rstrip()
        if not before or before[-1] in "'\"" or before.rfind("=") > max(before.rfind("'"), before.rfind('"')):
            return body[:end]
    return body


def _arguments(body: str) -> Iterator[tuple[str, JsonValue]]:
    """Names and values; a name whose value has no end is passed over."""
    place, hopeless = 0, set()
    while name := NAME.search(body, place):
        start = name.end()
        mark = body[start : start + 1]
        if mark in QUOTED and mark:
            end = None if mark in hopeless else QUOTED[mark].search(body, start + 1)
            if end is None:
                hopeless.add(mark)
            place = end.end() if end else start
        else:
            run = PLAIN.match(body, start)
            place = run.end() if run else start
            end = PLAIN_END.match(body, place)
        if end:
            text = body[start + (mark in QUOTED) : end.start()]
            yield name[1], value(text if mark in QUOTED else text.rstrip())


def value(text: str) -> JsonValue:
    """A list or object where the text spells one (as Python or JSON), else the text itself."""
    read = literal(text) if text.lstrip().startswith(("[", "{")) else None
    return text if read is None else read


def literal(text: str) -> Any:
    """What a JSON or Python literal says, None for anything else. Reads only; nothing is run."""
    for reader in (json.loads, ast.literal_eval):
        try:
            read = reader(text)
            dumps(read)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return read
    return None
