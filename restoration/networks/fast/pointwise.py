"""Convolution of 1 x 1 as a product of matrices."""

from __future__ import annotations

import torch
from torch import Tensor

from restoration.networks.fast.switch import pays


def applies(x: Tensor, weight: Tensor) -> bool:
    """Whether to convolve here."""
    return x.device.type == "cpu" and weight.shape[2:] == (1, 1) and pays(True)


def conv1x1(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(N, C, H, W), (O, C, 1, 1), (O,) -> (N, O, H, W)."""
    N, C, H, W = x.shape
    matrix = weight.view(1, -1, C).expand(N, -1, -1)
    return torch.baddbmm(bias[:, None], matrix, x.view(N, C, -1)).view(N, -1, H, W)
