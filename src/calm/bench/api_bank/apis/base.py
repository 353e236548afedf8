"""What an API of API-Bank is here: typed parameters, a pure function over a state, and when two answers are the same.

Upstream has a class per API with its own database and its own comparison (`apis/*.py`, DAMO-ConvAI api-bank at commit
f30ccf2). Here the comparison is a value as well: most are `alike` over some parameters, each read in its own way.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import JsonValue

DAY, MOMENT = "%Y-%m-%d", "%Y-%m-%d %H:%M:%S"


class Refusal(Exception):
    """An API's own no: upstream reports it as the answer's `exception`. Never leaves this room."""


class Fault(Exception):
    """Where upstream's code itself breaks or cannot be asked; `kind` is the error type of the verdict."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Answer(NamedTuple):
    """What an API says: its name, the arguments as it took them, a result or a refusal."""

    api: str
    input: dict[str, Any]
    output: Any = None
    exception: str | None = None


class State(dict[str, Any]):
    """Databases by name, each a fresh copy of the initial one on first use; `issued` is the next random id or token."""

    def __init__(self, initial: Mapping[str, Any]) -> None:
        super().__init__()
        self.initial = initial
        self.issued: str | None = None

    def __missing__(self, name: str) -> Any:
        self[name] = copy.deepcopy(self.initial[name])
        return self[name]

    def draw(self, place: int, length: int) -> str:
        """An id where upstream draws a random one: the one to be issued, else the place written out in zeros.

        Upstream never draws a leading zero in ids, so ours equals no recorded id by chance.
        """
        issued, self.issued = self.issued, None
        return issued or f"{place:0{length}d}"


Same = Callable[[Answer, Answer], bool]
"""Whether an answer is as good as the gold one. KeyError where upstream's comparison misses a key of either."""


@dataclass(frozen=True)
class Parameter:
    """One parameter: its type in upstream's words, and whether a call without it is broken, None, or just without."""

    kind: str
    absent: str


@dataclass(frozen=True)
class API:
    """Parameters (`name`, `name:kind`, `name?` may be left out, `name=` is None if left out), function, comparison."""

    spec: str
    run: Callable[..., Any]
    same: Same

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Parameters by name, in upstream's order."""
        return dict(_parameter(word) for word in self.spec.split())


def _parameter(word: str) -> tuple[str, Parameter]:
    name, _, kind = word.rstrip("?=").partition(":")
    return name, Parameter(kind or "str", {"?": "without", "=": "none"}.get(word[-1], "broken"))


# --- reading values ------------------------------------------------------------------------------------------------


def folded(text: str) -> str:
    """Without blanks at the ends, lower case."""
    return text.strip().lower()


def raised(text: str) -> str:
    """Without blanks at the ends, upper case."""
    return text.strip().upper()


def optional(read: Callable[[str], str]) -> Callable[[str | None], str | None]:
    """The reading of a value that may be None."""
    return lambda value: None if value is None else read(value)


def is_named(item: Any) -> bool:
    """Whether an item of a list says what it is; the characters of a list left as text never do."""
    return isinstance(item, dict) and isinstance(item.get("name"), str)


def itself(value: Any) -> Any:
    """No reading at all."""
    return value


def day(text: str) -> str:
    """A date with its year written out in four digits; Refusal for anything else."""
    return _time(text, DAY)


def moment(text: str) -> str:
    """A date and time, read as `day` does."""
    return _time(text, MOMENT)


def _time(text: str, form: str) -> str:
    return padded(text, form).strftime(form)


def padded(text: str, form: str = MOMENT) -> datetime:
    """The time that a text says once blanks are cut off and the year is filled up to four digits."""
    year, dash, rest = text.strip().partition("-")
    return checked(year.zfill(4) + dash + rest if rest.count("-") == 1 else text.strip(), form)


