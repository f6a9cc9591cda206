"""Layers of the hourglass network, written for the speed of a step."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad

SLOPE = 0.2  # of LeakyReLU below zero
FEW = 16  # filters that oneDNN computes at a time: for fewer its gradient takes twice the time
# Numbers in an image from which on own borders pay on a CPU: at 393,216 ``bordered`` takes 280 us
# forward and backward, ``F.pad`` 350; at 196,608 it is 260 and 190, at 12,288 140 and 40.
LARGE = 2**18


def is_dual(x: Tensor) -> bool:
    """Whether ``x`` carries a tangent: under forward-mode differentiation built-ins must do."""
    return forward_ad.unpack_dual(x).tangent is not None


class _Bordered(torch.autograd.Function):
    """``bordered``: one buffer forward, one backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, inset: int) -> Tensor:
        """Copy the image, then its borders."""
        ctx.inset = inset
        N, C, H, W = x.shape
        y = x.new_empty(N, C, H + 2, W + 2)
        y[..., 1:-1, 1:-1] = x
        y[..., 1:-1, 0] = x[..., inset]
        y[..., 1:-1, -1] = x[..., -1 - inset]
        y[..., 0, :] = y[..., 1 + inset, :]
        y[..., -1, :] = y[..., -2 - inset, :]
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """See ``folded``."""
        return folded(gradients[0], ctx.inset), None


def folded(g: Tensor, inset: int) -> Tensor:
    """Add to the pixels inside what is on the borders that repeat them: ``bordered`` transposed."""
    x = g[..., 1:-1, 1:-1]
    if is_small(x):
        of = torch.ops.aten
        back = of.reflection_pad2d_backward if inset else of.replication_pad2d_backward
        result: Tensor = back(g, x, [1, 1, 1, 1])
        return result
    x = x.clone(memory_format=torch.contiguous_format)
    # (where in the image, where in the border), both axes
    for row, border in ((inset, 0), (-1 - inset, -1)):
        x[..., row, :] += g[..., border, 1:-1]
        x[..., row] += g[..., 1:-1, border]
        for column, edge in ((inset, 0), (-1 - inset, -1)):
            x[..., row, column] += g[..., border, edge]
    return x


def is_small(x: Tensor) -> bool:
    """Whether borders around ``x`` are a matter for PyTorch's own padding."""
    return x.device.type == "cpu" and x.numel() < LARGE


def bordered(x: Tensor, inset: int) -> Tensor:
    """Put a border of one pixel around ``x``, a copy of the line ``inset`` pixels inside.

    0 repeats the outermost line (``F.pad(mode="replicate")``), 1 mirrors about it ("reflect").
    Faster than these on large images, and deterministic on CUDA, where their backward is not.

    Args:
        x: (N, C, H, W).
        inset: 0 or 1.

    Returns:
        (N, C, H + 2, W + 2).
    """
    if is_dual(x) or is_small(x):
        return F.pad(x, (1, 1, 1, 1), mode="reflect" if inset else "replicate")
    y: Tensor = _Bordered.apply(x, inset)
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


class _ToFew(torch.autograd.Function):
    """See ``convolution``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve."""
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        """The gradient of the image is a convolution with the mirrored weights."""
        (g,), (x, weight) = gradients, ctx.saved_tensors
        of_image = None
        if ctx.needs_input_grad[0]:
            mirrored = weight.flip(2, 3).transpose(0, 1)
            of_image = F.conv2d(g, mirrored, padding=weight.shape[-1] - 1)
        where = [1, 1], [0, 0], [1, 1], False, [0, 0], 1  # stride, padding, dilation, ..., groups
        wanted = [False, True, ctx.needs_input_grad[2]]
        _, of_weight, of_bias = torch.ops.aten.convolution_backward(
            g, x, weight, [len(weight)], *where, wanted
        )
        return of_image, of_weight, of_bias


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.conv2d`` with stride 1, which for few filters on a CPU has a slow gradient of ``x``."""
    few = x.device.type == "cpu" and weight.shape[0] < FEW
    if not few or is_dual(x) or torch.is_autocast_enabled("cpu"):
        return F.conv2d(x, weight, bias)
    y: Tensor = _ToFew.apply(x, weight, bias)
    return y


class Conv(nn.Conv2d):
    """Convolution; with a kernel of 1 x 1 on the CPU a matrix product, which is faster there."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H', W')."""
        if self.kernel_size != (1, 1) or x.device.type != "cpu":
            if self.stride == (1, 1):
                return convolution(x, self.weight, self.bias)
            return super().forward(x)
        N, C, H, W = x.shape
        assert self.bias is not None
        weight = self.weight.view(1, -1, C).expand(N, -1, -1)
        return torch.baddbmm(self.bias[:, None], weight, x.view(N, C, -1)).view(N, -1, H, W)


class _Activated(torch.autograd.Function):
    """Batch norm and LeakyReLU; on a CPU in a third of the time of the built-in layers."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        """LeakyReLU(weight (x - mean) / sqrt(variance + eps) + bias), moments per channel."""
        mean = x.mean((0, 2, 3), keepdim=True)
        y = x - mean
        variance = y.square().sum((0, 2, 3)) * (x.shape[1] / x.numel())
        inverse = torch.rsqrt(variance + eps)
        y.mul_((weight * inverse).view(-1, 1, 1)).add_(bias.view(-1, 1, 1))
        F.leaky_relu_(y, SLOPE)
        ctx.save_for_backward(x, weight, mean.flatten(), inverse, y)
        ctx.eps = eps
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Those of the built-in layers, which are fast."""
        x, weight, mean, inverse, y = ctx.saved_tensors
        g = torch.ops.aten.leaky_relu_backward(gradients[0], y, SLOPE, True)
        unused = None, None  # running mean and variance
        of_norm: tuple[Tensor, ...] = torch.ops.aten.native_batch_norm_backward(
            g, x, weight, *unused, mean, inverse, True, ctx.eps, [True] * 3
        )
        return *of_norm, None


class ConvBlock(nn.Module):
    """Reflection-padded convolution of 3 x 3 or 1 x 1, batch norm, LeakyReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = Conv(inputs, outputs, kernel, stride)
        self.norm = BatchNorm(outputs)
        self.mirrored = kernel > 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        return self.activate(self.convolution(bordered(x, 1) if self.mirrored else x))

    def activate(self, y: Tensor) -> Tensor:
        """Apply what follows the convolution."""
        built_in = y.device.type != "cpu" or is_small(y) or is_dual(y)
        if not built_in and not torch.is_autocast_enabled("cpu"):
            result: Tensor = _Activated.apply(y, self.norm.weight, self.norm.bias, self.norm.eps)
            return result
        # in place: batch norm's backward does not ask for its output
        return F.leaky_relu(self.norm(y), SLOPE, inplace=True)


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

    def folded(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Return (a, b), each (C,): for channels of these moments the output is a x + b."""
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return scale, self.bias - mean * scale
