"""Weights spread over processes with PyTorch's FSDP2, and checkpoints that any number of processes can read.

FSDP2 wants one dtype among the *trained* tensors of a group only (torch 2.13, checked by the tests): a block may hold
frozen bfloat16 or packed uint8 weights beside float32 adapters; it gathers them as bytes. Frozen tensors must be
parameters (`requires_grad=False`), since buffers are never spread.
"""

import contextlib
import errno
import warnings
from collections.abc import Generator, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributed import checkpoint
from torch.distributed.checkpoint import CheckpointException
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

from calm.errors import DataError, StorageError


def mesh(device: str, size: int, near: int) -> DeviceMesh:
    """`size` processes, the weights spread over `near` of them and repeated in each such group."""
    if near == size:
        return init_device_mesh(device, (size,))
    return init_device_mesh(device, (size // near, near), mesh_dim_names=("repeated", "spread"))


def spread(module: nn.Module, over: DeviceMesh) -> None:
    """Spread a block, or a model by its `layers`, each of which is gathered only while it computes.

    A block that is spread already stays as it is, so a large model can be loaded and spread a block at a time.
    Gradients come out summed over the processes, not averaged: each divides its loss by the tokens of the whole step.
    """
    for part in (*getattr(module, "layers", ()), module):
        if not isinstance(part, FSDPModule):
            sharded = fully_shard(part, mesh=over, reshard_after_forward=True)
            sharded.set_gradient_divide_factor(1.0)
            sharded.set_force_sum_reduction_for_comms(True)  # gloo knows no other reduction
    if hasattr(module, "loss"):
        register_fsdp_forward_method(module, "loss")


def tensors(trained: Iterable[tuple[str, nn.Parameter]], optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """All that a run has learnt, by name: each weight, and beside it AdamW's moments and step count.

    They share memory with the run, so reading a checkpoint into them restores it; an optimiser that has not made a step
    yet is given zeros.
    """
    found: dict[str, Tensor] = {}
    for name, weight in trained:
        state = optimiser.state[weight]
        if not state:
            state["step"] = torch.zeros((), device=weight.device if optimiser.defaults.get("fused") else "cpu")
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        found[name] = weight.detach()
        found |= {f"{name}/{key}": value for key, value in state.items()}
    return found


def save(folder: Path, state: dict[str, Tensor], *, alone: bool) -> None:
    """Write tensors with `torch.distributed.checkpoint`, synced to disk; every process of the crew must call it.

    Raises:
        StorageError: the disk is full or the folder may not be written.
    """
    try:
        with _hushed():
            checkpoint.save(state, storage_writer=checkpoint.FileSystemWriter(folder), no_dist=alone)
    except CheckpointException as error:
        raise _unwritten(folder, error) from error


def load(folder: Path, state: dict[str, Tensor], *, alone: bool) -> None:
    """Read tensors in place, each process its part, whatever number of processes wrote them.

    Raises:
        DataError: the checkpoint is damaged or is of another model.
    """
    try:
        with _hushed():
            checkpoint.load(state, storage_reader=checkpoint.FileSystemReader(folder), no_dist=alone)
    except CheckpointException as error:
        raise DataError(folder, f"is no checkpoint of this run ({_cause(error)}); remove it") from error


@contextlib.contextmanager
def _hushed() -> Generator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")  # said of every single process
        yield


def _unwritten(folder: Path, error: CheckpointException) -> StorageError:
    cause = _cause(error)
    full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
    return StorageError(f"{folder}: {cause}; {'free some space' if full else 'choose another folder'}")


def _cause(error: CheckpointException) -> BaseException:
    return next(iter(error.failures.values()))[0]
