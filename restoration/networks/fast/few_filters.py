"""Convolution to few filters, for which oneDNN's gradient of the image takes twice the time.

y = w * x has by x the gradient g * w mirrored in both axes, with as many zeros around g as w
reaches beyond its first sample: again a convolution.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from restoration.networks.fast.switch import is_plain, pays

FEW = 16  # filters that oneDNN computes at a time


def applies(x: Tensor, weight: Tensor) -> bool:
    """Whether to convolve here."""
    return is_plain(x) and pays(weight.shape[0] < FEW)


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.conv2d`` of stride 1 without padding, (N, C, H, W) -> (N, O, H', W')."""
    y: Tensor = _Conv2d.apply(x, weight, bias)
    return y


class _Conv2d(torch.autograd.Function):
    """See above."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve."""
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        """Gradients of the image, the weight and the bias."""
        (g,), (x, weight) = gradients, ctx.saved_tensors
        dx = None
        if ctx.needs_input_grad[0]:
            mirror = weight.flip(2, 3).transpose(0, 1)
            dx = F.conv2d(g, mirror, padding=weight.shape[-1] - 1)
        where = [1, 1], [0, 0], [1, 1], False, [0, 0], 1  # stride, padding, dilation, ..., groups
        asked = [False, True, ctx.needs_input_grad[2]]
        _, dweight, dbias = torch.ops.aten.convolution_backward(
            g, x, weight, [len(weight)], *where, asked
        )
        return dx, dweight, dbias
