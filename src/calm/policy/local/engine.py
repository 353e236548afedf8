"""What runs the model: one small interface, several runtimes, and the ladder that picks one and says which.

An engine is one sequence of tokens over shared weights. Rungs, the fastest first: `openvino` (paged attention, int8 or
f16, no conversion step), `torch` (bfloat16), `numpy` (float32, anywhere). All compute the same model; tests compare
them token by token.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from calm.errors import MissingExtra, UsageError
from calm.hub.models import Found
from calm.policy import Engine as Name
from calm.policy import Precision

RUNGS = ("openvino", "torch", "numpy")


class Engine(Protocol):
    """One sequence: `forward` appends tokens, `rewind` takes them back, `fork` begins another one with the same start.

    `kind` names runtime and weights ("openvino int8"), `rung` says why no faster runtime is used (empty on the first).
    """

    kind: str
    rung: str
    ids: list[int]
    """The tokens whose keys and values are cached."""

    @property
    def limit(self) -> int:
        """The longest sequence the model was made for, in tokens."""
        ...

    def forward(self, ids: Sequence[int]) -> Any:
        """Append at least one token; the float32 logits [vocabulary] of what follows the last one."""
        ...

    def forward_many(self, parts: Sequence[tuple[Any, Sequence[int]]]) -> Any:
        """Append tokens to several sequences of these weights at once; logits [sequences, vocabulary]."""
        ...

    def rewind(self, length: int) -> None:
        """Forget all tokens after the first `length`."""
        ...

    def fork(self) -> "Engine":
        """Another sequence that has the same tokens; from here on they go their own ways."""
        ...


class Kept:
    """An engine whose cache is its own: taking tokens back is forgetting them."""

    config: dict[str, Any]
    ids: list[int]

    @property
    def limit(self) -> int:
        """The longest sequence the model was made for, in tokens."""
        return int(self.config.get("max_position_embeddings", 2048))

    def rewind(self, length: int) -> None:
        """Forget all tokens after the first `length`."""
        del self.ids[length:]


class Unfit(Exception):
    """A runtime that cannot be used here, and why; no error of the user's, the ladder goes one rung down."""


def load(found: Found, engine: Name = "auto", precision: Precision = "int8") -> Engine:
    """An empty sequence over a model's weights, its adapter merged.

    Raises:
        UsageError: no engine of that name.
        MissingExtra: the engine asked for is not installed.
        ModelError: the folder lacks something.
    """
    if engine not in ("auto", *RUNGS):
        raise UsageError(f"engine {engine!r} is not known; one of auto, {', '.join(RUNGS)}")
    reasons: list[str] = []
    for name in RUNGS if engine == "auto" else (engine,):
        try:
            made = _RUNG[name](found, precision)
        except ImportError as error:
            reasons.append(f"{error.name} is not installed")
        except Unfit as error:
            reasons.append(str(error))
        else:
            made.rung = "; ".join(reasons)
            return made
    raise MissingExtra(f"running a model on this machine ({'; '.join(reasons)})", "local", RUNGS[0])


def _openvino(found: Found, precision: Precision) -> Engine:
    from calm.policy.local.openvino_engine import OpenVINO

    return OpenVINO.load(found.base, found.adapter, precision)


def _torch(found: Found, precision: Precision) -> Engine:
    import torch

    from calm.policy.local.llama import Llama

    return Llama(found.base, found.adapter, torch.float32 if precision == "f32" else torch.bfloat16)


def _numpy(found: Found, precision: Precision) -> Engine:
    from calm.policy.local.plain import Plain

    return Plain(found.base, found.adapter)


_RUNG = {"openvino": _openvino, "torch": _torch, "numpy": _numpy}
