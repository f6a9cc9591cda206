"""Layers of the hourglass network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad

from restoration.networks import fast


def pad_reflect(x: Tensor) -> Tensor:
    """Mirror one pixel about every border: (N, C, H, W) -> (N, C, H + 2, W + 2)."""
    if fast.borders.applies(x):
        return fast.borders.pad_reflect(x)
    return F.pad(x, (1, 1, 1, 1), mode="reflect")


def mirror_indices(
    size: int, before: int, after: int, device: torch.device | None = None
) -> Tensor:
    """Index a mirrored axis: ``size`` samples, ``before`` + ``after`` mirrored ones around them.

    Unlike ``F.pad`` the mirror repeats as often as needed, so an axis may grow past twice its size.
    Source position: p = i mod 2 (size - 1), reflected to 2 (size - 1) - p where p >= size.
    """
    period = max(2 * (size - 1), 1)
    position = torch.arange(-before, size + after, device=device) % period
    return torch.minimum(position, (period - position) % period) if size > 1 else position * 0


class Conv(nn.Conv2d):
    """Convolution without padding."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H', W')."""
        assert self.bias is not None
        if fast.pointwise.applies(x, self.weight):
            return fast.pointwise.conv1x1(x, self.weight, self.bias)
        if self.stride == (1, 1) and fast.few_filters.applies(x, self.weight):
            return fast.few_filters.conv2d(x, self.weight, self.bias)
        return super().forward(x)


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that uses the statistics of the batch at hand always, in eval mode too.

    The network is optimised as that function; running statistics would make it another one.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same, each channel of mean bias and standard deviation weight."""
        if forward_ad.unpack_dual(x).tangent is None:
            return super().forward(x)
        # Written out under forward-mode differentiation: the gradient of the built-in's forward
        # derivative is wrong in torch 2.14 (it takes the statistics for constants).
        centred = x - x.mean((0, 2, 3), keepdim=True)
        scale = self.weight * torch.rsqrt(centred.square().mean((0, 2, 3)) + self.eps)
        return centred * scale.view(-1, 1, 1) + self.bias.view(-1, 1, 1)


class ConvBlock(nn.Module):
    """Reflection-padded convolution of 3 x 3 or 1 x 1, batch norm, LeakyReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.mirrored = kernel > 1
        self.convolution = Conv(inputs, outputs, kernel, stride)
        self.norm = BatchNorm(outputs)
        # in place: batch norm's backward does not ask for its output
        self.activation = nn.LeakyReLU(0.2, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        return self.activate(self.convolution(pad_reflect(x) if self.mirrored else x))

    def activate(self, y: Tensor) -> Tensor:
        """Apply what follows the convolution."""
        if fast.activation.applies(y):
            return fast.activation.norm_leaky_relu(y, self.norm, self.activation.negative_slope)
        result: Tensor = self.activation(self.norm(y))
        return result
