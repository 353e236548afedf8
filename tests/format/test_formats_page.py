"""docs/formats.md shows what the code writes: every block is rendered again from the page's own first row."""

import json
import re
from pathlib import Path

import pytest

from calm.conversation import Assistant, Conversation, from_row
from calm.format import calls, openai, paper, react

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
BLOCK = re.compile(r"<!-- form: (\S+) -->\n(`{3,})\w*\n(.*?)\n\2\n", re.DOTALL)


def _shown() -> dict[str, str]:
    return {found[1]: found[3] for found in BLOCK.finditer(PAGE.read_text())}


def _row(row: paper.Row) -> str:
    return f"--- input\n{row.input}\n--- output\n{row.output}"


def _rendered(talk: Conversation) -> dict[str, str]:
    made = [call for message in talk.messages if isinstance(message, Assistant) for call in message.calls]
    act, reply = paper.rows(talk, "cra")
    (snips,), (hammer,) = paper.rows(talk, "snips"), paper.rows(talk, "hammer")
    asked = talk.upto(1).model_copy(update={"tools": ()})
    return {
        "react": react.text(talk).removesuffix("\n"),
        "llama3": react.text(asked, react.LLAMA3),
        "request": json.dumps(openai.request(talk, "calm-135m", temperature=0), ensure_ascii=False, indent=2),
        "python": calls.render_python(made),
        "json": calls.render_json(made),
        "cra": f"{act.instruction}\n{_row(act)}",
        "cra-reply": _row(reply),
        "snips": f"{snips.instruction}\n{_row(snips)}",
        "hammer": _row(hammer).removeprefix("--- input\n"),
        "toolace": paper.rows(talk, "toolace")[0].output,
    }


@pytest.mark.parametrize("form", sorted(set(_shown()) - {"disk"}))
def test_a_block_of_the_page_is_what_the_code_writes(form):
    shown = _shown()
    assert shown[form] == _rendered(from_row(json.loads(shown["disk"])))[form]


def test_the_page_shows_every_form():
    assert _shown().keys() == {"disk", *_rendered(from_row(json.loads(_shown()["disk"])))}
