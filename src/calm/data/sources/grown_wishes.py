"""Optional parameters that go with tools of the pool, and how people say their values in passing.

A wish is said as a whole sentence ("I don't need more than five.") or at the end of the request (", cheapest first").
All names, descriptions and wordings are ours; which wishes suit a tool is read from its verb and its words.
"""

import re
from collections.abc import Mapping
from random import Random
from typing import Any, NamedTuple, cast

from calm.conversation import Tool
from calm.data.sources.grown_numbers import Draw, Maker, Value
from calm.data.vary_reading import READING, deed, parts, wordset


class Wish(NamedTuple):
    """An optional parameter: name, JSON type, what it is, how it is drawn and said, and its closed list of values."""

    name: str
    type: str
    told: str
    draw: Draw
    options: tuple[str, ...] = ()

    def schema(self, rng: Random) -> dict[str, Any]:
        """Its JSON Schema, in one of several ways to describe it."""
        form = rng.choice(_FLAGS if self.type == "boolean" else _TELLS)
        listed = {"enum": list(self.options)} if self.options else {}
        return {"type": self.type, "description": form.format(told=self.told, Told=_upper(self.told)), **listed}


_TELLS = ("{Told}.", "{Told}", "Optional: {told}.", "{Told}. Leave it out if it does not matter.", "{Told} (optional).")
_FLAGS = ("Whether {told}.", "If true, {told}.", "Optional flag: {told}.", "True if {told}", "Says whether {told}.")


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _flag(name: str, told: str, yes: tuple[str, ...], no: tuple[str, ...]) -> Wish:
    return Wish(name, "boolean", told, _either(yes, no))


def _either(yes: tuple[str, ...], no: tuple[str, ...]) -> Draw:
    def draw(rng: Random) -> Value:
        value = rng.random() < 0.6
        return Value(value, rng.choice(yes if value else no), "true" if value else "false")

    return draw


def _choice(name: str, told: str, ways: Mapping[str, tuple[str, ...]], unsaid: tuple[str, ...] = ()) -> Wish:
    """One of a closed list, each value with the words that people have for it; `unsaid` ones are offered only."""

    def draw(rng: Random) -> Value:
        value = rng.choice(list(ways))
        return Value(value, rng.choice(ways[value]), value)

    return Wish(name, "string", told, draw, (*ways, *unsaid))


def _number(name: str, told: str, options: tuple[float, ...], said: tuple[str, ...]) -> Wish:
    kind = "integer" if all(isinstance(option, int) for option in options) else "number"
    return Wish(name, kind, told, lambda rng: counted(rng.choice(options), said, rng))


def counted(value: float, said: tuple[str, ...], rng: Random) -> Value:
    """A number in one of the phrases; a small whole one is sometimes said in a word."""
    small = isinstance(value, int) and 2 <= value < len(_SMALL) and rng.random() < 0.4
    text = rng.choice(said).format(v=_SMALL[int(value)] if small else value)
    return Value(value, _upper(text), str(value))


_SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

# --- parameters of ours ----------------------------------------------------------------------------------------------

