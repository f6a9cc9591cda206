"""Generators of a run's own noise: nothing else moves them, and ranks draw apart."""

from __future__ import annotations

import torch
from torch import Tensor

from restoration.errors import RestorationError


def rank() -> int:
    """Rank of this process in a distributed run, else 0."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank()
    return 0


def own_generator(device: torch.device, state: Tensor | None = None) -> torch.Generator:
    """Create a generator that follows the global seed, apart for each rank.

    Args:
        device: Where the noise is drawn.
        state: State in a checkpoint, to go on from. A checkpoint holds the first rank's state; the
            others go on from a seed made of it, so that they draw neither its noise nor their own
            of the first steps again.

    Raises:
        RestorationError: the state is that of a generator on another kind of device.
    """
    generator = torch.Generator(device)
    if state is None:
        return generator.manual_seed(torch.initial_seed() + 1 + rank())
    try:
        generator.set_state(state.cpu())
    except RuntimeError as error:  # states of CPUs and GPUs are of unequal sizes
        raise RestorationError(
            "the checkpoint is of a run on another kind of device, whose random numbers cannot go "
            "on here; go on there, or leave --ckpt_path out"
        ) from error
    if rank():
        drawn = torch.randint(2**62, (rank(),), generator=generator, device=device)[-1]
        generator.manual_seed(int(drawn))
    return generator
