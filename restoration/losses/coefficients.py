"""Losses in the domain of the file's DCT coefficients, where a JPEG says what it knows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restoration.batch import Batch
from restoration.errors import RestorationError
from restoration.losses.base import Loss, Network


def offsets(output: Tensor, batch: Batch) -> tuple[Tensor, ...]:
    """Where each coefficient of the output lies in its cell, in widths of the cell.

    u_k = ((A x)_k / t_k - q_k) / w_k; the cell is [-1/2, 1/2].

    Args:
        output: (N, C, H, W) in [0, 1].
        batch: of its file the coefficients q, tables t and widths w (1 step, mostly).

    Returns:
        Per component (N, rows, columns, 8, 8).
    """
    file = batch.file
    parts = zip(file.operator.encode(output), file.tables, file.coefficients, strict=True)
    steps = tuple(x / t - q for x, t, q in parts)
    return steps if file.widths is None else tuple(map(torch.div, steps, file.widths))


def mean_over_all(values: tuple[Tensor, ...]) -> Tensor:
    """Mean over all coefficients of all components."""
    return torch.stack([v.sum() for v in values]).sum() / sum(v.numel() for v in values)


def log_cell_probability(offset: Tensor, scale: Tensor) -> Tensor:
    """Logarithm of a Gaussian's mass in a cell: log(Phi((1/2 - u) / s) - Phi((-1/2 - u) / s)).

    Evaluated in the lower tail, where it keeps its precision however far the cell lies.

    Args:
        offset: u, the Gaussian's mean relative to the cell's centre, in steps.
        scale: s, its standard deviation in steps, broadcastable.

    Returns:
        The shape of ``offset``.
    """
    distance = offset.abs()  # by symmetry, the cell may lie below the mean
    upper = torch.special.log_ndtr((0.5 - distance) / scale)
    lower = torch.special.log_ndtr((-0.5 - distance) / scale)
    return upper + torch.log(-torch.expm1(lower - upper))


class QuantisationError(Loss):
    """Mean squared error of the coefficients in widths of their cells, mostly quantisation steps.

    L = mean_k u_k^2, u_k = ((A x)_k / t_k - q_k) / w_k.
    """

    def forward(self, output: Tensor, batch: Batch, net: Network) -> dict[str, Tensor]:
        """Return {"loss", "quantisation_error"}; see ``Loss.forward``."""
        loss = mean_over_all(tuple(u.square() for u in offsets(output, batch)))
        return {"loss": loss, "quantisation_error": loss}


class QuantisationHinge(Loss):
    """Mean squared distance of the coefficients from their cells, in widths of the cells.

    L = mean_k max(0, |u_k| - shrink / 2)^2, u_k as in ``offsets``: zero on the constraint set.

    Args:
        shrink: part of the cells' width; 1 is the whole cell.
    """

    def __init__(self, shrink: float = 1.0) -> None:
        super().__init__()
        if not 0 <= shrink <= 1:
            raise RestorationError(f"shrink must lie in [0, 1], not {shrink}")
        self.shrink = shrink

    def extra_repr(self) -> str:
        """Return the settings, for the result file."""
        return f"shrink={self.shrink}"

    def forward(self, output: Tensor, batch: Batch, net: Network) -> dict[str, Tensor]:
        """Return {"loss", "hinge"}; see ``Loss.forward``."""
        beyond = (u.abs().sub(self.shrink / 2).relu() for u in offsets(output, batch))
        loss = mean_over_all(tuple(b.square() for b in beyond))
        return {"loss": loss, "hinge": loss}


class IntervalLikelihood(Loss):
    """Negative log-likelihood of the file under Gaussian coefficients around the output's.

    L = mean_k -log(Phi((b_k - c_k) / s) - Phi((a_k - c_k) / s)), c = A x, [a, b] the cell, all in
    quantisation steps; s per component and frequency.

    Args:
        scale: s in steps, for all frequencies alike; the value that learning starts from.
        learned: fit s of each frequency together with the network.
    """

    def __init__(self, scale: float = 0.3, learned: bool = True) -> None:
        super().__init__()
        if scale <= 0:
            raise RestorationError(f"the scale must be positive, not {scale}")
        self.scale = scale
        self.log_scale = nn.Parameter(torch.full((3, 8, 8), scale).log(), requires_grad=learned)

    def extra_repr(self) -> str:
        """Return the settings, for the result file."""
        return f"scale={self.scale}, learned={self.log_scale.requires_grad}"

    def forward(self, output: Tensor, batch: Batch, net: Network) -> dict[str, Tensor]:
        """Return {"loss", "nll"}; see ``Loss.forward``."""
        scales = self.log_scale.exp()
        terms = (
            -log_cell_probability(u, s)
            for u, s in zip(offsets(output, batch), scales, strict=False)  # grey: Y alone
        )
        loss = mean_over_all(tuple(terms))
        return {"loss": loss, "nll": loss}