LISTING = (
    _number("max_results", "how many results to return at most", (3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 50),
            (", at most {v}", ", no more than {v}", "I don't need more than {v}.", "{v} results are enough.",
             "Limit it to {v} results.", "Give me {v} at most.", "Stop after {v} results.")),
    _choice("sort_by", "what the results are sorted by", {
        "name": (", in alphabetical order", "Sort by name, please.", "I want them from A to Z."),
        "date": (", sorted by date", "Put them in order of date.", "Sort by date."),
        "relevance": (", most relevant first", "The most relevant ones go on top.")}),
    _choice("order", "direction of the sorting", {
        "asc": (", in ascending order", "Lowest first, please.", "Go from low to high."),
        "desc": (", in descending order", "Highest first, please.", "Go from high to low.")}),
    _number("page", "page of the results, from 1", (2, 3, 4, 5), ("Show me page {v}.", "I'm on page {v} already.")),
    _flag("exclude_duplicates", "entries that come twice are dropped", (", without duplicates", "Leave out doubles.",
          "I don't want to see anything twice."), ("Duplicates are fine.", "Keep the duplicates in.")),
    _flag("include_archived", "archived entries are returned as well", (", including archived ones", "Archived entries "
          "count too.", "Include what has been archived."), (", but nothing archived", "Leave out archived entries.")),
    _flag("verified_only", "only verified entries are returned", (", verified ones only", "Only verified ones, please.",
          "Skip whatever isn't verified."), ("They don't have to be verified.", "Unverified ones are fine too.")),
    _number("since_year", "first year of the entries", tuple(range(1995, 2024)),
            (", nothing older than {v}", "Nothing from before {v}, please.", "Start from {v}.")),
)  # fmt: skip
"""For tools that give several things."""
WORKING = (
    _number("decimals", "digits after the point", (0, 2, 3, 4), (", with {v} decimals", "Round it to {v} decimals.",
            "{v} decimal places will do.", "Use {v} decimal places.")),
    _flag("show_steps", "each step of the calculation is shown", (", step by step", "Show me how you get there.",
          "I'd like to see the steps."), ("Just the result, no steps.", "I don't need the steps.")),
    _choice("rounding", "how the result is rounded", {
        "up": (", rounded up", "Round up, please."), "down": (", rounded down", "Round down if needed."),
        "nearest": ("Round to the nearest number.", "Ordinary rounding is fine.")}),
    _flag("include_formula", "the formula is returned with the result", (", together with the formula",
          "I want to see the formula too."), (", without the formula", "Leave the formula out.")),
)  # fmt: skip
"""For tools that work something out."""
TELLING = (
    _choice("format", "form of the answer", {
        "pdf": ("I need it as a PDF.", ", as a PDF"), "csv": (", as a CSV file", "Give it to me as CSV."),
        "table": (", as a table", "A table would be best."), "text": ("Plain text is fine.", "As plain text, please.")},
        ("json",)),
    _choice("detail_level", "how much is told", {
        "brief": (", just the essentials", "Keep it short.", "A brief version will do.", "In short, please."),
        "full": (", with all the details", "I want every detail.", "Be as thorough as you can.")}, ("normal",)),
    _flag("include_history", "earlier values are returned as well", (", including past values", "I'd like the history "
          "too.", "Show how it was before as well."), (", without the history", "Past values don't interest me.")),
    _flag("include_sources", "the sources are named", (", with sources", "Tell me the sources too.", "Name your "
          "sources."), ("No sources needed.", ", without the sources", "You can leave out the sources.")),
    _flag("include_links", "links for further reading are returned", (", with links", "Links would be useful.", "Give "
          "me some links as well."), (", without links", "No links, please.", "I don't need any links.")),
    _flag("exact", "exact values are returned, not rounded ones", ("I need the exact figures.", "Be as exact as "
          "possible."), ("Rough figures will do.", "It needn't be exact.")),
    _flag("use_cache", "a stored answer may be used", ("A stored answer is fine.", "It may come from the cache."),
          ("Nothing from the cache, please.", "Make sure it is fresh, not cached.")),
)  # fmt: skip
"""For tools that tell something."""
DOING = (
    _flag("notify", "a message is sent when it is done", ("Let me know when it's done.", "Send me a message "
          "afterwards.", ", and notify me afterwards"), ("No notification, please.", "I don't need a message about it.",
          ", without notifying anyone")),
    _flag("dry_run", "nothing is really changed", ("Just try it, don't change anything yet.", "Only as a test, "
          "please.", ", as a dry run"), ("This is not a test run.", "No dry run, do it for real.")),
    _choice("priority", "how urgent it is", {
        "low": ("It can wait.", ", with low priority", "There is no hurry at all."), "high": (", with high priority",
        "This one is important.", "Give it priority."), "urgent": ("It's very urgent!", ", as urgently as possible")},
        ("normal",)),
    _flag("send_copy", "the user gets a copy", ("Send me a copy too.", "I'd like a copy.", ", with a copy to me"),
          ("I don't need a copy.", "No copy for me.")),
    _choice("visibility", "who can see it", {
        "private": ("Keep it private.", "Nobody else should see it."), "public": ("Everyone may see it.",
        "It can be public."), "team": ("Only my team should see it.", "Keep it within the team.")}),
    _number("retries", "how often it is tried again", (2, 3, 4, 5, 6), ("Try it up to {v} more times if it fails.",
            "If it fails, retry {v} times.", "You may try again {v} times.")),
    _flag("keep_backup", "the old state is saved first", ("Make a backup first.", ", but keep a backup"),
          ("No backup needed.", "A backup isn't necessary.", ", without a backup")),
    _choice("notify_by", "how the user is told of the outcome", {
        "email": ("Tell me by email how it went.", ", with a confirmation by email"), "sms": ("Text me a confirmation.",
        "Send me a text when it's done."), "phone": ("Give me a call afterwards.", "Call me when it's done.")}),
)  # fmt: skip
"""For tools that do something."""
_MODES = {
    "driving": (", by car", "I'm going by car.", "We'll drive."), "walking": (", on foot", "I'll walk."),
    "cycling": (", by bike", "I'm taking my bicycle."), "transit": (", by public transport", "I'll take the bus or "
    "train."),
}  # fmt: skip
_PRICE = (", for at most {v} dollars", "It must not cost more than ${v}.", "I can spend {v} dollars at most.",
          "My limit is ${v}.", ", under ${v}")  # fmt: skip
