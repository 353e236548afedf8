"""Errands: a hotel room, a stock price, what happened on this day, a sum, today's date, music, mail."""

import operator
import re
from collections.abc import Callable

from calm.bench.api_bank.apis.base import (
    API,
    DAY,
    Answer,
    Refusal,
    State,
    alike,
    checked,
    day,
    equal,
    folded,
    raised,
)

TODAY = "2023-03-31"
"""The day on which upstream's world stands still."""
ADDRESS = re.compile(r"[a-z0-9]+[._]?[a-z0-9]+@\w+\.\w{2,3}$")
TERM = re.compile(r"(\([^()]*\))|(\d+)|(.)")
"""A bracket without brackets in it, a number, a sign."""
SIGNS: dict[str, Callable[[float, float], float]] = {
    "*": operator.mul,
    "/": operator.truediv,
    "+": operator.add,
    "-": operator.sub,
}


def book_hotel(state: State, hotel_name: str, check_in_time: str, check_out_time: str, **counts: int) -> str:
    """The number of a booking; a hotel has one room: it is taken if either end falls into another booking."""
    start, end = checked(check_in_time, DAY), checked(check_out_time, DAY)
    if counts["adult_count"] > 2 and counts["room_count"] == 1:
        raise Refusal("more than two adults need two rooms")
    bookings = state["Hotel"]
    for other in (booking for booking in bookings.values() if booking["hotel_name"] == hotel_name):
        taken, free = checked(other["check_in_time"], DAY), checked(other["check_out_time"], DAY)
        if taken <= start < free or taken < end <= free:
            raise Refusal("no room is free")
    number = str(len(bookings) + 1)
    bookings[number] = {"hotel_name": hotel_name, "check_in_time": check_in_time, "check_out_time": check_out_time}
    return number


def query_stock(state: State, stock_code: str, date: str) -> float:
    """The price of a share on a day."""
    code, when = raised(stock_code), day(date)
    prices = state.initial["Stock"].get(code)
    if prices is None:
        raise Refusal("there is no such share")
    if when not in prices:
        raise Refusal("no price for that day")
    return prices[when]


def year_day(date: str) -> str:
    """Month and day of a date with or without its year."""
    try:
        return day(date)[-len("12-31") :]
    except Refusal:
        return checked(date.strip(), "%m-%d").strftime("%m-%d")


def query_history_today(state: State, date: str) -> list[str]:
    """What happened on that day of the year, a line each."""
    events = state.initial["History"].get(year_day(date))
    if events is None:
        raise Refusal("nothing known of that day")
    parts = ("Title", "Date", "Description")
    return [", ".join(f"{part}: {event[part].strip()}" for part in parts) for event in events]


def get_today(state: State) -> str:
    """Always the same day."""
    return TODAY


def play_music(state: State, music_name: str) -> str:
    """The address that would make a player play."""
    name = folded(music_name)
    if not name:
        raise Refusal("it needs a title")
    return f"music://{name}"


def send_email(state: State, receiver: str, subject: str, content: str) -> str:
    """Nothing is sent; the address must look like one."""
    if not ADDRESS.match(receiver.strip()):
        raise Refusal("that is no address")
    if not subject.strip() or not content.strip():
        raise Refusal("it needs a subject and a content")
    return "success"


# --- sums ----------------------------------------------------------------------------------------------------------


def calculator(state: State, formula: str) -> float:
    """The value of a formula over whole numbers, read as upstream does: brackets may stand but not nest.

    A sign at the start is refused here; upstream never returns from it.
    """
    text = formula.replace(" ", "")
    signs = sum(character in SIGNS for character in text)
    foreign = set(text) - set("0123456789+-*/()")
    if foreign or text.count("(") != text.count(")") or signs in (0, len(text) - 1):
        raise Refusal(f"{formula!r} is no formula")
    try:
        return _value(text)
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise Refusal(f"{formula!r} has no value") from error


def _value(text: str) -> float:
    """What a formula comes to; two numbers side by side are the first of them, as in upstream."""
    parts: list[float | str] = [
        _value(bracket[1:-1]) if bracket else float(number) if number else sign
        for bracket, number, sign in TERM.findall(text)
    ]
    for level in ("*/", "+-"):
        parts = _reduced(parts, level)
    if {"(", ")"} & set(parts):
        raise ValueError("brackets do not nest")
    return float(parts[0])


def _reduced(parts: list[float | str], level: str) -> list[float | str]:
    """The parts with the signs of one level worked off, from left to right."""
    done: list[float | str] = []
    for part in parts:
        if len(done) > 1 and str(done[-1]) in level:
            sign, left = str(done.pop()), float(done.pop())
            part = SIGNS[sign](left, float(part))
        done.append(part)
    if done and (str(done[0]) in level or str(done[-1]) in level):
        raise ValueError("a sign without a number")
    return done


def without_blanks(formula: str) -> str:
    """A formula as it is compared."""
    return formula.replace(" ", "")


def same_day(ours: Answer, gold: Answer) -> bool:
    """Any answer to "what day is it" is right."""
    return True


CALCULATOR = API("formula", calculator, alike(formula=without_blanks))

APIS = {
    "BookHotel": API(
        "hotel_name check_in_time check_out_time room_count:int adult_count:int child_count:int", book_hotel, equal
    ),
    "QueryStock": API("stock_code date", query_stock, alike(stock_code=raised, date=day)),
    "QueryHistoryToday": API("date", query_history_today, alike(date=year_day)),
    "GetToday": API("", get_today, same_day),
    "PlayMusic": API("music_name", play_music, alike("output")),
    "SendEmail": API(
        "receiver subject content", send_email, alike(receiver=folded, subject=str.strip, content=str.strip)
    ),
    "Calculator": CALCULATOR,
}
