"""The public MultiWOZ measure over a prediction file: Inform, Success, BLEU, richness and JGA, as mwzeval prints them.

Three protocols, which differ only in which domains a turn's placeholders speak of: `mwzeval` takes the file's
`active_domains` where every turn has them and else guesses from the states, `mwzeval-states` always guesses, and
`mwzeval-slots` reads them off names like `[hotel_name]`. Published rows used one or the other without saying which.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from calm.bench.multiwoz import archive, goals, inform, jga, predictions, text
from calm.bench.multiwoz.goals import Measure, State
from calm.bench.multiwoz.inform import EVERYTHING, Outcome, Turn, rate
from calm.bench.multiwoz.replies import NAMED, normal, unknown
from calm.bench.multiwoz.values import mwzeval_state
from calm.bench.multiwoz.venues import Venues
from calm.hub.corpora import corpus

PROTOCOLS = ("mwzeval", "mwzeval-states", "mwzeval-slots")
STANDINS = "BLEU against 2.1 annotation instead of 2.2: within 0.5 of published figures; JGA: "


class Bench:
    """What predictions are held against: the test dialogues, the database, the human replies, and the controls."""

    def __init__(self, folder: Path) -> None:
        self.measures: dict[str, Measure] = goals.measures(folder)
        self.venues = Venues(folder / "db")
        self.humans = goals.humans(folder)
        self.note = archive.source(folder).note

    @cached_property
    def controls(self) -> dict[str, dict[str, float]]:
        """What `controls` says, once for all files."""
        return controls(self)


class Said(NamedTuple):
    """A dialogue as a system had it, in normal form, and how it came out."""

    turns: list[Turn]
    outcome: Outcome


@lru_cache(maxsize=1)
def bench(folder: Path) -> Bench:
    """Everything needed, from the folder of the corpus.

    Raises:
        DataError: the corpus lacks something; names it.
    """
    return Bench(folder)


def grade(path: Path, protocol: str) -> Iterator[dict[str, Any]]:
    """A row for each dialogue, `{"dialogue_id", "inform", "success", "domains"}`, and a last `{"total": {...}}`.

    `domains` holds `[inform, success]` by domain of the goal, with success null where the dialogue's inform failed. All
    rates are in percent over the dialogues of the file; `inform_all` and `success_all` have missing ones as failed.

    Raises:
        HubError: the corpus is not at hand; says what to set.
        DataError: see `predictions.read`; predictions without states are refused.
    """
    held = bench(corpus("multiwoz"))
    turns_of = {name: len(one.states) for name, one in held.measures.items()}
    found = predictions.read(path, turns_of, ["response", "state"])
    given = protocol == "mwzeval" and predictions.has_everywhere("active_domains", found)
    how = "given" if given else "slots" if protocol == "mwzeval-slots" else "states"
    said = {name: judged(turns, held.measures[name], held.venues, how) for name, turns in found.items()}
    for name, one in said.items():
        yield {"dialogue_id": name, **inform.row(one.outcome)}
    strange = {name for turns in found.values() for turn in turns for name in unknown(turn["response"])}
    yield {"total": {**total(said, held), "active_domains": how, "unknown_names": sorted(strange)}}


def judged(turns: predictions.Turns, measure: Measure, venues: Venues, how: str) -> Said:
    """A dialogue in normal form and its outcome; `how` its domains are had: `given`, from `states`, or from `slots`."""
    states = [mwzeval_state(turn["state"]) for turn in turns]
    normals = [
        Turn(normal(turn["response"]), state, domains)
        for turn, state, domains in zip(turns, states, _domains(turns, states, how), strict=True)
    ]
    return Said(normals, inform.judge(measure.goal, measure.booked, normals, venues))


def _domains(turns: predictions.Turns, states: Sequence[State], how: str) -> Iterable[list[str]]:
    if how == "given":
        return [turn["active_domains"] for turn in turns]
    return inform.active(states) if how == "states" else [named(turn["response"]) for turn in turns]


def named(reply: str) -> list[str]:
    """The domains that a raw reply names in its slots: `[hotel_name]` speaks of the hotel, `[value_name]` of none."""
    prefixes = (name.partition("_")[0] for name in NAMED.findall(reply.lower()))
    return [domain for domain in dict.fromkeys(prefixes) if domain in goals.DOMAINS]


# --- totals --------------------------------------------------------------------------------------------------------


def total(said: Mapping[str, Said], held: Bench) -> dict[str, Any]:
    """All measures over some dialogues, and beside them what replies that know nothing get, on all 1,000."""
    outcomes = [one.outcome for one in said.values()]
    rates = {"inform": rate(o.inform for o in outcomes), "success": rate(o.success for o in outcomes)}
    replies = {name: [turn.reply for turn in one.turns] for name, one in said.items()}
    bleu = text.bleu(
        pair for name, mine in replies.items() for pair in zip(mine, held.humans[name].replies, strict=False)
    )
    lacking = len(held.measures) - len(said)
    turns, due = sum(map(len, replies.values())), sum(len(held.measures[name].states) for name in said)
    return {
        **rates,
        "bleu": bleu,
        "combined": (rates["inform"] + rates["success"]) / 2 + bleu,
        **_states(said, held),
        "turns_with_change": jga.changed([turn.state for turn in one.turns] for one in said.values()),
        "richness": text.richness([reply for mine in replies.values() for reply in mine]),
        "domains": _by_domain(outcomes),
        "inform_all": rate([*(o.inform for o in outcomes), *[False] * lacking]),
        "success_all": rate([*(o.success for o in outcomes), *[False] * lacking]),
        "dialogues": len(said),
        "missing": lacking,
        "of": len(held.measures),
        "missing_turns": due - turns,
        "controls": held.controls,
        "note": STANDINS + held.note,
    }


def _states(said: Mapping[str, Said], held: Bench) -> dict[str, float]:
    """JGA and slot F1 on 2.4 states; `jga_21` on those of 2.1, which published tables are closer to."""
    mine = {name: [jga.flat(turn.state) for turn in one.turns] for name, one in said.items()}
    gold = {
        "2.4": {name: held.measures[name].states for name in said},
        "2.1": {name: held.humans[name].states for name in said},
    }
    found = {version: jga.total(_counts(mine, states)) for version, states in gold.items()}
    return {**found["2.4"], "jga_21": found["2.1"]["jga"], "slot_f1_21": found["2.1"]["slot_f1"]}


def _counts(mine: Mapping[str, list[Any]], gold: Mapping[str, list[State]]) -> list[jga.Count]:
    pairs = {name: zip(states, map(jga.flat, gold[name]), strict=False) for name, states in mine.items()}
    return [jga.count(list(both), jga.close) for both in pairs.values()]


def _by_domain(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float]]:
    """`[inform, success]` rates over the dialogues that have the domain; none is a success where inform failed."""
    marks: dict[str, list[tuple[bool, bool | None]]] = {}
    for outcome in outcomes:
        for domain, pair in outcome.domains.items():
            marks.setdefault(domain, []).append(pair)
    return {
        domain: {"inform": rate(done for done, _ in pairs), "success": rate(served is True for _, served in pairs)}
        for domain, pairs in sorted(marks.items())
    }


def controls(held: Bench) -> dict[str, dict[str, float]]:
    """What three speakers without any skill get on all dialogues, and humans: a score below them means little.

    `constant` says every placeholder in each turn and calls every domain active, with gold 2.4 states; `human` are the
    wizards' replies with the same states; `silence` says nothing and has empty states.
    """
    constant = normal(EVERYTHING)
    speakers = {
        "constant": lambda name, states: [Turn(constant, state, goals.DOMAINS) for state in states],
        "human": lambda name, states: [
            Turn(*parts) for parts in zip(held.humans[name].replies, states, inform.active(states), strict=True)
        ],
        "silence": lambda name, states: [Turn("", {}, []) for _ in states],
    }
    found = {}
    for speaker, turns in speakers.items():
        outcomes = [
            inform.judge(one.goal, one.booked, turns(name, one.states), held.venues)
            for name, one in held.measures.items()
        ]
        found[speaker] = {"inform": rate(o.inform for o in outcomes), "success": rate(o.success for o in outcomes)}
    return found