TOPICAL: tuple[tuple[str, tuple[Wish, ...]], ...] = (
    (r"\b(distances?|heights?|weights?|lengths?|sizes?|speeds?|volumes?|areas?|mass)\b", (
        _choice("unit_system", "units of the result", {
            "metric": (", in metric units", "Metric units, please.", "I think in kilos and metres."),
            "imperial": (", in imperial units", "I'm used to feet and pounds.", "Use imperial units.")}),)),
    (r"\b(information|instructions|summary|guides?|polic\w+|laws?|research|meaning|facts|definitions?)\b", (
        _flag("simplify", "difficult words are avoided", (", in simple words", "Keep the language simple."),
              ("You don't have to simplify it.", "It needn't be simplified.")),)),
    (r"\b(places?|animals?|species|recipes?|products?|art\w*|buildings?|plants?|birds?|museums?|houses?|cars?)\b", (
        _flag("include_images", "images come with the answer", (", with pictures", "Pictures would be nice.", "I'd "
              "like to see images too."), (", without images", "No pictures, please.", "I don't need any images.")),)),
    (r"\b(reminders?|reports?|backups?|payments?|donations?|messages?|emails?|alarms?|cleaning|watering)\b", (
        _choice("repeat", "how often it is repeated", {
            "daily": ("Repeat it every day.", ", and do that daily"), "weekly": ("Do it once a week from now on.",
            "Repeat that every week."), "monthly": ("Repeat it each month.", ", every month from now on")}, (
            "never",)),)),
    (r"\b(hotels?|restaurants?|recipes?|products?|courses?|books?|movies?|films?|apps?|shops?|stores?|games?)\b", (
        _number("min_rating", "lowest average rating, from 1 to 5", (3, 3.5, 4, 4.5),
                (", rated {v} or better", "Nothing rated below {v}, please.", "It needs a rating of at least {v}.")),)),
    (r"\b(news|prices?|sales|traffic|statistics|usage|activity|reports?|logs?|trends?|performance|rates?|data)\b", (
        _choice("time_span", "span of time that is covered", {
            "day": ("The last day is enough.", ", for the last 24 hours"), "week": (", for the past week",
            "I mean the last seven days."), "month": (", over the last month", "The last month is what counts."),
            "year": (", for the past year", "Look back twelve months.")}),)),
    (r"\b(route|directions|traffic|commut\w+|navigation|road)\b", (
        _flag("avoid_tolls", "toll roads are avoided", (", avoiding toll roads", "No toll roads, please.", "I don't "
              "want to pay any tolls."), ("Toll roads are fine.", "I don't mind paying tolls.")),
        _flag("avoid_highways", "motorways are avoided", (", keeping off the highways", "I'd rather avoid highways."),
              ("Highways are no problem.",)),
        _choice("travel_mode", "means of transport", _MODES))),
    (r"\b(hotels?|accommodation|hostels?|apartments?|rooms?|housing|campsites?)\b", (
        _flag("pets_allowed", "pets must be allowed", ("I'm bringing my dog.", ", with pets allowed", "It must take "
              "pets."), ("Pets don't matter.", "I have no pets.")),
        _flag("free_cancellation", "it can be cancelled at no cost", (", with free cancellation", "I want to be able "
              "to cancel for free."), ("Free cancellation isn't necessary.",)),
        _flag("wheelchair_accessible", "it is accessible by wheelchair", ("It has to be accessible by wheelchair.",
              ", suitable for a wheelchair"), ("Wheelchair access isn't needed.",)),
        _number("max_price", "highest price in US dollars", (60, 75, 80, 100, 120, 150, 200, 250), _PRICE))),
    (r"\b(restaurants?|recipes?|food|meals?|dish\w*|menus?|diet\w*|cooking)\b", (
        _flag("vegetarian", "only vegetarian food counts", (", without meat", "I'm a vegetarian.", "Vegetarian only, "
              "please."), ("It doesn't have to be vegetarian.", "Meat is fine.")),
        _flag("gluten_free", "it contains no gluten", (", gluten-free", "I can't eat gluten."), ("Gluten is no "
              "problem.",)),
        _choice("spiciness", "how hot it is", {"mild": ("Nothing spicy, please.", "I like it mild."),
                "medium": ("A little heat is fine.",), "hot": ("I like it really spicy.", "Make it hot.")}))),
    (r"\b(prices?|products?|shop\w*|buy|stores?|purchase|deals?)\b", (
        _number("max_price", "highest price in US dollars", (20, 25, 30, 50, 75, 100, 150, 200, 500), _PRICE),
        _flag("in_stock", "only what can be delivered at once", (", in stock only", "It has to be in stock."),
              ("It need not be in stock.", "I can wait if it's out of stock.")),
        _choice("condition", "state of the goods", {"new": ("It must be brand new.", ", new ones only"),
                "used": (", second-hand", "Second-hand is what I want."), "refurbished": (", refurbished",)}))),
    (r"\b(flights?|airlines?|trains?|bus(?:es)?|ferr\w+)\b", (
        _flag("direct_only", "there are no stops or changes", (", without changes", "I don't want to change.",
              "Direct connections only."), ("I don't mind changing.", "Stops on the way are fine.")),
        _choice("travel_class", "class of the seat", {"economy": ("The cheapest class will do.", ", in economy"),
                "business": (", in business class", "I travel business."), "first": (", first class",)}))),
    (r"\b(weather|temperatures?|forecast|climate)\b", (
        _choice("units", "scale of temperatures", {"celsius": (", in degrees Celsius", "I want Celsius."),
                "fahrenheit": (", in Fahrenheit", "Use Fahrenheit, please.")}),
        _number("days_ahead", "days that are covered", (2, 3, 5, 7, 10), (", for the next {v} days",)),
        _flag("include_wind", "wind is told as well", ("How windy will it be?", ", wind included"),
              ("The wind doesn't interest me.", ", without the wind")))),
    (r"\b(jobs?|career|vacanc\w+|employment)\b", (
        _flag("remote", "the work is done from home", (", remote only", "I want to work from home."),
              ("I'd rather not work remotely.", "No remote work.")),
        _choice("hours", "how much one works", {"full_time": (", full time", "I want to work full time."),
                "part_time": (", part time", "Part time would suit me.")}))),
    (r"\b(news|articles?|papers?|books?|publications?|studies|journals?)\b", (
        _flag("peer_reviewed", "it was reviewed by experts", (", peer-reviewed only", "It should be peer-reviewed."),
              ("It needn't be peer-reviewed.",)),
        _flag("open_access", "it can be read for free", (", free to read", "I don't want to pay for access."),
              ("Paid content is fine too.",)))),
    (r"\b(photos?|images?|pictures?|videos?|logos?|posters?)\b", (
        _choice("orientation", "which side is longer", {"landscape": (", in landscape format", "It should be wider "
                "than it is high."), "portrait": (", in portrait format", "It should be higher than wide.")}),
        _flag("high_resolution", "it comes in the best quality", (", in high resolution", "The best quality, please."),
              ("A low resolution is enough.", "Small files, no high resolution.")))),
    (r"\b(exercises?|workouts?|training|courses?|lessons?|class(?:es)?|tutorials?)\b", (
        _choice("level", "how demanding it is", {"beginner": (", for beginners", "I'm just starting out."),
                "intermediate": (", at an intermediate level", "I have some experience."),
                "advanced": (", for advanced learners", "I'm quite advanced already.")}),
        _flag("online", "it takes place online", (", online", "I'd like to do it online."), (", but not online",
              "It has to be in person.")))),
)  # fmt: skip
"""For tools that speak of such things."""

