"""OpenTelemetry spans of a conversation, where `opentelemetry-api` is installed; without it nothing happens.

Names and attributes follow the GenAI semantic conventions: `invoke_agent calm` around the conversation, in it a
`chat MODEL` for each step and an `execute_tool NAME` for each call. What was said is left out unless
`OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` is `true`, as the conventions have it.
"""

import contextlib
import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeAlias

from calm import __version__
from calm.agent.events import failure
from calm.conversation import Call, Conversation, Garbled, Step, message_to_wire
from calm.files import dumps
from calm.policy import Policy, Usage

if TYPE_CHECKING:
    from opentelemetry import trace

Span: TypeAlias = "trace.Span | None"
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@contextlib.contextmanager
def agent(conversation: Conversation, model: str) -> Generator[Span]:
    """The span of a whole conversation; it is not the current one, so a generator may hold it open (see `within`)."""
    said = {"gen_ai.agent.name": "calm", "gen_ai.conversation.id": conversation.id or None}
    with _span("invoke_agent calm", "INTERNAL", None, said | _model("invoke_agent", model)) as span:
        yield span


@contextlib.contextmanager
def chat(root: Span, model: str) -> Generator[Span]:
    """The span of one step of the model, a child of `root`; not the current one either."""
    with _span(f"chat {model}", "CLIENT", root, _model("chat", model)) as span:
        yield span


@contextlib.contextmanager
def tool(call: Call) -> Generator[Span]:
    """The span of one call, a child of whatever is current; current itself, so that what the tool does hangs on it."""
    said = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": call.name,
        "gen_ai.tool.call.id": call.id,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.arguments": dumps(call.arguments) if _captured() else None,
    }
    with _span(f"execute_tool {call.name}", "INTERNAL", None, said) as span, within(span):
        yield span


def gave(span: Span, content: str) -> None:
    """Note what a call gave back; an `error` in it makes the span one of an error."""
    if span is None:
        return
    if _captured():
        span.set_attribute("gen_ai.tool.call.result", content)
    if failed := failure(content):
        _failed(span, str(failed.get("type", "tool")))


def told(span: Span, policy: Policy, step: Step) -> None:
    """Note what a step cost and, if it could not be read, that."""
    if span is None:
        return
    usage = getattr(policy, "usage", None)
    if isinstance(usage, Usage):
        span.set_attribute("gen_ai.usage.input_tokens", usage.prompt)
        span.set_attribute("gen_ai.usage.output_tokens", usage.written)
        span.set_attribute("gen_ai.usage.cache_read.input_tokens", usage.cached)
    if _captured():
        span.set_attribute("gen_ai.output.messages", dumps([message_to_wire(step)]))
    if isinstance(step, Garbled):
        _failed(span, "garbled")


def finish(root: Span, ended: str) -> None:
    """Note why a conversation ended."""
    if root is not None:
        root.set_attribute("calm.ended", ended)


@contextlib.contextmanager
def within(span: Span) -> Generator[None]:
    """Make a span the current one for a block that does not yield to a generator's caller."""
    if span is None:
        yield
        return
    from opentelemetry import trace

    with trace.use_span(span, record_exception=False, set_status_on_exception=False):
        yield


@contextlib.contextmanager
def _span(name: str, kind: str, parent: Span, said: dict[str, Any]) -> Generator[Span]:
    try:
        from opentelemetry import trace
    except ImportError:
        yield None
        return
    span = trace.get_tracer("calm", __version__).start_span(
        name,
        context=trace.set_span_in_context(parent) if parent else None,
        kind=trace.SpanKind[kind],
        attributes={key: value for key, value in said.items() if value is not None},
    )
    try:
        yield span
    except Exception as error:
        span.record_exception(error)
        _failed(span, type(error).__name__)
        raise
    finally:
        span.end()


def _model(operation: str, model: str) -> dict[str, Any]:
    provider = "openai" if model.startswith("openai:") else "calm"
    return {"gen_ai.operation.name": operation, "gen_ai.provider.name": provider, "gen_ai.request.model": model}


def _failed(span: "trace.Span", kind: str) -> None:
    from opentelemetry import trace

    span.set_attribute("error.type", kind)
    span.set_status(trace.StatusCode.ERROR)


def _captured() -> bool:
    return os.environ.get(CAPTURE, "").lower() == "true"
