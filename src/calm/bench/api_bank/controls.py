"""Answers that nobody should be proud of: what they get says how soft a metric is."""

from collections.abc import Sequence
from typing import TypeVar

from calm.bench.api_bank import f1, grade
from calm.conversation import Assistant, Call

Item = TypeVar("Item")
REFUSAL = "I am sorry, I cannot do that."
GOLD, EMPTY, X, OTHER, REFUSED = "gold", "no arguments", "all X", "other's gold", "refusal"
"""Gold; the right API without arguments; every value "X"; the gold of another sample; a polite sentence."""


def answers(golds: Sequence[Call]) -> dict[str, list[tuple[Call, ...]]]:
    """A list of answers per kind, in the order of the gold calls."""
    return {
        GOLD: [(gold,) for gold in golds],
        EMPTY: [(Call(name=gold.name, arguments={}),) for gold in golds],
        X: [(Call(name=gold.name, arguments=dict.fromkeys(gold.arguments, "X")),) for gold in golds],
        OTHER: [(other,) for other in rotated(golds)],
        REFUSED: [() for _ in golds],
    }


def rotated(items: Sequence[Item]) -> list[Item]:
    """Another item for each, half a list away; of one item there is no other."""
    half = len(items) // 2
    return [*items[half:], *items[:half]]


def steps(golds: Sequence[Call]) -> dict[str, list[Assistant]]:
    """The answers that are wrong, as steps in native form."""
    found = {kind: [_step(calls) for calls in said] for kind, said in answers(golds).items() if kind != GOLD}
    return found if len(golds) > 1 else {kind: said for kind, said in found.items() if kind != OTHER}


def _step(calls: tuple[Call, ...]) -> Assistant:
    return Assistant(calls=calls) if calls else Assistant(text=REFUSAL)


def texts(golds: Sequence[str]) -> dict[str, list[str]]:
    """The same over gold texts: JSON lists of calls as Hammer's files have them, fenced where they are fenced.

    Where a gold text is no such list, only its own text, another sample's and a refusal are to be had.
    """
    whole = {GOLD: list(golds), OTHER: rotated(golds), REFUSED: [REFUSAL for _ in golds]}
    calls = [_first(gold) for gold in golds]
    known = [call for call in calls if call is not None]
    if len(known) < len(golds):
        return whole
    made = answers(known)
    spelt = {kind: [_like(gold, said) for gold, said in zip(golds, made[kind], strict=True)] for kind in (EMPTY, X)}
    return {GOLD: whole[GOLD], **spelt, OTHER: whole[OTHER], REFUSED: whole[REFUSED]}


def _first(gold: str) -> Call | None:
    name, given = f1.named(next(iter(f1.calls(gold) or []), None))
    return Call(name=name, arguments={**given}) if name else None


def _like(gold: str, calls: Sequence[Call]) -> str:
    written = grade.written(calls)
    return f"```\n{written}\n```" if gold.startswith("```") else written


def bracketed(calls: Sequence[Call]) -> str:
    """Calls as upstream writes them, a refusal where there is none."""
    return " ".join(map(_bracketed, calls)) or REFUSAL


def _bracketed(call: Call) -> str:
    inside = ", ".join(f"{key}='{value}'" for key, value in call.arguments.items())
    return f"[{call.name}({inside})]"
