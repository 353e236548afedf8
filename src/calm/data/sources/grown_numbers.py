"""Numbers as argument values: around the examples that a description gives, or in a range known for the name."""

import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from pydantic import JsonValue


class Value(NamedTuple):
    """What the call says, what the user says, and what a thought says of it where that is neither.

    Where `said` is a whole sentence, `heard` are the words in it that mean the value.
    """

    value: JsonValue
    said: str
    note: str = ""
    heard: str = ""


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
    if sort == "year" and numbers:
        known = Range(min(*numbers, 1990), max(*numbers, 2025))
    elif (numbers and known and sort != "id") or len(numbers) > 1:
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
    decimals = max(len(f"{n:.6f}".rstrip("0").partition(".")[2]) for n in numbers)
    step = 10.0**-decimals if decimals or high < 50 else max(1.0, 10.0 ** (len(str(int(high))) - 2) / 2)
    return Range(low if low <= 1 or decimals else low * 0.8, max(high * 1.2, low + 3 * step), step, decimals)


def _between(span: Range, kind: str, sort: str, told: str) -> Maker:
    unit = _unit(told) if sort in ("number", "amount") else ""
    whole = kind == "integer" or (span.decimals == 0 and float(span.step).is_integer())

    def draw(rng: Random) -> Value:
        number = round(span.low + span.step * rng.randint(0, int((span.high - span.low) / span.step)), span.decimals)
        value = int(number) if whole or float(number).is_integer() else number
        return Value(value, _spoken(value, sort, unit, rng))

    return Maker(sort, draw)


# --- how numbers are said --------------------------------------------------------------------------------------------

_UNIT = re.compile(
    r"(?:\bin (?:the )?|\((?:in )?)(kilometers per hour|miles per hour|meters per second|km/h|mph|m/s|kg|kilograms"
    r"|grams|meters|metres|centimeters|kilometers|km|cm|mm|miles|feet|inches|hectares|acres|liters|seconds|minutes|hours"
    r"|days|weeks|months|years|degrees Celsius|degrees|Celsius|Kelvin|volts|watts|newtons|square meters|square feet|USD"
    r"|dollars|euros|milliseconds|milligrams|mg|joules|percent|pounds|nautical miles|nanometers|nm|pixels|bytes|GHz)"
    r"\b(?! per|/)"
)
_BEHIND = re.compile(r"\d ?(km|hours|minutes|seconds|K|GHz|nm|dBm|kg|mg|meters|cm|mm)(?=[,) ])")
"""A unit behind a number that is given as an example: `(e.g., 10.5 km)`."""
_UNITS: dict[str, tuple[str, ...]] = {
    "kilometers per hour": ("{} kilometers per hour", "{} km/h"),
    "miles per hour": ("{} miles per hour", "{} mph"),
    "meters per second": ("{} meters per second", "{} m/s"),
    "percent": ("{}%", "{}%", "{} percent"),
    "USD": ("{} USD", "${}", "{} dollars"),
    "dollars": ("{} dollars", "${}"),
    "euros": ("{} euros", "\u20ac{}"),
    "Celsius": ("{} degrees Celsius", "{} °C"),
    "degrees Celsius": ("{} degrees Celsius", "{} °C"),
    "kg": ("{} kg", "{}kg", "{} kilos"),
    "kilograms": ("{} kilograms", "{} kg", "{} kilos"),
    "km": ("{} km", "{}km", "{} kilometers"),
    "kilometers": ("{} kilometers", "{} km"),
    "meters": ("{} meters", "{} m", "{} metres"),
    "cm": ("{} cm", "{}cm", "{} centimeters"),
    "centimeters": ("{} centimeters", "{} cm"),
    "seconds": ("{} seconds", "{} seconds", "{} s"),
    "minutes": ("{} minutes", "{} minutes", "{} min"),
    "liters": ("{} liters", "{} litres", "{} l"),
    "mg": ("{} mg", "{}mg", "{} milligrams"),
}
"""Unit as a description names it -> how people say a number of it."""
_SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def _unit(told: str) -> str:
    found = _UNIT.search(told)
    behind = set(_BEHIND.findall(told))
    return found[1] if found else behind.pop() if len(behind) == 1 else ""


def _spoken(value: float, sort: str, unit: str, rng: Random) -> str:
    """The number in digits, in a word or with commas, and with its unit, which the call leaves out."""
    form = rng.choice(_UNITS.get(unit, (f"{{}} {unit}",))) if unit else "{}"
    if sort in ("year", "id"):
        return str(value)
    if value == 1:
        return form.format(1).replace("feet", "foot").replace("inches", "inch").removesuffix("s")
    if 2 <= value <= 12 and isinstance(value, int) and (form == "{}" or form[-4:].isalpha()) and rng.random() < 0.25:
        return form.format(_SMALL[value])
    if value < 0 and not form.startswith(("$", "\u20ac")) and rng.random() < 0.3:
        return form.format(f"minus {-value}")
    return form.format(f"{value:,}" if abs(value) >= 1_000 and rng.random() < 0.5 else value)
