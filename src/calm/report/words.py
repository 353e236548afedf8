"""How things are spelled for people: numbers, calls, JSON, dialogue states, and text that cannot harm a screen."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from calm.conversation import Call, State

_UNSEEN = (0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF, *range(0xE0000, 0xE0080))
"""Marks that reorder or hide text: bidirectional controls, line separators, the byte-order mark, tag characters."""

_HARMLESS = {code: f"\\x{code:02x}" for code in (*range(32), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"} | {
    code: f"\\u{code:04x}" for code in _UNSEEN
}


def visible(text: str) -> str:
    r"""Text with every control character as an escape (ESC is `\x1b`), so that it can be seen and does nothing.

    Line breaks and tabs stay; lone surrogates, which no terminal or file can take, become `\udXXX`.
    """
    plain = text.replace("\r\n", "\n").translate(_HARMLESS)
    return plain.encode("utf-8", "backslashreplace").decode("utf-8")


def cut(text: str, limit: int = 20_000) -> tuple[str, str]:
    """The first `limit` characters and a note on how many are missing, empty when none are."""
    missing = len(text) - limit
    return text[:limit], f"… {missing:,} more characters" if missing > 0 else ""


def middle(text: str, head: int = 320, tail: int = 240) -> tuple[str, str, str]:
    """Text as beginning, middle and end, parted at line breaks; the last two are empty when there is little to hide."""
    if len(text) <= head + tail + 200:
        return text, "", ""
    first = text.rfind("\n", 0, head) + 1 or head
    last = text.find("\n", len(text) - tail, -1) + 1 or len(text) - tail
    return text[:first], text[first:last], text[last:]


# --- calls and JSON ------------------------------------------------------------------------------------------------


def value(found: Any) -> str:
    """A JSON value in a few characters: strings bare, the rest as JSON."""
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, default=str)


def arguments(call: Call) -> list[tuple[str, str]]:
    """The arguments of a call as pairs (name, JSON)."""
    return [(name, json.dumps(found, ensure_ascii=False)) for name, found in call.arguments.items()]


def call_line(call: Call) -> str:
    """A call as people write it: `find_restaurants(area="centre", food="thai")`."""
    return f"{call.name}({', '.join(f'{name}={text}' for name, text in arguments(call))})"


def pretty(text: str, width: int = 76) -> str:
    """JSON broken where a line would grow longer than `width`, records of plain values kept whole; other text as is."""
    try:
        return _lay(json.loads(text), width, "")
    except (ValueError, RecursionError):
        return text


def _lay(found: Any, width: int, indent: str) -> str:
    line = json.dumps(found, ensure_ascii=False)
    if not found or not isinstance(found, dict | list):
        return line
    record = not any(isinstance(v, dict | list) for v in (found.values() if isinstance(found, dict) else found))
    if len(indent) + len(line) <= (6 * width if record else width):
        return line
    inner = indent + "  "
    if isinstance(found, dict):
        items = [f"{json.dumps(k, ensure_ascii=False)}: {_lay(v, width, inner)}" for k, v in found.items()]
    else:
        items = [_lay(v, width, inner) for v in found]
    opened, closed = "{}" if isinstance(found, dict) else "[]"
    return f"{opened}\n{inner}" + f",\n{inner}".join(items) + f"\n{indent}{closed}"


def is_error(text: str) -> bool:
    """Whether an observation says that the tool failed: a JSON object with a key `error`."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "error" in found


# --- dialogue states -----------------------------------------------------------------------------------------------


class Change(NamedTuple):
    """One slot of a dialogue state and what became of it in a turn."""

    kind: Literal["kept", "added", "changed", "removed"]
    slot: str
    value: str
    was: str = ""

    @property
    def line(self) -> str:
        """The change on one line: `+ slot = value`, `~ slot = value (was other)`, `- slot (was value)`."""
        sign = {"kept": " ", "added": "+", "changed": "~", "removed": "-"}[self.kind]
        now = "" if self.kind == "removed" else f" = {self.value}"
        return f"{sign} {self.slot}{now}{f' (was {self.was})' if self.was else ''}"


def changes(before: State, after: State) -> Iterator[Change]:
    """Every slot of `after`, told apart by what `before` held, then the slots that are gone."""
    for slot, now in after.items():
        if slot not in before:
            yield Change("added", slot, value(now))
        elif before[slot] != now:
            yield Change("changed", slot, value(now), value(before[slot]))
        else:
            yield Change("kept", slot, value(now))
    for slot, was in before.items():
        if slot not in after:
            yield Change("removed", slot, "", value(was))


# --- numbers -------------------------------------------------------------------------------------------------------


def percent(share: float) -> str:
    """A share as `62.5 %`."""
    return f"{100 * share:.1f} %"


def interval(share: float, low: float | None, high: float | None, n: int) -> str:
    """A share with its interval and count: `62.5 % [47.0, 75.8], n = 40`."""
    bounds = "" if low is None or high is None else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{percent(share)}{bounds}, n = {n:,}"


def points(difference: float, low: float | None = None, high: float | None = None) -> str:
    """A difference of two shares with its sign, in percentage points: `+12.5 points [+3.0, +21.9]`."""
    bounds = "" if low is None or high is None else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{100 * difference:+.1f} points{bounds}".replace("-", "−")


def signed(found: float) -> str:
    """A difference of two averages in three decimals: `+0.125`."""
    return f"{found:+.3f}".replace("-", "−")


def span(low: float, high: float, sign: str = "-") -> str:
    """An interval in three decimals: `[0.412, 0.451]`; with `+` of a difference, `[+0.012, +0.051]`."""
    return f"[{low:{sign}.3f}, {high:{sign}.3f}]".replace("-", "−")


def p_value(p: float) -> str:
    """A p-value as far as it means something: `p = 0.27`, `p = 0.004`, `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def number(found: Any) -> str:
    """A figure in four digits (integers whole), anything else as `value` spells it."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        return value(found)
    return f"{found:,}" if isinstance(found, int) else f"{found:.4g}"


def flat(tree: Mapping[str, Any], prefix: str = "", spell: Callable[[Any], str] = value) -> dict[str, str]:
    """A tree of settings as dotted keys and spelled values, lists kept whole, empty branches left out."""
    found: dict[str, str] = {}
    for key, below in tree.items():
        if isinstance(below, Mapping):
            found |= flat(below, f"{prefix}{key}.", spell)
        else:
            found[f"{prefix}{key}"] = spell(below)
    return found
