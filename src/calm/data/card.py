"""The dataset card: `README.md` beside the rows, whose head tells `datasets` and the Hugging Face hub what is here.

A pure function of recipe and counts: what it says was either settled before the build or counted by it.
"""

from collections.abc import Iterable, Mapping, Sequence

import yaml

from calm import __version__
from calm.data.corpora import CORPORA, Corpus
from calm.data.part import PartRecipe
from calm.data.parts import DataRecipe
from calm.data.statistics import FAULTS
from calm.data.tally import PartReport, Report
from calm.recipe import digest

CARD = "README.md"
SPLITS = {"train": "train.parquet", "held_out": "held_out.parquet"}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
TAGS = ("tool-calling", "function-calling", "task-oriented-dialogue", "dialogue-state-tracking", "react")
ROW = """| column | holds |
| --- | --- |
| `messages` | OpenAI's shape; a thought is `reasoning_content`, calls are `tool_calls`, a result has the role `tool` |
| `tools` | JSON string: the functions that could be called |
| `id`, `origin` | a stable name, and the corpus and split that the row was made from |
| `state` | JSON string: a list, the dialogue state (slot -> value) after each user turn |
| `meta` | JSON string: among others how its calls were `checked` |

No row holds prompt text unless its part is in the paper's own form."""
PROOFS = """*Executed*: a backend rebuilt from the corpus's own tables computed the observation. *Replayed*: the
observation is what the corpus recorded for this very call. *Schema*: no observation follows, the arguments fit the
tool's schema. Calls in none of the three were not checked."""


def card(recipe: DataRecipe, report: Report, benchmarks: Mapping[str, bool] | None = None) -> str:
    """The text of `README.md`.

    Args:
        recipe: what was built; the licences of its parts' corpora come from `calm.data.corpora`.
        report: the counts of the build, one a part in the recipe's order.
        benchmarks: whether each benchmark was at hand for the contamination check; None where none was made.
    """
    parts = list(zip(recipe.parts, report.parts, strict=True))
    corpora = [CORPORA[key] for key in dict.fromkeys(key for part in recipe.parts for key in part.corpora)]
    sections = {
        "Parts": [_table(parts)],
        "A row": [ROW],
        "How its calls were proven": [PROOFS, _proofs(report.parts)],
        "Sources and licences": [_sources(corpora), *_licence(corpora)],
        "Stand-ins": _stand_ins(parts),
        "The paper's form, and its faults": _faults(recipe.parts),
        "Contamination": _contamination(report.parts, benchmarks),
        "What was left out": [_rejects(report.parts)],
        "How it was built": [_built(recipe)],
        "Limits": [_limits(recipe)],
    }
    written = [f"## {title}\n\n" + "\n\n".join(texts) for title, texts in sections.items() if any(texts)]
    head = f"# {recipe.name}\n\nConversations in which an assistant tracks what is wanted, calls tools and talks."
    return "\n\n".join([_front(recipe, report, corpora), head, *written]) + "\n"


