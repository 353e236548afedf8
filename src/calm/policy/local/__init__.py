"""The embedded model as a policy: the next step decoded on this machine, its calls held to the tools' schemas."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from calm.conversation import Conversation, Garbled, Step
from calm.errors import CalmError, MissingExtra, ModelError
from calm.files import sha256
from calm.format import grammar, react
from calm.format.react import CALL, UNCALL
from calm.format.tokens import Codec
from calm.hub import models
from calm.hub.wheels import Progress
from calm.policy import Usage
from calm.policy.local import engine as engines
from calm.policy.local.engine import Engine
from calm.policy.local.grounded import Spans
from calm.policy.local.turn import Turn, Wish, shared

ADAPTER = "adapter_model.safetensors"

KEPT = 4
"""Full contexts' worth of finished sequences that are kept, so that a conversation that comes back is not reread."""

if TYPE_CHECKING:
    from calm.policy.local.constrain import Constraint


class Local:
    """Greedy decoding with kept KV caches: of a conversation that comes back only what is new is computed.

    `engine.kind` says what computes ("openvino int8"), `engine.rung` why nothing faster does. With `constrained` every
    call is valid, by grammar, no step makes the same call twice (`repeated` says that the last one would have), numbers
    end, and a thought or reply near `max_tokens` is brought to its end; `hurried` says so of the last one, whose last
    words may be cut short. Without it the model may say anything. What cannot be read is Garbled, and so is what
    `max_tokens` cut off: always where that is in a call, whose values nobody could trust. `grounded` is a number of
    logits by which the strings of calls lean towards what the user and the tools said; 0, the default, is as the model
    would have it. It needs `constrained`.
    """

    def __init__(
        self, name: str, engine: Engine, codec: Codec, *, constrained: bool = True, max_tokens: int = 512
    ) -> None:
        self.name, self.engine, self.codec = name, engine, codec
        self.constrained, self.max_tokens = constrained, max_tokens
        self.choice: grammar.Choice = "auto"
        self.grounded = 0.0
        self.usage, self.hurried, self.repeated = Usage(0, 0, 0, 0.0), False, False
        self._idle: list[Engine] = []
        self._constraint: Constraint | None = None

    @classmethod
    def load(
        cls,
        name: str,
        *,
        constrained: bool = True,
        max_tokens: int = 512,
        engine: engines.Name = "auto",
        precision: engines.Precision = "int8",
        progress: Progress | None = None,
    ) -> "Local":
        """The policy of a model folder, adapter folder, hub id or `calm-135m`.

        Args:
            name: what to load; an adapter is added to its base while loading, there is nothing to convert.
            constrained: hold calls to the tools' JSON Schemas while decoding.
            max_tokens: longest step, in tokens.
            engine: `auto` takes the fastest that works here and says which.
            precision: of OpenVINO's weights: `int8` for conversation, `f16` for scores that are reported.
            progress: told of bytes fetched and tensors converted on first use.

        Raises:
            MissingExtra: no engine, or not the one asked for, or no tokenizers installed.
            ModelError: the folder lacks something.
        """
        found = models.find(name, progress)
        codec = Codec.load(found.tokenizer)
        label = f"{found.base.name}+{sha256(found.adapter / ADAPTER)[:8]}" if found.adapter else found.name
        made = engines.load(found, engine, precision)
        return cls(label, made, codec, constrained=constrained, max_tokens=max_tokens)

    def __call__(self, conversation: Conversation) -> Step:
        """The model's next step; `self.usage` says what it cost."""
        return self.read(list(self.tokens(conversation)))

    def tokens(self, conversation: Conversation) -> Iterator[int]:
        """Ids of the next step as they are decoded, the stop token last; greedy.

        Raises:
            ModelError: the conversation is longer than the model's context.
            FormatError: the tools' schemas make no grammar.
        """
        yield from self._decoded(self._begin(self.wish(conversation), []))

    def wish(self, asked: Conversation | Iterable[tuple[str, str]]) -> Wish:
        """What is to be decoded, held to the policy's own choice and length."""
        return Wish(asked if isinstance(asked, Conversation) else tuple(asked), self.choice, self.max_tokens)

    def complete(self, turns: Iterable[tuple[str, str]]) -> str:
        """What the model writes after turns (role, text) that are put to it as they are: no tools, no grammar.

        Raises:
            ModelError: the turns are longer than the model's context.
        """
        return self.codec.text(list(self._decoded(self._begin(self.wish(turns), []))))

    def many(self, conversations: Iterable[Conversation], width: int = 32) -> list[Step]:
        """The next step of each conversation, up to `width` decoded together: several times faster than one by one.

        Raises:
            CalmError: what one of them raises on its own, too.
        """
        found = dict(self.steps(conversations, width))
        for step in found.values():
            if isinstance(step, CalmError):
                raise step
        return [found[i] for i in sorted(found)]  # ty: ignore[invalid-explicit-return]  # errors were raised

    def steps(
        self, conversations: Iterable[Conversation | None], width: int = 32
    ) -> Iterator[tuple[int, Step | CalmError]]:
        """Steps as they are finished, with the place of their conversation; None says that none is waiting just now."""
        places = dict[Wish, int]()

        def wishes() -> Iterator[Wish | None]:
            for place, conversation in enumerate(conversations):
                if conversation is not None:
                    places[wish := self.wish(conversation)] = place
                    yield wish
                else:
                    yield None

        for wish, said in self.decode(wishes(), width):
            if isinstance(said, CalmError):
                yield places[wish], said
            elif isinstance(said, Turn):
                self._told(said)
                yield places[wish], self.read(said.written)

    def decode(
        self, wishes: Iterable[Wish | None], width: int = 32
    ) -> Iterator[tuple[Wish, list[int] | Turn | CalmError]]:
        """Ids of up to `width` wishes as they are chosen, and last of each its Turn, or why there is none.

        A new wish is read at once and then decoded with the others, so one with the same tools finds their part of the
        prompt computed; None says that none is waiting just now. A dropped one ends where it stands.
        """
        waiting, live, over = iter(wishes), dict[Wish, Turn](), object()
        found: object = None
        while live or found is not over:
            while len(live) < width and isinstance(found := next(waiting, over), Wish):
                yield found, self._first(found, live)
            for wish in [wish for wish, turn in live.items() if turn.over or wish.dropped]:
                self._keep(live[wish].sequence)
                yield wish, live.pop(wish)
            if live:
                rows = self.engine.forward_many([(turn.sequence, turn.pending) for turn in live.values()])
                for (wish, turn), row in zip(live.items(), rows, strict=True):
                    yield wish, turn.take(row)

    def _first(self, wish: Wish, live: dict[Wish, Turn]) -> list[int] | CalmError:
        """Read a wish's prompt and put it among the living; its first ids."""
        try:
            wish.turn = turn = self._begin(wish, [other.sequence for other in live.values()])
            chosen = turn.take(turn.sequence.forward(turn.pending))
        except CalmError as error:
            return error
        live[wish] = turn
        return chosen

    def _decoded(self, turn: Turn) -> Iterator[int]:
        try:
            while not turn.over:
                yield from turn.take(turn.sequence.forward(turn.pending))
                self._told(turn)
        finally:
            self._keep(turn.sequence)

    def _told(self, turn: Turn) -> None:
        self.usage, self.hurried, self.repeated = turn.usage, turn.hurried, turn.repeated

    def read(self, ids: list[int]) -> Step:
        """The step that decoded ids say; Garbled where they were cut off."""
        if ids[-1] == self.codec.stop:
            return self.codec.read(ids)
        raw = self.codec.text(ids)
        where = ": a call was cut, so nothing was called" if raw.rfind(CALL) > raw.rfind(UNCALL) else ""
        return Garbled(raw=raw, why=f"not finished after {len(ids)} tokens{where}")

    def _begin(self, wish: Wish, busy: list[Engine]) -> Turn:
        if isinstance(asked := wish.asked, Conversation):
            prompt, rules = self.codec.prompt(asked), self._rules(asked, wish.choice)
        else:
            prompt, rules = self.codec.encode(react.plain(asked, self.codec.markers)).ids, None
        if len(prompt) + wish.most > self.engine.limit:
            what = f"conversation {asked.id!r}" if isinstance(asked, Conversation) else "this prompt"
            raise ModelError(
                f"{what}: {len(prompt)} tokens and {wish.most} to write "
                f"exceed the model's {self.engine.limit}; offer fewer tools or start anew"
            )
        return Turn(self._seat(prompt, busy), prompt, rules, self.codec.stop, wish.most)

    def _seat(self, prompt: list[int], busy: list[Engine]) -> Engine:
        """A sequence that begins like the prompt: an idle one that it continues, else a fork of the most alike."""
        best = max([*self._idle, *busy, self.engine], key=lambda sequence: shared(sequence.ids, prompt))
        if best in self._idle and 4 * shared(best.ids, prompt) >= 3 * len(best.ids):
            self._idle.remove(best)
            return best
        return best.fork()

    def _keep(self, sequence: Engine) -> None:
        """Put a finished sequence by, and forget the oldest beyond what may be kept."""
        self._idle.append(sequence)
        while len(self._idle) > 1 and sum(len(kept.ids) for kept in self._idle) > KEPT * self.engine.limit:
            self._idle.pop(0)

    def _rules(self, conversation: Conversation, choice: grammar.Choice) -> "Constraint | None":
        if not self.constrained:
            return None
        if self._constraint is None:
            try:
                from calm.policy.local.constrain import Constraint
            except ImportError as error:
                raise MissingExtra("constrained decoding", "local", error.name or "llguidance") from error
            self._constraint = Constraint(self.codec)
        rules = self._constraint.fresh()
        spans = Spans.of(conversation, self.grounded) if self.grounded else None
        rules.begin(grammar.step(conversation.tools, choice), spans)
        return rules