COMPUTING = wordset(
    "assess calculate compare compute convert count determine estimate evaluate measure predict simulate"
)
_LISTING = wordset("browse discover find list recommend search suggest query")


def suited(tool: Tool) -> tuple[tuple[Wish, ...], tuple[Wish, ...]]:
    """Wishes that fit what the tool speaks of, and those that fit its verb; none that it has already."""
    said = deed(tool)
    verb, schema = said.partition(" ")[0], cast(Any, tool.parameters)
    kind = LISTING if verb in _LISTING else WORKING if verb in COMPUTING else TELLING if verb in READING else DOING
    topical = [wish for pattern, wishes in TOPICAL if re.search(pattern, said) for wish in wishes]
    names = {part for name in schema.get("properties", {}) for part in parts(name)} | set(parts(tool.name))
    free = [tuple(w for w in wishes if names.isdisjoint(nouns(w.name))) for wishes in (topical, kind)]
    return free[0], free[1]


def nouns(name: str) -> set[str]:
    """What a parameter is about, by its name; two that share a noun would say the same or disagree."""
    return set(parts(name)) - {"max", "min", "include", "exclude", "only", "by", "use", "keep", "send"}


# --- parameters of the tools -----------------------------------------------------------------------------------------

_ABOUT = ("include", "show", "return", "add", "with", "exclude")
_YES = ("Include the {n}.", ", with the {n}", "I want the {n} too.", "Please add the {n}.", ", including the {n}")
_NO = ("Leave out the {n}.", ", without the {n}", "I don't need the {n}.", "You can skip the {n}.", ", but not the {n}")
_LIMITS = ("At most {v}, please.", ", at most {v}", ", no more than {v}", "I need {v} at most.", "Limit it to {v}.",
           "No more than {v}, please.", "Keep it to {v}.")  # fmt: skip


def flag(name: str, schema: Mapping[str, Any]) -> Maker | None:
    """The maker of a tool's own boolean whose name says what is included or left out."""
    first, *rest = parts(name) or ("",)
    plain = 1 <= len(rest) <= 2 and all(len(part) > 3 for part in rest) and "only" not in rest
    if schema.get("type") != "boolean" or first not in _ABOUT or not plain:
        return None
    yes, no = (tuple(way.replace("{n}", " ".join(rest)) for way in ways) for ways in (_YES, _NO))
    return Maker("wish", _either(no, yes) if first == "exclude" else _either(yes, no))


def limit(known: Maker) -> Maker:
    """A tool's own limit, said as people say limits."""

    def draw(rng: Random) -> Value:
        value: Any = known.draw(rng).value
        return counted(value, _LIMITS, rng)

    return Maker("wish", draw)
