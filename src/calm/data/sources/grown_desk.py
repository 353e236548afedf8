"""A small office whose tools really run: people, goods, orders, rooms, dates, distances, money, numbers.

It is what the grown part's steps are executed on. Nothing in it depends on the clock or on chance, and a fresh `Desk`
always starts from the same state, so every conversation can be played again and gives the same observations.
"""

import math
import statistics
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from calm.data.sources import grown_lists as lists
from calm.world.functions import Functions, ToolError, writes

PLACES = {
    "Amsterdam": (52.37, 4.90), "Athens": (37.98, 23.73), "Barcelona": (41.39, 2.17), "Berlin": (52.52, 13.40),
    "Brussels": (50.85, 4.35), "Budapest": (47.50, 19.04), "Cairo": (30.04, 31.24), "Chicago": (41.88, -87.63),
    "Copenhagen": (55.68, 12.57), "Dublin": (53.35, -6.26), "Hamburg": (53.55, 9.99), "Helsinki": (60.17, 24.94),
    "Istanbul": (41.01, 28.98), "Lisbon": (38.72, -9.14), "London": (51.51, -0.13), "Madrid": (40.42, -3.70),
    "Milan": (45.46, 9.19), "Munich": (48.14, 11.58), "Nairobi": (-1.29, 36.82), "Oslo": (59.91, 10.75),
    "Paris": (48.86, 2.35), "Prague": (50.08, 14.44), "Rome": (41.90, 12.50), "Stockholm": (59.33, 18.07),
    "Sydney": (-33.87, 151.21), "Tokyo": (35.68, 139.69), "Toronto": (43.65, -79.38), "Vienna": (48.21, 16.37),
    "Warsaw": (52.23, 21.01), "Zurich": (47.37, 8.54),
}  # fmt: skip
"""Latitude and longitude of the cities that the desk knows."""
RATES = {"USD": 1.0, "EUR": 1.08, "GBP": 1.27, "CHF": 1.13, "SEK": 0.095, "NOK": 0.094, "PLN": 0.25, "JPY": 0.0067}
"""Dollars for one unit: the desk's own fixed rates."""
TEAMS = ("sales", "finance", "research", "support", "design", "legal")
ROOMS = {"Alder": 4, "Birch": 6, "Cedar": 8, "Elm": 10, "Fir": 12, "Hazel": 16, "Juniper": 20, "Larch": 30}
"""Meeting rooms and how many people they hold."""
STAGES = ("open", "packed", "shipped", "delivered")


@lru_cache(maxsize=1)
def staff() -> dict[str, dict[str, Any]]:
    """Everybody in the office by name."""
    cities = list(PLACES)
    found = {}
    for place, first in enumerate(lists.FIRST):
        name = f"{first} {lists.LAST[place * 37 % len(lists.LAST)]}"
        found[name] = {
            "name": name,
            "employee_id": f"E{1000 + place * 7}",
            "email": f"{name.lower().replace(' ', '.')}@office.example",
            "phone": f"+44 555 01{place:02} {1000 + place * 13}",
            "team": TEAMS[place * 5 % len(TEAMS)],
            "city": cities[place * 11 % len(cities)],
            "days_left": place * 7 % 26,
        }
    return found


@lru_cache(maxsize=1)
def goods() -> list[dict[str, Any]]:
    """What the shop has: two kinds of each product."""
    return [
        {
            "product_id": f"{kind[0].upper()}{place * 2 + 110}",
            "name": f"{kind} {product}",
            "price": 9 + place * 17 % 140 + (40 if kind == "premium" else 0),
            "stock": (place * 5 + len(kind)) % 14,
        }
        for place, product in enumerate(lists.PRODUCTS)
        for kind in ("basic", "premium")
    ]


@lru_cache(maxsize=1)
def orders() -> dict[str, dict[str, Any]]:
    """Orders of some of the staff."""
    shop, people = goods(), list(staff().values())
    return {
        f"O{5000 + n * 3}": {
            "order_id": f"O{5000 + n * 3}",
            "email": people[n * 2 % len(people)]["email"],
            "product": shop[n * 7 % len(shop)]["name"],
            "status": STAGES[n * 3 % len(STAGES)],
        }
        for n in range(50)
    }


