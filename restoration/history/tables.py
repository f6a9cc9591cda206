"""Which quantisation table the evidence of lattices speaks for: one of libjpeg's, or any."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from restoration.history.lattice import Evidence
from restoration.jpeg.operator import BLOCK
from restoration.jpeg.quality import estimated_quality, every_table

# Chance gives pictures that were compressed once much of one or of the other, never of both.
LEAST_EVIDENCE = 120.0  # log-likelihood ratio, natural
LEAST_SHARE = 0.45  # of the evidence that is expected where there is a lattice
# Drawings have more than any lattice would give them: 1.4 is the most of 150 true cases.
MOST_SHARE = 1.6

CHOICE = 8.0  # nats that the free choice of a step costs: ln 255, and some
LEAST_TOLD = 6  # frequencies that must tell their step for a table of any kind
BETTER = 1.1  # times the evidence of libjpeg's best table, that one of any kind must have
MIDDLE = 49  # index of quality 50, whose table is the one that libjpeg scales


class Found(NamedTuple):
    """The table of most evidence.

    Attributes:
        table: luma steps, (64,).
        quality: libjpeg's of that table, or of the one nearest to it, 1 to 100.
        evidence: log-likelihood ratio against no lattice.
        expected: what that would be on average if the table were right.
        standard: whether it is one of libjpeg's.
    """

    table: Tensor
    quality: int
    evidence: float
    expected: float
    standard: bool = True

    @property
    def share(self) -> float:
        """Evidence as a share of what is expected."""
        return self.evidence / max(self.expected, 1.0)


def best_quality(evidence: Evidence, frequencies: Tensor) -> tuple[int, float, float]:
    """Find the libjpeg quality of most evidence; return it, the evidence and its expectation."""
    rows = torch.arange(len(frequencies))
    steps = every_table()[:, 0, frequencies] - 1
    best = int(evidence.likelihood[rows, steps].sum(1).argmax())
    found, expected = (
        float(x[rows, steps[best]].sum()) for x in (evidence.found, evidence.expected)
    )
    return best + 1, found, expected


def any_table(evidence: Evidence, component: int = 0) -> Found | None:
    """Find the step of most evidence for each frequency by itself.

    Frequencies whose coefficients are all zero tell nothing; they take libjpeg's steps, scaled like
    those that are told, but none above the largest of these.

    Args:
        evidence: of all 64 frequencies.
        component: 0 for luma, 1 for chroma: of the table that is scaled.

    Returns:
        None where too few frequencies tell their step.
    """
    best, place = evidence.found.max(1)
    told = best > 2 * CHOICE
    if told.sum() < LEAST_TOLD:
        return None
    rows, steps = torch.arange(BLOCK**2), (place + 1).float()
    base = every_table()[MIDDLE, component].float()
    scale = float((steps[told] / base[told]).median())
    guessed = (base * scale).round().clamp(1, float(steps[told].max()))
    table = torch.where(told, steps, guessed)
    found = float((best - CHOICE)[told].sum())
    expected = float(evidence.expected[rows, place][told].sum())
    quality = estimated_quality(table, component)
    return Found(table, quality, found, expected, standard=False)


def standard_table(evidence: Evidence) -> Found:
    """Find libjpeg's table of most evidence."""
    quality, found, expected = best_quality(evidence, torch.arange(BLOCK**2))
    return Found(every_table()[quality - 1, 0].float(), quality, found, expected)


def table_of(evidence: Evidence) -> Found:
    """Find the table of most evidence: one of libjpeg's, or another that explains far more."""
    standard, other = standard_table(evidence), any_table(evidence)
    if other is None or other.evidence < BETTER * standard.evidence + LEAST_EVIDENCE:
        return standard
    return other if other.share >= LEAST_SHARE else standard
