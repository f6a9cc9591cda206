"""Recover the earlier JPEG that a picture was made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from restoration.history.detection import ROUNDING, ROUNDING_CONSTANT
from restoration.history.resampling import Axis, Grid, Way
from restoration.jpeg import Quantised, to_8bit, to_tensor
from restoration.jpeg.noise import frequency_variances, laplacian_rates, leakage
from restoration.jpeg.operator import BLOCK, JPEGOperator, block_dct, block_idct
from restoration.jpeg.recompression import block_grids

ROUNDS = 3  # of sending back what the file so far does not explain


class Recovered(NamedTuple):
    """An earlier file.

    Attributes:
        file: what it knew.
        doubt: the share of its integers, zeros apart, that are expected to be wrong.
    """

    file: Quantised
    doubt: float


class Evident(NamedTuple):
    """One component of the picture at hand.

    Attributes:
        samples: (rows, columns), levels about 0.
        ratio: pixels per sample, (vertical, horizontal).
        error: of the samples' own quantisation, by frequency, (8, 8), levels^2.
        table: their own quantisation table, (8, 8), or None where they come from no JPEG.
    """

    samples: Tensor
    ratio: tuple[int, int]
    error: Tensor
    table: Tensor | None = None

    def saved(self, samples: Tensor) -> Tensor:
        """Do to other samples what was done to these: quantise them, or round."""
        if self.table is None:
            return samples.round()
        rows, columns = samples.shape
        padding = (0, -columns % BLOCK, 0, -rows % BLOCK)
        padded = F.pad(samples[None, None], padding, mode="replicate")[:, 0]
        levels = (block_dct(padded) / self.table).round() * self.table
        return block_idct(levels)[0, :rows, :columns]


def components_of(
    pixels: NDArray[np.uint8], own: Quantised | None, noise: float = 0.0
) -> list[Evident]:
    """Take the components of pixels (H, W, C), or of the file that they come from."""
    H, W, C = pixels.shape
    if own is None:
        operator = JPEGOperator(H, W, ((1, 1),) * C, block_grids(H, W, ((1, 1),) * C))
        planes = operator.planes(to_tensor(pixels))[0]
        return [Evident(plane, (1, 1), torch.full((BLOCK, BLOCK), noise**2)) for plane in planes]
    result = []
    for c, (q, table) in enumerate(zip(own.coefficients, own.tables, strict=True)):
        v, h = own.operator.ratio(c)
        samples = block_idct((q * table)[None])[0, : -(-H // v), : -(-W // h)]
        result.append(Evident(samples, (v, h), frequency_variances(q, table), table))
    return result


def deviation(component: Evident, grid: Grid, index: int, way: Way, table: Tensor) -> Tensor:
    """Expect the deviation of an earlier file's coefficients, (8, 8), levels.

    Args:
        component: of the picture at hand.
        grid: of the earlier file.
        index: of the component.
        way: from the earlier file's samples to those at hand.
        table: the earlier file's.
    """
    ratio = grid.ratio(index)
    if grid.scaling is not None:
        q = (block_dct(way.back(component.samples)[None])[0] / table).round()
        moved = measured_error(component, way, q * table)
    elif component.ratio == ratio:
        shift = [corner // r % BLOCK for corner, r in zip(grid.corner, ratio, strict=True)]
        spread = leakage(1).to(component.error)
        moved = torch.einsum("ui,vj,ij->uv", spread[shift[0]], spread[shift[1]], component.error)
        if shift == [0, 0]:
            moved = component.error
    else:
        moved = component.error.mean().expand(BLOCK, BLOCK)
    return (moved + rounding_error()).sqrt()


def rounding_error() -> Tensor:
    """Return what rounding to 8-bit RGB leaves in coefficients, (8, 8), levels^2."""
    rounding = torch.full((BLOCK, BLOCK), ROUNDING)
    rounding[0, 0] = ROUNDING_CONSTANT
    return rounding


def measured_error(component: Evident, way: Way, coefficients: Tensor) -> Tensor:
    """Measure what the way to the picture at hand and back does to coefficients like these.

    Args:
        component: of the picture at hand.
        way: from the earlier file's samples to those at hand.
        coefficients: of an earlier picture, (rows, columns, 8, 8), levels.

    Returns:
        The mean squared error by frequency, (8, 8).
    """
    later = component.saved(way.onwards(block_idct(coefficients[None])[0]))
    error = block_dct(way.back(later)[None])[0] - coefficients
    return error.square().mean((0, 1))


def most_likely(
    coefficients: Tensor, table: Tensor, sigma: Tensor, rates: Tensor
) -> tuple[Tensor, Tensor]:
    """Tell the integers of coefficients that a later compression has moved.

    P(q | c) ~ P(q) exp(-(c - q t)^2 / (2 s^2)), P a Laplacian of rate a in steps (for the constant
    coefficient: even), over the five integers about c / t.

    Args:
        coefficients: c, (rows, columns, 8, 8), levels.
        table: t, (8, 8), levels.
        sigma: s, (8, 8), levels.
        rates: a, (8, 8).

    Returns:
        The most likely integer, and its probability, each as the coefficients.
    """
    a = rates.clamp(1e-3, 20.0).float()
    a[0, 0] = 0
    place = coefficients / table
    candidates = torch.stack([place.round() + i for i in range(-2, 3)])
    prior = -a * candidates.abs() + (candidates == 0) * zero_bonus(a)
    scores = prior - 0.5 * ((candidates - place) * (table / sigma)).square()
    probability, best = scores.softmax(0).max(0, keepdim=True)
    return candidates.gather(0, best)[0], probability[0]


def zero_bonus(rates: Tensor) -> Tensor:
    """Return ln P(0) - ln P(q) - a |q|: what zero has beyond the other integers' geometric law."""
    a = rates.clamp(min=1e-3)
    bonus = (-torch.expm1(-a / 2)).log() - (a / 2 - math.log(2) + (-torch.expm1(-a)).log())
    return torch.where(rates > 0, bonus, 0)


