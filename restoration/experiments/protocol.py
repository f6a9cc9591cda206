"""The paper's protocol: every image at the average best epoch of its configuration (an oracle)."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from restoration.errors import RestorationError
from restoration.experiments.results import Configuration, Record

FEWEST_IMAGES = 5  # from which a confidence interval is told: of fewer it would not be one

Key = tuple[str, int]  # image and seed
Values = dict[Key, float]


@dataclass(frozen=True)
class Cell:
    """One configuration at its average best epoch.

    Attributes:
        configuration: of the runs.
        records: the runs, one per image and seed.
        epoch: mean over the runs of the step with the highest PSNR.
        psnr: per image and seed, at that step, dB.
        ms_ssim: likewise, at the nearest step at which it was measured; NaN for small images.
        unsmoothed: PSNR of the output itself at that step, dB.
    """

    configuration: Configuration
    records: tuple[Record, ...]
    epoch: float
    psnr: Values
    ms_ssim: Values
    unsmoothed: Values

    @property
    def mean_psnr(self) -> float:
        """Mean over the runs, dB."""
        return float(np.mean(list(self.psnr.values())))

    @property
    def mean_ms_ssim(self) -> float:
        """Mean over the runs."""
        return float(np.mean(list(self.ms_ssim.values())))


def reported(configuration: Configuration) -> str:
    """Name the output that the paper reports: smoothed for losses with MSE, not with SURE."""
    return "" if configuration.has_sure else "_smoothed"


def value_at(record: Record, name: str, step: float) -> float:
    """Look a curve up at the measured step nearest to ``step``; NaN where there is none."""
    steps, values = record.curves["step"], record.curves.get(name)
    if values is None or not np.isfinite(values).any():
        return float("nan")
    measured = np.flatnonzero(np.isfinite(values))
    return float(values[measured[np.argmin(np.abs(steps[measured] - step))]])


def best_step(record: Record) -> float:
    """Return the step with the highest PSNR of the output that the paper reports."""
    curve = record.curves["psnr" + reported(record.configuration)]
    return float(record.curves["step"][np.nanargmax(curve)])


def cell_of(configuration: Configuration, records: Sequence[Record]) -> Cell:
    """Evaluate one configuration by the paper's protocol.

    Raises:
        RestorationError: two of the runs have the same image and seed.
    """
    known: dict[Key, Record] = {}
    for record in records:
        other = known.setdefault((record.image, record.seed), record)
        if other is not record:
            raise RestorationError(
                f"{record.folder} and {other.folder}: two runs of equal labels; keep one of them "
                "(images of one name, or a configuration or code that was changed, have such)"
            )
    epoch = float(np.mean([best_step(r) for r in records]))
    suffix = reported(configuration)

    def values(name: str) -> Values:
        return {(r.image, r.seed): value_at(r, name, epoch) for r in records}

    return Cell(
        configuration,
        tuple(records),
        epoch,
        psnr=values("psnr" + suffix),
        ms_ssim=values("ms_ssim" + suffix),
        unsmoothed=values("psnr"),
    )


def cells_of(records: Iterable[Record]) -> dict[Configuration, Cell]:
    """Evaluate all configurations."""
    groups: dict[Configuration, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.configuration].append(record)
    return {c: cell_of(c, some) for c, some in groups.items()}


def shortened(cell: Cell, steps: float) -> Cell:
    """Evaluate a cell as if its runs had ended after so many steps."""
    records = []
    for record in cell.records:
        there = record.curves["step"] <= steps
        curves = {name: values[there] for name, values in record.curves.items()}
        records.append(replace(record, curves=curves))
    return cell_of(cell.configuration, records)


def better_weights(cells: dict[Configuration, Cell]) -> dict[Configuration, Cell]:
    """Keep, of configurations that differ in lambda alone, the one of higher mean PSNR.

    That is the mean over the images and seeds that both have, if there are any. One of fewer runs
    is left out: a cell is there to be compared with others, of the same images.

    Returns:
        The cells kept, by their configuration without lambda.
    """
    best: dict[Configuration, Cell] = {}
    for configuration, cell in cells.items():
        other = best.setdefault(configuration._replace(weight=None), cell)
        gains = list(paired(cell.psnr, other.psnr).values())
        gain = np.mean(gains) if gains else cell.mean_psnr - other.mean_psnr
        if (len(cell.records), gain) > (len(other.records), 0):
            best[configuration._replace(weight=None)] = cell
    return best


def paired(
    one: Values, other: Values, compare: Callable[[float, float], float] = operator.sub
) -> Values:
    """Differences one - other, say, over the images and seeds that both have."""
    return {key: compare(one[key], other[key]) for key in one if key in other}


def mean_size(cells: Sequence[Values]) -> float:
    """Mean over the cells of the size of the cell's mean difference."""
    return float(np.mean([abs(np.mean(list(cell.values()))) for cell in cells if cell]))


def mean_difference(cells: Sequence[Values], draws: int = 10_000) -> tuple[float, float, float]:
    """Estimate a mean difference and its 95 % confidence interval by the bootstrap over images.

    Images are drawn whole, with all their pairs: pairs of one image resemble each other. The
    percentiles lie further out than 2.5 and 97.5, at Phi(-+ sqrt(n / (n - 1)) t_0.975), t of n - 1
    degrees of freedom: plain ones hold the truth in 86 % of cases with n = 8 images.

    Args:
        cells: differences of the pairs of each cell, by image and seed; at least one pair in all.
        draws: with a fixed seed.

    Returns:
        The mean over all pairs, and the interval's ends: NaN for fewer than ``FEWEST_IMAGES``.

    Reference: Hesterberg, What Teachers Should Know About the Bootstrap, arXiv 1411.5279, the
    expanded percentile interval.
    """
    images = sorted({image for cell in cells for image, _ in cell})
    sums, counts = np.zeros((2, len(images)))
    for (image, _), difference in (pair for cell in cells for pair in cell.items()):
        sums[images.index(image)] += difference
        counts[images.index(image)] += 1
    value = float(sums.sum() / counts.sum())
    n = len(images)
    if n < FEWEST_IMAGES:
        return value, float("nan"), float("nan")
    drawn = np.random.default_rng(0).multinomial(n, [1 / n] * n, draws).astype(float)
    far = np.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1)
    levels = stats.norm.cdf([-far, far])
    low, high = np.quantile((drawn @ sums) / (drawn @ counts), levels)
    return value, float(low), float(high)
