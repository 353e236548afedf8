"""Values that a description wants in a form, and the ordinary words that people say instead; conversion is by code.

A date, a time, a length of time, a share, a phone number or a place is drawn once and written twice: as the call has it
and as the user says it. Codes of countries, currencies and languages are looked up in tables.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from random import Random
from typing import NamedTuple

from calm.data.sources import grown_lists as lists
from calm.data.sources.grown_numbers import Draw, Value


class Format(NamedTuple):
    """A form: how a description names it (to follow "given"), and values in it with the words for them."""

    name: str
    draw: Draw
    type: str = "string"


def _value(value: str | float, said: str) -> Value:
    return Value(value, said, str(value))


# --- days and hours --------------------------------------------------------------------------------------------------


def _nth(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number // 10 != 1 else "th"
    return f"{number}{ending}"


def _dates(pattern: str) -> Draw:
    def draw(rng: Random) -> Value:
        day = date(rng.randint(2023, 2027), rng.randint(1, 12), rng.randint(1, 28))
        month, nth = lists.MONTHS[day.month - 1], _nth(day.day)
        said = (
            f"{day.day} {month} {day.year}", f"{month} {day.day}, {day.year}", f"the {nth} of {month} {day.year}",
            f"{month} {nth}, {day.year}", f"{nth} {month} {day.year}", f"the {nth} of {month}, {day.year}",
        )  # fmt: skip
        return _value(day.strftime(pattern), rng.choice(said))

    return draw


_PATTERNS = {
    "as YYYY-MM-DD": "%Y-%m-%d", "in ISO 8601 form (year-month-day)": "%Y-%m-%d", "as DD/MM/YYYY": "%d/%m/%Y",
    "as MM/DD/YYYY": "%m/%d/%Y", "as DD.MM.YYYY": "%d.%m.%Y", "as DD-MM-YYYY": "%d-%m-%Y",
    "as YYYY/MM/DD": "%Y/%m/%d", "as YYYYMMDD": "%Y%m%d", "as MM-DD-YYYY": "%m-%d-%Y",
}  # fmt: skip


def _times(pattern: str, half: bool = False) -> Draw:
    def draw(rng: Random) -> Value:
        hour, minute = rng.randint(6, 22), rng.choice((0, 0, 15, 30, 45))
        clock = (hour - 1) % 12 + 1 if half else hour
        noon = "AM" if hour < 12 else "PM"
        return _value(pattern.format(h=clock, m=minute, noon=noon), rng.choice(clock_words(hour, minute)))

    return draw


def clock_words(hour: int, minute: int) -> list[str]:
    """How people say a time of day on the clock of twelve hours, always with the half of the day."""
    part = "in the morning" if hour < 12 else "in the afternoon" if hour < 18 else "in the evening"
    now, then = (hour - 1) % 12 + 1, hour % 12 + 1
    digits = f"{now}:{minute:02}" if minute else str(now)
    half = "a.m." if hour < 12 else "p.m."
    found = [f"{digits} {part}", f"{digits} {half.replace('.', '')}", f"{digits}{half.replace('.', '')}"]
    if minute == 0:
        return ["noon", "12 noon", "12 pm"] if hour == 12 else [*found, f"{now} o'clock {part}"]
    if minute == 30:
        return [*found, f"half past {now} {part}"]
    if minute == 15:
        return [*found, f"a quarter past {now} {part}"]
    return found if hour in (11, 17) else [*found, f"a quarter to {then} {part}"]


_CLOCKS = {
    "as HH:MM on the 24-hour clock": ("{h:02}:{m:02}", False), "as HH:MM (24 hours)": ("{h:02}:{m:02}", False),
    "as HH:MM:SS, 24-hour clock": ("{h:02}:{m:02}:00", False), "as HHMM, 24-hour clock": ("{h:02}{m:02}", False),
    "as HH:MM AM/PM": ("{h:02}:{m:02} {noon}", True), "in 24-hour notation": ("{h:02}:{m:02}", False),
}  # fmt: skip


def _lengths(per: float, iso: bool = False) -> Draw:
    def draw(rng: Random) -> Value:
        minutes, said = rng.choice(_LENGTHS)
        hours, rest = divmod(minutes, 60)
        text = "PT" + (f"{hours}H" if hours else "") + (f"{rest}M" if rest else "")
        return _value(text if iso else int(minutes * per), said)

    return draw


_LENGTHS = (
    (30, "half an hour"), (90, "an hour and a half"), (60, "an hour"), (120, "two hours"), (45, "three quarters of an "
    "hour"), (75, "an hour and a quarter"), (150, "two and a half hours"), (180, "three hours"), (15, "a quarter of an "
    "hour"), (240, "four hours"), (105, "an hour and 45 minutes"), (80, "an hour and 20 minutes"), (135, "two hours "
    "and 15 minutes"), (100, "1 hour 40 minutes"), (300, "five hours"), (210, "three and a half hours"),
    (70, "1 h 10 min"),
)  # fmt: skip

# --- numbers ---------------------------------------------------------------------------------------------------------


def _shares(rng: Random) -> Value:
    percent = rng.choice((*range(1, 40), 45, 50, 60, 75, 80, 90, *(n + 0.5 for n in range(1, 13)), 0.5, 1.25, 2.75))
    return _value(round(percent / 100, 4), f"{percent}{rng.choice(('%', ' percent', ' per cent', ' %'))}")


def scaled(factor: int, units: Sequence[str], whole: Sequence[float]) -> Draw:
    """A number that is said in a larger unit and wanted in one that is `factor` times smaller."""

    def draw(rng: Random) -> Value:
        number = rng.choice(whole)
        return _value(round(number * factor), f"{number} {rng.choice(units)}")

    return draw


def _phones(pattern: str, groups: bool = False) -> Draw:
    def draw(rng: Random) -> Value:
        area, last = rng.choice((202, 212, 303, 312, 415, 503, 617, 702, 808)), f"{rng.randint(100, 199):04}"
        said = [f"{area}-555-{last}", f"({area}) 555-{last}", f"{area} 555 {last}", f"{area}.555.{last}"]
        if not groups:
            said = [f"+1 {text}" for text in said]
        value = pattern.format(a=area, l=last)
        return _value(value, rng.choice([text for text in said if text != value]))

    return draw


# --- places and codes ------------------------------------------------------------------------------------------------

STATES = {
    "AL": ("Alabama", "Birmingham Montgomery Huntsville"), "AK": ("Alaska", "Anchorage Juneau"),
    "AZ": ("Arizona", "Phoenix Tucson Mesa"), "AR": ("Arkansas", "Little_Rock"),
    "CA": ("California", "Los_Angeles San_Francisco San_Diego Sacramento Fresno Oakland"),
    "CO": ("Colorado", "Denver Boulder"), "CT": ("Connecticut", "Hartford New_Haven"),
    "FL": ("Florida", "Miami Orlando Tampa Jacksonville"), "GA": ("Georgia", "Atlanta Savannah"),
    "HI": ("Hawaii", "Honolulu"), "ID": ("Idaho", "Boise"), "IL": ("Illinois", "Chicago Springfield"),
    "IN": ("Indiana", "Indianapolis Fort_Wayne"), "IA": ("Iowa", "Des_Moines"), "KS": ("Kansas", "Wichita Topeka"),
    "KY": ("Kentucky", "Louisville Lexington"), "LA": ("Louisiana", "New_Orleans Baton_Rouge"),
    "ME": ("Maine", "Augusta"), "MD": ("Maryland", "Baltimore Annapolis"), "MA": ("Massachusetts", "Boston Worcester"),
    "MI": ("Michigan", "Detroit Ann_Arbor Grand_Rapids"), "MN": ("Minnesota", "Minneapolis Duluth"),
    "MO": ("Missouri", "Kansas_City"), "NE": ("Nebraska", "Omaha Lincoln"), "NV": ("Nevada", "Las_Vegas Reno"),
    "NM": ("New Mexico", "Albuquerque Santa_Fe"), "NC": ("North Carolina", "Charlotte Raleigh Durham"),
    "OH": ("Ohio", "Cleveland Cincinnati Columbus Toledo"), "OK": ("Oklahoma", "Tulsa"),
    "OR": ("Oregon", "Portland Eugene Salem"), "PA": ("Pennsylvania", "Philadelphia Pittsburgh"),
    "RI": ("Rhode Island", "Providence"), "SC": ("South Carolina", "Charleston Columbia"),
    "TN": ("Tennessee", "Nashville Memphis Knoxville"),
    "TX": ("Texas", "Houston Dallas Austin San_Antonio El_Paso Fort_Worth"), "UT": ("Utah", "Salt_Lake_City Provo"),
    "VT": ("Vermont", "Burlington"), "VA": ("Virginia", "Richmond Norfolk"),
    "WA": ("Washington", "Seattle Spokane Tacoma"), "WI": ("Wisconsin", "Milwaukee Madison"),
    "WY": ("Wyoming", "Cheyenne"),
}  # fmt: skip
"""States of the US by their letters: the name, and cities there."""
FAMOUS = frozenset(
    [
        "Los_Angeles",
        "San_Francisco",
        "San_Diego",
        "Chicago",
        "Boston",
        "Seattle",
        "Houston",
        "Dallas",
        "Denver",
        "Miami",
        "Philadelphia",
        "Phoenix",
        "Atlanta",
        "Honolulu",
        "Las_Vegas",
        "New_Orleans",
        "Nashville",
        "Detroit",
        "Minneapolis",
        "Milwaukee",
        "Pittsburgh",
        "Salt_Lake_City",
        "Austin",
    ]
)
"""Cities that need no state to be known."""


def _american(pattern: str) -> Draw:
    def draw(rng: Random) -> Value:
        code, (state, cities) = rng.choice(list(STATES.items()))
        city = rng.choice(cities.split())
        plain = city.replace("_", " ")
        said = [f"{plain}, {state}", f"{plain} in {state}", f"{plain}, {state}", f"{plain} ({state})"]
        bare = [plain] * 4 if city in FAMOUS else []
        return _value(pattern.format(city=plain, code=code, state=state), rng.choice([*said, *bare]))

    return draw


def _worldly(pattern: str) -> Draw:
    def draw(rng: Random) -> Value:
        city, country = rng.choice([pair for pair in lists.HOME.items() if pair[1] in CODES])
        said = rng.choice((city, city, f"{city} in {country}", f"{city} ({country})"))
        return _value(pattern.format(city=city, country=country, code=CODES[country][0]), said)

    return draw


CODES = {
    "Argentina": ("AR", "ARG"), "Australia": ("AU", "AUS"), "Austria": ("AT", "AUT"), "Belgium": ("BE", "BEL"),
    "Brazil": ("BR", "BRA"), "Canada": ("CA", "CAN"), "Chile": ("CL", "CHL"), "China": ("CN", "CHN"),
    "Colombia": ("CO", "COL"), "Croatia": ("HR", "HRV"), "Denmark": ("DK", "DNK"), "Egypt": ("EG", "EGY"),
    "Estonia": ("EE", "EST"), "Finland": ("FI", "FIN"), "France": ("FR", "FRA"), "Germany": ("DE", "DEU"),
    "Ghana": ("GH", "GHA"), "Greece": ("GR", "GRC"), "Hungary": ("HU", "HUN"), "Iceland": ("IS", "ISL"),
    "India": ("IN", "IND"), "Indonesia": ("ID", "IDN"), "Ireland": ("IE", "IRL"), "Italy": ("IT", "ITA"),
    "Japan": ("JP", "JPN"), "Kenya": ("KE", "KEN"), "Latvia": ("LV", "LVA"), "Lithuania": ("LT", "LTU"),
    "Mexico": ("MX", "MEX"), "Morocco": ("MA", "MAR"), "Netherlands": ("NL", "NLD"), "New Zealand": ("NZ", "NZL"),
    "Nigeria": ("NG", "NGA"), "Norway": ("NO", "NOR"), "Peru": ("PE", "PER"), "Poland": ("PL", "POL"),
    "Portugal": ("PT", "PRT"), "Romania": ("RO", "ROU"), "Slovakia": ("SK", "SVK"), "Slovenia": ("SI", "SVN"),
    "South Africa": ("ZA", "ZAF"), "South Korea": ("KR", "KOR"), "Spain": ("ES", "ESP"), "Sweden": ("SE", "SWE"),
    "Switzerland": ("CH", "CHE"), "Thailand": ("TH", "THA"), "Ukraine": ("UA", "UKR"), "Vietnam": ("VN", "VNM"),
}  # fmt: skip
"""Countries and their codes of two and three letters (ISO 3166-1)."""
LOCALES = {
    "American English": "en-US", "British English": "en-GB", "Australian English": "en-AU", "Mexican Spanish": "es-MX",
    "Canadian French": "fr-CA", "Brazilian Portuguese": "pt-BR", "European Portuguese": "pt-PT",
    "Swiss German": "de-CH",
    "Austrian German": "de-AT", "Swiss French": "fr-CH", "Argentinian Spanish": "es-AR", "Canadian English": "en-CA",
}  # fmt: skip


def _looked_up(codes: Mapping[str, str]) -> Draw:
    def draw(rng: Random) -> Value:
        name = rng.choice(list(codes))
        return _value(codes[name], name)

    return draw


# --- the forms -------------------------------------------------------------------------------------------------------

_MONEY = {name: code for code, name in lists.CURRENCIES.items()}
FORMATS: dict[str, tuple[Format, ...]] = {
    "date": tuple(Format(name, _dates(pattern)) for name, pattern in _PATTERNS.items()),
    "time": tuple(Format(name, _times(*pattern)) for name, pattern in _CLOCKS.items()),
    "city": (
        Format("as 'City, ST' with the two letters of the state", _american("{city}, {code}")),
        Format("as city and state, the state abbreviated", _american("{city}, {code}")),
        Format("as 'City, State' with the state in full", _american("{city}, {state}")),
        Format("as 'City, Country'", _worldly("{city}, {country}")),
        Format("as city and country with a comma between", _worldly("{city}, {country}")),
        Format("as 'City, CC' with the two-letter code of the country", _worldly("{city}, {code}")),
    ),
    "country": (
        Format("as a two-letter ISO country code", _looked_up({name: two for name, (two, _) in CODES.items()})),
        Format("as an ISO 3166-1 alpha-2 code", _looked_up({name: two for name, (two, _) in CODES.items()})),
        Format("as a three-letter ISO country code", _looked_up({name: three for name, (_, three) in CODES.items()})),
    ),
    "language": (
        Format("as an ISO 639-1 code", _looked_up(lists.LANGUAGES)),
        Format("as a two-letter language code", _looked_up(lists.LANGUAGES)),
        Format("as a locale of language and region", _looked_up(LOCALES)),
    ),
    "currency": (
        Format("as an ISO 4217 code", _looked_up(_MONEY)),
        Format("as a three-letter currency code", _looked_up(_MONEY)),
    ),
    "phone": (
        Format("in E.164 form, a plus and digits only", _phones("+1{a}555{l}")),
        Format("as +1-XXX-XXX-XXXX", _phones("+1-{a}-555-{l}")),
        Format("as ten digits without any signs", _phones("{a}555{l}", groups=True)),
        Format("as XXX-XXX-XXXX", _phones("{a}-555-{l}", groups=True)),
    ),
    "share": (
        Format("as a decimal share between 0 and 1", _shares, "number"),
        Format("as a fraction of one, not in percent", _shares, "number"),
    ),
    "minutes": (Format("in whole minutes", _lengths(1), "integer"), Format("in minutes", _lengths(1), "integer")),
    "seconds": (Format("in seconds", _lengths(60), "integer"),),
    "length": (Format("as an ISO 8601 duration", _lengths(1, iso=True)),),
    "meters": (
        Format("in meters", scaled(1000, ("km", "kilometers"), (0.5, 1.5, 2, 2.5, 3, 4.2, 5, 8, 12)), "integer"),
    ),
}
