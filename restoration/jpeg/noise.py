"""How far a JPEG lies from its original, told from the file alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from restoration.jpeg.colour import constants
from restoration.jpeg.image import Quantised
from restoration.jpeg.operator import BLOCK, cosines


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
    a, h = rates.cpu().double(), 0.5  # not every device has double precision
    decay = torch.exp(-a * h)
    zero = 2 / a**2 - decay * (h**2 + 2 * h / a) / (1 - decay)
    other = h**2 + 2 / a**2 - 2 * h / a / torch.tanh(a * h)
    return zero.to(rates), other.to(rates)


def in_cells(file: Quantised, component: int) -> tuple[Tensor, Tensor]:
    """Return a component's coefficients in whole cells, and the cells' widths in levels, (8, 8).

    They are the coefficients in steps and the table but where cells are wider than steps; then the
    mean width of each frequency is taken.
    """
    q, table = file.coefficients[component], file.tables[component]
    if file.widths is None:
        return q, table
    width = file.widths[component].expand_as(q).mean((0, 1))
    return (q / width).round(), table * width


def frequency_variances(coefficients: Tensor, table: Tensor) -> Tensor:
    """Estimate the mean squared quantisation error of one component's coefficients, in levels^2.

    Alternating coefficients are taken for Laplacian within their cells, the constant one for
    uniform.

    Args:
        coefficients: (rows, columns, 8, 8), in quantisation steps.
        table: quantisation steps, (8, 8).

    Returns:
        (8, 8), by (vertical, horizontal) frequency.
    """
    zero, other = cell_variances(laplacian_rates(coefficients))
    share = (coefficients != 0).flatten(0, 1).float().mean(0)
    variance = (1 - share) * zero + share * other
    variance[0, 0] = 1 / 12
    return variance * table**2


def leakage(ratio: int) -> Tensor:
    """Energy that a patch's frequency receives from a block's, by the patch's place among blocks.

    A[p, u, i] = sum over blocks of <c_u, b_i shifted by p>^2: c_u the patch's cosines, b_i the
    block's, each sample repeated ``ratio`` times.

    Args:
        ratio: image samples per sample of the component, along the axis.

    Returns:
        (8 ratio, 8, 8).
    """
    basis = cosines(BLOCK, torch.float64, torch.device("cpu"))
    blocks = basis.repeat_interleave(ratio, 1)  # (i, samples of a block)
    size = BLOCK * ratio
    energy = []
    for p in range(size):
        first = blocks[:, p : p + BLOCK]  # what the patch sees of its block, and of the next one
        second = blocks[:, : BLOCK - first.shape[1]]
        own = basis[:, : first.shape[1]] @ first.T
        following = basis[:, first.shape[1] :] @ second.T
        energy.append(own.square() + following.square())
    return torch.stack(energy)


def patch_variances(coefficients: Tensor, table: Tensor, ratio: tuple[int, int]) -> Tensor:
    """Estimate the quantisation error of the DCT of an 8 x 8 patch anywhere, in levels^2.

    V[y, x, u, v] = sum_ij A_y[u, i] A_x[v, j] E[i, j], E the error of the blocks' frequencies; half
    of it is spread evenly, since after a filter pass the error is flatter than at first.

    Args:
        coefficients: of one component, (rows, columns, 8, 8), in quantisation steps.
        table: quantisation steps, (8, 8).
        ratio: image samples per sample of the component, (vertical, horizontal).

    Returns:
        (8 vertical, 8 horizontal, 8, 8): by the patch's upper left corner modulo the size that a
        block has in the image, and by frequency.
    """
    error = frequency_variances(coefficients, table)
    down, across = (leakage(r).to(error) for r in ratio)
    return (torch.einsum("yui,xvj,ij->yxuv", down, across, error) + error.mean()) / 2


def noise_sigma(file: Quantised, correction: float = 1.15) -> float:
    """Estimate the standard deviation of JPEG minus original over all channels, in levels 0-255.

    The errors of Y, Cb and Cr are taken for uncorrelated and sent through the colour transform.
    What subsampling takes away is left out (about 1 % of the squared error at quality 10).

    Args:
        file: what it knows.
        correction: the estimate's excess in squared error, divided out; the default is the
            geometric mean over twelve tuning photographs at qualities 10 to 25, whose standard
            deviation of 1 dB leaves sigma uncertain by about 12 % an image.
    """
    components = (in_cells(file, c) for c in range(len(file.tables)))
    # the DCT is orthonormal: the mean over frequencies is that over samples
    variances = torch.stack([frequency_variances(*component).mean() for component in components])
    if len(variances) == 3:
        to_rgb = constants(variances.dtype, variances.device)[1]
        variance = (to_rgb**2 @ variances).mean()
    else:
        variance = variances.mean()
    return math.sqrt(variance.item() / correction)