class Desk:
    """The office's state and its tools as methods; `tools` and `run` are those of a Toolbox."""

    def __init__(self) -> None:
        functions = Functions([getattr(self, name) for name in TOOLS])
        self.tools, self.run = functions.tools, functions.run
        self._begin()

    def _begin(self) -> None:
        """The state of the first morning."""
        self._staff, self._orders = staff(), orders()
        self._goods = [dict(row) for row in goods()]
        self._free = {name: row["days_left"] for name, row in self._staff.items()}
        self._booked: set[tuple[str, str]] = set()
        self._sent = 0

    def find_person(self, name: str) -> dict[str, Any]:
        """Find a colleague in the office directory.

        Args:
            name: first and last name
        """
        if name not in self._staff:
            raise ToolError(f"nobody is called {name!r}")
        return {key: value for key, value in self._staff[name].items() if key != "days_left"}

    @writes
    def send_email(self, to: str, text: str) -> dict[str, Any]:
        """Send an email.

        Args:
            to: email address of the recipient
            text: what the email says
        """
        if "@" not in to:
            raise ToolError(f"{to!r} is no email address")
        self._sent += 1
        return {"sent": True, "message_id": f"M{self._sent:03}"}

    def vacation_days(self, employee_id: str) -> dict[str, Any]:
        """Look up how many days of vacation an employee has left.

        Args:
            employee_id: number of the employee, such as E1007
        """
        return {"employee_id": employee_id, "days_left": self._free[self._employee(employee_id)]}

    @writes
    def request_vacation(self, employee_id: str, first_day: str, days: int) -> dict[str, Any]:
        """Request vacation for an employee.

        Args:
            employee_id: number of the employee, such as E1007
            first_day: first day of the vacation, YYYY-MM-DD
            days: how many days
        """
        name = self._employee(employee_id)
        if days > self._free[name]:
            raise ToolError(f"only {self._free[name]} days are left", days_left=self._free[name])
        self._free[name] -= days
        return {"requested": True, "first_day": _date(first_day).isoformat(), "days_left": self._free[name]}

    def find_products(self, query: str) -> dict[str, Any]:
        """Search the shop for products.

        Args:
            query: words of the product's name
        """
        found = [row for row in self._goods if query.lower() in row["name"]]
        return {"count": len(found), "products": found[:4]}

    @writes
    def place_order(self, product_id: str, quantity: int) -> dict[str, Any]:
        """Order a product from the shop.

        Args:
            product_id: number of the product, such as B110
            quantity: how many pieces
        """
        row = next((row for row in self._goods if row["product_id"] == product_id), None)
        if row is None:
            raise ToolError(f"no product {product_id!r}")
        if quantity > row["stock"]:
            raise ToolError(f"only {row['stock']} in stock", stock=row["stock"])
        row["stock"] -= quantity
        return {"order_id": f"O{9000 + quantity * 3 + row['price']}", "total": quantity * row["price"]}

    def find_orders(self, email: str) -> dict[str, Any]:
        """List the orders of a customer.

        Args:
            email: email address of the customer
        """
        found = [row for row in self._orders.values() if row["email"] == email]
        return {"count": len(found), "orders": [{k: row[k] for k in ("order_id", "product")} for row in found]}

    def track_order(self, order_id: str) -> dict[str, Any]:
        """Check the status of an order.

        Args:
            order_id: number of the order, such as O5003
        """
        if order_id not in self._orders:
            raise ToolError(f"no order {order_id!r}")
        return {"order_id": order_id, "status": self._orders[order_id]["status"]}

    def free_rooms(self, day: str, people: int) -> dict[str, Any]:
        """Find meeting rooms that are free on a day.

        Args:
            day: day of the meeting, YYYY-MM-DD
            people: how many people must fit in
        """
        taken = _date(day).day % len(ROOMS)
        names = [n for place, n in enumerate(ROOMS) if place != taken and ROOMS[n] >= people]
        return {"day": day, "rooms": [{"room": name, "seats": ROOMS[name]} for name in names[:3]]}

    @writes
    def book_room(self, room: str, day: str, time: str) -> dict[str, Any]:
        """Book a meeting room.

        Args:
            room: name of the room
            day: day of the meeting, YYYY-MM-DD
            time: start of the meeting, HH:MM
        """
        if room not in ROOMS:
            raise ToolError(f"no room {room!r}", rooms=list(ROOMS))
        if (room, day) in self._booked:
            raise ToolError(f"{room} is taken on {day}")
        self._booked.add((room, _date(day).isoformat()))
        return {"booked": room, "day": day, "time": time}

    def add_days(self, day: str, days: int) -> dict[str, Any]:
        """Calculate the date a number of days after a date.

        Args:
            day: the date to start from, YYYY-MM-DD
            days: how many days later
        """
        return {"day": (_date(day) + timedelta(days=days)).isoformat()}

    def weekday(self, day: str) -> dict[str, Any]:
        """Tell the day of the week of a date.

        Args:
            day: the date, YYYY-MM-DD
        """
        return {"day": day, "weekday": lists.WEEKDAYS[_date(day).weekday()]}

    def days_between(self, first: str, last: str) -> dict[str, Any]:
        """Count the days from one date to another.

        Args:
            first: the earlier date, YYYY-MM-DD
            last: the later date, YYYY-MM-DD
        """
        return {"days": (_date(last) - _date(first)).days}

    def convert_money(self, amount: float, source: str, target: str) -> dict[str, Any]:
        """Convert an amount of money to another currency.

        Args:
            amount: how much money
            source: currency of the amount, such as USD
            target: currency wanted, such as EUR
        """
        if unknown := [code for code in (source, target) if code not in RATES]:
            raise ToolError(f"no rate for {unknown[0]}", currencies=list(RATES))
        return {"amount": _short(amount * RATES[source] / RATES[target]), "currency": target}

    def distance(self, origin: str, destination: str) -> dict[str, Any]:
        """Calculate the distance between two cities as the crow flies.

        Args:
            origin: city to start from
            destination: city to arrive at
        """
        if unknown := [city for city in (origin, destination) if city not in PLACES]:
            raise ToolError(f"no coordinates for {unknown[0]}")
        return {"km": _kilometres(PLACES[origin], PLACES[destination])}

    def travel_time(self, km: int, speed: int) -> dict[str, Any]:
        """Calculate how long a trip takes at a constant speed.

        Args:
            km: length of the trip in kilometres
            speed: speed in kilometres per hour
        """
        if speed <= 0:
            raise ToolError("speed must be above 0")
        minutes = round(km * 60 / speed)
        return {"hours": minutes // 60, "minutes": minutes % 60}

    def summarize_numbers(self, numbers: list[float]) -> dict[str, Any]:
        """Calculate mean, median, smallest and largest of a list of numbers.

        Args:
            numbers: the numbers
        """
        if not numbers:
            raise ToolError("no numbers given")
        found = (statistics.fmean(numbers), statistics.median(numbers), min(numbers), max(numbers))
        return dict(zip(("mean", "median", "smallest", "largest"), map(_short, found), strict=True))

    def percentage(self, part: float, whole: float) -> dict[str, Any]:
        """Calculate how many percent one number is of another.

        Args:
            part: the part
            whole: the number that is 100 percent
        """
        if whole == 0:
            raise ToolError("whole must not be 0")
        return {"percent": _short(100 * part / whole)}

    def _employee(self, number: str) -> str:
        name = next((row["name"] for row in self._staff.values() if row["employee_id"] == number), None)
        if name is None:
            raise ToolError(f"no employee {number!r}")
        return name


@lru_cache(maxsize=1)
def _desk() -> Desk:
    return Desk()


def fresh() -> Desk:
    """The one desk of this process, as on its first morning: making its tools' schemas takes longer than a row."""
    desk = _desk()
    desk._begin()
    return desk


TOOLS = tuple(name for name in vars(Desk) if not name.startswith("_"))
"""The methods that are tools, in order."""


def _short(number: float) -> float:
    """Two decimals at most, and none where there is nothing behind the point."""
    rounded = round(number, 2)
    return int(rounded) if rounded == int(rounded) else rounded


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ToolError(f"{text!r} is no date; write YYYY-MM-DD") from error


def _kilometres(one: tuple[float, float], other: tuple[float, float]) -> int:
    """The great-circle distance on a sphere of 6,371 km."""
    (a, b), (c, d) = ((math.radians(x) for x in place) for place in (one, other))
    cosine = math.sin(a) * math.sin(c) + math.cos(a) * math.cos(c) * math.cos(b - d)
    return round(6371 * math.acos(max(-1.0, min(1.0, cosine))))
