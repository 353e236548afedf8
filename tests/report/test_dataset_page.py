import json

import pytest

from calm.cli.report import report
from calm.conversation import Assistant, Call, Conversation, Observation, Tool, User, write
from calm.data.statistics import Measures, Statistics
from calm.errors import UsageError
from calm.files import write_json
from calm.report import Bar, BarSection, HistogramSection, TableSection
from calm.report.charts import panels
from calm.report.dataset import sections
from calm.report.html import page
from tests.report.test_html import BAD, Parsed


def row(place, origin="town", **meta):
    call = Call(name="look", arguments={"n": place})
    said = (User(content="hi"), Assistant(thought="I look.", calls=(call,)), Observation(content="{}"))
    return Conversation(id=f"r{place}", origin=origin, tools=(Tool(name="look"),), messages=said, meta=meta)


def measured(*rows):
    found = Statistics(Measures(patterns=lambda c: ["i look"]))
    for conversation in rows:
        found.add(conversation)
    return json.loads(json.dumps(found.summary()))


MANIFEST = {
    "recipe": {"name": "mine"},
    "report": {
        "parts": [
            {"part": "town", "conversations": 2, "held_out": 1, "steps": 2, "calls": 2, "checked": {"executed": 2}}
            | {"dropped": {"duplicate": 3}}
        ]
    },
}


def titled(found, title):
    return next(section for section in found if section.title == title)


def test_a_dataset_without_a_manifest_still_has_its_page():
    found = list(sections("mine", measured(row(1), row(2))))
    assert "Parts" not in [section.title for section in found]
    Parsed(page(found))


def test_counts_of_the_build_and_its_rejects_stand_on_the_page():
    found = list(sections("mine", measured(row(1), row(2)), MANIFEST))
    assert titled(found, "Parts").rows[-1] == ("total", "2", "1", "2", "2", "2", "3")
    assert titled(found, "What was rejected, and why").groups["town"][0].text == "3"


def test_shares_of_origins_add_up():
    found = list(sections("mine", measured(row(1, "a"), row(2, "a"), row(3, "b"))))
    bars = titled(found, "Shares by origin").groups["Of the conversations"]
    assert [(bar.label, bar.text) for bar in bars] == [("a", "66.7 %"), ("b", "33.3 %")]


def test_the_papers_row_stands_beside_ours_of_that_form():
    table = titled(sections("mine", measured(row(1, paper="cra"))), "Beside the paper's table")
    printed = {name: cells for name, *cells in table.rows}
    assert printed["SGD (cra)"][:2] == ["82,236", "82,236"]
    assert printed["SGD (cra)"][4] == "1"
    assert printed["SNIPS (snips)"][4] == "–"
    assert printed["total, true mean"][3] == "677.78"
    assert printed["mean of means"][3] == "760.90"


def test_many_origins_are_gathered_in_one_panel():
    found = list(sections("mine", measured(*(row(i, f"origin {i}") for i in range(15)))))
    series = titled(found, "Tools per row").series
    assert len(series) == 13
    assert sum(series["3 smaller ones"]) == 3


def test_bars_of_a_histogram_are_shares_of_their_series():
    section = HistogramSection(
        title="t", axis="n", bins=("0", "1-4"), series={"a": (1, 3), "b": (0, 8), "none": (0, 0)}
    )
    drawn = {panel.name: panel for panel in panels(section)}
    assert set(drawn) == {"a", "b"}
    assert [column.words for column in drawn["a"].columns] == ["0: 1 (25.0 %)", "1-4: 3 (75.0 %)"]
    assert drawn["b"].columns[0].height == pytest.approx(100.0)


def test_bars_fill_the_width_by_the_largest_or_by_what_is_whole():
    bars = {"": (Bar(label="a", value=2, text="2"), Bar(label="b", value=1, text="1"))}
    assert BarSection(title="t", groups=bars).width == 2
    assert BarSection(title="t", groups=bars, full=4).width == 4
    assert BarSection(title="t", groups={}).width == 1


def test_hostile_names_stay_text():
    bars = BarSection(title=BAD, groups={BAD: (Bar(label=BAD, value=1, text=BAD),)}, note=BAD)
    bins = HistogramSection(title=BAD, axis=BAD, bins=(BAD,), series={BAD: (1,)}, note=BAD)
    parsed = Parsed(page([bars, bins, TableSection(title="t", head=("a",), rows=())]))
    assert not {"script", "img"} & {tag for tag, _ in parsed.tags}
    assert "\x1b" not in parsed.words


def test_report_of_one_dataset_folder_is_its_page(tmp_path, capsys):
    write(tmp_path / "mine" / "train.jsonl", [row(1), row(2)])
    write_json(tmp_path / "mine" / "manifest.json", {"command": "calm build", **MANIFEST})
    report(tmp_path / "mine", out=tmp_path / "page.html")
    assert "2 conversations" in capsys.readouterr().out
    assert "Beside the paper" in (tmp_path / "page.html").read_text()
    report(tmp_path / "mine", json=True)
    assert json.loads(capsys.readouterr().out)["total"]["samples"] == 2


def test_report_counts_a_dataset_in_a_models_tokens(tmp_path, tiny, capsys):
    write(tmp_path / "mine" / "train.jsonl", [row(1)])
    report(tmp_path / "mine", model=str(tiny), json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["unit"] == "tokens"
    assert 0 < found["total"]["length"] != found["total"]["characters"]
    with pytest.raises(UsageError, match="--model measures one dataset"):
        report(tmp_path, tmp_path, model=str(tiny))
