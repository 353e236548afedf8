"""The embedded model as a policy: the next step decoded on this machine, its calls held to the tools' schemas."""

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from calm.conversation import Conversation, Garbled, Step
from calm.errors import MissingExtra, ModelError
from calm.files import sha256
from calm.format import grammar, react
from calm.format.tokens import Codec
from calm.hub import models
from calm.hub.wheels import Progress
from calm.policy import Usage

ADAPTER = "adapter_model.safetensors"

if TYPE_CHECKING:
    from calm.policy.local.constrain import Constraint
    from calm.policy.local.llama import Llama


class Local:
    """Greedy decoding with a kept KV cache: only what is new since the last step is computed.

    With `constrained` every step is readable and every call valid, by grammar; without it the model may say anything
    and what cannot be read is Garbled. A step cut off by `max_tokens` is Garbled too, never a shortened reply.
    """

    def __init__(
        self, name: str, engine: "Llama", codec: Codec, *, constrained: bool = True, max_tokens: int = 256
    ) -> None:
        self.name, self.engine, self.codec = name, engine, codec
        self.constrained, self.max_tokens = constrained, max_tokens
        self.choice: grammar.Choice = "auto"
        self.usage = Usage(0, 0, 0, 0.0)
        self._constraint: Constraint | None = None

    @classmethod
    def load(
        cls, name: str, *, constrained: bool = True, max_tokens: int = 256, progress: Progress | None = None
    ) -> "Local":
        """The policy of a model folder, adapter folder, hub id or `calm-135m`; weights in bfloat16.

        Raises:
            MissingExtra: torch, safetensors or tokenizers is not installed.
            ModelError: the folder lacks something.
        """
        try:
            from calm.policy.local.llama import Llama
        except ImportError as error:
            raise MissingExtra("running a model on this machine", "local", error.name or "torch") from error
        found = models.find(name, progress)
        codec = Codec.load(found.tokenizer)
        label = f"{found.base.name}+{sha256(found.adapter / ADAPTER)[:8]}" if found.adapter else found.name
        return cls(label, Llama(found.base, found.adapter), codec, constrained=constrained, max_tokens=max_tokens)

    def __call__(self, conversation: Conversation) -> Step:
        """The model's next step; `self.usage` says what it cost."""
        ids = list(self.tokens(conversation))
        if ids[-1] != self.codec.stop:
            return Garbled(raw=self.codec.text(ids), why=f"not finished after {self.max_tokens} tokens")
        return self.codec.read(ids)

    def tokens(self, conversation: Conversation) -> Iterator[int]:
        """Ids of the next step as they are decoded, the stop token last; greedy.

        Raises:
            ModelError: the conversation is longer than the model's context.
        """
        prompt = self.codec.prompt(conversation)
        yield from self._decoded(prompt, self._rules(conversation), f"conversation {conversation.id!r}")

    def complete(self, turns: Iterable[tuple[str, str]]) -> str:
        """What the model writes after turns (role, text) that are put to it as they are: no tools, no grammar.

        Raises:
            ModelError: the turns are longer than the model's context.
        """
        prompt = self.codec.encode(react.plain(turns, self.codec.markers)).ids
        return self.codec.text(list(self._decoded(prompt, None, "this prompt")))

    def _decoded(self, prompt: list[int], rules: "Constraint | None", what: str) -> Iterator[int]:
        began = time.perf_counter()
        if len(prompt) + self.max_tokens > self.engine.limit:
            raise ModelError(
                f"{what}: {len(prompt)} tokens and {self.max_tokens} to write "
                f"exceed the model's {self.engine.limit}; offer fewer tools or start anew"
            )
        cached, written = self._shared(prompt), 0
        self.engine.rewind(cached)
        pending, stop = prompt[cached:], False
        while not stop and written < self.max_tokens:
            logits = self.engine.forward(pending)
            chosen = rules.next(logits) if rules else [int(logits.argmax())]
            stop = self.codec.stop in chosen
            pending = chosen[: chosen.index(self.codec.stop)] if stop else chosen
            for token in chosen[: len(pending) + stop]:
                written += 1
                yield token
            self.usage = Usage(len(prompt), cached, written, time.perf_counter() - began)

    def _shared(self, prompt: list[int]) -> int:
        """Length of the common start of cache and prompt, at least one token short of the prompt."""
        same = 0
        for ours, theirs in zip(self.engine.ids, prompt[:-1], strict=False):
            if ours != theirs:
                break
            same += 1
        return same

    def _rules(self, conversation: Conversation) -> "Constraint | None":
        if not self.constrained:
            return None
        if self._constraint is None:
            try:
                from calm.policy.local.constrain import Constraint
            except ImportError as error:
                raise MissingExtra("constrained decoding", "local", error.name or "llguidance") from error
            self._constraint = Constraint(self.codec)
        self._constraint.begin(grammar.step(conversation.tools, self.choice))
        return self._constraint
