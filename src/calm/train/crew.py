"""Who else computes: one process, or as many as `torchrun` started, over any number of machines.

    crew.share(rows, pack)   the parts of a step that this process computes, as many on every process
    crew.shard(model)        its weights spread over the crew (FSDP2)
    crew.total, crew.norm    sums over everyone
    crew.save, crew.load     a checkpoint that a crew of another size can go on from

A step computes the same whatever the crew: gradients are sums over its conversations, wherever they went.
"""

import contextlib
import gc
import math
import os
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor

from calm.errors import UsageError
from calm.format.tokens import Encoded
from calm.train import shard


class Part(NamedTuple):
    """Conversations that go through the model at once; `weight` 0 marks a stand-in whose loss counts for nothing."""

    rows: list[Encoded]
    weight: float = 1.0


@dataclass(frozen=True)
class Crew:
    """One process among `size`; `mesh` is None where there are no others."""

    rank: int
    size: int
    device: torch.device
    mesh: DeviceMesh | None = None

    @property
    def first(self) -> bool:
        """Whether this process is the one that prints and writes."""
        return self.rank == 0

    def share(self, rows: Sequence[Encoded], pack: int = 0) -> list[Part]:
        """This process's parts of a step: at most `pack` tokens each on a GPU, one conversation each on a processor."""
        return deal(rows, pack if self.device.type == "cuda" else 0, self.size)[self.rank]

    def shard(self, module: nn.Module) -> None:
        """Spread a block or a whole model over the crew, in place; nothing for one process."""
        if self.mesh is not None:
            shard.spread(module, self.mesh)

    def total(self, value: float) -> float:
        """The sum over the crew, in float64; every process must ask."""
        if self.mesh is None:
            return float(value)
        tensor = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return tensor.item()

    def wait(self) -> None:
        """Go on when everyone is here."""
        self.total(0)

    def norm(self, weights: Sequence[nn.Parameter], clip: float) -> float:
        """The norm of all gradients before they are scaled down to `clip` (0: left as they are)."""
        norm = nn.utils.clip_grad_norm_(weights, clip or math.inf)
        return float(_whole(norm))

    def save(self, folder: Path, state: dict[str, Tensor]) -> None:
        """Write the tensors of a run (see `shard.tensors`), each process its part."""
        shard.save(folder, state, alone=self.mesh is None)

    def load(self, folder: Path, state: dict[str, Tensor]) -> None:
        """Read them back in place, whatever crew wrote them."""
        shard.load(folder, state, alone=self.mesh is None)

    def gather(self, named: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
        """Tensors in one piece in the first process's main memory, to be written out; every process must ask."""
        whole = ((name, _whole(tensor.detach())) for name, tensor in named)
        return {name: tensor.cpu() for name, tensor in whole if self.first}


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def deal(rows: Sequence[Encoded], pack: int, size: int) -> list[list[Part]]:
    """Cut a step into parts and deal them to `size` processes: as many to each, and in each round alike in tokens.

    FSDP gathers weights whenever a block computes, so all must compute equally often: whoever would have nothing in a
    round repeats the step's shortest conversation at weight 0. `pack` 0 means one conversation to a part.
    """
    bins = _pack(sorted(rows, key=lambda row: -len(row.ids)), pack, size)
    bins.sort(key=_tokens, reverse=True)
    parts = [Part(rows) for rows in bins]
    parts += [Part([min(rows, key=lambda row: len(row.ids))], 0.0)] * (-len(parts) % size)
    rounds = [parts[at : at + size] for at in range(0, len(parts), size)]
    turned = [part[::-1] if i % 2 else part for i, part in enumerate(rounds)]  # who got the longest gets the shortest
    return [list(mine) for mine in zip(*turned, strict=True)]


def _pack(rows: Sequence[Encoded], pack: int, size: int) -> list[list[Encoded]]:
    """Rows, longest first, into as few even bins of at most `pack` tokens as are a multiple of `size`."""
    count = size * math.ceil(max(1, _tokens(rows)) / (pack * size)) if pack else len(rows)
    while count < len(rows):
        bins: list[list[Encoded]] = [[] for _ in range(count)]
        for row in rows:
            min(bins, key=_tokens).append(row)
        if all(_tokens(each) <= pack or len(each) == 1 for each in bins):
            return bins
        count += size
    return [[row] for row in rows]


def _tokens(rows: Sequence[Encoded]) -> int:
    return sum(len(row.ids) for row in rows)


def speaks() -> bool:
    """Whether this process is the one that prints, before it has met the others."""
    return "LOCAL_RANK" not in os.environ or _number("RANK") == 0


def alone() -> Crew:
    """A crew of one, on the GPU where there is one."""
    return Crew(0, 1, torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def joined(wide: bool = False) -> Crew:
    """The crew that `torchrun` made this process a member of: gloo on processors, NCCL on GPUs.

    Over several machines the weights are spread within each and repeated on all, so that only gradients of the adapters
    travel between them; `wide` spreads over everyone, for models that one machine cannot hold.

    Raises:
        UsageError: torchrun's variables are incomplete, there are more processes than GPUs, or restarts cannot work.
    """
    _restartable()
    rank, size, place, near = (_number(name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    gpus = torch.cuda.device_count()
    if gpus and place >= gpus:
        raise UsageError(f"process {place + 1} of this machine has no GPU of its own; --nproc-per-node {gpus} at most")
    device = torch.device("cuda", place) if gpus else torch.device("cpu")
    if gpus:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if gpus else "gloo")
    return Crew(rank, size, device, shard.mesh(device.type, size, size if wide else near))


def _restartable() -> None:
    """PyTorch's launcher keeps the addresses of ended workers in the store it shares (pytorch issue 135712)."""
    shared = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    if shared and int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")):
        raise UsageError("--max-restarts works only with TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 set before torchrun")


def _number(name: str) -> int:
    try:
        return int(os.environ[name])
    except (KeyError, ValueError) as error:
        raise UsageError(f"{name} is not set as torchrun sets it; start with torchrun, or unset LOCAL_RANK") from error


@contextlib.contextmanager
def here(wide: bool = False) -> Generator[Crew]:
    """The crew of this process for as long as the block runs: torchrun's where it started us, else one of our own."""
    if "LOCAL_RANK" not in os.environ or _number("WORLD_SIZE") == 1:
        yield alone()
        return
    yield joined(wide)
    gc.collect()  # sharded weights in reference cycles hold connections, whose threads must end before the interpreter
    dist.destroy_process_group()  # not after an error: the others may wait for us, and torchrun ends them
