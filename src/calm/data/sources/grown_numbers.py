"""Numbers as argument values: around the examples that a description gives, or in a range known for the name."""

import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from pydantic import JsonValue


class Value(NamedTuple):
    """What the call says and what the user says."""

    value: JsonValue
    said: str


Draw = Callable[[Random], Value]


class Maker(NamedTuple):
    """How values of a parameter are drawn; `kind` decides how a sentence takes them (place, date, name, id, ...)."""

    kind: str
    draw: Draw


EXAMPLES = re.compile(r"\(?\b(?:e\.?g\.?|for example|such as)[,:]? ([^();]+)\)?", re.IGNORECASE)


class Range(NamedTuple):
    """Numbers from `low` to `high` in steps, kept with `decimals`."""

    low: float
    high: float
    step: float = 1
    decimals: int = 0


_RANGES: tuple[tuple[str, str, Range], ...] = (
    (r"latitude|^lat$", "number", Range(-60, 70, 0.01, 4)),
    (r"longitude|^lon$|^lng$", "number", Range(-170, 170, 0.01, 4)),
    (r"(^| )year$", "year", Range(1960, 2025)),
    (r"^month$", "number", Range(1, 12)),
    (r"(child|kid).* age$", "number", Range(2, 15)),
    (r"(^| )age$", "number", Range(18, 82)),
    (r"^(number|num|value)$", "number", Range(1, 500)),
    (r"(^| )(id|number|code)$", "id", Range(100, 98_000)),
    (r"(limit|max results|num results|top n|top k|page size|per page|max items|count)$", "limit", Range(3, 50)),
    (r"page$", "number", Range(1, 9)),
    (r"(quantity|guests|people|adults|participants|passengers|attendees|party size|nights|tickets|rooms|seats|days"
     r"|copies|servings)$",
     "number", Range(1, 12)),
    (r"(amount|price|budget|cost|salary|income|revenue|loan|principal|balance|deposit|expenses|payment|fee|donation)"
     r"( amount)?$",
     "amount", Range(50, 9_500, 50)),
    (r"(interest|tax|discount|growth|inflation).*rate$|percent(age)?$", "number", Range(1, 25, 0.5, 1)),
    (r"weight$", "number", Range(1, 95, 0.5, 1)),
    (r"height$", "number", Range(20, 195)),
    (r"(distance|length|width|depth|radius)$", "number", Range(2, 400)),
    (r"temperature$", "number", Range(-10, 40)),
    (r"(duration|minutes|hours|time)$", "number", Range(5, 120, 5)),
    (r"(speed|velocity)$", "number", Range(10, 160, 5)),
    (r"angle$", "number", Range(5, 175, 5)),
    (r"rating$", "number", Range(1, 5)),
    (r"(population|size|users)$", "number", Range(100, 20_000, 100)),
    (r"heart rate$", "number", Range(55, 170)),
)  # fmt: skip


def numeric(words: str, schema: Mapping[str, Any]) -> Maker | None:
    """Numbers around the examples that the description gives, else in the range known for the name; in bounds."""
    kind, told = schema["type"], str(schema.get("description", ""))
    numbers = _numbers(told)
    sort, known = next(((sort, span) for pattern, sort, span in _RANGES if re.search(pattern, words)), ("number", None))
    if (numbers and known and sort not in ("year", "id")) or len(numbers) > 1:
        known = _around(numbers)
    if known is None:
        return None
    low, high = max(known.low, schema.get("minimum", known.low)), min(known.high, schema.get("maximum", known.high))
    return _between(known._replace(low=low, high=high), kind, sort, told) if low <= high else None


def _numbers(told: str) -> list[float]:
    found = EXAMPLES.search(told)
    texts = re.findall(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?![\w])", found[1]) if found else []
    return [float(text.replace(",", "")) for text in texts if text.replace(",", "")]


def _around(numbers: Sequence[float]) -> Range:
    low, high = min(numbers), max(numbers)
    decimals = max(len(f"{n:g}".partition(".")[2]) for n in numbers)
    step = 10.0**-decimals if decimals or high < 50 else max(1.0, 10.0 ** (len(str(int(high))) - 2) / 2)
    return Range(low if low <= 1 or decimals else low * 0.8, max(high * 1.2, low + 3 * step), step, decimals)


def _between(span: Range, kind: str, sort: str, told: str) -> Maker:
    unit = _unit(told) if sort in ("number", "amount") else ""
    whole = kind == "integer" or (span.decimals == 0 and float(span.step).is_integer())

    def draw(rng: Random) -> Value:
        number = round(span.low + span.step * rng.randint(0, int((span.high - span.low) / span.step)), span.decimals)
        value = int(number) if whole else number
        said = f"{value:,}" if abs(value) >= 10_000 and sort == "amount" else f"{value}"
        return Value(value, f"{said}{unit}")

    return Maker(sort, draw)


_UNIT = re.compile(
    r"\bin (?:the )?(kg|kilograms|grams|meters|metres|centimeters|kilometers|km|cm|mm|miles|feet|inches|hectares|acres"
    r"|liters|seconds|minutes|hours|days|weeks|months|years|degrees|volts|watts|newtons|square meters|square feet|USD"
    r"|dollars|euros|milliseconds|milligrams|mg|joules|percent|pounds|nautical miles|degrees Celsius|Celsius"
    r"|nanometers)\b"
)


def _unit(told: str) -> str:
    found = _UNIT.search(told)
    words = found[1] if found else ""
    return {"percent": "%", "USD": " USD", "Celsius": " degrees Celsius"}.get(words, f" {words}" if words else "")
