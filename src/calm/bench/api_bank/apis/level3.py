"""The 22 APIs of level 3. What their small tables hold is read off the gold answers, which is all that a verdict needs.

Upstream writes the tables into its classes (`lv3_apis/*.py`); none is in the package. A key that no gold answer shows
is refused, which is as wrong as any other answer. `CLOTHES` and `RATES` are upstream's (DAMO-ConvAI, api-bank at
commit f30ccf2; MIT, Copyright (c) 2022 Alibaba Research): an answer must be in its words to be equal.
"""

from collections.abc import Callable, Iterable
from typing import Any

from calm.bench.api_bank.apis.agenda import MEETING, check_meeting
from calm.bench.api_bank.apis.base import API, DAY, Answer, Fault, Refusal, Same, State, alike, checked, itself
from calm.bench.api_bank.apis.media import tool_searcher
from calm.bench.api_bank.apis.town import CALCULATOR

Table = dict[tuple[tuple[str, Any], ...], Any]
CLOTHES = (
    (float("-inf"), 10, ("Warm coat", "Hat", "Gloves")),
    (10, 20, ("Light jacket", "Long-sleeved shirt")),
    (20, 30, ("T-shirt", "Shorts")),
    (30, float("inf"), ("Sun hat", "Sunglasses", "Loose-fitting clothes")),
)
"""Temperatures from, up to (not included), and what to wear; results must be upstream's words to be equal."""
RATES = ((float("inf"), 0.4), (5000, 0.3), (3000, 0.2), (1000, 0.1), (0, 0.0))
"""Salary from which a tax rate holds. The highest is reached by nobody, in upstream as here."""

ANSWER = "input output exception"


def same_name(parts: str = ANSWER, **reads: Callable[[Any], Any]) -> Same:
    """`alike`, after the test of the API's name that most level 3 classes begin with.

    Raises:
        Fault: another name (`ASSERTION_ERROR`).
    """
    compare = alike(parts, **reads)

    def same(ours: Answer, gold: Answer) -> bool:
        if ours.api != gold.api:
            raise Fault("ASSERTION_ERROR")
        return compare(ours, gold)

    return same


def same_reminder(ours: Answer, gold: Answer) -> bool:
    """Everything but the content of the mail."""
    if ours.api != gold.api:
        raise Fault("ASSERTION_ERROR")
    left, right = ({k: v for k, v in answer.input.items() if k != "content"} for answer in (ours, gold))
    return left == right and ours.output == gold.output and ours.exception == gold.exception


def same_hotels(ours: Answer, gold: Answer) -> bool:
    """Same request and hotels; upstream looks for hotels even in a refusal and breaks."""
    if ours.api != gold.api:
        raise Fault("ASSERTION_ERROR")
    if ours.input != gold.input:
        return False
    if ours.output is None:
        raise Fault("CRASH")
    return ours.output == gold.output


def email_reminder(state: State, content: str, time: str, location: str, recipient: str) -> str:
    """Nothing is sent."""
    checked(time)
    if not content.strip():
        raise Refusal("it needs a content")
    return "success"


def add_meeting(state: State, **entry: Any) -> str:
    """A meeting, which nobody can ask for later."""
    return check_meeting(**entry)


def clothing_recommendation(
    state: State, temperature: float, humidity: float, weather_conditions: str
) -> dict[str, list[str]]:
    """What to wear."""
    clothes = [item for start, end, items in CLOTHES if start <= temperature < end for item in items]
    clothes += ["Umbrella", "Waterproof shoes"] if humidity > 70 else []
    return {"clothing_options": [*clothes, *(["Raincoat"] if "rain" in weather_conditions.lower() else [])]}


def tax_calculator(state: State, salary: float) -> dict[str, float]:
    """A salary less one rate on the whole of it."""
    rate = next(rate for start, rate in RATES if salary >= start)
    return {"salary_after_tax": salary - salary * rate}


def apis(answers: Iterable[Answer]) -> dict[str, API]:
    """The 22 APIs over the tables that these (gold) answers show."""
    tables: dict[str, Table] = {}
    for answer in answers:
        tables.setdefault(answer.api, {})[_key(answer.input)] = answer.output
    return {
        **{name: API(spec, _looked_up(tables.get(name, {})), same_name()) for name, spec in LOOK_UPS.items()},
        **{name: API(spec, run(tables), same) for name, (spec, run, same) in SEARCHES.items()},
        **COMPUTED,
    }


def _key(given: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((name, tuple(v) if isinstance(v, list) else v) for name, v in given.items()))


def _looked_up(table: Table) -> Callable[..., Any]:
    def run(state: State, **given: Any) -> Any:
        if _key(given) not in table:
            raise Refusal(f"nothing known of {', '.join(map(str, given.values()))}")
        return table[_key(given)]

    return run


