"""Models Q of the distribution of an original's channels, built from the JPEG alone."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from restoration.errors import RestorationError
from restoration.losses.histogram import LEVELS, hard_histogram


def gaussian_model(image: Tensor) -> Tensor:
    """The paper's Q_C: a Gaussian of each channel's mean and standard deviation, at 0 to 255.

    Q[i] is proportional to exp(-(i - mean)^2 / (2 std^2)), normalised to sum 1. The population
    standard deviation is taken, and never less than 1/100 of a level, for constant channels.

    Args:
        image: (N, C, H, W) in [0, 1].

    Returns:
        (N, C, 256).
    """
    levels = image.flatten(2) * (LEVELS - 1)
    mean = levels.mean(-1, keepdim=True)
    std = levels.std(-1, correction=0, keepdim=True).clamp(min=0.01)
    i = torch.arange(LEVELS, dtype=image.dtype, device=image.device)
    # softmax normalises without dividing by an underflown sum
    return torch.softmax(-((i - mean) ** 2) / (2 * std**2), -1)


def smoothed_histogram(image: Tensor, bandwidth: float) -> Tensor:
    """The histogram of each channel smoothed by a Gaussian kernel, renormalised at the ends.

    Args:
        image: (N, C, H, W) in [0, 1].
        bandwidth: standard deviation of the kernel in levels.

    Returns:
        (N, C, 256).
    """
    i = torch.arange(LEVELS, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-((i[:, None] - i) ** 2) / (2 * bandwidth**2))  # 256 x 256, not x pixels
    smoothed = hard_histogram(image) @ kernel
    return smoothed / smoothed.sum(-1, keepdim=True)


class SourceModel(ABC):
    """Base of all source models: subclass it and name the class in a loss's ``model``."""

    @abstractmethod
    def __call__(self, jpeg: Tensor) -> Tensor:
        """Model the channels of an original from its JPEG: (N, C, H, W) -> (N, C, 256)."""

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"


class Gaussian(SourceModel):
    """One Gaussian per channel: see ``gaussian_model``."""

    def __call__(self, jpeg: Tensor) -> Tensor:
        """See ``SourceModel.__call__``."""
        return gaussian_model(jpeg)


class SmoothedHistogram(SourceModel):
    """The JPEG's own histogram, smoothed: see ``smoothed_histogram``.

    Args:
        bandwidth: standard deviation of the kernel in levels.
    """

    def __init__(self, bandwidth: float = 4.0) -> None:
        if bandwidth <= 0:
            raise RestorationError(f"the bandwidth must be positive, not {bandwidth}")
        self.bandwidth = bandwidth

    def __call__(self, jpeg: Tensor) -> Tensor:
        """See ``SourceModel.__call__``."""
        return smoothed_histogram(jpeg, self.bandwidth)


class MassFunction(SourceModel):
    """A given mass function, the same for every channel.

    Args:
        masses: 256 non-negative numbers with a positive sum; normalised here.
    """

    def __init__(self, masses: Sequence[float]) -> None:
        values = torch.tensor(masses, dtype=torch.float32)
        if len(values) != LEVELS or bool((values < 0).any()) or values.sum() <= 0:
            raise RestorationError("a mass function needs 256 non-negative numbers, not all zero")
        self.masses = F.normalize(values, p=1, dim=0)

    def __repr__(self) -> str:
        return f"MassFunction(crc32={zlib.crc32(self.masses.numpy().tobytes()):08x})"

    def __call__(self, jpeg: Tensor) -> Tensor:
        """See ``SourceModel.__call__``."""
        return self.masses.to(jpeg).expand(*jpeg.shape[:2], -1)
