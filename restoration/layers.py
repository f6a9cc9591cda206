"""Layers of the hourglass network, written for the speed of a step."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad


def is_dual(x: Tensor) -> bool:
    """Whether ``x`` carries a tangent: under forward-mode differentiation built-ins must do."""
    return forward_ad.unpack_dual(x).tangent is not None


class _Reflect(torch.autograd.Function):
    """``reflect``: one buffer forward, one backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pad: int) -> Tensor:
        """Copy the image and mirror its borders."""
        p = ctx.pad = pad
        N, C, H, W = x.shape
        y = x.new_empty(N, C, H + 2 * p, W + 2 * p)
        y[..., p:-p, p:-p] = x
        y[..., p:-p, :p] = x[..., 1 : p + 1].flip(-1)
        y[..., p:-p, -p:] = x[..., -p - 1 : -1].flip(-1)
        y[..., :p, :] = y[..., p + 1 : 2 * p + 1, :].flip(-2)
        y[..., -p:, :] = y[..., -2 * p - 1 : -p - 1, :].flip(-2)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Add what the borders got to the pixels that they mirror."""
        (g,), p = gradients, ctx.pad
        x = g[..., p:-p, p:-p].clone(memory_format=torch.contiguous_format)
        # (where in the image, where in the border), both axes
        first, last = slice(1, p + 1), slice(-p - 1, -1)
        before, after, inside = slice(None, p), slice(-p, None), slice(p, -p)
        for rows, border in ((first, before), (last, after)):
            x[..., rows, :] += g[..., border, inside].flip(-2)
            x[..., rows] += g[..., inside, border].flip(-1)
            for columns, edge in ((first, before), (last, after)):
                x[..., rows, columns] += g[..., border, edge].flip(-1, -2)
        return x, None


def reflect(x: Tensor, pad: int) -> Tensor:
    """Pad the last two axes of ``x`` by ``pad`` on every side, mirrored about the border pixels.

    Equal to ``F.pad(mode="reflect")``, but faster on CPU, and deterministic on CUDA, where the
    backward of the built-in is not.
    """
    if is_dual(x):
        return F.pad(x, (pad,) * 4, mode="reflect")
    y: Tensor = _Reflect.apply(x, pad)
    return y


class _Upsample(torch.autograd.Function):
    """``upsample``: the built-in forward, a backward that is twice as fast on CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Interpolate."""
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Apply the adjoint, axis by axis."""
        return _halved(_halved(gradients[0].contiguous(), 2), 3)


def _halved(g: Tensor, axis: int) -> Tensor:
    """Adjoint of bilinear upsampling by two along one axis: weights 3/4 and 1/4, ends repeated."""
    n = g.shape[axis] // 2
    pairs = g.unflatten(axis, (n, 2))
    even, odd = pairs.select(axis + 1, 0), pairs.select(axis + 1, 1)
    x = (even + odd).mul_(0.75)
    for samples, here, there in ((even, 0, 1), (odd, 1, 0)):
        x.narrow(axis, here, n - 1).add_(samples.narrow(axis, there, n - 1), alpha=0.25)
    x.narrow(axis, 0, 1).add_(even.narrow(axis, 0, 1), alpha=0.25)
    x.narrow(axis, n - 1, 1).add_(odd.narrow(axis, n - 1, 1), alpha=0.25)
    return x


def upsample(x: Tensor) -> Tensor:
    """Double height and width by bilinear interpolation, as ``F.interpolate`` does."""
    if is_dual(x) or x.device.type != "cpu":
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    y: Tensor = _Upsample.apply(x)
    return y


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
    """Convolution; with a kernel of 1 x 1 on the CPU a matrix product, which is faster there."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H', W')."""
        if self.kernel_size != (1, 1) or x.device.type != "cpu":
            return super().forward(x)
        N, C, H, W = x.shape
        assert self.bias is not None
        weight = self.weight.view(1, -1, C).expand(N, -1, -1)
        return torch.baddbmm(self.bias[:, None], weight, x.view(N, C, -1)).view(N, -1, H, W)


class ConvBlock(nn.Sequential):
    """Reflection-padded convolution, batch norm, LeakyReLU(0.2)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            Conv(inputs, outputs, kernel, stride),
            BatchNorm(outputs),
            nn.LeakyReLU(0.2, inplace=True),  # batch norm's backward does not ask for its output
        )
        self.pad = kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        return super().forward(reflect(x, self.pad) if self.pad else x)


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that uses the statistics of the batch at hand always, in eval mode too.

    The network is optimised as that function; running statistics would make it another one.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same, each channel of mean bias and standard deviation weight."""
        if not is_dual(x):
            return super().forward(x)
        # Written out under forward-mode differentiation: the gradient of the built-in's forward
        # derivative is wrong in torch 2.14 (it takes the statistics for constants).
        centred = x - x.mean((0, 2, 3), keepdim=True)
        scale = self.weight * torch.rsqrt(centred.square().mean((0, 2, 3)) + self.eps)
        return centred * scale.view(-1, 1, 1) + self.bias.view(-1, 1, 1)
