"""A dataset on one page: its parts, lengths, tools, calls, proofs and rejects, and the paper's table beside them.

Reads plain JSON and knows nothing of how it was counted: `statistics` as `calm.data.statistics` sums it up and, where
there is one, the manifest of the build. What is absent is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from calm.report import Bar, BarSection, Facts, Figure, HistogramSection, Section, TableSection, Title
from calm.report.words import flat, number, percent

Json = Mapping[str, Any]

HISTOGRAMS = {
    "length": ("Lengths", "{unit} of a conversation"),
    "tools": ("Tools per row", "tools offered"),
    "calls": ("Calls per step", "calls of an assistant step that calls"),
    "turns": ("User turns", "user messages of a conversation"),
    "words": ("Words per thought", "words of a thought"),
}
PRINTED = ("samples", "released", "tokens")
MOST_SERIES, MOST_REASONS = 12, 15


def sections(name: str, statistics: Json, manifest: Json | None = None) -> Iterator[Section]:
    """The page of a dataset called `name`."""
    parts = (manifest or {}).get("report", {}).get("parts", [])
    unit = statistics["unit"]
    yield _title(name, statistics, parts)
    if parts:
        yield _parts(parts)
    yield _shares(statistics)
    yield _lengths(statistics)
    for what, (title, axis) in HISTOGRAMS.items():
        yield _histogram(statistics["histograms"][what], _ordered(statistics), title, axis.format(unit=unit))
    yield from _kinds(statistics, parts)
    yield from _thoughts(statistics)
    yield _paper(statistics)
    if manifest:
        yield _facts(manifest)


def _title(name: str, statistics: Json, parts: list[Json]) -> Title:
    total, unit = statistics["total"], statistics["unit"]
    figures = [
        Figure(label="Conversations", value=number(total["samples"])),
        Figure(
            label="Assistant steps", value=number(total["steps"]), note=f"{number(total['thoughts'])} with a thought"
        ),
        Figure(label="Calls", value=number(total["calls"]), note=_proven(total)),
        Figure(label=unit.capitalize(), value=_rounded(total["length"]), note=f"{total['mean']:,.1f} a conversation"),
    ]
    if dropped := sum(sum(part["dropped"].values()) for part in parts):
        figures.append(Figure(label="Rejected", value=number(dropped), note="each with its reason in rejects.jsonl"))
    return Title(title=name, lead="What the dataset is made of.", figures=tuple(figures))


def _rounded(length: int) -> str:
    """Millions where the whole number would not fit on its card."""
    return f"{length / 1e6:,.1f} M" if length >= 10_000_000 else number(length)


def _proven(total: Json) -> str:
    executed = total["checked"].get("executed", 0)
    return f"{_percent(executed, total['calls'])} executed against a backend" if total["calls"] else ""


def _percent(some: float, of: float) -> str:
    return percent(some / of) if of else "–"


def _parts(parts: list[Json]) -> TableSection:
    head = ("Part", "Conversations", "Held out", "Steps", "Calls", "Executed", "Dropped")
    counted = [
        {
            **{key: part[key] for key in ("conversations", "held_out", "steps", "calls")},
            "executed": part.get("checked", {}).get("executed", 0),
            "dropped": sum(part["dropped"].values()),
        }
        for part in parts
    ]
    total = {key: sum(part[key] for part in counted) for key in counted[0]}
    names = [*(part["part"] for part in parts), "total"]
    rows = tuple((name, *map(number, row.values())) for name, row in zip(names, [*counted, total], strict=True))
    return TableSection(title="Parts", head=head, rows=rows, note="Executed: calls that a backend answered again.")


def _ordered(statistics: Json) -> list[str]:
    """Origins, that with most conversations first."""
    return sorted(statistics["groups"], key=lambda name: -statistics["groups"][name]["samples"])


def _shares(statistics: Json) -> BarSection:
    total, unit, groups = statistics["total"], statistics["unit"], statistics["groups"]
    kinds = {"Of the conversations": "samples", f"Of the {unit}": "length", "Of the calls": "calls"}
    bars = {
        title: tuple(
            Bar(label=name, value=groups[name][key] / total[key], text=_percent(groups[name][key], total[key]))
            for name in _ordered(statistics)
        )
        for title, key in kinds.items()
        if total[key]
    }
    return BarSection(title="Shares by origin", groups=bars, full=1.0)


def _lengths(statistics: Json) -> TableSection:
    """Samples, lengths and means by origin; the last rows have the true mean and the mean of means apart."""
    unit, total = statistics["unit"], statistics["total"]
    rows = [
        (name, number(group["samples"]), number(group["length"]), f"{group['mean']:,.1f}")
        for name, group in statistics["groups"].items()
    ]
    rows.append(
        ("total, mean over conversations", number(total["samples"]), number(total["length"]), f"{total['mean']:,.1f}")
    )
    rows.append(("mean of the means above", "", "", f"{statistics['mean_of_means']:,.1f}"))
    note = "The paper prints the mean of means as its average; over samples of unequal number it is another thing."
    head = ("Origin", "Conversations", unit.capitalize(), "Mean")
    return TableSection(title=f"{unit.capitalize()} by origin", head=head, rows=tuple(rows), note=note)


def _histogram(found: Json, names: Sequence[str], title: str, axis: str) -> HistogramSection:
    """A panel for each of the first origins; what further ones there are is one panel."""
    series = {name: tuple(found["counts"][name]) for name in names[:MOST_SERIES]}
    if rest := [found["counts"][name] for name in names[MOST_SERIES:]]:
        series[f"{len(rest)} smaller ones"] = tuple(map(sum, zip(*rest, strict=True)))
    return HistogramSection(title=title, axis=axis, bins=tuple(found["bins"]), series=series)


def _kinds(statistics: Json, parts: list[Json]) -> Iterator[BarSection]:
    total = statistics["total"]
    if total["calls"]:
        note = (
            "executed: a backend rebuilt from the corpus computed the observation; replayed: it is what the corpus "
            "recorded for this very call; schema: no observation follows, the arguments fit the tool's schema."
        )
        groups = {"": _bars(total["checked"], total["calls"])}
        yield BarSection(title="How calls were proven", groups=groups, full=total["calls"], note=note)
    if total["varied"]:
        groups = {"": _bars(total["varied"], total["samples"])}
        yield BarSection(title="What was varied", groups=groups, full=total["samples"])
    dropped = {part["part"]: _bars(part["dropped"], 0) for part in parts if part["dropped"]}
    if dropped:
        yield BarSection(title="What was rejected, and why", groups=dropped)


def _bars(counts: Json, of: int) -> tuple[Bar, ...]:
    ordered = sorted(counts.items(), key=lambda item: -item[1])[:MOST_REASONS]
    share = {name: f" ({_percent(count, of)})" if of else "" for name, count in ordered}
    return tuple(Bar(label=name, value=count, text=number(count) + share[name]) for name, count in ordered)


def _thoughts(statistics: Json) -> Iterator[TableSection]:
    rows = [
        (name, number(group["thoughts"]), number(top["different"]), _percent(top["share"], 1), top["pattern"])
        for name, group in statistics["groups"].items()
        if (top := group["top_pattern"])
    ]
    if rows:
        head = ("Origin", "Thoughts", "Patterns", "Commonest", "Its words")
        note = "A pattern is a thought with all names, values and numbers of its conversation as _."
        yield TableSection(title="How varied the thoughts are", head=head, rows=tuple(rows), note=note)


def _paper(statistics: Json) -> TableSection:
    """Table 1 as printed and, where rows are in the paper's form, ours in the columns after it."""
    rows = [
        (f"{row['name']} ({row['form']})", *(number(row[key]) for key in PRINTED), f"{row['mean']:,.2f}")
        for row in statistics["paper"]
    ]
    samples, released, tokens = (sum(row[key] for row in statistics["paper"]) for key in PRINTED)
    rows.append(("total, true mean", *map(number, (samples, released, tokens)), f"{tokens / samples:,.2f}"))
    rows.append(("mean of means", "", "", "", f"{_mean([row['mean'] for row in statistics['paper']]):,.2f}"))
    head = ("Part (form)", "Samples printed", "Published", "Tokens printed", "Mean printed")
    if statistics["forms"]:
        head = (*head, "Samples here", f"{statistics['unit'].capitalize()} here", "Mean here")
        rows = [(*row, *mine) for row, mine in zip(rows, _here(statistics), strict=True)]
    note = "Table 1 of arXiv 2502.08820 as printed, and what the published rows must be. On record: "
    note += " ".join(statistics["faults"])
    return TableSection(title="Beside the paper's table", head=head, rows=tuple(rows), note=note)


def _here(statistics: Json) -> list[tuple[str, str, str]]:
    """Samples, length and mean of ours for each line of the paper's table, its two means last."""
    ours = statistics["forms"]
    lines = [_cells(ours[row["form"]]) if row["form"] in ours else ("–", "–", "–") for row in statistics["paper"]]
    total = {key: sum(form[key] for form in ours.values()) for key in ("samples", "length")}
    means = f"{_mean([form['mean'] for form in ours.values()]):,.2f}"
    return [*lines, _cells({**total, "mean": total["length"] / total["samples"]}), ("", "", means)]


def _cells(form: Json) -> tuple[str, str, str]:
    return number(form["samples"]), number(form["length"]), f"{form['mean']:,.2f}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _facts(manifest: Json) -> Facts:
    kept = {key: manifest[key] for key in ("recipe", "inputs", "outputs", "versions") if manifest.get(key)}
    return Facts(title="Where it comes from", groups={key: flat(value) for key, value in kept.items()})