def _weather(tables: dict[str, Table]) -> Callable[..., Any]:
    """Weather of a place; upstream breaks on a place it does not know."""
    look_up = _looked_up(tables.get("GetWeatherForCoordinates", {}))

    def run(state: State, **given: Any) -> Any:
        try:
            return look_up(state, **given)
        except Refusal as refusal:
            raise Fault("TYPE_ERROR") from refusal

    return run


def _restaurants(tables: dict[str, Table]) -> Callable[..., Any]:
    """The same restaurants everywhere; the comparison looks at the request only."""
    everywhere = next(iter(tables.get("NearbyRestaurants", {}).values()), {"restaurants": []})
    return lambda state, **given: everywhere


def _movies(tables: dict[str, Table]) -> Callable[..., Any]:
    """Movies of each kind, all kinds having equally many."""
    kinds: dict[str, list[str]] = {}
    for ((_, wanted),), output in tables.get("MovieRecommendations", {}).items():
        movies = output["recommended_movies"]
        size = len(movies) // max(1, len(wanted))
        kinds |= {kind: movies[place * size : (place + 1) * size] for place, kind in enumerate(wanted)}

    def run(state: State, preferences: Any) -> dict[str, list[str]]:
        wanted = [str(kind) for kind in preferences]
        if not kinds.keys() >= set(wanted):
            raise Refusal(f"no movies of the kind {', '.join(sorted(set(wanted) - kinds.keys()))}")
        return {"recommended_movies": [movie for kind in wanted for movie in kinds[kind]]}

    return run


def _flights(tables: dict[str, Table]) -> Callable[..., Any]:
    """Flights of a day; none is no refusal."""
    table = tables.get("FlightSearch", {})

    def run(state: State, **given: str) -> dict[str, Any]:
        checked(given["travel_dates"], DAY)
        return table.get(_key(given), {"flights": []})

    return run


def _hotels(tables: dict[str, Table]) -> Callable[..., Any]:
    """Hotels of a place that are free from a day to a day; none is no refusal."""
    known = {_key(hotel): hotel for found in tables.get("HotelAvailability", {}).values() for hotel in found["hotels"]}

    def run(state: State, destination: str, check_in_date: str, check_out_date: str) -> dict[str, Any]:
        start, end = checked(check_in_date, DAY), checked(check_out_date, DAY)
        found = [
            hotel for hotel in known.values() if hotel["destination"] == destination and _is_free(hotel, start, end)
        ]
        return {"hotels": found}

    return run


def _is_free(hotel: dict[str, str], start: Any, end: Any) -> bool:
    return start >= checked(hotel["check_in_date"], DAY) and end <= checked(hotel["check_out_date"], DAY)


def _addresses(tables: dict[str, Table]) -> Callable[..., Any]:
    """A new address for who knows the password; accounts are those asked for elsewhere or changed here."""
    seen = [dict(key) for name in ("AccountInfo", "PersonalInfoUpdate") for key in tables.get(name, {})]
    accounts = {(account["username"], account["password"]) for account in seen}

    def run(state: State, username: str, password: str, address: str) -> dict[str, str]:
        if (username, password) not in accounts:
            raise Refusal("there is no such user")
        return {"status": "success"}

    return run


LOOK_UPS = {
    "AccountInfo": "username password",
    "Geocoding": "address",
    "GetOccupationSalary": "occupation",
    "LikeCount": "post_id:int",
    "OrganizationMembers": "organization",
    "QueryMeeting": "user_name",
    "TravelStatus": "member_name",
    "UserMoviePreferences": "user_name",
    "UserPosts": "user_id:int",
    "UserWatchedMovies": "user_name",
}
SEARCHES: dict[str, tuple[str, Callable[[dict[str, Table]], Callable[..., Any]], Same]] = {
    "GetWeatherForCoordinates": ("latitude:float longitude:float", _weather, alike(ANSWER)),
    "NearbyRestaurants": ("latitude:float longitude:float distance:int", _restaurants, same_name("input")),
    "MovieRecommendations": ("preferences:list", _movies, same_name()),
    "FlightSearch": ("source destination travel_dates", _flights, same_name()),
    "HotelAvailability": ("destination check_in_date check_out_date", _hotels, same_hotels),
    "PersonalInfoUpdate": ("username password address", _addresses, same_name("input output")),
}
COMPUTED = {
    "EmailReminder": API("content time location recipient", email_reminder, same_reminder),
    "AddMeeting": API("meeting_topic start_time end_time location attendees:list", add_meeting, MEETING),
    "ClothingRecommendation": API(
        "temperature:float humidity:float weather_conditions", clothing_recommendation, same_name()
    ),
    "TaxCalculator": API("salary:float", tax_calculator, same_name("output exception", salary=itself)),
    "Calculator": CALCULATOR,
    "ToolSearcher": API("keywords", tool_searcher, alike()),
}
