"""Spans of a conversation, as an exporter gets them."""

import subprocess
import sys

import pytest

from calm.agent import follow
from calm.agent.desk import Desk
from calm.agent.spans import CAPTURE
from calm.conversation import Assistant, Call, Conversation, Garbled, User
from calm.errors import HubError
from calm.policy import Usage
from calm.policy.scripted import Scripted
from calm.world.functions import Functions

trace = pytest.importorskip("opentelemetry.trace")
pytest.importorskip("opentelemetry.sdk")


@pytest.fixture(scope="module")
def exporter():
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    found, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(found))
    trace.set_tracer_provider(provider)
    return found


class Counted(Scripted):
    usage = Usage(90, 50, 10, 0.1)


def half(x: int) -> int:
    """Half of it."""
    trace.get_current_span().set_attribute("inside", True)
    return x // 2


STEPS = [
    Garbled(raw="<think>", why="the thought is not closed"),
    Assistant(calls=(Call(name="half", arguments={"x": 8}, id="c1"), Call(name="half", arguments={}, id="c2"))),
    Assistant(text="4"),
]


def spans(exporter, policy, live=False):
    exporter.clear()
    desk = Desk(Functions([half]), lambda conversation: None)
    start = Conversation(id="c-1", tools=desk.toolbox.tools, messages=(User(content="Half of 8?"),))
    list(follow(policy, desk, start, live=live))
    return sorted(exporter.get_finished_spans(), key=lambda span: span.start_time)


@pytest.mark.parametrize("live", [False, True])
def test_steps_and_calls_hang_on_the_conversation(exporter, live):
    root, *rest = spans(exporter, Counted(STEPS, "tiny"), live)
    assert root.name == "invoke_agent calm"
    assert [span.name for span in rest] == [
        "chat tiny",
        "chat tiny",
        "execute_tool half",
        "execute_tool half",
        "chat tiny",
    ]
    assert {span.parent.span_id for span in rest} == {root.context.span_id}
    assert root.attributes["gen_ai.conversation.id"] == "c-1"
    assert root.attributes["calm.ended"] == "world"


def test_attributes_follow_the_conventions_and_say_nothing_of_what_was_said(exporter):
    _, _, step, tool, failed, _ = spans(exporter, Counted(STEPS, "openai:m@http://h"))
    assert step.attributes["gen_ai.usage.input_tokens"] == 90
    assert step.attributes["gen_ai.usage.cache_read.input_tokens"] == 50
    assert step.attributes["gen_ai.provider.name"] == "openai"
    assert dict(tool.attributes) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "half",
        "gen_ai.tool.call.id": "c1",
        "gen_ai.tool.type": "function",
        "inside": True,
    }
    assert failed.attributes["error.type"] == "tool"


def test_content_is_recorded_only_when_asked_for(exporter, monkeypatch):
    monkeypatch.setenv(CAPTURE, "true")
    _, _, step, tool, *_ = spans(exporter, Counted(STEPS))
    assert tool.attributes["gen_ai.tool.call.arguments"] == '{"x": 8}'
    assert tool.attributes["gen_ai.tool.call.result"] == "4"
    assert '"name": "half"' in step.attributes["gen_ai.output.messages"]


class Unreachable(Scripted):
    def __call__(self, conversation):
        raise HubError("http://h: no connection")


def test_what_goes_wrong_is_on_the_spans_and_still_raised(exporter):
    with pytest.raises(HubError):
        spans(exporter, Unreachable([]))
    found = exporter.get_finished_spans()
    assert [span.attributes["error.type"] for span in found] == ["HubError", "HubError"]
    garbled = spans(exporter, Counted(STEPS))[1]
    assert garbled.attributes["error.type"] == "garbled"


BARE = """
import sys
sys.modules["opentelemetry"] = None
from calm.agent import converse
from calm.agent.desk import Desk
from calm.conversation import Assistant, Call, Conversation, User
from calm.policy.scripted import Scripted
from calm.world.town import Town
desk = Desk(Town(), lambda conversation: None)
steps = [Assistant(calls=(Call(name="find_hotels", arguments={}),)), Assistant(text="So.")]
print(converse(Scripted(steps), desk, Conversation(messages=(User(content="x"),))).meta)
"""


def test_without_the_package_nothing_changes():
    done = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("{'ended': 'world'}\n", "")
