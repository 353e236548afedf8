import re
from html.parser import HTMLParser

from calm.conversation import Assistant, Call, Conversation, Garbled, Observation, System, User
from calm.report import (
    DialogueSection,
    Facts,
    Figure,
    LossSection,
    Pair,
    PairSection,
    Score,
    ScoreSection,
    TableSection,
    Title,
)
from calm.report.charts import loss_chart, running_mean, thinned, ticks
from calm.report.html import page, write_page
from calm.report.mask import mask

BAD = "</script><script>alert(1)</script><img src=//e.example/x onerror=alert(1)>\"'{{ 7*7 }}\x1b[31m\x00\u202e\ud800"
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Parsed(HTMLParser):
    """Every tag with its attributes; fails on a tag closed out of order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data):
        self.words += data


def everything(talk, text="plain"):
    score = Score(benchmark=text, category=text, model=text, n=40, score=0.625, low=0.47, high=0.758, floor=0.0)
    call = Call(name=text, arguments={text: text})
    said = (System(content=text), User(content=text), Assistant(thought=text, text=text, calls=(call,)))
    more = (Observation(content=text), Garbled(raw=text, why=text))
    wild = Conversation(id=text, origin=text, messages=said + more, state=({text: text},), meta={"ended": text})
    return [
        Title(title=text, lead=text, figures=(Figure(label=text, value=text, note=text),)),
        DialogueSection(
            title=text, conversation=wild, verdict={"valid": False, "error_type": text, "scores": {text: 1}}
        ),
        DialogueSection(title="talk", conversation=talk, note=text),
        mask(talk.add(User(content=text)), None, title=text),
        LossSection(title=text, points=tuple((i, 3 - i / 100) for i in range(100)), before=3.3, after=2.1, note=text),
        LossSection(title="nothing logged"),
        ScoreSection(rows=(score, score), note=text),
        PairSection(pairs=(Pair(benchmark=text, first=text, second=text, n=4, gained=(text,), p=1.0, note=text),)),
        TableSection(title=text, head=(text, text), rows=((text, text),)),
        Facts(groups={text: {text: text, "deep": [text]}}),
    ]


def test_hostile_text_is_inert_everywhere(talk):
    plain, wild = Parsed(page(everything(talk))), Parsed(page(everything(talk, BAD)))
    assert [tag for tag, _ in wild.tags] == [tag for tag, _ in plain.tags]
    assert not {tag for tag, _ in wild.tags} & {"script", "img", "iframe", "object", "base", "form"}
    assert not [name for _, attrs in wild.tags for name in attrs if name.startswith("on")]
    assert "49" not in wild.words.split("{{ 7*7 }}")[1][:4]


def test_the_page_holds_no_control_character(talk):
    text = page(everything(talk, BAD))
    text.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)


def test_the_page_needs_nothing_else(talk):
    parsed = Parsed(page(everything(talk)))
    links = [
        v for _, attrs in parsed.tags for k, v in attrs.items() if k in ("href", "src", "srcset", "action", "data")
    ]
    assert links
    assert all(link.startswith("#") or link == "data:," for link in links)
    assert not re.search(r"https?://|@import|url\(", page(everything(talk)))
    assert any("default-src 'none'" in (attrs.get("content") or "") for _, attrs in parsed.tags)


def test_every_anchor_has_its_target(talk):
    parsed = Parsed(page(everything(talk)))
    ids = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
    wanted = {attrs["href"][1:] for tag, attrs in parsed.tags if tag == "a"}
    assert wanted <= set(ids)
    assert len(ids) == len(set(ids))


def test_scores_are_spelled_with_interval_and_count(talk):
    assert "62.5 % [47.0, 75.8], n = 40" in page(everything(talk))


def test_mask_text_is_complete_on_the_page(talk):
    section = mask(talk, None)
    marked = re.findall(r'<mark class="(\w+)">(.*?)</mark>', page([section]), re.DOTALL)
    assert [part for part, _ in marked[len(section.parts) :]] == [p.part for p in section.pieces if p.learn]


def test_a_long_conversation_stays_small(talk, tmp_path):
    long = talk.model_copy(update={"messages": talk.messages * 20})
    write_page(tmp_path / "p.html", [Title(title="t"), DialogueSection(title="d", conversation=long), mask(long, None)])
    assert (tmp_path / "p.html").stat().st_size < 400_000


def test_ticks_are_round_and_enclose():
    assert ticks(0.91, 3.3) == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
    assert ticks(0, 120) == [0, 50, 100, 150]
    assert ticks(2.0, 2.0)[0] <= 2.0 <= ticks(2.0, 2.0)[-1]


def test_a_chart_keeps_its_last_point_and_draws_only_what_there_is():
    points = [(float(i), float(i % 7)) for i in range(5000)]
    assert len(thinned(points)) == 400
    assert thinned(points)[-1] == points[-1]
    assert loss_chart(LossSection(points=((1, 2.0), (2, 1.0)))).line == "50,0 100,100"
    assert loss_chart(LossSection()) is None


def test_the_running_mean_of_a_line_is_the_line():
    line = [(float(i), 2.0 * i) for i in range(100)]
    assert running_mean(line)[50] == (50.0, 100.0)