def checked(text: str, form: str = MOMENT) -> datetime:
    """The time that a text says in just this form (without the mercy of `day`); Refusal if it does not."""
    try:
        return datetime.strptime(text, form)
    except ValueError as error:
        raise Refusal(f"{text!r} is no time of the form {form}") from error


# --- comparing answers ---------------------------------------------------------------------------------------------


def equal(ours: Answer, gold: Answer) -> bool:
    """Same arguments, same result, same refusal."""
    return ours[1:] == gold[1:]


def alike(parts: str = "output exception", **reads: Callable[[Any], Any]) -> Same:
    """Equal `parts` of the answer (`output`, `exception`, `input`), and the parameters named, each as it is read.

    A value that cannot be read equals nothing, not even the same value: upstream compares the errors by identity.
    """

    def same(ours: Answer, gold: Answer) -> bool:
        pairs = [(read, ours.input[name], gold.input[name]) for name, read in reads.items()]
        try:
            readable = all(read(mine) == read(due) for read, mine, due in pairs)
        except Refusal:
            return False
        return readable and all(getattr(ours, part) == getattr(gold, part) for part in parts.split())

    return same


def overlapping(
    topic: str, exact: str | None = None, read: Callable[[str], str] = itself, parts: str = "output exception"
) -> Same:
    """More than half of the words of `topic` shared (Jaccard), the parameters in `exact` equal (None: all others)."""

    def same(ours: Answer, gold: Answer) -> bool:
        mine, due = (set(read(answer.input[topic]).split(" ")) for answer in (ours, gold))
        names = (ours.input.keys() | gold.input.keys()) - {topic} if exact is None else exact.split()
        rest = all(_same_entry(ours.input, gold.input, name, exact is not None) for name in names)
        share = len(mine & due) / len(mine | due)
        return share > 0.5 and rest and all(getattr(ours, part) == getattr(gold, part) for part in parts.split())

    return same


def _same_entry(ours: dict[str, Any], gold: dict[str, Any], name: str, needed: bool) -> bool:
    if needed or (name in ours and name in gold):
        return ours[name] == gold[name]
    return False


# --- calling -------------------------------------------------------------------------------------------------------


def typed(api: API, name: str, value: Any) -> Any:
    """An argument as upstream's tool manager converts it from text.

    Raises:
        Fault: `name` is no parameter (`INVALID_INPUT_PARAMETER`), or the text is no such number (`BAD_TYPE`, `CRASH`).
    """
    if name not in api.parameters:
        raise Fault("INVALID_INPUT_PARAMETER")
    kind = api.parameters[name].kind
    if kind == "bool":
        return value == "True"
    if kind not in ("int", "float"):
        return value
    if isinstance(value, str) and not (value if kind == "int" else value.replace(".", "", 1)).isdigit():
        raise Fault("BAD_TYPE")
    try:
        return int(value) if kind == "int" else float(value)
    except (ValueError, TypeError) as error:
        raise Fault("CRASH") from error


def call(name: str, api: API, state: State, arguments: Mapping[str, Any]) -> Answer:
    """The answer of an API to typed arguments; it may change the state.

    Raises:
        Fault: a parameter is missing (`MISS_INPUT_ARGUMENT`), or the API cannot be asked here.
    """
    given = dict(arguments)
    for key, parameter in api.parameters.items():
        if key not in given and parameter.absent == "broken":
            raise Fault("MISS_INPUT_ARGUMENT")
        if key not in given and parameter.absent == "none":
            given[key] = None
    try:
        output = api.run(state, **given)
    except Refusal as refusal:
        return Answer(name, given, exception=str(refusal))
    return Answer(name, given, output)


def recorded(result: Mapping[str, JsonValue], name: str) -> Answer:
    """A stored result of upstream's as an Answer; some store no name, GetToday no input."""
    given: Any = result["input"]
    return Answer(str(result.get("api_name", name)), dict(given or {}), result["output"], _text(result["exception"]))


def _text(value: JsonValue) -> str | None:
    return None if value is None else str(value)
