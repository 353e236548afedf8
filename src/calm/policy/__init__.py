"""Policies: who speaks next. `Conversation -> Step`, one method, so a script is as good a policy as a model.

`scripted` holds the honest test doubles (a script, the gold answer, silence), `local` the embedded model,
`endpoint` any OpenAI-compatible server. A model is named one way everywhere: a folder, a hub id,
`calm-135m`, or `openai:MODEL@URL`; `load` turns the name into a policy.
"""

from typing import Literal, NamedTuple, Protocol, runtime_checkable

from calm.conversation import Conversation, Step
from calm.errors import UsageError
from calm.hub.wheels import Progress

Engine = Literal["auto", "openvino", "torch", "numpy"]
Precision = Literal["int8", "f16", "f32"]


class Usage(NamedTuple):
    """Cost of one step: tokens of the prompt, of them taken from a cache, tokens written (0 where unknown), seconds."""

    prompt: int
    cached: int
    written: int
    seconds: float


class Policy(Protocol):
    """Anything that answers a conversation with the next step of the assistant."""

    name: str

    def __call__(self, conversation: Conversation) -> Step:
        """The next step; unreadable output is a Garbled, not an exception."""
        ...


def load(
    name: str,
    *,
    constrained: bool = True,
    max_tokens: int = 512,
    engine: Engine = "auto",
    precision: Precision = "int8",
    progress: Progress | None = None,
) -> Policy:
    """The policy a model name means.

    Args:
        name: a model folder or adapter folder, a hub id, `calm-135m`, or `openai:MODEL@URL`.
        constrained: hold calls to the tools' JSON Schemas while decoding (local models only).
        max_tokens: longest step, in tokens.
        engine: what computes a local model; `auto` takes the fastest that works here, and `policy.engine` says which.
        precision: of the weights of OpenVINO's graph: `int8` for conversation, `f16` for scores that are reported.
        progress: told of bytes fetched and tensors converted on first use.

    Raises:
        ModelError: no such model, or a folder that lacks something; says what.
        MissingExtra: the packages for it are not installed; says the pip line.
    """
    if name.startswith("openai:"):
        from calm.policy.endpoint import Endpoint

        return Endpoint.named(name, max_tokens=max_tokens)
    from calm.policy.local import Local

    return Local.load(
        name, constrained=constrained, max_tokens=max_tokens, engine=engine, precision=precision, progress=progress
    )


@runtime_checkable
class Constrained(Protocol):
    """A policy that can hold its calls to the tools' schemas, and the values in them to what was said."""

    constrained: bool
    grounded: float


def ground(policy: Policy, weight: float) -> Policy:
    """The policy, preferring string values that the conversation holds by `weight` on their logits; 0 changes nothing.

    Raises:
        UsageError: it decodes elsewhere, or without the grammar that says where a value begins.
    """
    if weight:
        if not (isinstance(policy, Constrained) and policy.constrained):
            raise UsageError(f"grounded: {weight} needs a local model that is held to the schemas; leave one out")
        policy.grounded = weight
    return policy
