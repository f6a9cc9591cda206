"""From the windows of a convolution of 2 x 2 to the phases of an image upsampled by two.

Of the n + 1 windows along an axis the even phase leaves out the last one, the odd one the first:
nearest neighbour takes e[i] and o[i + 1], i = 0 ... n - 1. Bilinear is that filtered with [1 2 1]
along the large image's axis, where even and odd samples take turns:

    even: y[i] = o[i] + 2 e[i] + o[i + 1]       odd: y[i] = e[i] + 2 o[i + 1] + e[i + 1]

The gradients are the transposes: zeros around what was taken; and each of e and o gets from the two
outputs of the other phase next to it, and twice from its own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def nearest_phases(v: Tensor) -> Tensor:
    """Windows (N, 4 O, H + 1, W + 1) -> phases (N, O, 2, 2, H, W)."""
    y: Tensor = _NearestPhases.apply(v)
    return y


def bilinear_phases(v: Tensor, rows: Tensor, columns: Tensor, corners: Tensor) -> Tensor:
    """Add to the outermost windows, and filter.

    Args:
        v: windows, (N, 4 O, H + 1, W + 1), changed in place and of no further use.
        rows: for the first and last row, (N, 2, O, 2, W + 1), phases of the columns last but one.
        columns: for the first and last column, (N, 2, O, 2, H + 1).
        corners: (N, 2, 2, O).

    Returns:
        (N, O, 2, 2, H, W).
    """
    y: Tensor = _BilinearPhases.apply(v, rows, columns, corners)
    return y


def _windows(v: Tensor) -> Tensor:
    """(N, 4 O, H + 1, W + 1) -> (N, O, 2, 2, H + 1, W + 1)."""
    return v.unflatten(1, (-1, 2, 2))


class _NearestPhases(torch.autograd.Function):
    """See above."""

    @staticmethod
    def forward(ctx: Any, v: Tensor) -> Tensor:
        """Copy each phase."""
        windows = _windows(v)
        H, W = v.shape[2] - 1, v.shape[3] - 1
        y = windows.new_empty(*windows.shape[:4], H, W)
        for p in (0, 1):
            for q in (0, 1):
                y[:, :, p, q] = windows[:, :, p, q, p : p + H, q : q + W]
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Put each phase back, zeros around it."""
        (g,) = gradients
        N, filters, _, _, H, W = g.shape
        v = g.new_zeros(N, 4 * filters, H + 1, W + 1)
        windows = _windows(v)
        for p in (0, 1):
            for q in (0, 1):
                windows[:, :, p, q, p : p + H, q : q + W] = g[:, :, p, q]
        return v


class _BilinearPhases(torch.autograd.Function):
    """See above."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, rows: Tensor, columns: Tensor, corners: Tensor) -> Tensor:
        """Add and filter."""
        terms = *rows.unbind(1), *columns.unbind(1), *corners.flatten(1, 2).unbind(1)
        for windows, term in zip(_outermost(_windows(v)), terms, strict=True):
            windows += term
        return _binomial(_binomial(_windows(v), 2), 3)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        """Hand the terms what their windows got."""
        (g,) = gradients
        v = _binomial_transpose(_binomial_transpose(g, 3), 2)
        top, bottom, left, right, *corners = _outermost(v)
        rows, columns = torch.stack([top, bottom], 1), torch.stack([left, right], 1)
        return v.flatten(1, 3), rows, columns, torch.stack(corners, 1).unflatten(1, (2, 2))


def _outermost(windows: Tensor) -> tuple[Tensor, ...]:
    """Those of the first and last row, the first and last column, and the four corners.

    The samples before the first are the odd phase's first windows, those after the last the even
    one's last.
    """
    top, bottom = windows[:, :, 1, :, 0], windows[:, :, 0, :, -1]
    left, right = windows[:, :, :, 1, :, 0], windows[:, :, :, 0, :, -1]
    corners = (row[:, :, q, at] for row in (top, bottom) for q, at in ((1, 0), (0, -1)))
    return top, bottom, left, right, *corners


def _binomial(v: Tensor, phase: int) -> Tensor:
    """Filter along an axis: its phases in dimension ``phase``, their windows two further on."""
    axis, n = phase + 1, v.shape[phase + 2] - 1  # without the dimension of phases
    y = v.new_empty(*v.shape[: phase + 2], n, *v.shape[phase + 3 :])
    even, odd = v.unbind(phase)
    first, last = (lambda x: x.narrow(axis, 0, n)), (lambda x: x.narrow(axis, 1, n))
    for out, x, centre in zip(y.unbind(phase), (odd, even), (first(even), last(odd)), strict=True):
        torch.add(first(x), last(x), out=out).add_(centre, alpha=2)
    return y


def _binomial_transpose(y: Tensor, phase: int) -> Tensor:
    """Apply the transpose of ``_binomial``."""
    axis, n = phase + 1, y.shape[phase + 2]
    v = y.new_empty(*y.shape[: phase + 2], n + 1, *y.shape[phase + 3 :])
    even, odd = v.unbind(phase)
    y_even, y_odd = y.unbind(phase)
    for out, g, centre, at in ((odd, y_even, y_odd, 1), (even, y_odd, y_even, 0)):
        torch.add(
            g.narrow(axis, 1, n - 1), g.narrow(axis, 0, n - 1), out=out.narrow(axis, 1, n - 1)
        )
        out.select(axis, 0).copy_(g.select(axis, 0))
        out.select(axis, n).copy_(g.select(axis, n - 1))
        out.narrow(axis, at, n).add_(centre, alpha=2)
    return v
