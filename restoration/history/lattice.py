"""How well DCT coefficients fit a lattice of multiples of a quantisation step."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from restoration.jpeg.noise import laplacian_rates
from restoration.jpeg.operator import BLOCK

LARGEST_STEP = 255
SIZE = 1100  # levels: no coefficient of an 8-bit block is much larger
OUTLIERS = 0.05  # share of coefficients that may lie anywhere: clipped or edited blocks
FINEST = 2.2  # deviations; a finer step leaves no trace that could be told from chance
RATIO = 1.4  # between deviations for which weights are kept


class Evidence:
    """Log-likelihood ratios, lattice against none, for the steps 1 to 255.

    Attributes:
        found: sums over coefficients, (frequencies, 255).
        likelihood: the same against a Laplacian where that could be told: not to be trusted alone,
            but best to choose between steps, (frequencies, 255).
        expected: what they would be, on average, if the lattice were there, (frequencies, 255).
    """

    def __init__(self, frequencies: int) -> None:
        self.found, self.likelihood, self.expected = torch.zeros(3, frequencies, LARGEST_STEP)


def histograms(coefficients: Tensor) -> Tensor:
    """Count the magnitudes of coefficients by level.

    Args:
        coefficients: (blocks, frequencies), in levels.

    Returns:
        (frequencies, 1100): bin b holds the magnitudes in [b - 1/2, b + 1/2).
    """
    number = coefficients.shape[1]
    bins = coefficients.abs().add_(0.5).to(torch.int32).clamp_(max=SIZE - 1)
    bins += torch.arange(number, dtype=torch.int32) * SIZE
    counts = torch.bincount(bins.flatten(), minlength=number * SIZE)
    return counts.view(number, SIZE).float()


def log_ratio(magnitude: Tensor, step: Tensor, sigma: float) -> Tensor:
    """Log-likelihood ratio of one magnitude: lattice against a density that is even over a step.

    ln((1 - e) t / (s sqrt(2 pi)) sum_k exp(-(|c| - k t)^2 / (2 s^2)) + e), e the outliers' share;
    of the sum the two nearest k are taken.
    """
    distance = (magnitude - step * (magnitude / step).round()).abs()
    density = torch.exp(-0.5 * (distance / sigma).square())
    density += torch.exp(-0.5 * ((step - distance) / sigma).square())
    density *= step * ((1 - OUTLIERS) / (sigma * math.sqrt(2 * math.pi)))
    return density.add_(OUTLIERS).log_()


@lru_cache(maxsize=64)
def lattice_weights(level: int) -> tuple[Tensor, Tensor]:
    """Tabulate ``log_ratio`` for every magnitude and step, and its expectation on the lattice.

    Magnitudes under t / 2 say nothing, since coefficients crowd about zero anyway.

    Args:
        level: n, for the deviation s = 1.4^n.

    Returns:
        The ratio where a magnitude counts, (1100, 255), and its expectation, (255,).
    """
    s = math.hypot(RATIO**level, 0.29)  # with that of a bin
    magnitude = torch.arange(SIZE, dtype=torch.float32)[:, None]
    t = torch.arange(1, LARGEST_STEP + 1, dtype=torch.float32)
    coarse = t > FINEST * s
    places = torch.linspace(-0.5, 0.5, 65)[:-1, None] * t  # over one cell
    ratio = log_ratio(places, t, s)
    expected = (ratio * ratio.exp()).mean(0)
    return log_ratio(magnitude, t, s) * ((magnitude >= t / 2) & coarse), expected * coarse


def lattice_evidence(counts: Tensor, sigma: Tensor) -> Evidence:
    """Sum the log-likelihood ratios of histograms, for every step.

    Args:
        counts: (frequencies, 1100) from ``histograms``.
        sigma: deviation of the coefficients from the lattice, levels, (frequencies,).
    """
    evidence = Evidence(len(counts))
    occurring = counts.any(0).nonzero()[:, 0]  # often a tenth of them
    few = counts[:, occurring]
    counting = torch.arange(2, LARGEST_STEP + 2) // 2  # the least magnitude of each step that does
    large = counts.flip(1).cumsum(1).flip(1)[:, counting]  # how many do, (frequencies, 255)
    levels = (sigma.log() / math.log(RATIO)).round().int()
    for level in levels.unique().tolist():
        some = levels == level
        ratio, expected = lattice_weights(level)
        evidence.found[some] = few[some] @ ratio[occurring]
        evidence.expected[some] = large[some] * expected
    evidence.likelihood = evidence.found
    return evidence


def cell_evidence(quantised: Tensor, table: Tensor, sigma: Tensor) -> Evidence:
    """Sum the log-likelihood ratios of integers that may have been quantised before in place.

    Twice in the same grid, a coefficient is k t first and q = round((k t + e) / t2) then, so that
    only integers near multiples of t occur: P(q) = sum_k P(k) Pr(k t + e in cell q). Against it
    stand two densities without a first: one that is even over a step t, as for a lattice, and a
    Laplacian, which explains better than a lattice why small integers are many. The better counts.
    The constant coefficients are left out: those of a smooth picture crowd anywhere.

    Args:
        quantised: q, (rows, columns, 8, 8).
        table: t2, levels, (8, 8).
        sigma: deviation of e, levels, (64,).
    """
    evidence = Evidence(BLOCK**2)
    flat = quantised.flatten(0, 1).flatten(1)  # (blocks, 64)
    if not len(flat):
        return evidence
    every = torch.arange(1, LARGEST_STEP + 1, dtype=torch.float32)
    rates = laplacian_rates(quantised.double()).flatten().float()
    for f, own in enumerate(table.flatten().tolist()):
        if f == 0:
            continue
        counts = torch.bincount(flat[:, f].abs().int())
        q = counts.nonzero()[:, 0]
        t = every[(every > own) & (every < own * (float(q[-1]) + 0.5))]
        if not len(t):
            continue
        n, q = counts[q].float()[:, None], q.float()[:, None]
        nearest = (q * own / t).round()  # (integers, steps)
        shares = [
            torch.special.ndtr(((q + 0.5) * own - k * t) / sigma[f])
            - torch.special.ndtr(((q - 0.5) * own - k * t) / sigma[f])
            for k in (nearest - 1, nearest, nearest + 1)
        ]
        local = sum(shares) * (t / own)
        away = n * (nearest > 0)
        even = (away * torch.log((1 - OUTLIERS) * local + OUTLIERS)).sum(0)
        first = rates_of((n * nearest).sum(0), away.sum(0), len(flat))
        mass = sum(
            share * laplacian_mass((nearest + i).abs(), first)
            for i, share in zip((-1, 0, 1), shares, strict=True)
        )
        ratio = mass / laplacian_mass(q, rates[f]).clamp(min=1e-9)
        laplacian = (n * torch.log((1 - OUTLIERS) * ratio + OUTLIERS)).sum(0)
        expected = (away * local.clamp(min=1).log()).sum(0)
        place = t.long() - 1
        evidence.found[f, place] = torch.minimum(even, laplacian)
        evidence.likelihood[f, place] = laplacian
        evidence.expected[f, place] = expected
    return evidence


def rates_of(magnitude: Tensor, nonzero: Tensor, blocks: int) -> Tensor:
    """Fit Laplacians as ``laplacian_rates`` does, from sum |k| and the number of non-zero k."""
    A, B, zero = 4 * magnitude + 2 * blocks, 4 * magnitude - 2 * nonzero, blocks - nonzero
    return -2 * torch.log((-zero + torch.sqrt(zero**2 + A * B)) / A)


def laplacian_mass(k: Tensor, rate: Tensor) -> Tensor:
    """Probability of the integer k >= 0 under a quantised Laplacian of some rate, per step."""
    tail = torch.exp(-rate * (k - 0.5)) * (1 - torch.exp(-rate)) / 2
    return torch.where(k == 0, 1 - torch.exp(-rate / 2), tail)
