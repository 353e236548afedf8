"""In which form a conversation is put to a server, and how its answer is read.

`tools`, the default, is the wire's own: native `tools`, for servers that know them, and for our models wherever their
chat template and a tool parser are set up (`calm serve`, `calm export --to vllm`).

`react` is our text in plain chat turns: for a model that is to think and call in our form behind a server that knows
no tools, whatever its chat template. The tools stand in the system turn, steps are text, and a result is a user turn
between `<tool_response>` tags, as Hermes and Qwen write it, because many templates and hosts refuse a `tool` turn that
answers no native call.

`prompt` is our text as one string for `/completions`, letter for letter what the embedded model is given, tool turns
included: for a model tuned with our recipes (ChatML markers) behind a server that has no template of ours.

Both forms of text are read by `react.parse_step`; what the length limit cut off is Garbled, as with the embedded model.
"""

import re
from itertools import groupby
from typing import Any, Literal

from calm.conversation import Assistant, Conversation, Garbled, Message, Observation, Step, System
from calm.errors import FormatError
from calm.format import openai, react, text_of

Form = Literal["tools", "react", "prompt"]

PATHS: dict[Form, str] = {"tools": "chat/completions", "react": "chat/completions", "prompt": "completions"}
"""Where requests of each form go, below the server's address."""

RESULT, UNRESULT = "<tool_response>", "</tool_response>"
_RESULT = re.compile("<(?=/?tool_response>)")
THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""Keys in which servers send a thought that they have split off."""


def request(form: Form, conversation: Conversation, model: str, most: int) -> dict[str, Any]:
    """The body of a request for the next step, greedy and at most `most` tokens long."""
    options = {"max_tokens": most, "temperature": 0}
    if form == "tools":
        return openai.request(conversation, model, **options)
    if form == "react":
        return {"model": model, "messages": turns(conversation), **options}
    own = {"stop": [react.CHATML.close], "skip_special_tokens": False}  # tags may be special tokens: keep them
    return {"model": model, "prompt": text_of(react.prompt(conversation)), **options, **own}


def turns(conversation: Conversation) -> list[dict[str, str]]:
    """The conversation as chat messages that hold our text; results that stand together share one user turn.

    No text in a message can open or close a tag, that of a result included.
    """
    messages, listed = conversation.messages, list[dict[str, str]]()
    if conversation.tools:
        lead = messages[0] if messages and isinstance(messages[0], System) else None
        listed.append({"role": "system", "content": text_of(react.tools_block(conversation.tools, lead))})
        messages = messages[1:] if lead else messages
    for results, run in groupby(messages, key=lambda message: isinstance(message, Observation)):
        said = [_body(message) for message in run]
        if results:
            listed.append({"role": "user", "content": "\n".join(text for _, text in said)})
        else:
            listed += [{"role": role, "content": text} for role, text in said]
    return listed


def _body(message: Message) -> tuple[str, str]:
    if isinstance(message, Assistant | Garbled):
        return "assistant", text_of(react.step_spans(message))
    text = _RESULT.sub(r"<\\", react.escape(message.content))
    return message.role, f"{RESULT}\n{text}\n{UNRESULT}" if isinstance(message, Observation) else text


def read(form: Form, answer: dict[str, Any], most: int) -> Step:
    """The step in the first choice of an answer, which a server gave whole or a stream added up to.

    Raises:
        FormatError: the answer is no completion.
    """
    if form == "tools":
        return openai.read_response(answer)
    try:
        choice = answer["choices"][0]
        message = choice["message"] if "message" in choice else {"content": choice["text"]}
        if message.get("tool_calls"):
            return openai.read_response(answer)
        text = spoken(message)
    except (AttributeError, LookupError, TypeError) as error:
        raise FormatError(f"response: no text in choices.0 of {str(answer)[:80]!r}") from error
    if choice.get("finish_reason") == "length":
        return Garbled(raw=text, why=f"not finished after {most} tokens")
    return react.parse_step(text)


def told_apart(step: Step) -> Step:
    """The step with ids of our own where the server gave one to several calls, or none: results go back by id."""
    if isinstance(step, Garbled) or len({call.id for call in step.calls}) == len(step.calls):
        return step
    calls = tuple(call.model_copy(update={"id": f"call_{place}"}) for place, call in enumerate(step.calls))
    return step.model_copy(update={"calls": calls})


def spoken(message: dict[str, Any]) -> str:
    """The turn as the model wrote it, also where the server has split the thought off or left the end marker."""
    text = (message.get("content") or "").partition(react.CHATML.close)[0]
    thought = next((message[key] for key in THOUGHTS if message.get(key)), None)
    if thought is None:
        return text
    thought, rest = thought.strip("\n"), text.lstrip("\n")
    return f"{react.THINK}\n{thought}\n{react.UNTHINK}" + (f"\n{rest}" if rest else "")
