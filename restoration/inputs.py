"""What the network is fed: an object, so that a new input is one class and one option."""

from __future__ import annotations

import torch
from torch import Tensor


class NetworkInput:
    """Base of all network inputs: subclass it and name the class in ``--data.input``."""

    def __call__(self, target: Tensor, generator: torch.Generator) -> Tensor:
        """Build the network's fixed input z.

        Args:
            target: the decoded JPEG, (1, C, H, W) in [0, 1].
            generator: the source of all randomness, on the CPU.

        Returns:
            z, (1, D, H, W).
        """
        raise NotImplementedError(f"{type(self).__name__} must implement __call__")

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"


class Noise(NetworkInput):
    """Uniform noise, z ~ U(0, scale), the deep image prior's input.

    Args:
        depth: channels D.
        scale: upper end of the values.
    """

    def __init__(self, depth: int = 3, scale: float = 0.1) -> None:
        self.depth = depth
        self.scale = scale

    def __call__(self, target: Tensor, generator: torch.Generator) -> Tensor:
        """See ``NetworkInput.__call__``."""
        shape = (1, self.depth, *target.shape[-2:])
        return torch.rand(shape, generator=generator) * self.scale


class DecodedJPEG(NetworkInput):
    """The decoded JPEG itself, as SURE demands it."""

    def __call__(self, target: Tensor, generator: torch.Generator) -> Tensor:
        """Return ``target`` itself, the same tensor."""
        return target
