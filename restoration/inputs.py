"""What the network is fed: an object, so that a new input is one class and one option."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from restoration.errors import RestorationError
from restoration.estimate.passes import first_estimate
from restoration.jpeg import CompressedImage


class NetworkInput(ABC):
    """Base of all network inputs: subclass it and name the class in ``--data.input``."""

    @abstractmethod
    def __call__(self, jpeg: CompressedImage, target: Tensor, generator: torch.Generator) -> Tensor:
        """Build the network's fixed input z.

        Args:
            jpeg: what the file knows.
            target: the decoded JPEG, (1, C, H, W) in [0, 1].
            generator: the source of all randomness, on the CPU.

        Returns:
            z, (1, D, H, W).
        """

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
        if depth < 1:
            raise RestorationError(f"the input's depth must be at least 1, not {depth}")
        self.depth = depth
        self.scale = scale

    def __call__(self, jpeg: CompressedImage, target: Tensor, generator: torch.Generator) -> Tensor:
        """See ``NetworkInput.__call__``."""
        shape = (1, self.depth, *target.shape[-2:])
        return torch.rand(shape, generator=generator) * self.scale


class DecodedJPEG(NetworkInput):
    """The decoded JPEG itself, as SURE demands it."""

    def __call__(self, jpeg: CompressedImage, target: Tensor, generator: torch.Generator) -> Tensor:
        """Return ``target`` itself, the same tensor."""
        return target


class EstimateAndNoise(NetworkInput):
    """A first estimate made without a network, the decoded JPEG, and uniform noise.

    The network starts from what is known and converges several times faster than from noise.

    Args:
        depth: channels of noise.
        scale: upper end of the noise's values.
    """

    def __init__(self, depth: int = 8, scale: float = 0.1) -> None:
        self.depth = depth
        self.scale = scale

    def __call__(self, jpeg: CompressedImage, target: Tensor, generator: torch.Generator) -> Tensor:
        """See ``NetworkInput.__call__``."""
        noise = Noise(self.depth, self.scale)(jpeg, target, generator)
        return torch.cat([first_estimate(jpeg.quantised), target, noise], 1)
