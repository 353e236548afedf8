"""Plans: what is thought before calls in parallel, how many there are and for each its tool and every value.

The calls that follow can be copied from the plan one by one, and its end says that there are no more. A row keeps one
way of writing throughout; ways are drawn by hash from several banks at once, so that no pattern becomes common.
"""

from collections.abc import Sequence

from calm.data import phrase
from calm.data.sources import grown_words as words
from calm.data.sources.grown_numbers import Value
from calm.data.sources.grown_speech import Values, label
from calm.data.thoughts import listed
from calm.data.vary_words import Key

LONG = 40
"""Characters from which on a value stands in a thought by its name only."""


Wanted = tuple[str, Sequence[tuple[str, str]]]
"""A call to be: the tool's name, and the names and values of its arguments as the thought has them."""


def plan(wanted: Sequence[Wanted], key: Key) -> str:
    """The thought before the calls `wanted`, in their order; a value that is empty is left to its name."""
    tools = list(dict.fromkeys(tool for tool, _ in wanted))
    opening = phrase(words.PLAN + (words.PLAN_ONE if len(tools) == 1 else words.PLAN_MORE), *key, "opening")
    end, turn = phrase(words.PLAN_END, *key, "end"), phrase(words.PLAN_TURN, *key, "turn")
    mark, joint = phrase(words.NUMBERED, *key, "mark"), phrase(words.PLAN_JOINT, *key, "joint")
    items = [_marked(mark, place) + _item(*one, key) for place, one in enumerate(wanted)]
    forms = _counted(key, count=len(wanted), kinds=len(tools)) | {"tool": tools[0], "tools": listed(tools)}
    return f"{opening.format(**forms)}{turn}{joint.join(items)}.{end.format(**forms)}"


def given(values: Values) -> list[tuple[str, str]]:
    """Names and values as a thought tells them: bare numbers, notes, else what was said; nothing for long ones."""
    return [(label(name), bare(value) if len(bare(value)) < LONG else "") for name, value in values.items()]


def bare(value: Value) -> str:
    """The value without the unit or the words in which a number was said."""
    return value.note or (str(value.value) if isinstance(value.value, int | float) else value.said)


def _item(tool: str, pairs: Sequence[tuple[str, str]], key: Key) -> str:
    if not pairs:
        return tool
    way = phrase(words.GIVEN, *key, "given")
    parts = [way.format(label=name, said=said) if said else f"the {name}" for name, said in pairs]
    joined = listed(parts) if phrase(("and", "comma"), *key, "joined") == "and" else ", ".join(parts)
    return phrase(words.ITEM, *key, "item").format(tool=tool, pairs=joined)


def _marked(way: str, place: int) -> str:
    return way.format(n=place + 1, letter="abcdefgh"[place], nth=words.NTH[place])


def _counted(key: Key, **counts: int) -> dict[str, str]:
    """Each number in words or, in a third of the rows, in digits; under its name, and capitalised."""
    digits = phrase(("word", "word", "digit"), *key, "number") == "digit"
    found = {name: str(count) if digits else words.COUNT[count] for name, count in counts.items()}
    return found | {name.capitalize(): text.capitalize() for name, text in found.items()}
