"""Argument values by the name, type and description of a parameter, and how a person would say them.

A `Maker` is found once for each parameter; it draws a value of the declared type together with the words for it, which
may differ: the call says 2024-05-03, the user "3 May 2024". Where no rule knows a parameter there is no maker, and the
tool is not used.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from calm.data.sources import grown_lists as lists
from calm.data.sources.grown_numbers import EXAMPLES, Maker, Value, numeric
from calm.data.thoughts import listed
from calm.data.vary_reading import parts, wordset

SECRET = re.compile(
    r"password|token|secret|api key|passphrase|private|credential|biometric|signature|captcha|cookie|session|cursor"
    r"|exchange|^data$|hash"
)
TYPE_WORDS = wordset(
    """
    city country state region address coordinates zipcode county town name url email id date time airport street
    yyyy-mm-dd etc any none string number area code phone continent location place file path keywords latitude
    longitude neighborhood landmark venue district province postal zip field sector other all n/a group age
    gender interests demographics income value type category subject author title keyword details description
    """
)
"""Examples that name a kind of value, not a value."""


def maker(name: str, schema: Mapping[str, Any], about: str = "") -> Maker | None:
    """The maker of a parameter, or None where no rule knows values that would surely be sensible.

    Args:
        name: the parameter's.
        schema: its JSON Schema.
        about: words of the tool, to tell a film's title from a street's.
    """
    words, told = " ".join(parts(name)), str(schema.get("description", ""))
    if SECRET.search(words):
        return None
    if "enum" in schema:
        return _enum(schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return _array(name, schema, about)
    if kind not in ("string", "integer", "number"):
        return None
    if kind == "string":
        return _string(words, told, about)
    return numeric(words, schema)


# --- closed lists ----------------------------------------------------------------------------------------------------


def _enum(options: Sequence[Any]) -> Maker | None:
    plain = [o for o in options if isinstance(o, str) and re.fullmatch(r"[A-Za-z][\w -]{1,24}", o)]
    if len(plain) < 2 or len(plain) < len(options):
        return None
    return Maker("enum", lambda rng: _worded(rng.choice(plain)))


def _worded(option: str) -> Value:
    return Value(option, option.replace("_", " ") if option.islower() else option)


def _from(options: Sequence[str], kind: str = "term") -> Maker:
    def draw(rng: Random) -> Value:
        chosen = rng.choice(options)
        return Value(chosen, chosen)

    return Maker(kind, draw)


def _coded(options: Mapping[str, str], kind: str) -> Maker:
    """Codes as values and names as words; `options` is code -> name."""

    def draw(rng: Random) -> Value:
        code = rng.choice(list(options))
        return Value(code, rng.choice((code, options[code], options[code])))

    return Maker(kind, draw)


def _array(name: str, schema: Mapping[str, Any], about: str) -> Maker | None:
    items = schema.get("items")
    if not isinstance(items, dict) or items.get("type") not in ("string", "integer", "number"):
        return None
    single = maker(
        re.sub(r"ies$", "y", name).removesuffix("s"), {"description": schema.get("description", ""), **items}, about
    )
    if single is None or single.kind in ("text", "date", "time"):
        return None
    draw = single.draw

    def several(rng: Random) -> Value:
        drawn = {value.said: value for value in (draw(rng) for _ in range(rng.choice((2, 2, 3, 3, 4))))}
        return Value([value.value for value in drawn.values()], listed(list(drawn)))

    return Maker("list", several)


# --- strings ---------------------------------------------------------------------------------------------------------


def _string(words: str, told: str, about: str) -> Maker | None:
    examples = _examples(told)
    for pattern, found in _KNOWN:
        if re.search(pattern, words):
            known = found if isinstance(found, Maker) else found(words, told)
            if known is not None:
                return known
    if len(examples) > 1:
        return _from(examples, "name" if re.search(r"name$|title$", words) else "term")
    if re.search(r"^(search )?query$|keywords?$|search term$", words):
        return _from(lists.TOPICS, "topic") if _READABLE.search(about) else None
    for pattern, options in () if _TECHNICAL.search(about) else _THINGS:
        if re.search(pattern, words) or (words in ("type", "name") and re.search(pattern, about)):
            return _from(options)
    return None


def _examples(told: str) -> list[str]:
    """The values that a description gives as examples, if all of them look like values."""
    found = EXAMPLES.search(told)
    if not found:
        return []
    options = [re.sub(r"^(?:or|and) ", "", part.strip(" .'\"")) for part in re.split(r", | or ", found[1])]
    options = [option for option in options if option and option != "etc"]
    good = all(re.fullmatch(r"[\w][\w .'&/+:-]{0,29}", o) and len(o.split()) <= 4 for o in options)
    generic = any(
        set(option.lower().split()) <= TYPE_WORDS or re.search(r"specific|custom|range|^an? |^the ", option)
        for option in options
    )
    return options if good and not generic else []


def _place(words: str, told: str) -> Maker:
    if re.search(r"country|countries", told.lower()) and "cit" not in told.lower():
        return _from(tuple(lists.COUNTRIES), "place")
    return _from(lists.CITIES, "place")


def _country(words: str, told: str) -> Maker:
    if re.search(r"\bcode|iso", f"{words} {told.lower()}"):
        return _coded({code: name for name, code in lists.COUNTRIES.items()}, "place")
    return _from(tuple(lists.COUNTRIES), "place")


def _language(words: str, told: str) -> Maker | None:
    if "programming" in f"{words} {told.lower()}":
        return _from(lists.CODE, "name")
    if re.search(r"\bcode|iso|'en'|\"en\"|\ben\b", f"{words} {told.lower()}"):
        return Maker("language", lambda rng: _language_code(rng.choice(list(lists.LANGUAGES))))
    return _from(tuple(lists.LANGUAGES), "language")


def _language_code(name: str) -> Value:
    return Value(lists.LANGUAGES[name], name)


def _symbol(words: str, told: str) -> Maker | None:
    if re.search(r"crypto|coin|token", told.lower()):
        return _from(lists.COINS, "name")
    if re.search(r"stock|ticker|share|compan|equit", f"{words} {told.lower()}"):
        return _coded(lists.TICKERS, "name")
    return None


def _date(words: str, told: str) -> Maker | None:
    """ISO dates, unless the description wants another form; what the user says is a date in words or the same."""
    lower = told.lower()
    if (
        re.search(r"mm/dd|dd/mm|dd-mm|mm-dd-yyyy|timestamp|unix|range|period|[a-z]+ \d{1,2}, \d{4}|\d/\d", lower)
        and "yyyy-mm-dd" not in lower
    ):
        return None
    years = (1950, 2006) if re.search(r"birth", words) else (2023, 2026)
    return Maker("date", lambda rng: _day(rng, *years))


def _day(rng: Random, first: int, last: int) -> Value:
    year, month, day = rng.randint(first, last), rng.randint(1, 12), rng.randint(1, 28)
    name = lists.MONTHS[month - 1]
    iso = f"{year}-{month:02}-{day:02}"
    said = (
        iso,
        f"{day} {name} {year}",
        f"{name} {day}, {year}",
        f"{name} {day} {year}",
        f"the {_nth(day)} of {name} {year}",
    )
    return Value(iso, rng.choice(said))


def _nth(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number // 10 != 1 else "th"
    return f"{number}{ending}"


_CLOCK = re.compile(r"hh:?mm|24-hour|24 hour|start time|end time|time of|appointment|arrival|departure")
_NO_CLOCK = re.compile(r"duration|yyyy|date and time|:\d\d:\d\d|hh:mm:ss|exposure")
"""Descriptions of lengths of time, or of more than hours and minutes."""


def _time(words: str, told: str) -> Maker | None:
    lower = f"{words} {told.lower()}"
    if not _CLOCK.search(lower) or _NO_CLOCK.search(lower):
        return None

    twelve = re.search(r"\b[ap]m\b|\d[ap]m\b", lower)

    def draw(rng: Random) -> Value:
        hour, minute = rng.randint(7, 21), rng.choice((0, 15, 30, 45))
        now, noon = (hour - 1) % 12 + 1, "am" if hour < 12 else "pm"
        value = f"{now:02}:{minute:02} {noon.upper()}" if twelve else f"{hour:02}:{minute:02}"
        half = f"{now}{f':{minute:02}' if minute else ''} {noon}"
        return Value(value, rng.choice((value, half, half)))

    return Maker("time", draw)


def _identifier(words: str, told: str) -> Maker:
    """Marks like `PA-48213`: the first letters of what is identified and digits, in one of several forms."""
    entity = re.sub(r" (id|number|code|no|key)$|^(id|number|code)$", "", words).split()
    letters = (
        "".join(word[0] for word in entity[-2:]).upper() if len(entity) > 1 else (entity or ["item"])[0][:2].upper()
    )

    def draw(rng: Random) -> Value:
        digits = str(rng.randint(10 ** rng.randint(2, 4), 99_999))
        mark = rng.choice(
            (f"{letters}{digits}", f"{letters}-{digits}", f"{letters}_{digits}", digits, f"{letters.lower()}-{digits}")
        )
        return Value(mark, mark)

    return Maker("id", draw)


def _person(rng: Random) -> Value:
    name = f"{rng.choice(lists.FIRST)} {rng.choice(lists.LAST)}"
    return Value(name, name)


def _handle(rng: Random) -> Value:
    first, last = rng.choice(lists.FIRST).lower(), rng.choice(lists.LAST).lower()
    name = rng.choice((f"{first}_{last}", f"{first}{last}", f"{first[0]}{last}{rng.randint(1, 99)}", f"{first}.{last}"))
    return Value(name, name)


def _email(rng: Random) -> Value:
    first, last = rng.choice(lists.FIRST).lower(), rng.choice(lists.LAST).lower()
    box = f"{rng.choice((f'{first}.{last}', f'{first[0]}{last}', first))}@{rng.choice(lists.SITES)}.example"
    return Value(box, box)


def _url(rng: Random) -> Value:
    path = rng.choice(("", f"/{rng.choice(lists.FILES).replace('_', '-')}", f"/{rng.choice(lists.WORDS)}"))
    link = f"https://www.{rng.choice(lists.SITES)}.example{path}"
    return Value(link, link)


def _domain(rng: Random) -> Value:
    name = f"{rng.choice(lists.SITES)}{rng.choice(('', '-' + rng.choice(lists.WORDS)))}.{rng.choice(lists.ENDINGS)}"
    return Value(name, name)


def _ip(rng: Random) -> Value:
    address = (
        f"192.0.2.{rng.randint(1, 254)}"
        if rng.random() < 0.5
        else f"10.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"
    )
    return Value(address, address)


def _phone(rng: Random) -> Value:
    number = f"+{rng.choice((1, 44, 49, 33, 46, 61))} 555 {rng.randint(100, 999)} {rng.randint(1000, 9999)}"
    return Value(number, number)


def _address(words: str, told: str) -> Maker | None:
    if re.search(r"wallet|contract|token|mac|memory|ip |hash|ethereum|blockchain", f"{words} {told.lower()}"):
        return None

    def draw(rng: Random) -> Value:
        text = f"{rng.randint(1, 180)} {rng.choice(lists.STREETS)} {rng.choice(lists.WAYS)}, {rng.choice(lists.CITIES)}"
        return Value(text, text)

    return Maker("name", draw)


def _file(words: str, told: str) -> Maker | None:
    lower = f"{words} {told.lower()}"
    if re.search(r"director|folder|output", words):
        return Maker("file", lambda rng: _same(f"/{rng.choice(lists.FOLDERS)}"))
    ending = next((end for word, end in lists.EXTENSIONS.items() if word in lower), "")
    if not ending:
        return None
    return Maker(
        "file",
        lambda rng: _same(f"{rng.choice(('', f'/{rng.choice(lists.FOLDERS)}/'))}{rng.choice(lists.FILES)}.{ending}"),
    )


def _same(text: str) -> Value:
    return Value(text, text)


def _quoted(options: Sequence[str], kind: str) -> Maker:
    def draw(rng: Random) -> Value:
        text = rng.choice(options)
        return Value(text, f"{rng.choice(_QUOTES)}".format(text))

    return Maker(kind, draw)


_QUOTES = ("'{}'", '"{}"', "“{}”")
_TECHNICAL = re.compile(
    r"html|css|browser|figma|web ?page|kubernetes|docker|database|blockchain|selector|repositor|package"
)
_READABLE = re.compile(
    r"news|article|wiki|paper|book|video|podcast|librar|research|course|blog|forum|publication|journal|the web"
)
_Found = Maker | Callable[[str, str], Maker | None]

_KNOWN: tuple[tuple[str, _Found], ...] = (
    (r"e ?mail( address)?$", Maker("email", _email)),
    (r"(phone|mobile|telephone)( number)?$", Maker("phone", _phone)),
    (r"ip( address)?$", Maker("name", _ip)),
    (r"(domain|domain name|hostname|host name)$", Maker("name", _domain)),
    (r"(url|website|link|webpage)$", Maker("url", _url)),
    (r"(file|path|filename|file name|directory|folder)$", _file),
    (r"(^| )(birth ?date|date|deadline|date of birth)$", _date),
    (r"time$", _time),
    (r"(^| )year$", Maker("year", lambda rng: _same(str(rng.randint(1960, 2025))))),
    (r"^month$", _from(lists.MONTHS, "date")),
    (r"(day of week|day of the week|weekday)$", _from(lists.WEEKDAYS, "date")),
    (r"(language|lang|language code)$", _language),
    (r"crypto ?currency|^coin$", _from(lists.COINS, "name")),
    (r"currency( code)?$", _coded(lists.CURRENCIES, "currency")),
    (r"^(symbol|ticker|stock symbol|ticker symbol|stock ticker|stock)$", _symbol),
    (r"(^| )(city|town|city name)$", _from(lists.CITIES, "place")),
    (r"(^| )(country|nation|country name|country code)$", _country),
    (r"(^| )(location|destination|place)$|^(origin|departure city|arrival city)$", _place),
    (r"^(us )?state$", _from(lists.STATES, "place")),
    (r"address$", _address),
    (r"(zip ?code|postal code|postcode)$", Maker("name", lambda rng: _same(f"{rng.randint(10_000, 98_999)}"))),
    (r"gender$|^sex$", _from(("male", "female"), "term")),
    (r"(first|given) name$", _from(lists.FIRST, "name")),
    (r"(last|family) name$|surname$", _from(lists.LAST, "name")),
    (
        r"(patient|student|guest|author|customer|employee|player|person|participant|child|therapist|donor|member|recipient"
        r"|sender|researcher|owner|full|client|teacher|doctor|athlete|contact|volunteer|applicant|speaker|passenger|driver"
        r"|instructor"
        r"|performer|actor|director|tenant|coach|candidate|nurse|your) name$|^(author|recipient|assignee|sender)$",
        Maker("name", _person),
    ),
    (r"(user ?name|user handle|handle)$", Maker("name", _handle)),
    (
        r"(company|organization|organisation|brand|employer|business|manufacturer|vendor|supplier)( name)?$",
        _from(lists.COMPANIES, "name"),
    ),
    (
        r"(^| )id$|^(uid|uuid|identifier)$|(tracking|policy|order|case|ticket|account|invoice|batch|serial|registration"
        r"|license|reference|booking|confirmation|membership|passport) (number|code|no)$",
        _identifier,
    ),
    (
        r"(message|text|sentence|comment|body|feedback|review|notes?|statement|paragraph)$",
        _quoted(lists.SENTENCES, "text"),
    ),
    (r"(job|position|role) title$", _from(lists.JOBS, "name")),
    (r"title$", _quoted(lists.TITLES, "title")),
    (r"platform$", lambda words, told: _from(lists.PLATFORMS, "name") if "social" in told.lower() else None),
)  # fmt: skip
"""Parameters known by name, the first pattern that fits; a function may look at the description and decline."""

_THINGS: tuple[tuple[str, Sequence[str]], ...] = (
    (r"topic|theme|research question", lists.TOPICS),
    (r"product|item$|goods", lists.PRODUCTS),
    (r"animal|species|breed|wildlife", lists.ANIMALS),
    (r"plant|crop|tree|vegetable|seed", lists.PLANTS),
    (r"drug|medication|medicine", lists.DRUGS),
    (r"disease|illness|disorder|medical condition", lists.DISEASES),
    (r"sport", lists.SPORTS),
    (r"food|dish|recipe|meal|cuisine", lists.FOODS),
    (r"colou?r$", lists.COLORS),
    (r"material", lists.MATERIALS),
    (r"job|occupation|profession|career", lists.JOBS),
    (r"industry|sector", lists.INDUSTRIES),
    (r"genre", lists.GENRES),
    (r"element|metal", lists.ELEMENTS),
    (r"subject|course", lists.SUBJECTS),
    (r"instrument", lists.INSTRUMENTS),
    (r"^word$|^term$", lists.WORDS),
)
