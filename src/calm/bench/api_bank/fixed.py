"""Upstream's verdict without its faults: what upstream runs is run here too, but on what the model said and when.

Lists are read, renamed parameters are accepted, the earlier gold calls of the dialogue have happened, and a result is
compared with that of the gold call in the same state, not with one stored from older code. What cannot be run here is
judged by its request: a dictionary look-up and a translation by their arguments, a search by the tool it finds.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from calm.bench.api_bank import request, tasks
from calm.bench.api_bank.apis import API, SEARCH, Answer, Fault, State, call, typed
from calm.bench.api_bank.apis.base import Same, alike, folded, itself, moment, raised
from calm.bench.api_bank.apis.media import Index
from calm.bench.api_bank.due import Due, Material
from calm.bench.api_bank.official import difference

RENAMED = {"device_id": "name"}
"""Parameters of the samples that upstream's code calls otherwise today."""
REQUESTS: dict[str, Mapping[str, Any]] = {
    "Dictionary": {"keyword": folded},
    "Translate": {"src": str.strip, "tgt_lang": folded},
}
"""APIs of which only the request can be judged, and how each argument is read."""
SAME: dict[str, Same] = {
    "DeleteMeeting": alike(start_time=itself),
    "RecordHealthData": alike(user_id=raised, time=moment, health_data=itself),
}
"""Comparisons that upstream has wrong: one reads a key that is not there, one leaves the data out."""


class Finder:
    """The tool that keywords find: BM25 over names and descriptions, where upstream embeds them with MiniLM."""

    def __init__(self, described: Mapping[str, str]) -> None:
        self.names = list(described)
        self.index = Index([stems(f"{tasks.spaced(name)} {text}") for name, text in described.items()])

    def find(self, keywords: str) -> str:
        """The name of the tool that fits best."""
        return self.names[self.index.best(stems(tasks.spaced(keywords)), 1)[0]]


def stems(text: str) -> list[str]:
    """Words in lower case, cut at six letters: "schedules" and "scheduling" are one."""
    return [word.strip(".,:;'\"()")[:6] for word in text.lower().split()]


def judge(material: Material, finders: Mapping[int, Finder], due: Due, output: str) -> str | None:
    """None for a right call, else the error type, named as upstream names it; `NOT_FOUND` is a search gone wrong."""
    said = request.parse_request(output)
    if said is None:
        return "NO_API_CALL"
    if said.name != due.gold.api:
        return "API_NAME_MISMATCH"
    api = material.apis[due.level][said.name]
    try:
        given = taken(api, said.arguments)
        if said.name == SEARCH:
            return _search_error(finders[due.level], given, due.gold)
        if said.name in REQUESTS:
            return _request_error(given, due.gold, REQUESTS[said.name])
        return _error(material, api, due, given)
    except Fault as fault:
        return fault.kind


def taken(api: API, arguments: Mapping[str, JsonValue]) -> dict[str, Any]:
    """Arguments under today's names and with the types the API takes; None stands for one left out."""
    found = {}
    for key, value in arguments.items():
        name = key if key in api.parameters else RENAMED.get(key, key)
        if value is None:
            continue
        kind = api.parameters[name].kind if name in api.parameters else ""
        found[name] = typed(api, name, value if kind == "list" or isinstance(value, str) else str(value))
    return found


def _error(material: Material, api: API, due: Due, given: dict[str, Any]) -> str | None:
    ours = call(due.gold.api, api, before(material, due), given)
    gold = call(due.gold.api, api, before(material, due), taken(api, due.gold.input))
    same = SAME.get(due.gold.api, api.same)
    if same(ours, gold):
        return None
    return "OTHER_EXCEPTION" if gold.exception and ours.exception else difference(ours, gold)


def before(material: Material, due: Due) -> State:
    """The world after the earlier gold calls, in which the ids and tokens are those that upstream drew."""
    state = material.state()
    for answer in due.earlier:
        api = material.apis[due.level][answer.api]
        state.issued = _issued(answer)
        try:
            call(answer.api, api, state, taken(api, answer.input))
        except Fault:
            continue  # a search or a look-up that only the network can answer changes nothing
    state.issued = None
    return state


def _issued(answer: Answer) -> str | None:
    if answer.api == "RegisterUser":
        return answer.output["token"]
    return answer.output if answer.api == "AppointmentRegistration" else None


def _request_error(given: dict[str, Any], gold: Answer, reads: Mapping[str, Any]) -> str | None:
    missing = [name for name in reads if name in gold.input and name not in given]
    if missing:
        return "MISS_INPUT_ARGUMENT"
    same = all(read(given.get(name, "")) == read(gold.input.get(name, "")) for name, read in reads.items())
    return None if same else "INPUT_MISMATCH"


def _search_error(finder: Finder, given: dict[str, Any], gold: Answer) -> str | None:
    if "keywords" not in given:
        return "MISS_INPUT_ARGUMENT"
    if folded(given["keywords"]) == folded(gold.input["keywords"]):
        return None
    return None if finder.find(given["keywords"]) == sought(gold) else "NOT_FOUND"


def sought(gold: Answer) -> str:
    """The tool that a recorded search found; one that needs a token comes after the API that gives tokens."""
    found = gold.output if isinstance(gold.output, list) else [gold.output]
    return found[-1]["name"]


def finders(material: Material, described: Iterable[Mapping[str, Any]]) -> dict[int, Finder]:
    """A finder per level: of levels 1 and 2 over all APIs described, of level 3 over those its searches found."""
    first = {tool["name"]: tool["description"] for tool in [*_found(material, 2), *described]}
    third = {tool["name"]: tool["description"] for tool in _found(material, 3)}
    return {1: Finder(first), 2: Finder(first), 3: Finder(third)}


def _found(material: Material, level: int) -> Sequence[Mapping[str, Any]]:
    searches = (due.gold.output for due in material.due.values() if due.level == level and due.gold.api == SEARCH)
    return [tool for output in searches for tool in (output if isinstance(output, list) else [output])]
