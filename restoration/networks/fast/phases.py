"""From the windows of a convolution of 2 x 2 to the phases of an image upsampled by two."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def _windows(v: Tensor) -> Tensor:
    """(N, 4 O, H + 1, W + 1) -> (N, O, 2, 2, H + 1, W + 1).

    Of the H + 1 windows of two rows the even phase leaves out the last one, the odd one the first.
    """
    return v.unflatten(1, (-1, 2, 2))


class Cropped(torch.autograd.Function):
    """The phases' windows inside the image: (N, 4 O, H + 1, W + 1) -> (N, O, 2, 2, H, W)."""

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


class Smoothed(torch.autograd.Function):
    """Add to the outermost windows, and filter with [1 2 1] along both axes of the large image."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, *terms: Tensor) -> Tensor:
        """``v``: (N, 4 O, H + 1, W + 1), changed in place and of no further use.

        The terms: for the first and last row (N, 2, O, 2, W + 1), phases of the columns last but
        one; for the first and last column (N, 2, O, 2, H + 1); for the corners (N, 2, 2, O).
        """
        for windows, term in zip(_outermost(_windows(v)), _each(terms), strict=True):
            windows += term
        return _filtered(_filtered(_windows(v), 2), 3)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        """Filter with the same; hand the terms what their windows got."""
        (g,) = gradients
        v = _filter_transposed(_filter_transposed(g, 3), 2)
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


def _each(terms: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """In the order of ``_outermost``."""
    rows, columns, corners = terms
    return *rows.unbind(1), *columns.unbind(1), *corners.flatten(1, 2).unbind(1)


def _filtered(v: Tensor, phase: int) -> Tensor:
    """Filter along an axis: its phases in dimension ``phase``, their windows two further on."""
    axis, n = phase + 1, v.shape[phase + 2] - 1  # without the dimension of phases
    y = v.new_empty(*v.shape[: phase + 2], n, *v.shape[phase + 3 :])
    even, odd = v.unbind(phase)
    first, last = (lambda x: x.narrow(axis, 0, n)), (lambda x: x.narrow(axis, 1, n))
    for out, x, centre in zip(y.unbind(phase), (odd, even), (first(even), last(odd)), strict=True):
        torch.add(first(x), last(x), out=out).add_(centre, alpha=2)
    return y


def _filter_transposed(y: Tensor, phase: int) -> Tensor:
    """Apply the transpose of ``_filtered``."""
    axis, n = phase + 1, y.shape[phase + 2]
    v = y.new_empty(*y.shape[: phase + 2], n + 1, *y.shape[phase + 3 :])
    even, odd = v.unbind(phase)
    of_even, of_odd = y.unbind(phase)
    for out, g, centre, at in ((odd, of_even, of_odd, 1), (even, of_odd, of_even, 0)):
        torch.add(
            g.narrow(axis, 1, n - 1), g.narrow(axis, 0, n - 1), out=out.narrow(axis, 1, n - 1)
        )
        out.select(axis, 0).copy_(g.select(axis, 0))
        out.select(axis, n).copy_(g.select(axis, n - 1))
        out.narrow(axis, at, n).add_(centre, alpha=2)
    return v
