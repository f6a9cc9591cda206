"""How far a JPEG lies from its original, told from the file alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from restoration.jpeg.colour import constants


def laplacian_rates(coefficients: Tensor) -> Tensor:
    """Fit a Laplacian to each frequency's quantised coefficients by maximum likelihood.

    With N blocks, N1 of them non-zero at the frequency, N0 = N - N1, S = sum |q|,
    A = 4 S + 2 N, B = 4 S - 2 N1:  g = (-N0 + sqrt(N0^2 + A B)) / A,  rate = -2 ln g.

    Args:
        coefficients: (rows, columns, 8, 8), in quantisation steps.

    Returns:
        (8, 8): a in p(x) ~ exp(-a |x|), x in steps; infinite where all coefficients are zero.

    Reference: Price and Rabbani, Biased reconstruction for JPEG decoding, IEEE SPL 1999.
    """
    magnitudes = coefficients.abs().flatten(0, 1)
    N = magnitudes.shape[0]
    total = magnitudes.sum(0)
    nonzero = (magnitudes > 0).sum(0)
    A, B, zero = 4 * total + 2 * N, 4 * total - 2 * nonzero, N - nonzero
    return -2 * torch.log((-zero + torch.sqrt(zero**2 + A * B)) / A)


def cell_variances(rates: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared error of a Laplacian about the centre of the zero cell and of any other cell.

    With h = 1/2:  zero cell 2/a^2 - e^-ah (h^2 + 2h/a) / (1 - e^-ah), others
    h^2 + 2/a^2 - (2h/a) coth(ah).

    Args:
        rates: a > 0, per step; infinite is allowed.

    Returns:
        Two tensors of the rates' shape, in steps^2.
    """
    a, h = rates.double(), 0.5
    decay = torch.exp(-a * h)
    zero = 2 / a**2 - decay * (h**2 + 2 * h / a) / (1 - decay)
    other = h**2 + 2 / a**2 - 2 * h / a / torch.tanh(a * h)
    return zero.to(rates), other.to(rates)


def component_variance(coefficients: Tensor, table: Tensor) -> Tensor:
    """Estimate the mean squared quantisation error of one component's samples, in levels^2.

    Alternating coefficients are taken for Laplacian within their cells, the constant one for
    uniform. The DCT is orthonormal, so the mean over frequencies is the mean over samples.

    Args:
        coefficients: (rows, columns, 8, 8), in quantisation steps.
        table: quantisation steps, (8, 8).
    """
    zero, other = cell_variances(laplacian_rates(coefficients))
    share = (coefficients != 0).flatten(0, 1).float().mean(0)
    variance = (1 - share) * zero + share * other
    variance[0, 0] = 1 / 12
    return (variance * table**2).mean()


def noise_sigma(
    coefficients: Sequence[Tensor], tables: Sequence[Tensor], correction: float = 1.15
) -> float:
    """Estimate the standard deviation of JPEG minus original over all channels, in levels 0-255.

    The errors of Y, Cb and Cr are taken for uncorrelated and sent through the colour transform.
    What subsampling takes away is left out (about 1 % of the squared error at quality 10).

    Args:
        coefficients: per component, (rows, columns, 8, 8), in quantisation steps.
        tables: per component, (8, 8).
        correction: the estimate's excess in squared error, divided out; the default is the
            geometric mean over twelve tuning photographs at qualities 10 to 25, whose standard
            deviation of 1 dB leaves sigma uncertain by about 12 % an image.
    """
    variances = torch.stack(
        [component_variance(c, t) for c, t in zip(coefficients, tables, strict=True)]
    )
    if len(variances) == 3:
        to_rgb = constants(variances.dtype, variances.device)[1]
        variance = (to_rgb**2 @ variances).mean()
    else:
        variance = variances.mean()
    return math.sqrt(variance.item() / correction)