def _front(recipe: DataRecipe, report: Report, corpora: Sequence[Corpus]) -> str:
    count = sum(part.conversations for part in report.parts)
    held_out = any(part.held_out for part in report.parts)
    files = [{"split": split, "path": path} for split, path in SPLITS.items() if held_out or split == "train"]
    settings = {
        "pretty_name": recipe.name,
        "language": ["en"],
        "license": sorted({corpus.licence.lower() for corpus in corpora}) or ["other"],
        "task_categories": ["text-generation"],
        "task_ids": ["dialogue-modeling"],
        "tags": list(TAGS),
        "size_categories": [next((name for most, name in SIZES if count < most), "1M<n<10M")],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    return f"---\n{yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)}---"


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]], words: int) -> str:
    """A Markdown table whose first columns, as many as `words` says, hold words and the others numbers."""
    lines = [head, ["---" if place < words else "---:" for place in range(len(head))], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _table(parts: Sequence[tuple[PartRecipe, PartReport]]) -> str:
    keys = ("conversations", "held_out", "steps", "calls", "characters")
    rows = [
        (made.part, ", ".join(CORPORA[key].title for key in part.corpora), *(f"{getattr(made, key):,}" for key in keys))
        for part, made in parts
    ]
    totals = [f"{sum(getattr(made, key) for _, made in parts):,}" for key in keys]
    rows.append(("**total**", "", *totals))
    return _rows(("part", "made from", "conversations", "held out", "steps", "calls", "characters"), rows, 2)


def _proofs(parts: Sequence[PartReport]) -> str:
    kinds = ("executed", "replayed", "schema")
    rows = [
        (part.part, f"{part.calls:,}", *(_share(part.checked.get(kind, 0), part.calls) for kind in kinds))
        for part in parts
    ]
    return _rows(("part", "calls", *kinds), rows, 1)


def _share(some: int, of: int) -> str:
    return f"{100 * some / of:.1f} %" if of else "-"


def _sources(corpora: Sequence[Corpus]) -> str:
    rows = [(corpus.title, f"`{corpus.origin}`", corpus.licence, corpus.asks or "nothing") for corpus in corpora]
    return _rows(("source", "origin", "licence", "which asks to"), rows, 4)


def _licence(corpora: Sequence[Corpus]) -> list[str]:
    """What follows from the licences for whoever passes the rows on, and which sources others test models with."""
    texts = ["A row keeps the licence of the corpus named in its `origin`."]
    if alike := [corpus for corpus in corpora if corpus.share_alike]:
        named = ", ".join(f"{corpus.title} ({corpus.licence})" for corpus in alike)
        texts.append(
            f"**Share-alike**: rows made from {named} may be passed on, changed or not, only under that licence; so "
            "may this dataset as a whole. Leave the part out to be free of it."
        )
    if tests := [corpus.title for corpus in corpora if corpus.benchmark]:
        texts.append(
            f"Others test models on {', '.join(tests)}: do not report scores there for a model trained on this."
        )
    return texts


def _stand_ins(parts: Sequence[tuple[PartRecipe, PartReport]]) -> list[str]:
    lines = [f"- **{made.part}** stands in for {part.stands_in_for}." for part, made in parts if part.stands_in_for]
    return ["These inputs were not at hand; the parts are not those originals:\n\n" + "\n".join(lines)] if lines else []


def _faults(parts: Sequence[PartRecipe]) -> list[str]:
    forms = sorted({part.paper for part in parts if part.paper})
    if not forms:
        return []
    said = f"Parts in the prompts and answers of CoALM-IT (arXiv 2502.08820): {', '.join(forms)}. On record:"
    return [said, "\n".join(f"- {fault}" for fault in FAULTS)]


def _contamination(parts: Sequence[PartReport], benchmarks: Mapping[str, bool] | None) -> list[str]:
    if benchmarks is None:
        return ["Not checked against any benchmark."]
    missing = [name for name, present in benchmarks.items() if not present]
    present = [name for name in benchmarks if name not in missing]
    if not present:
        return [f"Not checked: none of {', '.join(missing)} was at hand."]
    said = f"Checked against {', '.join(present)} by texts, tool schemas and calls."
    gap = [f"Not at hand and so not checked against: {', '.join(missing)}."] if missing else []
    found = {(p.part, why): n for p in parts for why, n in p.dropped.items() if why.startswith("contaminated")}
    rows = [(part, why.partition(": ")[2], f"{count:,}") for (part, why), count in found.items()]
    return [said, *gap, _rows(("part", "leak", "rows kept out"), rows, 2) if rows else "No row was kept out for it."]


def _rejects(parts: Sequence[PartReport]) -> str:
    rows = [(part.part, why, f"{count:,}") for part in parts for why, count in part.dropped.items()]
    return _rows(("part", "reason", "records"), rows, 2) if rows else ""


def _built(recipe: DataRecipe) -> str:
    settings = recipe.model_dump(mode="json", exclude_defaults=True)
    for part, shown in zip(recipe.parts, settings["parts"], strict=True):
        shown.update(part.model_dump(mode="json", include={"source"}))
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    name = digest(recipe.model_dump(mode="json"))
    return (
        f"`calm build` of calm {__version__}, recipe id `{name}`; `manifest.json` has all hashes.\n\n```yaml\n{text}```"
    )


def _limits(recipe: DataRecipe) -> str:
    lines = [
        "English only.",
        "A row is held out by the hash of its id, so the same record is held out in every dataset.",
        "Thoughts are written by rule from annotations and say no more than those, except where a corpus has its own.",
        "Names, places and prices are those of the corpora: invented, or of their time.",
    ]
    if recipe.max_characters:
        lines.append(f"Conversations over {recipe.max_characters:,} characters of messages and tools are not in it.")
    lines += [f"In {p.label}, those over {p.max_characters:,} are not." for p in recipe.parts if p.max_characters]
    return "\n".join(f"- {line}" for line in lines)
