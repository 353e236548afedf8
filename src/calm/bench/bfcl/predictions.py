"""`calm grade bfcl`: what other harnesses have a model write, judged row by row."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from calm.bench.bfcl import decode, entries, multi_turn, tasks
from calm.bench.bfcl.grade import error_of
from calm.conversation import Assistant, Garbled
from calm.errors import DataError
from calm.files import read_jsonl
from calm.format.react import parse_step


def grade_predictions(path: Path, protocol: str) -> Iterator[dict[str, Any]]:
    """Verdict rows `{"id", "valid", "error_type"}` for rows `{"category", "id", "output", "decoder"?}`, in their order.

    Args:
        path: JSONL, gzipped or not; categories and ids in V3's or V4's spelling. A multi-turn output is
            `[[step text, ...], ...]`, one list a turn.
        protocol: `v4-2026-03` or `v3-2025-02`: data, simulators and decoder of that date; `native`: our ReAct text
            (single turn), V3 data.

    Raises:
        DataError: a row with an unknown id, category or decoder; names it.
    """
    version = "v4" if protocol.startswith("v4") else "v3"
    for number, row in read_jsonl(path):
        item = _asked(row, version)
        if item is None or (protocol == "native" and isinstance(item, multi_turn.Entry)):
            raise DataError(path, _fault(row), number)
        error = _native(item, row) if protocol == "native" else _official(item, row, version)
        yield {"id": row["id"], "valid": error is None, "error_type": error}


def _asked(row: Mapping[str, Any], version: str) -> tasks.Item | multi_turn.Entry | None:
    """The item a row answers, None for a faulty row; (ir)relevance needs none, so V3 and V4 may differ in theirs."""
    category, name = tasks.plain(str(row.get("category"))), tasks.plain(str(row.get("id")))
    known: Mapping[str, Any] = entries.entries(version) if category in entries.MULTI_TURN else tasks.items(version)
    item = known.get(name)
    if item is None and "relevance" in category and name.startswith(category):
        item = tasks.Item(name, category, [], [], [])
    sound = item is not None and item.category == category and "output" in row
    return item if sound and row.get("decoder", "prompt") in decode.DECODERS else None


def _fault(row: Mapping[str, Any]) -> str:
    category = row.get("category")
    covered = (*tasks.CATEGORIES, *entries.MULTI_TURN)
    if tasks.plain(str(category)) not in covered:
        return f"category {category!r} is not covered; covered: {', '.join(covered)}"
    if row.get("decoder", "prompt") not in decode.DECODERS:
        return f"unknown decoder {row['decoder']!r}; there are: {', '.join(decode.DECODERS)}"
    if "output" not in row:
        return "has no `output`"
    return f"this protocol has no item {row.get('id')!r} in category {category!r}"


def _official(item: Any, row: Mapping[str, Any], version: str) -> str | None:
    decoder = row.get("decoder", "prompt")
    if isinstance(item, multi_turn.Entry):
        return multi_turn.error_of(item, row["output"], version, decoder)
    decoded = decode.decode(row["output"], decoder, version)
    return error_of(item.category, item.docs, item.truth, decoded, underscores=decoder == "fc")


def _native(item: Any, row: Mapping[str, Any]) -> str | None:
    said = parse_step(str(row["output"]))
    if isinstance(said, Garbled):
        return "garbled"
    calls = said.calls if isinstance(said, Assistant) else ()
    return error_of(item.category, item.docs, item.truth, [{call.name: call.arguments} for call in calls])