@torch.no_grad()
def earlier_file(
    pixels: NDArray[np.uint8],
    own: Quantised | None,
    grid: Grid,
    tables: Sequence[Tensor],
    noise: float = 0.0,
) -> Recovered:
    """Recover the earlier file from the picture that was cut out of it.

    Its samples are estimated by least squares through interpolation, cropping and averaging, and
    quantised anew. What the file so found lacks of the picture at hand, decoded and encoded as that
    one, is sent back in the same way, a few times: this undoes clipping, rounding, and the guess
    for what was cropped away of the blocks at the borders.

    Args:
        pixels: at hand, (H, W, C).
        own: the file that they come from, if it is a JPEG.
        grid: of the earlier file.
        tables: its quantisation tables, per component (8, 8).
        noise: deviation of pixels that come from no JPEG, beyond rounding, levels.

    Returns:
        The earlier file, padded to whole coding units, and how doubtful it is.
    """
    H, W, C = pixels.shape
    height, width = grid.padded(H, W)
    top, left = grid.before
    parts = components_of(pixels, own, noise)
    ways = [grid.way(H, W, c, part.ratio) for c, part in enumerate(parts)]
    sigmas = [
        deviation(part, grid, c, way, table)
        for c, (part, way, table) in enumerate(zip(parts, ways, tables, strict=True))
    ]
    shown = (H, W) if grid.scaling is None else grid.scaling.before
    resized = (None, None) if grid.scaling is None else tuple(map(grid.scaling.along, range(2)))
    averages = [
        Way(
            *(
                Axis.of(size, 0, before, 1, r, how)
                for size, before, r, how in zip((H, W), shown, part.ratio, resized, strict=True)
            )
        )
        for part in parts
    ]
    operator = JPEGOperator(height, width, grid.sampling, block_grids(height, width, grid.sampling))
    q: list[Tensor] = []
    sure = [torch.empty(0)] * C
    lacking = [part.samples for part in parts]
    for _ in range(ROUNDS):
        for c, (way, missing) in enumerate(zip(ways, lacking, strict=True)):
            change = block_dct(way.back(missing)[None])[0]
            if len(q) <= c:
                q.append((change / tables[c]).round())
            else:
                change += q[c] * tables[c]
            for _ in range(2):
                q[c], sure[c] = most_likely(
                    change, tables[c], sigmas[c], laplacian_rates(q[c].double())
                )
        decoded = operator.decode([(x * t)[None] for x, t in zip(q, tables, strict=True)])
        image = to_8bit(decoded[..., top : top + shown[0], left : left + shown[1]])
        planes = operator.planes(image)[0]
        lacking = [
            part.samples - average.onwards(planes[c])
            for c, (part, average) in enumerate(zip(parts, averages, strict=True))
        ]
    said = [x != 0 for x in q]  # zeros are many and certain
    doubt = sum(float((1 - p)[some].sum()) for p, some in zip(sure, said, strict=True))
    return Recovered(
        Quantised(height, width, tuple(q), tuple(tables), grid.sampling),
        doubt / max(sum(int(some.sum()) for some in said), 1),
    )
